// Package lifetime holds what goes on after a request was let in, such as a stream or a WebSocket, to the lifetime of its
// token and its session.
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

// Context returns a context that ends with the request's own, when the request's token expires, and when auth refuses the
// request at a check. There is a check every so often, and every minute if that is 0. It decides anew, with the middleware's
// Check and user function, and so notices that the session has ended or the user is gone. An outage (503) judges nothing: the
// next check comes, and the token still expires. A check that panics refuses the request: nobody else could recover it.
//
// [Refusal] tells why the context has ended. The caller cancels it when its work is done, as with any context.
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

// check returns the refusal of a request, and nil in an outage.
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

// Refusal returns why a context of [Context] has ended: the token has expired, or what auth said. It is nil if the client has
// gone, or the context has not ended.
func Refusal(ctx context.Context) *usher.Rejection {
	rej, _ := errors.AsType[*usher.Rejection](context.Cause(ctx))
	return rej
}
