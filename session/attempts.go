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
type Attempts struct {
	throttle  Throttle
	canonical func(username string) string
	address   func(r *http.Request) string
}

// NewAttempts returns Attempts that count with the Throttle of opts, which is required here, by its Canonical and its
// ClientAddress. Mistakes are reported as usher.ConfigError, all at once.
func NewAttempts(opts *HandlerOptions) (*Attempts, error) {
	e, err := newEndpoint(opts, nil,
		required(opts != nil && !isNil(opts.Throttle), "HandlerOptions.Throttle"))
	if err != nil {
		return nil, err
	}
	return e.attempts(), nil
}

func (e *endpoint) attempts() *Attempts {
	return &Attempts{throttle: e.opts.Throttle, canonical: e.opts.Canonical, address: e.opts.ClientAddress}
}

// Try calls check, which says whether the password is the one of username, and returns its error. The attempt is
// taken before, so that of any number of guesses at once only as many are tried as the throttle allows, and it is
// given back unless the password was wrong (usher.ErrPasswordMismatch, usher.ErrNoUser), or the client left
// before it could know.
//
// If there is no attempt left, check isn't called: the error is an [usher.Rejection] with status 429, and
// Retry-After is set in the header of w. If the throttle can't tell, it is usher.ErrUnavailable.
func (a *Attempts) Try(w http.ResponseWriter, r *http.Request, username string, check func(ctx context.Context) error) error {
	return a.try(w, r, a.canonical(username), check)
}

func (a *Attempts) try(w http.ResponseWriter, r *http.Request, account string, check func(ctx context.Context) error) error {
	ctx, from := r.Context(), network(a.address(r))
	wait, err := a.throttle.Reserve(ctx, account, from)
	if err != nil {
		return fmt.Errorf("%w: session throttle: %w", usher.ErrUnavailable, err)
	}
	if wait > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(int64(math.Ceil(wait.Seconds())), 10))
		return refused(http.StatusTooManyRequests, "Too many attempts. Try again later.")
	}
	err = check(ctx)
	if !wrongPassword(err) && (err == nil || ctx.Err() == nil) {
		// A refund that fails costs its user an attempt, and is no reason to refuse the right password.
		_ = a.throttle.Refund(context.WithoutCancel(ctx), account, from)
	}
	return err
}
