package onetime

// Why a token was refused. Their texts are safe to show; what wraps them says more, for logs.
var (
	// ErrToken: the token is not good, or not any more.
	ErrToken error = &tokenError{text: "onetime: invalid token", reason: "onetime_token"}
	// ErrExpired: the token was good, and its time is over. It is also ErrToken.
	ErrExpired error = &tokenError{text: "onetime: token expired", reason: "onetime_expired", also: ErrToken}
)

// tokenError is an error that may also be another, and says the word for usher.Rejection.Reason.
type tokenError struct {
	text, reason string
	also         error
}

func (e *tokenError) Error() string  { return e.text }
func (e *tokenError) Unwrap() error  { return e.also }
func (e *tokenError) Reason() string { return e.reason }
