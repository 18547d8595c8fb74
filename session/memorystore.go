package session

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// MemoryStore is a Store in the memory of one process. Its sessions end with the process and are not visible to others.
// It is safe for concurrent use.
type MemoryStore struct {
	mu       sync.RWMutex
	sessions map[string]*memorySession
	subjects map[string]*memorySubject
	peak     int // the maximum number of subjects since the map was made
}

type memorySession struct {
	State
	initial Session // as it was started; State has the current ExpiresAt and LastUsedAt
	endsAt  time.Time
}

type memorySubject struct {
	sessions []*memorySession // oldest first
	cutoff   time.Time
	forget   time.Time
}

// NewMemoryStore returns an empty store.
func NewMemoryStore() *MemoryStore {
	return &MemoryStore{sessions: map[string]*memorySession{}, subjects: map[string]*memorySubject{}}
}

// Start implements [Store].
func (st *MemoryStore) Start(ctx context.Context, s Record, limit int, now time.Time) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	st.sweepSome(now)
	owner := st.subject(s.Subject)
	if !owner.cutoff.IsZero() && !s.AuthTime.After(owner.cutoff) {
		return nil, ErrSessionEnded
	}
	if st.sessions[s.ID] != nil {
		return nil, nil
	}
	added := &memorySession{
		State:   State{Generation: 1, Token: s.Token, RotatedAt: s.StartedAt, ExpiresAt: s.ExpiresAt},
		initial: s.Session,
		endsAt:  s.EndsAt,
	}
	st.removeFrom(owner, func(old *memorySession) bool { return !old.ExpiresAt.After(now) })
	var ended []string
	if excess := len(owner.sessions) + 1 - limit; limit > 0 && excess > 0 {
		for _, old := range owner.sessions[:excess] {
			ended = append(ended, old.initial.ID)
			delete(st.sessions, old.initial.ID)
		}
		owner.sessions = slices.Delete(owner.sessions, 0, excess)
	}
	st.sessions[s.ID] = added
	index := len(owner.sessions)
	for index > 0 && owner.sessions[index-1].initial.StartedAt.After(s.StartedAt) {
		index-- // the clock was set back
	}
	owner.sessions = slices.Insert(owner.sessions, index, added)
	return ended, nil
}

// Rotate implements [Store].
func (st *MemoryStore) Rotate(ctx context.Context, r Rotation) (Rotated, error) {
	if err := ctx.Err(); err != nil {
		return Rotated{}, err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	s := st.find(r.Subject, r.SessionID)
	if s == nil {
		return Rotated{}, ErrSessionEnded
	}
	switch r.Judge(s.State) {
	case Rotate:
		s.State = r.After(s.endsAt)
		return Rotated{Successor: s.Token, Nonce: s.Nonce}, nil
	case Retry:
		return Rotated{Successor: s.Token, Nonce: s.Nonce}, nil
	case Reuse:
		st.remove(s)
		return Rotated{}, ErrReused
	case Refuse:
		return Rotated{}, ErrRefreshToken
	default:
		st.remove(s)
		return Rotated{}, ErrSessionEnded
	}
}

// Lookup implements [Store].
func (st *MemoryStore) Lookup(ctx context.Context, subject, id string, now time.Time) (Session, error) {
	if err := ctx.Err(); err != nil {
		return Session{}, err
	}
	st.mu.RLock()
	defer st.mu.RUnlock()
	s := st.find(subject, id)
	if s == nil || !s.ExpiresAt.After(now) {
		return Session{}, ErrSessionEnded
	}
	return s.current(), nil
}

// List implements [Store].
func (st *MemoryStore) List(ctx context.Context, subject string, now time.Time) ([]Session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	st.mu.RLock()
	defer st.mu.RUnlock()
	owner := st.subjects[subject]
	if owner == nil {
		return nil, nil
	}
	var list []Session
	for _, s := range owner.sessions {
		if s.ExpiresAt.After(now) {
			list = append(list, s.current())
		}
	}
	return list, nil
}

// End implements [Store].
func (st *MemoryStore) End(ctx context.Context, subject, id string, now time.Time) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	s := st.find(subject, id)
	if s == nil {
		return false, nil
	}
	st.remove(s)
	return s.ExpiresAt.After(now), nil
}

// EndAll implements [Store].
func (st *MemoryStore) EndAll(ctx context.Context, subject, keep string, now, forget time.Time) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	owner := st.subject(subject)
	if now.After(owner.cutoff) {
		owner.cutoff = now
	}
	if forget.After(owner.forget) {
		owner.forget = forget
	}
	var ended []string
	st.removeFrom(owner, func(s *memorySession) bool {
		if s.initial.ID == keep {
			return false
		}
		if s.ExpiresAt.After(now) {
			ended = append(ended, s.initial.ID)
		}
		return true
	})
	return ended, nil
}

// Prune checks pruneBatch subjects at a time, which takes a few milliseconds, and then pauses for other calls.
const (
	pruneBatch = 2048
	prunePause = 5 * time.Millisecond
)

// Prune implements [Store]. It checks every session, in small batches between which other calls proceed.
func (st *MemoryStore) Prune(ctx context.Context, now time.Time) (int, error) {
	pruned, seen := 0, 0
	st.mu.Lock()
	defer st.mu.Unlock()
	for name := range st.subjects { // other calls may modify or replace the map between batches
		if err := ctx.Err(); err != nil {
			return pruned, err
		}
		before := len(st.sessions)
		if owner := st.subjects[name]; owner != nil {
			st.sweep(name, owner, now)
		}
		pruned += before - len(st.sessions)
		if seen++; seen%pruneBatch == 0 {
			st.shrink()
			st.mu.Unlock()
			<-time.After(prunePause)
			st.mu.Lock()
		}
	}
	st.shrink()
	return pruned, nil
}

// shrink copies the subjects into a smaller map when most have been removed. Maps never shrink, and sweepSome would
// take longer and longer to find the few that are left.
func (st *MemoryStore) shrink() {
	if st.peak <= pruneBatch || len(st.subjects) > st.peak/2 {
		return
	}
	st.peak = len(st.subjects)
	smaller := make(map[string]*memorySubject, len(st.subjects))
	maps.Copy(smaller, st.subjects)
	st.subjects = smaller
}

// sweepSome removes the expired sessions of a few random subjects. A start adds at most one subject, so expired
// sessions remain a small part of all sessions even if nobody calls Prune.
func (st *MemoryStore) sweepSome(now time.Time) {
	seen := 0
	for name, owner := range st.subjects { // in random order (Go specification, "For statements")
		st.sweep(name, owner, now)
		if seen++; seen == 4 {
			break
		}
	}
	st.shrink()
}

func (st *MemoryStore) sweep(name string, owner *memorySubject, now time.Time) {
	st.removeFrom(owner, func(s *memorySession) bool { return !s.ExpiresAt.After(now) })
	if len(owner.sessions) == 0 && !owner.forget.After(now) {
		delete(st.subjects, name)
	}
}

func (st *MemoryStore) find(subject, id string) *memorySession {
	if s := st.sessions[id]; s != nil && s.initial.Subject == subject {
		return s
	}
	return nil
}

func (st *MemoryStore) subject(name string) *memorySubject {
	owner := st.subjects[name]
	if owner == nil {
		owner = &memorySubject{}
		st.subjects[strings.Clone(name)] = owner
		st.peak = max(st.peak, len(st.subjects))
	}
	return owner
}

func (st *MemoryStore) remove(s *memorySession) {
	st.removeFrom(st.subjects[s.initial.Subject], func(other *memorySession) bool { return other == s })
}

func (st *MemoryStore) removeFrom(owner *memorySubject, match func(*memorySession) bool) {
	owner.sessions = slices.DeleteFunc(owner.sessions, func(s *memorySession) bool {
		if !match(s) {
			return false
		}
		delete(st.sessions, s.initial.ID)
		return true
	})
}

func (s *memorySession) current() Session {
	current := s.initial
	current.LastUsedAt = s.RotatedAt
	current.ExpiresAt = s.ExpiresAt
	return current
}
