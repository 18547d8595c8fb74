// Package origin checks web origins: scheme://host[:port], as browsers write them in the Origin header (RFC 6454 §6.2).
// Configured origins are compared with this header byte for byte. One that is written differently would never match, so
// constructors refuse it.
package origin

import (
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// IsPlain reports whether text is an origin as browsers send it: only a scheme, a host and optionally a port, in
// lower-case ASCII.
func IsPlain(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || u.Hostname() == "" || text != u.Scheme+"://"+u.Host {
		return false
	}
	if _, err := strconv.ParseUint(u.Port(), 10, 16); err != nil && u.Host != strings.TrimSuffix(u.Host, ":"+u.Port()) {
		return false
	}
	return strings.Trim(u.Host, "abcdefghijklmnopqrstuvwxyz0123456789.-_:[]") == ""
}

// IsLoopback reports whether host, without a port, names this machine: localhost or a loopback address.
func IsLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && addr.IsLoopback()
}

// maxLength is the maximum length in bytes of an Origin header. Real origins are shorter.
const maxLength = 1024

var errLong = errors.New("the Origin header has more than 1,024 bytes")

// Check calls protection.Check at a bounded cost. For an Origin that is not a URL, protection.Check allocates six times
// its length.
func Check(protection *http.CrossOriginProtection, r *http.Request) error {
	if len(r.Header.Get("Origin")) > maxLength {
		return errLong
	}
	return protection.Check(r)
}
