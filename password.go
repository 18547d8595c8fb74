package usher

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/bcrypt"

	"github.com/go-usher/usher/internal/bcrypthash"
	"github.com/go-usher/usher/internal/hashcheck"
	"github.com/go-usher/usher/internal/slots"
)

// Limits of passwords and of the work that they cause.
const (
	defaultPasswordCost      = 12
	maxPasswordCost          = 20 // about a minute
	defaultMinPasswordLength = 8
	maxPasswordConcurrency   = 1 << 16
	passwordQueuePerSlot     = 64 // waiting calls for each running one
	passwordClientShare      = 4  // one client may have a quarter of all running and waiting calls
)

// HashPassword returns the bcrypt hash of a password with cost 12: 60 characters that begin with $2a$12$. Store it with the
// user. The password is hashed byte for byte, without Unicode normalization.
//
// The error is ErrPasswordTooShort for fewer than 8 characters, ErrPasswordTooLong for more than 72 bytes, and
// ErrPasswordInvalid for a NUL byte. All three are ErrPasswordUnfit.
//
// A call takes about a quarter of a second of CPU time. The number of simultaneous calls is not limited, so services on the
// internet should use [NewPasswords]. HashPassword is safe for concurrent use.
func HashPassword(password string) (string, error) {
	p, _ := NewPasswords(nil) // can't fail: the defaults are valid
	if err := p.accept(password); err != nil {
		return "", err
	}
	return bcrypthash.New(password, p.cost)
}

// CheckPassword returns nil if hash was made from password. The error is ErrPasswordMismatch for a wrong password or an
// empty hash, and ErrBadHash for a hash that can't be checked. Every refusal takes at least the time of a comparison at
// cost 12.
//
// CheckPassword is like [Passwords.Check] with the default options, but it does not limit the number of simultaneous
// calls and returns no upgraded hash. It is safe for concurrent use.
func CheckPassword(hash, password string) error {
	p, _ := NewPasswords(nil) // can't fail: the defaults are valid
	_, err := p.check(hash, password)
	return err
}

// PasswordVerifier checks hashes of one older format. Package legacyhash has verifiers for the common formats.
//
// hash is a stored hash that is not empty and is neither bcrypt nor passlib's bcrypt-sha256, version 2. password may
// have any length and any bytes. If the hash has another format, recognized is false and match is ignored.
//
// A verifier runs in one of the Concurrency slots. It must be safe for concurrent use and should compare in constant
// time. It must limit the work of a hash: for one that demands more, it returns false for recognized.
type PasswordVerifier func(hash, password string) (recognized, match bool)

// PasswordOptions are the options of [NewPasswords]. The zero value of each field means its default.
// They print and log without Costliest.
type PasswordOptions struct {
	// Cost is the bcrypt cost of new hashes, from 4 to 20. Each step doubles the time. The default is 12, about a
	// quarter of a second; 20 takes a minute, and 4 is for tests. Stored hashes of any cost from 4 to 14 are
	// accepted, and above that up to Cost plus 4.
	Cost int

	// MinLength is the minimum number of characters (Unicode code points) of a new password, from 1 to 72. The default
	// is 8. Check ignores it.
	MinLength int

	// Concurrency is the maximum number of simultaneous calls. The default is half of GOMAXPROCS, but at least 1, which
	// leaves cores for the rest of the service when many users log in. For each running call, 64 more may wait. At cost
	// 12 the last of them waits about 16 seconds, unless the context has a deadline. One client may have a quarter of
	// all running and waiting calls, rounded up: see [ContextWithClient].
	Concurrency int

	// Legacy are verifiers for older hash formats. They only check hashes; new hashes are always bcrypt. The first
	// verifier that recognizes a hash decides.
	Legacy []PasswordVerifier

	// Costliest is a stored hash of the slowest kind in use, such as one from your database. It has a higher bcrypt
	// cost than Cost, or a Legacy format. Every refusal then takes as long as a check of that hash, so response times
	// do not reveal who has an account or which kind of hash it has. The default is a bcrypt hash of Cost.
	//
	// NewPasswords measures a Legacy hash: it checks it up to three times, and computes bcrypt for as long.
	Costliest string

	// AnyLength allows new passwords of up to 4096 bytes. Those of more than 72 bytes are hashed with passlib's
	// bcrypt-sha256, version 2, whose hashes have up to 83 characters. If AnyLength is false, they are
	// ErrPasswordTooLong. Check reads this format in any case.
	AnyLength bool
}

// Format implements fmt.Formatter. Every verb prints what String returns.
func (o PasswordOptions) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, o.String()) }

// String returns the type's name, without the hash.
func (o PasswordOptions) String() string { return "usher.PasswordOptions{…}" }

// LogValue returns the type's name, without the hash.
func (o PasswordOptions) LogValue() slog.Value { return slog.StringValue(o.String()) }

// Passwords hashes and checks passwords with bcrypt. Create it with [NewPasswords]; the methods of a zero or nil
// Passwords return ErrUnavailable. It is safe for concurrent use.
//
// It limits the number of simultaneous calls. Hash and Check return ErrUnavailable if the queue is full, if one client
// has too many calls, or if the context ends before the work starts. In the last case, the error also wraps the
// context's error. Work that has started is not interrupted.
type Passwords struct {
	cost, minLength int
	anyLength       bool
	hashes          *hashcheck.Checker
	queue           *slots.Queue
}

// NewPasswords returns a Passwords with these options; nil means the defaults. It reports all mistakes at once, each as a
// [ConfigError]: options that are out of range, a nil in Legacy, and a Costliest that Check would refuse.
func NewPasswords(opts *PasswordOptions) (*Passwords, error) {
	var o PasswordOptions
	if opts != nil {
		o = *opts
	}
	o.Cost = cmp.Or(o.Cost, defaultPasswordCost)
	o.MinLength = cmp.Or(o.MinLength, defaultMinPasswordLength)
	o.Concurrency = cmp.Or(o.Concurrency, max(1, runtime.GOMAXPROCS(0)/2))
	o.Legacy = slices.Clone(o.Legacy)
	wrong := o.mistakes()
	p := &Passwords{cost: o.Cost, minLength: o.MinLength, anyLength: o.AnyLength}
	if len(wrong) == 0 {
		var err error
		p.hashes, err = hashcheck.New(o.Cost, o.checkLegacy, o.Costliest)
		switch {
		case errors.Is(err, hashcheck.ErrUnrecognized):
			wrong.add("PasswordOptions.Costliest", "is neither bcrypt nor recognized by a verifier in Legacy, but must be a stored hash")
		case err != nil:
			wrong.add("PasswordOptions.Costliest", "is not a usable password hash: %v", err)
		}
	}
	if err := wrong.err(); err != nil {
		return nil, err
	}
	waiting := o.Concurrency * passwordQueuePerSlot
	perClient := (o.Concurrency + waiting + passwordClientShare - 1) / passwordClientShare
	p.queue = slots.New(o.Concurrency, waiting, perClient)
	return p, nil
}

// mistakes returns the mistakes in options whose defaults have been set. It does not check Costliest.
func (o *PasswordOptions) mistakes() (wrong configErrors) {
	if o.Cost < bcrypt.MinCost || o.Cost > maxPasswordCost {
		wrong.add("PasswordOptions.Cost", "is %d, but must be from %d to %d (0 means %d)",
			o.Cost, bcrypt.MinCost, maxPasswordCost, defaultPasswordCost)
	}
	if o.MinLength < 1 || o.MinLength > bcrypthash.MaxPassword {
		wrong.add("PasswordOptions.MinLength", "is %d, but must be from 1 to %d, bcrypt's limit (0 means %d)",
			o.MinLength, bcrypthash.MaxPassword, defaultMinPasswordLength)
	}
	if o.Concurrency < 1 || o.Concurrency > maxPasswordConcurrency {
		wrong.add("PasswordOptions.Concurrency", "is %d, but must be from 1 to %d (0 means half of GOMAXPROCS)",
			o.Concurrency, maxPasswordConcurrency)
	}
	for i, verify := range o.Legacy {
		if verify == nil {
			wrong.add(fmt.Sprintf("PasswordOptions.Legacy[%d]", i), "is nil, but must be a function")
		}
	}
	return wrong
}

// checkLegacy checks a hash with the first verifier that recognizes it.
func (o *PasswordOptions) checkLegacy(hash, password string) (recognized, match bool) {
	for _, verify := range o.Legacy {
		if recognized, match := verify(hash, password); recognized {
			return true, match
		}
	}
	return false, false
}

// Hash returns the bcrypt hash of a new password, which has 60 characters. With AnyLength, the hash of a password of
// more than 72 bytes has up to 83. The password is hashed byte for byte, without Unicode normalization.
//
// The error is ErrPasswordTooLong for more than 72 bytes (4096 with AnyLength), ErrPasswordInvalid for a NUL byte, and
// ErrPasswordTooShort for fewer characters than MinLength. All three are ErrPasswordUnfit and are returned without
// waiting in the queue. For ErrUnavailable, see [Passwords].
func (p *Passwords) Hash(ctx context.Context, password string) (string, error) {
	if err := p.usable(); err != nil {
		return "", err
	}
	if err := p.accept(password); err != nil {
		return "", err
	}
	leave, err := p.enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	return bcrypthash.New(password, p.cost)
}

// Check returns a nil error if hash was made from password. If the hash has a lower cost than Cost or a Legacy format,
// rehash is a new hash of the same password. Replace the old hash only if it is still stored (UPDATE … WHERE id = ? AND
// hash = ?), because the password may have been changed in the meantime. Otherwise rehash is empty. It is also empty,
// with a nil error, if the password can't be hashed again (too long, NUL byte) or the context has ended.
//
// For a user who does not exist, pass an empty hash. The error is then ErrPasswordMismatch, as for a wrong password,
// for a password with a NUL byte, and for one of more than 72 bytes with a bcrypt hash. Some bcrypt libraries truncate
// such a password instead.
//
// The error is ErrBadHash if the hash is neither bcrypt nor passlib's bcrypt-sha256, version 2, and no Legacy verifier
// recognizes it; if its cost is below 4, or above both 14 and Cost plus 4; or if the arguments are swapped. Its text
// says which. A bcrypt hash is exactly $2a$, $2b$ or $2y$, two digits, $ and 53 characters of bcrypt's alphabet.
//
// Every refusal takes as long as a check of Costliest, or longer if the hash itself is slower. For ErrUnavailable, see
// [Passwords].
func (p *Passwords) Check(ctx context.Context, hash, password string) (rehash string, err error) {
	if err := p.usable(); err != nil {
		return "", err
	}
	leave, err := p.enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	outdated, err := p.check(hash, password)
	if err != nil || !outdated || ctx.Err() != nil || p.hashable(password) != nil {
		return "", err
	}
	rehash, _ = bcrypthash.New(password, p.cost) // the login succeeds even if this fails
	return rehash, nil
}

func (p *Passwords) usable() error {
	if p == nil || p.queue == nil {
		return fmt.Errorf("%w: this Passwords was not made by NewPasswords", ErrUnavailable)
	}
	return nil
}

// enter waits for a slot. If the error is nil, the caller must call leave.
func (p *Passwords) enter(ctx context.Context) (leave func(), err error) {
	client, _ := ctx.Value(clientKey{}).(string)
	if err := p.queue.Enter(ctx, client); err != nil {
		return nil, fmt.Errorf("%w: the password was not checked: %w", ErrUnavailable, err)
	}
	return func() { p.queue.Leave(client) }, nil
}

// ContextWithClient returns a context that identifies the client for [Passwords.Hash] and [Passwords.Check], for
// example by its network address. One client may have at most a quarter of all running and waiting calls, so it can't
// block the others. The limit does not apply to an empty client, or to calls without such a context.
func ContextWithClient(ctx context.Context, client string) context.Context {
	return context.WithValue(ctx, clientKey{}, client)
}

type clientKey struct{}

// accept returns an error if a new password can't be used.
func (p *Passwords) accept(password string) error {
	if err := p.hashable(password); err != nil {
		return err
	}
	if utf8.RuneCountInString(password) < p.minLength {
		return fmt.Errorf("%w: at least %d characters", ErrPasswordTooShort, p.minLength)
	}
	return nil
}

// hashable returns an error if a password can't be hashed.
func (p *Passwords) hashable(password string) error {
	limit := bcrypthash.MaxPassword
	if p.anyLength {
		limit = bcrypthash.MaxLongPassword
	}
	switch {
	case len(password) > limit:
		return fmt.Errorf("%w: longer than %d bytes", ErrPasswordTooLong, limit)
	case strings.IndexByte(password, 0) >= 0:
		return ErrPasswordInvalid
	}
	return nil
}

// check compares the password with the hash. If they match, outdated reports whether the hash should be replaced.
func (p *Passwords) check(hash, password string) (outdated bool, err error) {
	outdated, err = p.hashes.Check(hash, password)
	switch {
	case err == nil:
		return outdated, nil
	case errors.Is(err, hashcheck.ErrMismatch):
		return false, ErrPasswordMismatch
	case errors.Is(err, hashcheck.ErrUnrecognized):
		return false, fmt.Errorf("%w: neither bcrypt nor recognized by a verifier in PasswordOptions.Legacy", ErrBadHash)
	}
	return false, fmt.Errorf("%w: %w", ErrBadHash, err)
}
