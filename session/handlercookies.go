package session

import (
	"fmt"
	"net/http"
	"time"
)

// maxCookie is the size up to which browsers must keep a cookie (RFC 6265 §6.1).
const maxCookie = 4096

// cookie returns a cookie to set or, with a negative maxAge, to clear; browsers clear it only if the attributes are
// the same. SameSite=Lax keeps the cookies out of POST requests from other sites, and still sends them when the user
// follows a link from elsewhere.
func (e *endpoint) cookie(name, value string, maxAge int) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // only DangerouslyInsecureCookies omits Secure, and SameSite is never empty
		Name:     name,
		Value:    value,
		Path:     "/",
		MaxAge:   maxAge,
		Secure:   !e.opts.DangerouslyInsecureCookies,
		HttpOnly: true,
		SameSite: e.opts.SameSite,
	}
}

func (e *endpoint) cookies(t Tokens) []*http.Cookie {
	cookies := []*http.Cookie{e.cookie(e.opts.AccessCookie, t.AccessToken, int(t.ExpiresIn))}
	if t.RefreshToken != "" {
		cookies = append(cookies, e.cookie(e.opts.RefreshCookie, t.RefreshToken, int(t.RefreshTTL/time.Second)))
	}
	if t.untilBrowserCloses {
		for _, c := range cookies {
			c.MaxAge = 0 // no attribute
		}
	}
	return cookies
}

// fit is the checkpoint for cookies: browsers silently drop a cookie that is too large.
func (e *endpoint) fit(t Tokens) error {
	if !e.opts.Cookies {
		return nil
	}
	for _, c := range e.cookies(t) {
		if size := len(c.String()); size > maxCookie {
			return fmt.Errorf("session: the cookie %s has %d bytes, and browsers accept %d at most: the claims are too large", c.Name, size, maxCookie)
		}
	}
	return nil
}

func (e *endpoint) clearCookies(w http.ResponseWriter) {
	for _, name := range []string{e.opts.AccessCookie, e.opts.RefreshCookie} {
		http.SetCookie(w, e.cookie(name, "", -1))
	}
}
