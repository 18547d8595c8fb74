// Package attack generates tokens that a verifier has to refuse, a few that it has to accept, and for each what it
// is, which document says so, and the error that tells it from the others. Keys are new in every run: what is
// proved does not hang on one lucky key.
package attack

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-usher/usher"
)

// Case is one token and the verdict that it has to get.
type Case struct {
	Class   Class  // the kind of attack
	Name    string // what the token is
	Section string // the document and section that decide about it
	House   *House // whose door the token is shown at
	Token   string // what is shown
	Want    error  // nil if it has to be accepted, else what the error has to be, by errors.Is
}

// String returns the class and the name.
func (c Case) String() string { return fmt.Sprintf("%s: %s, at %s", c.Class, c.Name, c.House.Name) }

// Class is a kind of attack.
type Class string

// The classes, in the order in which reports list them.
const (
	Algorithm  Class = "algorithm"
	Confusion  Class = "key confusion"
	Signature  Class = "signature"
	BitFlips   Class = "signature bits"
	RSAPadding Class = "RSA padding"
	PSSSalt    Class = "PSS salt"
	Encoding   Class = "encoding"
	Shape      Class = "shape"
	Header     Class = "header"
	Payload    Class = "payload"
	Dates      Class = "dates"
	Claim      Class = "claims"
	Kinds      Class = "kinds of token"
	Order      Class = "order of checks"
	Routing    Class = "routing by issuer"
)

// Classes returns all classes in the order in which reports list them.
func Classes() []Class {
	return []Class{
		Algorithm, Confusion, Signature, BitFlips, RSAPadding, PSSSalt, Encoding, Shape,
		Header, Payload, Dates, Claim, Kinds, Order, Routing,
	}
}

// Claims is the claims type of all houses.
type Claims struct {
	usher.Claims
	Role  string   `json:"role,omitempty"`  // Validate refuses one
	Level int      `json:"level,omitempty"` // a number
	Teams []string `json:"teams,omitempty"` // a list
}

var errBarred = errors.New("the role is barred")

// Validate refuses one role.
func (c *Claims) Validate() error {
	if c.Role == "barred" {
		return errBarred
	}
	return nil
}

// House is a service with a door: keys and options.
type House struct {
	Name    string               // in the names of tests
	Keys    usher.Keys           // what it verifies with
	Options usher.DecoderOptions // what it asks for
	// Material holds the keys as other libraries take them: a secret or a public key.
	Material map[usher.Algorithm]any
	// Issuers, if there are any, have houses of their own behind one usher.ByIssuer.
	Issuers map[string]*House
}

// Verifier returns usher's verifier of the house, which remembers cacheSize tokens.
func (h *House) Verifier(cacheSize int) (usher.Verifier[Claims], error) {
	if len(h.Issuers) == 0 {
		opts := h.Options
		opts.CacheSize = cacheSize
		return usher.NewDecoder[Claims](h.Keys, &opts)
	}
	verifiers := map[string]usher.Verifier[Claims]{}
	for issuer, house := range h.Issuers {
		v, err := house.Verifier(cacheSize)
		if err != nil {
			return nil, err
		}
		verifiers[issuer] = v
	}
	return usher.ByIssuer[Claims](verifiers)
}

// Now is the time in all houses.
func Now() time.Time { return time.Unix(now, 0) }

const now = 1_800_000_000
