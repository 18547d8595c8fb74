// Package storetest tests that a session.Store keeps its contract. Run tests each method, races, and methods under
// load. RunFaults tests the store over a faulty network, and RunFailover counts what a failover loses.
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) session.Store { return mystore.New(…) })
//	}
//
//	func TestStoreOverABadNetwork(t *testing.T) {
//		storetest.RunFaults(t, func(t *testing.T) (session.Store, storetest.Network) {
//			proxy := storetest.NewProxy(t, "127.0.0.1:5432")
//			return mystore.New(…proxy.Addr()…), proxy
//		})
//	}
package storetest

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/go-usher/usher/session"
)

// Run runs the suite. It calls newStore once for each test. newStore must return an empty store that is ready for use,
// and register its cleanup. The tests use times far from the present, because a store must not use its own clock. With
// -short, races have fewer rounds.
func Run(t *testing.T, newStore func(t *testing.T) session.Store) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, store session.Store)
	}{
		{"Start stores every field", startStores},
		{"Start again changes nothing", startAgain},
		{"Start ends the oldest beyond the limit", startLimit},
		{"Start counts live sessions only", startLimitLive},
		{"Start never ends the session that it starts", startLimitNewest},
		{"Start respects the cut-off", startCutoff},
		{"Lookup and List see live sessions of the subject only", lookupAndList},
		{"Subjects are compared byte for byte", subjects},
		{"Rotate", rotate},
		{"Rotate moves the expiry, up to the absolute limit", rotateExpiry},
		{"The same Rotate again returns the same", rotateAgain},
		{"Rotate ends a session by reuse once", rotateReuse},
		{"End ends a live session of the subject once", end},
		{"EndAll ends all sessions except the one to keep", endAll},
		{"Prune removes what has expired", prune},
		{"A canceled call changes nothing", canceled},
		{"Changes are visible when a method has returned", visible},
		{"Race: many clients of a new store", coldStart},
		{"Race: logins of different subjects", raceLogins},
		{"Refreshes continue during Prune", longPrune},
		{"Race: rotations of one token", raceRotate},
		{"Race: reuse by many", raceReuse},
		{"Race: starts beyond the limit", raceLimit},
		{"Race: refreshes of one token", raceRefresh},
		{"Race: refresh against logout", raceLogout},
		{"Race: refresh against EndAll", raceRefreshEndAll},
		{"Race: EndAll against Start", raceEndAllStart},
		{"A spent token whose successor is spent ends the session", reuse},
		{"A forged token does not end the session", forged},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, newStore(t)) })
	}
}

// epoch is the time of the tests.
var epoch = time.Date(2031, time.March, 4, 5, 6, 7, 891234000, time.UTC)

const (
	idle   = 14 * 24 * time.Hour
	maxAge = 90 * 24 * time.Hour
	grace  = 10 * time.Second
)

// record returns session number n of a subject, as a manager would start it. Higher numbers start later.
func record(subject string, n int) session.Record {
	started := epoch.Add(time.Duration(n) * time.Minute)
	return session.Record{
		Session: session.Session{
			ID:         sessionID(subject, n),
			Subject:    subject,
			UserAgent:  fmt.Sprintf("Browser/%d", n),
			Address:    "2001:db8::1",
			Label:      "Küche",
			AuthTime:   started.Add(-time.Second),
			StartedAt:  started,
			LastUsedAt: started,
			ExpiresAt:  started.Add(idle),
		},
		EndsAt: started.Add(maxAge),
		Token:  token(subject, n, 1),
	}
}

// sessionID has the form of a manager's: 22 characters of base64url.
func sessionID(subject string, n int) string {
	return fmt.Sprintf("%x", sha256.Sum256(fmt.Appendf(nil, "%s/%d", subject, n)))[:22]
}

func token(subject string, n int, generation int64) session.Hash {
	return sha256.Sum256(fmt.Appendf(nil, "%s/%d/%d", subject, n, generation))
}

// rotation returns the Rotation that spends the token of a generation of record(subject, n).
func rotation(subject string, n int, generation int64, now time.Time) session.Rotation {
	r := session.Rotation{
		SessionID:  sessionID(subject, n),
		Subject:    subject,
		Generation: generation,
		Token:      token(subject, n, generation),
		Successor:  token(subject, n, generation+1),
		Now:        now,
		ExpiresAt:  now.Add(idle),
		Grace:      grace,
	}
	binary.BigEndian.PutUint64(r.Nonce[:], uint64(generation))
	return r
}

// withNonce returns the Rotation with which another process would spend the same token.
func withNonce(r session.Rotation, nonce byte) session.Rotation {
	r.Nonce[15] = nonce
	r.Successor[31] ^= nonce
	return r
}

// successorOf returns what Rotate returns for a current token.
func successorOf(r session.Rotation) session.Rotated {
	return session.Rotated{Successor: r.Successor, Nonce: r.Nonce}
}

func mustStart(t *testing.T, store session.Store, records ...session.Record) {
	t.Helper()
	for _, r := range records {
		ended, err := store.Start(t.Context(), r, 0, r.StartedAt)
		if err != nil || len(ended) != 0 {
			t.Fatalf("Start(%s) = %v, %v; want none ended, no error", r.ID, ended, err)
		}
	}
}

func mustRotate(t *testing.T, store session.Store, r session.Rotation) {
	t.Helper()
	got, err := store.Rotate(t.Context(), r)
	if err != nil || got != successorOf(r) {
		t.Fatalf("Rotate(generation %d) = %x, %v; want its successor", r.Generation, got, err)
	}
}

func wantErr(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Fatalf("%s: error %v; want %v", what, got, want)
	}
}

// wantSessions checks which sessions of a subject List returns, in which order.
func wantSessions(t *testing.T, store session.Store, subject string, now time.Time, ids ...string) {
	t.Helper()
	list, err := store.List(t.Context(), subject, now)
	if err != nil {
		t.Fatalf("List(%q): %v", subject, err)
	}
	got := make([]string, 0, len(list))
	for _, s := range list {
		got = append(got, s.ID)
	}
	if fmt.Sprint(got) != fmt.Sprint(ids) {
		t.Fatalf("List(%q) = %v; want %v", subject, got, ids)
	}
}

// wantLive checks whether Lookup finds a session.
func wantLive(t *testing.T, store session.Store, subject, id string, now time.Time, live bool) {
	t.Helper()
	_, err := store.Lookup(t.Context(), subject, id, now)
	if live && err != nil {
		t.Fatalf("Lookup(%q, %s): %v; want the session", subject, id, err)
	}
	if !live {
		wantErr(t, fmt.Sprintf("Lookup(%q, %s)", subject, id), err, session.ErrSessionEnded)
	}
}
