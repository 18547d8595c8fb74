// Package origin says what a plain web origin is: scheme://host[:port], spelled as browsers spell it in the Origin
// header (RFC 6454 §6.2). Configuration that lists origins is compared with that header byte for byte, so an entry of
// another form would never match, and is better refused when it is read.
package origin

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// IsPlain reports whether text is an origin as browsers send it: a scheme, a host and perhaps a port, in lower-case ASCII, and
// nothing else.
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

// maxLength is the most bytes of an Origin header that is looked at. No origin is as long.
const maxLength = 1024

var errLong = errors.New("the Origin header has more than 1,024 bytes")

// Check is protection's Check, at a bounded cost: by itself it takes six times the length of an Origin that is no URL.
func Check(protection *http.CrossOriginProtection, r *http.Request) error {
	if len(r.Header.Get("Origin")) > maxLength {
		return errLong
	}
	return protection.Check(r)
}
