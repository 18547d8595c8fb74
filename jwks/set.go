package jwks

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/go-usher/usher"
	"github.com/go-usher/usher/internal/quote"
)

const (
	maxSetSize = 1 << 20 // bytes
	maxSetKeys = 256
)

// byteOrderMark may precede JSON; RFC 8259 §8.1 lets readers ignore it.
var byteOrderMark = []byte("\ufeff")

// ParseOptions are the options of [Parse]; nil means the defaults.
type ParseOptions struct {
	// DefaultAlgorithms are the algorithms of keys without alg. Such a key becomes one usher.Key for each of these that
	// its type allows. The default is RS256 for RSA keys, EdDSA for Ed25519 keys, HS256 for secrets, and the curve's
	// algorithm for EC keys.
	DefaultAlgorithms []usher.Algorithm
}

// Parse reads your own JWK Set or JWK (RFC 7517 §4 and §5). It may contain private and symmetric keys. For the sets of
// other issuers use [NewRemote], which refuses such keys.
//
// Keys that are not for signatures are skipped: those with an unknown kty or crv, an alg that is not a supported
// signature algorithm, a use other than sig, or key_ops without sign (without verify, if the key is public). A key
// without a kid has no ID.
//
// Any other mistake in a key is an error. It is also an error if the set contains both symmetric and other keys, or
// different keys with the same kid and alg; if it has more than 1 MiB or 256 keys; or if no key is left. Names of
// members must be unique and are case-sensitive. All mistakes are reported at once, each as a [usher.ConfigError].
func Parse(set []byte, opts *ParseOptions) (usher.Keys, error) {
	var o ParseOptions
	if opts != nil {
		o = *opts
	}
	if err := checkAlgorithms("ParseOptions.DefaultAlgorithms", o.DefaultAlgorithms, supported); err != nil {
		return nil, err
	}
	texts, err := split(set, true)
	if err != nil {
		return nil, configError("set", err.Error())
	}
	s := readAll(reader{defaults: o.DefaultAlgorithms}, texts)
	problems := s.wrong
	if slices.ContainsFunc(s.keys, isSecret) && slices.ContainsFunc(s.keys, isNoSecret) {
		problems = append(problems, configError("set", "mixes symmetric keys with others: publishing it would publish secrets"))
	}
	if len(s.keys) == 0 && len(problems) == 0 {
		problems = append(problems, s.irrelevant...)
		problems = append(problems, configError("set", "has no key for signatures"))
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return s.usable(), nil
}

func isSecret(key parsedKey) bool { return key.secret }

func isNoSecret(key parsedKey) bool { return !key.secret }

// checkAlgorithms reports algorithms that are not among those allowed.
func checkAlgorithms(field string, algs, allowed []usher.Algorithm) error {
	var problems []error
	if algs != nil && len(algs) == 0 {
		problems = append(problems, configError(field, "are empty; nil means the defaults"))
	}
	for _, alg := range algs {
		if !slices.Contains(allowed, alg) {
			problems = append(problems, configErrorf(field, "contain %s, but must be among %v", quote.Text(string(alg)), allowed))
		}
	}
	return errors.Join(problems...)
}

// split returns the JWKs of a set. If single is true, text may also be a single JWK.
func split(text []byte, single bool) ([]jsontext.Value, error) {
	if len(text) > maxSetSize {
		return nil, fmt.Errorf("has %d bytes, but at most %d are allowed", len(text), maxSetSize)
	}
	text = bytes.TrimPrefix(text, byteOrderMark)
	var set struct {
		Type jsontext.Value    `json:"kty"`
		Keys *[]jsontext.Value `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, notAnObject(err)
	}
	isKey := len(set.Type) > 0
	switch {
	case set.Keys == nil && isKey && single:
		return []jsontext.Value{text}, nil
	case set.Keys == nil:
		return nil, errors.New("is not a JWK Set: it has no member keys")
	case isKey && single:
		return nil, errors.New("has both kty and keys: it could be a JWK or a JWK Set")
	case len(*set.Keys) > maxSetKeys:
		return nil, fmt.Errorf("has %d keys, but at most %d are allowed", len(*set.Keys), maxSetKeys)
	}
	return *set.Keys, nil
}

// notAnObject returns an error for invalid JSON. It contains no part of the JSON.
func notAnObject(err error) error {
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok && semantic.JSONPointer != "" {
		return fmt.Errorf("has a member of the wrong type: %s", semantic.JSONPointer)
	}
	if errors.Is(err, jsontext.ErrDuplicateName) {
		return errors.New("has a member twice in one JSON object")
	}
	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return fmt.Errorf("is not one JSON object in UTF-8: it is invalid at byte %d", syntactic.ByteOffset)
	}
	return errors.New("is not one JSON object")
}

// parsedSet is the result of parsing the JWKs of one set.
type parsedSet struct {
	keys       []parsedKey
	wrong      []error // the errors of invalid keys
	irrelevant []error // the reasons for skipping keys for another purpose
}

// readAll reads the JWKs of a set. It drops duplicates. Different keys with the same kid and alg are all skipped,
// because they are ambiguous.
func readAll(r reader, texts []jsontext.Value) parsedSet {
	var s parsedSet
	var all []parsedKey
	digests := make(map[identity]string)
	ambiguous := make(map[identity]bool)
	for i, text := range texts {
		field := fmt.Sprintf("keys[%d]", i)
		keys, err := r.read(text)
		if err != nil {
			if _, ok := errors.AsType[*irrelevantError](err); ok {
				s.irrelevant = append(s.irrelevant, configError(field, err.Error()))
			} else {
				s.wrong = append(s.wrong, configError(field, err.Error()))
			}
			continue
		}
		for _, key := range keys {
			name := identityOf(key.key)
			digest, taken := digests[name]
			if taken && digest != key.digest && name.id != "" && !ambiguous[name] {
				ambiguous[name] = true
				s.wrong = append(s.wrong, configErrorf(field, "differs from another key with the kid %s and the alg %s", quote.Text(name.id), name.alg))
			}
			digests[name] = key.digest
		}
		all = append(all, keys...)
	}
	seen := make(map[exactKey]bool)
	for _, key := range all {
		if !ambiguous[identityOf(key.key)] && !seen[key.exact()] {
			s.keys = append(s.keys, key)
			seen[key.exact()] = true
		}
	}
	return s
}

func (s parsedSet) usable() usher.Keys {
	keys := make(usher.Keys, 0, len(s.keys))
	for _, key := range s.keys {
		keys = append(keys, key.key)
	}
	return keys
}

func configError(field, reason string) error {
	return &usher.ConfigError{Field: field, Reason: reason}
}

func configErrorf(field, format string, args ...any) error {
	return configError(field, fmt.Sprintf(format, args...))
}
