package session

import (
	"time"
)

// Rotation is a request to a Store to replace a refresh token by its successor.
type Rotation struct {
	SessionID  string        // the session's ID
	Subject    string        // the session's subject
	Generation int64         // generation of the token to spend
	Token      Hash          // hash of the token to spend
	Successor  Hash          // hash of the token that replaces it
	Nonce      Nonce         // a new random value
	Now        time.Time     // the session's new LastUsedAt
	ExpiresAt  time.Time     // the session's new ExpiresAt, unless EndsAt is earlier
	Grace      time.Duration // how long after a rotation the spent token counts as a retry; 0 means never
}

// Rotated is a Store's answer to a Rotation. It contains the Rotation's own Successor and Nonce or, for a retry, those
// that the earlier rotation stored.
type Rotated struct {
	Successor Hash
	Nonce     Nonce
}

// State is the part of a stored session that decides whether a refresh token is accepted.
type State struct {
	Generation int64     // generation of the current token
	Token      Hash      // hash of the current token
	Previous   Hash      // hash of the token that it replaced; zero in the first generation
	Nonce      Nonce     // nonce of the last rotation; zero in the first generation
	RotatedAt  time.Time // time of the last rotation, or of the start in the first generation
	ExpiresAt  time.Time // when the session ends
}

// Verdict is what a Store must do with a Rotation.
type Verdict int

// The verdicts. See [Store] for what each one requires.
const (
	Ended  Verdict = iota // the session has expired
	Refuse                // the token was never issued for this session
	Reuse                 // the token's grace period is over, or its successor is spent too
	Retry                 // the token was spent in the last rotation, within the grace period
	Rotate                // the token is current
)

// Judge returns the verdict for r on a session in state s. Call it in stores that read the state and then compare and
// set it. It is the reference for stores that decide in another language.
//
// A Rotation that has already been applied is always a Retry, because a database client may send it again if the answer
// was lost.
func (r Rotation) Judge(s State) Verdict {
	switch {
	case !s.ExpiresAt.After(r.Now):
		return Ended
	case r.Generation > s.Generation:
		return Refuse // the store was restored from a backup; the token was not stolen
	case r.Generation == s.Generation && r.Token != s.Token:
		return Refuse
	case r.Generation == s.Generation:
		return Rotate
	case r.Generation == s.Generation-1 && r.Token == s.Previous &&
		(r.Nonce == s.Nonce || r.Grace > 0 && r.Now.Sub(s.RotatedAt) < r.Grace):
		return Retry
	default:
		return Reuse
	}
}

// After returns the session's state after a Rotate verdict. endsAt is the session's absolute limit.
func (r Rotation) After(endsAt time.Time) State {
	expires := r.ExpiresAt
	if expires.After(endsAt) {
		expires = endsAt
	}
	return State{
		Generation: r.Generation + 1,
		Token:      r.Successor,
		Previous:   r.Token,
		Nonce:      r.Nonce,
		RotatedAt:  r.Now,
		ExpiresAt:  expires,
	}
}
