package passkey_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/examples/passkey"
	"github.com/go-usher/usher/session"
)

const site = "https://example.com"

// user is the only user, and the table of users.
type user struct {
	credential webauthn.Credential
	err        error // of the database
}

func (u *user) Subject() string             { return "user-7" }
func (u *user) WebAuthnID() []byte          { return []byte("the handle of user-7") }
func (u *user) WebAuthnName() string        { return "ada" }
func (u *user) WebAuthnDisplayName() string { return "Ada" }
func (u *user) WebAuthnCredentials() []webauthn.Credential {
	return []webauthn.Credential{u.credential}
}

func (u *user) ByHandle(_ context.Context, handle []byte) (passkey.User, error) {
	switch {
	case u.err != nil:
		return nil, u.err
	case !bytes.Equal(handle, u.WebAuthnID()):
		return nil, usher.ErrNoUser
	}
	return u, nil
}

func (u *user) Used(_ context.Context, _ passkey.User, c *webauthn.Credential) error {
	u.credential = *c
	return nil
}

// authenticator is what has the private key. Its fields can be changed to what another one, or another site, would send.
type authenticator struct {
	key     *ecdsa.PrivateKey
	handle  string
	origin  string
	site    string
	flags   byte // user present and verified
	counter uint32
}

func newAuthenticator(t *testing.T) (*authenticator, *user) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point := usher.Must(key.PublicKey.Bytes()) // 4, X, Y
	// The public key as a COSE_Key for ES256 (RFC 9053 §7.1).
	public := []byte{0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20}
	public = append(public, point[1:33]...)
	public = append(public, 0x22, 0x58, 0x20)
	public = append(public, point[33:]...)
	u := &user{credential: webauthn.Credential{ID: []byte("the id of the passkey"), PublicKey: public}}
	return &authenticator{key: key, handle: string(u.WebAuthnID()), origin: site, site: "example.com", flags: 0x05, counter: 1}, u
}

// sign returns what the browser sends for a challenge (WebAuthn §6.3.3).
func (a *authenticator) sign(t *testing.T, challenge string) string {
	t.Helper()
	encode := base64.RawURLEncoding.EncodeToString
	clientData, _ := json.Marshal(map[string]any{"type": "webauthn.get", "challenge": challenge, "origin": a.origin, "crossOrigin": false})
	siteHash, clientHash := sha256.Sum256([]byte(a.site)), sha256.Sum256(clientData)
	data := binary.BigEndian.AppendUint32(append(siteHash[:], a.flags), a.counter)
	a.counter++
	digest := sha256.Sum256(append(bytes.Clone(data), clientHash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, a.key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	id := encode([]byte("the id of the passkey"))
	body, _ := json.Marshal(map[string]any{
		"id": id, "rawId": id, "type": "public-key",
		"response": map[string]string{
			"clientDataJSON": encode(clientData), "authenticatorData": encode(data),
			"signature": encode(signature), "userHandle": encode([]byte(a.handle)),
		},
	})
	return string(body)
}

// newSite serves https://example.com to the browser that it returns.
func newSite(t *testing.T, users passkey.Users) func() *http.Client {
	t.Helper()
	return serve(t, newRoutes(t, users))
}

func newRoutes(t *testing.T, users passkey.Users) *passkey.Login {
	t.Helper()
	manager := usher.Must(session.NewManager(session.Config[usher.Claims]{
		Encoder: usher.Must(usher.NewEncoder[usher.Claims](usher.Must(usher.GenerateKey(usher.HS256)), nil)),
		Store:   session.NewMemoryStore(),
		Claims:  func(context.Context, session.Grant) (usher.Claims, error) { return usher.Claims{}, nil },
		Secret:  []byte("a secret of thirty-two bytes or more"),
	}))
	login := usher.Must(session.NewLogin(manager, nil, &session.HandlerOptions{Cookies: true}))
	return usher.Must(passkey.New(login, site, users))
}

func serve(t *testing.T, routes *passkey.Login) func() *http.Client {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login/passkey", routes.Begin)
	mux.HandleFunc("POST /login/passkey/finish", routes.Finish)
	server := httptest.NewTLSServer(mux) // whose certificate is for example.com
	t.Cleanup(server.Close)
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", server.Listener.Addr().String())
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return func() *http.Client { return &http.Client{Transport: transport, Jar: usher.Must(cookiejar.New(nil))} }
}

type reply struct {
	status   int
	body     string
	loggedIn bool
}

func post(t *testing.T, browser *http.Client, path, body string, headers ...string) reply {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, site+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := browser.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	loggedIn := slices.ContainsFunc(response.Cookies(), func(c *http.Cookie) bool { return c.Name == "__Host-access" && c.Value != "" })
	return reply{response.StatusCode, string(text), loggedIn}
}

func begin(t *testing.T, browser *http.Client) (challenge string) {
	t.Helper()
	got := post(t, browser, "/login/passkey", "")
	var options struct {
		PublicKey struct{ Challenge, UserVerification, RpID string }
	}
	if err := json.Unmarshal([]byte(got.body), &options); err != nil || got.status != 200 ||
		options.PublicKey.UserVerification != "required" || options.PublicKey.RpID != "example.com" {
		t.Fatalf("%d %s", got.status, got.body)
	}
	return options.PublicKey.Challenge
}

func TestAPasskeyLogsIn(t *testing.T) {
	a, users := newAuthenticator(t)
	newBrowser := newSite(t, users)
	browser := newBrowser()
	for range 2 {
		credential := a.sign(t, begin(t, browser))
		cookies := browser.Jar.Cookies(usher.Must(url.Parse(site)))
		got := post(t, browser, "/login/passkey/finish", credential, "Sec-Fetch-Site", "same-origin")
		if got.status != 200 || !got.loggedIn {
			t.Fatalf("%d %s", got.status, got.body)
		}
		browser.Jar.SetCookies(usher.Must(url.Parse(site)), cookies)
		stored := users.credential
		users.credential.Authenticator.SignCount = 0 // as of a passkey that does not count
		got = post(t, browser, "/login/passkey/finish", credential)
		users.credential = stored
		if got.status != 400 || !strings.Contains(got.body, "Begin again.") || got.loggedIn {
			t.Errorf("the same credential again: %d %s", got.status, got.body)
		}
	}
	if users.credential.Authenticator.SignCount != 2 {
		t.Errorf("the counter that is stored is %d", users.credential.Authenticator.SignCount)
	}
	// What one browser has begun, another one can't finish.
	challenge := begin(t, browser)
	got := post(t, newBrowser(), "/login/passkey/finish", a.sign(t, challenge))
	if got.status != 400 || got.loggedIn {
		t.Errorf("another browser: %d %s", got.status, got.body)
	}
}

// Anybody can begin logins.
func TestLoginsThatStrangersBeginKeepNobodyOut(t *testing.T) {
	a, users := newAuthenticator(t)
	routes := newRoutes(t, users)
	newBrowser := serve(t, routes)
	before, after := newBrowser(), newBrowser()
	first := begin(t, before)
	for range 10_001 {
		routes.Begin(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, site+"/login/passkey", nil))
	}
	second := begin(t, after)
	if got := post(t, before, "/login/passkey/finish", a.sign(t, first)); got.status != 200 || !got.loggedIn {
		t.Errorf("a login that had begun: %d %s", got.status, got.body)
	}
	if got := post(t, after, "/login/passkey/finish", a.sign(t, second)); got.status != 200 || !got.loggedIn {
		t.Errorf("a login that began later: %d %s", got.status, got.body)
	}
}

func TestALoginLastsFiveMinutes(t *testing.T) {
	a, users := newAuthenticator(t)
	synctest.Test(t, func(t *testing.T) {
		routes := newRoutes(t, users)
		began := httptest.NewRecorder()
		routes.Begin(began, httptest.NewRequest(http.MethodPost, site+"/login/passkey", nil))
		var options struct{ PublicKey struct{ Challenge string } }
		_ = json.Unmarshal(began.Body.Bytes(), &options)
		for _, test := range []struct {
			wait   time.Duration
			cookie string
			status int
		}{
			{0, began.Result().Cookies()[0].Value[1:], 400},
			{0, began.Result().Cookies()[0].Value, 401}, // because of the signature, which is none
			{5*time.Minute + time.Second, began.Result().Cookies()[0].Value, 400},
		} {
			<-time.After(test.wait)
			credential := strings.Replace(a.sign(t, options.PublicKey.Challenge), `"signature":"`, `"signature":"AAAA`, 1)
			r := httptest.NewRequest(http.MethodPost, site+"/login/passkey/finish", strings.NewReader(credential))
			r.AddCookie(&http.Cookie{Name: "__Host-passkey-login", Value: test.cookie})
			w := httptest.NewRecorder()
			if routes.Finish(w, r); w.Code != test.status {
				t.Errorf("after %v: %d %s", test.wait, w.Code, w.Body)
			}
		}
	})
}

func TestPasskeysThatAreRefused(t *testing.T) {
	for name, test := range map[string]struct {
		change func(a *authenticator, u *user)
		status int
		says   string
	}{
		"of another key":           {func(a *authenticator, _ *user) { a.key, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }, 401, "not accepted"},
		"of another user":          {func(a *authenticator, _ *user) { a.handle = "somebody else" }, 401, "not accepted"},
		"of another origin":        {func(a *authenticator, _ *user) { a.origin = "https://evil.example" }, 401, "not accepted"},
		"of another site":          {func(a *authenticator, _ *user) { a.site = "evil.example" }, 401, "not accepted"},
		"without verification":     {func(a *authenticator, _ *user) { a.flags = 0x01 }, 401, "not accepted"},
		"with a counter gone back": {func(_ *authenticator, u *user) { u.credential.Authenticator.SignCount = 7 }, 401, "not accepted"},
		"while the users are out":  {func(_ *authenticator, u *user) { u.err = usher.ErrUnavailable }, 503, "Try again later."},
	} {
		t.Run(name, func(t *testing.T) {
			a, users := newAuthenticator(t)
			browser := newSite(t, users)()
			challenge := begin(t, browser)
			test.change(a, users)
			got := post(t, browser, "/login/passkey/finish", a.sign(t, challenge))
			if got.status != test.status || !strings.Contains(got.body, test.says) || got.loggedIn {
				t.Errorf("%d %s", got.status, got.body)
			}
		})
	}
	t.Run("of another challenge", func(t *testing.T) {
		a, users := newAuthenticator(t)
		browser := newSite(t, users)()
		old := begin(t, browser)
		begin(t, browser)
		got := post(t, browser, "/login/passkey/finish", a.sign(t, old))
		if got.status != 401 || got.loggedIn {
			t.Errorf("%d %s", got.status, got.body)
		}
	})
	t.Run("from a page of another site", func(t *testing.T) {
		a, users := newAuthenticator(t)
		browser := newSite(t, users)()
		got := post(t, browser, "/login/passkey/finish", a.sign(t, begin(t, browser)), "Sec-Fetch-Site", "cross-site")
		if got.status != 403 || got.loggedIn {
			t.Errorf("%d %s", got.status, got.body)
		}
	})
}
