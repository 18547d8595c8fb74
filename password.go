package usher

import (
	"context"
	"fmt"
	"math/bits"
	"runtime"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/bcrypt"

	"github.com/go-usher/usher/internal/bcrypthash"
	"github.com/go-usher/usher/internal/slots"
)

// Bounds of passwords and of the work that they cause.
const (
	defaultPasswordCost      = 12
	maxPasswordCost          = 20 // a minute or so; above it, minutes
	alwaysAcceptedCost       = 14 // stored hashes of up to this cost are compared, whatever the configured cost is
	costTolerance            = 4  // and those of up to 2⁴ times the configured work
	defaultMinPasswordLength = 8
	maxPasswordBytes         = 72 // bcrypt reads no further
	maxLongPasswordBytes     = 4096
	maxPasswordConcurrency   = 1 << 16
	passwordQueuePerSlot     = 64 // calls that may wait for each that computes
	passwordClientShare      = 4  // a client may have a quarter of the places
)

// HashPassword returns the bcrypt hash of a password at cost 12: 60 characters that begin with $2a$12$, for a column of
// your users' table. The password is hashed byte for byte, without Unicode normalisation.
//
// A password with fewer than 8 characters is ErrPasswordTooShort, one over 72 bytes ErrPasswordTooLong, one with a NUL
// byte ErrPasswordInvalid; all three are ErrPasswordUnfit.
//
// A call takes about a quarter of a second of one core, and nothing limits how many run at once. A service that strangers
// can reach should use [NewPasswords]. HashPassword is safe for concurrent use.
func HashPassword(password string) (string, error) {
	rules := defaultPasswordRules()
	if err := rules.accept(password); err != nil {
		return "", err
	}
	return rules.hash(password)
}

// CheckPassword returns nil if hash was made from password. It is [Passwords.Check] with the default options, without a
// limit on how many run at once and without an upgraded hash. A wrong password and an empty hash are
// ErrPasswordMismatch; a hash that can't be checked is ErrBadHash. Every refusal takes the time of a comparison at
// cost 12 or more. CheckPassword is safe for concurrent use.
func CheckPassword(hash, password string) error {
	_, err := defaultPasswordRules().check(hash, password)
	return err
}

// PasswordVerifier checks hashes of one older format; the package legacyhash has verifiers for the common ones. It
// gets the stored hash, which is never empty, plain bcrypt or version 2 of passlib's bcrypt-sha256, and the password
// as it was typed, whatever its length and bytes. recognized is false for a hash of another format; match is then
// ignored.
//
// A verifier runs while it holds one of the Concurrency slots. It must be safe for concurrent use, should compare in
// constant time, and must bound how much work a hash may demand: it does not recognize what asks for more.
type PasswordVerifier func(hash, password string) (recognized, match bool)

// PasswordOptions configures NewPasswords. The zero value of each field means its default.
type PasswordOptions struct {
	// Cost is the bcrypt cost of new hashes, from 4 to 20. Each step doubles the time. The default is 12, about a
	// quarter of a second; 20 takes a minute, and 4 is for tests. Stored hashes of any cost from 4 to 14 are
	// accepted, and above that up to Cost plus 4.
	Cost int

	// MinLength is how many characters (Unicode code points) a new password must have, from 1 to 72. The default
	// is 8. Check does not ask for it.
	MinLength int

	// Concurrency is how many calls may compute at once. The default is half of GOMAXPROCS, but at least 1, so that a
	// flood of logins leaves cores to the rest of the service. For each of them 64 more calls may wait. At cost 12
	// the last of these waits about 16 seconds; a deadline on the context makes that shorter. One client may have a
	// quarter of all places, rounded up: see [ContextWithClient].
	Concurrency int

	// Legacy are verifiers of older hash formats, which are checked and never made. The first one that recognizes a
	// hash decides.
	Legacy []PasswordVerifier

	// Costliest is a stored hash of the slowest kind that is still in use, such as one from your users' table: of a
	// higher bcrypt cost than Cost, or of a Legacy format. Every refusal then does as much work as a check of that
	// hash, so that the time of an answer does not tell who has an account, or what kind of hash it has. The
	// default is a bcrypt hash of Cost.
	//
	// NewPasswords measures a Legacy hash by checking it up to three times, and computing bcrypt for as long.
	Costliest string

	// AnyLength lets new passwords have up to 4096 bytes. Those of more than 72 bytes are stored in version 2 of
	// passlib's bcrypt-sha256 format, whose hashes have up to 83 characters. Without it they are ErrPasswordTooLong.
	// Check reads the format either way.
	AnyLength bool
}

// Passwords hashes and checks passwords with bcrypt, a bounded number at once. NewPasswords makes one; the
// methods of a zero or nil Passwords return ErrUnavailable. It is safe for concurrent use.
type Passwords struct {
	rules *passwordRules
	queue *slots.Queue
}

// NewPasswords returns a Passwords with these options; nil means the defaults. The error joins a [ConfigError]
// for each option that is out of its range, for each nil in Legacy, and for a Costliest that Check would not accept.
func NewPasswords(opts *PasswordOptions) (*Passwords, error) {
	var o PasswordOptions
	if opts != nil {
		o = *opts
	}
	setDefault(&o.Cost, defaultPasswordCost)
	setDefault(&o.MinLength, defaultMinPasswordLength)
	setDefault(&o.Concurrency, max(1, runtime.GOMAXPROCS(0)/2))
	o.Legacy = slices.Clone(o.Legacy)
	wrong := o.mistakes()
	rules := &passwordRules{cost: o.Cost, minLength: o.MinLength, anyLength: o.AnyLength, legacy: o.Legacy}
	if len(wrong) == 0 {
		if reason := rules.setCostliest(o.Costliest); reason != "" {
			wrong.add("PasswordOptions.Costliest", "%s", reason)
		}
	}
	if err := wrong.err(); err != nil {
		return nil, err
	}
	waiting := o.Concurrency * passwordQueuePerSlot
	perClient := (o.Concurrency + waiting + passwordClientShare - 1) / passwordClientShare
	return &Passwords{rules: rules, queue: slots.New(o.Concurrency, waiting, perClient)}, nil
}

func setDefault(option *int, value int) {
	if *option == 0 {
		*option = value
	}
}

// mistakes returns what is wrong with options whose defaults have been set, apart from Costliest.
func (o *PasswordOptions) mistakes() (wrong misconfigured) {
	if o.Cost < bcrypt.MinCost || o.Cost > maxPasswordCost {
		wrong.add("PasswordOptions.Cost", "is %d, but must be from %d to %d (0 means %d)",
			o.Cost, bcrypt.MinCost, maxPasswordCost, defaultPasswordCost)
	}
	if o.MinLength < 1 || o.MinLength > maxPasswordBytes {
		wrong.add("PasswordOptions.MinLength", "is %d, but must be from 1 to %d, all that bcrypt reads (0 means %d)",
			o.MinLength, maxPasswordBytes, defaultMinPasswordLength)
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

// Hash returns the hash of a new password, to be stored: 60 characters of bcrypt, or with AnyLength and a password of more
// than 72 bytes, up to 83. The password is hashed byte for byte, without Unicode normalisation.
//
// A password over 72 bytes (4096 with AnyLength) is ErrPasswordTooLong, one with a NUL byte ErrPasswordInvalid, one
// with fewer characters than MinLength ErrPasswordTooShort. All three are ErrPasswordUnfit, and never wait. A full
// queue, or too many calls of one client, is ErrUnavailable. So is a context that ends before the work starts; the
// error is then the context's too.
func (p *Passwords) Hash(ctx context.Context, password string) (string, error) {
	if err := p.usable(); err != nil {
		return "", err
	}
	if err := p.rules.accept(password); err != nil {
		return "", err
	}
	leave, err := p.enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	return p.rules.hash(password)
}

// Check returns a nil error if hash was made from password. If the hash has a lower cost than Cost or a Legacy format,
// rehash is a new hash of the same password. Store it only where the old one still stands (UPDATE … WHERE id = ? AND
// hash = ?), because the password may have been changed meanwhile. Otherwise rehash is empty, also when the password can't
// be hashed anew (too long, NUL) or the context has ended: that is not a failed login.
//
// For a user who does not exist, pass an empty hash. That is ErrPasswordMismatch, like a wrong password, a password
// over 72 bytes for a bcrypt hash (even if another bcrypt library had truncated it) and one with a NUL byte.
//
// ErrBadHash, whose text says why, is a hash that is neither bcrypt nor passlib's bcrypt-sha256, version 2, nor
// recognized by a Legacy verifier; whose cost is below 4, or above both 14 and Cost plus 4; or which was plainly
// swapped with the password. A bcrypt hash is exactly $2a$, $2b$ or $2y$, two digits, $ and 53 characters of bcrypt's
// alphabet.
//
// Every refusal takes the time of a check of Costliest. Only a hash that is slower than Costliest takes longer. A
// full queue, or too many calls of one client, is ErrUnavailable. So is a context that ends before the work starts;
// the error is then the context's too. Work that has started runs to its end.
func (p *Passwords) Check(ctx context.Context, hash, password string) (rehash string, err error) {
	if err := p.usable(); err != nil {
		return "", err
	}
	leave, err := p.enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	outdated, err := p.rules.check(hash, password)
	if err != nil || !outdated || ctx.Err() != nil {
		return "", err
	}
	rehash, _ = p.rules.hash(password) // a failure here is no failed login
	return rehash, nil
}

func (p *Passwords) usable() error {
	if p == nil || p.queue == nil {
		return fmt.Errorf("%w: this Passwords was not made by NewPasswords", ErrUnavailable)
	}
	return nil
}

// enter waits until the call may compute. After a nil error leave must be called.
func (p *Passwords) enter(ctx context.Context) (leave func(), err error) {
	client, _ := ctx.Value(clientKey{}).(string)
	if err := p.queue.Enter(ctx, client); err != nil {
		return nil, fmt.Errorf("%w: password not looked at: %w", ErrUnavailable, err)
	}
	return func() { p.queue.Leave(client) }, nil
}

// ContextWithClient returns a context that says for which client a password is hashed or checked: its network address, or
// whatever else tells clients apart. All calls of one client together get at most a quarter of the places in the queue of
// a [Passwords], so that one client can't keep the others out. An empty client has no such limit; neither have calls
// whose context was not made by ContextWithClient.
func ContextWithClient(ctx context.Context, client string) context.Context {
	return context.WithValue(ctx, clientKey{}, client)
}

type clientKey struct{}

// passwordRules is what hashing and checking need, apart from the permission to run.
type passwordRules struct {
	cost, minLength int
	anyLength       bool
	legacy          []PasswordVerifier
	refusal         passwordWork // of every refusal
	costliest       string       // a hash of a Legacy format whose check is that work; empty if bcrypt does it
}

func defaultPasswordRules() *passwordRules {
	return &passwordRules{
		cost: defaultPasswordCost, minLength: defaultMinPasswordLength, refusal: bcryptWork(defaultPasswordCost),
	}
}

// accept says what is wrong with a new password.
func (r *passwordRules) accept(password string) error {
	if err := r.hashable(password); err != nil {
		return err
	}
	if utf8.RuneCountInString(password) < r.minLength {
		return fmt.Errorf("%w: at least %d characters", ErrPasswordTooShort, r.minLength)
	}
	return nil
}

// hashable says why a password can't be hashed.
func (r *passwordRules) hashable(password string) error {
	limit := maxPasswordBytes
	if r.anyLength {
		limit = maxLongPasswordBytes
	}
	switch {
	case len(password) > limit:
		return fmt.Errorf("%w: longer than %d bytes", ErrPasswordTooLong, limit)
	case strings.IndexByte(password, 0) >= 0:
		return ErrPasswordInvalid
	}
	return nil
}

func (r *passwordRules) hash(password string) (string, error) {
	if err := r.hashable(password); err != nil {
		return "", err
	}
	if len(password) > maxPasswordBytes {
		return bcrypthash.NewSHA256(password, r.cost)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), r.cost)
	return string(hash), err
}

// check compares, and says whether the hash, although right, should be replaced.
func (r *passwordRules) check(hash, password string) (outdated bool, err error) {
	outdated, done, err := r.compare(hash, password)
	if err != nil {
		r.refuse(password, done)
		return false, err
	}
	return outdated, nil
}

// compare also returns the work that it has done.
func (r *passwordRules) compare(hash, password string) (outdated bool, done passwordWork, err error) {
	if hash == "" {
		return false, 0, ErrPasswordMismatch
	}
	stored, ok := parseStoredHash(hash)
	if !ok {
		done, err = r.compareLegacy(hash, password)
		return true, done, err
	}
	if err := r.acceptCost(stored.cost); err != nil {
		return false, 0, err
	}
	if !stored.matches(password) {
		return false, bcryptWork(stored.cost), ErrPasswordMismatch
	}
	return stored.cost < r.cost, 0, nil
}

func (r *passwordRules) acceptCost(cost int) error {
	if cost < bcrypt.MinCost {
		return fmt.Errorf("%w: its cost is %d, but bcrypt's lowest is %d", ErrBadHash, cost, bcrypt.MinCost)
	}
	if limit := max(alwaysAcceptedCost, r.cost+costTolerance); cost > limit {
		return fmt.Errorf("%w: its cost is %d, and the limit %d (%d, or the configured %d plus %d)",
			ErrBadHash, cost, limit, alwaysAcceptedCost, r.cost, costTolerance)
	}
	return nil
}

func (r *passwordRules) compareLegacy(hash, password string) (passwordWork, error) {
	start := time.Now()
	recognized, match := r.verifyLegacy(hash, password)
	switch {
	case match:
		return 0, nil
	case recognized:
		return r.estimate(time.Since(start), password), ErrPasswordMismatch
	}
	return 0, explainBadHash(hash, password)
}

func (r *passwordRules) verifyLegacy(hash, password string) (recognized, match bool) {
	for _, verify := range r.legacy {
		if recognized, match := verify(hash, password); recognized {
			return true, match
		}
	}
	return false, false
}

// explainBadHash says why a hash can't be checked. The text shows neither argument, because a hash that is in the wrong
// place can be a password.
func explainBadHash(hash, password string) error {
	if _, swapped := parseStoredHash(password); swapped {
		return fmt.Errorf("%w: the arguments are swapped: a bcrypt hash was passed as the password", ErrBadHash)
	}
	if strings.HasPrefix(hash, "$2") {
		return fmt.Errorf("%w: its %d bytes begin like bcrypt, but are not the 60 of "+
			"$2a$, $2b$ or $2y$, a cost of two digits, $, and 53 characters of bcrypt's alphabet", ErrBadHash, len(hash))
	}
	return fmt.Errorf("%w: neither bcrypt nor recognized by a verifier in PasswordOptions.Legacy", ErrBadHash)
}

// storedHash is a hash that Passwords makes itself: bcrypt, or passlib's bcrypt-sha256 for long passwords.
type storedHash struct {
	cost    int
	matches func(password string) bool
}

func parseStoredHash(hash string) (storedHash, bool) {
	if cost, ok := bcrypthash.Cost(hash); ok {
		return storedHash{cost, func(password string) bool { return matchesBcrypt(hash, password) }}, true
	}
	if long, ok := bcrypthash.ParseSHA256(hash); ok && long.Version == 2 {
		return storedHash{long.Cost, func(password string) bool { return matchesLong(long, password) }}, true
	}
	return storedHash{}, false
}

// matchesBcrypt is false for a password of which bcrypt can't read everything. It is compared nevertheless, so that it
// takes as long.
func matchesBcrypt(hash, password string) bool {
	same := bcrypt.CompareHashAndPassword([]byte(hash), bcryptBytes(password)) == nil
	return same && len(password) <= maxPasswordBytes && strings.IndexByte(password, 0) < 0
}

func matchesLong(hash bcrypthash.SHA256, password string) bool {
	same := hash.Matches(password[:min(len(password), maxLongPasswordBytes)])
	return same && len(password) <= maxLongPasswordBytes
}

// bcryptBytes is as much of a password as bcrypt reads.
func bcryptBytes(password string) []byte {
	return []byte(password[:min(len(password), maxPasswordBytes)])
}

// passwordWork is an amount of work, in rounds of bcrypt: 2 to the cost.
type passwordWork uint64

func bcryptWork(cost int) passwordWork { return 1 << cost }

// setCostliest sets the work of refusals, or says what is wrong with the hash.
func (r *passwordRules) setCostliest(hash string) (reason string) {
	r.refusal = bcryptWork(r.cost)
	if hash == "" {
		return ""
	}
	if stored, ok := parseStoredHash(hash); ok {
		if err := r.acceptCost(stored.cost); err != nil {
			return "is " + strings.TrimPrefix(err.Error(), "usher: ")
		}
		r.refusal = max(r.refusal, bcryptWork(stored.cost))
		return ""
	}
	work, ok := r.measure(hash)
	if !ok {
		return "is neither bcrypt nor recognized by a verifier in Legacy, but must be a stored hash"
	}
	if work > r.refusal {
		r.refusal, r.costliest = work, hash
	}
	return ""
}

// measure returns the work of checking a hash of a Legacy format: as much as bcrypt does in the same time. Both are
// measured for about as long, so that a busy machine slows both alike; the median of three results counts.
func (r *passwordRules) measure(hash string) (work passwordWork, recognized bool) {
	const (
		rounds   = 3
		enough   = time.Second
		chunk    = bcrypt.MinCost + 2
		password = "a password of some length"
	)
	var results []passwordWork
	for start := time.Now(); len(results) < rounds && time.Since(start) < enough; {
		check := timeOf(func() { recognized, _ = r.verifyLegacy(hash, password) })
		if !recognized {
			return 0, false
		}
		var reference time.Duration
		var spent passwordWork
		for spent == 0 || reference > 0 && reference < check {
			reference += timeOf(func() { spend(password, bcryptWork(chunk)) })
			spent += bcryptWork(chunk)
		}
		results = append(results, spent.scaled(check, reference))
	}
	slices.Sort(results)
	return results[len(results)/2], true
}

func timeOf(call func()) time.Duration {
	start := time.Now()
	call()
	return time.Since(start)
}

// refuse does the work that is left until a refusal has taken as much as every other one.
func (r *passwordRules) refuse(password string, done passwordWork) {
	if done == 0 && r.costliest != "" {
		_, _ = r.verifyLegacy(r.costliest, password)
		return
	}
	if done < r.refusal {
		spend(password, r.refusal-done)
	}
}

// estimate returns how much work a verifier has done in some time. It finds out by how much bcrypt gets done now, since
// the same work takes longer on a busy machine, and includes what that took.
func (r *passwordRules) estimate(elapsed time.Duration, password string) passwordWork {
	const share = 5 // 2⁻⁵ of all
	probe := bcryptWork(max(bcrypt.MinCost, bits.Len64(uint64(r.refusal))-1-share))
	return probe + probe.scaled(elapsed, timeOf(func() { spend(password, probe) }))
}

// scaled returns the work of which as much gets done in a time as w in reference. No reference, or a clock that
// stands still, is no work.
func (w passwordWork) scaled(t, reference time.Duration) passwordWork {
	if reference <= 0 {
		return 0
	}
	return passwordWork(float64(w) * float64(t) / float64(reference))
}

// spend does some work, rounded to a multiple of bcrypt's smallest amount, in powers of two. It makes hashes and drops them:
// a dummy hash to compare with could be malformed, and would then be compared in no time.
func spend(password string, work passwordWork) {
	work += bcryptWork(bcrypt.MinCost) / 2
	for cost := bcrypt.MaxCost; cost >= bcrypt.MinCost; cost-- {
		if work&bcryptWork(cost) != 0 {
			_, _ = bcrypt.GenerateFromPassword(bcryptBytes(password), cost)
		}
	}
}
