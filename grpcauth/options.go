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

// Authenticator decides about a token. A [usher.Middleware] is one, with its guards: auth, auth.With(guard),
// auth.Allow(may).
//
// AuthenticateToken returns the context for the handler. "" is no token. A [*usher.Rejection] in the chain of its error is
// used as it is. Other errors are mapped as by [usher.Middleware.Rejection], except that ErrNoUser is a 401. It is called
// concurrently.
type Authenticator interface {
	AuthenticateToken(ctx context.Context, token string) (context.Context, error)
}

// Options are the options of [Unary] and [Stream]; nil means the defaults.
type Options struct {
	// Public are the services and methods that anybody may call: "grpc.health.v1.Health", or "/grpc.health.v1.Health/Check".
	// A token that comes with such a call is not looked at. The default is none: health and reflection want a token too.
	Public []string
	// For chooses the Authenticator of a method, such as "/grpc.health.v1.Health/Check", that Public does not name. If
	// required is false, anybody may call the method. With For, the constructor's auth is not used, and may be nil.
	For func(fullMethod string) (auth Authenticator, required bool)
	// Observe is called once for every refusal: of a call, of a stream that ends with its token, and of a handler that
	// returned a *usher.Rejection. ctx is the call's own. If nil, refusals with a 5xx status are logged to slog.Default,
	// except those whose client hung up. [LogRejections] logs every refusal.
	Observe func(ctx context.Context, fullMethod string, rej *usher.Rejection)
	// Recheck is how often the Authenticator is asked again about the token of an open stream, and so how soon a stream ends
	// whose session has ended. The default, 0, is not before the token's end. If it answers that something is unavailable,
	// Observe is told, and the stream goes on until its token ends.
	Recheck time.Duration
}

// LogRejections returns a function for Options.Observe that logs every refusal as [usher.LogRejections] does. The route is
// the full method. A nil log is slog.Default.
func LogRejections(log *slog.Logger) func(ctx context.Context, fullMethod string, rej *usher.Rejection) {
	line := usher.LogRejections(log)
	return func(ctx context.Context, fullMethod string, rej *usher.Rejection) {
		// gRPC is HTTP: this is what the request was.
		line((&http.Request{Method: http.MethodPost, Pattern: fullMethod}).WithContext(ctx), rej)
	}
}

// policy is what both interceptors do with a call.
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
		add("Options.Recheck", fmt.Sprintf("is %v, less than a second; durations have a unit, as in 30*time.Second", p.opts.Recheck))
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

// observe tells the operator about a refusal.
func (p *policy) observe(ctx context.Context, fullMethod string, rej *usher.Rejection) {
	switch {
	case p.opts.Observe != nil:
		p.opts.Observe(ctx, fullMethod, rej)
	case isServerError(rej) && rej.Reason() != "canceled":
		p.logged(ctx, fullMethod, rej)
	}
}

// isServerError reports whether the status of a refusal is 5xx, which is also what becomes of one that is out of range.
func isServerError(rej *usher.Rejection) bool { return rej.Status < 400 || rej.Status > 499 }
