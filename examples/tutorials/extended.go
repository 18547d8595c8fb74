package tutorials

import (
	"net/http"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

// Extended is the service of Flask-JWT-Extended's guide: access and refresh tokens, a blocklist, and with cookies true tokens
// in cookies. Sessions take the place of the blocklist. Cookies need no CSRF token: requests of other origins are refused.
func Extended(key usher.Key, users *Users, cookies bool) http.Handler {
	manager := newManager(key, 0)
	decoder := usher.Must(usher.NewDecoder[usher.Claims](key, nil))
	reject := func(w http.ResponseWriter, _ *http.Request, rej *usher.Rejection) {
		status, message := rej.Status, rej.Description
		switch rej.Reason() {
		case "no_token":
			if message = "Missing Authorization Header"; cookies {
				message = `Missing cookie "__Host-access"`
			}
		case "password":
			message = "Bad username or password"
		case "expired":
			message = "Token has expired"
		case "revoked", "session_ended", "token_reused":
			message = "Token has been revoked"
		case "malformed", "signature", "refresh_token":
			status, message = http.StatusUnprocessableEntity, "Signature verification failed"
		}
		writeJSON(w, status, object{"msg": message})
	}
	auth := usher.Must(usher.NewMiddleware(decoder, users.OfToken, &usher.MiddlewareOptions{
		Sources: []usher.TokenSource{usher.FromBearer(), usher.FromCookie("__Host-access")}, Check: manager.Check, Reject: reject,
	}))
	opts := &session.HandlerOptions{Cookies: cookies, Reject: reject,
		Respond: func(w http.ResponseWriter, _ *http.Request, tokens session.Tokens) {
			if cookies {
				writeJSON(w, http.StatusOK, object{"msg": "login successful"})
				return
			}
			writeJSON(w, http.StatusOK, object{"access_token": tokens.AccessToken, "refresh_token": tokens.RefreshToken})
		},
	}
	mux := http.NewServeMux()
	mux.Handle("POST /login", usher.Must(session.LoginHandler(manager, users.Authenticator(), opts)))
	mux.Handle("POST /refresh", usher.Must(session.RefreshHandler(manager, opts)))
	mux.Handle("POST /logout", insteadOf204(usher.Must(session.LogoutHandler(manager, opts)), func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, object{"msg": "logout successful"})
	}))
	mux.Handle("DELETE /logout", auth.RequireFunc(func(w http.ResponseWriter, r *http.Request, u *User) {
		claims, _ := auth.Claims(r.Context())
		if err := manager.EndSession(r.Context(), u.ID, claims.SessionID); err != nil {
			auth.Deny(w, r, err)
			return
		}
		writeJSON(w, http.StatusOK, object{"msg": "Access token revoked"})
	}))
	mux.Handle("GET /protected", auth.RequireFunc(func(w http.ResponseWriter, _ *http.Request, u *User) {
		writeJSON(w, http.StatusOK, object{"logged_in_as": u.Email})
	}))
	return mux
}
