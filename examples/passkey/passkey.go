// Package passkey shows logins with a passkey (WebAuthn), without a username and a password. A login starts a session. The package
// is one file to copy. Users add passkeys while they are logged in, with BeginRegistration and FinishRegistration of the same
// library.
package passkey

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

// User is a user with passkeys.
type User interface {
	webauthn.User
	Subject() string
}

// Users is the application's table of users and their passkeys.
type Users interface {
	// ByHandle returns the user whose WebAuthnID this is, or usher.ErrNoUser.
	ByHandle(ctx context.Context, handle []byte) (User, error)
	// Used stores the passkey's counter and flags after a login.
	Used(ctx context.Context, user User, passkey *webauthn.Credential) error
}

// Login has the two routes of a login with a passkey.
type Login struct {
	login    *session.Login
	webauthn *webauthn.WebAuthn
	users    Users
	begun    *begun
}

// New returns the routes for a site, such as "https://example.com". login may be made without an authenticator.
func New(login *session.Login, site string, users Users) (*Login, error) {
	u, err := url.Parse(site)
	if err != nil {
		return nil, err
	}
	config := &webauthn.Config{RPID: u.Hostname(), RPDisplayName: u.Hostname(), RPOrigins: []string{site}}
	config.Timeouts.Login = webauthn.TimeoutConfig{Enforce: true, Timeout: ttl, TimeoutUVD: ttl}
	library, err := webauthn.New(config)
	if err != nil {
		return nil, err
	}
	begun, err := newBegun()
	if err != nil {
		return nil, err
	}
	return &Login{login: login, webauthn: library, users: users, begun: begun}, nil
}

const (
	ttl        = 5 * time.Minute // from Begin to Finish
	cookieName = "__Host-passkey-login"
)

// Begin serves POST: it responds with the options for navigator.credentials.get.
func (l *Login) Begin(w http.ResponseWriter, r *http.Request) {
	// The passkey asks for a fingerprint or a PIN, so it is also a second factor.
	options, data, err := l.webauthn.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	var cookie string
	if err == nil {
		cookie, err = l.begun.seal(data)
	}
	if err != nil {
		l.login.Deny(w, r, err)
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: cookie, Path: "/", MaxAge: int(ttl.Seconds()),
		Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(options)
}

// Finish serves POST with the credential of the browser. A login finishes once.
func (l *Login) Finish(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, &http.Cookie{Name: cookieName, Path: "/", MaxAge: -1, Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	if err := l.finish(w, r, time.Now()); err != nil {
		l.login.Deny(w, r, err)
	}
}

var errExpired = &usher.Rejection{Status: http.StatusBadRequest, Description: "The login has expired. Begin again."}

func (l *Login) finish(w http.ResponseWriter, r *http.Request, start time.Time) error {
	var data *webauthn.SessionData
	if cookie, err := r.Cookie(cookieName); err == nil {
		data = l.begun.open(cookie.Value)
	}
	if data == nil {
		return errExpired
	}
	var user User
	var lookup error
	find := func(_, handle []byte) (webauthn.User, error) {
		user, lookup = l.users.ByHandle(r.Context(), handle)
		return user, lookup
	}
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	_, passkey, err := l.webauthn.FinishPasskeyLogin(find, *data, r)
	switch {
	case lookup != nil && !errors.Is(lookup, usher.ErrNoUser):
		return lookup
	case err == nil && passkey.Authenticator.CloneWarning:
		err = errors.New("its counter went back: there may be a copy of the passkey")
	}
	if err != nil {
		return &usher.Rejection{Status: http.StatusUnauthorized, Description: "The passkey was not accepted.", Err: fmt.Errorf("passkey: %w", err)}
	}
	if !l.begun.use(data) {
		return errExpired
	}
	if err := l.users.Used(r.Context(), user, passkey); err != nil {
		return err
	}
	return l.login.Finish(w, r, user.Subject(), session.About{AuthTime: start, Data: "amr=hwk user"})
}

// begun are the logins that have begun. Each is kept encrypted in its browser's cookie, because strangers could fill a table of
// them and lock everybody else out. Several processes must share the key, and keep the used challenges in a database or in Redis.
type begun struct {
	cipher cipher.AEAD

	mu   sync.Mutex
	used map[string]time.Time // challenges with which somebody has logged in, until they expire
}

func newBegun() (*begun, error) {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return &begun{cipher: aead, used: make(map[string]time.Time)}, err
}

func (b *begun) seal(data *webauthn.SessionData) (cookie string, err error) {
	plain, err := json.Marshal(data)
	return base64.RawURLEncoding.EncodeToString(b.cipher.Seal(nil, nil, plain, nil)), err //nolint:gosec // the cipher adds a random nonce
}

// open returns nil for a login that this process has not begun, or that has expired.
func (b *begun) open(cookie string) *webauthn.SessionData {
	sealed, err := base64.RawURLEncoding.DecodeString(cookie)
	if err != nil {
		return nil
	}
	var data webauthn.SessionData
	plain, err := b.cipher.Open(nil, nil, sealed, nil)
	if err != nil || json.Unmarshal(plain, &data) != nil || time.Now().After(data.Expires) {
		return nil
	}
	return &data
}

// use reports whether nobody has logged in with this challenge before.
func (b *begun) use(data *webauthn.SessionData) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	maps.DeleteFunc(b.used, func(_ string, expires time.Time) bool { return now.After(expires) })
	_, used := b.used[data.Challenge]
	b.used[data.Challenge] = data.Expires
	return !used
}
