package jwks

import (
	"sync/atomic"
	"time"

	"github.com/go-usher/usher"
)

// snapshot is a set as it was fetched. Its keys never change.
type snapshot struct {
	all  usher.Keys
	few  []keysOfID // all IDs, if there are few: looking through them is faster than a map
	byID map[string][]usher.Key
	keys map[exactKey]usher.Key // to keep the same values when the set is fetched again

	freshUntil time.Time
	fresh      atomic.Bool  // until a timer ends it; always false with the caller's own clock
	timer      *time.Timer  // nil with the caller's own clock
	settled    atomic.Int64 // until when it answers without a further decision: nanoseconds after Remote.born
}

// keysOfID are the keys with one ID, the keys without ID left out.
type keysOfID struct {
	id   string
	keys []usher.Key
}

const maxFew = 8

// newSnapshot returns a snapshot of the keys of parsed. Keys that previous also has are the same values, so
// that tokens which decoders remember stay remembered.
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
	s.byID[""] = s.all // for tokens without kid, which any key may have signed
	return s
}

// startTimer makes the snapshot fresh for age, except for its last moment: a timer may be late, so look-ups see the
// clock by then.
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
