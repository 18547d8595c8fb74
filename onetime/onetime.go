package onetime

import (
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/go-usher/usher"
)

const (
	defaultTTL       = time.Hour
	minTTL           = time.Second
	maxTTL           = 366 * 24 * time.Hour
	maxPurposeBytes  = 64
	maxSubjectBytes  = 255
	maxExpirySeconds = 253402300799 // the last second of the year 9999
)

// Options configures New. The zero value of each field means its default.
type Options struct {
	// TTL is how long a token lives, from a second to 366 days. The default is an hour, which suits a password
	// reset; the verification of an address may take a day.
	TTL time.Duration

	// OldSecrets are secrets that New was called with before. Tokens made with them are still accepted. Remove one
	// TTL after every process issues tokens with the new secret.
	OldSecrets [][]byte

	// Now returns the time; the default is time.Now.
	Now func() time.Time
}

// String returns the type's name, without the secrets.
func (o Options) String() string { return "onetime.Options{…}" }

// Format implements fmt.Formatter. Every verb prints what String returns.
func (o Options) Format(f fmt.State, _ rune) { fmt.Fprint(f, o.String()) }

// LogValue returns the type's name, without the secrets.
func (o Options) LogValue() slog.Value { return slog.StringValue(o.String()) }

// Tokens issues and checks the tokens of one purpose. New makes one; the methods of a zero or nil Tokens return
// usher.ErrUnavailable. It is immutable and safe for concurrent use, and printing it shows no secret.
type Tokens struct {
	keys []*keys // the first one issues, all of them check
	ttl  time.Duration
	now  func() time.Time
}

// New returns the Tokens of a purpose, such as "password reset". A token of one purpose is never accepted for another.
//
// secret is random, the same in every process, and fit to be an HMAC key: at least 32 bytes, at least six of them
// different. It may also be used for other things, because the keys are derived from it (HKDF, RFC 5869).
//
// The error joins a usher.ConfigError for each mistake in secret, purpose (1 to 64 printable ASCII characters, no blank
// at either end) and opts. A nil opts means the defaults.
func New(secret []byte, purpose string, opts *Options) (*Tokens, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.TTL == 0 {
		o.TTL = defaultTTL
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := errors.Join(unfit(secret, purpose, o)...); err != nil {
		return nil, err
	}
	t := &Tokens{ttl: o.TTL, now: o.Now}
	for _, s := range append([][]byte{secret}, o.OldSecrets...) {
		k, err := deriveKeys(s, purpose)
		if err != nil {
			return nil, err
		}
		t.keys = append(t.keys, k)
	}
	return t, nil
}

// unfit returns a ConfigError for everything that is wrong with New's arguments.
func unfit(secret []byte, purpose string, o Options) (wrong []error) {
	add := func(field, reason string, args ...any) {
		wrong = append(wrong, &usher.ConfigError{Field: field, Reason: fmt.Sprintf(reason, args...)})
	}
	if reason := unfitSecret(secret); reason != "" {
		add("secret", "%s", reason)
	}
	if purpose == "" || len(purpose) > maxPurposeBytes || strings.Trim(purpose, " ") != purpose || !isPrintable(purpose) {
		add("purpose", "is %.80q, but must be 1 to %d printable ASCII characters without a blank at either end",
			purpose, maxPurposeBytes)
	}
	if o.TTL < minTTL || o.TTL > maxTTL {
		add("Options.TTL", "is %v, but must be from %v to %v (0 means %v)", o.TTL, minTTL, maxTTL, defaultTTL)
	}
	for i, old := range o.OldSecrets {
		if reason := unfitSecret(old); reason != "" {
			add(fmt.Sprintf("Options.OldSecrets[%d]", i), "%s", reason)
		}
	}
	return wrong
}

// unfitSecret says why secret can't be an HMAC key, or "". The rules are those of usher.NewKey.
func unfitSecret(secret []byte) string {
	_, err := usher.NewKey(usher.HS256, secret)
	var wrong *usher.ConfigError
	if !errors.As(err, &wrong) {
		return ""
	}
	return wrong.Reason
}

func isPrintable(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}

// Issue returns a token for subject, the id of a user, which works as long as the user's state is what it is now.
//
// state is any text that the use of the token changes, such as the password's hash together with the e-mail address. The
// token contains subject, and does not contain state. It consists of lower-case letters and digits.
//
// A subject that is empty or longer than 255 bytes is an error.
func (t *Tokens) Issue(subject, state string) (string, error) {
	if !t.usable() {
		return "", errNotMade()
	}
	if subject == "" || len(subject) > maxSubjectBytes {
		return "", fmt.Errorf("onetime: the subject has %d bytes, but must have 1 to %d", len(subject), maxSubjectBytes)
	}
	expiry := ceilSecond(t.now().Add(t.ttl))
	if expiry < 0 || expiry > maxExpirySeconds {
		return "", fmt.Errorf("onetime: the token would expire at Unix time %d, which is out of range", expiry)
	}
	c := content{expiry: expiry, subject: subject}
	c.identity = t.keys[0].identityTag(c)
	c.state = t.keys[0].stateTag(c, state)
	return c.encode(), nil
}

// Check returns the subject of a token, and the state that it was compared with, which is the old value of a
// compare-and-set: whoever spends the token writes only where that state still stands.
//
// It calls state, for the token's subject, only if the token was issued by these Tokens and has not expired; a forged
// token never reaches the application's database. Its context is ctx.
//
// Errors: ErrToken if the token is forged, malformed, of another purpose, or dead because the state has changed or state
// returned usher.ErrNoUser; ErrExpired, which is also ErrToken, if its time is over; usher.ErrUnavailable, together with
// the context's error, if ctx has ended before state was called. Other errors of state are returned wrapped. An error
// comes with an empty subject and state.
func (t *Tokens) Check(ctx context.Context, token string, state func(ctx context.Context, subject string) (string, error)) (subject, current string, err error) {
	if !t.usable() {
		return "", "", errNotMade()
	}
	if state == nil {
		return "", "", fmt.Errorf("%w: onetime: Check needs a function that returns the state", usher.ErrUnavailable)
	}
	c, issuedBy, err := t.authenticate(token)
	if err != nil {
		return "", "", err
	}
	if err := ctx.Err(); err != nil {
		return "", "", fmt.Errorf("%w: onetime: token not judged: %w", usher.ErrUnavailable, err)
	}
	current, err = state(ctx, c.subject)
	if errors.Is(err, usher.ErrNoUser) {
		return "", "", fmt.Errorf("%w: %w", ErrToken, err)
	}
	if err != nil {
		return "", "", fmt.Errorf("onetime: state: %w", err)
	}
	if want := issuedBy.stateTag(c, current); !hmac.Equal(c.state[:], want[:]) {
		return "", "", fmt.Errorf("%w: used, or its subject has changed since", ErrToken)
	}
	return c.subject, current, nil
}

// authenticate returns the content of a token that was issued by these Tokens and has not expired, and the keys that
// it was issued with.
func (t *Tokens) authenticate(token string) (content, *keys, error) {
	c, ok := decode(token)
	if !ok {
		return content{}, nil, fmt.Errorf("%w: malformed", ErrToken)
	}
	for _, k := range t.keys {
		if want := k.identityTag(c); !hmac.Equal(c.identity[:], want[:]) {
			continue
		}
		if t.now().Unix() >= c.expiry {
			return content{}, nil, ErrExpired
		}
		return c, k, nil
	}
	return content{}, nil, fmt.Errorf("%w: forged, of another purpose, or made with another secret", ErrToken)
}

func (t *Tokens) usable() bool { return t != nil && len(t.keys) > 0 }

func errNotMade() error {
	return fmt.Errorf("%w: this onetime.Tokens was not made by New", usher.ErrUnavailable)
}

// ceilSecond rounds up, so that no token lives shorter than its TTL.
func ceilSecond(t time.Time) int64 {
	if t.Nanosecond() > 0 {
		return t.Unix() + 1
	}
	return t.Unix()
}

// keys are derived from one secret for one purpose. They are closures, because fmt prints of functions only where they
// are, whatever the verb.
type keys struct {
	// identityTag authenticates expiry and subject, so that nothing forged is looked up.
	identityTag func(content) tag
	// stateTag also authenticates the state.
	stateTag func(c content, state string) tag
}

func deriveKeys(secret []byte, purpose string) (*keys, error) {
	derived, err := hkdf.Key(sha256.New, secret, nil, "github.com/go-usher/usher/onetime v1 "+purpose, 2*sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("onetime: deriving keys: %w", err)
	}
	identity, state := derived[:sha256.Size], derived[sha256.Size:]
	return &keys{
		identityTag: func(c content) tag { return tagOf(identity, c.covered()) },
		stateTag: func(c content, text string) tag {
			covered := c.covered()
			// The length in front keeps bytes from moving between the subject and the state.
			return tagOf(state, binary.BigEndian.AppendUint32(nil, uint32(len(covered))), covered, []byte(text))
		},
	}, nil
}

func tagOf(key []byte, parts ...[]byte) (t tag) {
	mac := hmac.New(sha256.New, key)
	for _, part := range parts {
		mac.Write(part)
	}
	copy(t[:], mac.Sum(nil))
	return t
}
