package session

import (
	"context"
	"time"
)

// Store keeps sessions. Every method is atomic: concurrent calls for the sessions of one subject behave as if they ran
// one after the other, across all processes that share the store. Rotate and Lookup should take one round trip each.
//
// These rules apply to all methods:
//   - The argument now is the caller's time, and the store does not use its own clock. A session whose ExpiresAt is not
//     after now has ended, even if the store still has it. Times are stored in microseconds.
//   - IDs and subjects are compared byte for byte.
//   - ErrSessionEnded, ErrReused and ErrRefreshToken, plain or wrapped, are answers. Any other error, including a
//     context's, means that the operation may or may not have been applied.
//   - A method returns soon after its context has ended, whatever its client library or server does. Other calls do not
//     wait for one that is stuck. An operation that was in progress may still be applied.
//   - When a method returns, its changes are visible to every process. Stores must not read from replicas that lag.
//   - Methods are safe for concurrent use.
//
// Package storetest tests a Store against this contract. A Store may also have a method Verify(context.Context) error
// that reports problems with its server; see [Manager.PruneEvery].
type Store interface {
	// Start adds a session. If the subject has a cut-off (see EndAll) at s.AuthTime or later, it returns
	// ErrSessionEnded and adds nothing. If limit is positive and the subject then has more live sessions than limit,
	// the same operation ends the oldest ones, but never s itself, and returns their IDs. Starting the same session
	// again (same ID and Token) changes nothing.
	Start(ctx context.Context, s Record, limit int, now time.Time) (ended []string, err error)

	// Rotate spends a refresh token, depending on the verdict of [Rotation.Judge]. For Rotate it stores the successor.
	// For Retry it returns what the earlier rotation stored. For Reuse it ends the session and returns ErrReused. For
	// Refuse it returns ErrRefreshToken. For Ended, and if the subject has no such session, it returns ErrSessionEnded.
	Rotate(ctx context.Context, r Rotation) (Rotated, error)

	// Lookup returns a live session of the subject, or ErrSessionEnded.
	Lookup(ctx context.Context, subject, id string, now time.Time) (Session, error)

	// List returns the subject's live sessions, oldest first. If there are none, the error is nil.
	List(ctx context.Context, subject string, now time.Time) ([]Session, error)

	// End ends a session of the subject and reports whether it was alive. It returns false and changes nothing if the
	// session has ended or belongs to another subject.
	End(ctx context.Context, subject, id string, now time.Time) (bool, error)

	// EndAll ends the subject's sessions except the one with the ID keep; if keep is empty, it ends all. The same
	// operation sets the subject's cut-off to now, unless it is already later. A login that began at or before the
	// cut-off can't start a session. The cut-off is kept at least until forget. EndAll returns the IDs of the live
	// sessions that it ended.
	EndAll(ctx context.Context, subject, keep string, now, forget time.Time) (ended []string, err error)

	// Prune removes expired sessions and cut-offs and returns the number of removed sessions. A store that removes them
	// automatically returns 0. Prune must not block other calls for long, however much there is to remove.
	Prune(ctx context.Context, now time.Time) (int, error)
}

// Session describes a session to its user and to the application.
type Session struct {
	ID         string    `json:"id"`                   // the sid of its access tokens
	Subject    string    `json:"-"`                    // the user's id
	UserAgent  string    `json:"user_agent,omitempty"` // see About
	Address    string    `json:"address,omitempty"`    // see About
	Label      string    `json:"label,omitempty"`      // see About
	AuthTime   time.Time `json:"auth_time"`            // when the authentication began
	StartedAt  time.Time `json:"started_at"`           // when the session started
	LastUsedAt time.Time `json:"last_used_at"`         // when it started or was last refreshed
	ExpiresAt  time.Time `json:"expires_at"`           // when it ends, unless it is refreshed earlier
}

// Record is what a Store keeps when a session starts.
type Record struct {
	Session
	EndsAt time.Time // the absolute limit: no refresh extends ExpiresAt beyond it
	Token  Hash      // hash of the first refresh token, whose generation is 1
}

// Hash is the SHA-256 hash of a refresh token. It needs no salt and no slow hash, because a token contains 256 random
// bits.
type Hash [32]byte

// Nonce is stored with the successor's hash. With the manager's secret and the spent token, a retry derives the same
// successor from it.
type Nonce [16]byte
