package session

import (
	"context"
	"errors"
	"time"

	"github.com/go-usher/usher"
)

// AccessTokens issues access tokens alone, without sessions and without a store: for services that need neither
// logout nor long logins. LoginHandler takes it in place of a Manager. It is safe for concurrent use.
type AccessTokens[C any] struct {
	encoder *usher.Encoder[C]
	claims  func(ctx context.Context, subject string) (C, error)
}

// NewAccessTokens returns AccessTokens that encode what claims returns for a subject, with sub and auth_time set
// to who logged in and when. Mistakes are reported as usher.ConfigError, all at once.
func NewAccessTokens[C any, P usher.EmbedsClaims[C]](
	encoder *usher.Encoder[C],
	claims func(ctx context.Context, subject string) (C, error),
) (*AccessTokens[C], error) {
	err := errors.Join(
		required(encoder != nil, "NewAccessTokens encoder"),
		required(claims != nil, "NewAccessTokens claims"),
		ownClaims[C](),
	)
	if err != nil {
		return nil, err
	}
	return &AccessTokens[C]{encoder: encoder, claims: claims}, nil
}

// Start returns an access token for the subject, and no refresh token. Of about only AuthTime counts. Errors are
// those of claims and of the encoder.
func (a *AccessTokens[C]) Start(ctx context.Context, subject string, about About) (Tokens, error) {
	return a.start(ctx, subject, about, release)
}

func (a *AccessTokens[C]) start(ctx context.Context, subject string, about About, fit checkpoint) (Tokens, error) {
	if !isSubject(subject) {
		return Tokens{}, errSubject
	}
	authTime := about.AuthTime
	if authTime.IsZero() {
		authTime = a.now()
	}
	tokens, err := issue(ctx, a.encoder, a.claims, subject, func(c *usher.Claims) {
		c.SessionID = ""
		c.AuthTime = usher.NewNumericDate(authTime)
	})
	if err != nil {
		return Tokens{}, err
	}
	if err := fit(tokens); err != nil {
		return Tokens{}, err
	}
	return tokens, nil
}

// now is the encoder's clock, which has no other way to tell.
func (a *AccessTokens[C]) now() time.Time { return a.encoder.Fill(new(C)).IssuedAt.Time }
