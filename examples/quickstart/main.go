// Quickstart is a service with registration, login, sessions and protected routes. Start it from the root of the
// repository:
//
//	go run ./examples/quickstart
//
// This file shows how usher is used. config.go reads the environment, store.go stores users in SQLite or PostgreSQL,
// sessions.go stores sessions there or in Redis, web.go reads and writes JSON, and serve.go runs and stops the server.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal kills the process
	if err := run(ctx, os.Getenv, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

// run serves until ctx is done. It logs to out.
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

	stores, err := openStores(ctx, cfg, users)
	if err != nil {
		return err
	}
	defer stores.Close()
	log.Info("sessions are kept", "kind", stores.kind, "at", stores.place)

	s := newService(cfg, users, stores, log)
	if err := s.ensureAdmin(ctx, cfg.admin); err != nil {
		return fmt.Errorf("ADMIN_EMAIL: %w", err)
	}
	stopPruning := inBackground(ctx, s.prune)
	defer stopPruning()
	return serve(ctx, cfg.addr, s.routes(), log)
}

// service holds what the handlers need.
type service struct {
	users     *users
	passwords *usher.Passwords
	sessions  *session.Manager[usher.Claims]
	options   *session.HandlerOptions
	attempts  *session.Attempts
	auth      *usher.Middleware[usher.Claims, *User]
	log       *slog.Logger
}

// newService can't fail, because readConfig has checked the configuration.
func newService(cfg config, users *users, stores *stores, log *slog.Logger) *service {
	s := &service{users: users, log: log}
	s.passwords = usher.Must(usher.NewPasswords(&usher.PasswordOptions{Cost: cfg.bcryptCost}))

	// A login issues a short-lived access token, and a refresh token to get the next one.
	key := usher.Must(usher.NewKey(usher.HS256, cfg.secretKey))
	s.sessions = usher.Must(session.NewManager(session.Config[usher.Claims]{
		Encoder: usher.Must(usher.NewEncoder[usher.Claims](key, &usher.EncoderOptions{TTL: cfg.tokenTTL})),
		Store:   stores.sessions,
		Claims: func(ctx context.Context, g session.Grant) (usher.Claims, error) {
			return users.ClaimsOf(ctx, g.Subject)
		},
		Secret:  cfg.sessionSecret,
		IdleTTL: max(14*24*time.Hour, cfg.tokenTTL), // a session lasts at least as long as its access token
		MaxAge:  max(90*24*time.Hour, cfg.tokenTTL),
		OnEvent: logTheft(log),
	}))
	s.options = &session.HandlerOptions{UsernameField: "email", Throttle: stores.throttle, Observe: logRefusal(log)}
	s.attempts = usher.Must(session.NewAttempts(s.options))

	// Check asks the session store at every request, so that a logout takes effect at once.
	decoder := usher.Must(usher.NewDecoder[usher.Claims](key, nil))
	s.auth = usher.Must(usher.NewMiddleware(decoder, users.OfToken, &usher.MiddlewareOptions{
		Check:   s.check,
		Observe: logRefusal(log),
	}))
	return s
}

func (s *service) routes() http.Handler {
	authenticate := usher.Must(session.PasswordAuthenticator(s.passwords, s.users.HashOf, s.users.ReplaceHash))
	own := s.auth.Require(usher.Must(session.SessionsHandler(s.sessions, s.options)))
	admins := s.auth.Allow(func(u *User) bool { return u.Admin })

	mux := http.NewServeMux()
	mux.Handle("POST /register", s.handle(s.register))
	mux.Handle("POST /login", usher.Must(session.LoginHandler(s.sessions, authenticate, s.options)))
	mux.Handle("POST /refresh", usher.Must(session.RefreshHandler(s.sessions, s.options)))
	mux.Handle("POST /logout", usher.Must(session.LogoutHandler(s.sessions, s.options)))
	mux.Handle("GET /sessions", own)
	mux.Handle("DELETE /sessions", s.auth.Require(usher.Must(session.EndOthersHandler(s.sessions, s.options))))
	mux.Handle("DELETE /sessions/{id}", own)
	mux.Handle("POST /password", s.auth.RequireFunc(s.handleUser(s.changePassword)))
	mux.Handle("GET /me", s.auth.RequireFunc(s.me))
	mux.Handle("GET /admin", admins.Require(s.handle(s.countUsers)))
	mux.Handle("GET /{$}", s.auth.Optional(http.HandlerFunc(s.greet)))
	return s.withProblems(mux)
}

// register creates a user.
func (s *service) register(w http.ResponseWriter, r *http.Request) error {
	email, password, err := readTexts(w, r, "email", "password")
	if err != nil {
		return err
	}
	user, err := s.create(r.Context(), email, password)
	if err != nil {
		return err
	}
	answer(w, http.StatusCreated, struct {
		ID    string `json:"id"`
		Email string `json:"email"`
	}{user.ID, user.Email})
	return nil
}

func (s *service) create(ctx context.Context, email, password string) (*User, error) {
	email, ok := canonicalEmail(email)
	if !ok {
		return nil, problem(http.StatusUnprocessableEntity, "The email is not an address.")
	}
	hash, err := s.passwords.Hash(ctx, password) // a password that can't be used is a 422
	if err != nil {
		return nil, err
	}
	user, err := s.users.Create(ctx, email, hash)
	if errors.Is(err, errTaken) {
		return nil, &usher.Rejection{Status: http.StatusConflict, Description: "The email is taken.", Err: err}
	}
	return user, err
}

// changePassword replaces the user's password and ends all their sessions except the current one. It requires the old
// password, because an access token is not enough. Wrong passwords count as failed logins.
func (s *service) changePassword(w http.ResponseWriter, r *http.Request, user *User) error {
	oldPassword, newPassword, err := readTexts(w, r, "old_password", "new_password")
	if err != nil {
		return err
	}
	err = s.attempts.Try(w, r, user.Email, func(ctx context.Context) error {
		_, err := s.passwords.Check(ctx, user.hash, oldPassword)
		return err
	})
	if errors.Is(err, usher.ErrPasswordMismatch) {
		return &usher.Rejection{Status: http.StatusUnauthorized, Description: "The old password is wrong.", Err: fmt.Errorf("%w of %s", err, user.ID)}
	}
	if err != nil {
		return err
	}
	hash, err := s.passwords.Hash(r.Context(), newPassword)
	if err != nil {
		return err
	}

	ctx, cancel := finishing(r.Context()) // somebody who knows the old password must not keep a session
	defer cancel()
	err = s.users.ReplaceHash(ctx, user.ID, user.hash, hash)
	if errors.Is(err, errChanged) {
		return &usher.Rejection{Status: http.StatusConflict, Description: "The password has been changed meanwhile.", Err: err}
	}
	if err != nil {
		return err
	}
	claims, _ := s.auth.Claims(ctx)
	if err := s.sessions.EndOthers(ctx, user.ID, claims.SessionID); err != nil {
		const halfDone = "The password is changed, but other sessions may go on. Try DELETE /sessions later."
		return &usher.Rejection{Status: http.StatusServiceUnavailable, Description: halfDone, Err: err}
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// me responds with the user. It needs one, so it takes one.
func (s *service) me(w http.ResponseWriter, _ *http.Request, user *User) {
	answer(w, http.StatusOK, user)
}

// greet greets users by their email, and everybody else as a stranger.
func (s *service) greet(w http.ResponseWriter, r *http.Request) {
	name := "stranger"
	if user, ok := s.auth.User(r.Context()); ok {
		name = user.Email
	}
	answer(w, http.StatusOK, map[string]string{"message": "Hello, " + name + "!"})
}

// countUsers responds with the number of users, to admins only.
func (s *service) countUsers(w http.ResponseWriter, r *http.Request) error {
	n, err := s.users.Count(r.Context())
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, map[string]int{"users": n})
	return nil
}

// ensureAdmin creates the first admin if there is none. A user who has registered the email before becomes an admin only if
// the password is theirs, because anybody could have registered it first.
func (s *service) ensureAdmin(ctx context.Context, in credentials) error {
	if in.email == "" {
		return nil
	}
	user, err := s.create(ctx, in.email, in.password)
	if errors.Is(err, errTaken) {
		if user, err = s.users.ByEmail(ctx, in.email); err != nil {
			return err
		}
		if user.Admin {
			s.log.Info("the admin exists already, and ADMIN_PASSWORD is not used", "user", user.ID)
			return nil
		}
		if _, err := s.passwords.Check(ctx, user.hash, in.password); err != nil {
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
