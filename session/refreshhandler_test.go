package session_test

import (
	"net/http"
	"testing"

	"github.com/go-usher/usher/session"
)

func TestRefreshAndLogoutTakeTheTokenFromAuthorization(t *testing.T) {
	for name, change := range map[string]func(*session.HandlerOptions){"JSON": func(*session.HandlerOptions) {}, "cookies": withCookies} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, session.NewMemoryStore(), change)
			tokens := s.mustStart(t)
			with := func(token string) func(*http.Request) { return header("Authorization", "Bearer "+token) }
			s.send(t, "POST", "/refresh", "", with(tokens.RefreshToken)).want(t, 200, "expires_in")
			s.send(t, "POST", "/refresh", "", with("forged")).want(t, 401, "The session is over")
			s.send(t, "POST", "/refresh", "", with("")).want(t, 401, "refresh token is required")
			s.send(t, "POST", "/refresh", "", header("Authorization", "Basic eDp5")).want(t, 401, "refresh token is required")
			s.send(t, "POST", "/refresh", "", func(r *http.Request) {
				r.Header["Authorization"] = []string{"Bearer " + tokens.RefreshToken, "Bearer x"}
			}).want(t, 400, "more than one token")
			s.send(t, "POST", "/logout", "", with(tokens.RefreshToken)).want(t, 204, "")
			s.wantSessions(t, 0)
		})
	}
}

func TestRefreshAndLogoutRefuseAnAccessToken(t *testing.T) {
	s := newSite(t, session.NewMemoryStore())
	tokens := s.mustStart(t)
	for _, target := range []string{"/refresh", "/logout"} {
		s.send(t, "POST", target, "", bearer(tokens)).want(t, 401, "This is an access token.")
		s.send(t, "POST", target, refreshBody(session.Tokens{RefreshToken: tokens.AccessToken})).want(t, 401, "This is an access token.")
	}
	s.wantSessions(t, 1)
	if reason := s.seen[0].Reason(); reason != "refresh_token" {
		t.Errorf("reason %q", reason)
	}
	s.send(t, "POST", "/logout", "").want(t, 401, "refresh token is required")
}

func TestABodyOrACookieWinsOverAuthorization(t *testing.T) {
	s := newSite(t, session.NewMemoryStore())
	tokens := s.mustStart(t)
	s.send(t, "POST", "/refresh", refreshBody(tokens), bearer(tokens)).tokens(t)
	s.send(t, "POST", "/refresh", `{}`, header("Authorization", "Bearer "+tokens.RefreshToken)).want(t, 422, "refresh_token")

	s = newSite(t, session.NewMemoryStore(), withCookies)
	jar := cookieJar{}
	jar.keep(t, s.send(t, "POST", "/login", login).want(t, 200, ""))
	s.send(t, "POST", "/refresh", "", jar.send, header("Authorization", "Bearer forged")).want(t, 200, "")
	s.send(t, "POST", "/refresh", "{}", header("Authorization", "Bearer forged")).want(t, 401, "refresh token is required")
}
