package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/go-usher/usher/session"
)

// goneAtReuse cancels the client's context when a token is reused.
type goneAtReuse struct {
	session.Store
	cancel context.CancelFunc
}

func (s *goneAtReuse) Rotate(ctx context.Context, r session.Rotation) (session.Rotated, error) {
	rotated, err := s.Store.Rotate(ctx, r)
	if errors.Is(err, session.ErrReused) {
		s.cancel()
	}
	return rotated, err
}

func TestReuseIsReportedEvenIfTheClientDisconnects(t *testing.T) {
	type key struct{}
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "request 7"))
	reported := 0
	w := newWorld(t, &goneAtReuse{session.NewMemoryStore(), cancel}, func(c *session.Config[claims]) {
		c.OnEvent = func(ctx context.Context, e session.Event) {
			if e.Kind != session.EventReused {
				return
			}
			reported++
			if _, bounded := ctx.Deadline(); !bounded || ctx.Err() != nil || ctx.Value(key{}) != "request 7" {
				t.Errorf("reported with a context of %v, %v, bounded %v; want the request's values, and an end of its own", ctx.Err(), ctx.Value(key{}), bounded)
			}
		}
	})
	first := w.mustStart(t)
	w.mustRefresh(t, first.RefreshToken)
	w.clock.Advance(grace)
	_, err := w.Refresh(ctx, first.RefreshToken)
	wantErr(t, "Refresh", err, session.ErrReused)
	if reported != 1 || ctx.Err() == nil {
		t.Errorf("reported %d times; want once, to a client that had gone", reported)
	}
}

func TestEventsNameTheClient(t *testing.T) {
	s := newSite(t, session.NewMemoryStore())
	var got []session.Event
	s.Manager = s.with(func(c *session.Config[claims]) {
		c.OnEvent = func(_ context.Context, e session.Event) { got = append(got, e) }
	})
	s.mount(t)
	client := func(n int) func(*http.Request) {
		return func(r *http.Request) {
			r.RemoteAddr = fmt.Sprintf("198.51.100.%d:1", n)
			r.Header.Set("User-Agent", fmt.Sprint("UA ", n, "\x01", strings.Repeat("x", 300)))
		}
	}
	first := s.send(t, "POST", "/login", login, client(0)).tokens(t)
	second := s.send(t, "POST", "/refresh", refreshBody(first), client(1)).tokens(t)
	s.send(t, "POST", "/refresh", refreshBody(first), client(2)).tokens(t)
	s.send(t, "POST", "/refresh", `{"refresh_token":"forged"}`, client(3)).want(t, 401, "")
	s.send(t, "POST", "/logout", refreshBody(second), client(4)).want(t, 204, "")
	third := s.send(t, "POST", "/login", login, client(5)).tokens(t)
	s.send(t, "POST", "/refresh", refreshBody(third), client(6)).tokens(t)
	s.clock.Advance(2 * grace)
	s.send(t, "POST", "/refresh", refreshBody(third), client(7)).want(t, 401, "")
	kinds := []session.EventKind{
		session.EventStarted, session.EventRefreshed, session.EventRetried, session.EventRefused,
		session.EventEnded, session.EventStarted, session.EventRefreshed, session.EventReused,
	}
	if len(got) != len(kinds) {
		t.Fatalf("%d events; want %d", len(got), len(kinds))
	}
	for i, e := range got {
		agent := fmt.Sprint("UA ", i, strings.Repeat("x", 300))[:256]
		if e.Kind != kinds[i] || e.Address != fmt.Sprint("198.51.100.", i) || e.UserAgent != agent {
			t.Errorf("event %d: %s from %s, %s; want %s", i, e.Kind, e.Address, e.UserAgent, kinds[i])
		}
	}

	// Without a handler, Start knows the client from About.
	got = nil
	if _, err := s.Start(t.Context(), subject, session.About{Address: "203.0.113.9", UserAgent: "app"}); err != nil {
		t.Fatal(err)
	}
	if got[0].Address != "203.0.113.9" || got[0].UserAgent != "app" {
		t.Errorf("event %+v", got[0])
	}
}
