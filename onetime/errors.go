package onetime

// Reasons for refusing a token. Their own texts are safe to show. Errors that wrap them have details for logs.
var (
	// ErrToken: the token is invalid, or no longer valid.
	ErrToken error = &tokenError{text: "onetime: invalid token", reason: "onetime_token"}
	// ErrExpired: the token was valid, but has expired. It is also ErrToken.
	ErrExpired error = &tokenError{text: "onetime: token expired", reason: "onetime_expired", also: ErrToken}
)

// tokenError is an error with a reason for usher.Rejection.Reason. It may also be another error.
type tokenError struct {
	text, reason string
	also         error
}

func (e *tokenError) Error() string  { return e.text }
func (e *tokenError) Unwrap() error  { return e.also }
func (e *tokenError) Reason() string { return e.reason }
