// Package lifetime ends long-lived requests, such as streams and WebSockets, when their token expires or their session ends.
package lifetime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/go-usher/usher"
)

// Context returns a context that ends with the request's own context, when the request's token expires, or when a check refuses
// the request. The parameter every is the interval of the checks; 0 means a minute. A check calls auth again, with the
// middleware's Check and user function, so it notices that the session has ended or the user no longer exists. An outage (503)
// does not end the context, but its token still expires. A panic in a check refuses the request, because nothing else could
// recover it.
//
// [Refusal] returns why the context has ended. The caller must cancel the context when its work is done.
func Context[C, U any](r *http.Request, auth *usher.Middleware[C, U], every time.Duration) (context.Context, context.CancelFunc) {
	deadline, expire := r.Context(), func() {}
	if claims, ok := usher.ClaimsFromContext[usher.Claims](deadline); ok && !claims.ExpiresAt.IsZero() {
		expired := auth.Rejection(usher.ErrTokenExpired)
		deadline, expire = context.WithDeadlineCause(deadline, claims.ExpiresAt.Time, expired)
	}
	ctx, end := context.WithCancelCause(deadline)
	if every <= 0 {
		every = time.Minute
	}
	go func() {
		ticks := time.NewTicker(every)
		defer ticks.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticks.C:
			}
			if rej := check(auth, r.WithContext(ctx)); rej != nil {
				end(rej)
			}
		}
	}()
	return ctx, func() { end(nil); expire() }
}

// check returns the refusal of a request, or nil during an outage.
func check[C, U any](auth *usher.Middleware[C, U], r *http.Request) (rej *usher.Rejection) {
	defer func() {
		if cause := recover(); cause != nil {
			rej = auth.Rejection(fmt.Errorf("panic in a check: %v\n%s", cause, debug.Stack()))
			slog.ErrorContext(r.Context(), "a stream is ended", "error", rej.Err)
		}
	}()
	_, err := auth.Authenticate(r)
	if rej, ok := errors.AsType[*usher.Rejection](err); ok && rej.Status < http.StatusInternalServerError {
		return rej
	}
	return nil
}

// Refusal returns why a context of [Context] has ended: the token has expired, or auth has refused the request. It is nil if the
// client has disconnected, or if the context has not ended.
func Refusal(ctx context.Context) *usher.Rejection {
	rej, _ := errors.AsType[*usher.Rejection](context.Cause(ctx))
	return rej
}
