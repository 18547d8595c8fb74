package ushertest

import (
	"context"
	"fmt"

	"github.com/go-usher/usher"
)

// Verifier is a [usher.Verifier] for tests that choose their own tokens, or that need verification to fail, for example
// because the key source is unavailable or the token was revoked. It is safe for concurrent use while its maps are not
// modified. The zero Verifier refuses every token.
type Verifier[C any] struct {
	// Claims maps valid tokens to their claims.
	Claims map[string]C
	// Errors maps other tokens to the errors of Decode. A token in both maps is refused.
	Errors map[string]error
}

// Decode returns the token's error, or a shallow copy of its claims. For a token in neither map, the error is
// ErrInvalidToken.
func (v Verifier[C]) Decode(_ context.Context, token string) (*C, error) {
	if err := v.Errors[token]; err != nil {
		return nil, err
	}
	claims, ok := v.Claims[token]
	if !ok {
		return nil, fmt.Errorf("%w: the token is not in the maps of the ushertest.Verifier", usher.ErrInvalidToken)
	}
	return &claims, nil
}
