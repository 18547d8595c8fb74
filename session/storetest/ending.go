package storetest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/go-usher/usher/session"
)

func end(t *testing.T, store session.Store) {
	r := record("ada", 0)
	mustStart(t, store, r, record("ada", 1))
	for _, test := range []struct {
		name, subject, id string
		now               time.Time
		want              bool
	}{
		{"another subject's", "bob", r.ID, epoch, false},
		{"an unknown one", "ada", sessionID("ada", 9), epoch, false},
		{"a live one", "ada", r.ID, epoch, true},
		{"the same again", "ada", r.ID, epoch, false},
		{"an expired one", "ada", sessionID("ada", 1), epoch.Add(time.Minute + idle), false},
	} {
		got, err := store.End(t.Context(), test.subject, test.id, test.now)
		if err != nil || got != test.want {
			t.Errorf("End of %s = %v, %v; want %v", test.name, got, err, test.want)
		}
		if test.subject == "bob" {
			wantLive(t, store, "ada", r.ID, epoch, true)
		}
	}
	wantLive(t, store, "ada", r.ID, epoch, false)
	_, err := store.Rotate(t.Context(), rotation("ada", 0, 1, epoch))
	wantErr(t, "Rotate afterwards", err, session.ErrSessionEnded)
}

func endAll(t *testing.T, store session.Store) {
	mustStart(t, store, record("ada", 0), record("ada", 1), record("ada", 2), record("ada", 3), record("bob", 0))
	now := epoch.Add(idle) // number 0 has just expired
	for _, test := range []struct {
		name  string
		keep  string
		ended []string
		live  []string
	}{
		{"keeping one", sessionID("ada", 2), []string{sessionID("ada", 1), sessionID("ada", 3)}, []string{sessionID("ada", 2)}},
		{"again", sessionID("ada", 2), nil, []string{sessionID("ada", 2)}},
		{"keeping another subject's", sessionID("bob", 0), []string{sessionID("ada", 2)}, nil},
		{"with none left", "", nil, nil},
	} {
		ended, err := store.EndAll(t.Context(), "ada", test.keep, now, now.Add(maxAge))
		if err != nil {
			t.Fatalf("EndAll %s: %v", test.name, err)
		}
		slices.Sort(ended)
		slices.Sort(test.ended)
		if !slices.Equal(ended, test.ended) {
			t.Errorf("EndAll %s ended %v; want %v", test.name, ended, test.ended)
		}
		wantSessions(t, store, "ada", now, test.live...)
	}
	wantSessions(t, store, "bob", epoch, sessionID("bob", 0))
}

func prune(t *testing.T, store session.Store) {
	mustStart(t, store, record("ada", 0), record("ada", 1), record("bob", 0))
	if _, err := store.EndAll(t.Context(), "eve", "", epoch, epoch.Add(maxAge)); err != nil {
		t.Fatal(err)
	}
	now := epoch.Add(idle) // ada's and bob's number 0 have just expired
	n, err := store.Prune(t.Context(), now)
	if err != nil || n != 2 && n != 0 { // 0: the store removes them automatically
		t.Fatalf("Prune = %d, %v; want 2 removed, or 0", n, err)
	}
	wantSessions(t, store, "ada", now, sessionID("ada", 1))
	mustRotate(t, store, rotation("ada", 1, 1, now))
	if n != 0 {
		wantSessions(t, store, "ada", epoch, sessionID("ada", 1)) // even for a process whose clock is behind
	}

	late := record("eve", 0)
	late.AuthTime = epoch
	if _, err := store.Prune(t.Context(), epoch.Add(maxAge-time.Microsecond)); err != nil {
		t.Fatal(err)
	}
	_, err = store.Start(t.Context(), late, 0, now)
	wantErr(t, "Start before the cut-off is forgotten", err, session.ErrSessionEnded)
}

func canceled(t *testing.T, store session.Store) {
	r := record("ada", 0)
	mustStart(t, store, r)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range map[string]func() error{
		"Start":  func() error { _, err := store.Start(ctx, record("ada", 1), 0, epoch); return err },
		"Rotate": func() error { _, err := store.Rotate(ctx, rotation("ada", 0, 1, epoch)); return err },
		"Lookup": func() error { _, err := store.Lookup(ctx, "ada", r.ID, epoch); return err },
		"List":   func() error { _, err := store.List(ctx, "ada", epoch); return err },
		"End":    func() error { _, err := store.End(ctx, "ada", r.ID, epoch); return err },
		"EndAll": func() error { _, err := store.EndAll(ctx, "ada", "", epoch, epoch.Add(maxAge)); return err },
	} {
		err := call()
		if err == nil || isAnswer(err) {
			t.Errorf("%s with a canceled context: %v; want an error that is not an answer", name, err)
		}
	}
	wantSessions(t, store, "ada", epoch, r.ID)
	mustRotate(t, store, rotation("ada", 0, 1, epoch))
}
