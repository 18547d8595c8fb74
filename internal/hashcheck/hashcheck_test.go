package hashcheck_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/go-usher/usher/internal/bcrypthash"
	"github.com/go-usher/usher/internal/hashcheck"
)

const password = "correct horse"

// oldFormat is "old:" and the password. It counts its calls by hash.
type oldFormat map[string]int

func (f oldFormat) check(hash, password string) (recognized, match bool) {
	f[hash]++
	rest, recognized := strings.CutPrefix(hash, "old:")
	return recognized, rest == password
}

func hashOf(t *testing.T, password string, cost int) string {
	t.Helper()
	hash, err := bcrypthash.New(password, cost)
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

func checker(t *testing.T, cost int, costliest string) (*hashcheck.Checker, oldFormat) {
	t.Helper()
	old := oldFormat{}
	c, err := hashcheck.New(cost, old.check, costliest)
	if err != nil {
		t.Fatal(err)
	}
	return c, old
}

func TestCheckAcceptsThePasswordAndReportsOutdatedHashes(t *testing.T) {
	c, _ := checker(t, 5, "")
	long := strings.Repeat("x", 100)
	for _, test := range []struct {
		name, hash, password string
		outdated             bool
	}{
		{"a lower cost", hashOf(t, password, 4), password, true},
		{"the cost", hashOf(t, password, 5), password, false},
		{"a higher cost", hashOf(t, password, 6), password, false},
		{"a long password", hashOf(t, long, 5), long, false},
		{"a long password of a lower cost", hashOf(t, long, 4), long, true},
		{"an older format", "old:" + password, password, true},
		{"an older format and a hash as the password", "old:" + hashOf(t, "x", 4), "", false},
	} {
		if test.password == "" {
			test.password, test.outdated = test.hash[4:], true
		}
		if outdated, err := c.Check(test.hash, test.password); err != nil || outdated != test.outdated {
			t.Errorf("%s: %v, %v", test.name, outdated, err)
		}
	}
}

func TestCheckRefusesOtherPasswords(t *testing.T) {
	c, old := checker(t, 5, "")
	for _, hash := range []string{"", hashOf(t, password, 4), hashOf(t, password, 5), hashOf(t, strings.Repeat("x", 73), 4), "old:" + password} {
		if outdated, err := c.Check(hash, "wrong"); !errors.Is(err, hashcheck.ErrMismatch) || outdated {
			t.Errorf("%q: %v, %v", hash, outdated, err)
		}
	}
	if len(old) != 1 || old["old:"+password] != 1 {
		t.Errorf("calls of the older format: %v", old)
	}
}

func TestCheckSaysWhyAHashCannotBeChecked(t *testing.T) {
	c, _ := checker(t, 5, "")
	hash := hashOf(t, password, 4)
	for _, test := range []struct{ name, hash, password, text string }{
		{"another format", "md5:abc", password, hashcheck.ErrUnrecognized.Error()},
		{"a byte too many", hash + "x", password, "61 bytes begin like bcrypt"},
		{"swapped", password, hash, "swapped"},
		{"no cost of bcrypt", "$2a$03" + hash[6:], password, "its cost is 3, but bcrypt's lowest is 4"},
		{"a cost above the limit", "$2a$15" + hash[6:], password, "its cost is 15, and the limit 14 (14, or the configured 5 plus 4)"},
	} {
		outdated, err := c.Check(test.hash, test.password)
		if err == nil || outdated || errors.Is(err, hashcheck.ErrMismatch) || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%s: %v, %v, want %q", test.name, outdated, err, test.text)
		}
		if text := fmt.Sprint(err); strings.Contains(text, test.hash) || strings.Contains(text, test.password) {
			t.Errorf("%s: the error shows an argument: %v", test.name, err)
		}
	}
}

func TestNewRefusesACostliestHashThatCannotBeChecked(t *testing.T) {
	hash := hashOf(t, password, 4)
	for _, test := range []struct {
		cost            int
		costliest, text string // "" if it is accepted
	}{
		{4, "", ""},
		{4, "old:x", ""},
		{4, "$2a$14" + hash[6:], ""},
		{12, "$2a$16" + hash[6:], ""},
		{4, "$2a$15" + hash[6:], "its cost is 15, and the limit 14"},
		{12, "$2a$17" + hash[6:], "its cost is 17, and the limit 16"},
		{4, "$2a$03" + hash[6:], "its cost is 3"},
		{4, "md5:abc", "unknown format"},
	} {
		c, err := hashcheck.New(test.cost, oldFormat{}.check, test.costliest)
		if (c == nil) != (test.text != "") || (err == nil) != (test.text == "") || err != nil && !strings.Contains(err.Error(), test.text) {
			t.Errorf("%d, %q: %v, want %q", test.cost, test.costliest, err, test.text)
		}
	}
}

// slowFormat is an older format that takes eight times as long as bcrypt of cost 4.
type slowFormat struct{ oldFormat }

func (f slowFormat) check(hash, password string) (recognized, match bool) {
	if strings.HasPrefix(hash, "old:slow") {
		for range 8 {
			_, _ = bcrypt.GenerateFromPassword([]byte("x"), bcrypt.MinCost)
		}
	}
	return f.oldFormat.check(hash, password)
}

func TestRefusalsWithoutWorkCheckTheCostliestHash(t *testing.T) {
	f := slowFormat{oldFormat{}}
	c, err := hashcheck.New(bcrypt.MinCost, f.check, "old:slow")
	if err != nil {
		t.Fatal(err)
	}
	clear(f.oldFormat)
	if _, err := c.Check("", password); !errors.Is(err, hashcheck.ErrMismatch) || f.oldFormat["old:slow"] != 1 {
		t.Errorf("no user: %v, calls %v", err, f.oldFormat)
	}
	clear(f.oldFormat)
	if _, err := c.Check(hashOf(t, password, 4), "wrong"); !errors.Is(err, hashcheck.ErrMismatch) || len(f.oldFormat) != 0 {
		t.Errorf("a bcrypt hash: %v, calls %v", err, f.oldFormat)
	}
	if _, err := c.Check(hashOf(t, password, 4), password); err != nil || len(f.oldFormat) != 0 {
		t.Errorf("a match: %v, calls %v", err, f.oldFormat)
	}
}
