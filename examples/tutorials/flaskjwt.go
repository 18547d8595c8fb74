package tutorials

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

// FlaskJWT is Flask-JWT's first example: POST /auth hands out tokens that name the user as identity, and GET /protected wants
// one as Authorization: JWT. Flask-JWT accepts these tokens, and this service those of Flask-JWT, whose identity is a number.
func FlaskJWT(key usher.Key, users *Users) http.Handler {
	encoder := usher.Must(usher.NewEncoder[usher.Claims](key, &usher.EncoderOptions{
		SubjectClaim: "identity", TTL: 5 * time.Minute, NotBefore: true,
	}))
	decoder := usher.Must(usher.NewDecoder[usher.Claims](key, &usher.DecoderOptions{
		SubjectClaim: "identity", AllowNumericSubject: true, Leeway: 10 * time.Second,
	}))
	problem := func(w http.ResponseWriter, status int, title, description string) {
		writeJSON(w, status, object{"status_code": status, "error": title, "description": description})
	}
	auth := usher.Must(usher.NewMiddleware(decoder, users.OfToken, &usher.MiddlewareOptions{
		Sources: []usher.TokenSource{usher.FromAuthorization("JWT")},
		Realm:   "Login Required",
		Reject: func(w http.ResponseWriter, _ *http.Request, rej *usher.Rejection) {
			if errors.Is(rej.Err, usher.ErrNoToken) {
				problem(w, rej.Status, "Authorization Required", "Request does not contain an access token")
				return
			}
			problem(w, rej.Status, "Invalid token", rej.Description)
		},
	}))
	mux := http.NewServeMux()
	mux.Handle("POST /auth", usher.Must(session.LoginHandler(usher.Must(session.NewAccessTokens(encoder, noClaims)), users.Authenticator(), &session.HandlerOptions{
		Respond: func(w http.ResponseWriter, _ *http.Request, tokens session.Tokens) {
			writeJSON(w, http.StatusOK, object{"access_token": tokens.AccessToken})
		},
		Reject: func(w http.ResponseWriter, _ *http.Request, rej *usher.Rejection) {
			if rej.Status == http.StatusUnauthorized || rej.Status == http.StatusUnprocessableEntity { // wrong, or missing
				problem(w, http.StatusUnauthorized, "Bad Request", "Invalid credentials")
				return
			}
			problem(w, rej.Status, http.StatusText(rej.Status), rej.Description)
		},
	})))
	mux.Handle("GET /protected", auth.RequireFunc(func(w http.ResponseWriter, _ *http.Request, u *User) {
		_, _ = fmt.Fprintf(w, "User(id='%s')", u.ID)
	}))
	return mux
}
