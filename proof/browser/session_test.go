package browser_test

import (
	"net/http"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
)

// credentials is a login as JavaScript has it.
func credentials(name, password string) string {
	return `{username: "` + name + `", password: "` + password + `"}`
}

// logIn logs in from the page of logins, and opens the application.
func (s *site) logIn(b tab) {
	b.t.Helper()
	b.open(s.origin + "/login")
	s.fetchLogin(b)
	s.openApp(b)
}

func (s *site) fetchLogin(b tab) {
	b.t.Helper()
	body := b.eval(`fetch("/login", {method: "POST", headers: {"Content-Type": "application/json"},
		body: JSON.stringify(%s)}).then((answer) => answer.text())`, credentials(user, password))
	if body != `{"expires_in":900}`+"\n" {
		b.t.Fatalf("the login is answered with %s", body)
	}
}

// openApp opens the application, which finds out who is logged in.
func (s *site) openApp(b tab) {
	b.t.Helper()
	b.open(s.origin + "/")
	s.wantUser(b)
}

// wantUser waits until the application shows its user.
func (s *site) wantUser(b tab) {
	b.t.Helper()
	b.wait(`location.href === %q && document.querySelector("#who").textContent === %q`, s.origin+"/", user)
}

// wantLoginPage waits until the application has sent its user to the page of logins.
func (s *site) wantLoginPage(b tab) {
	b.t.Helper()
	b.wait(`location.href === %q && document.title === "Login"`, s.origin+"/login")
}

// callAPI calls the protected route through the documented wrapper, and returns status and body.
func (s *site) callAPI(b tab) string {
	b.t.Helper()
	return b.eval(`api("/me").then(async (answer) => answer.status + " " + await answer.text(), String)`)
}

const loggedIn = `200 {"user": "alice"}`

func (s *site) wantAPI(b tab, want string) {
	b.t.Helper()
	if got := s.callAPI(b); got != want {
		b.t.Errorf("the API answers %q; want %q", got, want)
	}
}

// refreshed returns how refreshes were answered.
func (s *site) refreshed() (statuses []int) {
	for _, rec := range s.records.of("/refresh") {
		statuses = append(statuses, rec.status)
	}
	return statuses
}

// values returns the values of the site's cookies, by their names.
func (s *site) values(b tab) map[string]string {
	b.t.Helper()
	values := make(map[string]string)
	for name, cookie := range b.cookies(s.origin) {
		values[name] = cookie.Value
	}
	return values
}

// replay sends cookies without a browser, and returns the status and how many cookies the answer sets.
func (s *site) replay(t *testing.T, method, path string, cookies map[string]string) (status, sets int) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	res, err := s.server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode, len(res.Cookies())
}

func TestLoginSetsTwoCookiesThatScriptsCantRead(t *testing.T) {
	for name, logIn := range map[string]func(*site, tab){
		"by fetch": (*site).fetchLogin,
		"by a form": func(s *site, b tab) {
			b.start(`const form = document.forms[0]; form.username.value = %q; form.password.value = %q; form.requestSubmit()`, user, password)
			b.wait(`document.body.innerText.trim() === '{"expires_in":900}'`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b, s := newTab(t), newSite(t)
			b.open(s.origin + "/login")
			before := time.Now()
			logIn(s, b)
			cookies := b.cookies(s.origin)
			for name, ttl := range map[string]time.Duration{accessCookie: accessTTL, refreshCookie: idleTTL} {
				c := cookies[name]
				if c == nil {
					t.Fatalf("there is no %s among %v", name, cookies)
				}
				if !c.HTTPOnly || !c.Secure || c.SameSite != network.CookieSameSiteLax || c.Path != "/" || c.Domain != "app.example" {
					t.Errorf("%s: HttpOnly %t, Secure %t, SameSite %s, Path %s, Domain %s", name, c.HTTPOnly, c.Secure, c.SameSite, c.Path, c.Domain)
				}
				expires := time.UnixMilli(int64(c.Expires * 1000))
				if expires.Before(before.Add(ttl-time.Second)) || expires.After(time.Now().Add(ttl)) {
					t.Errorf("%s expires at %s, not %s after the login", name, expires, ttl)
				}
			}
			if len(cookies) != 2 {
				t.Errorf("%d cookies", len(cookies))
			}
			s.openApp(b)
			if got := b.eval(`document.cookie + Object.keys(localStorage) + Object.keys(sessionStorage)`); got != "" {
				t.Errorf("scripts read %q", got)
			}
			if got := b.cookies("https://other." + strings.TrimPrefix(s.origin, "https://")); len(got) != 0 {
				t.Errorf("a host below the site's gets %v", got)
			}
		})
	}
}

func TestTheLargestCookieThatIsSetIsKept(t *testing.T) {
	b, s := newTab(t), newSite(t)
	b.open(s.origin + "/login")
	login := func(padding int) string {
		s.padding.Store(int64(padding))
		return b.eval(`fetch("/login", {method: "POST", body: new URLSearchParams(%s)}).then((answer) => String(answer.status))`, credentials(user, password))
	}
	most := sort.Search(4096, func(padding int) bool { return login(padding) != "200" }) - 1
	if got := login(most + 1); got != "500" {
		t.Errorf("a login with too large a token is answered with %s", got)
	}
	if got := login(most); got != "200" {
		t.Fatalf("the largest login is answered with %s", got)
	}
	s.openApp(b)
	if size := b.cookies(s.origin)[accessCookie].Size; size < 3900 {
		t.Errorf("the largest cookie has %d bytes", size)
	}
}

func TestTheUserStaysLoggedIn(t *testing.T) {
	b, s := newTab(t), newSite(t)
	s.logIn(b)
	b.reload()
	s.wantUser(b)
	s.openApp(b.another())
	b.open(s.origin + "/account")
	b.wait(`document.body.innerText === "The account of alice"`)
	if got := s.refreshed(); len(got) != 0 {
		t.Errorf("refreshes %v although the access token is good", got)
	}
}

func TestParallelCallersShareOneRefresh(t *testing.T) {
	for name, expire := range map[string]func(*site, tab){
		"the token has expired":            func(s *site, _ tab) { s.clock.Advance(accessTTL) },
		"the browser dropped its cookie":   func(s *site, b tab) { b.dropCookie(s.origin, accessCookie) },
		"the token has expired long since": func(s *site, b tab) { s.clock.Advance(idleTTL - time.Second); b.dropCookie(s.origin, accessCookie) },
	} {
		t.Run(name, func(t *testing.T) {
			b, s := newTab(t), newSite(t)
			s.logIn(b)
			before := s.values(b)
			expire(s, b)
			s.hold.Store(true)
			// The page counts the callers who know that the token has expired.
			b.start(`
				window.refused = 0;
				const real = window.fetch;
				window.fetch = async (...args) => {
					const answer = await real(...args);
					if (answer.status === 401) window.refused++;
					return answer;
				};
				window.answers = Promise.all([1, 2, 3, 4].map(() => api("/me")).concat(api("/notes", {method: "POST", body: "a note"})))
					.then((answers) => answers.map((answer) => answer.status).join(" "))`)
			q := s.wantHeld(t)
			b.wait(`window.refused === 5`)
			s.hold.Store(false)
			close(q.leave)
			if got := b.eval(`answers`); got != "200 200 200 200 204" {
				t.Errorf("the callers get %s", got)
			}
			if got := s.refreshed(); len(got) != 1 || got[0] != http.StatusOK {
				t.Errorf("refreshes %v; want one", got)
			}
			if s.notes.Load() != 1 {
				t.Errorf("%d notes were posted", s.notes.Load())
			}
			after := s.values(b)
			if len(after) != 2 || after[accessCookie] == before[accessCookie] || after[refreshCookie] == before[refreshCookie] {
				t.Error("the cookies are not both new")
			}
			s.openApp(b)
		})
	}
}

func TestTwoTabsThatRefreshAtOnceStayLoggedIn(t *testing.T) {
	first, s := newTab(t), newSite(t)
	s.logIn(first)
	second := first.another()
	s.openApp(second)
	s.clock.Advance(accessTTL)
	s.hold.Store(true)
	for _, b := range []tab{first, second} {
		b.start(`window.answer = api("/me").then((answer) => String(answer.status))`)
	}
	a, b := s.wantHeld(t), s.wantHeld(t)
	if a.token == "" || a.token != b.token {
		t.Error("the tabs do not refresh with the same token")
	}
	s.hold.Store(false)
	close(a.leave)
	close(b.leave)
	for _, b := range []tab{first, second} {
		if got := b.eval(`answer`); got != "200" {
			t.Errorf("a tab gets %s", got)
		}
	}
	if got := s.refreshed(); len(got) != 2 || got[0] != http.StatusOK || got[1] != http.StatusOK {
		t.Errorf("refreshes %v; want two", got)
	}
	for _, b := range []tab{first, second, first} { // each with what the one before has left
		s.clock.Advance(accessTTL)
		s.wantAPI(b, loggedIn)
	}
}

func TestARefreshWhoseAnswerIsLostLogsNobodyOut(t *testing.T) {
	b, s := newTab(t), newSite(t)
	s.logIn(b)
	before := s.values(b)
	s.clock.Advance(accessTTL)
	s.lose.Store(true)
	s.wantAPI(b, "TypeError: Failed to fetch")
	if after := s.values(b); after[refreshCookie] != before[refreshCookie] {
		t.Fatal("the answer is not lost")
	}
	s.wantAPI(b, loggedIn)
	if after := s.values(b); after[refreshCookie] == before[refreshCookie] {
		t.Error("the refresh token is the spent one")
	}
	s.clock.Advance(accessTTL)
	s.wantAPI(b, loggedIn)
}

func TestLogoutIsForGood(t *testing.T) {
	b, s := newTab(t), newSite(t)
	s.logIn(b)
	b.open(s.origin + "/account")
	b.wait(`document.body.innerText === "The account of alice"`)
	s.openApp(b)
	old := s.values(b)
	if status, _ := s.replay(t, "GET", "/me", old); status != http.StatusOK {
		t.Fatalf("the cookies without the browser are answered with %d", status)
	}

	if got := b.eval(`fetch("/logout", {method: "POST"}).then((answer) => String(answer.status))`); got != "204" {
		t.Fatalf("the logout is answered with %s", got)
	}
	if left := b.cookies(s.origin); len(left) != 0 {
		t.Errorf("cookies %v are left", left)
	}
	if got := b.eval(`fetch("/me").then((answer) => String(answer.status))`); got != "401" {
		t.Errorf("the API answers %s", got)
	}
	b.start(`history.back()`)
	b.wait(`location.pathname === "/account" && document.body.innerText.includes("Unauthorized")`)
	b.reload()
	b.wait(`document.body.innerText.includes("Unauthorized")`)
	b.open(s.origin + "/")
	s.wantLoginPage(b)

	for _, route := range []struct{ method, path string }{{"GET", "/me"}, {"POST", "/refresh"}} {
		if status, _ := s.replay(t, route.method, route.path, old); status != http.StatusUnauthorized {
			t.Errorf("%s with the old cookies is answered with %d", route.path, status)
		}
	}
	if list, err := s.List(t.Context(), user); err != nil || len(list) != 0 {
		t.Errorf("sessions %v, %v are left", list, err)
	}
}

func TestASessionThatEndedElsewhereClearsTheCookies(t *testing.T) {
	b, s := newTab(t), newSite(t)
	s.logIn(b)
	if err := s.EndAll(t.Context(), user); err != nil {
		t.Fatal(err)
	}
	b.start(`api("/me")`)
	s.wantLoginPage(b)
	if got := s.refreshed(); len(got) != 1 || got[0] != http.StatusUnauthorized {
		t.Errorf("refreshes %v; want one that is refused", got)
	}
	if left := b.cookies(s.origin); len(left) != 0 {
		t.Errorf("cookies %v are left", left)
	}
	s.clock.Advance(time.Second) // a login has to begin after the end of all
	s.fetchLogin(b)
	s.openApp(b)
}

func TestAStoreThatIsDownLogsNobodyOut(t *testing.T) {
	b, s := newTab(t), newSite(t)
	s.logIn(b)
	before := s.values(b)
	s.store.down.Store(true)
	if got := b.eval(`api("/me").then((answer) => String(answer.status))`); got != "503" {
		t.Errorf("the API answers %s", got)
	}
	s.clock.Advance(accessTTL)
	s.wantAPI(b, "Error: refresh: 503")
	if got := b.eval(`fetch("/logout", {method: "POST"}).then((answer) => String(answer.status))`); got != "503" {
		t.Errorf("the logout is answered with %s", got)
	}
	after := s.values(b)
	if len(after) != 2 || after[accessCookie] != before[accessCookie] || after[refreshCookie] != before[refreshCookie] {
		t.Error("the cookies are not what they were")
	}
	s.wantUser(b)
	s.store.down.Store(false)
	s.wantAPI(b, loggedIn)
}
