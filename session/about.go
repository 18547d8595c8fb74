package session

import (
	"errors"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// About is what a session remembers of the login that started it. Texts are cut to 256 bytes, and control
// characters are dropped: they come from clients.
type About struct {
	UserAgent string // which browser or app, as the User-Agent header says
	Address   string // where the client is
	Label     string // what the user calls the device
	// AuthTime is when the authentication began, which is before the password was checked: the zero value is
	// the time of Start. It becomes auth_time, and a cut-off of EndAll or EndOthers at or after it prevents
	// the session.
	AuthTime time.Time
}

const maxAboutBytes = 256

// clean also copies: a header's value would keep the whole request's header alive.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if len(s) > maxAboutBytes {
		cut := maxAboutBytes
		for !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut]
	}
	return strings.Clone(s)
}

var errSubject = errors.New("session: a subject must be 1 to 255 bytes of UTF-8 without control characters")

// isSubject reports whether every store can keep the subject as it is.
func isSubject(s string) bool {
	return s != "" && len(s) <= maxSubject && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}
