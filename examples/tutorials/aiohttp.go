package tutorials

import (
	"errors"
	"net/http"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

// Aiohttp is the service of tutorials on aiohttp with PyJWT: the header Authorization is the token, without a scheme, and the
// token names the user as user_id. Wrong credentials and invalid tokens are a 400.
func Aiohttp(key usher.Key, users *Users) http.Handler {
	encoder := usher.Must(usher.NewEncoder[usher.Claims](key, &usher.EncoderOptions{SubjectClaim: "user_id", TTL: 20 * time.Second}))
	decoder := usher.Must(usher.NewDecoder[usher.Claims](key, &usher.DecoderOptions{SubjectClaim: "user_id", AllowNumericSubject: true}))
	// reject responds as the tutorial does to a 401, and as usher does to anything else.
	reject := func(invalid string) func(http.ResponseWriter, *http.Request, *usher.Rejection) {
		return func(w http.ResponseWriter, _ *http.Request, rej *usher.Rejection) {
			switch {
			case errors.Is(rej.Err, usher.ErrNoToken):
				writeJSON(w, rej.Status, object{"message": "Auth required"})
			case rej.Status == http.StatusUnauthorized:
				writeJSON(w, http.StatusBadRequest, object{"message": invalid})
			default:
				writeJSON(w, rej.Status, object{"message": rej.Description})
			}
		}
	}
	auth := usher.Must(usher.NewMiddleware(decoder, users.OfToken, &usher.MiddlewareOptions{
		Sources: []usher.TokenSource{usher.FromHeader("Authorization")}, Reject: reject("Token is invalid"),
	}))
	mux := http.NewServeMux()
	mux.Handle("POST /login", usher.Must(session.LoginHandler(usher.Must(session.NewAccessTokens(encoder, noClaims)), users.Authenticator(), &session.HandlerOptions{
		UsernameField: "email",
		Reject:        reject("Wrong credentials"),
		Respond: func(w http.ResponseWriter, _ *http.Request, tokens session.Tokens) {
			writeJSON(w, http.StatusOK, object{"token": tokens.AccessToken})
		},
	})))
	mux.Handle("GET /get-user", auth.RequireFunc(func(w http.ResponseWriter, _ *http.Request, u *User) {
		writeJSON(w, http.StatusOK, object{"user": u.Email})
	}))
	return mux
}
