package session

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strconv"

	"github.com/go-usher/usher"
)

// Attempts limits guesses at passwords in an application's own handlers, such as one that changes a password or
// deletes an account. With the options of LoginHandler it counts these guesses together with those at the login. It is
// safe for concurrent use.
type Attempts struct{ at *endpoint }

// NewAttempts returns Attempts that use the Throttle, Canonical and ClientAddress of opts. The Throttle is required
// here. If opts are invalid, NewAttempts returns a usher.ConfigError for each mistake, joined.
func NewAttempts(opts *HandlerOptions) (*Attempts, error) {
	e, err := newEndpoint(opts, nil,
		required(opts != nil && !isNil(opts.Throttle), "HandlerOptions.Throttle"))
	if err != nil {
		return nil, err
	}
	return &Attempts{e}, nil
}

// Try calls check, which returns nil if the password of username is right, and returns its error. It takes an attempt
// from the throttle first, so that of many simultaneous guesses only those that the throttle allows are checked. It
// returns the attempt if the password was right or if nothing was decided about it. An error of check that becomes a
// 4xx response, such as usher.ErrPasswordMismatch or usher.ErrNoUser, costs the attempt, and so does a client that
// disconnects before check returns.
//
// If no attempt is left, Try does not call check. It sets Retry-After in the header of w and returns a
// [usher.Rejection] with status 429. It returns usher.ErrUnavailable if the throttle does not answer.
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
		// If the refund fails, the user loses an attempt. That is no reason to refuse a right password.
		_ = stepWithin(context.WithoutCancel(ctx), stepTimeout, func(ctx context.Context) error {
			return e.opts.Throttle.Refund(ctx, account, from)
		})
	}
	return err
}
