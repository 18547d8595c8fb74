package grpcauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/internal/nilcheck"
	"github.com/go-usher/usher/internal/rpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Unary returns an interceptor for unary calls. It reads the token from the authorization metadata (the scheme Bearer is
// case-insensitive), and calls the handler with the context that auth returns, which has the user and the claims. If auth
// refuses a call, the client gets the [Status], and the handler is not called. Two authorization values are InvalidArgument.
//
// A handler may return a [*usher.Rejection], such as auth.Rejection(usher.ErrForbidden). The client then gets its [Status].
//
// Mistakes are reported as [usher.ConfigError], all at once. A server with streams also needs [Stream].
func Unary(auth Authenticator, opts *Options) (grpc.UnaryServerInterceptor, error) {
	p, err := newPolicy(auth, opts)
	if err != nil {
		return nil, err
	}
	return p.unary, nil
}

// Stream returns an interceptor for streams. When a stream begins, it does the same as the interceptor of [Unary].
//
// When the token expires, auth is called again. Unless the decoder has a Leeway, it refuses the token, and the stream ends:
// its context is cancelled with the [*usher.Rejection] as the cause, RecvMsg and SendMsg fail, and the client gets the
// Rejection's [Status], whatever the handler returns. A waiting RecvMsg returns at once. A SendMsg that waits for a client
// that doesn't read returns only when the client reads or disconnects. Options.Recheck calls auth earlier, to end streams
// whose session has ended. The user in the context does not change during a stream.
func Stream(auth Authenticator, opts *Options) (grpc.StreamServerInterceptor, error) {
	p, err := newPolicy(auth, opts)
	if err != nil {
		return nil, err
	}
	return p.stream, nil
}

func (p *policy) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	admitted, err := p.admit(ctx, info.FullMethod)
	if err != nil {
		return nil, err
	}
	resp, err := handler(admitted.ctx, req)
	if err != nil {
		return nil, p.handlerError(ctx, info.FullMethod, err)
	}
	return resp, nil
}

// admission is the decision about a call that may proceed.
type admission struct {
	ctx   context.Context
	auth  Authenticator // nil if the method is public
	token string
}

// admit decides about a call. Its error is a status.
func (p *policy) admit(ctx context.Context, fullMethod string) (admission, error) {
	auth, required := p.choose(fullMethod)
	if !required {
		return admission{ctx: ctx}, nil
	}
	token, err := bearer(metadata.ValueFromIncomingContext(ctx, "authorization"))
	if err == nil && nilcheck.IsNil(auth) {
		err = &usher.ConfigError{Field: "Options.For", Reason: "returned no Authenticator for a method that requires one"}
	}
	var admitted context.Context
	if err == nil {
		admitted, err = auth.AuthenticateToken(ctx, token)
	}
	if err == nil && admitted == nil {
		err = errors.New("grpcauth: the Authenticator returned neither a context nor an error")
	}
	if err != nil {
		return admission{}, p.refuse(ctx, fullMethod, rejection(err))
	}
	return admission{admitted, auth, token}, nil
}

// refuse returns the error that the client gets.
func (p *policy) refuse(ctx context.Context, fullMethod string, rej *usher.Rejection) error {
	p.observe(ctx, fullMethod, rej)
	return Status(rej).Err()
}

// handlerError maps the error of a handler, if it is a refusal.
func (p *policy) handlerError(ctx context.Context, fullMethod string, err error) error {
	rej, ok := errors.AsType[*usher.Rejection](err)
	if !ok || rej == nil {
		return err
	}
	// A status around the refusal is the handler's choice. One inside is a cause, which the client must not see.
	if outer, ok := errors.AsType[interface {
		error
		GRPCStatus() *status.Status
	}](err); ok && errors.Is(outer, rej) {
		return err
	}
	return p.refuse(ctx, fullMethod, rej)
}

// bearer returns the token of an Authorization header, "" if there is none.
func bearer(values []string) (string, error) {
	switch {
	case len(values) == 0:
		return "", nil
	case len(values) > 1:
		return "", usher.ErrManyTokens
	}
	token, fault := rpc.Bearer(values[0])
	if fault != "" {
		return "", fmt.Errorf("%w: %s", usher.ErrTokenMalformed, fault)
	}
	return token, nil
}

// rejection returns the error of an Authenticator as a refusal.
func rejection(err error) *usher.Rejection {
	if rej, ok := errors.AsType[*usher.Rejection](err); ok && rej != nil {
		return rej
	}
	if errors.Is(err, usher.ErrNoUser) && !errors.Is(err, usher.ErrUnavailable) {
		return &usher.Rejection{
			Status: http.StatusUnauthorized, Code: "invalid_token", Description: "The access token is not valid.", Err: err,
		}
	}
	return (*usher.Middleware[usher.Claims, *usher.Claims])(nil).Rejection(err) // the mapping needs no middleware
}
