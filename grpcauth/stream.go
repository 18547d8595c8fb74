package grpcauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/internal/lease"
	"google.golang.org/grpc"
)

func (p *policy) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	ctx := ss.Context()
	admitted, err := p.admit(ctx, info.FullMethod)
	if err != nil {
		return err
	}
	var result error
	if admitted.auth == nil {
		result = handler(srv, ss)
	} else {
		permit := lease.Start(admitted.ctx, lease.Terms{
			End:   expiry(admitted.ctx),
			Every: p.opts.Recheck,
			Renew: func(ctx context.Context, over bool) error {
				if rej := p.renew(ctx, info.FullMethod, admitted, over); rej != nil {
					return rej
				}
				return nil
			},
		})
		defer func() { _ = permit.Stop() }() // if the handler panics
		receive := lease.NewCaller(permit, ss.RecvMsg)
		defer receive.Stop()
		result = handler(srv, &serverStream{ss, permit, receive, info.IsClientStream})
		if ended := permit.Stop(); ended != nil {
			return ofStream(ended)
		}
	}
	if result != nil {
		return p.handlerError(ctx, info.FullMethod, result)
	}
	return nil
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
func (p *policy) renew(ctx context.Context, fullMethod string, admitted admission, over bool) (rej *usher.Rejection) {
	defer func() {
		if v := recover(); v != nil {
			rej = &usher.Rejection{Status: http.StatusInternalServerError, Err: fmt.Errorf("grpcauth: panic: %v\n%s", v, debug.Stack())}
			defer func() {
				if recover() != nil { // Observe itself panics
					p.logged(ctx, fullMethod, rej)
				}
			}()
			p.observe(ctx, fullMethod, rej)
		}
	}()
	_, err := admitted.auth.AuthenticateToken(ctx, admitted.token)
	if err == nil || admitted.ctx.Err() != nil || context.Cause(ctx) == context.Canceled { //nolint:errorlint // the stream is over
		return nil
	}
	rej = rejection(err)
	p.observe(ctx, fullMethod, rej)
	if rej.Status == http.StatusServiceUnavailable && !over {
		return nil
	}
	return rej
}

// serverStream is a stream that ends with its permit.
type serverStream struct {
	grpc.ServerStream
	permit  *lease.Lease
	receive *lease.Caller
	many    bool // the client may send more than one message
}

// Context returns the context that has the user.
func (s *serverStream) Context() context.Context { return s.permit.Context() }

// RecvMsg returns when the permit ends. gRPC ends the RecvMsg inside when the handler returns.
func (s *serverStream) RecvMsg(m any) error {
	err := s.receive.Call(m)
	if !s.many {
		s.receive.Rest()
	}
	return ofStream(err)
}

// SendMsg sends nothing once the permit has ended.
func (s *serverStream) SendMsg(m any) error {
	if err := s.permit.Err(); err != nil {
		return ofStream(err)
	}
	return s.ServerStream.SendMsg(m)
}

// ofStream returns an error of a stream as gRPC wants it: the refusal that ended it as a status.
func ofStream(err error) error {
	if rej, ok := errors.AsType[*usher.Rejection](err); ok {
		return Status(rej).Err()
	}
	return err
}
