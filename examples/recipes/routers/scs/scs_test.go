package scsrecipe_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/alexedwards/scs/v2"

	"github.com/go-usher/usher/examples/recipes/routers/internal/routertest"
	scsrecipe "github.com/go-usher/usher/examples/recipes/routers/scs"
)

func serve(t *testing.T) (*routertest.Service, *routertest.Client) {
	t.Helper()
	s := routertest.NewService(t)
	return s, routertest.NewClient(t, routertest.Serve(t, scsrecipe.New(s.Auth, scs.New())))
}

// post sends a post, and returns the cookie that scs has set.
func post(t *testing.T, c *routertest.Client, token string) routertest.Part {
	t.Helper()
	got := c.Do("POST /posts", routertest.Bearer(token))
	cookie, _, _ := strings.Cut(got.Header.Get("Set-Cookie"), ";")
	if got.Status != http.StatusSeeOther || cookie == "" {
		t.Fatalf("POST /posts: %d %v, want 303 and a cookie", got.Status, got.Header)
	}
	return routertest.Header("Cookie", cookie)
}

func TestAUserSeesTheMessageOnce(t *testing.T) {
	s, c := serve(t)
	alice, _ := s.Login(t, "1")
	cookie := post(t, c, alice)
	for _, want := range []string{"Alice Saved.", "Alice "} {
		if got := c.Do("GET /me", routertest.Bearer(alice), cookie); got.Body != want {
			t.Errorf("the page is %q, want %q", got.Body, want)
		}
	}
}

func TestTheNextUserOfTheBrowserDoesNotSeeIt(t *testing.T) {
	s, c := serve(t)
	alice, _ := s.Login(t, "1")
	bob, _ := s.Login(t, "2")
	cookie := post(t, c, alice)
	if got := c.Do("GET /me", routertest.Bearer(bob), cookie); got.Body != "Bob " {
		t.Errorf("Bob's page is %q, want no message", got.Body)
	}
}

func TestTheCookieOfSCSIsNoLogin(t *testing.T) {
	s, c := serve(t)
	alice, _ := s.Login(t, "1")
	cookie := post(t, c, alice)
	got := c.Do("GET /me", cookie)
	if got.Status != http.StatusUnauthorized || got.Header.Get("WWW-Authenticate") == "" || !strings.HasPrefix(got.Header.Get("Cache-Control"), "no-store") {
		t.Errorf("without a token: %d %v, want 401", got.Status, got.Header)
	}
}

func TestBothAddToVary(t *testing.T) {
	s, c := serve(t)
	alice, _ := s.Login(t, "1")
	vary := c.Do("GET /me", routertest.Cookie(alice)).Header.Values("Vary")
	if joined := strings.Join(vary, ", "); !strings.Contains(joined, "Cookie") || !strings.Contains(joined, "Authorization") {
		t.Errorf("Vary is %q, want Authorization and Cookie", vary)
	}
}
