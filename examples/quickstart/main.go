// Quickstart is a service with accounts, sessions and protected routes. Start it from the root of the repository:
//
//	go run ./examples/quickstart
//
// This file shows how usher is used. config.go reads the environment, store.go stores users in SQLite or PostgreSQL,
// sessions.go stores sessions there or in Redis, mails.go writes mails into a folder, web.go writes JSON, and serve.go
// runs and stops the server.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
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

	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", cfg.addr)
	if err != nil {
		return fmt.Errorf("ADDR: %w", err)
	}
	defer func() { _ = listener.Close() }()
	mails, err := openMails(cfg, listener.Addr())
	if err != nil {
		return err
	}
	log.Info("mails are written", "to", mails.dir)

	s := newService(cfg, users, stores, mails, log)
	if err := s.ensureAdmin(ctx, cfg.admin); err != nil {
		return fmt.Errorf("ADMIN_EMAIL: %w", err)
	}
	stopPruning := inBackground(ctx, s.prune)
	defer stopPruning()
	return serve(ctx, listener, s.routes(), s.accounts.Close, log)
}

// service holds what the handlers need.
type service struct {
	users     *users
	passwords *usher.Passwords
	sessions  *session.Manager[usher.Claims]
	options   *session.HandlerOptions
	accounts  *session.Accounts
	auth      *usher.Middleware[usher.Claims, *User]
	log       *slog.Logger
}

// newService can't fail, because readConfig has checked the configuration.
func newService(cfg config, users *users, stores *stores, mails *mails, log *slog.Logger) *service {
	s := &service{users: users, log: log}
	s.passwords = usher.Must(usher.NewPasswords(&usher.PasswordOptions{Cost: cfg.bcryptCost}))

	// A login issues a short-lived access token, and a refresh token to get the next one.
	key := usher.Must(usher.NewKey(usher.HS256, cfg.secretKey))
	s.sessions = usher.Must(session.NewManager(session.Config[usher.Claims]{
		Encoder: usher.Must(usher.NewEncoder[usher.Claims](key, &usher.EncoderOptions{TTL: cfg.tokenTTL})),
		Store:   stores.sessions,
		Claims:  users.ClaimsOf,
		Secret:  cfg.sessionSecret,
		IdleTTL: max(14*24*time.Hour, cfg.tokenTTL), // a session lasts at least as long as its access token
		MaxAge:  max(90*24*time.Hour, cfg.tokenTTL),
		OnEvent: logTheft(log),
	}))
	s.options = &session.HandlerOptions{
		UsernameField: "email",
		Throttle:      stores.throttle,
		Respond:       respond,
		Observe:       logRefusal(log),
	}
	s.accounts = usher.Must(session.NewAccounts(s.sessions, s.passwords, users, &session.AccountOptions{
		Secret:         cfg.linkSecret,
		Mail:           mails.Write,
		TellApart:      true, // a registration says that an email is taken, and logs in otherwise
		HandlerOptions: s.options,
	}))

	// Check asks the session store at every request, so that a logout takes effect at once.
	decoder := usher.Must(usher.NewDecoder[usher.Claims](key, nil))
	s.auth = usher.Must(usher.NewMiddleware(decoder, users.OfToken, &usher.MiddlewareOptions{
		Check:   s.check,
		Observe: logRefusal(log),
	}))
	return s
}

func (s *service) routes() http.Handler {
	own := s.auth.Require(usher.Must(session.SessionsHandler(s.sessions, s.options)))
	admins := s.auth.Allow(func(u *User) bool { return u.Admin })

	mux := http.NewServeMux()
	mux.Handle("POST /register", s.accounts.Signup)
	mux.Handle("POST /verify", s.accounts.Verify)
	mux.Handle("POST /login", s.accounts.Login)
	mux.Handle("POST /refresh", usher.Must(session.RefreshHandler(s.sessions, s.options)))
	mux.Handle("POST /logout", usher.Must(session.LogoutHandler(s.sessions, s.options)))
	mux.Handle("POST /password", s.auth.Require(s.accounts.ChangePassword))
	mux.Handle("POST /password/forgot", s.accounts.Forgot)
	mux.Handle("POST /password/reset", s.accounts.Reset)
	mux.Handle("GET /sessions", own)
	mux.Handle("DELETE /sessions/{id}", own)
	mux.Handle("DELETE /sessions", s.auth.Require(usher.Must(session.EndOthersHandler(s.sessions, s.options))))
	mux.Handle("GET /me", s.auth.RequireFunc(s.me))
	mux.Handle("GET /admin", admins.RequireFunc(s.countUsers))
	mux.Handle("GET /{$}", s.auth.Optional(http.HandlerFunc(s.greet)))
	mux.HandleFunc("GET /verify", servePage) // where the links in mails lead
	mux.HandleFunc("GET /password/reset", servePage)
	return s.withProblems(mux)
}

// respond responds with tokens: 201 to a registration, and 200 to a login or a refresh.
func respond(w http.ResponseWriter, r *http.Request, tokens session.Tokens) {
	status := http.StatusOK
	if r.URL.Path == "/register" {
		status = http.StatusCreated
	}
	answer(w, status, tokens)
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
func (s *service) countUsers(w http.ResponseWriter, r *http.Request, _ *User) {
	n, err := s.users.Count(r.Context())
	if err != nil {
		s.auth.Deny(w, r, err)
		return
	}
	answer(w, http.StatusOK, map[string]int{"users": n})
}

// ensureAdmin creates the first admin if there is none. A user who has registered the email before becomes an admin only if
// the password is theirs, because anybody could have registered it first.
func (s *service) ensureAdmin(ctx context.Context, in credentials) error {
	if in.email == "" {
		return nil
	}
	hash, err := s.passwords.Hash(ctx, in.password)
	if err != nil {
		return err
	}
	if _, err := s.users.Create(ctx, in.email, hash, nil); err != nil && !errors.Is(err, session.ErrTaken) {
		return err
	}
	user, err := s.users.ByEmail(ctx, in.email)
	if err != nil {
		return err
	}
	if user.Admin {
		s.log.Info("the admin exists already, and ADMIN_PASSWORD is not used", "user", user.ID)
		return nil
	}
	if _, err := s.passwords.Check(ctx, user.hash, in.password); err != nil {
		return fmt.Errorf("somebody has registered it who does not have ADMIN_PASSWORD: %w", err)
	}
	if err := s.users.MakeAdmin(ctx, user); err != nil {
		return err
	}
	s.log.Info("the user is an admin now", "user", user.ID)
	return nil
}
