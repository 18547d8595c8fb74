package session

import (
	"errors"
)

// Why a refresh token or a session was refused. A store that can't answer is [usher.ErrUnavailable] instead.
var (
	// ErrSessionEnded: there is no such session of this subject, or not any more: logged out, expired, ended
	// by reuse, or its user is gone.
	ErrSessionEnded = errors.New("session: ended")
	// ErrReused: a spent refresh token came back and was no retry. The session that it belongs to has been
	// ended, for one of its holders has a stolen copy (RFC 9700 §4.14.2).
	ErrReused = errors.New("session: refresh token reused")
	// ErrRefreshToken: the refresh token is malformed, forged, or not one that the session has issued. No
	// session has been changed.
	ErrRefreshToken = errors.New("session: invalid refresh token")
)
