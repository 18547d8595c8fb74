package usher

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"github.com/go-usher/usher/internal/nilcheck"
	"github.com/go-usher/usher/internal/quote"
)

// SigningKeys provides the key that an [Encoder] signs with. [Key], [Keys] and [*KeyRing] implement it.
type SigningKeys interface {
	// SigningKey returns the current signing key. It is called for every token and must be safe for concurrent use. If
	// the key can't be reached, the error is ErrUnavailable.
	SigningKey(ctx context.Context) (Key, error)
}

// KeySource provides the keys that a [Decoder] verifies with. [Key], [Keys] and [*KeyRing] implement it.
type KeySource interface {
	// VerificationKeys returns the keys that a token with this kid may be verified with. If the token has no kid, kid
	// is "" and all keys may be returned. A decoder tries only the first eight keys of the token's algorithm. Callers
	// must not modify the result.
	//
	// If no key has this kid, the error is ErrUnknownKey. If the keys can't be reached, it is ErrUnavailable.
	// VerificationKeys is called for every token, even for cached ones, and must be safe for concurrent use.
	VerificationKeys(ctx context.Context, kid string) ([]Key, error)
}

// maxKeyID is the maximum length of a kid in bytes.
const maxKeyID = 256

// SigningKey returns the key itself, or a [ConfigError] if it can't sign.
func (k Key) SigningKey(context.Context) (Key, error) {
	if reason := k.unfitToSign(); reason != "" {
		return Key{}, &ConfigError{"key", reason}
	}
	return k, nil
}

// VerificationKeys returns the key if kid is its ID or "". Otherwise the error is ErrUnknownKey.
func (k Key) VerificationKeys(_ context.Context, kid string) ([]Key, error) {
	if k.keyState == nil {
		return Keys(nil).find(kid)
	}
	return k.self.find(kid)
}

// Keys is a fixed set of keys. The first one signs, and all of them verify. For a token without a kid, only the first
// eight keys of its algorithm are tried, so a larger set needs tokens with a kid.
type Keys []Key

// SigningKey returns the first key, or a [ConfigError] if it can't sign.
func (ks Keys) SigningKey(ctx context.Context) (Key, error) {
	if len(ks) == 0 {
		return Key{}, &ConfigError{"keys", "are empty"}
	}
	return ks[0].SigningKey(ctx)
}

// VerificationKeys returns the keys whose ID is kid, or all keys if kid is "". If there are none, the error is
// ErrUnknownKey.
func (ks Keys) VerificationKeys(_ context.Context, kid string) ([]Key, error) { return ks.find(kid) }

// KeyRing is a set of keys that can be replaced while the service runs. One key signs, and all of them verify. IDs are
// unique, and at most one key has no ID.
//
// To rotate keys without refusing valid tokens, Add the next key in every process, then Rotate to it. Retire the old
// key after the last token that it signed has expired.
//
// Create a KeyRing with [NewKeyRing]. It is safe for concurrent use.
type KeyRing struct {
	change sync.Mutex // held while the set is replaced
	keys   atomic.Pointer[Keys]
}

// NewKeyRing returns a ring in which current signs and the previous keys only verify. It reports a [ConfigError] if current
// can't sign, and for each key that is the zero Key or whose ID is not unique.
func NewKeyRing(current Key, previous ...Key) (*KeyRing, error) {
	var wrong configErrors
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

// Add adds a key that only verifies until Rotate makes it the signing key. Add it in every process before any process
// signs with it. Add returns a [ConfigError] if another key has the same ID.
func (r *KeyRing) Add(key Key) error {
	return r.update(func(keys Keys) (Keys, error) {
		if reason := keys.unfitToJoin(key); reason != "" {
			return nil, &ConfigError{"key", reason}
		}
		return append(keys, key), nil
	})
}

// Rotate makes next the signing key, whether or not it is in the ring already. The other keys still verify. Rotate
// returns a [ConfigError] if next can't sign or if another key has the same ID.
func (r *KeyRing) Rotate(next Key) error {
	return r.update(func(keys Keys) (Keys, error) {
		if reason := next.unfitToSign(); reason != "" {
			return nil, &ConfigError{"next", reason}
		}
		keys = slices.DeleteFunc(keys, func(key Key) bool {
			return key.id == next.id && key.alg.matches(next.alg) && key.verify.equal(next.verify)
		})
		if reason := keys.unfitToJoin(next); reason != "" {
			return nil, &ConfigError{"next", reason}
		}
		return slices.Insert(keys, 0, next), nil
	})
}

// Retire removes the key with this ID. Tokens that it signed are refused from then on. Retire returns a [ConfigError]
// if no key has this ID, or if it is the signing key.
func (r *KeyRing) Retire(kid string) error {
	return r.update(func(keys Keys) (Keys, error) {
		i := slices.IndexFunc(keys, func(key Key) bool { return key.id == kid })
		switch i {
		case -1:
			return nil, &ConfigError{"kid", "is " + quote.Text(kid) + ", but the ring has " + keys.ids()}
		case 0:
			return nil, &ConfigError{"kid", "is " + quote.Text(kid) + ", the signing key; rotate first"}
		}
		return slices.Delete(keys, i, i+1), nil
	})
}

// Keys returns a copy of the current keys. The first one signs.
func (r *KeyRing) Keys() Keys { return slices.Clone(r.current()) }

// SigningKey returns the current signing key.
func (r *KeyRing) SigningKey(ctx context.Context) (Key, error) { return r.current().SigningKey(ctx) }

// VerificationKeys returns the key whose ID is kid, or all keys if kid is "". If there are none, the error is
// ErrUnknownKey.
func (r *KeyRing) VerificationKeys(_ context.Context, kid string) ([]Key, error) {
	return r.current().find(kid)
}

func (r *KeyRing) current() Keys {
	if r == nil || r.keys.Load() == nil {
		return nil
	}
	return *r.keys.Load()
}

func (r *KeyRing) update(change func(Keys) (Keys, error)) error {
	if r.current() == nil {
		return &ConfigError{"KeyRing", "was not made with NewKeyRing"}
	}
	r.change.Lock()
	defer r.change.Unlock()
	keys, err := change(slices.Clone(r.current()))
	if err != nil {
		return err
	}
	r.keys.Store(&keys)
	return nil
}

// find returns the keys whose ID is kid, or all keys if kid is "". It does not allocate if one key has the ID.
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

// maxTries is the maximum number of keys that are tried for one token. It bounds the cost of a token without a kid.
const maxTries = 8

// candidates yields the keys to try for a token with this header, at most maxTries. They have the header's algorithm
// and, if it has a kid, this ID.
func candidates(keys []Key, h *header) iter.Seq[Key] {
	return func(yield func(Key) bool) {
		tries := 0
		for _, key := range keys {
			if !key.isCandidate(h) {
				continue
			}
			if tries++; tries > maxTries || !yield(key) {
				return
			}
		}
	}
}

func (k Key) isCandidate(h *header) bool {
	return k.keyState != nil && k.alg.matches(h.alg) && (h.kid == "" || k.id == h.kid)
}

// unknownKey returns the error for a token that matches none of the known keys. It names the kid and alg of the token
// and the keys of the source.
func unknownKey(h *header, known Keys) error {
	wanted := "no kid"
	if h.kid != "" {
		wanted = "kid " + quote.Text(h.kid)
	}
	if h.alg != "" {
		wanted += " and alg " + string(h.alg)
	}
	remedy := ""
	if h.kid != "" && slices.ContainsFunc(known, func(key Key) bool { return key.keyState != nil && key.id == "" }) {
		remedy = "; a key without ID matches no kid: set its ID with WithID"
	}
	return fmt.Errorf("%w: the token has %s, the source has %s%s", ErrUnknownKey, wanted, known.ids(), remedy)
}

// wrongSignature returns the error for a signature that none of the candidates verifies. If there were more candidates than
// maxTries, it says so.
func wrongSignature(h *header, keys []Key) error {
	untried := -maxTries
	for _, key := range keys {
		if key.isCandidate(h) {
			untried++
		}
	}
	if untried <= 0 {
		return ErrTokenSignature
	}
	return fmt.Errorf("%w: none of the first %d keys verifies it, and %d more were not tried; "+
		"give the keys IDs, and issue tokens with a kid", ErrTokenSignature, maxTries, untried)
}

// ids describes the first few keys for errors.
func (ks Keys) ids() string {
	if len(ks) == 0 {
		return "no keys"
	}
	var known []string
	for _, key := range ks[:min(len(ks), 4)] {
		id := "a key without ID"
		if key.ID() != "" {
			id = "kid " + quote.Text(key.ID())
		}
		known = append(known, id+" ("+string(key.Algorithm())+")")
	}
	list := strings.Join(known, ", ")
	if more := len(ks) - len(known); more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return list
}

// unfitToSign returns the reason why the key can't sign tokens, or "".
func (k Key) unfitToSign() string {
	switch {
	case k.keyState == nil:
		return "is the zero Key; make one with NewKey, ParseKey or GenerateKey"
	case k.sign == nil && k.alg.family() == "HS":
		return "can only verify, because DangerouslyShortKey made it; signing needs a secret that NewKey accepts"
	case k.sign == nil:
		return "can only verify; signing needs a private key or a secret"
	case len(k.id) > maxKeyID:
		return fmt.Sprintf("has an ID of %d bytes, but a token's kid has at most %d", len(k.id), maxKeyID)
	case !utf8.ValidString(k.id):
		return "has an ID that is not UTF-8"
	}
	return ""
}

// unfitToJoin returns the reason why the key can't be added to ks, or "".
func (ks Keys) unfitToJoin(key Key) string {
	switch {
	case key.keyState == nil:
		return "is the zero Key"
	case !slices.ContainsFunc(ks, func(k Key) bool { return k.ID() == key.id }):
		return ""
	case key.id == "":
		return "has no ID, like another key of the ring; tell them apart with WithID"
	}
	return "has the ID " + quote.Text(key.id) + ", which another key of the ring has"
}

// checkSigningKeys returns keys, or a copy if the caller could modify them later.
func checkSigningKeys(wrong *configErrors, keys SigningKeys) SigningKeys {
	if set, ok := keys.(Keys); ok {
		keys = slices.Clone(set)
	}
	switch {
	case isLocal(keys):
		var mistake *ConfigError
		if _, err := keys.SigningKey(context.Background()); errors.As(err, &mistake) {
			wrong.add("keys", "can't sign: the %s %s", mistake.Field, mistake.Reason)
		}
	case nilcheck.IsNil(keys):
		wrong.add("keys", "are nil")
	}
	return keys
}

// isLocal reports whether the source holds its keys in memory, like *keyfile.Keys, and needs no network to return one.
func isLocal(keys SigningKeys) bool {
	switch keys.(type) {
	case Key, Keys, *KeyRing:
		return true
	case interface{ Keys() Keys }:
		return !nilcheck.IsNil(keys)
	}
	return false
}

// checkKeySource returns keys, or a copy if the caller could modify them later.
func checkKeySource(wrong *configErrors, keys KeySource) KeySource {
	if set, ok := keys.(Keys); ok {
		keys = slices.Clone(set)
	}
	switch keys.(type) {
	case Key, Keys, *KeyRing:
		if all, err := keys.VerificationKeys(context.Background(), ""); err != nil || slices.Contains(all, Key{}) {
			wrong.add("keys", "are empty or contain the zero Key")
		}
	default:
		if nilcheck.IsNil(keys) {
			wrong.add("keys", "are nil")
		}
	}
	return keys
}
