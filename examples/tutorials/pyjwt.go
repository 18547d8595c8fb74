package tutorials

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

// PyJWT is the service of tutorials on Flask with PyJWT: tokens come in the header x-access-token and name the user as
// public_id. A wrong password is a 403. Unlike the tutorials, it does not tell whether the user exists.
func PyJWT(key usher.Key, users *Users) http.Handler {
	encoder := usher.Must(usher.NewEncoder[usher.Claims](key, &usher.EncoderOptions{SubjectClaim: "public_id", TTL: 30 * time.Minute}))
	decoder := usher.Must(usher.NewDecoder[usher.Claims](key, &usher.DecoderOptions{SubjectClaim: "public_id"}))
	auth := usher.Must(usher.NewMiddleware(decoder, users.OfToken, &usher.MiddlewareOptions{
		Sources: []usher.TokenSource{usher.FromHeader("x-access-token")},
		Reject: func(w http.ResponseWriter, _ *http.Request, rej *usher.Rejection) {
			message := "Token is invalid !!"
			if errors.Is(rej.Err, usher.ErrNoToken) {
				message = "Token is missing !!"
			}
			writeJSON(w, rej.Status, object{"message": message})
		},
	}))
	login := usher.Must(session.LoginHandler(usher.Must(session.NewAccessTokens(encoder, noClaims)), users.Authenticator(), &session.HandlerOptions{
		UsernameField: "email",
		Respond: func(w http.ResponseWriter, _ *http.Request, tokens session.Tokens) {
			writeJSON(w, http.StatusCreated, object{"token": tokens.AccessToken})
		},
		Reject: func(w http.ResponseWriter, _ *http.Request, rej *usher.Rejection) {
			status := rej.Status
			switch {
			case errors.Is(rej.Err, usher.ErrPasswordMismatch):
				status = http.StatusForbidden
			case status == http.StatusUnprocessableEntity: // a field is missing
				status = http.StatusUnauthorized
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "Could not verify")
		},
	}))
	mux := http.NewServeMux()
	mux.Handle("POST /login", login)
	mux.HandleFunc("POST /signup", func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
		switch err := users.Add(r.Context(), r.PostFormValue("email"), r.PostFormValue("password")); {
		case errors.Is(err, session.ErrTaken):
			w.WriteHeader(http.StatusAccepted)
			_, _ = io.WriteString(w, "User already exists. Please Log in.")
		case err != nil:
			auth.Deny(w, r, err)
		default:
			w.WriteHeader(http.StatusCreated)
			_, _ = io.WriteString(w, "Successfully registered.")
		}
	})
	mux.Handle("GET /user", auth.RequireFunc(func(w http.ResponseWriter, _ *http.Request, _ *User) {
		list := []object{}
		for _, u := range users.All() {
			list = append(list, object{"public_id": u.ID, "email": u.Email})
		}
		writeJSON(w, http.StatusOK, object{"users": list})
	}))
	return mux
}
