package session_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
	"github.com/go-usher/usher/ushertest"
)

const (
	subject = "user-7"
	grace   = 10 * time.Second
	idleTTL = 14 * 24 * time.Hour
	maxAge  = 90 * 24 * time.Hour
)

var (
	epoch  = time.Date(2031, time.March, 4, 5, 6, 7, 891234567, time.UTC)
	secret = bytes.Repeat([]byte("secret! "), 4)
	other  = bytes.Repeat([]byte("another "), 4)
)

// claims is an application's claims type.
type claims struct {
	usher.Claims
	Role string `json:"role,omitempty"`
}

// events collects the events of a manager.
type events struct {
	mu  sync.Mutex
	all []session.Event
}

func (e *events) on(_ context.Context, event session.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, event)
}

// take returns the kinds of the events since its last call.
func (e *events) take() []session.EventKind {
	e.mu.Lock()
	defer e.mu.Unlock()
	var kinds []session.EventKind
	for _, event := range e.all {
		kinds = append(kinds, event.Kind)
	}
	e.all = nil
	return kinds
}

// world is a manager and everything it depends on.
type world struct {
	*session.Manager[claims]
	config  session.Config[claims]
	clock   *ushertest.Clock
	events  *events
	decoder *usher.Decoder[claims]
	keys    *signer
	user    func(context.Context, session.Grant) (claims, error) // what Claims calls; tests replace it
}

// signer is a signing key that can fail.
type signer struct {
	usher.Key
	err   error
	fault *fault // nil: none
}

func (s *signer) SigningKey(ctx context.Context) (usher.Key, error) {
	if s.err != nil {
		return usher.Key{}, s.err
	}
	if s.fault != nil && s.fault.strikes() {
		return usher.Key{}, errStore
	}
	return s.Key.SigningKey(ctx)
}

func newWorld(t testing.TB, store session.Store, change ...func(*session.Config[claims])) *world {
	t.Helper()
	w := &world{
		clock:  ushertest.NewClock(epoch),
		events: &events{},
		keys:   &signer{Key: usher.Must(usher.NewKey("HS256", bytes.Repeat([]byte("test key"), 4)))},
		user:   func(context.Context, session.Grant) (claims, error) { return claims{Role: "reader"}, nil },
	}
	w.decoder = usher.Must(usher.NewDecoder[claims](w.keys.Key, &usher.DecoderOptions{Now: w.clock.Now}))
	w.config = session.Config[claims]{
		Encoder: usher.Must(usher.NewEncoder[claims](w.keys, &usher.EncoderOptions{Now: w.clock.Now})),
		Store:   store,
		Claims:  func(ctx context.Context, g session.Grant) (claims, error) { return w.user(ctx, g) },
		Secret:  secret,
		OnEvent: w.events.on,
		Now:     w.clock.Now,
	}
	for _, c := range change {
		c(&w.config)
	}
	w.Manager = usher.Must(session.NewManager(w.config))
	return w
}

// with returns another manager for the same store, as in another process.
func (w *world) with(change func(*session.Config[claims])) *session.Manager[claims] {
	config := w.config
	change(&config)
	return usher.Must(session.NewManager(config))
}

func (w *world) mustStart(t testing.TB) session.Tokens {
	t.Helper()
	tokens, err := w.Start(t.Context(), subject, session.About{})
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

func (w *world) mustRefresh(t testing.TB, token string) session.Tokens {
	t.Helper()
	tokens, err := w.Refresh(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

func (w *world) mustDecode(t testing.TB, tokens session.Tokens) *claims {
	t.Helper()
	c, err := w.decoder.Decode(t.Context(), tokens.AccessToken)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (w *world) wantSessions(t testing.TB, n int) []session.Session {
	t.Helper()
	list, err := w.List(t.Context(), subject)
	if err != nil || len(list) != n {
		t.Fatalf("List = %v, %v; want %d sessions", list, err, n)
	}
	return list
}

func (w *world) wantEvents(t testing.TB, want ...session.EventKind) {
	t.Helper()
	if got := w.events.take(); !slices.Equal(got, want) {
		t.Fatalf("events %v; want %v", got, want)
	}
}

func wantErr(t testing.TB, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Fatalf("%s: error %v; want %v", what, got, want)
	}
}

func wantConfigError(t *testing.T, err error, text string) {
	t.Helper()
	if !errors.As(err, new(*usher.ConfigError)) || !strings.Contains(err.Error(), text) {
		t.Errorf("%v; want a ConfigError about %s", err, text)
	}
}
