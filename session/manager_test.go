package session_test

import (
	"errors"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

func TestValuesThatNoConstructorMadeAnswerWithAnError(t *testing.T) {
	ctx := t.Context()
	var zero session.Manager[claims]
	w := newWorld(t, session.NewMemoryStore())
	tokens, err := w.Start(ctx, "7", session.About{})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []*session.Manager[claims]{nil, &zero} {
		for name, call := range map[string]func() error{
			"Start":      func() error { _, err := m.Start(ctx, "7", session.About{}); return err },
			"Refresh":    func() error { _, err := m.Refresh(ctx, tokens.RefreshToken); return err },
			"End":        func() error { return m.End(ctx, tokens.RefreshToken) },
			"EndSession": func() error { return m.EndSession(ctx, "7", tokens.SessionID) },
			"EndOthers":  func() error { return m.EndOthers(ctx, "7", tokens.SessionID) },
			"EndAll":     func() error { return m.EndAll(ctx, "7") },
			"List":       func() error { _, err := m.List(ctx, "7"); return err },
			"Check":      func() error { return m.Check(ctx, &usher.Claims{Subject: "7", SessionID: tokens.SessionID}) },
			"Prune":      func() error { _, err := m.Prune(ctx); return err },
			"PruneEvery": func() error { return m.PruneEvery(ctx, time.Minute, nil) },
		} {
			t.Run(name, func(t *testing.T) { wantConfigError(t, call(), "Manager was not made by NewManager") })
		}
	}
	if err := w.Check(ctx, nil); !errors.Is(err, usher.ErrTokenRevoked) {
		t.Errorf("claims that are nil: %v", err)
	}
	for _, tokens := range []*session.AccessTokens[claims]{nil, {}} {
		_, err := tokens.Start(ctx, "7", session.About{})
		wantConfigError(t, err, "AccessTokens was not made by NewAccessTokens")
	}
	for _, throttle := range []*session.MemoryThrottle{nil, {}} {
		_, _, err := throttle.Reserve(ctx, session.Attempt{Kind: session.KindLogin})
		wantConfigError(t, err, "MemoryThrottle was not made by NewMemoryThrottle")
		wantConfigError(t, throttle.Settle(ctx, "", session.Right), "MemoryThrottle was not made by NewMemoryThrottle")
	}
}

func TestConstructorsRefuseValuesThatNoConstructorMade(t *testing.T) {
	config := newWorld(t, session.NewMemoryStore()).config
	config.Encoder, config.Store = new(usher.Encoder[claims]), new(session.MemoryStore)
	_, err := session.NewManager(config)
	wantConfigError(t, err, "Config.Encoder was not made by NewEncoder")
	wantConfigError(t, err, "Config.Store was not made by NewMemoryStore")
	_, err = session.NewAccessTokens(config.Encoder, config.Claims)
	wantConfigError(t, err, "NewAccessTokens encoder")
	for _, starter := range []session.Starter{new(session.Manager[claims]), new(session.AccessTokens[claims])} {
		_, err := session.NewLogin(starter, nil, nil)
		wantConfigError(t, err, "was not made by New")
	}
}
