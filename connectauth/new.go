package connectauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"connectrpc.com/connect"
	"github.com/go-usher/usher"
	"github.com/go-usher/usher/internal/nilcheck"
	"github.com/go-usher/usher/internal/rpc"
)

// New returns an option for handlers that admits only calls with a valid token. It reads the token from the Authorization
// header (the scheme Bearer is case-insensitive) before any message of the call is read, and calls the handler with the
// context that auth returns, which has the user and the claims. If auth refuses a call, the client gets the [Error], and
// neither interceptors nor the handler run. Two Authorization headers are CodeInvalidArgument.
//
// A handler may return a [*usher.Rejection], such as auth.Rejection(usher.ErrForbidden). The client then gets its [Error].
//
// When the token of a stream expires, auth is called again. Unless the decoder has a Leeway, it refuses the token, and the
// stream ends: the handler's context is cancelled with the [*usher.Rejection] as the cause, Receive and Send fail, and the
// client gets the Rejection's [Error], whatever the handler returns. A waiting Receive returns at once. A Send that waits for
// a client that doesn't read returns only when the client reads or disconnects. Over HTTP/1.1, a client may learn of the end
// only when it has ended its own messages. Options.Recheck calls auth earlier, to end streams whose session has ended. The
// user in the context does not change during a stream.
//
// Mistakes are reported as [usher.ConfigError], all at once.
func New(auth Authenticator, opts *Options) (connect.HandlerOption, error) {
	p, err := newPolicy(auth, opts)
	if err != nil {
		return nil, err
	}
	return connect.WithHandlerOptions(connect.WithRequestGate(p.gate), connect.WithInterceptors(p)), nil
}

// FromMiddleware returns an Authenticator for handlers inside usher's HTTP middleware, which decides about their requests.
// It admits every call whose context has claims, and refuses all others with usher.ErrNoToken. It is for tokens that only the
// middleware can accept: those in cookies, and those that are bound to a key. With it, [New] maps the errors of handlers and
// ends streams when their token expires. Options.Recheck has no effect.
func FromMiddleware() Authenticator { return fromMiddleware{} }

// admissionKey is the context key of the gate's decision about a call.
type admissionKey struct{}

// admission is the decision about a call that may proceed.
type admission struct {
	ctx   context.Context
	auth  Authenticator
	token string
}

// gate decides about a call.
func (p *policy) gate(ctx context.Context, spec connect.Spec, peer connect.Peer, header http.Header) (context.Context, error) {
	auth, required := p.choose(spec.Procedure)
	if !required {
		return ctx, nil
	}
	token, err := bearer(header.Values("Authorization"))
	if err == nil && nilcheck.IsNil(auth) {
		err = &usher.ConfigError{Field: "Options.For", Reason: "returned no Authenticator for a procedure that requires one"}
	}
	var admitted context.Context
	if err == nil {
		admitted, err = auth.AuthenticateToken(ctx, token)
	}
	if err == nil && admitted == nil {
		err = errors.New("connectauth: the Authenticator returned neither a context nor an error")
	}
	if err != nil {
		return nil, p.refuse(ctx, spec, peer, rejection(err))
	}
	if spec.StreamType != connect.StreamTypeUnary {
		admitted = context.WithValue(admitted, admissionKey{}, &admission{admitted, auth, token})
	}
	return admitted, nil
}

// WrapUnary maps the errors of handlers.
func (p *policy) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		resp, err := next(ctx, req)
		if err != nil {
			return nil, p.handlerError(ctx, req.Spec(), req.Peer(), err)
		}
		return resp, nil
	}
}

// WrapStreamingClient does nothing, because policies are for handlers.
func (p *policy) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

// refuse returns the error that the client gets. Where Connect's response is a plain one of HTTP, it has the headers that
// refusals have; elsewhere they would be trailers, which none of them may be (RFC 9110 §6.5.1).
func (p *policy) refuse(ctx context.Context, spec connect.Spec, peer connect.Peer, rej *usher.Rejection) error {
	p.observe(ctx, spec.Procedure, rej)
	err := Error(rej)
	if peer.Protocol == connect.ProtocolConnect && spec.StreamType == connect.StreamTypeUnary {
		rej.SetHeaders(err.Meta())
	}
	return err
}

// handlerError maps the error of a handler, if it is a refusal.
func (p *policy) handlerError(ctx context.Context, spec connect.Spec, peer connect.Peer, err error) error {
	rej, ok := errors.AsType[*usher.Rejection](err)
	if !ok || rej == nil {
		return err
	}
	// A connect.Error around the refusal is the handler's choice. One inside is a cause, which the client must not see.
	if outer, ok := errors.AsType[*connect.Error](err); ok && errors.Is(outer, rej) {
		return err
	}
	return p.refuse(ctx, spec, peer, rej)
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
