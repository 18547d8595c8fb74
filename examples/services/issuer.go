package main

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"log/slog"
	"net/http"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/jwks"
	"github.com/go-usher/usher/keyfile"
	"github.com/go-usher/usher/session"
	"github.com/go-usher/usher/session/sqlstore"
)

// runIssuer logs users in, signs the tokens of users and services, and publishes its keys.
func runIssuer(ctx context.Context, s settings, log *slog.Logger) error {
	if len(s.ordersSecret) < 16 { // an empty one would let everybody in
		return errors.New("ORDERS_SECRET has fewer than 16 bytes")
	}
	keys, err := keyfile.Open(s.keys, &keyfile.Options{
		Signer:   "current.pem",
		Interval: s.interval,
		Overlap:  s.maxAge + s.interval, // a new key is published for so long before it signs
		OnReload: func(err error) {
			if err != nil {
				log.Error("the keys can't be read", "error", err)
			} else {
				log.Info("the keys have changed")
			}
		},
	})
	if err != nil {
		return err
	}
	db, err := sql.Open("sqlite", "file:"+s.sessions+"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)")
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	store := usher.Must(sqlstore.New(db, sqlstore.SQLite, nil))
	defer func() { _ = store.Close() }()
	if err := store.Migrate(ctx); err != nil {
		return err
	}
	routes, err := issuerRoutes(ctx, s, keys, store)
	if err != nil {
		return err
	}
	return serve(ctx, s.addr, routes, log)
}

func issuerRoutes(ctx context.Context, s settings, keys *keyfile.Keys, store session.Store) (http.Handler, error) {
	published, err1 := jwks.Handler(keys.Keys, &jwks.HandlerOptions{MaxAge: s.maxAge})
	metadata, err2 := jwks.MetadataHandler(s.issuer, s.issuer+"/keys")
	// A user's token is for the orders service alone. A service's token names its audience itself.
	encoder, err3 := usher.NewEncoder[usher.Claims](keys, &usher.EncoderOptions{Issuer: s.issuer, Audience: usher.Audience{"orders"}, TTL: s.ttl})
	passwords := usher.Must(usher.NewPasswords(nil))
	hash, err4 := passwords.Hash(ctx, s.password)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return nil, err
	}
	users := map[string]string{"ada": hash, "grace": hash} // yours are in a database
	sessions, err := session.NewManager(session.Config[usher.Claims]{
		Encoder: encoder, Store: store, Secret: []byte(s.sessionSecret),
		Claims: func(_ context.Context, g session.Grant) (usher.Claims, error) {
			if users[g.Subject] == "" {
				return usher.Claims{}, usher.ErrNoUser
			}
			return usher.Claims{}, nil
		},
	})
	if err != nil {
		return nil, err
	}
	login := usher.Must(session.PasswordAuthenticator(passwords,
		func(_ context.Context, name string) (subject, hash string, err error) {
			if users[name] == "" {
				return "", "", usher.ErrNoUser
			}
			return name, users[name], nil
		},
		func(context.Context, string, string, string) error { return nil },
	))
	mux := http.NewServeMux()
	mux.Handle("POST /login", usher.Must(session.LoginHandler(sessions, login, nil)))
	mux.Handle("POST /refresh", usher.Must(session.RefreshHandler(sessions, nil)))
	mux.Handle("POST /token", serviceTokenHandler(encoder, map[string]service{
		"orders": {secret: sha256.Sum256([]byte(s.ordersSecret)), audience: "stock", scope: "reservations:read"},
	}))
	mux.Handle("GET /keys", published)
	mux.Handle("GET /.well-known/openid-configuration", metadata)
	return mux, nil
}
