// Quickstart is a service with registration, login and protected routes. Start it from the root of the repository:
//
//	go run ./examples/quickstart
//
// This file is what there is to know about usher. config.go reads the environment, store.go keeps the users in SQLite
// or PostgreSQL, web.go reads and writes JSON, and serve.go runs the server and stops it.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/go-usher/usher"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends it at once
	if err := run(ctx, os.Getenv, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

// run serves until ctx is done, and logs to out.
func run(ctx context.Context, getenv func(string) string, out io.Writer) error {
	log := slog.New(slog.NewTextHandler(out, nil))
	cfg, err := readConfig(getenv, log)
	if err != nil {
		return err
	}
	users, err := openUsers(ctx, cfg.database)
	if err != nil {
		return err
	}
	defer users.Close()
	log.Info("database opened", "kind", cfg.database.kind, "at", cfg.database.place)

	s := newService(cfg, users, log)
	if err := s.ensureAdmin(ctx, cfg.admin); err != nil {
		return fmt.Errorf("ADMIN_EMAIL: %w", err)
	}
	return serve(ctx, cfg.addr, s.routes(), log)
}

// service is what the handlers need.
type service struct {
	users     *users
	passwords *usher.Passwords
	encoder   *usher.Encoder[usher.Claims]
	auth      *usher.Middleware[usher.Claims, *User]
	log       *slog.Logger
}

// newService can't fail: readConfig has checked what it is given.
func newService(cfg config, users *users, log *slog.Logger) *service {
	key := usher.Must(usher.NewKey(usher.HS256, cfg.secretKey))
	encoder := usher.Must(usher.NewEncoder[usher.Claims](key, &usher.EncoderOptions{TTL: cfg.tokenTTL}))
	decoder := usher.Must(usher.NewDecoder[usher.Claims](key, nil))
	auth := usher.Must(usher.NewMiddleware(decoder, users.OfToken, &usher.MiddlewareOptions{Observe: logRefusal(log)}))

	passwords := usher.Must(usher.NewPasswords(&usher.PasswordOptions{Cost: cfg.bcryptCost}))
	return &service{users, passwords, encoder, auth, log}
}

func (s *service) routes() http.Handler {
	admins := s.auth.Allow(func(u *User) bool { return u.Admin })

	mux := http.NewServeMux()
	mux.Handle("POST /register", s.handle(s.register))
	mux.Handle("POST /login", s.handle(s.login))
	mux.Handle("GET /me", s.auth.RequireFunc(s.me))
	mux.Handle("GET /admin", admins.Require(s.handle(s.countUsers)))
	mux.Handle("GET /{$}", s.auth.Optional(http.HandlerFunc(s.greet)))
	return s.withProblems(mux)
}

// register creates a user.
func (s *service) register(w http.ResponseWriter, r *http.Request) error {
	in, err := readCredentials(w, r)
	if err != nil {
		return err
	}
	user, err := s.create(r.Context(), in)
	if err != nil {
		return err
	}
	answer(w, http.StatusCreated, struct {
		ID    string `json:"id"`
		Email string `json:"email"`
	}{user.ID, user.Email})
	return nil
}

func (s *service) create(ctx context.Context, in credentials) (*User, error) {
	email, ok := canonicalEmail(in.Email)
	if !ok {
		return nil, problem(http.StatusUnprocessableEntity, "The email is not an address.")
	}
	hash, err := s.passwords.Hash(ctx, in.Password)
	switch {
	case errors.Is(err, usher.ErrPasswordTooShort), errors.Is(err, usher.ErrPasswordTooLong), errors.Is(err, usher.ErrPasswordInvalid):
		return nil, problem(http.StatusUnprocessableEntity, "The password can't be used: "+strings.TrimPrefix(err.Error(), "usher: ")+".")
	case err != nil:
		return nil, err
	}
	user, err := s.users.Create(ctx, email, hash)
	if errors.Is(err, errTaken) {
		return nil, &usher.Rejection{Status: http.StatusConflict, Description: "The email is taken.", Err: err}
	}
	return user, err
}

// login answers with a token for an email and its password. It does not tell whether an email is registered: where
// none is, the password is checked against an empty hash, which takes as long as a wrong password.
func (s *service) login(w http.ResponseWriter, r *http.Request) error {
	in, err := readCredentials(w, r)
	if err != nil {
		return err
	}
	user, unknown := s.users.ByEmail(r.Context(), in.Email)
	switch {
	case errors.Is(unknown, usher.ErrNoUser):
		user = new(User)
	case unknown != nil:
		return unknown
	}
	newHash, err := s.passwords.Check(r.Context(), user.hash, in.Password)
	if errors.Is(err, usher.ErrPasswordMismatch) {
		return &usher.Rejection{
			Status:      http.StatusUnauthorized,
			Description: "The email or the password is wrong.",
			Err:         cmp.Or(unknown, fmt.Errorf("%w for user %s", err, user.ID)),
		}
	}
	if err != nil {
		return err
	}
	if newHash != "" { // because the old one was made at a lower cost
		if err := s.users.ReplaceHash(r.Context(), user, newHash); err != nil {
			s.log.Error("password hash not upgraded", "user", user.ID, "reason", err)
		}
	}
	token, err := s.encoder.Encode(r.Context(), usher.Claims{Subject: user.ID})
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, struct {
		AccessToken string `json:"access_token"`
		TokenType   string `json:"token_type"`
		ExpiresIn   int64  `json:"expires_in"`
	}{token, "Bearer", int64(s.encoder.TTL().Seconds())})
	return nil
}

// me needs a user, and so it takes one.
func (s *service) me(w http.ResponseWriter, _ *http.Request, user *User) {
	answer(w, http.StatusOK, user)
}

// greet is for everybody, and knows those who come with a token.
func (s *service) greet(w http.ResponseWriter, r *http.Request) {
	name := "stranger"
	if user, ok := s.auth.User(r.Context()); ok {
		name = user.Email
	}
	answer(w, http.StatusOK, map[string]string{"message": "Hello, " + name + "!"})
}

// countUsers is for admins.
func (s *service) countUsers(w http.ResponseWriter, r *http.Request) error {
	n, err := s.users.Count(r.Context())
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, map[string]int{"users": n})
	return nil
}

// ensureAdmin sees to it that the first admin exists. A user who has registered the email before becomes one only if
// the password is theirs: anybody could have been the first to register it.
func (s *service) ensureAdmin(ctx context.Context, in credentials) error {
	if in.Email == "" {
		return nil
	}
	user, err := s.create(ctx, in)
	if errors.Is(err, errTaken) {
		if user, err = s.users.ByEmail(ctx, in.Email); err != nil {
			return err
		}
		if user.Admin {
			s.log.Info("the admin exists already, and ADMIN_PASSWORD is not used", "user", user.ID)
			return nil
		}
		if _, err := s.passwords.Check(ctx, user.hash, in.Password); err != nil {
			return fmt.Errorf("somebody has registered it who does not have ADMIN_PASSWORD: %w", err)
		}
	}
	if err != nil {
		return err
	}
	if err := s.users.MakeAdmin(ctx, user); err != nil {
		return err
	}
	s.log.Info("the user is an admin now", "user", user.ID)
	return nil
}
