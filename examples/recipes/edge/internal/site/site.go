// Package site is the site that the recipes of this module protect: its users, its sessions and its tokens.
package site

import (
	"context"
	"crypto/rand"
	"errors"
	"sync/atomic"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

// User is a user of the site.
type User struct {
	ID    string
	Name  string
	Admin bool
}

// Auth lets users of the site in.
type Auth = usher.Middleware[usher.Claims, *User]

// Site knows two users: 1 is Ann, an admin, and 2 is Bob.
type Site struct {
	// Down makes the store of users fail, as in an outage.
	Down atomic.Bool
	// Asked counts how often a user was looked up.
	Asked atomic.Int64
	// Now is the clock of the tokens.
	Now func() time.Time

	users    map[string]*User
	encoder  *usher.Encoder[usher.Claims]
	decoder  *usher.Decoder[usher.Claims]
	sessions *session.Manager[usher.Claims]
}

// New returns a site with a key of its own.
func New() (*Site, error) {
	s := &Site{Now: time.Now, users: map[string]*User{
		"1": {ID: "1", Name: "Ann", Admin: true},
		"2": {ID: "2", Name: "Bob"},
	}}
	key, err := usher.GenerateKey(usher.HS256)
	if err != nil {
		return nil, err
	}
	now := func() time.Time { return s.Now() }
	if s.encoder, err = usher.NewEncoder[usher.Claims](key, &usher.EncoderOptions{Now: now}); err != nil {
		return nil, err
	}
	if s.decoder, err = usher.NewDecoder[usher.Claims](key, &usher.DecoderOptions{Now: now}); err != nil {
		return nil, err
	}
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return nil, err
	}
	s.sessions, err = session.NewManager(session.Config[usher.Claims]{
		Encoder: s.encoder,
		Store:   session.NewMemoryStore(),
		Claims:  func(context.Context, session.Grant) (usher.Claims, error) { return usher.Claims{}, nil },
		Secret:  secret,
	})
	return s, err
}

// Auth returns the site's middleware. The options are as for usher.NewMiddleware; the check of sessions is added.
func (s *Site) Auth(opts usher.MiddlewareOptions) (*Auth, error) {
	opts.Check = s.sessions.Check
	return usher.NewMiddleware(s.decoder, s.load, &opts)
}

func (s *Site) load(_ context.Context, c *usher.Claims) (*User, error) {
	s.Asked.Add(1)
	if s.Down.Load() {
		return nil, errors.Join(usher.ErrUnavailable, errors.New("the users' database does not answer"))
	}
	if user := s.users[c.Subject]; user != nil {
		return user, nil
	}
	return nil, usher.ErrNoUser
}

// Login is a session of a user: a token of it, and a function that ends it.
type Login struct {
	Token string
	End   func(ctx context.Context) error
}

// Login starts a session, with a token that lasts as long as it is told.
func (s *Site) Login(ctx context.Context, subject string, ttl time.Duration) (Login, error) {
	tokens, err := s.sessions.Start(ctx, subject, session.About{})
	if err != nil {
		return Login{}, err
	}
	token, err := s.encoder.Encode(ctx, usher.Claims{
		Subject:   subject,
		SessionID: tokens.SessionID,
		Scope:     "read write",
		ExpiresAt: usher.NumericDate{Time: s.Now().Add(ttl)}, // with fractions of a second, which NewNumericDate would cut off
	})
	end := func(ctx context.Context) error { return s.sessions.EndSession(ctx, subject, tokens.SessionID) }
	return Login{Token: token, End: end}, err
}
