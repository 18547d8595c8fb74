package session

import (
	"context"
	"time"
)

// Store keeps sessions. Every method is one atomic step: concurrent steps on the sessions of one subject behave as if
// they ran one after the other, across all processes that share the store. Rotate and Lookup should be one round trip
// each.
//
// These rules hold for all methods:
//   - The argument now is the caller's clock, and the store never uses its own. A session whose ExpiresAt is not after
//     now has ended, even if the store still has it. Times are kept to the microsecond.
//   - IDs and subjects are compared byte for byte.
//   - ErrSessionEnded, ErrReused and ErrRefreshToken, plain or wrapped, are answers. Any other error, including a
//     context's, means that the step may or may not have been applied.
//   - A method returns soon after its context has ended, whatever its client library or server does, and other callers
//     don't wait for one that is stuck. What was still on its way may be applied later.
//   - What a method has done is visible to every process once it returns. Replicas that lag must not be read.
//   - Methods are safe for concurrent use.
//
// Package storetest tests a Store against this contract. A Store may also have a method Verify(context.Context) error
// that returns what is wrong with its server; see [Manager.PruneEvery].
type Store interface {
	// Start adds a session. If the subject has a cut-off at s.AuthTime or later, it returns ErrSessionEnded and adds
	// nothing. If limit is positive and the subject has more live sessions than that, the same step ends the oldest
	// ones, but never s itself, and returns their IDs. Starting the same session again (same ID and Token) changes
	// nothing.
	Start(ctx context.Context, s Record, limit int, now time.Time) (ended []string, err error)

	// Rotate spends a refresh token according to the verdict of [Rotation.Judge]. For Rotate it writes the successor.
	// For Retry it returns what the earlier rotation wrote. For Reuse it ends the session and returns ErrReused. For
	// Refuse it returns ErrRefreshToken. For Ended it returns ErrSessionEnded, as it does if the subject has no such
	// session.
	Rotate(ctx context.Context, r Rotation) (Rotated, error)

	// Lookup returns a live session of the subject, or ErrSessionEnded.
	Lookup(ctx context.Context, subject, id string, now time.Time) (Session, error)

	// List returns the subject's live sessions, oldest first. It is no error if there are none.
	List(ctx context.Context, subject string, now time.Time) ([]Session, error)

	// End ends a session of the subject and reports whether it was alive. It returns false and changes nothing if the
	// session has ended or belongs to another subject.
	End(ctx context.Context, subject, id string, now time.Time) (bool, error)

	// EndAll ends the subject's sessions except the one whose ID is keep, which is empty to end all. In the same step
	// it sets the subject's cut-off to now, unless it has a later one. The cut-off is kept at least until forget. It
	// returns the IDs of the live sessions that it ended.
	EndAll(ctx context.Context, subject, keep string, now, forget time.Time) (ended []string, err error)

	// Prune removes expired sessions and cut-offs and returns the number of sessions it removed. A store that removes
	// them by itself returns 0. Other steps must not wait long meanwhile, however much there is to remove.
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
	EndsAt time.Time // absolute limit; no refresh moves ExpiresAt beyond it
	Token  Hash      // hash of the first refresh token, whose generation is 1
}

// Hash is the SHA-256 hash of a refresh token. A token contains 256 random bits, so a salt or a slow hash would add
// nothing.
type Hash [32]byte

// Nonce is stored with the successor's hash, so that a retry can derive the same successor. It is useless without the
// manager's secret and the spent token.
type Nonce [16]byte
