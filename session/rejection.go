package session

import (
	"errors"
	"net/http"

	"github.com/go-usher/usher"
)

// refuse answers with a problem in the middleware's manner.
func (e *endpoint) refuse(w http.ResponseWriter, r *http.Request, err error) {
	rej := e.refusal(err)
	if e.opts.Observe != nil {
		e.opts.Observe(r, rej)
	}
	rej.ServeHTTP(w, r)
}

// refusal answers as the middleware does, and adds what only these handlers know: passwords and refresh tokens. That
// something was out of reach comes first: then nothing has been decided about either.
func (e *endpoint) refusal(err error) *usher.Rejection {
	var rej *usher.Rejection
	if errors.As(err, &rej) && rej != nil {
		return rej
	}
	rej = &usher.Rejection{Err: err}
	switch {
	case outOfReach(err):
		rej.Status, rej.Description = http.StatusServiceUnavailable, "Try again later."
	case tokenSpoilt(err):
		rej.Status, rej.Code, rej.Description = http.StatusUnauthorized, "invalid_token", "The session is over. Log in again."
	case wrongPassword(err):
		rej.Status, rej.Description = http.StatusUnauthorized, "Wrong "+e.opts.UsernameField+" or "+e.opts.PasswordField+"."
	case errors.Is(err, usher.ErrNoToken):
		rej.Status, rej.Description = http.StatusUnauthorized, "A refresh token is required."
	case errors.Is(err, usher.ErrManyTokens):
		rej.Status, rej.Code, rej.Description = http.StatusBadRequest, "invalid_request", "The request carries more than one token."
	case errors.Is(err, usher.ErrForbidden):
		rej.Status, rej.Description = http.StatusForbidden, "This is not allowed."
	default:
		rej.Status, rej.Description = http.StatusInternalServerError, "The request can't be served."
	}
	return rej
}

// tokenSpoilt reports whether a refresh token is of no use any more, or never was.
func tokenSpoilt(err error) bool { return isAnswer(err) && !outOfReach(err) }

func wrongPassword(err error) bool {
	return errors.Is(err, usher.ErrPasswordMismatch) || errors.Is(err, usher.ErrNoUser)
}

// refused is a refusal whose description says all about its cause.
func refused(status int, description string) *usher.Rejection {
	return &usher.Rejection{Status: status, Description: description, Err: errors.New("session: " + description)}
}
