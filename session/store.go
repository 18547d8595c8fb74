package session

import (
	"context"
	"time"
)

// Store remembers sessions. Every method is one atomic step: concurrent steps on a session, or on a subject's
// sessions, behave as if one had run after the other, across all processes that share the store. A step is
// one round trip where it matters: Rotate and Lookup.
//
// What holds for all methods:
//   - "Now" is the caller's clock, never the store's. A session whose ExpiresAt is not after now has ended, row
//     or no row. Times are kept to the microsecond.
//   - Identifiers and subjects are compared byte for byte.
//   - ErrSessionEnded, ErrReused and ErrRefreshToken, plain or wrapped, are answers. Any other error, a
//     context's included, means that the step may or may not have been applied.
//   - Methods are safe for concurrent use.
//
// Package storetest proves a Store against this contract.
type Store interface {
	// Start adds a session. It answers ErrSessionEnded, and adds nothing, if the subject has a cut-off that is
	// not before s.AuthTime. If limit is above zero, the subject's live sessions that then exceed it are ended
	// in the same step, those started first to begin with, and never s itself; ended names them. Starting the
	// same session again (same ID and Token) changes nothing.
	Start(ctx context.Context, s Record, limit int, now time.Time) (ended []string, err error)

	// Rotate spends a refresh token as [Rotation.Judge] rules: Rotate writes the successor, Retry returns what
	// the earlier rotation wrote, Reuse ends the session and answers ErrReused, Refuse answers ErrRefreshToken,
	// and Ended answers ErrSessionEnded, as a session that isn't there does, or that is another subject's.
	Rotate(ctx context.Context, r Rotation) (Rotated, error)

	// Lookup returns a live session of the subject, else ErrSessionEnded.
	Lookup(ctx context.Context, subject, id string, now time.Time) (Session, error)

	// List returns the subject's live sessions, those started first to begin with; none is no error.
	List(ctx context.Context, subject string, now time.Time) ([]Session, error)

	// End ends a session of the subject, and reports whether it was there and live. Ending it again, or
	// another subject's, reports false and changes nothing.
	End(ctx context.Context, subject, id string, now time.Time) (bool, error)

	// EndAll ends the subject's sessions except the one named keep (none: ""), and in the same step sets the
	// subject's cut-off to now, unless it has a later one. The cut-off is kept at least until forget. It
	// returns the ids of the live sessions that it ended.
	EndAll(ctx context.Context, subject, keep string, now, forget time.Time) (ended []string, err error)

	// Prune removes what has expired, sessions and cut-offs, and returns how many sessions it removed. A store
	// that forgets by itself returns 0.
	Prune(ctx context.Context, now time.Time) (int, error)
}

// Session describes a session to its user, and to the application.
type Session struct {
	ID         string    `json:"id"`                   // the sid of its access tokens
	Subject    string    `json:"-"`                    // whose session it is
	UserAgent  string    `json:"user_agent,omitempty"` // see About
	Address    string    `json:"address,omitempty"`    // see About
	Label      string    `json:"label,omitempty"`      // see About
	AuthTime   time.Time `json:"auth_time"`            // when the authentication that started it began
	StartedAt  time.Time `json:"started_at"`           // when it was started
	LastUsedAt time.Time `json:"last_used_at"`         // when it was started or last refreshed
	ExpiresAt  time.Time `json:"expires_at"`           // when it ends, unless it is refreshed before
}

// Record is what a Store keeps of a session when it starts.
type Record struct {
	Session
	EndsAt time.Time // the absolute limit: no refresh moves ExpiresAt beyond it
	Token  Hash      // of the first refresh token, whose generation is 1
}

// Hash is the SHA-256 of a refresh token. Tokens hold 256 bits that can't be guessed, so neither salt nor a slow
// hash adds anything.
type Hash [32]byte

// Nonce is what a rotation writes beside the successor's hash, so that a retry can derive the same successor.
// It is of no use without the manager's secret and the spent token.
type Nonce [16]byte
