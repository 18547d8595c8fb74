package keyfile

import (
	"crypto"
	"slices"
	"time"

	"github.com/go-usher/usher"
)

// state is the files with their keys, and the times of coming changes.
type state struct {
	files    []file // sorted by name
	signer   usher.Key
	next     usher.Key // the signing key from nextAt on; zero if no change is planned
	nextAt   time.Time
	retained []retained
}

// retained is a key whose file was removed or changed.
type retained struct {
	key   usher.Key
	until time.Time
}

// signerOf returns the first key that can sign in the file with the signing key.
func signerOf(files []file) usher.Key {
	for _, f := range files {
		if f.signs {
			return f.keys[slices.IndexFunc(f.keys, usher.Key.CanSign)]
		}
	}
	return usher.Key{}
}

// wouldLoseSigner returns an error if a change would leave no key that can sign although there was one. This is
// probably a mistake, or a change that is not complete yet.
func (s *state) wouldLoseSigner(files []file, path string) error {
	if s.signer != (usher.Key{}) && signerOf(files) == (usher.Key{}) {
		return configError(path, "no longer has a key that can sign")
	}
	return nil
}

// change replaces the files and reports whether any key has changed.
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
		s.next = usher.Key{} // the previous change was reverted
		s.signer = signer
	case !same(signer, s.next):
		s.next, s.nextAt = signer, now.Add(o.Overlap)
	}
	s.advance(now, o)
	return true
}

// advance applies the changes that are due at now: the next key becomes the signing key, and retained keys are dropped.
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

// at returns the keys at now.
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

// same reports whether two keys are the same value, or the same key pair with the same ID and algorithm.
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
