package session

// The reasons for refusing a refresh token or a session. If the store does not answer, the error is
// [usher.ErrUnavailable] instead. Each has a method Reason() string, which usher.Rejection.Reason uses; the words are
// session_ended, token_reused and refresh_token.
var (
	// ErrSessionEnded means that the subject has no such live session: it was ended, it has expired, or its user no
	// longer exists.
	ErrSessionEnded error = &reasonError{"session: ended", "session_ended"}
	// ErrReused means that a spent refresh token was presented again, after the grace period. Somebody has a stolen
	// copy, so the session has been ended (RFC 9700 §4.14.2).
	ErrReused error = &reasonError{"session: refresh token reused", "token_reused"}
	// ErrRefreshToken means that the refresh token is malformed, forged or unknown to its session. No session has been
	// changed.
	ErrRefreshToken error = &reasonError{"session: invalid refresh token", "refresh_token"}
)

// reasonError is an error with a word for metrics.
type reasonError struct{ text, reason string }

func (e *reasonError) Error() string { return e.text }

// Reason returns the word for metrics.
func (e *reasonError) Reason() string { return e.reason }
