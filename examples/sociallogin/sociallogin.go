// Package sociallogin shows "Log in with …": OpenID Connect's authorization code flow with PKCE, for any provider. A login starts
// a session of this service. The package is one file to copy.
package sociallogin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/jwks"
	"github.com/go-usher/usher/session"
)

// Claims are the claims of an ID token (OpenID Connect Core §2).
type Claims struct {
	usher.Claims
	Nonce           string `json:"nonce"`
	AuthorizedParty string `json:"azp"`
	Email           string `json:"email"`
	EmailVerified   bool   `json:"email_verified"` // if false, the address may be somebody else's
}

// Config describes a provider and this service's registration there.
type Config struct {
	Issuer                 string // exactly as in its ID tokens, such as "https://accounts.google.com"
	AuthURL, TokenURL      string // authorization_endpoint and token_endpoint of its metadata
	ClientID, ClientSecret string
	RedirectURL            string       // of Callback
	Client                 *http.Client // nil for one with a time limit of 10 seconds

	// MaxAge is the maximum time since the user authenticated at the provider, in whole seconds; 0 means no limit. If the user is
	// still logged in there, the provider does not ask for a password. So without MaxAge, usher.RequireRecentLogin proves little.
	MaxAge time.Duration

	// Find returns the user who has this subject at the provider, and creates one if there is none. It must look users up by
	// issuer and subject, because an email address can change and can have belonged to somebody else.
	Find func(ctx context.Context, c *Claims) (subject string, err error)
}

const leeway = 30 * time.Second // between the provider's clock and this one

// Provider has the two routes of a login with a provider.
type Provider struct {
	cfg     Config
	oauth   oauth2.Config
	decoder *usher.Decoder[Claims]
	login   *session.Login
	cookie  string // its name
}

// New returns the routes for a provider. login may be made without an authenticator.
func New(login *session.Login, cfg Config) (*Provider, error) {
	if cfg.Client == nil {
		cfg.Client = &http.Client{Timeout: 10 * time.Second}
	}
	keys, err := jwks.NewIssuer(cfg.Issuer, &jwks.RemoteOptions{Client: cfg.Client})
	if err != nil {
		return nil, err
	}
	decoder, err := usher.NewDecoder[Claims](keys, &usher.DecoderOptions{
		Issuer: cfg.Issuer, Audience: usher.Audience{cfg.ClientID}, Leeway: leeway,
	})
	if err != nil {
		return nil, err
	}
	name := sha256.Sum256([]byte(cfg.Issuer + " " + cfg.ClientID))
	return &Provider{
		cfg: cfg,
		oauth: oauth2.Config{
			ClientID: cfg.ClientID, ClientSecret: cfg.ClientSecret, RedirectURL: cfg.RedirectURL,
			Endpoint: oauth2.Endpoint{AuthURL: cfg.AuthURL, TokenURL: cfg.TokenURL},
			Scopes:   []string{"openid", "email"},
		},
		decoder: decoder,
		login:   login,
		cookie:  cookiePrefix + hex.EncodeToString(name[:8]),
	}, nil
}

// The cookie ties the callback to the browser that began the login, and to the provider (RFC 9700 §4.4.2). Only this host can
// set it.
const cookiePrefix = "__Host-social-login-"

// Begin serves GET: it sends the browser to the provider.
func (p *Provider) Begin(w http.ResponseWriter, r *http.Request) {
	state, nonce, verifier := rand.Text(), rand.Text(), oauth2.GenerateVerifier()
	http.SetCookie(w, &http.Cookie{
		Name: p.cookie, Value: state + "." + nonce + "." + verifier, Path: "/", MaxAge: 600,
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
	w.Header().Set("Cache-Control", "no-store")
	params := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("nonce", nonce)}
	if p.cfg.MaxAge > 0 {
		params = append(params, oauth2.SetAuthURLParam("max_age", strconv.Itoa(int(p.cfg.MaxAge.Seconds()))))
	}
	http.Redirect(w, r, p.oauth.AuthCodeURL(state, params...), http.StatusSeeOther)
}

// Callback serves GET: the browser comes back from the provider.
func (p *Provider) Callback(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, &http.Cookie{Name: p.cookie, Path: "/", MaxAge: -1, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	if err := p.finish(w, r, time.Now()); err != nil {
		p.login.Deny(w, r, err)
	}
}

func (p *Provider) finish(w http.ResponseWriter, r *http.Request, began time.Time) error {
	query := r.URL.Query()
	var parts []string
	if cookie, err := r.Cookie(p.cookie); err == nil {
		parts = strings.Split(cookie.Value, ".")
	}
	if len(parts) != 3 || !same(query.Get("state"), parts[0]) {
		return &usher.Rejection{Status: http.StatusBadRequest, Description: "The login was not begun in this browser, or it is over. Begin again."}
	}
	if iss := query.Get("iss"); iss != "" && iss != p.cfg.Issuer { // RFC 9207: the code may be meant for another provider
		return refused(fmt.Errorf("the callback is of issuer %q", iss))
	}
	if query.Get("code") == "" {
		return refused(fmt.Errorf("there is no code; error: %q", query.Get("error")))
	}
	ctx := context.WithValue(r.Context(), oauth2.HTTPClient, p.cfg.Client)
	token, err := p.oauth.Exchange(ctx, query.Get("code"), oauth2.VerifierOption(parts[2]))
	if answer := (*oauth2.RetrieveError)(nil); errors.As(err, &answer) && answer.Response.StatusCode < 500 {
		return refused(fmt.Errorf("the exchange of the code: %w", err))
	}
	if err != nil {
		return fmt.Errorf("%w: the provider: %w", usher.ErrUnavailable, err)
	}
	claims, err := p.identity(r.Context(), token, parts[1])
	if err != nil {
		return err
	}
	subject, err := p.cfg.Find(r.Context(), claims)
	if err != nil {
		return err
	}
	return p.login.Finish(w, r, subject, session.About{AuthTime: began, Data: "amr=fed"})
}

// identity returns the claims of the ID token, which it checks as OpenID Connect Core §3.1.3.7 requires.
func (p *Provider) identity(ctx context.Context, token *oauth2.Token, nonce string) (*Claims, error) {
	text, _ := token.Extra("id_token").(string)
	claims, err := p.decoder.Decode(ctx, text)
	switch {
	case errors.Is(err, usher.ErrUnavailable):
		return nil, err
	case err != nil:
		return nil, refused(fmt.Errorf("the ID token: %w", err))
	case !same(claims.Nonce, nonce):
		return nil, refused(errors.New("the ID token has another nonce"))
	case claims.AuthorizedParty != p.cfg.ClientID && (claims.AuthorizedParty != "" || len(claims.Audience) > 1):
		return nil, refused(fmt.Errorf("the ID token is for %q", claims.AuthorizedParty))
	case p.cfg.MaxAge > 0 && time.Since(claims.AuthTime.Time) > p.cfg.MaxAge+leeway: // or there is none
		return nil, refused(fmt.Errorf("the login at the provider is of %v", claims.AuthTime.Time))
	}
	return claims, nil
}

// same compares secrets. Nothing equals an empty one.
func same(a, b string) bool {
	return b != "" && subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}

func refused(err error) error {
	return &usher.Rejection{Status: http.StatusUnauthorized, Description: "The provider did not log you in.", Err: err}
}
