package session_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/go-usher/usher/session"
)

func TestLoginRefreshLogoutWithCookies(t *testing.T) {
	s := newSite(t, session.NewMemoryStore(), withCookies)
	jar := cookieJar{}
	a := s.send(t, "POST", "/login", login).want(t, 200, `{"expires_in":900}`)
	if strings.Contains(a.body, "token") {
		t.Errorf("scripts can read %s", a.body)
	}
	for _, c := range a.Cookies() {
		if want := map[string]int{"__Host-access": 900, "__Host-refresh": int(idleTTL.Seconds())}[c.Name]; c.MaxAge != want {
			t.Errorf("%s lasts %d s; want %d", c.Name, c.MaxAge, want)
		}
	}
	jar.keep(t, a)
	before := jar["__Host-refresh"]
	s.send(t, "GET", "/sessions", "", jar.send).want(t, 200, `"current":true`)
	jar.keep(t, s.send(t, "POST", "/refresh", "", jar.send).want(t, 200, `{"expires_in":900}`))
	if jar["__Host-refresh"] == before || len(jar) != 2 {
		t.Errorf("after the refresh: %v", jar)
	}
	jar.keep(t, s.send(t, "POST", "/logout", "", jar.send).want(t, 204, ""))
	if len(jar) != 0 {
		t.Errorf("after the logout: %v", jar)
	}
	s.send(t, "POST", "/logout", "").want(t, 204, "")
	s.send(t, "POST", "/refresh", "").want(t, 401, "refresh token is required")
	s.wantSessions(t, 0)
}

func TestCookiesAreClearedOnlyIfTheSessionHasEnded(t *testing.T) {
	store := &failing{Store: session.NewMemoryStore()}
	s := newSite(t, store, withCookies)
	jar := cookieJar{}
	jar.keep(t, s.send(t, "POST", "/login", login).want(t, 200, ""))

	store.failAt, store.andOn = 1, true
	for _, target := range []string{"/refresh", "/logout"} {
		if a := s.send(t, "POST", target, "", jar.send).want(t, 503, "Try again"); len(a.Cookies()) != 0 {
			t.Errorf("%s clears %v although the session may live", target, a.Cookies())
		}
	}
	store.failAt, store.andOn = 0, false

	twice := func(r *http.Request) { jar.send(r); jar.send(r) }
	malformed := func(r *http.Request) { // net/http passes over the second one
		r.Header.Set("Cookie", "__Host-refresh="+jar["__Host-refresh"]+`; __Host-refresh=x\y`)
	}
	for _, target := range []string{"/refresh", "/logout"} {
		for _, two := range []func(*http.Request){twice, malformed} {
			if a := s.send(t, "POST", target, "", two).want(t, 400, "more than one"); len(a.Cookies()) != 0 {
				t.Errorf("%s clears %v", target, a.Cookies())
			}
		}
		if a := s.send(t, "POST", target, "", jar.send, header("Sec-Fetch-Site", "cross-site")).want(t, 403, ""); len(a.Cookies()) != 0 {
			t.Errorf("another site's page clears %v", a.Cookies())
		}
	}
	if err := s.EndAll(t.Context(), subject); err != nil {
		t.Fatal(err)
	}
	jar.keep(t, s.send(t, "POST", "/refresh", "", jar.send).want(t, 401, "Log in again"))
	if len(jar) != 0 {
		t.Errorf("left over: %v", jar)
	}
}

// torn is a store that fails and says that the session has ended in one error.
type torn struct{ session.Store }

func (torn) Rotate(context.Context, session.Rotation) (session.Rotated, error) {
	return session.Rotated{}, errors.Join(session.ErrSessionEnded, context.DeadlineExceeded)
}

// Flask-JWT-Extended, for example, keeps a JWT in a cookie as its refresh token.
func TestACookieWithAJWTIsCleared(t *testing.T) {
	s := newSite(t, session.NewMemoryStore(), withCookies)
	jwt := header("Cookie", "__Host-refresh="+s.mustStart(t).AccessToken)
	for target, status := range map[string]int{"/refresh": 401, "/logout": 204} {
		a := s.send(t, "POST", target, "", jwt).want(t, status, "")
		if cookies := a.Cookies(); len(cookies) != 2 || cookies[1].Name != "__Host-refresh" || cookies[1].MaxAge >= 0 {
			t.Errorf("%s sets the cookies %v; want both cleared", target, cookies)
		}
	}
	s.wantSessions(t, 1)
}

func TestAFailureThatIsAlsoErrSessionEndedClearsNoCookies(t *testing.T) {
	s := newSite(t, torn{session.NewMemoryStore()}, withCookies)
	jar := cookieJar{}
	jar.keep(t, s.send(t, "POST", "/login", login).want(t, 200, ""))
	if a := s.send(t, "POST", "/refresh", "", jar.send).want(t, 503, "Try again"); len(a.Cookies()) != 0 {
		t.Errorf("a 503 clears %v", a.Cookies())
	}
}

func TestATooLargeCookieSpendsNothing(t *testing.T) {
	s := newSite(t, session.NewMemoryStore(), withCookies)
	jar := cookieJar{}
	jar.keep(t, s.send(t, "POST", "/login", login).want(t, 200, ""))
	s.user = func(context.Context, session.Grant) (claims, error) {
		return claims{Role: strings.Repeat("x", 4096)}, nil
	}
	s.send(t, "POST", "/login", login).want(t, 500, "")
	s.send(t, "POST", "/refresh", "", jar.send).want(t, 500, "")
	if cause := s.seen[len(s.seen)-1].Err; !strings.Contains(cause.Error(), "4096") {
		t.Errorf("the operator reads %v", cause)
	}
	s.wantSessions(t, 1)
	s.user = func(context.Context, session.Grant) (claims, error) { return claims{}, nil }
	s.clock.Advance(2 * grace)
	s.send(t, "POST", "/refresh", "", jar.send).want(t, 200, "")
}
