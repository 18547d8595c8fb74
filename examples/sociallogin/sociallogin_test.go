package sociallogin_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/examples/sociallogin"
	"github.com/go-usher/usher/jwks"
	"github.com/go-usher/usher/session"
)

const (
	clientID     = "the client"
	clientSecret = "the client's secret"
)

// provider is an OpenID provider at which somebody is logged in and agrees to everything.
type provider struct {
	*httptest.Server
	key    usher.Key
	mu     sync.Mutex
	grants map[string]url.Values // by code: the request for it
	change func(c *sociallogin.Claims)
	signer usher.Key // of ID tokens
	down   bool
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	key := usher.Must(usher.GenerateKey(usher.ES256)).WithID("1")
	p := &provider{key: key, signer: key, grants: map[string]url.Values{}, change: func(*sociallogin.Claims) {}}
	mux := http.NewServeMux()
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	mux.Handle("GET /.well-known/openid-configuration", usher.Must(jwks.MetadataHandler(p.URL, p.URL+"/keys")))
	mux.Handle("GET /keys", usher.Must(jwks.Handler(func() usher.Keys { return usher.Keys{key} }, nil)))
	mux.HandleFunc("GET /authorize", p.authorize)
	mux.HandleFunc("POST /token", p.token)
	return p
}

func (p *provider) authorize(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	query := r.URL.Query()
	code := rand.Text()
	p.grants[code] = query
	back := url.Values{"code": {code}, "state": {query.Get("state")}, "iss": {p.URL}}
	http.Redirect(w, r, query.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
}

// token exchanges a code, once, for whoever has its verifier (RFC 7636 §4.6).
func (p *provider) token(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		http.Error(w, "down", http.StatusBadGateway)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	code := r.PostFormValue("code")
	grant, ok := p.grants[code]
	delete(p.grants, code)
	id, secret, _ := r.BasicAuth()
	id, _ = url.QueryUnescape(id)
	secret, _ = url.QueryUnescape(secret)
	if !ok || id != clientID || secret != clientSecret ||
		grant.Get("code_challenge_method") != "S256" || oauth2.S256ChallengeFromVerifier(r.PostFormValue("code_verifier")) != grant.Get("code_challenge") {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error":"invalid_grant"}`)
		return
	}
	claims := sociallogin.Claims{Nonce: grant.Get("nonce"), Email: "alice@example.com", EmailVerified: true}
	claims.Subject, claims.Audience = "alice at the provider", usher.Audience{clientID}
	p.change(&claims)
	encoder := usher.Must(usher.NewEncoder[sociallogin.Claims](p.signer, &usher.EncoderOptions{Issuer: p.URL}))
	idToken := usher.Must(encoder.Encode(r.Context(), claims))
	_ = json.NewEncoder(w).Encode(map[string]any{"access_token": "x", "token_type": "Bearer", "id_token": idToken})
}

// site is a service on TLS, which its cookies require.
type site struct {
	*httptest.Server
	provider *provider
}

func newSite(t *testing.T) *site {
	t.Helper()
	return newSiteWith(t, 0)
}

func newSiteWith(t *testing.T, maxAge time.Duration) *site {
	t.Helper()
	p := newProvider(t)
	mux := http.NewServeMux()
	s := &site{httptest.NewTLSServer(mux), p}
	t.Cleanup(s.Close)

	key := usher.Must(usher.GenerateKey(usher.HS256))
	manager := usher.Must(session.NewManager(session.Config[usher.Claims]{
		Encoder: usher.Must(usher.NewEncoder[usher.Claims](key, nil)),
		Store:   session.NewMemoryStore(),
		Claims:  func(context.Context, session.Grant) (usher.Claims, error) { return usher.Claims{}, nil },
		Secret:  []byte("a secret of thirty-two bytes or more"),
	}))
	login := usher.Must(session.NewLogin(manager, nil, &session.HandlerOptions{
		Cookies: true,
		Respond: func(w http.ResponseWriter, r *http.Request, _ session.Tokens) {
			http.Redirect(w, r, "/me", http.StatusSeeOther)
		},
	}))
	social := usher.Must(sociallogin.New(login, sociallogin.Config{
		Issuer: p.URL, AuthURL: p.URL + "/authorize", TokenURL: p.URL + "/token",
		ClientID: clientID, ClientSecret: clientSecret, RedirectURL: s.URL + "/login/callback", MaxAge: maxAge,
		Find: func(_ context.Context, c *sociallogin.Claims) (string, error) {
			return "user of " + c.Subject + ", " + c.Email, nil
		},
	}))
	auth := usher.Must(usher.NewMiddleware(usher.Must(usher.NewDecoder[usher.Claims](key, nil)), usher.ClaimsAsUser[usher.Claims],
		&usher.MiddlewareOptions{Sources: []usher.TokenSource{usher.FromCookie("__Host-access")}, Check: manager.Check}))
	another := usher.Must(sociallogin.New(login, sociallogin.Config{
		Issuer: "https://another.example", AuthURL: "https://another.example/authorize", TokenURL: "https://another.example/token",
		ClientID: clientID, ClientSecret: clientSecret, RedirectURL: s.URL + "/another/callback",
	}))
	mux.HandleFunc("GET /another/callback", another.Callback)
	mux.HandleFunc("GET /login", social.Begin)
	mux.HandleFunc("GET /login/callback", social.Callback)
	mux.Handle("GET /me", auth.RequireFunc(func(w http.ResponseWriter, _ *http.Request, c *usher.Claims) {
		_, _ = io.WriteString(w, c.Subject)
	}))
	return s
}

// browser returns a client with cookies of its own. It follows redirects until stop says so, if that is not nil.
func (s *site) browser(t *testing.T, stop func(*url.URL) bool) *http.Client {
	t.Helper()
	return &http.Client{
		Transport: s.Client().Transport,
		Jar:       usher.Must(cookiejar.New(nil)),
		CheckRedirect: func(r *http.Request, _ []*http.Request) error {
			if stop != nil && stop(r.URL) {
				return http.ErrUseLastResponse
			}
			return nil
		},
	}
}

// reply is what came back for a request, after the redirects.
type reply struct {
	status         int
	body, location string
	cookies        []*http.Cookie
}

func get(t *testing.T, browser *http.Client, target string) reply {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := browser.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{response.StatusCode, string(body), response.Header.Get("Location"), response.Cookies()}
}

func (r reply) wantRefused(t *testing.T, what string, status int, says string) {
	t.Helper()
	if r.status != status || !strings.Contains(r.body, says) {
		t.Errorf("%s is answered with %d %s, want %d %s", what, r.status, r.body, status, says)
	}
	for _, c := range r.cookies {
		if c.Name == "__Host-access" || c.Name == "__Host-refresh" {
			t.Errorf("%s sets the cookie %s", what, c.Name)
		}
	}
}

// callback begins a login and returns the URL to which the provider sends the browser.
func (s *site) callback(t *testing.T) (browser *http.Client, target string) {
	t.Helper()
	browser = s.browser(t, func(u *url.URL) bool { return u.Path == "/login/callback" })
	return browser, get(t, browser, s.URL+"/login").location
}

func TestAProvidersUserIsLoggedIn(t *testing.T) {
	s := newSite(t)
	got := get(t, s.browser(t, nil), s.URL+"/login")
	if got.status != 200 || got.body != "user of alice at the provider, alice@example.com" {
		t.Fatalf("after all redirects the answer is %d %s", got.status, got.body)
	}
	s.provider.change = func(c *sociallogin.Claims) {
		c.Audience, c.AuthorizedParty = usher.Audience{clientID, "another"}, clientID
	}
	if got = get(t, s.browser(t, nil), s.URL+"/login"); got.status != 200 {
		t.Errorf("two audiences and the right azp are answered with %d %s", got.status, got.body)
	}
}

func TestIDTokensThatAreRefused(t *testing.T) {
	other := usher.Must(usher.GenerateKey(usher.ES256)).WithID("1")
	for name, change := range map[string]func(p *provider, c *sociallogin.Claims){
		"another nonce":        func(_ *provider, c *sociallogin.Claims) { c.Nonce = "x" },
		"no nonce":             func(_ *provider, c *sociallogin.Claims) { c.Nonce = "" },
		"another audience":     func(_ *provider, c *sociallogin.Claims) { c.Audience = usher.Audience{"another"} },
		"two without azp":      func(_ *provider, c *sociallogin.Claims) { c.Audience = usher.Audience{clientID, "another"} },
		"another azp":          func(_ *provider, c *sociallogin.Claims) { c.AuthorizedParty = "another" },
		"another issuer":       func(_ *provider, c *sociallogin.Claims) { c.Issuer = "https://evil.example" },
		"another key":          func(p *provider, _ *sociallogin.Claims) { p.signer = other },
		"a key without a name": func(p *provider, _ *sociallogin.Claims) { p.signer = other.WithID("") },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.provider.change = func(c *sociallogin.Claims) { change(s.provider, c) }
			get(t, s.browser(t, nil), s.URL+"/login").wantRefused(t, name, 401, "The provider did not log you in.")
		})
	}
}

func TestACallbackBelongsToTheBrowserThatBegan(t *testing.T) {
	s := newSite(t)
	browser, target := s.callback(t)
	get(t, s.browser(t, nil), target).wantRefused(t, "a browser that has not begun", 400, "not begun in this browser") // the attacker's link, in the victim's browser
	other, _ := s.callback(t)
	get(t, other, target).wantRefused(t, "a browser that has begun another login", 400, "not begun in this browser")

	u := usher.Must(url.Parse(target))
	for name, change := range map[string]func(url.Values){
		"without state":     func(q url.Values) { q.Del("state") },
		"with a wrong code": func(q url.Values) { q.Set("code", "x") },
		"of another issuer": func(q url.Values) { q.Set("iss", "https://evil.example") },
		"with an error":     func(q url.Values) { q.Del("code"); q.Set("error", "access_denied") },
	} {
		browser, target := s.callback(t)
		query := usher.Must(url.Parse(target)).Query()
		change(query)
		status := 401
		if query.Get("state") == "" {
			status = 400
		}
		get(t, browser, s.URL+u.Path+"?"+query.Encode()).wantRefused(t, "a callback "+name, status, `"detail":"The`)
	}

	get(t, browser, strings.Replace(target, "/login/", "/another/", 1)).wantRefused(t, "the callback of another provider", 400, "not begun in this browser")
	if got := get(t, browser, target); got.status != 200 || !strings.HasPrefix(got.body, "user of alice") {
		t.Fatalf("the browser that began is answered with %d %s", got.status, got.body)
	}
	get(t, browser, target).wantRefused(t, "the same callback again", 400, "or it is over")
}

// A provider that knows the browser asks the user for nothing.
func TestALoginThatIsTooOldAtTheProviderIsRefused(t *testing.T) {
	s := newSiteWith(t, 5*time.Minute)
	_, target := s.callback(t)
	code := usher.Must(url.Parse(target)).Query().Get("code")
	if got := s.provider.grants[code].Get("max_age"); got != "300" {
		t.Errorf("max_age is %q", got)
	}
	for name, test := range map[string]struct {
		authTime usher.NumericDate
		status   int
	}{
		"now":          {usher.NewNumericDate(time.Now()), 200},
		"an hour ago":  {usher.NewNumericDate(time.Now().Add(-time.Hour)), 401},
		"nobody knows": {usher.NumericDate{}, 401},
	} {
		s.provider.change = func(c *sociallogin.Claims) { c.AuthTime = test.authTime }
		if got := get(t, s.browser(t, nil), s.URL+"/login"); got.status != test.status {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
}

// The code of one login does not work with the verifier of another one, even at the provider (PKCE).
func TestAStolenCodeIsOfNoUse(t *testing.T) {
	s := newSite(t)
	_, stolen := s.callback(t)
	thief, target := s.callback(t)
	query := usher.Must(url.Parse(target)).Query()
	query.Set("code", usher.Must(url.Parse(stolen)).Query().Get("code"))
	get(t, thief, s.URL+"/login/callback?"+query.Encode()).wantRefused(t, "a stolen code", 401, "The provider did not log you in.")
}

func TestAProviderThatIsDownIsA503(t *testing.T) {
	s := newSite(t)
	browser, target := s.callback(t)
	s.provider.mu.Lock()
	s.provider.down = true
	s.provider.mu.Unlock()
	get(t, browser, target).wantRefused(t, "an outage", 503, "Try again later.")
}
