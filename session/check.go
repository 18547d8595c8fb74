package session

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/go-usher/usher"
)

// Check returns nil if the session of an access token is alive. Use it as usher.MiddlewareOptions.Check. It queries the
// store once, or not at all if it has a positive answer that is younger than Staleness.
//
// It returns usher.ErrTokenRevoked if the session has ended, if it belongs to another subject, or if the token has no
// session, and usher.ErrUnavailable if the store does not answer.
func (m *Manager[C]) Check(ctx context.Context, claims *usher.Claims) error {
	if err := m.usable(); err != nil {
		return err
	}
	if claims == nil || !isSubject(claims.Subject) || !isSessionID(claims.SessionID) {
		return fmt.Errorf("%w: it has no session", usher.ErrTokenRevoked)
	}
	now := m.now()
	alive, endings := m.recent.alive(claims.Subject, claims.SessionID, now)
	if alive {
		return nil
	}
	ctx, cancel := m.readContext(ctx)
	defer cancel()
	s, err := m.store.Lookup(ctx, claims.Subject, claims.SessionID, now)
	switch {
	case err == nil:
		m.recent.remember(claims.Subject, claims.SessionID, now, s.ExpiresAt, endings)
		return nil
	case errors.Is(err, ErrSessionEnded):
		return fmt.Errorf("%w: %w", usher.ErrTokenRevoked, err)
	default:
		return unavailable(err)
	}
}

// recentChecks caches sessions that were alive recently. It has two generations. When the young one is full, it becomes
// the old one, and the previous old one is dropped. Sessions that are checked move to the young one. A nil
// *recentChecks caches nothing.
type recentChecks struct {
	staleness time.Duration
	mu        sync.Mutex
	young     map[checkKey]checkAnswer
	old       map[checkKey]checkAnswer
	endings   uint64 // number of calls of forget and forgetSubject
}

type checkKey struct{ subject, id string }

type checkAnswer struct{ checkedAt, expiresAt time.Time }

// maxRecentChecks is the maximum size of each generation. A session takes about 200 bytes, so both take at most 13 MB.
const maxRecentChecks = 1 << 15

func newRecentChecks(staleness time.Duration) *recentChecks {
	return &recentChecks{staleness: staleness, young: map[checkKey]checkAnswer{}}
}

// alive reports whether the session was alive less than Staleness ago. If not, the caller queries the store and passes
// endings to remember.
func (c *recentChecks) alive(subject, id string, now time.Time) (alive bool, endings uint64) {
	if c == nil {
		return false, 0
	}
	key := checkKey{subject, id}
	c.mu.Lock()
	defer c.mu.Unlock()
	a, ok := c.young[key]
	if !ok {
		if a, ok = c.old[key]; ok {
			c.put(checkKey{strings.Clone(subject), strings.Clone(id)}, a)
		}
	}
	age := now.Sub(a.checkedAt)
	return ok && age >= 0 && age < c.staleness && now.Before(a.expiresAt), c.endings
}

// remember caches a positive answer, unless a session has ended since the query began, because it might be this one. It
// copies the strings, which would otherwise keep the whole token in memory.
func (c *recentChecks) remember(subject, id string, checkedAt, expiresAt time.Time, endings uint64) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.endings == endings {
		c.put(checkKey{strings.Clone(subject), strings.Clone(id)}, checkAnswer{checkedAt, expiresAt})
	}
}

func (c *recentChecks) put(key checkKey, a checkAnswer) {
	if len(c.young) >= maxRecentChecks {
		c.old, c.young = c.young, make(map[checkKey]checkAnswer)
	}
	c.young[key] = a
}

// forget drops sessions that this process has ended or has tried to end.
func (c *recentChecks) forget(subject string, ids ...string) {
	if c == nil || len(ids) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endings++
	for _, id := range ids {
		delete(c.young, checkKey{subject, id})
		delete(c.old, checkKey{subject, id})
	}
}

// forgetSubject drops all sessions of a subject.
func (c *recentChecks) forgetSubject(subject string) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endings++
	ofSubject := func(key checkKey, _ checkAnswer) bool { return key.subject == subject }
	maps.DeleteFunc(c.young, ofSubject)
	maps.DeleteFunc(c.old, ofSubject)
}
