package usher

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/bcrypt"
)

// Bounds of passwords and of the work that they cause.
const (
	defaultPasswordCost      = 12
	maxPasswordCost          = 20 // a minute or so; above it, minutes
	costTolerance            = 4  // a stored hash may take up to 2⁴ times the configured work
	defaultMinPasswordLength = 8
	maxPasswordBytes         = 72 // bcrypt reads no further
	maxPasswordConcurrency   = 1 << 16
	passwordQueuePerSlot     = 64 // calls that may wait for each that computes
)

// HashPassword returns the bcrypt hash of a password, at cost 12: 60 characters that begin with $2a$12$, for
// a column of the users' table. The password is taken byte for byte, without Unicode normalisation.
//
// A password with fewer than 8 characters is ErrPasswordTooShort, one over 72 bytes ErrPasswordTooLong, one
// with a NUL byte ErrPasswordInvalid.
//
// A call takes a quarter of a second or so of one core, and nothing limits how many run at once; a service that
// strangers can reach wants [NewPasswords]. Safe for concurrent use.
func HashPassword(password string) (string, error) {
	rules := defaultPasswordRules()
	if err := rules.accept(password); err != nil {
		return "", err
	}
	return rules.hash(password)
}

// CheckPassword returns nil if password is the one that hash was made of. It is [Passwords.Check] with the
// default options, without a limit on how many run at once and without an upgraded hash: a wrong password
// and an empty hash are ErrPasswordMismatch, a hash that can't be checked is ErrBadHash, and all of them
// take the time of a comparison at cost 12 or more. Safe for concurrent use.
func CheckPassword(hash, password string) error {
	_, err := defaultPasswordRules().check(hash, password)
	return err
}

// PasswordVerifier checks one older hash format. It sees the stored hash, never an empty one or one of bcrypt,
// and the password as it was typed, whatever its length and bytes. recognized is false for a hash of another
// format, and match is then ignored.
//
// It runs while it holds one of the Concurrency slots, is called by several goroutines at once, and should
// compare in constant time. How much work a hash may demand is for the verifier to bound: what asks for more
// is not recognized.
type PasswordVerifier func(hash, password string) (recognized, match bool)

// PasswordOptions configures NewPasswords. The zero value of each field means its default.
type PasswordOptions struct {
	// Cost is the bcrypt cost of new hashes, from 4 to 20; one more doubles the time. The default is 12,
	// about a quarter of a second; 20 takes a minute, and 4 is for tests. Stored hashes may have any cost from 4 up
	// to this plus 4.
	Cost int

	// MinLength is how many characters (Unicode code points) a new password must have, at most 72. The
	// default is 8. Passwords that already have a hash are not measured.
	MinLength int

	// Concurrency is how many calls may compute at once; the default is half of GOMAXPROCS, but at least 1,
	// so that a flood of logins leaves the rest of the service its cores. For each, 64 more calls may wait:
	// room for a burst, while a flood can't pile up requests without end. At cost 12 the last of them waits
	// a quarter of a minute; a deadline on the context makes that shorter.
	Concurrency int

	// Legacy are older hash formats, which are verified and never made; the first that recognizes a hash
	// decides.
	Legacy []PasswordVerifier
}

// Passwords hashes and checks passwords with bcrypt, a bounded number at once. NewPasswords makes one; the
// methods of a zero or nil Passwords return ErrUnavailable. Safe for concurrent use.
type Passwords struct {
	passwordRules
	working  chan struct{} // holds one element for each call that computes
	admitted chan struct{} // holds one element for each call that computes or waits to
}

// NewPasswords returns a Passwords with these options; nil means the defaults. The error joins a [ConfigError]
// for each option that is out of its range and for each nil in Legacy.
func NewPasswords(opts *PasswordOptions) (*Passwords, error) {
	var o PasswordOptions
	if opts != nil {
		o = *opts
	}
	rules := defaultPasswordRules()
	if o.Cost != 0 {
		rules.cost = o.Cost
	}
	if o.MinLength != 0 {
		rules.minLength = o.MinLength
	}
	rules.legacy = slices.Clone(o.Legacy)
	concurrency := max(1, runtime.GOMAXPROCS(0)/2)
	if o.Concurrency != 0 {
		concurrency = o.Concurrency
	}

	var wrong misconfigured
	if rules.cost < bcrypt.MinCost || rules.cost > maxPasswordCost {
		wrong.add("PasswordOptions.Cost", "is %d, but must be from %d to %d (0 means %d)",
			rules.cost, bcrypt.MinCost, maxPasswordCost, defaultPasswordCost)
	}
	if rules.minLength < 1 || rules.minLength > maxPasswordBytes {
		wrong.add("PasswordOptions.MinLength", "is %d, but must be from 1 to %d, all that bcrypt reads (0 means %d)",
			rules.minLength, maxPasswordBytes, defaultMinPasswordLength)
	}
	if concurrency < 1 || concurrency > maxPasswordConcurrency {
		wrong.add("PasswordOptions.Concurrency", "is %d, but must be from 1 to %d (0 means half of GOMAXPROCS)",
			concurrency, maxPasswordConcurrency)
	}
	for i, verify := range rules.legacy {
		if verify == nil {
			wrong.add(fmt.Sprintf("PasswordOptions.Legacy[%d]", i), "is nil, but must be a function")
		}
	}
	if err := wrong.err(); err != nil {
		return nil, err
	}
	return &Passwords{
		passwordRules: rules,
		working:       make(chan struct{}, concurrency),
		admitted:      make(chan struct{}, concurrency*(1+passwordQueuePerSlot)),
	}, nil
}

// Hash returns the bcrypt hash of a new password, to be stored. The password is taken byte for byte, without
// Unicode normalisation.
//
// One over 72 bytes is ErrPasswordTooLong, one with a NUL byte ErrPasswordInvalid, one with fewer characters
// than MinLength ErrPasswordTooShort; these need no slot. A full queue is ErrUnavailable. So is a context that
// ends before the work starts, and the error is then the context's too.
func (p *Passwords) Hash(ctx context.Context, password string) (string, error) {
	if err := p.made(); err != nil {
		return "", err
	}
	if err := p.accept(password); err != nil {
		return "", err
	}
	if err := p.enter(ctx); err != nil {
		return "", err
	}
	defer p.leave()
	return p.hash(password)
}

// Check returns a nil error if password is the one that hash was made of. If the hash then is below today's
// Cost or of a Legacy format, rehash is a new one of the same password; store it only where the old one still
// stands (UPDATE … WHERE id = ? AND hash = ?), because the password may have been changed meanwhile. Otherwise
// rehash is empty, also when the password can't be hashed anew (72 bytes, NUL) or the context has ended: the
// login is as good without.
//
// For a user who does not exist, pass an empty hash. That is ErrPasswordMismatch, like a wrong password, a
// password over 72 bytes (even if another bcrypt library had cut it there) and one with a NUL byte. A hash is
// ErrBadHash, whose text says why, if it is not exactly $2a$, $2b$ or $2y$, a cost of two digits, $ and 53
// characters of bcrypt's alphabet, nor recognized by a Legacy verifier; if its cost is below 4 or above Cost
// plus 4; or if hash and password are plainly swapped.
//
// All these refusals take the time of one comparison at Cost. More is taken only by a hash of higher cost, and
// by what a Legacy verifier does before. A full queue is ErrUnavailable. So is a context that ends before the
// work starts, and the error is then the context's too; work that has started runs to its end.
func (p *Passwords) Check(ctx context.Context, hash, password string) (rehash string, err error) {
	err = p.made()
	if err == nil {
		err = p.enter(ctx)
	}
	if err != nil {
		return "", err
	}
	defer p.leave()
	outdated, err := p.check(hash, password)
	if err != nil || !outdated || ctx.Err() != nil {
		return "", err
	}
	rehash, _ = p.hash(password) // a failure here is no failed login
	return rehash, nil
}

func (p *Passwords) made() error {
	if p == nil || p.working == nil {
		return fmt.Errorf("%w: this Passwords was not made by NewPasswords", ErrUnavailable)
	}
	return nil
}

// enter takes a slot, and waits for one if it must. After a nil error, leave gives it back.
func (p *Passwords) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: password not looked at: %w", ErrUnavailable, err)
	}
	select {
	case p.admitted <- struct{}{}:
	default:
		return fmt.Errorf("%w: %d calls compute or wait to compute a password hash",
			ErrUnavailable, cap(p.admitted))
	}
	select {
	case p.working <- struct{}{}:
		return nil
	case <-ctx.Done():
		<-p.admitted
		return fmt.Errorf("%w: password still in the queue: %w", ErrUnavailable, ctx.Err())
	}
}

func (p *Passwords) leave() {
	<-p.working
	<-p.admitted
}

// passwordRules is what hashing and checking need, apart from the permission to run.
type passwordRules struct {
	cost, minLength int
	legacy          []PasswordVerifier
}

func defaultPasswordRules() passwordRules {
	return passwordRules{cost: defaultPasswordCost, minLength: defaultMinPasswordLength}
}

// accept says what is wrong with a new password.
func (r passwordRules) accept(password string) error {
	if err := hashable(password); err != nil {
		return err
	}
	if utf8.RuneCountInString(password) < r.minLength {
		return fmt.Errorf("%w: at least %d characters", ErrPasswordTooShort, r.minLength)
	}
	return nil
}

func (r passwordRules) hash(password string) (string, error) {
	if err := hashable(password); err != nil {
		return "", err
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), r.cost)
	return string(hash), err
}

// check compares, and says whether the hash, although right, should be replaced. It spends at least the
// configured cost before it refuses.
func (r passwordRules) check(hash, password string) (outdated bool, err error) {
	cost, isBcrypt := bcryptCost(hash)
	switch {
	case hash == "":
		err = ErrPasswordMismatch
	case !isBcrypt:
		err = r.checkLegacy(hash, password)
		outdated = true
	case cost < bcrypt.MinCost:
		err = fmt.Errorf("%w: its cost is %d, and bcrypt begins at %d", ErrBadHash, cost, bcrypt.MinCost)
	case cost > r.cost+costTolerance:
		err = fmt.Errorf("%w: its cost is %d, and the limit %d, the configured %d plus %d",
			ErrBadHash, cost, r.cost+costTolerance, r.cost, costTolerance)
	default:
		return r.checkBcrypt(hash, cost, password)
	}
	if err != nil {
		spend(password, r.cost)
		return false, err
	}
	return outdated, nil
}

func (r passwordRules) checkBcrypt(hash string, cost int, password string) (outdated bool, err error) {
	same := bcrypt.CompareHashAndPassword([]byte(hash), bcryptBytes(password)) == nil
	// What bcrypt can't see all of was compared all the same, so that it takes as long.
	if same && hashable(password) == nil {
		return cost < r.cost, nil
	}
	// Each step costs as much as everything before it; together they come to the configured cost.
	for ; cost < r.cost; cost++ {
		spend(password, cost)
	}
	return false, ErrPasswordMismatch
}

func (r passwordRules) checkLegacy(hash, password string) error {
	for _, verify := range r.legacy {
		if recognized, match := verify(hash, password); recognized && match {
			return nil
		} else if recognized {
			return ErrPasswordMismatch
		}
	}
	// Neither value may appear in these texts: where things are in the wrong place, a hash can be a password.
	if _, swapped := bcryptCost(password); swapped {
		return fmt.Errorf("%w: the arguments are swapped: a bcrypt hash was given as the password", ErrBadHash)
	}
	if strings.HasPrefix(hash, "$2") {
		return fmt.Errorf("%w: its %d bytes begin like bcrypt, but are not the 60 of "+
			"$2a$, $2b$ or $2y$, a cost of two digits, $, and 53 characters of bcrypt's alphabet", ErrBadHash, len(hash))
	}
	return fmt.Errorf("%w: neither bcrypt nor recognized by a verifier in PasswordOptions.Legacy", ErrBadHash)
}

// hashable says why bcrypt can't tell a password from others.
func hashable(password string) error {
	switch {
	case len(password) > maxPasswordBytes:
		return fmt.Errorf("%w: longer than %d bytes", ErrPasswordTooLong, maxPasswordBytes)
	case strings.IndexByte(password, 0) >= 0:
		return ErrPasswordInvalid
	}
	return nil
}

// bcryptBytes is as much of a password as bcrypt reads.
func bcryptBytes(password string) []byte {
	return []byte(password[:min(len(password), maxPasswordBytes)])
}

// spend takes the time of a comparison at this cost. It makes a hash and drops it: there is no dummy to compare
// with that could be malformed, and so be compared in no time.
func spend(password string, cost int) {
	_, _ = bcrypt.GenerateFromPassword(bcryptBytes(password), cost)
}

// bcryptCost returns the cost of a hash, from 0 to 99; ok says whether it has bcrypt's form. The form is checked
// here because x/crypto also takes other versions, longer hashes and other alphabets.
func bcryptCost(hash string) (cost int, ok bool) {
	const alphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	if len(hash) != len("$2a$12$")+53 || hash[:2] != "$2" || strings.IndexByte("aby", hash[2]) < 0 ||
		hash[3] != '$' || hash[6] != '$' || strings.Trim(hash[7:], alphabet) != "" {
		return 0, false
	}
	parsed, err := strconv.ParseUint(hash[4:6], 10, 8)
	return int(parsed), err == nil
}
