package session

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/internal/nilcheck"
)

// Attempts limits password guesses in an application's own handlers, such as one that changes a password or deletes an
// account. Pass it the options of LoginHandler to count these guesses together with logins. It is safe for concurrent
// use.
type Attempts struct{ endpoint *endpoint }

// NewAttempts returns Attempts that use the Throttle, Canonical and ClientAddress of opts. The Throttle is required. If
// opts are invalid, NewAttempts returns a usher.ConfigError for each mistake, joined.
func NewAttempts(opts *HandlerOptions) (*Attempts, error) {
	e, err := newEndpoint(opts, nil,
		required(opts != nil && !nilcheck.IsNil(opts.Throttle), "HandlerOptions.Throttle"))
	if err != nil {
		return nil, err
	}
	return &Attempts{e}, nil
}

// Try calls check and returns its error. check returns nil if the password of username is right.
//
// Try first takes an attempt of KindLogin from the throttle, so that only as many simultaneous guesses are checked as
// the throttle permits. It gives the attempt back if the password was right or if a failure left that open. The attempt
// is spent if check's error is a 4xx response, such as usher.ErrPasswordMismatch or usher.ErrNoUser, or if the client
// disconnects before check returns.
//
// If no attempt is left, Try does not call check. It sets Retry-After in the header of w and returns a
// [usher.Rejection] with status 429 and RetryAfter. It returns usher.ErrUnavailable if the throttle does not answer.
func (a *Attempts) Try(w http.ResponseWriter, r *http.Request, username string, check func(ctx context.Context) error) error {
	if a == nil || a.endpoint == nil {
		return &usher.ConfigError{Field: "Attempts", Reason: "was not made by NewAttempts"}
	}
	if a.endpoint.opts.Throttle == nil {
		return errLoginNotMade
	}
	err := a.endpoint.attempt(r.Context(), Attempt{
		Kind:    KindLogin,
		Account: countedName(a.endpoint.opts.Canonical(username)),
		Client:  network(a.endpoint.opts.ClientAddress(r)),
	}, check)
	if rej := (*usher.Rejection)(nil); errors.As(err, &rej) && rej.RetryAfter > 0 {
		rej.SetHeaders(w.Header())
	}
	return err
}

// countedName returns the name under which attempts at a username are counted. Names that differ only in case are
// counted together.
func countedName(username string) string { return strings.ToLower(strings.ToUpper(username)) }

// attempt takes an attempt from the throttle, calls check and returns its error. The context of check identifies the
// client for the queue of usher.Passwords.
func (e *endpoint) attempt(ctx context.Context, a Attempt, check func(ctx context.Context) error) error {
	return e.attemptWith(ctx, a, Right, check)
}

// attemptCounted is like attempt, for actions that count even if they succeed, such as a signup.
func (e *endpoint) attemptCounted(ctx context.Context, a Attempt, check func(ctx context.Context) error) error {
	return e.attemptWith(ctx, a, Counted, check)
}

func (e *endpoint) attemptWith(ctx context.Context, a Attempt, success Outcome, check func(ctx context.Context) error) (err error) {
	taken, wait, err := e.opts.Throttle.Reserve(ctx, a)
	if err != nil {
		return fmt.Errorf("%w: session throttle: %w", usher.ErrUnavailable, err)
	}
	if wait > 0 {
		return &usher.Rejection{
			Status:      http.StatusTooManyRequests,
			Description: "Too many attempts. Try again later.",
			RetryAfter:  wait,
			Err:         fmt.Errorf("session: too many attempts of kind %s: wait %s", a.Kind, wait),
		}
	}
	err = errNoResult
	defer func() {
		outcome := success
		if err != nil {
			outcome = e.outcome(ctx, err)
		}
		// If Settle fails, the user may lose an attempt, but a right password is not refused for that.
		_ = completeChange(context.WithoutCancel(ctx), detachedTimeout, func(ctx context.Context) error {
			return e.opts.Throttle.Settle(ctx, taken, outcome)
		})
	}()
	err = check(usher.ContextWithClient(ctx, a.Client)) // limits the client's share of the queue
	return err
}

// errNoResult is the result of a check that panics.
var errNoResult = errors.New("session: the check did not return")

// outcome returns the outcome of an attempt whose check failed with err. A client that disconnects before the response
// may still have guessed.
func (e *endpoint) outcome(ctx context.Context, err error) Outcome {
	switch {
	case wrongPassword(err), e.rejection(err).Status < http.StatusInternalServerError, ctx.Err() != nil:
		return Counted
	default:
		return Undecided
	}
}
