package connectauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"connectrpc.com/connect"
	"github.com/go-usher/usher"
	"github.com/go-usher/usher/internal/lease"
)

// WrapStreamingHandler ends streams with their tokens, and maps the errors of handlers.
func (p *policy) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		procedure := conn.Spec().Procedure
		admitted, ok := ctx.Value(admissionKey{}).(*admission)
		if !ok { // the procedure is public
			return p.mapped(ctx, conn, next(ctx, conn))
		}
		permit := lease.Start(ctx, lease.Terms{
			End:   expiry(ctx),
			Every: p.opts.Recheck,
			Renew: func(ctx context.Context, over bool) error {
				if rej := p.renew(ctx, procedure, admitted, over); rej != nil {
					return rej
				}
				return nil
			},
		})
		defer func() { _ = permit.Stop() }() // if the handler panics
		receive := lease.NewCaller(permit, conn.Receive)
		defer receive.Stop()
		err := next(permit.Context(), &handlerConn{conn, permit, receive})
		if ended := permit.Stop(); ended != nil {
			return ofStream(ended)
		}
		return p.mapped(ctx, conn, err)
	}
}

// mapped is handlerError for a handler that may have succeeded.
func (p *policy) mapped(ctx context.Context, conn connect.StreamingHandlerConn, err error) error {
	if err == nil {
		return nil
	}
	return p.handlerError(ctx, conn.Spec(), conn.Peer(), err)
}

// expiry returns when the token of a call expires, zero if it doesn't or if that is unknown.
func expiry(ctx context.Context) time.Time {
	if claims, ok := usher.ClaimsFromContext[usher.Claims](ctx); ok {
		return claims.ExpiresAt.Time
	}
	return time.Time{}
}

// renew asks again about the token of an open stream, and returns the refusal that ends it. A panic is one, for nobody can
// recover it here: there is no handler on the stack.
func (p *policy) renew(ctx context.Context, procedure string, admitted *admission, over bool) (rej *usher.Rejection) {
	defer func() {
		if v := recover(); v != nil {
			rej = &usher.Rejection{Status: http.StatusInternalServerError, Err: fmt.Errorf("connectauth: panic: %v\n%s", v, debug.Stack())}
			defer func() {
				if recover() != nil { // Observe itself panics
					p.logged(ctx, procedure, rej)
				}
			}()
			p.observe(ctx, procedure, rej)
		}
	}()
	_, err := admitted.auth.AuthenticateToken(ctx, admitted.token)
	if err == nil || admitted.ctx.Err() != nil || context.Cause(ctx) == context.Canceled { //nolint:errorlint // the stream is over
		return nil
	}
	rej = rejection(err)
	p.observe(ctx, procedure, rej)
	if rej.Status == http.StatusServiceUnavailable && !over {
		return nil
	}
	return rej
}

// handlerConn is a stream that ends with its permit.
type handlerConn struct {
	connect.StreamingHandlerConn
	permit  *lease.Lease
	receive *lease.Caller
}

// Receive returns when the permit ends. The server ends the Receive inside when the handler returns.
func (c *handlerConn) Receive(m any) error {
	err := c.receive.Call(m)
	if c.Spec().StreamType == connect.StreamTypeServer { // there is but one message
		c.receive.Rest()
	}
	return ofStream(err)
}

// Send sends nothing once the permit has ended.
func (c *handlerConn) Send(m any) error {
	if err := c.permit.Err(); err != nil {
		return ofStream(err)
	}
	return c.StreamingHandlerConn.Send(m)
}

// ofStream returns an error of a stream as Connect wants it: the refusal that ended it as an Error.
func ofStream(err error) error {
	if rej, ok := errors.AsType[*usher.Rejection](err); ok {
		return Error(rej)
	}
	return err
}

// fromMiddleware relies on the middleware around the handler.
type fromMiddleware struct{}

// askedKey marks the context of a call that fromMiddleware has let in.
type askedKey struct{}

// AuthenticateToken lets a call in because the middleware has. Asked again, it goes by the clock.
func (fromMiddleware) AuthenticateToken(ctx context.Context, _ string) (context.Context, error) {
	claims, ok := usher.ClaimsFromContext[usher.Claims](ctx)
	switch {
	case !ok:
		return nil, fmt.Errorf("%w: no middleware has let this request in", usher.ErrNoToken)
	case ctx.Value(askedKey{}) == nil:
		return context.WithValue(ctx, askedKey{}, true), nil
	case !claims.ExpiresAt.IsZero() && !time.Now().Before(claims.ExpiresAt.Time):
		return nil, usher.ErrTokenExpired
	}
	return ctx, nil
}
