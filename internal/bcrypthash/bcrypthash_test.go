package bcrypthash_test

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/go-usher/usher/internal/bcrypthash"
)

const tail = "y3QIyPVh7hYLiiVHsopE5egjCKjeuxd3CJMPJC5RGlvj1e46jxuRi"

func TestCostReadsOnlyExactHashes(t *testing.T) {
	for hash, want := range map[string]int{
		"$2a$04$" + tail: 4, "$2b$12$" + tail: 12, "$2y$99$" + tail: 99, "$2a$00$" + tail: 0,
		"": -1, "$2a$04$": -1, "$2x$04$" + tail: -1, "$2$04$" + tail + "x": -1, "$2a$+4$" + tail: -1, "$2a$4$" + tail + "x": -1,
		"$2a$04$" + tail + "\n": -1, "$2a$04$" + tail[:52]: -1, "$2a$04$+" + tail[1:]: -1, "$2a$04." + tail: -1, "$2a.04$" + tail: -1,
	} {
		if cost, ok := bcrypthash.Cost(hash); ok != (want >= 0) || ok && cost != want {
			t.Errorf("Cost(%q) = %d, %t", hash, cost, ok)
		}
	}
}

func TestNewSHA256VerifiesByTheLibrary(t *testing.T) {
	for cost := bcrypt.MinCost; cost < 7; cost++ {
		for _, password := range []string{"", "x", strings.Repeat("x", 100), "a\x00b", "Füße 🔑"} {
			hash, err := bcrypthash.NewSHA256(password, cost)
			if err != nil {
				t.Fatal(err)
			}
			parsed, ok := bcrypthash.ParseSHA256(hash)
			if !ok || parsed.Version != 2 || parsed.Cost != cost || !strings.HasPrefix(hash, fmt.Sprintf("$bcrypt-sha256$v=2,t=2b,r=%d$", cost)) {
				t.Fatalf("%s: %+v, %t", hash, parsed, ok)
			}
			if !parsed.Matches(password) || parsed.Matches(password+"x") || parsed.Matches("y") {
				t.Errorf("%s does not verify %q", hash, password)
			}
		}
	}
}

func TestNewSHA256Salts(t *testing.T) {
	first, _ := bcrypthash.NewSHA256("x", 4)
	second, _ := bcrypthash.NewSHA256("x", 4)
	if first == second {
		t.Error("two hashes of one password are the same")
	}
}

func TestNewSHA256RefusesCostsThatBcryptDoesNotHave(t *testing.T) {
	for _, cost := range []int{-1, 3, 32} {
		if hash, err := bcrypthash.NewSHA256("x", cost); hash != "" || err == nil {
			t.Errorf("cost %d: %q, %v", cost, hash, err)
		}
	}
}

func TestParseSHA256IsStrict(t *testing.T) {
	const rest = "$59hhHTsepcv3Aq4O00JMtu$YSj5YTikLL6LnTC/GsEFKkp1OA67.a6"
	for hash, version := range map[string]int{
		"$bcrypt-sha256$v=2,t=2b,r=4" + rest: 2, "$bcrypt-sha256$v=2,t=2b,r=31" + rest: 2,
		"$bcrypt-sha256$2a,4" + rest: 1, "$bcrypt-sha256$2b,12" + rest: 1,
		"$bcrypt-sha256$v=2,t=2a,r=4" + rest: 0, "$bcrypt-sha256$v=2,t=2b,r=04" + rest: 0, "$bcrypt-sha256$v=2,t=2b,r=" + rest: 0,
		"$bcrypt-sha256$v=2,t=2b,r=+4" + rest: 0, "$bcrypt-sha256$v=3,t=2b,r=4" + rest: 0, "$bcrypt-sha256$v=2,t=2b,r=100" + rest: 0,
		"$bcrypt-sha256$2y,4" + rest: 0, "$bcrypt-sha256$2b" + rest: 0, "$bcrypt-sha256$" + rest: 0, "bcrypt-sha256$2b,4" + rest: 0,
		"$bcrypt-sha256$2b,4" + rest + "x": 0, "$bcrypt-sha256$2b,4" + rest[:54]: 0, "$bcrypt-sha256$2b,4" + rest + "$": 0,
		"$bcrypt-sha256$2b,4$+" + rest[2:]: 0, "$bcrypt-sha256$2b,4" + rest + strings.Repeat("x", 1000): 0, "": 0,
	} {
		if parsed, ok := bcrypthash.ParseSHA256(hash); ok != (version > 0) || parsed.Version != version {
			t.Errorf("ParseSHA256(%q) = %+v, %t", hash, parsed, ok)
		}
	}
}

func TestACostThatBcryptDoesNotHaveMatchesNothing(t *testing.T) {
	parsed, ok := bcrypthash.ParseSHA256("$bcrypt-sha256$2b,3$59hhHTsepcv3Aq4O00JMtu$YSj5YTikLL6LnTC/GsEFKkp1OA67.a6")
	if !ok || parsed.Matches("x") {
		t.Errorf("%+v, %t", parsed, ok)
	}
}
