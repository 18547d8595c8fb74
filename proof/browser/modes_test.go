package browser_test

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

// mode is an application whose handlers have options of their own.
type mode struct {
	*session.Manager[usher.Claims]
	origin string
}

// newMode starts the application. Its login hands about to Finish.
func newMode(t *testing.T, opts *session.HandlerOptions, about session.About, secure bool) *mode {
	t.Helper()
	key := usher.Must(usher.NewKey(usher.HS256, bytes.Repeat([]byte("test key"), 4)))
	m := &mode{Manager: usher.Must(session.NewManager(session.Config[usher.Claims]{
		Encoder: usher.Must(usher.NewEncoder[usher.Claims](key, nil)),
		Store:   session.NewMemoryStore(),
		Claims:  func(context.Context, session.Grant) (usher.Claims, error) { return usher.Claims{}, nil },
		Secret:  bytes.Repeat([]byte("a secret"), 4),
	}))}
	sources := []usher.TokenSource{usher.FromBearer()}
	if opts.Cookies {
		name := accessCookie
		if opts.DangerouslyInsecureCookies {
			name = "access"
		}
		sources = append(sources, usher.FromCookie(name))
	}
	auth := usher.Must(usher.NewMiddleware(usher.Must(usher.NewDecoder[usher.Claims](key, nil)), usher.ClaimsAsUser[usher.Claims],
		&usher.MiddlewareOptions{Sources: sources, Check: m.Check, TrustedOrigins: opts.TrustedOrigins}))
	login := usher.Must(session.NewLogin(m.Manager, authenticate, opts))
	own := auth.Require(usher.Must(session.SessionsHandler(m.Manager, opts)))

	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		subject, started, err := login.Authenticate(r, r.PostFormValue("username"), r.PostFormValue("password"))
		if err == nil {
			started.UntilBrowserCloses = about.UntilBrowserCloses
			err = login.Finish(w, r, subject, started)
		}
		if err != nil {
			login.Deny(w, r, err)
		}
	})
	mux.Handle("POST /refresh", usher.Must(session.RefreshHandler(m.Manager, opts)))
	mux.Handle("POST /logout", usher.Must(session.LogoutHandler(m.Manager, opts)))
	mux.Handle("GET /sessions", own)
	mux.Handle("DELETE /sessions/{id}", own)
	mux.Handle("POST /sessions/others", auth.Require(usher.Must(session.EndOthersHandler(m.Manager, opts))))
	mux.HandleFunc("GET /", page(t, "testdata/requests.html"))
	mux.Handle("GET /account", auth.RequireFunc(func(w http.ResponseWriter, _ *http.Request, c *usher.Claims) {
		text("text/html", "<!DOCTYPE html><p>The account of "+c.Subject)(w, nil)
	}))
	m.origin = origin(t, startServer(t, mux, secure), "app.example")
	return m
}

// logIn logs in by fetch, and returns the body of the response.
func (m *mode) logIn(b tab) string {
	b.t.Helper()
	b.open(m.origin + "/")
	return m.post(b, "/login", `{body: new URLSearchParams(`+credentials(user, password)+`)}`)
}

// post returns the status and the body of the response.
func (m *mode) post(b tab, path, init string) string {
	b.t.Helper()
	return b.eval(`fetch(%q, {method: "POST", ...%s}).then(async (answer) => answer.status + " " + await answer.text())`, path, init)
}

func (m *mode) account(b tab, init string) string {
	b.t.Helper()
	return b.eval(`fetch("/account", %s).then((answer) => String(answer.status))`, init)
}

func TestCookiesUntilTheBrowserClosesHaveNoMaxAge(t *testing.T) {
	b := newTab(t)
	m := newMode(t, &session.HandlerOptions{Cookies: true}, session.About{UntilBrowserCloses: true}, true)
	for _, step := range []func() string{
		func() string { return m.logIn(b) },
		func() string { return m.post(b, "/refresh", "{}") },
	} {
		if got := step(); !strings.HasPrefix(got, "200 ") {
			t.Fatal(got)
		}
		cookies := b.cookies(m.origin)
		for _, name := range []string{accessCookie, refreshCookie} {
			if c := cookies[name]; c == nil || !c.Session {
				t.Errorf("%s: %+v; want a cookie that ends with the browser", name, c)
			}
		}
		if got := m.account(b, "{}"); got != "200" {
			t.Errorf("the account is answered with %s", got)
		}
	}
}

func TestStrictCookiesDoNotComeWithLinksFromElsewhere(t *testing.T) {
	b := newTab(t)
	m := newMode(t, &session.HandlerOptions{Cookies: true, SameSite: http.SameSiteStrictMode}, session.About{}, true)
	if got := m.logIn(b); !strings.HasPrefix(got, "200 ") {
		t.Fatal(got)
	}
	for name, c := range b.cookies(m.origin) {
		if c.SameSite != network.CookieSameSiteStrict {
			t.Errorf("%s is SameSite=%s", name, c.SameSite)
		}
	}
	b.open(m.origin + "/account")
	b.wait("document.body.innerText === %q", "The account of "+user)
	b.open(origin(t, newAttackServer(t, true).server, "evil.example") + "/requests")
	b.start("follow('%s/account')", m.origin)
	b.wait("location.href === %q && document.body.innerText.includes('Unauthorized')", m.origin+"/account")
}

func TestCookiesForPagesOfOtherSitesServeTrustedOriginsAlone(t *testing.T) {
	b := newTab(t)
	friend := origin(t, newAttackServer(t, true).server, "friend.example")
	stranger := origin(t, newAttackServer(t, true).server, "stranger.example")
	m := newMode(t, &session.HandlerOptions{
		Cookies: true, SameSite: http.SameSiteNoneMode, TrustedOrigins: []string{friend},
	}, session.About{}, true)
	if got := m.logIn(b); !strings.HasPrefix(got, "200 ") {
		t.Fatal(got)
	}
	for name, c := range b.cookies(m.origin) {
		if c.SameSite != network.CookieSameSiteNone || !c.Secure {
			t.Errorf("%s is SameSite=%s, Secure %v", name, c.SameSite, c.Secure)
		}
	}
	// A form, because a browser may keep cookies from what a page of another site fetches, whatever SameSite says.
	sessions := func() int {
		t.Helper()
		list, err := m.List(t.Context(), user)
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	b.open(stranger + "/requests")
	b.start("submit('%s/logout', {})", m.origin)
	b.wait("location.href === %q && document.body.innerText.includes('Cross-origin')", m.origin+"/logout")
	if got := sessions(); got != 1 {
		t.Errorf("%d sessions after the form of a stranger", got)
	}
	b.open(friend + "/requests")
	b.start("submit('%s/logout', {})", m.origin)
	await(t, "the logout by the form of a friend", func() bool { return sessions() == 0 })
}

func TestCookiesWithoutTLSWorkOnlyIfTheyAreInsecure(t *testing.T) {
	for name, test := range map[string]struct {
		opts session.HandlerOptions
		want string // the account's status
	}{
		"insecure": {session.HandlerOptions{Cookies: true, DangerouslyInsecureCookies: true}, "200"},
		"default":  {session.HandlerOptions{Cookies: true}, "401"}, // the browser drops them
	} {
		t.Run(name, func(t *testing.T) {
			b := newTab(t)
			m := newMode(t, &test.opts, session.About{}, false)
			if got := m.logIn(b); !strings.HasPrefix(got, "200 ") {
				t.Fatal(got)
			}
			if got := m.account(b, "{}"); got != test.want {
				t.Errorf("the account is answered with %s", got)
			}
			if test.want != "200" {
				return
			}
			if got := m.post(b, "/refresh", "{}"); !strings.HasPrefix(got, "200 ") {
				t.Errorf("the refresh is answered with %s", got)
			}
			if got := m.post(b, "/logout", "{}"); got != "204 " {
				t.Errorf("the logout is answered with %s", got)
			}
			if left := b.cookies(m.origin); len(left) != 0 {
				t.Errorf("cookies %v are left", left)
			}
		})
	}
}

// A page that keeps its tokens itself refreshes and logs out by Authorization.
func TestARefreshTokenMayComeInAuthorization(t *testing.T) {
	b := newTab(t)
	m := newMode(t, &session.HandlerOptions{}, session.About{}, true)
	b.open(m.origin + "/")
	got := b.eval(`(async () => {
		const post = (path, token, body) => fetch(path, {method: "POST", body, headers: token ? {Authorization: "Bearer " + token} : {}});
		const account = (token) => fetch("/account", {headers: {Authorization: "Bearer " + token}});
		const first = await (await post("/login", "", new URLSearchParams(%s))).json();
		const second = await (await post("/refresh", first.refresh_token)).json();
		const before = (await account(second.access_token)).status;
		const mistaken = (await post("/logout", second.access_token)).status;
		const logout = (await post("/logout", second.refresh_token)).status;
		const after = (await account(second.access_token)).status;
		return [before, mistaken, logout, after].join(" ");
	})()`, credentials(user, password))
	if got != "200 401 204 401" {
		t.Errorf("the account, a logout by the access token, the logout, the account: %s", got)
	}
	if cookies := b.cookies(m.origin); len(cookies) != 0 {
		t.Errorf("cookies %v", cookies)
	}
}

func TestAUserEndsOneSessionOrAllOthers(t *testing.T) {
	m := newMode(t, &session.HandlerOptions{Cookies: true}, session.About{}, true)
	tabs := []tab{newTab(t), newTab(t), newTab(t)}
	for _, b := range tabs {
		if got := m.logIn(b); !strings.HasPrefix(got, "200 ") {
			t.Fatal(got)
		}
	}
	want := func(what string, statuses ...string) {
		t.Helper()
		for i, b := range tabs {
			if got := m.account(b, "{}"); got != statuses[i] {
				t.Errorf("%s: browser %d gets %s; want %s", what, i, got, statuses[i])
			}
		}
	}
	ended := tabs[0].eval(`(async () => {
		const {sessions} = await (await fetch("/sessions")).json();
		const other = sessions.filter((s) => !s.current);
		const without = await fetch("/sessions/", {method: "DELETE"});
		const answer = await fetch("/sessions/" + other[0].id, {method: "DELETE"});
		return [sessions.length, without.status >= 400, answer.status].join(" ");
	})()`)
	if ended != "3 true 204" {
		t.Fatalf("the list and the end of one: %s", ended)
	}
	sessions, err := m.List(t.Context(), user)
	if err != nil || len(sessions) != 2 {
		t.Fatalf("%d sessions, %v; want two", len(sessions), err)
	}
	if got := m.post(tabs[0], "/sessions/others", "{}"); got != "204 " {
		t.Fatalf("the end of the others: %s", got)
	}
	want("after the end of the others", "200", "401", "401")
}
