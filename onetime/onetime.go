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

// Options are the options of [New]; nil means the defaults. The zero value of each field means its default.
type Options struct {
	// TTL is the lifetime of a token, from a second to 366 days. The default is an hour, which suits a password reset.
	// For the verification of an address, a day is usual.
	TTL time.Duration

	// OldSecrets are previous secrets. Tokens made with them are still accepted. Remove an old secret when all
	// processes have issued tokens with the new one for longer than TTL.
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

// Tokens issues and checks the tokens of one purpose. Create it with [New]; the methods of a zero or nil Tokens return
// usher.ErrUnavailable. It is immutable and safe for concurrent use. Printing it shows no secret.
type Tokens struct {
	keys []*keys // the first one issues, all of them check
	ttl  time.Duration
	now  func() time.Time
}

// New returns the Tokens for a purpose, such as "password reset". The purpose has 1 to 64 printable ASCII characters,
// without spaces around it. A token for one purpose is never accepted for another.
//
// secret must be random and the same in every process. It has at least 32 bytes, of which at least six must differ. It
// can also be used for other purposes, because keys are derived from it (HKDF, RFC 5869).
//
// If arguments are invalid, New returns a usher.ConfigError for each mistake, joined.
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

// unfit returns a ConfigError for each mistake in New's arguments.
func unfit(secret []byte, purpose string, o Options) (wrong []error) {
	add := func(field, reason string, args ...any) {
		wrong = append(wrong, &usher.ConfigError{Field: field, Reason: fmt.Sprintf(reason, args...)})
	}
	if reason := unfitSecret(secret); reason != "" {
		add("secret", "%s", reason)
	}
	if purpose == "" || len(purpose) > maxPurposeBytes || strings.Trim(purpose, " ") != purpose || !isPrintable(purpose) {
		add("purpose", "is %.80q, but must be 1 to %d printable ASCII characters without spaces around them",
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

// unfitSecret returns the reason why secret can't be an HMAC key, or "". It follows the rules of usher.NewKey.
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

// Issue returns a token for subject, the id of a user. It is valid until it expires or state changes. It contains
// subject but not state, and consists of lower-case letters and digits.
//
// state is any text that using the token changes, such as the password's hash together with the email address.
//
// Issue returns an error if subject is empty or longer than 255 bytes.
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

// Check returns the subject of a token and the current state that it was compared with. Spend the token with a
// compare-and-set that has this state as its old value.
//
// state returns the current state of the token's subject. It is called only if the token was issued by these Tokens and
// has not expired, so forged tokens cause no database query. Its context is ctx.
//
// Check returns ErrToken if the token is forged, malformed or of another purpose, if the state has changed, or if state
// returns usher.ErrNoUser. It returns ErrExpired, which is also ErrToken, if the token has expired. If ctx ends before
// state is called, it returns usher.ErrUnavailable, which also wraps the context's error. Other errors of state are
// returned wrapped. If the error is not nil, subject and current are empty.
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
		return "", "", fmt.Errorf("%w: onetime: the token was not checked: %w", usher.ErrUnavailable, err)
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

// ceilSecond rounds up, so that a token is valid for at least its TTL.
func ceilSecond(t time.Time) int64 {
	if t.Nanosecond() > 0 {
		return t.Unix() + 1
	}
	return t.Unix()
}

// keys are derived from one secret for one purpose. They are closures, because fmt prints only the address of a function.
type keys struct {
	// identityTag authenticates expiry and subject. It is checked before the subject is looked up.
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
			// The length separates the subject from the state.
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
