package session_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

func TestTheManagerSetsSubSidAndAuthTime(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore())
	w.user = func(context.Context, session.Grant) (claims, error) {
		return claims{Claims: usher.Claims{Subject: "root", SessionID: "x", AuthTime: usher.NewNumericDate(epoch.Add(time.Hour)), Scope: "read"}}, nil
	}
	tokens := w.mustStart(t)
	for range 2 {
		c := w.mustDecode(t, tokens)
		if c.Subject != subject || c.SessionID != tokens.SessionID || c.AuthTime.Unix() != epoch.Unix() || c.Scope != "read" {
			t.Errorf("claims %+v", c)
		}
		tokens = w.mustRefresh(t, tokens.RefreshToken)
	}
}

func TestExpiresInIsThatOfTheApplicationsExp(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore())
	w.user = func(context.Context, session.Grant) (claims, error) {
		return claims{Claims: usher.Claims{ExpiresAt: usher.NewNumericDate(epoch.Add(90 * time.Second))}}, nil
	}
	if got := w.mustStart(t).ExpiresIn; got != 90 {
		t.Errorf("expires_in %d; want 90", got)
	}
}

func TestAccessTokensLogInWithoutASession(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore())
	plain := usher.Must(session.NewAccessTokens(w.config.Encoder, w.config.Claims))
	authenticate := func(context.Context, string, string) (string, error) { return subject, nil }
	for _, cookies := range []bool{false, true} {
		h := usher.Must(session.LoginHandler(plain, authenticate, &session.HandlerOptions{Cookies: cookies}))
		r := httptest.NewRequest(http.MethodPost, "/auth", strings.NewReader(`{"username":"ada","password":"x"}`))
		r.Header.Set("Content-Type", "application/json")
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if rec.Code != 200 || strings.Contains(rec.Body.String(), "refresh") {
			t.Fatalf("%d %s", rec.Code, rec.Body)
		}
		if cookies {
			if set := rec.Result().Cookies(); len(set) != 1 || set[0].Name != "__Host-access" {
				t.Errorf("cookies %v", set)
			}
			continue
		}
		tokens := answer{rec.Result(), rec.Body.String()}.tokens(t)
		c := w.mustDecode(t, tokens)
		if c.Subject != subject || c.SessionID != "" || c.AuthTime.Unix() != epoch.Unix() || c.Role != "reader" {
			t.Errorf("claims %+v", c)
		}
	}

	if tokens, err := plain.Start(t.Context(), subject, session.About{}); err != nil || tokens.RefreshToken != "" {
		t.Errorf("Start = %v, %v", tokens, err)
	}
	if _, err := plain.Start(t.Context(), "", session.About{}); err == nil {
		t.Error("Start of nobody succeeded")
	}
	w.keys.err = usher.ErrUnavailable
	_, err := plain.Start(t.Context(), subject, session.About{})
	wantErr(t, "Start while the key fails", err, usher.ErrUnavailable)
	w.user = func(context.Context, session.Grant) (claims, error) { return claims{}, usher.ErrNoUser }
	_, err = plain.Start(t.Context(), subject, session.About{})
	wantErr(t, "Start of a user who is gone", err, usher.ErrNoUser)
	_, err = session.NewAccessTokens[claims](nil, nil)
	wantConfigError(t, err, "encoder")
	wantConfigError(t, err, "claims")
}

type shadowing struct {
	usher.Claims
	Session string `json:"sid"`
}

func TestAClaimsTypeMustNotHaveItsOwnSid(t *testing.T) {
	keys := usher.Must(usher.GenerateKey("HS256"))
	encoder := usher.Must(usher.NewEncoder[shadowing](keys, nil))
	callback := func(context.Context, session.Grant) (shadowing, error) { return shadowing{}, nil }
	_, err := session.NewManager(session.Config[shadowing]{Encoder: encoder, Store: session.NewMemoryStore(), Claims: callback, Secret: secret})
	wantConfigError(t, err, "sid")
	_, err = session.NewAccessTokens(encoder, callback)
	wantConfigError(t, err, "sid")
}

// hiding has a sid field that Go hides behind ID but JSON writes.
type hiding struct {
	standard
	sidAsID
	ID string `json:"id"`
}

type (
	standard struct{ usher.Claims }
	sidAsID  struct {
		ID string `json:"sid"`
	}
)

func TestAClaimsTypeMustNotHaveItsOwnHiddenSid(t *testing.T) {
	encoder := usher.Must(usher.NewEncoder[hiding](usher.Must(usher.GenerateKey("HS256")), nil))
	_, err := session.NewAccessTokens(encoder, func(context.Context, session.Grant) (hiding, error) { return hiding{}, nil })
	wantConfigError(t, err, "sid")
}
