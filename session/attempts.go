package session

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strconv"

	"github.com/go-usher/usher"
)

// Attempts limits guesses at passwords as LoginHandler does, for an application's own handlers that ask for one:
// to change it, say, or to delete the account. Made with the same options, it counts guesses together with those
// at the login. It is safe for concurrent use.
type Attempts struct{ at *endpoint }

// NewAttempts returns Attempts that count with the Throttle of opts, which is required here, by its Canonical and its
// ClientAddress. Mistakes are reported as usher.ConfigError, all at once.
func NewAttempts(opts *HandlerOptions) (*Attempts, error) {
	e, err := newEndpoint(opts, nil,
		required(opts != nil && !isNil(opts.Throttle), "HandlerOptions.Throttle"))
	if err != nil {
		return nil, err
	}
	return &Attempts{e}, nil
}

// Try calls check, which says whether the password is the one of username, and returns its error. The attempt is
// taken before, so that of any number of guesses at once only as many are tried as the throttle allows, and it is
// given back if the password is right, or if nothing was decided about it: not if check refused it in whatever way
// (usher.ErrPasswordMismatch, usher.ErrNoUser, and what else is answered with a 4xx), for that may have been a
// guess, nor if the client left before it could know.
//
// If there is no attempt left, check isn't called: the error is an [usher.Rejection] with status 429, and
// Retry-After is set in the header of w. If the throttle can't tell, it is usher.ErrUnavailable.
func (a *Attempts) Try(w http.ResponseWriter, r *http.Request, username string, check func(ctx context.Context) error) error {
	if a == nil || a.at == nil {
		return &usher.ConfigError{Field: "Attempts", Reason: "was not made by NewAttempts"}
	}
	return a.at.attempt(w, r, a.at.opts.Canonical(username), a.at.opts.ClientAddress(r), check)
}

// attempt is Try for a canonical username and a client's address.
func (e *endpoint) attempt(w http.ResponseWriter, r *http.Request, account, address string, check func(ctx context.Context) error) error {
	ctx, from := r.Context(), network(address)
	wait, err := e.opts.Throttle.Reserve(ctx, account, from)
	if err != nil {
		return fmt.Errorf("%w: session throttle: %w", usher.ErrUnavailable, err)
	}
	if wait > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(int64(math.Ceil(wait.Seconds())), 10))
		return refused(http.StatusTooManyRequests, "Too many attempts. Try again later.")
	}
	err = check(ctx)
	if err == nil || !wrongPassword(err) && e.refusal(err).Status >= http.StatusInternalServerError && ctx.Err() == nil {
		// A refund that fails costs its user an attempt, and is no reason to refuse the right password.
		_ = stepWithin(context.WithoutCancel(ctx), stepTimeout, func(ctx context.Context) error {
			return e.opts.Throttle.Refund(ctx, account, from)
		})
	}
	return err
}
