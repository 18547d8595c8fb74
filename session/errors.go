package session

// The errors of refresh tokens and sessions. In usher.Rejection.Reason they are session_ended, token_reused and
// refresh_token. If the store does not respond, the error is [usher.ErrUnavailable] instead.
var (
	// ErrSessionEnded: the subject has no such live session. It was ended, it has expired, or its user no longer exists.
	ErrSessionEnded error = &reasonError{"session: ended", "session_ended"}
	// ErrReused: a spent refresh token was presented after the grace period. It may have been stolen, so the session
	// has been ended (RFC 9700 §4.14.2).
	ErrReused error = &reasonError{"session: refresh token reused", "token_reused"}
	// ErrRefreshToken: the refresh token is malformed, forged or unknown to its session. No session has been changed.
	ErrRefreshToken error = &reasonError{"session: invalid refresh token", "refresh_token"}
)

// reasonError is an error with a reason for usher.Rejection.Reason.
type reasonError struct{ text, reason string }

func (e *reasonError) Error() string { return e.text }

// Reason returns the reason, for usher.Rejection.Reason.
func (e *reasonError) Reason() string { return e.reason }
