package session_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

// site is a server with the four handlers.
type site struct {
	*world
	mux  *http.ServeMux
	opts *session.HandlerOptions
	auth func(ctx context.Context, username, password string) (string, error)
	seen []*usher.Rejection
}

func newSite(t *testing.T, store session.Store, change ...func(*session.HandlerOptions)) *site {
	t.Helper()
	s := &site{world: newWorld(t, store)}
	s.auth = func(_ context.Context, username, password string) (string, error) {
		if username == "ada@example.org" && password == "correct horse" {
			return subject, nil
		}
		return "", usher.ErrPasswordMismatch
	}
	s.opts = &session.HandlerOptions{
		UsernameField: "email",
		Observe:       func(_ *http.Request, rej *usher.Rejection) { s.seen = append(s.seen, rej) },
	}
	for _, c := range change {
		c(s.opts)
	}
	authenticate := func(ctx context.Context, username, password string) (string, error) {
		return s.auth(ctx, username, password)
	}
	middleware := usher.Must(usher.NewMiddleware(s.decoder, usher.ClaimsAsUser[claims], &usher.MiddlewareOptions{
		Sources: []usher.TokenSource{usher.FromBearer(), usher.FromCookie("__Host-access")},
		Check:   s.Check,
	}))
	sessions := middleware.Require(usher.Must(session.SessionsHandler(s.Manager, s.opts)))
	s.mux = http.NewServeMux()
	s.mux.Handle("/login", usher.Must(session.LoginHandler(s.Manager, authenticate, s.opts)))
	s.mux.Handle("/refresh", usher.Must(session.RefreshHandler(s.Manager, s.opts)))
	s.mux.Handle("/logout", usher.Must(session.LogoutHandler(s.Manager, s.opts)))
	s.mux.Handle("/sessions", sessions)
	s.mux.Handle("/sessions/{id}", sessions)
	return s
}

func withCookies(o *session.HandlerOptions) { o.Cookies = true }

type answer struct {
	*http.Response
	body string
}

// send makes a request; a body that begins with a brace is JSON, another one a form.
func (s *site) send(t *testing.T, method, target, body string, change ...func(*http.Request)) answer {
	t.Helper()
	r := httptest.NewRequest(method, "https://example.org"+target, strings.NewReader(body))
	switch {
	case body == "":
		r = httptest.NewRequest(method, "https://example.org"+target, nil)
	case strings.HasPrefix(body, "{"):
		r.Header.Set("Content-Type", "application/json")
	default:
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, c := range change {
		c(r)
	}
	w := httptest.NewRecorder()
	s.mux.ServeHTTP(w, r)
	res := w.Result()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s %s may be cached", method, target)
	}
	if len(b) > 0 && !bytes.HasSuffix(b, []byte("}\n")) {
		t.Errorf("%s %s: %q does not end its line", method, target, b)
	}
	if res.StatusCode >= 400 && res.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%s %s: %d as %s; want problem+json", method, target, res.StatusCode, res.Header.Get("Content-Type"))
	}
	return answer{res, string(b)}
}

func (a answer) want(t *testing.T, status int, text string) answer {
	t.Helper()
	if a.StatusCode != status || !strings.Contains(a.body, text) {
		t.Fatalf("%d %s; want %d with %q", a.StatusCode, a.body, status, text)
	}
	return a
}

func (a answer) tokens(t *testing.T) session.Tokens {
	t.Helper()
	a.want(t, http.StatusOK, "access_token")
	var tokens session.Tokens
	if err := json.Unmarshal([]byte(a.body), &tokens); err != nil {
		t.Fatal(err)
	}
	return tokens
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func bearer(t session.Tokens) func(*http.Request) {
	return header("Authorization", "Bearer "+t.AccessToken)
}

const login = `{"email":" Ada@example.org ","password":"correct horse","label":"phone"}`

func refreshBody(t session.Tokens) string {
	return fmt.Sprintf(`{"refresh_token":%q}`, t.RefreshToken)
}

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

func TestFormsAreTakenToo(t *testing.T) {
	s := newSite(t, session.NewMemoryStore())
	form := url.Values{"email": {"ada@example.org"}, "password": {"correct horse"}}
	tokens := s.send(t, "POST", "/login", form.Encode()).tokens(t)
	s.send(t, "POST", "/refresh", url.Values{"refresh_token": {tokens.RefreshToken}}.Encode()).tokens(t)
}

func TestInputIsRefusedBeforeAnythingHappens(t *testing.T) {
	s := newSite(t, session.NewMemoryStore())
	s.auth = func(context.Context, string, string) (string, error) {
		t.Error("asked")
		return "", usher.ErrPasswordMismatch
	}
	large := `{"email":"` + strings.Repeat("x", 65<<10) + `"}`
	for _, test := range []struct {
		name, method, target, body string
		change                     func(*http.Request)
		status                     int
		text                       string
	}{
		{"GET login", "GET", "/login", "", nil, 405, "POST"},
		{"GET refresh", "GET", "/refresh", "", nil, 405, "POST"},
		{"GET logout", "GET", "/logout", "", nil, 405, "POST"},
		{"no type", "POST", "/login", login, header("Content-Type", ""), 415, "application/json"},
		{"JSON as text", "POST", "/login", login, header("Content-Type", "text/plain"), 415, "application/json"},
		{"multipart", "POST", "/login", login, header("Content-Type", "multipart/form-data; boundary=x"), 415, ""},
		{"no JSON", "POST", "/login", "{", nil, 400, "one JSON object"},
		{"two objects", "POST", "/login", login + "{}", nil, 400, "one JSON object"},
		{"a list", "POST", "/login", "[]", header("Content-Type", "application/json"), 400, "one JSON object"},
		{"null for a body", "POST", "/login", "null", header("Content-Type", "application/json"), 400, "one JSON object"},
		{"a name twice", "POST", "/login", `{"email":"a","email":"b","password":"x"}`, nil, 400, "one JSON object"},
		{"a form field twice", "POST", "/login", "email=a&email=b&password=x", nil, 400, "email"},
		{"a broken form", "POST", "/login", "email=%zz", nil, 400, "form"},
		{"too large", "POST", "/login", large, nil, 413, "too large"},
		{"too large a form", "POST", "/login", "email=" + large, nil, 413, "too large"},
		{"no email", "POST", "/login", `{"password":"x"}`, nil, 422, `\"email\" is required`},
		{"an email of spaces", "POST", "/login", `{"email":" ","password":"x"}`, nil, 422, `\"email\" is required`},
		{"no password", "POST", "/login", `{"email":"a","password":""}`, nil, 422, `\"password\" is required`},
		{"null", "POST", "/login", `{"email":"a","password":null}`, nil, 422, `\"password\" is required`},
		{"neither", "POST", "/login", `{}`, nil, 422, `\"email\" and \"password\" are required`},
		{"names in another case", "POST", "/login", `{"Email":"a","PASSWORD":"x"}`, nil, 422, "required"},
		{"a number", "POST", "/login", `{"email":7,"password":"x"}`, nil, 422, `\"email\" must be a string`},
		{"no refresh token", "POST", "/refresh", `{}`, nil, 422, "refresh_token"},
		{"nothing to log out of", "POST", "/logout", `{}`, nil, 422, "refresh_token"},
		{"another origin", "POST", "/login", login, header("Sec-Fetch-Site", "cross-site"), 403, "Cross-origin"},
		{"a form of another origin", "POST", "/login", "email=a&password=b", header("Origin", "https://evil.example"), 403, "Cross-origin"},
		{"a refresh of another origin", "POST", "/refresh", `{}`, header("Sec-Fetch-Site", "same-site"), 403, "Cross-origin"},
		{"a logout of another origin", "POST", "/logout", `{}`, header("Sec-Fetch-Site", "cross-site"), 403, "Cross-origin"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s.seen = nil
			change := test.change
			if change == nil {
				change = func(*http.Request) {}
			}
			s.send(t, test.method, test.target, test.body, change).want(t, test.status, test.text)
			if len(s.seen) != 1 || s.seen[0].Status != test.status || s.seen[0].Err == nil {
				t.Errorf("observed %v; want the refusal and its cause", s.seen)
			}
		})
	}
}

func TestTrustedOriginsMayLogIn(t *testing.T) {
	s := newSite(t, session.NewMemoryStore(), func(o *session.HandlerOptions) { o.TrustedOrigins = []string{"https://app.example.org"} })
	s.send(t, "POST", "/login", login, header("Origin", "https://app.example.org"), header("Sec-Fetch-Site", "same-site")).tokens(t)
}

func TestLoginMapsTheAuthenticatorsErrors(t *testing.T) {
	s := newSite(t, session.NewMemoryStore())
	for _, test := range []struct {
		err    error
		status int
		text   string
	}{
		{usher.ErrPasswordMismatch, 401, "Wrong email or password."},
		{usher.ErrNoUser, 401, "Wrong email or password."},
		{fmt.Errorf("%w: locked", usher.ErrForbidden), 403, "not allowed"},
		{usher.ErrUnavailable, 503, "Try again"},
		{context.DeadlineExceeded, 503, "Try again"},
		{errors.New("a secret of the database"), 500, "can't be served"},
		{&usher.Rejection{Status: 403, Description: "Confirm your address."}, 403, "Confirm your address."},
	} {
		s.auth = func(context.Context, string, string) (string, error) { return "", test.err }
		a := s.send(t, "POST", "/login", login).want(t, test.status, test.text)
		if strings.Contains(a.body, "secret") {
			t.Errorf("the cause is shown: %s", a.body)
		}
		if (a.StatusCode == http.StatusUnauthorized) != (a.Header.Get("WWW-Authenticate") != "") || (a.StatusCode == http.StatusServiceUnavailable) != (a.Header.Get("Retry-After") != "") {
			t.Errorf("%d with %v", a.StatusCode, a.Header)
		}
	}
	s.auth = func(context.Context, string, string) (string, error) { return subject, nil }
	s.user = func(context.Context, string) (claims, error) { return claims{}, usher.ErrNoUser }
	s.send(t, "POST", "/login", login).want(t, 401, "Wrong email or password.")
}

func TestALoginThatBeganBeforeEndAllIsRefused(t *testing.T) {
	s := newSite(t, session.NewMemoryStore())
	s.auth = func(ctx context.Context, _, _ string) (string, error) {
		s.clock.Advance(1000)
		return subject, s.EndAll(ctx, subject)
	}
	s.send(t, "POST", "/login", login).want(t, 401, "Log in again")
	s.wantSessions(t, 0)
}

// cookieJar keeps cookies as a browser would.
type cookieJar map[string]string

func (j cookieJar) keep(t *testing.T, a answer) {
	t.Helper()
	for _, c := range a.Cookies() {
		if !strings.HasPrefix(c.Name, "__Host-") || c.Path != "/" || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Domain != "" {
			t.Errorf("cookie %s", c)
		}
		if c.MaxAge < 0 {
			delete(j, c.Name)
		} else {
			j[c.Name] = c.Value
		}
	}
}

func (j cookieJar) send(r *http.Request) {
	for name, value := range j {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
}

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

func TestCookiesAreClearedOnlyWhereTheSessionIsOver(t *testing.T) {
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

// torn is a store that fails while it says that a session has ended.
type torn struct{ session.Store }

func (torn) Rotate(context.Context, session.Rotation) (session.Rotated, error) {
	return session.Rotated{}, errors.Join(session.ErrSessionEnded, context.DeadlineExceeded)
}

func TestAnAnswerThatComesWithAFailureClearsNothing(t *testing.T) {
	s := newSite(t, torn{session.NewMemoryStore()}, withCookies)
	jar := cookieJar{}
	jar.keep(t, s.send(t, "POST", "/login", login).want(t, 200, ""))
	if a := s.send(t, "POST", "/refresh", "", jar.send).want(t, 503, "Try again"); len(a.Cookies()) != 0 {
		t.Errorf("a 503 clears %v", a.Cookies())
	}
}

func TestACookieThatBrowsersWouldDropSpendsNothing(t *testing.T) {
	s := newSite(t, session.NewMemoryStore(), withCookies)
	jar := cookieJar{}
	jar.keep(t, s.send(t, "POST", "/login", login).want(t, 200, ""))
	s.user = func(context.Context, string) (claims, error) { return claims{Role: strings.Repeat("x", 4096)}, nil }
	s.send(t, "POST", "/login", login).want(t, 500, "")
	s.send(t, "POST", "/refresh", "", jar.send).want(t, 500, "")
	if cause := s.seen[len(s.seen)-1].Err; !strings.Contains(cause.Error(), "4096") {
		t.Errorf("the operator reads %v", cause)
	}
	s.wantSessions(t, 1)
	s.user = func(context.Context, string) (claims, error) { return claims{}, nil }
	s.clock.Advance(2 * grace)
	s.send(t, "POST", "/refresh", "", jar.send).want(t, 200, "")
}

func TestUsersManageTheirSessions(t *testing.T) {
	s := newSite(t, session.NewMemoryStore())
	var tokens []session.Tokens
	for range 4 {
		tokens = append(tokens, s.send(t, "POST", "/login", login).tokens(t))
		s.clock.Advance(1000)
	}
	s.send(t, "GET", "/sessions", "").want(t, 401, "")
	s.send(t, "PUT", "/sessions", "", bearer(tokens[0])).want(t, 405, "DELETE")
	var listed struct {
		Sessions []struct {
			ID      string `json:"id"`
			Label   string `json:"label"`
			Current bool   `json:"current"`
			Subject *string
		} `json:"sessions"`
	}
	a := s.send(t, "GET", "/sessions", "", bearer(tokens[1])).want(t, 200, "")
	if err := json.Unmarshal([]byte(a.body), &listed); err != nil {
		t.Fatal(err)
	}
	if len(listed.Sessions) != 4 || listed.Sessions[0].Current || !listed.Sessions[1].Current || listed.Sessions[1].Label != "phone" {
		t.Fatalf("%s", a.body)
	}
	stranger, err := s.Start(t.Context(), "mallory", session.About{})
	if err != nil {
		t.Fatal(err)
	}
	s.send(t, "DELETE", "/sessions/"+listed.Sessions[0].ID, "", bearer(stranger)).want(t, 404, "no such session")
	s.send(t, "DELETE", "/sessions/"+listed.Sessions[0].ID, "", bearer(tokens[1]), header("Sec-Fetch-Site", "cross-site")).want(t, 403, "")
	s.wantSessions(t, 4)
	s.send(t, "DELETE", "/sessions/"+listed.Sessions[0].ID, "", bearer(tokens[1])).want(t, 204, "")
	s.send(t, "DELETE", "/sessions/"+listed.Sessions[0].ID, "", bearer(tokens[1])).want(t, 404, "no such session")
	s.send(t, "GET", "/sessions", "", bearer(tokens[0])).want(t, 401, "")
	s.send(t, "DELETE", "/sessions", "", bearer(tokens[1])).want(t, 204, "")
	s.wantSessions(t, 1)
	s.send(t, "DELETE", "/sessions/"+listed.Sessions[1].ID, "", bearer(tokens[1])).want(t, 204, "")
	s.wantSessions(t, 0)
}

func TestEndingTheCurrentSessionClearsItsCookies(t *testing.T) {
	s := newSite(t, session.NewMemoryStore(), withCookies)
	jar := cookieJar{}
	jar.keep(t, s.send(t, "POST", "/login", login).want(t, 200, ""))
	id := s.wantSessions(t, 1)[0].ID
	jar.keep(t, s.send(t, "DELETE", "/sessions/"+id, "", jar.send).want(t, 204, ""))
	if len(jar) != 0 {
		t.Errorf("left over: %v", jar)
	}
}

func TestSessionsHandlerFailsClosed(t *testing.T) {
	s := newSite(t, &failing{Store: session.NewMemoryStore(), failAt: 1, andOn: true})
	h := usher.Must(session.SessionsHandler(s.Manager, s.opts))
	for _, test := range []struct {
		name, method, target string
		claims               *claims
		status               int
	}{
		{"without a middleware", "GET", "/sessions", nil, 500},
		{"a token without session ending the others", "DELETE", "/sessions", &claims{Claims: usher.Claims{Subject: subject}}, 403},
		{"store down, list", "GET", "/sessions", &claims{Claims: usher.Claims{Subject: subject}}, 503},
		{"store down, end others", "DELETE", "/sessions", &claims{Claims: usher.Claims{Subject: subject, SessionID: strings.Repeat("A", 22)}}, 503},
		{"store down, end one", "DELETE", "/sessions/" + strings.Repeat("A", 22), &claims{Claims: usher.Claims{Subject: subject}}, 503},
	} {
		r := httptest.NewRequest(test.method, test.target, nil)
		if id, ok := strings.CutPrefix(test.target, "/sessions/"); ok {
			r.SetPathValue("id", id)
		}
		if test.claims != nil {
			r = r.WithContext(usher.ContextWithClaims(r.Context(), test.claims))
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != test.status {
			t.Errorf("%s: %d %s; want %d", test.name, w.Code, w.Body, test.status)
		}
	}
}

func TestHandlerMistakesAreReportedAtOnce(t *testing.T) {
	opts := &session.HandlerOptions{
		UsernameField: "password", AccessCookie: "access", RefreshCookie: "__Host- bad", TrustedOrigins: []string{"https://a/b", "https://*.x", "HTTPS://x", "https://bücher.example", "https://x:99999"},
	}
	_, err := session.LoginHandler(nil, nil, opts)
	for _, field := range []string{"Starter", "Authenticator", "PasswordField", "AccessCookie", "RefreshCookie", "https://a/b", "https://*.x", "HTTPS://x", "https://bücher.example", "https://x:99999"} {
		wantConfigError(t, err, field)
	}
	_, err = session.RefreshHandler[claims](nil, &session.HandlerOptions{AccessCookie: "__Host-x", RefreshCookie: "__Host-x"})
	wantConfigError(t, err, "Manager")
	wantConfigError(t, err, "RefreshCookie")
	_, err = session.LogoutHandler[claims](nil, nil)
	wantConfigError(t, err, "Manager")
	_, err = session.SessionsHandler[claims](nil, nil)
	wantConfigError(t, err, "Manager")
	_, err = session.LoginHandler((*session.Manager[claims])(nil), func(context.Context, string, string) (string, error) { return "", nil }, nil)
	wantConfigError(t, err, "Starter")
}

func TestALoginWithoutSessions(t *testing.T) {
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
	w.user = func(context.Context, string) (claims, error) { return claims{}, usher.ErrNoUser }
	_, err = plain.Start(t.Context(), subject, session.About{})
	wantErr(t, "Start of a user who is gone", err, usher.ErrNoUser)
	_, err = session.NewAccessTokens[claims](nil, nil)
	wantConfigError(t, err, "encoder")
	wantConfigError(t, err, "claims")
}
