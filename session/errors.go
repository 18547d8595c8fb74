package session

import (
	"errors"
	"fmt"

	"github.com/go-usher/usher"
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

// isAnswer reports whether a store's error is its answer, and no failure.
func isAnswer(err error) bool {
	return errors.Is(err, ErrSessionEnded) || errors.Is(err, ErrReused) || errors.Is(err, ErrRefreshToken)
}

// unavailable reports a store's failure as what it means for the request.
func unavailable(err error) error {
	return fmt.Errorf("%w: session store: %w", usher.ErrUnavailable, err)
}
