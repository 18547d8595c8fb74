package grpcauth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/internal/nilcheck"
	"github.com/go-usher/usher/internal/quote"
	"github.com/go-usher/usher/internal/rpc"
)

// Authenticator decides about a token. A [usher.Middleware] with its guards is one: auth, auth.With(guard), auth.Allow(may).
//
// AuthenticateToken returns the context for the handler. An empty token means that the call has none. A [*usher.Rejection] in
// the chain of its error is used as it is. Other errors are mapped as by [usher.Middleware.Rejection], except that ErrNoUser
// is a 401. It must be safe for concurrent use.
type Authenticator interface {
	AuthenticateToken(ctx context.Context, token string) (context.Context, error)
}

// Options are the options of [Unary] and [Stream]; nil means the defaults.
type Options struct {
	// Public are the services and methods that anybody may call: "grpc.health.v1.Health", or "/grpc.health.v1.Health/Check".
	// A token in such a call is ignored. The default is none: health and reflection also require a token.
	Public []string
	// For returns the Authenticator of a method that Public does not list, such as "/grpc.health.v1.Health/Check". If
	// required is false, anybody may call the method. With For, the constructor's auth is not used, and may be nil.
	For func(fullMethod string) (auth Authenticator, required bool)
	// Observe is called once for every refusal: of a call, of a stream that ends with its token, and of a handler that
	// returned a *usher.Rejection. ctx is the call's context. If nil, refusals with a 5xx status are logged to slog.Default,
	// unless the client closed the connection. [LogRejections] logs every refusal.
	Observe func(ctx context.Context, fullMethod string, rej *usher.Rejection)
	// Recheck is the interval at which the Authenticator is called again for an open stream, so that the stream ends soon
	// after its session has ended. If the error is unavailability (a 503), it is passed to Observe, and the stream continues
	// until its token expires. The default, 0, means that the Authenticator is called only when the token expires.
	Recheck time.Duration
}

// LogRejections returns a function for Options.Observe that logs every refusal as [usher.LogRejections] does. The route is
// the full method. If log is nil, it uses slog.Default.
func LogRejections(log *slog.Logger) func(ctx context.Context, fullMethod string, rej *usher.Rejection) {
	line := usher.LogRejections(log)
	return func(ctx context.Context, fullMethod string, rej *usher.Rejection) {
		// gRPC uses HTTP, so this was the request.
		line((&http.Request{Method: http.MethodPost, Pattern: fullMethod}).WithContext(ctx), rej)
	}
}

// policy is how both interceptors handle a call.
type policy struct {
	auth   Authenticator
	opts   Options
	logged func(ctx context.Context, fullMethod string, rej *usher.Rejection)
}

func newPolicy(auth Authenticator, opts *Options) (*policy, error) {
	p := &policy{auth: auth, logged: LogRejections(nil)}
	if opts != nil {
		p.opts = *opts
		p.opts.Public = slices.Clone(opts.Public)
	}
	var wrong []error
	add := func(field, reason string) { wrong = append(wrong, &usher.ConfigError{Field: field, Reason: reason}) }
	if nilcheck.IsNil(auth) && (p.opts.For == nil || auth != nil) {
		add("auth", "is nil; it is a *usher.Middleware, for example")
	}
	for _, name := range p.opts.Public {
		if !rpc.IsPattern(name) {
			add("Options.Public", fmt.Sprintf("holds %s, which is neither a service, such as grpc.health.v1.Health, nor a "+
				"method, such as /grpc.health.v1.Health/Check", quote.Text(name)))
		}
	}
	switch {
	case p.opts.Recheck < 0:
		add("Options.Recheck", fmt.Sprintf("is %v, which is negative", p.opts.Recheck))
	case p.opts.Recheck > 0 && p.opts.Recheck < time.Second:
		add("Options.Recheck", fmt.Sprintf("is %v, but must be a second or more; durations have a unit, as in 30*time.Second", p.opts.Recheck))
	}
	return p, errors.Join(wrong...)
}

// choose returns the Authenticator for a method, and false if anybody may call it.
func (p *policy) choose(fullMethod string) (Authenticator, bool) {
	if rpc.Match(p.opts.Public, fullMethod) {
		return nil, false
	}
	if p.opts.For != nil {
		return p.opts.For(fullMethod)
	}
	return p.auth, true
}

// observe reports a refusal to the operator.
func (p *policy) observe(ctx context.Context, fullMethod string, rej *usher.Rejection) {
	switch {
	case p.opts.Observe != nil:
		p.opts.Observe(ctx, fullMethod, rej)
	case isServerError(rej) && rej.Reason() != "canceled":
		p.logged(ctx, fullMethod, rej)
	}
}

// isServerError reports whether the status of a refusal is 5xx. A status that is out of range becomes one.
func isServerError(rej *usher.Rejection) bool { return rej.Status < 400 || rej.Status > 499 }
