package main

import (
	"cmp"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/go-usher/usher"
)

// config holds the settings of the environment.
type config struct {
	addr          string
	database      database
	redis         *redis.Options // nil for none
	secretKey     []byte         // signs the access tokens; good for HS256
	sessionSecret []byte         // protects the refresh tokens
	linkSecret    []byte         // protects the links in mails
	mailDir       string         // where mails are written
	publicURL     string         // for the links; empty for the address that is listened on
	bcryptCost    int            // 0 for usher's default
	tokenTTL      time.Duration  // of access tokens; 0 for usher's default
	admin         credentials    // whom to create at the start; empty for nobody
}

// credentials are an email with its password.
type credentials struct{ email, password string }

// readConfig reads the environment. It reports all mistakes together.
func readConfig(getenv func(string) string, log *slog.Logger) (config, error) {
	env := environment{getenv: getenv}
	cfg := config{
		addr:       cmp.Or(getenv("ADDR"), "127.0.0.1:8080"),
		mailDir:    cmp.Or(getenv("MAIL_DIR"), "quickstart-mails"),
		publicURL:  getenv("PUBLIC_URL"),
		secretKey:  []byte(getenv("SECRET_KEY")),
		bcryptCost: env.number("BCRYPT_LOG_ROUNDS", 4, 20), // what usher takes
		tokenTTL:   env.tokenTTL(),
		admin:      credentials{getenv("ADMIN_EMAIL"), getenv("ADMIN_PASSWORD")},
	}
	var err error
	if cfg.database, err = parseDatabaseURL(getenv("DATABASE_URL")); err != nil {
		env.wrong = append(env.wrong, fmt.Errorf("DATABASE_URL: %w", err))
	}
	if cfg.redis, err = parseRedisURL(getenv("REDIS_URL")); err != nil {
		env.wrong = append(env.wrong, fmt.Errorf("REDIS_URL: %w", err))
	}
	if len(cfg.secretKey) == 0 {
		log.Warn("SECRET_KEY is not set, so tokens are signed with a random key, and they and all sessions end with this process; make one with: openssl rand -base64 32")
		cfg.secretKey = make([]byte, 32)
		rand.Read(cfg.secretKey)
	}
	if _, err = usher.NewKey(usher.HS256, cfg.secretKey); err != nil {
		env.wrong = append(env.wrong, fmt.Errorf("SECRET_KEY: %w", err))
	}
	// Operators have one secret to manage. The keys that are derived from it are independent of each other.
	cfg.sessionSecret = env.derive(cfg.secretKey, "usher quickstart: sessions, v1")
	cfg.linkSecret = env.derive(cfg.secretKey, "usher quickstart: links, v1")
	if u, err := url.Parse(cfg.publicURL); cfg.publicURL != "" && (err != nil || u.Host == "") {
		env.wrong = append(env.wrong, fmt.Errorf("PUBLIC_URL is %q, but has to be like https://example.com", cfg.publicURL))
	}
	if (cfg.admin.email == "") != (cfg.admin.password == "") {
		env.wrong = append(env.wrong, errors.New("ADMIN_EMAIL and ADMIN_PASSWORD go together, and one of them is not set"))
	}
	return cfg, errors.Join(env.wrong...)
}

// environment reads variables, and collects mistakes.
type environment struct {
	getenv func(string) string
	wrong  []error
}

// derive returns the key of a purpose that is derived from SECRET_KEY.
func (e *environment) derive(secretKey []byte, purpose string) []byte {
	key, err := hkdf.Key(sha256.New, secretKey, nil, purpose, 32)
	if err != nil {
		e.wrong = append(e.wrong, fmt.Errorf("SECRET_KEY: %w", err))
	}
	return key
}

// number returns the value of a variable, or 0 if it is not set.
func (e *environment) number(name string, least, most int) int {
	text := e.getenv(name)
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		e.wrong = append(e.wrong, fmt.Errorf("%s is %q, but has to be a whole number between %d and %d", name, text, least, most))
		return 0
	}
	return n
}

// tokenTTL returns the lifetime of tokens: the sum of two variables, or 0 if neither is set.
func (e *environment) tokenTTL() time.Duration {
	const most = 50 * 365 // days, so that the sum does not overflow
	faults := len(e.wrong)
	days := e.number("TOKEN_EXPIRATION_DAYS", -most, most)
	seconds := e.number("TOKEN_EXPIRATION_SECONDS", -most*86400, most*86400)
	ttl := time.Duration(days)*24*time.Hour + time.Duration(seconds)*time.Second
	isSet := e.getenv("TOKEN_EXPIRATION_DAYS") != "" || e.getenv("TOKEN_EXPIRATION_SECONDS") != ""
	if len(e.wrong) == faults && isSet && ttl <= 0 {
		e.wrong = append(e.wrong, fmt.Errorf("TOKEN_EXPIRATION_DAYS and TOKEN_EXPIRATION_SECONDS come to %v, but have to come to a second or more", ttl))
	}
	return ttl
}
