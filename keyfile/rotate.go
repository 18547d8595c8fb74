package keyfile

import (
	"crypto"
	"slices"
	"time"

	"github.com/go-usher/usher"
)

// state is which keys there are, and since when.
type state struct {
	files    []file // in order of their names
	signer   usher.Key
	next     usher.Key // will sign at nextAt; zero if none will
	nextAt   time.Time
	retained []retained
}

// retained is a key whose file has gone or changed.
type retained struct {
	key   usher.Key
	until time.Time
}

// signerOf returns the first key that can sign of the file that signs.
func signerOf(files []file) usher.Key {
	for _, f := range files {
		if f.signs {
			return f.keys[slices.IndexFunc(f.keys, usher.Key.CanSign)]
		}
	}
	return usher.Key{}
}

// wouldLoseSigner reports a change that leaves no key to sign with, where there was one. It is more likely a mistake,
// or half of a change, than what is wanted.
func (s *state) wouldLoseSigner(files []file, path string) error {
	if s.signer != (usher.Key{}) && signerOf(files) == (usher.Key{}) {
		return configError(path, "has no key that can sign any more")
	}
	return nil
}

// change takes over what files have at now, and reports whether that is anything new.
func (s *state) change(files []file, now time.Time, o *Options) bool {
	if s.files != nil && slices.EqualFunc(s.files, files, sameFile) {
		return false
	}
	s.advance(now, o)
	for _, f := range s.files {
		for _, key := range f.keys {
			if key != s.signer && !inFiles(files, key) {
				s.retain(key, now, o)
			}
		}
	}
	s.files = files
	signer := signerOf(files)
	switch {
	case s.signer == (usher.Key{}), signer == (usher.Key{}):
		s.signer = signer
	case same(signer, s.signer):
		s.next = usher.Key{} // the change before was taken back
		s.signer = signer
	case s.next == (usher.Key{}) || !same(signer, s.next):
		s.next, s.nextAt = signer, now.Add(o.Overlap)
	}
	s.advance(now, o)
	return true
}

// advance does what time does: the next key signs, and keys stop being retained.
func (s *state) advance(now time.Time, o *Options) {
	if s.next != (usher.Key{}) && !now.Before(s.nextAt) {
		if !inFiles(s.files, s.signer) {
			s.retain(s.signer, s.nextAt, o)
		}
		s.signer, s.next = s.next, usher.Key{}
	}
	s.retained = slices.DeleteFunc(s.retained, func(r retained) bool { return !now.Before(r.until) })
}

func (s *state) retain(key usher.Key, since time.Time, o *Options) {
	if o.Retain < 0 {
		return
	}
	s.retained = slices.DeleteFunc(s.retained, func(r retained) bool { return r.key == key })
	s.retained = append(s.retained, retained{key, since.Add(o.Retain)})
}

// at returns the keys as they are at now.
func (s *state) at(now time.Time, o *Options) *view {
	s.advance(now, o)
	v := new(view)
	add := func(key usher.Key) {
		if key != (usher.Key{}) && !slices.ContainsFunc(v.keys, func(k usher.Key) bool { return same(k, key) }) {
			v.keys = append(v.keys, key)
		}
	}
	add(s.signer)
	v.signs = s.signer.CanSign()
	add(s.next)
	for _, f := range s.files {
		for _, key := range f.keys {
			add(key)
		}
	}
	for _, r := range s.retained {
		add(r.key)
		v.changesAt(r.until)
	}
	if s.next != (usher.Key{}) {
		v.changesAt(s.nextAt)
	}
	return v
}

func (v *view) changesAt(t time.Time) {
	if v.until.IsZero() || t.Before(v.until) {
		v.until = t
	}
}

func inFiles(files []file, key usher.Key) bool {
	return slices.ContainsFunc(files, func(f file) bool {
		return slices.ContainsFunc(f.keys, func(k usher.Key) bool { return same(k, key) })
	})
}

// same reports whether two keys are the same value, or the same key pair under the same ID and algorithm.
func same(a, b usher.Key) bool {
	if a == b {
		return true
	}
	if a.ID() != b.ID() || a.Algorithm() != b.Algorithm() {
		return false
	}
	public, ok := a.PublicKey().(interface {
		Equal(other crypto.PublicKey) bool
	})
	return ok && public.Equal(b.PublicKey())
}
