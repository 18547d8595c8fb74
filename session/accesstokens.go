package session

import (
	"context"
	"crypto/cipher"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/go-usher/usher"
)

// AccessTokens issues access tokens without sessions and without a store. It is for services that need neither logout
// nor refresh tokens. LoginHandler accepts it in place of a Manager. It is safe for concurrent use.
type AccessTokens[C any] struct {
	encoder *usher.Encoder[C]
	claims  func(ctx context.Context, g Grant) (C, error)
}

// NewAccessTokens returns AccessTokens that encode the claims returned by the claims callback. The SessionID of the
// grant is empty. AccessTokens sets sub to the subject and auth_time to the time of the login. If arguments are
// invalid, NewAccessTokens returns a usher.ConfigError for each of them, joined.
func NewAccessTokens[C any, P usher.EmbedsClaims[C]](
	encoder *usher.Encoder[C],
	claims func(ctx context.Context, g Grant) (C, error),
) (*AccessTokens[C], error) {
	err := errors.Join(
		required(encoder.TTL() != 0, "NewAccessTokens encoder"),
		required(claims != nil, "NewAccessTokens claims"),
		checkClaimsType[C](),
	)
	if err != nil {
		return nil, err
	}
	return &AccessTokens[C]{encoder: encoder, claims: claims}, nil
}

// Start returns an access token for the subject, and no refresh token. It uses AuthTime, Data and UntilBrowserCloses of
// about and ignores the other fields. It returns the errors of the claims callback and of the encoder.
func (a *AccessTokens[C]) Start(ctx context.Context, subject string, about About) (Tokens, error) {
	return a.start(ctx, subject, about, acceptAny)
}

func (a *AccessTokens[C]) start(ctx context.Context, subject string, about About, check tokensCheck) (Tokens, error) {
	if err := a.usable(); err != nil {
		return Tokens{}, err
	}
	if err := checkLogin(subject, about); err != nil {
		return Tokens{}, err
	}
	authTime := about.AuthTime
	if authTime.IsZero() {
		authTime = a.now()
	}
	tokens, err := issue(ctx, a.encoder, a.claims, Grant{Subject: subject, Data: about.Data, AuthTime: authTime.UTC().Truncate(time.Second)})
	if err != nil {
		return Tokens{}, err
	}
	tokens.untilBrowserCloses = about.UntilBrowserCloses
	if err := check(tokens); err != nil {
		return Tokens{}, err
	}
	return tokens, nil
}

// usable returns an error if a was not made by NewAccessTokens.
func (a *AccessTokens[C]) usable() error {
	if a == nil || a.encoder == nil {
		return &usher.ConfigError{Field: "AccessTokens", Reason: "was not made by NewAccessTokens"}
	}
	return nil
}

// ticketSealers returns nil, because there is no secret to derive a key from.
func (a *AccessTokens[C]) ticketSealers() []cipher.AEAD { return nil }

// now returns the time of the encoder's clock, which is available only through Fill.
func (a *AccessTokens[C]) now() time.Time { return a.encoder.Fill(new(C)).IssuedAt.Time }

// issue returns an access token for a grant. The application does not control sub, sid and auth_time.
func issue[C any](ctx context.Context, encoder *usher.Encoder[C], claims func(context.Context, Grant) (C, error), g Grant) (Tokens, error) {
	c, err := claims(ctx, g)
	if err != nil {
		return Tokens{}, fmt.Errorf("session: claims: %w", err)
	}
	registered := encoder.Fill(&c)
	registered.Subject = g.Subject
	registered.SessionID = g.SessionID
	registered.AuthTime = usher.NewNumericDate(g.AuthTime)
	access, err := encoder.Encode(ctx, c)
	if err != nil {
		return Tokens{}, fmt.Errorf("session: access token: %w", err)
	}
	// The lifetime is the encoder's TTL, unless the application's claims have an exp. The difference of the dates can
	// be up to two seconds longer, because both are rounded.
	lifetime, ttl := registered.ExpiresAt.Sub(registered.IssuedAt.Time), encoder.TTL()
	if lifetime >= ttl && lifetime < ttl+2*time.Second {
		lifetime = ttl
	}
	return Tokens{AccessToken: access, TokenType: "Bearer", ExpiresIn: int64(lifetime / time.Second), SessionID: g.SessionID}, nil
}

// checkClaimsType returns an error if C has a field of its own for a claim that the manager sets. The token would
// contain that field's value instead.
func checkClaimsType[C any]() error {
	t := reflect.TypeFor[C]()
	if name := conflictingClaim(t, nil); name != "" {
		return &usher.ConfigError{
			Field:  "claims type " + t.String(),
			Reason: "has its own field for " + name + ", which the session manager sets; remove the field",
		}
	}
	return nil
}

// conflictingClaim returns the name of the first such claim in t or in the structs that t embeds, except usher.Claims.
// It does not stop at fields that Go hides behind another field of the same name, because JSON writes them too.
func conflictingClaim(t reflect.Type, path []reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == reflect.TypeFor[usher.Claims]() || t.Kind() != reflect.Struct || slices.Contains(path, t) {
		return ""
	}
	path = append(path, t)
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "sid" || name == "auth_time" {
			return name
		}
		if f.Anonymous && name == "" {
			if name := conflictingClaim(f.Type, path); name != "" {
				return name
			}
		}
	}
	return ""
}
