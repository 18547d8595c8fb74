// Package hashcheck checks passwords against stored hashes of several formats. Every refusal takes as long as a check of
// the costliest hash, so the time of a response does not reveal who has an account or which kind of hash it has.
package hashcheck

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/go-usher/usher/internal/bcrypthash"
	"github.com/go-usher/usher/internal/bcryptwork"
)

const (
	alwaysAcceptedCost = 14 // hashes of up to this cost are accepted, whatever the configured cost is
	costTolerance      = 4  // hashes of up to this much above the configured cost are accepted too
)

// Reasons why a password is not accepted. Other errors say why a hash can't be checked. None contains the hash or the
// password.
var (
	ErrMismatch     = errors.New("the password is not the one that was hashed")
	ErrUnrecognized = errors.New("the hash has an unknown format")
)

// Checker checks passwords. Create it with [New]. It is safe for concurrent use if its legacy function is.
type Checker struct {
	cost      int
	legacy    func(hash, password string) (recognized, match bool)
	refusal   bcryptwork.Work // the work of every refusal
	costliest string          // a hash of an older format whose check takes that work; empty if refusals use bcrypt
	do        func(bcryptwork.Work)
}

// New returns a checker. New hashes have this bcrypt cost. legacy checks hashes of older formats: recognized is false
// for a hash that it can't check.
//
// costliest is a hash of the slowest kind in use, or "" if no hash is slower than a new one. If it can't be checked, New
// returns the reason. If it has an older format, New measures it: it checks it up to three times, and computes bcrypt
// for as long.
func New(cost int, legacy func(hash, password string) (recognized, match bool), costliest string) (*Checker, error) {
	c := &Checker{cost: cost, legacy: legacy, refusal: bcryptwork.OfCost(cost), do: bcryptwork.Work.Do}
	if costliest == "" {
		return c, nil
	}
	if stored, ok := bcrypthash.Parse(costliest); ok {
		if err := c.acceptCost(stored.Cost); err != nil {
			return nil, err
		}
		c.refusal = max(c.refusal, bcryptwork.OfCost(stored.Cost))
		return c, nil
	}
	work, ok := bcryptwork.Measure(func(password string) bool {
		recognized, _ := legacy(costliest, password)
		return recognized
	})
	if !ok {
		return nil, ErrUnrecognized
	}
	if work > c.refusal {
		c.refusal, c.costliest = work, costliest
	}
	return c, nil
}

// Check compares the password with the hash. If they match, outdated reports whether the hash should be replaced,
// because it has a lower cost than new ones or an older format. An empty hash, of a user who does not exist, is
// ErrMismatch.
func (c *Checker) Check(hash, password string) (outdated bool, err error) {
	outdated, done, err := c.compare(hash, password)
	if err != nil {
		c.refuse(password, done)
		return false, err
	}
	return outdated, nil
}

// compare is Check without the work that refusals add. It returns the work that it has done.
func (c *Checker) compare(hash, password string) (outdated bool, done bcryptwork.Work, err error) {
	if hash == "" {
		return false, 0, ErrMismatch
	}
	stored, ok := bcrypthash.Parse(hash)
	if !ok {
		done, err = c.compareLegacy(hash, password)
		return true, done, err
	}
	if err := c.acceptCost(stored.Cost); err != nil {
		return false, 0, err
	}
	if !stored.Matches(password) {
		return false, bcryptwork.OfCost(stored.Cost), ErrMismatch
	}
	return stored.Cost < c.cost, 0, nil
}

func (c *Checker) acceptCost(cost int) error {
	if cost < bcrypt.MinCost {
		return fmt.Errorf("its cost is %d, but bcrypt's lowest is %d", cost, bcrypt.MinCost)
	}
	if limit := max(alwaysAcceptedCost, c.cost+costTolerance); cost > limit {
		return fmt.Errorf("its cost is %d, and the limit %d (%d, or the configured %d plus %d)",
			cost, limit, alwaysAcceptedCost, c.cost, costTolerance)
	}
	return nil
}

func (c *Checker) compareLegacy(hash, password string) (bcryptwork.Work, error) {
	start := time.Now()
	recognized, match := c.legacy(hash, password)
	switch {
	case recognized && match:
		return 0, nil
	case recognized:
		return bcryptwork.Estimate(time.Since(start), c.refusal), ErrMismatch
	}
	return 0, whyUnrecognized(hash, password)
}

// whyUnrecognized returns the reason why a hash can't be checked. The text contains neither argument: what was passed as
// the hash may be a password.
func whyUnrecognized(hash, password string) error {
	if _, swapped := bcrypthash.Parse(password); swapped {
		return errors.New("the arguments are swapped: a bcrypt hash was passed as the password")
	}
	if strings.HasPrefix(hash, "$2") {
		return fmt.Errorf("its %d bytes begin like bcrypt, but are not the 60 of "+
			"$2a$, $2b$ or $2y$, a cost of two digits, $, and 53 characters of bcrypt's alphabet", len(hash))
	}
	return ErrUnrecognized
}

// refuse does the rest of the work of a refusal.
func (c *Checker) refuse(password string, done bcryptwork.Work) {
	if done == 0 && c.costliest != "" {
		_, _ = c.legacy(c.costliest, password)
		return
	}
	if done < c.refusal {
		c.do(c.refusal - done)
	}
}
