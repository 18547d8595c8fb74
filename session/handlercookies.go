package session

import (
	"fmt"
	"net/http"
	"time"
)

// maxCookie is the size up to which browsers must keep a cookie (RFC 6265 §6.1).
const maxCookie = 4096

// cookie returns a cookie to set or, if maxAge is negative, to clear. Browsers clear a cookie only if its attributes
// are the same. With SameSite=Lax they don't send the cookies with POST requests from other sites, but do when the user
// follows a link.
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

// checkCookieSize is a tokensCheck that refuses tokens too large for a cookie, which browsers would silently drop.
func (e *endpoint) checkCookieSize(t Tokens) error {
	if !e.opts.Cookies {
		return nil
	}
	for _, c := range e.cookies(t) {
		if size := len(c.String()); size > maxCookie {
			return fmt.Errorf("session: the cookie %s has %d bytes, but browsers accept at most %d; make the claims smaller", c.Name, size, maxCookie)
		}
	}
	return nil
}

func (e *endpoint) clearCookies(w http.ResponseWriter) {
	for _, name := range []string{e.opts.AccessCookie, e.opts.RefreshCookie} {
		http.SetCookie(w, e.cookie(name, "", -1))
	}
}
