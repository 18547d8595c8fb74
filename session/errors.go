package session

import (
	"errors"
)

// The reasons for refusing a refresh token or a session. If the store does not answer, the error is
// [usher.ErrUnavailable] instead.
var (
	// ErrSessionEnded means that the subject has no such live session: it was ended, it has expired, or its user no
	// longer exists.
	ErrSessionEnded = errors.New("session: ended")
	// ErrReused means that a spent refresh token was presented again, after the grace period. Somebody has a stolen
	// copy, so the session has been ended (RFC 9700 §4.14.2).
	ErrReused = errors.New("session: refresh token reused")
	// ErrRefreshToken means that the refresh token is malformed, forged or unknown to its session. No session has been
	// changed.
	ErrRefreshToken = errors.New("session: invalid refresh token")
)
