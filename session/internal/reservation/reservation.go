// Package reservation identifies attempts that a throttle has reserved. It is what the throttles of packages session
// and redisstore have in common.
package reservation

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// Reservation identifies a reserved attempt. It has digests instead of names, because clients choose the names and
// their length.
type Reservation struct {
	Kind    string // the kind of the attempt
	Account string // the digest of the account; empty if the attempt has none
	Client  string // the digest of the client
	Known   bool   // the client is known to the account
}

// New returns the reservation of an attempt. An empty account means that the attempt has none.
func New(kind, account, client string) Reservation {
	r := Reservation{Kind: kind, Client: digest(client)}
	if account != "" {
		r.Account = digest(account)
	}
	return r
}

const (
	digestBytes = 16
	digestText  = (digestBytes*8 + 5) / 6
)

// digest returns the first bytes of a SHA-256 hash as base64url.
func digest(name string) string {
	sum := sha256.Sum256([]byte(name))
	return base64.RawURLEncoding.EncodeToString(sum[:digestBytes])
}

// Encode returns the reservation as the text of a session.Taken.
func (r Reservation) Encode() string {
	known := "-"
	if r.Known {
		known = "k"
	}
	return strings.Join([]string{known, r.Account, r.Client, r.Kind}, ":")
}

// Decode parses a text that Encode has returned. It does not check the kind. If the text is malformed, ok is false.
func Decode(text string) (r Reservation, ok bool) {
	parts := strings.Split(text, ":")
	if len(parts) != 4 {
		return Reservation{}, false
	}
	known, account, client, kind := parts[0], parts[1], parts[2], parts[3]
	if known != "-" && known != "k" || account != "" && len(account) != digestText || len(client) != digestText {
		return Reservation{}, false
	}
	return Reservation{Kind: kind, Account: account, Client: client, Known: known == "k"}, true
}
