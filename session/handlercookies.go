package session

import (
	"fmt"
	"net/http"
	"time"
)

// maxCookie is what browsers keep of a cookie at most (RFC 6265 §6.1).
const maxCookie = 4096

// cookie is the one form of both cookies, set or cleared: browsers tell cookies apart by their attributes too. Lax
// keeps them out of other sites' POSTs, and yet a link from elsewhere finds the user logged in.
func cookie(name, value string, maxAge int) *http.Cookie {
	return &http.Cookie{
		Name:     name,
		Value:    value,
		Path:     "/",
		MaxAge:   maxAge,
		Secure:   true,
		HttpOnly: true,
		SameSite: http.SameSiteLaxMode,
	}
}

func (e *endpoint) cookies(t Tokens) []*http.Cookie {
	cookies := []*http.Cookie{cookie(e.opts.AccessCookie, t.AccessToken, int(t.ExpiresIn))}
	if t.RefreshToken != "" {
		cookies = append(cookies, cookie(e.opts.RefreshCookie, t.RefreshToken, int(t.RefreshTTL/time.Second)))
	}
	return cookies
}

// fit is the checkpoint of cookie mode: a browser would drop a cookie that is too large, without a word.
func (e *endpoint) fit(t Tokens) error {
	if !e.opts.Cookies {
		return nil
	}
	for _, c := range e.cookies(t) {
		if size := len(c.String()); size > maxCookie {
			return fmt.Errorf("session: the cookie %s has %d bytes, and browsers keep %d at most: the claims are too large", c.Name, size, maxCookie)
		}
	}
	return nil
}

func (e *endpoint) clearCookies(w http.ResponseWriter) {
	for _, name := range []string{e.opts.AccessCookie, e.opts.RefreshCookie} {
		http.SetCookie(w, cookie(name, "", -1))
	}
}
