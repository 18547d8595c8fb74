package ushertest

import (
	"context"
	"fmt"

	"github.com/go-usher/usher"
)

// Verifier is a [usher.Verifier] for tests in which any text may be a token, or in which verifying has to fail in some way: the key
// source is down, the token was revoked. It is safe for concurrent use as long as nobody changes its maps. The zero Verifier
// refuses every token.
type Verifier[C any] struct {
	// Claims are the claims of the valid tokens, by token.
	Claims map[string]C
	// Errors are the errors that Decode returns for other tokens, by token. A token in both maps is refused.
	Errors map[string]error
}

// Decode returns the token's error, or else a shallow copy of its claims. The error is ErrInvalidToken for a token that is in
// neither map.
func (v Verifier[C]) Decode(_ context.Context, token string) (*C, error) {
	if err := v.Errors[token]; err != nil {
		return nil, err
	}
	claims, ok := v.Claims[token]
	if !ok {
		return nil, fmt.Errorf("%w: the ushertest.Verifier was not given this token", usher.ErrInvalidToken)
	}
	return &claims, nil
}
