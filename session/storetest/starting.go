package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-usher/usher/session"
)

func startStores(t *testing.T, store session.Store) {
	plain := record("ada", 1)
	bare := record("ada", 2)
	bare.UserAgent, bare.Address, bare.Label = "", "", ""
	long := record("ada", 3)
	long.UserAgent = strings.Repeat("ü", 128)
	long.Label = `'";--\%_😀`
	mustStart(t, store, plain, bare, long)

	list, err := store.List(t.Context(), "ada", long.StartedAt)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range []session.Record{plain, bare, long} {
		found, err := store.Lookup(t.Context(), "ada", r.ID, r.StartedAt)
		if err != nil {
			t.Fatal(err)
		}
		for _, got := range []session.Session{found, list[i]} {
			if !equal(got, r.Session) {
				t.Errorf("got  %+v\nwant %+v", got, r.Session)
			}
		}
	}
}

// equal compares sessions, without regard to time zones.
func equal(a, b session.Session) bool {
	for _, s := range []*session.Session{&a, &b} {
		for _, at := range []*time.Time{&s.AuthTime, &s.StartedAt, &s.LastUsedAt, &s.ExpiresAt} {
			*at = at.UTC()
		}
	}
	return a == b
}

func startAgain(t *testing.T, store session.Store) {
	r := record("ada", 1)
	mustStart(t, store, r)
	mustStart(t, store, r)
	wantSessions(t, store, "ada", r.StartedAt, r.ID)

	mustRotate(t, store, rotation("ada", 1, 1, r.StartedAt))
	mustStart(t, store, r) // does not bring the first token back
	mustRotate(t, store, rotation("ada", 1, 2, r.StartedAt))
}

func startLimit(t *testing.T, store session.Store) {
	mustStart(t, store, record("ada", 1), record("ada", 2), record("ada", 3), record("bob", 0))
	next := record("ada", 4)
	ended, err := store.Start(t.Context(), next, 2, next.StartedAt)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(ended)
	want := []string{sessionID("ada", 1), sessionID("ada", 2)}
	slices.Sort(want)
	if !slices.Equal(ended, want) {
		t.Fatalf("Start beyond the limit ended %v; want the oldest two, %v", ended, want)
	}
	wantSessions(t, store, "ada", next.StartedAt, sessionID("ada", 3), next.ID)
	wantSessions(t, store, "bob", next.StartedAt, sessionID("bob", 0))
}

func startLimitLive(t *testing.T, store session.Store) {
	mustStart(t, store, record("ada", 1), record("ada", 2))
	next := record("ada", 3)
	now := epoch.Add(time.Minute + idle) // the first one has just expired
	ended, err := store.Start(t.Context(), next, 2, now)
	if err != nil || len(ended) != 0 {
		t.Fatalf("Start = %v, %v; want none ended", ended, err)
	}
	wantSessions(t, store, "ada", now, sessionID("ada", 2), next.ID)
}

// startLimitNewest starts a session with a clock that is behind.
func startLimitNewest(t *testing.T, store session.Store) {
	mustStart(t, store, record("ada", 5), record("ada", 6))
	next := record("ada", 1)
	ended, err := store.Start(t.Context(), next, 1, next.StartedAt)
	if err != nil || len(ended) != 2 {
		t.Fatalf("Start = %v, %v; want the two others ended", ended, err)
	}
	wantSessions(t, store, "ada", next.StartedAt, next.ID)
}

func startCutoff(t *testing.T, store session.Store) {
	cutoff := epoch.Add(time.Hour)
	for _, at := range []time.Time{cutoff, cutoff.Add(-time.Minute)} { // the earlier one does not undo the later one
		if _, err := store.EndAll(t.Context(), "ada", "", at, at.Add(maxAge)); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		subject  string
		authTime time.Time
		want     error
	}{
		{"ada", cutoff.Add(-time.Microsecond), session.ErrSessionEnded},
		{"ada", cutoff, session.ErrSessionEnded},
		{"bob", cutoff, nil},
		{"ada", cutoff.Add(time.Microsecond), nil},
	} {
		r := record(test.subject, 1)
		r.AuthTime = test.authTime
		now := cutoff.Add(time.Minute)
		_, err := store.Start(t.Context(), r, 0, now)
		wantErr(t, fmt.Sprintf("Start of %s, %v from the cut-off", test.subject, test.authTime.Sub(cutoff)), err, test.want)
		wantLive(t, store, test.subject, r.ID, now, test.want == nil)
	}
}

func lookupAndList(t *testing.T, store session.Store) {
	r := record("ada", 1)
	mustStart(t, store, r, record("bob", 1))
	last := r.ExpiresAt.Add(-time.Microsecond)

	wantLive(t, store, "ada", r.ID, last, true)
	wantLive(t, store, "ada", r.ID, r.ExpiresAt, false)
	wantLive(t, store, "bob", r.ID, epoch, false)
	wantLive(t, store, "ada", sessionID("ada", 2), epoch, false)
	wantLive(t, store, "nobody", r.ID, epoch, false)
	wantSessions(t, store, "ada", last, r.ID)
	wantSessions(t, store, "ada", r.ExpiresAt)
	wantSessions(t, store, "nobody", epoch)
}

// subjects uses names that a collation, the syntax of keys or the padding of columns might confuse.
func subjects(t *testing.T, store session.Store) {
	all := []string{
		"a", "A", "a ", " a", "á", "a\u0301", "a}", "}", "{a}", "a:b", "a%", "a_", `a\`, `a'`, `a"`, "0", "00",
		strings.Repeat("s", 254), strings.Repeat("s", 255), "😀",
	}
	for _, subject := range all {
		mustStart(t, store, record(subject, 1))
	}
	for _, subject := range all {
		wantSessions(t, store, subject, epoch, sessionID(subject, 1))
		mustRotate(t, store, rotation(subject, 1, 1, epoch))
	}
	for i, subject := range all {
		ended, err := store.EndAll(t.Context(), subject, "", epoch, epoch.Add(maxAge))
		if err != nil || len(ended) != 1 {
			t.Fatalf("EndAll(%q) = %v, %v; want one session ended", subject, ended, err)
		}
		for j, other := range all {
			wantLive(t, store, other, sessionID(other, 1), epoch, j > i)
		}
	}
}
