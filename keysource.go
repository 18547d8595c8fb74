package usher

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"
)

// SigningKeys is where an [Encoder] gets the key to sign with. [Key], [Keys] and [*KeyRing] are SigningKeys.
type SigningKeys interface {
	// SigningKey returns the key to sign with now. It is called for every token, from many goroutines.
	// A source that can't be reached returns an error that is ErrUnavailable.
	SigningKey(ctx context.Context) (Key, error)
}

// KeySource is where a [Decoder] gets the keys to verify with. [Key], [Keys] and [*KeyRing] are KeySources.
type KeySource interface {
	// VerificationKeys returns the keys that a token with this kid may be verified with; kid is "" for a
	// token that has none, and then all keys may come. The result is not modified. If no key has this kid
	// the error is ErrUnknownKey, and if the source can't be reached it is ErrUnavailable. The method is
	// called for every token, remembered ones included, from many goroutines.
	VerificationKeys(ctx context.Context, kid string) ([]Key, error)
}

// SigningKey returns the key itself, or a [ConfigError] if it can't sign.
func (k Key) SigningKey(context.Context) (Key, error) {
	if reason := k.unfitToSign(); reason != "" {
		return Key{}, &ConfigError{"key", reason}
	}
	return k, nil
}

// VerificationKeys returns the key alone if kid is its ID or "", else ErrUnknownKey.
func (k Key) VerificationKeys(_ context.Context, kid string) ([]Key, error) {
	if k.keyState == nil {
		return nil, unknownKey(&header{kid: kid}, nil)
	}
	return k.self.find(kid)
}

// Keys is a fixed set of keys: the first signs, all of them verify.
type Keys []Key

// SigningKey returns the first key, or a [ConfigError] if it can't sign.
func (ks Keys) SigningKey(ctx context.Context) (Key, error) {
	if len(ks) == 0 {
		return Key{}, &ConfigError{"keys", "are empty"}
	}
	return ks[0].SigningKey(ctx)
}

// VerificationKeys returns the keys whose ID is kid, or all for "". If there is none the error is
// ErrUnknownKey.
func (ks Keys) VerificationKeys(_ context.Context, kid string) ([]Key, error) { return ks.find(kid) }

// KeyRing is a set of keys that can be rotated while it serves. One of them signs, all of them verify; IDs
// are unique, and at most one is empty. To rotate without refusing anybody: Add the next key in every
// process, then Rotate to it, and Retire the old one when the last token that it signed has expired. A
// KeyRing is made by [NewKeyRing] and safe for concurrent use.
type KeyRing struct {
	change sync.Mutex // held by those who change the set
	keys   atomic.Pointer[Keys]
}

// NewKeyRing returns a ring in which current signs, and previous keys still verify. What is wrong is
// reported as [ConfigError].
func NewKeyRing(current Key, previous ...Key) (*KeyRing, error) {
	var wrong misconfigured
	if reason := current.unfitToSign(); reason != "" {
		wrong.add("current", "%s", reason)
	}
	keys := append(Keys{current}, previous...)
	for i, key := range previous {
		if reason := keys[:i+1].unfitToJoin(key); reason != "" {
			wrong.add(fmt.Sprintf("previous[%d]", i), "%s", reason)
		}
	}
	if err := wrong.err(); err != nil {
		return nil, err
	}
	ring := new(KeyRing)
	ring.keys.Store(&keys)
	return ring, nil
}

// Add lets key verify, and not yet sign, so that every process knows it before any signs with it. A key whose
// ID is taken is refused with a [ConfigError].
func (r *KeyRing) Add(key Key) error {
	return r.update(func(keys Keys) (Keys, error) {
		if reason := keys.unfitToJoin(key); reason != "" {
			return nil, &ConfigError{"key", reason}
		}
		return append(keys, key), nil
	})
}

// Rotate lets next sign from now on; the keys before it still verify. If next is already in the ring it is
// promoted. A key that can't sign, or whose ID is another key's, is refused with a [ConfigError].
func (r *KeyRing) Rotate(next Key) error {
	return r.update(func(keys Keys) (Keys, error) {
		if reason := next.unfitToSign(); reason != "" {
			return nil, &ConfigError{"next", reason}
		}
		keys = slices.DeleteFunc(keys, func(key Key) bool {
			return key.id == next.id && key.alg == next.alg && key.verify.equal(next.verify)
		})
		if reason := keys.unfitToJoin(next); reason != "" {
			return nil, &ConfigError{"next", reason}
		}
		return slices.Insert(keys, 0, next), nil
	})
}

// Retire removes the key with this ID: the tokens that it signed are refused at once. The key that signs, and
// an ID that no key has, are refused with a [ConfigError].
func (r *KeyRing) Retire(kid string) error {
	return r.update(func(keys Keys) (Keys, error) {
		i := slices.IndexFunc(keys, func(key Key) bool { return key.id == kid })
		switch i {
		case -1:
			return nil, &ConfigError{"kid", "is " + quote(kid) + ", but the ring has " + keys.ids()}
		case 0:
			return nil, &ConfigError{"kid", "is " + quote(kid) + ", the key that signs; rotate first"}
		}
		return slices.Delete(keys, i, i+1), nil
	})
}

// Keys returns a copy of the ring's keys as they are now; the first is the one that signs.
func (r *KeyRing) Keys() Keys { return slices.Clone(r.now()) }

// SigningKey returns the key that signs now.
func (r *KeyRing) SigningKey(ctx context.Context) (Key, error) { return r.now().SigningKey(ctx) }

// VerificationKeys returns the key whose ID is kid, or all for "". If there is none the error is
// ErrUnknownKey.
func (r *KeyRing) VerificationKeys(_ context.Context, kid string) ([]Key, error) {
	return r.now().find(kid)
}

func (r *KeyRing) now() Keys {
	if r == nil || r.keys.Load() == nil {
		return nil
	}
	return *r.keys.Load()
}

func (r *KeyRing) update(change func(Keys) (Keys, error)) error {
	if r.now() == nil {
		return &ConfigError{"KeyRing", "was not made by NewKeyRing"}
	}
	r.change.Lock()
	defer r.change.Unlock()
	keys, err := change(slices.Clone(r.now()))
	if err != nil {
		return err
	}
	r.keys.Store(&keys)
	return nil
}

// find returns the keys whose ID is kid, without allocating where one key has it.
func (ks Keys) find(kid string) ([]Key, error) {
	if kid == "" && len(ks) > 0 {
		return ks, nil
	}
	var found []Key
	for i, key := range ks {
		switch {
		case key.ID() != kid:
		case found == nil:
			found = ks[i : i+1 : i+1]
		default:
			found = append(found, key)
		}
	}
	if found == nil {
		return nil, unknownKey(&header{kid: kid}, ks)
	}
	return found, nil
}

// maxTries bounds how many keys are tried for a token without kid.
const maxTries = 8

// candidates yields the keys that a token with this header may be verified with: a kid matches only an equal
// ID, and the algorithm is the key's.
func candidates(keys []Key, h *header) iter.Seq[Key] {
	return func(yield func(Key) bool) {
		tries := 0
		for _, key := range keys {
			if key.keyState == nil || key.alg != h.alg || h.kid != "" && key.id != h.kid {
				continue
			}
			if tries++; tries > maxTries || !yield(key) {
				return
			}
		}
	}
}

// unknownKey is the error for a header that none of the known keys goes with; both sides are named.
func unknownKey(h *header, known Keys) error {
	asked := "no kid"
	if h.kid != "" {
		asked = "kid " + quote(h.kid)
	}
	if h.alg != "" {
		asked += " and alg " + string(h.alg)
	}
	return fmt.Errorf("%w: the token has %s, the source has %s", ErrUnknownKey, asked, known.ids())
}

// ids describes the keys for the operator, a few at most.
func (ks Keys) ids() string {
	if len(ks) == 0 {
		return "no keys"
	}
	var b strings.Builder
	for i, key := range ks {
		if i == 4 {
			fmt.Fprintf(&b, " and %d more", len(ks)-i)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		if key.ID() == "" {
			b.WriteString("a key without ID")
		} else {
			b.WriteString("kid " + quote(key.ID()))
		}
		fmt.Fprintf(&b, " (%s)", key.Algorithm())
	}
	return b.String()
}

// unfitToSign says why tokens can't be signed with the key, or "".
func (k Key) unfitToSign() string {
	switch {
	case k.keyState == nil:
		return "is the zero Key; make one with NewKey, ParseKey or GenerateKey"
	case k.sign == nil:
		return "can only verify; signing wants a private key or a secret"
	case len(k.id) > maxKeyID:
		return fmt.Sprintf("has an ID of %d bytes, but %d are the most that a token may name", len(k.id), maxKeyID)
	case !utf8.ValidString(k.id):
		return "has an ID that is not UTF-8"
	}
	return ""
}

// unfitToJoin says why the key can't be one more of ks, or "".
func (ks Keys) unfitToJoin(key Key) string {
	switch {
	case key.keyState == nil:
		return "is the zero Key"
	case !slices.ContainsFunc(ks, func(k Key) bool { return k.ID() == key.id }):
		return ""
	case key.id == "":
		return "has no ID, like another key of the ring; name them apart with WithID"
	}
	return "has the ID " + quote(key.id) + ", which another key of the ring has"
}
