// Package secondstep shows logins whose second step is a code of an authenticator app (TOTP, RFC 6238), and an action that
// requires a recent login with such a code. It is one file to copy. The authenticator in Config checks passwords.
package secondstep

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

// Claims say how the user has logged in.
type Claims struct {
	usher.Claims
	AMR []string `json:"amr,omitempty"` // "pwd", "otp" (RFC 8176 §2)
}

// Schema is the table of the secrets that users share with their apps. used is the time step of the last accepted code, so
// that each code works once. Treat the secrets like passwords, because anybody who reads them can make codes.
const Schema = `CREATE TABLE IF NOT EXISTS totp (
	subject   TEXT    PRIMARY KEY,
	secret    TEXT    NOT NULL,
	confirmed BOOLEAN NOT NULL DEFAULT FALSE,
	used      BIGINT  NOT NULL DEFAULT 0
)`

// Config is what the service needs.
type Config struct {
	DB            *sql.DB // with Schema
	Key           usher.Key
	SessionSecret []byte
	Authenticate  session.Authenticator // such as session.PasswordAuthenticator's
	Now           func() time.Time      // nil for time.Now
}

type service struct {
	db    *sql.DB
	login *session.Login
	auth  *usher.Middleware[Claims, *Claims]
	now   func() time.Time
}

// New returns the routes:
//
//	POST /login         {"username", "password"}: tokens, or {"ticket"} if the user has a second step
//	POST /login/code    {"ticket", "code"}: tokens
//	POST /totp          makes a secret: {"url"}, for a QR code
//	POST /totp/confirm  {"code"}: from now on the user's logins have a second step
//	POST /transfer      an action that requires a code of the last 5 minutes
func New(cfg Config) (http.Handler, error) {
	s := &service{db: cfg.DB, now: cfg.Now}
	if s.now == nil {
		s.now = time.Now
	}
	encoder, err := usher.NewEncoder[Claims](cfg.Key, &usher.EncoderOptions{Now: s.now})
	if err != nil {
		return nil, err
	}
	manager, err := session.NewManager(session.Config[Claims]{
		Encoder: encoder, Store: session.NewMemoryStore(), Claims: claimsOf, Secret: cfg.SessionSecret, Now: s.now,
	})
	if err != nil {
		return nil, err
	}
	// It allows five wrong codes for each user, and one more every 10 minutes.
	throttle := usher.Must(session.NewMemoryThrottle(&session.ThrottleOptions{Now: s.now}))
	if s.login, err = session.NewLogin(manager, cfg.Authenticate, &session.HandlerOptions{Throttle: throttle}); err != nil {
		return nil, err
	}
	decoder := usher.Must(usher.NewDecoder[Claims](cfg.Key, &usher.DecoderOptions{Now: s.now}))
	s.auth = usher.Must(usher.NewMiddleware(decoder, usher.ClaimsAsUser[Claims], &usher.MiddlewareOptions{
		Check: manager.Check, Now: s.now,
	}))

	recently := s.auth.With(usher.RequireRecentLogin(5 * time.Minute))
	mux := http.NewServeMux()
	mux.Handle("POST /login", s.auth.Optional(s.handle(s.password)))
	mux.Handle("POST /login/code", s.handle(s.code))
	mux.Handle("POST /totp", recently.Require(s.handle(s.enrol)))
	mux.Handle("POST /totp/confirm", recently.Require(s.handle(s.confirm)))
	mux.Handle("POST /transfer", recently.With(requireCode).RequireFunc(func(w http.ResponseWriter, _ *http.Request, _ *Claims) {
		w.WriteHeader(http.StatusNoContent)
	}))
	return mux, nil
}

// claimsOf makes the claims from the data of the login, at the login and at every refresh.
func claimsOf(_ context.Context, g session.Grant) (Claims, error) {
	methods, _ := strings.CutPrefix(g.Data, "amr=")
	return Claims{AMR: strings.Fields(methods)}, nil
}

// requireCode is a guard that requires a login with a code. The client logs in again with its access token, which replaces the
// session.
func requireCode(ctx context.Context) error {
	if c, ok := usher.ClaimsFromContext[Claims](ctx); ok && slices.Contains(c.AMR, "otp") {
		return nil
	}
	return &usher.Rejection{
		Status:      http.StatusUnauthorized,
		Code:        "insufficient_user_authentication", // RFC 9470 §3
		Description: "Log in with a code.",
	}
}

// password is the first step.
func (s *service) password(w http.ResponseWriter, r *http.Request) error {
	var in struct{ Username, Password, Label string }
	if err := read(w, r, &in); err != nil {
		return err
	}
	subject, about, err := s.login.Authenticate(r, in.Username, in.Password)
	if err != nil {
		return err
	}
	about.Label, about.Data = in.Label, "amr=pwd"
	if c, ok := s.auth.Claims(r.Context()); ok && c.Subject == subject {
		about.Replaces = c.SessionID
	}
	_, err = s.secret(r.Context(), subject, true)
	if errors.Is(err, errNoSecret) {
		return s.login.Finish(w, r, subject, about)
	}
	if err != nil {
		return err
	}
	ticket, err := s.login.Pause(subject, about)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	return json.NewEncoder(w).Encode(map[string]string{"ticket": ticket})
}

// code is the second step. The ticket says which user's code it must be.
func (s *service) code(w http.ResponseWriter, r *http.Request) error {
	var in struct{ Ticket, Code string }
	if err := read(w, r, &in); err != nil {
		return err
	}
	subject, about, err := s.login.Resume(r, in.Ticket, func(ctx context.Context, subject string) error {
		return s.use(ctx, subject, in.Code, true)
	})
	if err != nil {
		return err
	}
	about.Data = "amr=pwd otp"
	return s.login.Finish(w, r, subject, about)
}

// enrol makes a new secret. It replaces one that is not confirmed, but no other.
func (s *service) enrol(w http.ResponseWriter, r *http.Request) error {
	c, _ := s.auth.Claims(r.Context())
	key, err := totp.Generate(totp.GenerateOpts{Issuer: "Example", AccountName: c.Subject})
	if err != nil {
		return err
	}
	const upsert = `INSERT INTO totp (subject, secret) VALUES ($1, $2)
		ON CONFLICT (subject) DO UPDATE SET secret = excluded.secret, used = 0 WHERE NOT totp.confirmed`
	stored, err := s.changed(r.Context(), upsert, c.Subject, key.Secret())
	if err != nil {
		return err
	}
	if !stored {
		return &usher.Rejection{Status: http.StatusConflict, Description: "There is a second step already."}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	return json.NewEncoder(w).Encode(map[string]string{"url": key.URL()})
}

// confirm turns the second step on, once the user's app has shown that it has the secret.
func (s *service) confirm(w http.ResponseWriter, r *http.Request) error {
	var in struct{ Code string }
	if err := read(w, r, &in); err != nil {
		return err
	}
	c, _ := s.auth.Claims(r.Context())
	err := s.use(r.Context(), c.Subject, in.Code, false)
	if errors.Is(err, usher.ErrPasswordMismatch) {
		return &usher.Rejection{Status: http.StatusUnprocessableEntity, Description: "Wrong code.", Err: err}
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

var errNoSecret = &usher.Rejection{Status: http.StatusConflict, Description: "There is no second step."}

// secret returns a secret that is confirmed, or one that is not, or errNoSecret.
func (s *service) secret(ctx context.Context, subject string, confirmed bool) (secret string, err error) {
	const query = `SELECT secret FROM totp WHERE subject = $1 AND confirmed = $2`
	err = s.db.QueryRowContext(ctx, query, subject, confirmed).Scan(&secret)
	if errors.Is(err, sql.ErrNoRows) {
		return "", errNoSecret
	}
	return secret, err
}

// use checks a code and marks it as used. It accepts the codes of this half minute, the one before and the one after, if they are
// later than the last used code. If two requests send the same code, only one of them changes the row.
func (s *service) use(ctx context.Context, subject, code string, confirmed bool) error {
	secret, err := s.secret(ctx, subject, confirmed)
	if err != nil {
		return err
	}
	const burn = `UPDATE totp SET used = $1, confirmed = TRUE WHERE subject = $2 AND secret = $3 AND used < $1`
	now := s.now().Unix() / 30
	for step := now - 1; step <= now+1; step++ {
		opts := hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1}
		if ok, err := hotp.ValidateCustom(code, uint64(step), secret, opts); err != nil || !ok {
			continue // the only error is a code of another length
		}
		if burnt, err := s.changed(ctx, burn, step, subject, secret); burnt || err != nil {
			return err
		}
	}
	return usher.ErrPasswordMismatch
}

// changed reports whether a statement has changed a row.
func (s *service) changed(ctx context.Context, statement string, args ...any) (bool, error) {
	result, err := s.db.ExecContext(ctx, statement, args...)
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n > 0, err
}

// handle is for handlers that return errors.
func (s *service) handle(h func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			s.login.Deny(w, r, err)
		}
	})
}

func read(w http.ResponseWriter, r *http.Request, into any) error {
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(into); err != nil {
		return &usher.Rejection{Status: http.StatusBadRequest, Description: "The body must be one JSON object.", Err: err}
	}
	return nil
}
