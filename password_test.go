package usher_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/go-usher/usher"
)

const (
	plainPassword    = "correct horse battery staple"
	unicodePassword  = "Füße & 密码 🔑"
	uncommonPassword = "secret\x00secret"
	plainHash        = "$2y$04$y3QIyPVh7hYLiiVHsopE5egjCKjeuxd3CJMPJC5RGlvj1e46jxuRi"
)

// newPasswords is at bcrypt's lowest cost, a millisecond, unless opts say otherwise.
func newPasswords(t testing.TB, opts usher.PasswordOptions) *usher.Passwords {
	t.Helper()
	if opts.Cost == 0 {
		opts.Cost = bcrypt.MinCost
	}
	p, err := usher.NewPasswords(&opts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// bcryptHash makes hashes that usher would not make, such as those of short passwords.
func bcryptHash(t testing.TB, password string, cost int) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), cost)
	if err != nil {
		t.Fatal(err)
	}
	return string(hash)
}

// oldFormat recognizes "old:" and the password itself.
func oldFormat(hash, password string) (recognized, match bool) {
	old, recognized := strings.CutPrefix(hash, "old:")
	return recognized, old == password
}

func TestBcryptHashesOfOtherLanguagesVerify(t *testing.T) {
	p := newPasswords(t, usher.PasswordOptions{})
	for _, tt := range []struct{ madeBy, password, hash string }{
		// Python 3, bcrypt 3.2.2: bcrypt.hashpw(password.encode(), bcrypt.gensalt(4, prefix=b"2a"))
		{"Python 2a", plainPassword, "$2a$04$XEB1qURIA46vY6yLxOiHEO6Rx8Tlc.N/aZVQ7gcLr4.o0igphF4/i"},
		{"Python 2a, Unicode", unicodePassword, "$2a$04$3dJYwfzERnjOoPi3XUctFe0w5BtQoQidIROKrv8lISMZ7mGf.xs4i"},
		// Python 3, bcrypt 3.2.2: bcrypt.hashpw(password.encode(), bcrypt.gensalt(4))
		{"Python 2b", plainPassword, "$2b$04$HLOSa6vEOZq9yPYA229Uv.qwYOdpOYayXqfcEU872ov1yNjreh73e"},
		{"Python 2b, Unicode", unicodePassword, "$2b$04$HGzqJx2JCS1gBGyj4hcGyeVw93bTh/np8z0dES90J/YsZ8wX5o3xK"},
		// PHP 8.2: password_hash($password, PASSWORD_BCRYPT, ["cost" => 4])
		{"PHP", plainPassword, plainHash},
		{"PHP, Unicode", unicodePassword, "$2y$04$l39UYrYU.ctW4qjUXMklGuZQP1eVciRpo3SoPpdz80rV5uCM/q1Dy"},
		// Apache 2.4: htpasswd -nbB -C 4 user "$password"
		{"htpasswd", plainPassword, "$2y$04$ecQAeXl59KE0NcN6UxwwP.YClwxZBaDlKTC7iHJc0q11Is6JUDlIy"},
		{"htpasswd, Unicode", unicodePassword, "$2y$04$ueYT0ZQFixrCkeIAf9rtBu.w2PeY6LEepUomg9F8.Hiz33r8Ofqk6"},
	} {
		t.Run(tt.madeBy, func(t *testing.T) {
			if err := usher.CheckPassword(tt.hash, tt.password); err != nil {
				t.Errorf("CheckPassword: %v", err)
			}
			if rehash, err := p.Check(t.Context(), tt.hash, tt.password); err != nil || rehash != "" {
				t.Errorf("Check = %q, %v", rehash, err)
			}
			for _, wrong := range []string{tt.password + " ", tt.password[1:], strings.ToUpper(tt.password), ""} {
				if _, err := p.Check(t.Context(), tt.hash, wrong); !errors.Is(err, usher.ErrPasswordMismatch) {
					t.Errorf("Check of %q: %v, want ErrPasswordMismatch", wrong, err)
				}
			}
		})
	}
}

func TestHashIsSaltedBcryptOfTheCost(t *testing.T) {
	p := newPasswords(t, usher.PasswordOptions{Cost: 5})
	first, err := p.Hash(t.Context(), unicodePassword)
	if err != nil {
		t.Fatal(err)
	}
	second, err := p.Hash(t.Context(), unicodePassword)
	if err != nil {
		t.Fatal(err)
	}
	if first == second {
		t.Error("two hashes of one password are the same")
	}
	for _, hash := range []string{first, second} {
		if len(hash) != 60 || !strings.HasPrefix(hash, "$2a$05$") {
			t.Errorf("hash is %q, want 60 characters from $2a$05$", hash)
		}
		if err := bcrypt.CompareHashAndPassword([]byte(hash), []byte(unicodePassword)); err != nil {
			t.Error(err)
		}
		if rehash, err := p.Check(t.Context(), hash, unicodePassword); rehash != "" || err != nil {
			t.Errorf("Check = %q, %v", rehash, err)
		}
	}
}

func TestHashRefusesPasswordsThatBcryptConfuses(t *testing.T) {
	for _, tt := range []struct {
		name      string
		minLength int
		password  string
		want      error
	}{
		{"8 characters", 0, "12345678", nil},
		{"7 characters", 0, "1234567", usher.ErrPasswordTooShort},
		{"7 characters of 14 bytes", 0, "äöüäöüä", usher.ErrPasswordTooShort},
		{"8 characters of 32 bytes", 0, strings.Repeat("🔑", 8), nil},
		{"8 bytes that are no UTF-8", 0, strings.Repeat("\xff", 8), nil},
		{"7 bytes that are no UTF-8", 0, strings.Repeat("\xff", 7), usher.ErrPasswordTooShort},
		{"empty", 1, "", usher.ErrPasswordTooShort},
		{"1 character is enough if you say so", 1, "1", nil},
		{"19 of 20 characters", 20, strings.Repeat("1", 19), usher.ErrPasswordTooShort},
		{"20 of 20 characters", 20, strings.Repeat("1", 20), nil},
		{"72 bytes", 72, strings.Repeat("1", 72), nil},
		{"73 bytes", 0, strings.Repeat("1", 73), usher.ErrPasswordTooLong},
		{"19 characters of 76 bytes", 20, strings.Repeat("🔑", 19), usher.ErrPasswordTooLong},
		{"a megabyte", 0, strings.Repeat("1", 1<<20), usher.ErrPasswordTooLong},
		{"NUL", 0, "12345678\x00", usher.ErrPasswordInvalid},
		{"NULs only", 0, "\x00\x00", usher.ErrPasswordInvalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPasswords(t, usher.PasswordOptions{MinLength: tt.minLength})
			hash, err := p.Hash(t.Context(), tt.password)
			if !errors.Is(err, tt.want) || (hash == "") != (tt.want != nil) {
				t.Errorf("Hash = %q, %v; want %v", hash, err, tt.want)
			}
			if errors.Is(err, usher.ErrPasswordUnfit) != (err != nil) {
				t.Errorf("%v is ErrPasswordUnfit: %t", err, err == nil)
			}
			if tt.want == nil || tt.minLength != 0 {
				return
			}
			if hash, err := usher.HashPassword(tt.password); !errors.Is(err, tt.want) || hash != "" {
				t.Errorf("HashPassword = %q, %v; want %v", hash, err, tt.want)
			}
		})
	}
}

func TestUnfitPasswordsNameTheLimit(t *testing.T) {
	p := newPasswords(t, usher.PasswordOptions{MinLength: 20})
	for password, text := range map[string]string{
		"1234567":               "usher: password too short: at least 20 characters",
		strings.Repeat("1", 73): "usher: password too long: longer than 72 bytes",
	} {
		if _, err := p.Hash(t.Context(), password); fmt.Sprint(err) != text {
			t.Errorf("%v, want %s", err, text)
		}
	}
}

func TestCheckRefusesPasswordsThatBcryptConfuses(t *testing.T) {
	a72 := strings.Repeat("a", 72)
	p := newPasswords(t, usher.PasswordOptions{})
	for _, tt := range []struct{ name, hashed, password string }{
		{"beyond 72 bytes", a72, a72 + "WRONG"},
		{"the password again after a NUL", "secret", "secret\x00secret"},
		{"a megabyte", a72, strings.Repeat("a", 1<<20)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			hash := bcryptHash(t, tt.hashed, bcrypt.MinCost)
			if err := bcrypt.CompareHashAndPassword([]byte(hash), []byte(tt.password)); err != nil {
				t.Fatal("bcrypt itself tells these apart:", err)
			}
			if _, err := p.Check(t.Context(), hash, tt.hashed); err != nil {
				t.Error("the right password:", err)
			}
			if rehash, err := p.Check(t.Context(), hash, tt.password); !errors.Is(err, usher.ErrPasswordMismatch) || rehash != "" {
				t.Errorf("Check = %q, %v; want ErrPasswordMismatch", rehash, err)
			}
		})
	}
}

func TestAnyLengthStoresLongPasswordsAsPasslibDoes(t *testing.T) {
	p := newPasswords(t, usher.PasswordOptions{AnyLength: true, Cost: 5})
	plain := newPasswords(t, usher.PasswordOptions{})
	for _, tt := range []struct {
		length int
		prefix string
		want   error
	}{
		{72, "$2a$05$", nil},
		{73, "$bcrypt-sha256$v=2,t=2b,r=5$", nil},
		{4096, "$bcrypt-sha256$v=2,t=2b,r=5$", nil},
		{4097, "", usher.ErrPasswordTooLong},
		{1 << 20, "", usher.ErrPasswordTooLong},
	} {
		password := strings.Repeat("a", tt.length)
		hash, err := p.Hash(t.Context(), password)
		if !errors.Is(err, tt.want) || !strings.HasPrefix(hash, tt.prefix) || (hash == "") != (tt.want != nil) {
			t.Errorf("Hash of %d bytes = %q, %v; want %q, %v", tt.length, hash, err, tt.prefix, tt.want)
		}
		if tt.want != nil {
			continue
		}
		for _, p := range []*usher.Passwords{p, plain} { // read in any case
			if rehash, err := p.Check(t.Context(), hash, password); rehash != "" || err != nil {
				t.Errorf("Check of %d bytes = %q, %v", tt.length, rehash, err)
			}
			for _, wrong := range []string{password + "a", password[1:], password[:72], ""} {
				if _, err := p.Check(t.Context(), hash, wrong); wrong != password && !errors.Is(err, usher.ErrPasswordMismatch) {
					t.Errorf("Check of %d bytes against %d: %v", len(wrong), tt.length, err)
				}
			}
		}
	}
	for _, password := range []string{strings.Repeat("a", 100) + "\x00", "12345678\x00"} {
		if hash, err := p.Hash(t.Context(), password); hash != "" || !errors.Is(err, usher.ErrPasswordInvalid) {
			t.Errorf("Hash of a NUL = %q, %v", hash, err)
		}
	}
	if _, err := p.Hash(t.Context(), "short"); !errors.Is(err, usher.ErrPasswordTooShort) {
		t.Error(err)
	}
}

func TestPasslibsLongHashesVerify(t *testing.T) {
	long := strings.Repeat("x", 100)
	p := newPasswords(t, usher.PasswordOptions{})
	// Python 3.11, passlib 1.7.4, bcrypt 3.2.2: bcrypt_sha256.using(rounds=4).hash(password)
	for _, tt := range []struct{ password, hash string }{
		{plainPassword, "$bcrypt-sha256$v=2,t=2b,r=4$7Q5gUlIrx.H1Sz9g0hAUme$z9LsIsw58Dguz973o7GH42SEjT3TGMm"},
		{long, "$bcrypt-sha256$v=2,t=2b,r=4$59hhHTsepcv3Aq4O00JMtu$YSj5YTikLL6LnTC/GsEFKkp1OA67.a6"},
		{strings.Repeat("a\x00b", 100), "$bcrypt-sha256$v=2,t=2b,r=4$tdMza4HasLsEAfUG9Yt4cu$.1iwAiWi38lYBdnnfhEL.OCSheskcqm"},
	} {
		if rehash, err := p.Check(t.Context(), tt.hash, tt.password); rehash != "" || err != nil {
			t.Errorf("Check = %q, %v", rehash, err)
		}
		if _, err := p.Check(t.Context(), tt.hash, tt.password+"x"); !errors.Is(err, usher.ErrPasswordMismatch) {
			t.Errorf("Check of a wrong password: %v", err)
		}
		for _, broken := range []string{
			strings.Replace(tt.hash, "r=4", "r=04", 1), strings.Replace(tt.hash, "r=4", "r=15", 1), strings.Replace(tt.hash, "r=4", "r=3", 1),
			strings.Replace(tt.hash, "v=2", "v=3", 1), strings.Replace(tt.hash, "2b", "2a", 1), tt.hash + "x", tt.hash[:len(tt.hash)-1],
		} {
			if _, err := p.Check(t.Context(), broken, tt.password); !errors.Is(err, usher.ErrBadHash) {
				t.Errorf("Check of %s: %v, want ErrBadHash", broken, err)
			}
		}
	}
}

func TestLongHashesOfALowerCostAreUpgraded(t *testing.T) {
	long := strings.Repeat("x", 100)
	const hash = "$bcrypt-sha256$v=2,t=2b,r=4$59hhHTsepcv3Aq4O00JMtu$YSj5YTikLL6LnTC/GsEFKkp1OA67.a6"
	for _, anyLength := range []bool{true, false} {
		p := newPasswords(t, usher.PasswordOptions{Cost: 5, AnyLength: anyLength})
		rehash, err := p.Check(t.Context(), hash, long)
		if err != nil || strings.HasPrefix(rehash, "$bcrypt-sha256$v=2,t=2b,r=5$") != anyLength {
			t.Errorf("AnyLength %t: Check = %q, %v", anyLength, rehash, err)
		}
	}
}

func TestOnlyExactBcryptIsAUsableHash(t *testing.T) {
	p := newPasswords(t, usher.PasswordOptions{})
	tail := plainHash[len("$2y$04$"):]
	for _, hash := range []string{
		"$2$04$" + tail,
		"$2$04$" + tail + "x",
		"$2x$04$" + tail,
		"$2A$04$" + tail,
		"$1a$04$" + tail,
		"$3a$04$" + tail,
		"$2a$+4$" + tail,
		"$2a$ 4$" + tail,
		"$2a$4$" + tail,
		"$2a$4$" + tail + "x",
		"$2a$0x$" + tail,
		"$2a$004$" + tail,
		"$2a$04." + tail,
		"$2a.04$" + tail,
		".2a$04$" + tail,
		" " + plainHash,
		plainHash + "\n",
		plainHash + "x",
		plainHash[:59],
		plainHash[:50],
		plainHash[:59] + "=",
		plainHash[:59] + "+",
		plainHash[:59] + "\x00",
		plainHash[:58] + "é",
		"$2y$04$+" + tail[1:],
		"$2y$04$" + tail[:20] + "-" + tail[21:],
		"$2",
		"$",
		" ",
		plainPassword,
		"{bcrypt}" + plainHash,
		"old:" + plainPassword,
		strings.Repeat("$2a$04$", 1<<16),
	} {
		rehash, err := p.Check(t.Context(), hash, plainPassword)
		if !errors.Is(err, usher.ErrBadHash) || rehash != "" {
			t.Errorf("Check(%.80q) = %q, %v; want ErrBadHash", hash, rehash, err)
			continue
		}
		if len(hash) > 2 && strings.Contains(err.Error(), hash) || strings.Contains(err.Error(), plainPassword) {
			t.Errorf("the error shows the hash or the password: %v", err)
		}
	}
	_, err := p.Check(t.Context(), plainHash[:50], plainPassword)
	if !strings.Contains(fmt.Sprint(err), "its 50 bytes begin like bcrypt") {
		t.Errorf("a hash that the database cut: %v", err)
	}
}

func TestStoredCostHasBounds(t *testing.T) {
	p := newPasswords(t, usher.PasswordOptions{Cost: 5})
	for _, tt := range []struct {
		cost string
		want error
	}{
		{"00", usher.ErrBadHash},
		{"03", usher.ErrBadHash},
		{"04", usher.ErrPasswordMismatch},
		{"10", usher.ErrPasswordMismatch}, // a development machine checks the hashes of production
		{"15", usher.ErrBadHash},
		{"31", usher.ErrBadHash},
		{"32", usher.ErrBadHash},
		{"99", usher.ErrBadHash},
	} {
		hash := "$2a$" + tt.cost + plainHash[6:]
		if _, err := p.Check(t.Context(), hash, "wrong password"); !errors.Is(err, tt.want) {
			t.Errorf("cost %s: %v, want %v", tt.cost, err, tt.want)
		}
	}
	_, err := p.Check(t.Context(), "$2a$15"+plainHash[6:], plainPassword)
	if !strings.Contains(fmt.Sprint(err), "cost is 15, and the limit 14 (14, or the configured 5 plus 4)") {
		t.Error(err)
	}
}

func TestStoredCostLimitIs14OrFourAboveTheConfigured(t *testing.T) {
	for _, tt := range []struct {
		cost, stored int
		accepted     bool
	}{{4, 14, true}, {4, 15, false}, {10, 14, true}, {10, 15, false}, {11, 15, true}, {12, 16, true}, {12, 17, false}} {
		hash := fmt.Sprintf("$2a$%02d%s", tt.stored, plainHash[6:])
		_, err := usher.NewPasswords(&usher.PasswordOptions{Cost: tt.cost, Costliest: hash}) // by the same rule, without the work
		if (err == nil) != tt.accepted {
			t.Errorf("Cost %d and a hash of cost %d: %v", tt.cost, tt.stored, err)
		}
	}
}

func TestCheckReturnsARehashOfWhatIsBelowTodaysCost(t *testing.T) {
	const short = "pin" // MinLength is for new passwords
	p := newPasswords(t, usher.PasswordOptions{Cost: 5})
	for _, tt := range []struct {
		stored   int
		outdated bool
	}{{4, true}, {5, false}, {6, false}, {9, false}} {
		hash := bcryptHash(t, short, tt.stored)
		rehash, err := p.Check(t.Context(), hash, short)
		if err != nil || (rehash != "") != tt.outdated {
			t.Errorf("cost %d: Check = %q, %v; want a rehash: %t", tt.stored, rehash, err, tt.outdated)
		}
		if tt.outdated {
			if !strings.HasPrefix(rehash, "$2a$05$") {
				t.Errorf("rehash is %q, want cost 5", rehash)
			}
			if again, err := p.Check(t.Context(), rehash, short); again != "" || err != nil {
				t.Errorf("Check of the rehash = %q, %v", again, err)
			}
		}
		if rehash, err := p.Check(t.Context(), hash, "pan"); rehash != "" || !errors.Is(err, usher.ErrPasswordMismatch) {
			t.Errorf("cost %d: Check of a wrong password = %q, %v", tt.stored, rehash, err)
		}
	}
}

func TestEmptyHashIsAMismatch(t *testing.T) {
	p := newPasswords(t, usher.PasswordOptions{Legacy: []usher.PasswordVerifier{
		func(string, string) (bool, bool) { return true, true },
	}})
	for _, password := range []string{plainPassword, "", "\x00", strings.Repeat("a", 73), plainHash} {
		if rehash, err := p.Check(t.Context(), "", password); rehash != "" || !errors.Is(err, usher.ErrPasswordMismatch) {
			t.Errorf("Check(%q) = %q, %v; want ErrPasswordMismatch", password, rehash, err)
		}
	}
}

func TestLegacyVerifierDecidesOnWhatItRecognizes(t *testing.T) {
	p := newPasswords(t, usher.PasswordOptions{Cost: 5, Legacy: []usher.PasswordVerifier{
		func(string, string) (bool, bool) { return false, true }, // match means nothing here
		oldFormat,
		func(hash, _ string) (bool, bool) { return strings.HasPrefix(hash, "old:"), true }, // comes too late
	}})
	long := strings.Repeat("a", 73)
	for _, tt := range []struct {
		name, hash, password string
		want                 error
		rehash               bool
	}{
		{"match", "old:" + plainPassword, plainPassword, nil, true},
		{"short match", "old:pin", "pin", nil, true},
		{"empty match", "old:", "", nil, true},
		{"mismatch", "old:" + plainPassword, "wrong password", usher.ErrPasswordMismatch, false},
		{"long match, which bcrypt can't hash", "old:" + long, long, nil, false},
		{"long mismatch", "old:" + long, long + "a", usher.ErrPasswordMismatch, false},
		{"NUL match, which bcrypt can't hash", "old:" + uncommonPassword, uncommonPassword, nil, false},
		{"NUL mismatch", "old:secret", uncommonPassword, usher.ErrPasswordMismatch, false},
		{"a password in the form of bcrypt", "old:" + plainHash, plainHash, nil, true},
		{"a wrong password in the form of bcrypt", "old:" + plainPassword, plainHash, usher.ErrPasswordMismatch, false},
		{"recognized by none", "older:" + plainPassword, plainPassword, usher.ErrBadHash, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rehash, err := p.Check(t.Context(), tt.hash, tt.password)
			if !errors.Is(err, tt.want) || (rehash != "") != tt.rehash {
				t.Fatalf("Check = %q, %v; want %v and a rehash: %t", rehash, err, tt.want, tt.rehash)
			}
			if !tt.rehash {
				return
			}
			if !strings.HasPrefix(rehash, "$2a$05$") {
				t.Errorf("rehash is %q, want cost 5", rehash)
			}
			if again, err := p.Check(t.Context(), rehash, tt.password); again != "" || err != nil {
				t.Errorf("Check of the rehash = %q, %v", again, err)
			}
		})
	}
}

func TestLegacyVerifierSeesOnlyOtherFormats(t *testing.T) {
	var seen []string
	verifiers := []usher.PasswordVerifier{func(hash, _ string) (bool, bool) {
		seen = append(seen, hash)
		return true, true
	}}
	p := newPasswords(t, usher.PasswordOptions{Legacy: verifiers})
	verifiers[0] = nil // nothing changes after construction

	for _, hash := range []string{"", plainHash, "$2a$03" + plainHash[6:], "$2b$31" + plainHash[6:]} {
		if _, err := p.Check(t.Context(), hash, "wrong password"); err == nil {
			t.Errorf("Check(%q) took a legacy verifier's word", hash)
		}
	}
	if len(seen) != 0 {
		t.Errorf("the verifier saw %q", seen)
	}
	others := []string{"$2x$04" + plainHash[6:], "$2a$x4" + plainHash[6:], plainHash + "x", "md5"}
	for _, hash := range others {
		if _, err := p.Check(t.Context(), hash, plainPassword); err != nil {
			t.Errorf("Check(%q): %v", hash, err)
		}
	}
	if fmt.Sprint(seen) != fmt.Sprint(others) {
		t.Errorf("the verifier saw %q, want %q", seen, others)
	}
}

func TestSwappedArgumentsAreReported(t *testing.T) {
	p := newPasswords(t, usher.PasswordOptions{Legacy: []usher.PasswordVerifier{oldFormat}})
	ownHash := bcryptHash(t, plainHash, bcrypt.MinCost) // of a password that looks like a hash
	for _, tt := range []struct {
		name, hash, password string
		want                 error
		swapped              bool
	}{
		{"swapped", plainPassword, plainHash, usher.ErrBadHash, true},
		{"swapped, short", "pin", plainHash, usher.ErrBadHash, true},
		{"two passwords", plainPassword, plainPassword, usher.ErrBadHash, false},
		{"a broken hash and nearly one", plainHash + "x", plainHash + "x", usher.ErrBadHash, false},
		{"two hashes", plainHash, plainHash, usher.ErrPasswordMismatch, false},
		{"a password that looks like a hash", ownHash, plainHash, nil, false},
		{"no user", "", plainHash, usher.ErrPasswordMismatch, false},
		{"an older format", "old:" + plainPassword, plainHash, usher.ErrPasswordMismatch, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := p.Check(t.Context(), tt.hash, tt.password)
			if !errors.Is(err, tt.want) || strings.Contains(fmt.Sprint(err), "swapped") != tt.swapped {
				t.Errorf("Check: %v; want %v that speaks of swapping: %t", err, tt.want, tt.swapped)
			}
			if text := fmt.Sprint(err); strings.Contains(text, tt.password) || tt.hash != "" && strings.Contains(text, tt.hash) {
				t.Errorf("the error shows an argument: %v", err)
			}
		})
	}
}

func TestNewPasswordsReportsEveryMistake(t *testing.T) {
	for _, tt := range []struct {
		name string
		opts *usher.PasswordOptions
		want []string
	}{
		{"nil", nil, nil},
		{"zero", &usher.PasswordOptions{}, nil},
		{"lowest", &usher.PasswordOptions{Cost: 4, MinLength: 1, Concurrency: 1}, nil},
		{"highest", &usher.PasswordOptions{Cost: 20, MinLength: 72, Concurrency: 65536}, nil},
		{"cost too low", &usher.PasswordOptions{Cost: 3}, []string{
			"usher: PasswordOptions.Cost is 3, but must be from 4 to 20 (0 means 12)",
		}},
		{"cost of minutes", &usher.PasswordOptions{Cost: 21}, []string{
			"usher: PasswordOptions.Cost is 21, but must be from 4 to 20 (0 means 12)",
		}},
		{"no room for a password", &usher.PasswordOptions{MinLength: 73}, []string{
			"usher: PasswordOptions.MinLength is 73, but must be from 1 to 72, bcrypt's limit (0 means 8)",
		}},
		{"costliest of bcrypt", &usher.PasswordOptions{Costliest: "$2a$14" + plainHash[6:]}, nil},
		{"costliest that is none", &usher.PasswordOptions{Costliest: "old:x"}, []string{
			"usher: PasswordOptions.Costliest is neither bcrypt nor recognized by a verifier in Legacy, but must be a stored hash",
		}},
		{"costliest of hours", &usher.PasswordOptions{Costliest: "$2a$31" + plainHash[6:]}, []string{
			"usher: PasswordOptions.Costliest is not a usable password hash: its cost is 31, and the limit 16 (14, or the configured 12 plus 4)",
		}},
		{"costliest below bcrypt's", &usher.PasswordOptions{Costliest: "$2a$03" + plainHash[6:]}, []string{
			"usher: PasswordOptions.Costliest is not a usable password hash: its cost is 3, but bcrypt's lowest is 4",
		}},
		{"all negative", &usher.PasswordOptions{
			Cost: -1, MinLength: -1, Concurrency: -1,
			Legacy: []usher.PasswordVerifier{nil, oldFormat, nil},
		}, []string{
			"usher: PasswordOptions.Cost is -1, but must be from 4 to 20 (0 means 12)",
			"usher: PasswordOptions.MinLength is -1, but must be from 1 to 72, bcrypt's limit (0 means 8)",
			"usher: PasswordOptions.Concurrency is -1, but must be from 1 to 65536 (0 means half of GOMAXPROCS)",
			"usher: PasswordOptions.Legacy[0] is nil, but must be a function",
			"usher: PasswordOptions.Legacy[2] is nil, but must be a function",
		}},
		{"more than can be counted", &usher.PasswordOptions{
			Cost: math.MaxInt32, MinLength: math.MinInt32, Concurrency: math.MaxInt,
		}, []string{
			"usher: PasswordOptions.Cost is 2147483647, but must be from 4 to 20 (0 means 12)",
			"usher: PasswordOptions.MinLength is -2147483648, but must be from 1 to 72, bcrypt's limit (0 means 8)",
			fmt.Sprintf("usher: PasswordOptions.Concurrency is %d, but must be from 1 to 65536 (0 means half of GOMAXPROCS)", math.MaxInt),
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := usher.NewPasswords(tt.opts)
			if (p == nil) != (len(tt.want) > 0) {
				t.Errorf("NewPasswords = %v, %v", p, err)
			}
			if got := fmt.Sprint(err); len(tt.want) > 0 && got != strings.Join(tt.want, "\n") {
				t.Errorf("got:\n%s\nwant:\n%s", got, strings.Join(tt.want, "\n"))
			}
			if len(tt.want) == 0 && err != nil {
				t.Error(err)
			}
			var config *usher.ConfigError
			if errors.As(err, &config) != (len(tt.want) > 0) {
				t.Errorf("%v is no ConfigError", err)
			}
		})
	}
}

func TestPasswordsNotMadeByNewPasswordsAreUnavailable(t *testing.T) {
	for _, p := range []*usher.Passwords{nil, {}} {
		hash, hashErr := p.Hash(t.Context(), plainPassword)
		rehash, checkErr := p.Check(t.Context(), plainHash, plainPassword)
		if hash != "" || rehash != "" {
			t.Errorf("Hash = %q, Check = %q", hash, rehash)
		}
		for _, err := range []error{hashErr, checkErr} {
			if !errors.Is(err, usher.ErrUnavailable) || !strings.Contains(err.Error(), "not made by NewPasswords") {
				t.Errorf("%v, want ErrUnavailable that says why", err)
			}
		}
	}
}

// crowd is a Passwords whose checks of "gate" stay in their slot until they are let go.
type crowd struct {
	*usher.Passwords
	running atomic.Int64
	release chan struct{}
}

func newCrowd(t *testing.T, concurrency int) *crowd {
	c := &crowd{release: make(chan struct{})}
	c.Passwords = newPasswords(t, usher.PasswordOptions{
		Concurrency: concurrency,
		Legacy: []usher.PasswordVerifier{func(hash, _ string) (bool, bool) {
			c.running.Add(1)
			defer c.running.Add(-1)
			<-c.release
			return hash == "gate", true
		}},
	})
	return c
}

// passwordResult is what Check or Hash returned.
type passwordResult struct {
	hash string
	err  error
}

// checks starts n checks that wait at the gate, and returns when they run or wait for their turn. They succeed
// without a rehash if the password is uncommon, which bcrypt can't hash.
func (c *crowd) checks(ctx context.Context, n int, password string) chan passwordResult {
	results := make(chan passwordResult, n)
	for range n {
		go func() {
			rehash, err := c.Check(ctx, "gate", password)
			results <- passwordResult{rehash, err}
		}()
	}
	synctest.Wait()
	return results
}

func TestAtMostConcurrencyRun(t *testing.T) {
	for _, tt := range []struct{ processors, concurrency, want int }{
		{2, 1, 1}, {2, 3, 3}, {2, 8, 8}, // more than processors, if you say so
		{1, 0, 1}, {2, 0, 1}, {3, 0, 1}, {6, 0, 3}, // half of them
	} {
		t.Run(fmt.Sprintf("Concurrency %d of %d", tt.concurrency, tt.processors), func(t *testing.T) {
			before := runtime.GOMAXPROCS(tt.processors)
			defer runtime.GOMAXPROCS(before)
			synctest.Test(t, func(t *testing.T) {
				c := newCrowd(t, tt.concurrency)
				const calls = 20
				results := c.checks(t.Context(), calls, uncommonPassword)
				for range calls {
					want := min(int64(tt.want), calls-int64(len(results)))
					if got := c.running.Load(); got != want {
						t.Fatalf("%d run, want %d", got, want)
					}
					c.release <- struct{}{}
					synctest.Wait()
				}
				for range calls {
					if got := <-results; got.err != nil {
						t.Error(got.err)
					}
				}
			})
		})
	}
}

func TestHashWaitsForASlotToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, 1)
		checked := c.checks(t.Context(), 1, uncommonPassword)
		hashed := make(chan passwordResult, 1)
		go func() {
			hash, err := c.Hash(t.Context(), plainPassword)
			hashed <- passwordResult{hash, err}
		}()
		synctest.Wait()
		if len(hashed) != 0 {
			t.Error("Hash did not wait")
		}
		close(c.release)
		if got := <-checked; got.err != nil {
			t.Error(got.err)
		}
		if got := <-hashed; got.err != nil || len(got.hash) != 60 {
			t.Errorf("Hash = %q, %v", got.hash, got.err)
		}
	})
}

func TestCompareAndRehashShareOneSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, 1)
		first := c.checks(t.Context(), 1, plainPassword)
		others := c.checks(t.Context(), 10, uncommonPassword)
		c.release <- struct{}{}
		synctest.Wait()
		if len(first) != 1 {
			t.Error("the first check waits again before it makes its rehash")
		}
		close(c.release)
		if got := <-first; got.err != nil || got.hash == "" {
			t.Errorf("Check = %q, %v", got.hash, got.err)
		}
		for range cap(others) {
			<-others
		}
	})
}

func TestFullQueueIsUnavailable(t *testing.T) {
	for _, concurrency := range []int{1, 3} {
		synctest.Test(t, func(t *testing.T) {
			c := newCrowd(t, concurrency)
			room := concurrency * (1 + 64)
			results := c.checks(t.Context(), room, uncommonPassword)
			if len(results) != 0 {
				t.Errorf("Concurrency %d: of %d calls %d did not wait", concurrency, room, len(results))
			}
			if _, err := c.Check(t.Context(), "", plainPassword); !errors.Is(err, usher.ErrUnavailable) {
				t.Errorf("Check: %v, want ErrUnavailable", err)
			}
			if _, err := c.Hash(t.Context(), plainPassword); !errors.Is(err, usher.ErrUnavailable) {
				t.Errorf("Hash: %v, want ErrUnavailable", err)
			}
			if _, err := c.Hash(t.Context(), "short"); !errors.Is(err, usher.ErrPasswordTooShort) {
				t.Errorf("Hash of what needs no slot: %v, want ErrPasswordTooShort", err)
			}
			close(c.release)
			for range room {
				if got := <-results; got.err != nil {
					t.Error(got.err)
				}
			}
			if _, err := c.Hash(t.Context(), plainPassword); err != nil {
				t.Errorf("Hash after the rush: %v", err)
			}
		})
	}
}

func TestOneClientGetsAQuarterOfTheQueue(t *testing.T) {
	for _, tt := range []struct{ concurrency, share int }{{1, 17}, {3, 49}} {
		synctest.Test(t, func(t *testing.T) {
			c := newCrowd(t, tt.concurrency)
			greedy := usher.ContextWithClient(t.Context(), "203.0.113.1")
			first := c.checks(greedy, tt.share, uncommonPassword)
			if len(first) != 0 {
				t.Errorf("Concurrency %d: of %d calls %d did not wait", tt.concurrency, tt.share, len(first))
			}
			if _, err := c.Check(greedy, "gate", plainPassword); !errors.Is(err, usher.ErrUnavailable) {
				t.Errorf("Check: %v, want ErrUnavailable", err)
			}
			if _, err := c.Hash(greedy, plainPassword); !errors.Is(err, usher.ErrUnavailable) {
				t.Errorf("Hash: %v, want ErrUnavailable", err)
			}
			var others []chan passwordResult
			for _, client := range []string{"203.0.113.2", ""} {
				others = append(others, c.checks(usher.ContextWithClient(t.Context(), client), tt.share, uncommonPassword))
			}
			others = append(others, c.checks(t.Context(), tt.concurrency*65-3*tt.share, uncommonPassword))
			for _, results := range others {
				if len(results) != 0 {
					t.Errorf("Concurrency %d: %d calls of others did not wait", tt.concurrency, len(results))
				}
			}
			close(c.release)
			for _, results := range append(others, first) {
				for range cap(results) {
					if got := <-results; got.err != nil {
						t.Error(got.err)
					}
				}
			}
			if _, err := c.Hash(greedy, plainPassword); err != nil {
				t.Errorf("Hash after the rush: %v", err)
			}
		})
	}
}

func TestCallsWithoutAClientShareNoLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, 1)
		results := c.checks(usher.ContextWithClient(t.Context(), ""), 65, uncommonPassword)
		if len(results) != 0 {
			t.Errorf("%d calls did not wait", len(results))
		}
		close(c.release)
	})
}

func TestContextEndsTheWait(t *testing.T) {
	for name, tt := range map[string]struct {
		end  func(context.Context) (context.Context, context.CancelFunc)
		want error
	}{
		"cancelled": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(time.Second, cancel)
			return ctx, cancel
		}, context.Canceled},
		"deadline": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Second)
		}, context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCrowd(t, 1)
				first := c.checks(t.Context(), 1, uncommonPassword)
				ctx, cancel := tt.end(t.Context())
				defer cancel()
				waiting := c.checks(ctx, 64, uncommonPassword)
				for range cap(waiting) {
					got := <-waiting
					if got.hash != "" || !errors.Is(got.err, usher.ErrUnavailable) || !errors.Is(got.err, tt.want) {
						t.Errorf("Check = %q, %v; want ErrUnavailable and %v", got.hash, got.err, tt.want)
					}
				}
				// Their places in the queue are free again.
				next := c.checks(t.Context(), 64, uncommonPassword)
				close(c.release)
				for _, results := range []chan passwordResult{first, next} {
					for range cap(results) {
						if got := <-results; got.err != nil {
							t.Error(got.err)
						}
					}
				}
			})
		})
	}
}

func TestCancelledContextStartsNoWork(t *testing.T) {
	calls := 0
	p := newPasswords(t, usher.PasswordOptions{Legacy: []usher.PasswordVerifier{func(string, string) (bool, bool) {
		calls++
		return true, true
	}}})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 {
		rehash, checkErr := p.Check(ctx, "old", plainPassword)
		hash, hashErr := p.Hash(ctx, plainPassword)
		if rehash != "" || hash != "" {
			t.Fatalf("Check = %q, Hash = %q", rehash, hash)
		}
		for _, err := range []error{checkErr, hashErr} {
			if !errors.Is(err, usher.ErrUnavailable) || !errors.Is(err, context.Canceled) {
				t.Fatalf("%v, want ErrUnavailable and context.Canceled", err)
			}
		}
	}
	if calls != 0 {
		t.Errorf("%d checks started", calls)
	}
}

func TestNoRehashAfterTheContextHasEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p := newPasswords(t, usher.PasswordOptions{Legacy: []usher.PasswordVerifier{func(string, string) (bool, bool) {
		cancel()
		return true, true
	}}})
	if rehash, err := p.Check(ctx, "old", plainPassword); rehash != "" || err != nil {
		t.Errorf("Check = %q, %v; want success without a rehash", rehash, err)
	}
}

func TestVerifierThatPanicsKeepsNoSlot(t *testing.T) {
	p := newPasswords(t, usher.PasswordOptions{Concurrency: 1, Legacy: []usher.PasswordVerifier{
		func(string, string) (bool, bool) { panic("out of order") },
	}})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for range 2 + 64 {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was hidden")
				}
			}()
			_, _ = p.Check(ctx, "old", plainPassword)
		}()
	}
	if _, err := p.Check(ctx, plainHash, plainPassword); err != nil {
		t.Error(err)
	}
}

func TestEveryRefusalTakesAsLong(t *testing.T) {
	const cost = 8
	hash := bcryptHash(t, plainPassword, cost)
	long := strings.Repeat("a", 73)
	p := newPasswords(t, usher.PasswordOptions{Cost: cost, Legacy: []usher.PasswordVerifier{oldFormat}})
	check := func(hash, password string) func() {
		return func() {
			if _, err := p.Check(t.Context(), hash, password); err == nil {
				t.Errorf("Check(%q, %q) is no refusal", hash, password)
			}
		}
	}
	comparison := func() { _ = bcrypt.CompareHashAndPassword([]byte(hash), []byte("wrong password")) }
	sameTime(t, comparison, map[string]func(){
		"wrong password":                      check(hash, "wrong password"),
		"wrong password, far below the cost":  check(plainHash, "wrong password"),
		"wrong password, just below the cost": check("$2a$07"+plainHash[6:], "wrong password"),
		"long password":                       check(hash, long),
		"long password, far below the cost":   check(plainHash, long),
		"NUL password":                        check(hash, uncommonPassword),
		"NUL password, far below the cost":    check(plainHash, uncommonPassword),
		"no user":                             check("", plainPassword),
		"no user, long password":              check("", long),
		"no user, NUL password":               check("", uncommonPassword),
		"malformed hash":                      check("malformed", plainPassword),
		"malformed hash, long password":       check("malformed", long),
		"swapped":                             check(plainPassword, plainHash),
		"cost below bcrypt's":                 check("$2a$03"+plainHash[6:], plainPassword),
		"cost above the limit":                check("$2a$15"+plainHash[6:], plainPassword),
		"legacy":                              check("old:"+plainPassword, "wrong password"),
		"legacy, long password":               check("old:"+plainPassword, long),
	})
}

func timed(call func()) float64 {
	start := time.Now()
	call()
	return time.Since(start).Seconds()
}

func TestCheckPasswordRefusesAtCost12(t *testing.T) {
	if testRace {
		t.Skip("cost 12 takes 16 times as long under the race detector, and there is no race to find")
	}
	refuse := func(hash, password string, want error, text string) func() {
		return func() {
			err := usher.CheckPassword(hash, password)
			if !errors.Is(err, want) || !strings.Contains(err.Error(), text) {
				t.Errorf("CheckPassword: %v, want %v with %q", err, want, text)
			}
		}
	}
	comparison := func() { _ = bcryptHash(t, plainPassword, 12) } // a hash takes as long as one
	sameTime(t, comparison, map[string]func(){
		"no user":        refuse("", plainPassword, usher.ErrPasswordMismatch, ""),
		"wrong password": refuse(plainHash, "wrong password", usher.ErrPasswordMismatch, ""),
		"swapped":        refuse(plainPassword, plainHash, usher.ErrBadHash, "swapped"),
		"cost 17":        refuse("$2a$17"+plainHash[6:], plainPassword, usher.ErrBadHash, "the limit 16"),
	})
}

// sameTime fails if a call never takes about as long as the reference. Each is measured again, next to each other,
// until it does, so that a busy machine makes this slower and not wrong.
func sameTime(t *testing.T, reference func(), calls map[string]func()) {
	t.Helper()
	one := timed(reference)
	for name, call := range calls {
		for try := 1; ; try++ {
			ratio := timed(call) / one
			if ratio > 0.6 && ratio < 1.6 {
				break
			}
			if try == 20 {
				t.Errorf("%s takes %.3f times as long as one comparison", name, ratio)
				break
			}
			one = timed(reference)
		}
	}
}

func TestPasswordOptionsPrintWithoutTheirHash(t *testing.T) {
	o := usher.PasswordOptions{Costliest: "TOPSECRET"}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("options", "o", o)
	if text := fmt.Sprintf("%v %+v %#v %s %q %v", o, o, o, o, o, &o) + log.String(); strings.Contains(text, "TOPSECRET") {
		t.Error(text)
	}
}
