// Package passkey shows logins with a passkey (WebAuthn), without a username and without a password, ending in a session. It is
// one file to copy. Users add passkeys while they are logged in, with BeginRegistration and FinishRegistration of the same
// library.
package passkey

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
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
	begun    begun
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
	return &Login{login: login, webauthn: library, users: users}, nil
}

const (
	ttl        = 5 * time.Minute // from Begin to Finish
	cookieName = "__Host-passkey-login"
)

// Begin serves POST: it responds with the options for navigator.credentials.get.
func (l *Login) Begin(w http.ResponseWriter, r *http.Request) {
	// The passkey asks for a fingerprint or a PIN, so it is a second factor, too.
	options, data, err := l.webauthn.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	var id string
	if err == nil {
		id, err = l.begun.add(data)
	}
	if err != nil {
		l.login.Deny(w, r, err)
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: id, Path: "/", MaxAge: int(ttl.Seconds()),
		Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(options)
}

// Finish serves POST with the credential that the browser has got.
func (l *Login) Finish(w http.ResponseWriter, r *http.Request) {
	if err := l.finish(w, r, time.Now()); err != nil {
		l.login.Deny(w, r, err)
	}
}

func (l *Login) finish(w http.ResponseWriter, r *http.Request, start time.Time) error {
	var data *webauthn.SessionData
	if cookie, err := r.Cookie(cookieName); err == nil {
		data = l.begun.take(cookie.Value)
	}
	if data == nil {
		return &usher.Rejection{Status: http.StatusBadRequest, Description: "The login has expired. Begin again."}
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
	if err := l.users.Used(r.Context(), user, passkey); err != nil {
		return err
	}
	return l.login.Finish(w, r, user.Subject(), session.About{AuthTime: start, Data: "amr=hwk user"})
}

// begun are the logins that have begun, each for one attempt. Several processes keep them in a database or in Redis.
type begun struct {
	mu   sync.Mutex
	data map[string]*webauthn.SessionData
}

const maxBegun = 10_000

func (b *begun) add(data *webauthn.SessionData) (id string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.data == nil {
		b.data = make(map[string]*webauthn.SessionData)
	}
	if len(b.data) >= maxBegun {
		for id, other := range b.data {
			if time.Now().After(other.Expires) {
				delete(b.data, id)
			}
		}
	}
	if len(b.data) >= maxBegun {
		return "", fmt.Errorf("%w: %d logins with passkeys have begun", usher.ErrUnavailable, maxBegun)
	}
	id = rand.Text()
	b.data[id] = data
	return id, nil
}

func (b *begun) take(id string) *webauthn.SessionData {
	b.mu.Lock()
	defer b.mu.Unlock()
	data := b.data[id]
	delete(b.data, id)
	return data
}
