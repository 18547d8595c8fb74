package session

import (
	"time"
)

// Rotation is the spending of one refresh token, as a Store sees it.
type Rotation struct {
	SessionID  string        // the session
	Subject    string        // and whose it is
	Generation int64         // of the token that is being spent
	Token      Hash          // of the token that is being spent
	Successor  Hash          // of the token that takes its place
	Nonce      Nonce         // fresh for every Rotation
	Now        time.Time     // becomes LastUsedAt
	ExpiresAt  time.Time     // becomes the session's, unless EndsAt comes first
	Grace      time.Duration // how long after a rotation the spent token is a retry; 0: never
}

// Rotated is what a Store answers to a Rotation. It holds the Rotation's own Successor and Nonce, or, for a
// retry, those that the earlier rotation wrote.
type Rotated struct {
	Successor Hash
	Nonce     Nonce
}

// State is the part of a stored session that decides what a refresh token is worth.
type State struct {
	Generation int64     // of the token that is current
	Token      Hash      // of the token that is current
	Previous   Hash      // of the token that it replaced; zero in the first generation
	Nonce      Nonce     // of the last rotation; zero in the first generation
	RotatedAt  time.Time // when the last rotation was; the start in the first generation
	ExpiresAt  time.Time // when the session ends
}

// Verdict says what a Store has to do with a Rotation.
type Verdict int

// The verdicts; [Store] says what each asks for.
const (
	Ended  Verdict = iota // the session has expired
	Refuse                // a token that this session, as stored, has never issued
	Reuse                 // a token spent long ago, or whose successor is spent as well
	Retry                 // the token spent last, within the grace
	Rotate                // the current token
)

// Judge rules what r may do to a session in state s. It is the reference for stores that decide in a language of
// their own, and the decision itself for those that read, judge, then compare and set.
//
// A Rotation that was applied before is a Retry however late it comes: it may have been sent again by a
// client library that lost the answer.
func (r Rotation) Judge(s State) Verdict {
	switch {
	case !s.ExpiresAt.After(r.Now):
		return Ended
	case r.Generation > s.Generation:
		return Refuse // the store was restored from a backup: no sign of theft
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

// After returns the state that r leaves behind where Judge ruled Rotate; endsAt is the session's absolute limit.
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
