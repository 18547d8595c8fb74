package jwks

import (
	"sync/atomic"
	"time"

	"github.com/go-usher/usher"
)

// snapshot is a fetched set. Its keys never change.
type snapshot struct {
	all  usher.Keys
	few  []keysOfID // all IDs, if there are few: a linear search is faster than a map
	byID map[string][]usher.Key
	keys map[exactKey]usher.Key // to reuse the same values when the set is fetched again

	freshUntil    time.Time
	fresh         atomic.Bool  // true until the timer fires; always false with an injected clock
	timer         *time.Timer  // nil with an injected clock
	lockFreeUntil atomic.Int64 // until when the set is used without a lock, in nanoseconds after Remote.born
}

// keysOfID are the keys with one ID that is not empty.
type keysOfID struct {
	id   string
	keys []usher.Key
}

const maxFew = 8

// newSnapshot returns a snapshot of the keys of parsed. It reuses the values of keys that previous also has, so tokens
// in the caches of decoders stay valid.
func newSnapshot(parsed parsedSet, previous *snapshot) *snapshot {
	s := &snapshot{
		all:  make(usher.Keys, 0, len(parsed.keys)),
		byID: make(map[string][]usher.Key),
		keys: make(map[exactKey]usher.Key),
	}
	for _, p := range parsed.keys {
		key, name := p.key, p.exact()
		if previous != nil {
			if known, ok := previous.keys[name]; ok {
				key = known
			}
		}
		s.keys[name] = key
		s.all = append(s.all, key)
		if id := key.ID(); id != "" {
			s.byID[id] = append(s.byID[id], key)
		}
	}
	if len(s.byID) <= maxFew {
		for id, keys := range s.byID {
			s.few = append(s.few, keysOfID{id, keys})
		}
	}
	s.byID[""] = s.all // any key may verify a token without a kid
	return s
}

// startTimer makes the snapshot fresh for slightly less than age. Timers may be late, so lookups read the clock in the
// last moment.
func (s *snapshot) startTimer(age time.Duration) {
	const moment = 10 * time.Millisecond
	s.fresh.Store(true)
	s.timer = time.AfterFunc(age-moment, func() { s.fresh.Store(false) })
}

func (s *snapshot) stop() {
	if s != nil && s.timer != nil {
		s.timer.Stop()
	}
}

// find returns the keys that a token with this kid may be verified with, or nil.
func (s *snapshot) find(kid string) []usher.Key {
	if s == nil {
		return nil
	}
	for i := range s.few {
		if s.few[i].id == kid {
			return s.few[i].keys
		}
	}
	if s.few != nil && kid != "" {
		return nil
	}
	return s.byID[kid]
}
