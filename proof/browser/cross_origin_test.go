package browser_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// attempt is something that a page makes its browser send to the site.
type attempt struct {
	name         string
	script       string // calls testdata/requests.html; %s is the site's origin
	method, path string // of the request
	leaves       bool   // the browser shows the answer in place of the page
	reads        bool   // the site's own page learns its user's name by it
	// How the site answers to a page of another site, to one of the same site and another origin, and to its own.
	otherSite, sameSite, own int
}

// preflighted is for a request that does not arrive: the browser asks by OPTIONS, and isn't given leave.
const preflighted = 0

func attempts() []attempt {
	mallory := credentials(attacker, attackPW)
	return []attempt{
		{"login by a form", "submit('%s/login', " + mallory + ")", "POST", "/login", true, false, 403, 403, 200},
		{"login by fetch", "send('%s/login', {method: 'POST', mode: 'no-cors', body: urlencoded(" + mallory + ")})", "POST", "/login", false, false, 403, 403, 200},
		{"login by fetch with JSON", "send('%s/login', {method: 'POST', ...json(" + mallory + ")})", "POST", "/login", false, false, preflighted, preflighted, 200},
		{"login by a beacon", "beacon('%s/login', " + mallory + ")", "POST", "/login", false, false, 403, 403, 200},

		{"refresh by a form", "submit('%s/refresh', {})", "POST", "/refresh", true, false, 403, 403, 200},
		{"refresh by fetch", "send('%s/refresh', {method: 'POST', mode: 'no-cors'})", "POST", "/refresh", false, false, 403, 403, 200},
		{"refresh by an image", "image('%s/refresh')", "GET", "/refresh", false, false, 405, 405, 405},

		{"logout by a form", "submit('%s/logout', {})", "POST", "/logout", true, false, 403, 403, 204},
		{"logout by a form and a redirect", "submit('/redirect?to=%s/logout', {})", "POST", "/logout", true, false, 403, 403, 204},
		{"logout by fetch", "send('%s/logout', {method: 'POST', mode: 'no-cors'})", "POST", "/logout", false, false, 403, 403, 204},
		{"logout by fetch with CORS", "send('%s/logout', {method: 'POST'})", "POST", "/logout", false, false, 403, 403, 204},
		{"logout by a beacon", "beacon('%s/logout')", "POST", "/logout", false, false, 403, 403, 204},
		{"logout by a link", "follow('%s/logout')", "GET", "/logout", true, false, 405, 405, 405},
		{"logout by an image", "image('%s/logout')", "GET", "/logout", false, false, 405, 405, 405},

		{"a note by a form", "submit('%s/notes', {text: 'x'})", "POST", "/notes", true, false, 401, 403, 204},
		{"a note by fetch", "send('%s/notes', {method: 'POST', mode: 'no-cors', body: 'x'})", "POST", "/notes", false, false, 401, 403, 204},
		{"a note by a beacon", "beacon('%s/notes', {text: 'x'})", "POST", "/notes", false, false, 401, 403, 204},
		{"the end of other sessions", "send('%s/sessions', {method: 'DELETE'})", "DELETE", "/sessions", false, false, preflighted, preflighted, 204},

		{"reading by fetch", "send('%s/me')", "GET", "/me", false, true, 401, 200, 200},
		{"reading by fetch without CORS", "send('%s/me', {mode: 'no-cors'})", "GET", "/me", false, true, 401, 200, 200},
		{"reading by a script", "script('%s/me')", "GET", "/me", false, false, 401, 200, 200},
		{"reading by an image", "image('%s/me')", "GET", "/me", false, false, 401, 200, 200},
		{"reading by a frame", "frame('%s/account')", "GET", "/account", false, true, 401, 200, 200},
		{"a WebSocket", "socket('%s/socket')", "GET", "/socket", false, true, 401, 403, 101},
	}
}

// fetchSite is the Sec-Fetch-Site that comes along: Chromium sends none with a WebSocket's opening request, and so
// leaves the decision to Origin.
func (a attempt) fetchSite(site string) string {
	if a.path == "/socket" {
		return ""
	}
	return site
}

// try has the page in b make an attempt, and returns what the page learns by it and what the site sees last.
func (s *site) try(b tab, a attempt) (learned string, last record) {
	b.t.Helper()
	s.records.forget()
	script := fmt.Sprintf(a.script, s.origin)
	if a.leaves {
		b.start("%s", script)
	} else {
		learned = b.eval("%s", script)
	}
	await(b.t, a.name, func() bool {
		its := s.records.of(a.path)
		if len(its) > 0 {
			last = its[len(its)-1]
		}
		return len(its) > 0
	})
	if a.leaves && last.status != http.StatusNoContent {
		b.wait("location.href === %q && document.readyState === 'complete'", s.origin+a.path)
	}
	return learned, last
}

// attackServer serves others' pages.
type attackServer struct {
	server   *httptest.Server
	mu       sync.Mutex
	received []string // the Cookie headers
}

func newAttackServer(t *testing.T, secure bool) *attackServer {
	t.Helper()
	as := &attackServer{}
	mux := http.NewServeMux()
	html := page(t, "testdata/requests.html")
	mux.HandleFunc("GET /requests", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("hidden") {
			w.Header().Set("Referrer-Policy", "no-referrer") // and with it Origin: null
		}
		for _, cookie := range r.URL.Query()["cookie"] {
			w.Header().Add("Set-Cookie", cookie)
		}
		html(w, r)
	})
	mux.HandleFunc("POST /redirect", redirect)
	as.server = startServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		as.mu.Lock()
		as.received = append(as.received, r.Header["Cookie"]...)
		as.mu.Unlock()
		mux.ServeHTTP(w, r)
	}), secure)
	return as
}

// redirect sends a browser elsewhere, with all that it has posted.
func redirect(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, r.URL.Query().Get("to"), http.StatusTemporaryRedirect)
}

// got reports whether the server was ever sent a cookie of this value.
func (as *attackServer) got(value string) bool {
	as.mu.Lock()
	defer as.mu.Unlock()
	return slices.ContainsFunc(as.received, func(line string) bool { return strings.Contains(line, value) })
}

func TestPagesOfOtherOriginsGetNowhere(t *testing.T) {
	for _, from := range []struct {
		name     string
		secure   bool // served by TLS
		host     string
		query    string
		sameSite bool // so that SameSite is no help: the cookies come along
		isHost   bool // cookies don't tell the ports of a host apart (RFC 6265 §8.5)
		tosses   bool // cookies with a Domain reach the site
	}{
		{name: "another site", secure: true, host: "evil.example"},
		{name: "another site that hides its origin", secure: true, host: "evil.example", query: "?hidden"},
		{name: "the host without TLS", host: "app.example", tosses: true},
		{name: "a host below it", secure: true, host: "blog.app.example", sameSite: true, tosses: true},
		{name: "another port of the host", secure: true, host: "app.example", sameSite: true, isHost: true},
	} {
		t.Run(from.name, func(t *testing.T) {
			b, s := newTab(t), newSite(t)
			as := newAttackServer(t, from.secure)
			page := origin(t, as.server, from.host) + "/requests"
			attack := page + from.query

			for _, a := range attempts() {
				if a.path == "/login" {
					b.open(attack)
					s.try(b, a)
				}
			}
			if got := b.cookies(s.origin); len(got) != 0 {
				t.Fatalf("a login from %s sets %v", attack, slices.Collect(maps.Keys(got)))
			}

			app := b.another()
			s.logIn(app)
			before := s.sessions(t, user)
			cookies := s.values(app)
			b.open(attack)
			for _, a := range attempts() {
				learned, last := s.try(b, a)
				wantSite, wantStatus := a.fetchSite("cross-site"), a.otherSite
				if from.sameSite {
					wantSite, wantStatus = a.fetchSite("same-site"), a.sameSite
				}
				wantMethod := a.method
				if wantStatus == preflighted {
					wantMethod, wantStatus = "OPTIONS", http.StatusMethodNotAllowed
				}
				if last.method != wantMethod || last.site != wantSite || last.status != wantStatus || last.sets {
					t.Errorf("%s: %+v; want %s %s, %d, setting no cookie", a.name, last, wantSite, wantMethod, wantStatus)
				}
				lax := a.leaves && a.method == http.MethodGet // what SameSite=Lax lets through
				if sent := slices.Equal(last.cookies, []string{accessCookie, refreshCookie}); sent != (wantMethod != "OPTIONS" && (from.sameSite || lax)) {
					t.Errorf("%s: the browser sends %v", a.name, last.cookies)
				}
				if strings.Contains(learned, user) {
					t.Errorf("%s: the page learns %q", a.name, learned)
				}
				if now := s.values(app); !maps.Equal(now, cookies) {
					t.Fatalf("%s: the cookies are not what they were", a.name)
				}
				if a.leaves {
					b.open(attack)
				}
			}

			b.eval(`document.cookie = "__Host-access=tossed; Path=/; Secure"; document.cookie = "__Host-refresh=tossed; Path=/; Secure; Domain=app.example"`)
			if !from.isHost {
				toss(b, page)
				if got := b.cookies(s.origin)["control"] != nil; got != from.tosses {
					t.Errorf("the page's server can set a cookie for the site: %t", got)
				}
			}
			if now := s.values(app); now[accessCookie] != cookies[accessCookie] || now[refreshCookie] != cookies[refreshCookie] {
				t.Error("the page has changed the site's cookies")
			}
			if got := as.got(cookies[accessCookie]) || as.got(cookies[refreshCookie]); got != from.isHost {
				t.Errorf("the page's server is sent the site's cookies: %t", got)
			}

			if after := s.sessions(t, user); after != before || s.sessions(t, attacker) != "" || s.notes.Load() != 0 {
				t.Errorf("sessions %s, before %s; of the attacker %q; %d notes", after, before, s.sessions(t, attacker), s.notes.Load())
			}
			s.wantAPI(app, loggedIn)
			s.clock.Advance(accessTTL)
			s.wantAPI(app, loggedIn)
		})
	}
}

// toss opens a page whose server sets cookies under the names of the site's, for itself and for the site and the hosts
// below it; and a control, whose name has no prefix.
func toss(b tab, page string) {
	b.t.Helper()
	cookies := url.Values{"cookie": {
		"__Host-access=tossed; Path=/; Secure",
		"__Host-access=tossed; Path=/",
		"__Host-refresh=tossed; Path=/; Secure; Domain=app.example",
		"control=tossed; Path=/; Domain=app.example",
	}}
	b.open(page + "?" + cookies.Encode())
}

// sessions shows somebody's sessions, and when each was used.
func (s *site) sessions(t *testing.T, subject string) string {
	t.Helper()
	list, err := s.List(t.Context(), subject)
	if err != nil {
		t.Fatal(err)
	}
	var text []string
	for _, one := range list {
		text = append(text, one.ID+" "+one.LastUsedAt.Format(time.RFC3339Nano))
	}
	return strings.Join(text, ", ")
}

// The control: the requests are such that they would succeed if it were not for their origin.
func TestTheSitesOwnPagesMaySendTheSame(t *testing.T) {
	b, s := newTab(t), newSite(t)
	for _, a := range attempts() {
		b.open(s.origin + "/requests")
		s.clock.Advance(time.Second) // some end all sessions that began by then
		s.fetchLogin(b)
		learned, last := s.try(b, a)
		if last.method != a.method || last.site != a.fetchSite("same-origin") || last.status != a.own {
			t.Errorf("%s: %+v; want %s, %d", a.name, last, a.method, a.own)
		}
		if changes := a.path == "/login" || a.path == "/refresh" || a.path == "/logout"; last.sets != (changes && a.own < 300) {
			t.Errorf("%s sets cookies: %t", a.name, last.sets)
		}
		if strings.Contains(learned, user) != a.reads {
			t.Errorf("%s: the page learns %q", a.name, learned)
		}
		if a.leaves && last.status == http.StatusNoContent {
			b = b.another() // in this tab the browser may not know yet that there is no page to show
		}
	}
	if s.notes.Load() != 3 || s.sessions(t, attacker) == "" {
		t.Errorf("%d notes, sessions of the attacker: %q", s.notes.Load(), s.sessions(t, attacker))
	}
}

// SameSite=Lax, and not Strict: a link from elsewhere finds the user logged in.
func TestALinkFromElsewhereFindsTheUserLoggedIn(t *testing.T) {
	b, s := newTab(t), newSite(t)
	s.logIn(b)
	b.open(origin(t, newAttackServer(t, true).server, "evil.example") + "/requests")
	b.start("follow('%s/account')", s.origin)
	b.wait("document.body.innerText === %q", "The account of "+user)
}
