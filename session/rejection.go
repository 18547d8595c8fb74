package session

import (
	"errors"
	"net/http"

	"github.com/go-usher/usher"
)

// refuse writes an error response as the middleware does.
func (e *endpoint) refuse(w http.ResponseWriter, r *http.Request, err error) {
	setRetryAfter(w.Header(), err)
	e.mapping.Deny(w, r, e.refusal(err))
}

// refusal maps errors to responses as the middleware does, and adds those of passwords and refresh tokens.
// ErrUnavailable and context errors take precedence: nothing was decided.
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
	case errors.Is(err, ErrTicket):
		rej.Status, rej.Code, rej.Description = http.StatusUnauthorized, "invalid_token", "The login has expired. Log in again."
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

// tokenSpoilt reports whether err means that the refresh token is useless.
func tokenSpoilt(err error) bool { return isAnswer(err) && !outOfReach(err) }

func wrongPassword(err error) bool {
	return errors.Is(err, usher.ErrPasswordMismatch) || errors.Is(err, usher.ErrNoUser)
}

// refused returns a Rejection whose cause is its description.
func refused(status int, description string) *usher.Rejection {
	return &usher.Rejection{Status: status, Description: description, Err: errors.New("session: " + description)}
}
