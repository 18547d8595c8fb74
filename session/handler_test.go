package session_test

import (
	"testing"

	"github.com/go-usher/usher/session"
)

func TestLoginRefreshLogoutWithJSON(t *testing.T) {
	s := newSite(t, session.NewMemoryStore())
	first := s.send(t, "POST", "/login", login, header("User-Agent", "UA/1")).tokens(t)
	if got := s.wantSessions(t, 1)[0]; got.UserAgent != "UA/1" || got.Address != "192.0.2.1" || got.Label != "phone" {
		t.Errorf("the session remembers %+v", got)
	}
	second := s.send(t, "POST", "/refresh", refreshBody(first)).tokens(t)
	if second.RefreshToken == first.RefreshToken || second.AccessToken == first.AccessToken {
		t.Error("the tokens are the same")
	}
	if a := s.send(t, "POST", "/logout", refreshBody(second)).want(t, 204, ""); len(a.Cookies()) != 0 {
		t.Error("cookies although they are off")
	}
	s.send(t, "POST", "/logout", refreshBody(second)).want(t, 204, "")
	s.send(t, "POST", "/logout", `{"refresh_token":"forged"}`).want(t, 204, "")
	s.send(t, "POST", "/refresh", refreshBody(second)).want(t, 401, "Log in again")
	s.send(t, "POST", "/refresh", `{"refresh_token":"forged"}`).want(t, 401, "Log in again")
	s.wantSessions(t, 0)
}

func TestTrustedOriginsMayUseTheHandlers(t *testing.T) {
	s := newSite(t, session.NewMemoryStore(), func(o *session.HandlerOptions) { o.TrustedOrigins = []string{"https://app.example.org"} })
	s.send(t, "POST", "/login", login, header("Origin", "https://app.example.org"), header("Sec-Fetch-Site", "same-site")).tokens(t)
}
