package session

import (
	"context"
	"errors"
	"net/http"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/onetime"
)

// newMapping returns a middleware that is used only to map errors to responses.
func newMapping(opts *HandlerOptions) (*usher.Middleware[usher.Claims, *usher.Claims], error) {
	return usher.NewMiddleware(noVerifier{}, usher.ClaimsAsUser[usher.Claims],
		&usher.MiddlewareOptions{Observe: opts.Observe, Reject: opts.Reject})
}

// noVerifier refuses every token.
type noVerifier struct{}

func (noVerifier) Decode(context.Context, string) (*usher.Claims, error) {
	return nil, usher.ErrInvalidToken
}

// refuse responds to an error.
func (e *endpoint) refuse(w http.ResponseWriter, r *http.Request, err error) {
	e.mapping.Deny(w, r, e.rejection(err))
}

// rejection maps an error to a response. It maps errors of passwords, refresh tokens, tickets, links and accounts. The
// middleware maps outages and all other errors.
func (e *endpoint) rejection(err error) *usher.Rejection {
	if errors.As(err, new(*usher.Rejection)) || isOutage(err) {
		return e.mapping.Rejection(err)
	}
	rej := &usher.Rejection{Status: http.StatusUnauthorized, Err: err}
	switch {
	case tokenUnusable(err):
		rej.Code, rej.Description = "invalid_token", "The session is over. Log in again."
	case errors.Is(err, ErrTicket):
		rej.Code, rej.Description = "invalid_token", "The login has expired. Log in again."
	case errors.Is(err, onetime.ErrExpired):
		rej.Status, rej.Description = http.StatusBadRequest, "The link has expired. Ask for a new one."
	case errors.Is(err, onetime.ErrToken):
		rej.Status, rej.Description = http.StatusBadRequest, "The link is not valid, or it has been used. Ask for a new one."
	case errors.Is(err, ErrTaken):
		rej.Status, rej.Description = http.StatusConflict, "The "+e.opts.UsernameField+" is taken."
	case errors.Is(err, ErrChanged):
		rej.Status, rej.Description = http.StatusConflict, "The account has been changed in the meantime."
	case wrongPassword(err):
		rej.Description = "Wrong " + e.opts.UsernameField + " or " + e.opts.PasswordField + "."
	case errors.Is(err, usher.ErrNoToken):
		rej.Description = "A refresh token is required."
	case errors.Is(err, usher.ErrManyTokens):
		rej.Status, rej.Code, rej.Description = http.StatusBadRequest, "invalid_request", "The request carries more than one token."
	default:
		return e.mapping.Rejection(err)
	}
	return rej
}

// tokenUnusable reports whether err means that the refresh token can't be used any more.
func tokenUnusable(err error) bool { return isAnswer(err) && !isOutage(err) }

func wrongPassword(err error) bool {
	return errors.Is(err, usher.ErrPasswordMismatch) || errors.Is(err, usher.ErrNoUser)
}

// newRejection returns a Rejection whose cause is its description.
func newRejection(status int, description string) *usher.Rejection {
	return &usher.Rejection{Status: status, Description: description, Err: errors.New("session: " + description)}
}
