package connectauth

import (
	"context"
	"errors"
	"net/http"

	"connectrpc.com/connect"
	"github.com/go-usher/usher"
	"github.com/go-usher/usher/internal/nilcheck"
)

// ClientOptions are the options of [NewClient]; nil means the defaults.
type ClientOptions struct {
	// DangerouslyAllowPlaintext sends tokens to http URLs too, where anybody on the way can read them. It is for servers on
	// the loopback interface, in tests and in development.
	DangerouslyAllowPlaintext bool
}

// NewClient returns an HTTP client for Connect's clients that sends the token with every call, in the Authorization header,
// whichever protocol they speak. It is no interceptor because interceptors don't know whether a call goes over TLS: calls to
// http URLs fail with CodeFailedPrecondition, and no token is sent.
//
// token is called for each call, concurrently, with the call's context. If it returns "", the call is made without a token.
// Its error fails the call: as it is if it is a [*connect.Error], else with CodeUnauthenticated. A token that comes from a
// login is best cached until shortly before it expires.
//
// next sends the requests. If it is a *http.Client, a copy of it is used that follows no redirects, which could take the
// token elsewhere. A nil next or token is a [usher.ConfigError].
func NewClient(next connect.HTTPClient, token func(ctx context.Context) (string, error), opts *ClientOptions) (connect.HTTPClient, error) {
	var wrong []error
	if nilcheck.IsNil(next) {
		wrong = append(wrong, &usher.ConfigError{Field: "next", Reason: "is nil; it is a *http.Client, for example"})
	}
	if token == nil {
		wrong = append(wrong, &usher.ConfigError{Field: "token", Reason: "is nil; it returns the access token of a call"})
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	if standard, ok := next.(*http.Client); ok {
		careful := *standard
		careful.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		next = &careful
	}
	c := &client{next: next, token: token}
	if opts != nil {
		c.plaintext = opts.DangerouslyAllowPlaintext
	}
	return c, nil
}

type client struct {
	next      connect.HTTPClient
	token     func(ctx context.Context) (string, error)
	plaintext bool
}

// Do sends a request with the token. The caller's request is not changed.
func (c *client) Do(r *http.Request) (*http.Response, error) {
	token, err := c.tokenFor(r)
	if err != nil {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, err
	}
	if token != "" {
		r = r.WithContext(r.Context())
		r.Header = r.Header.Clone()
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return c.next.Do(r)
}

func (c *client) tokenFor(r *http.Request) (string, error) {
	if r.URL.Scheme != "https" && !c.plaintext {
		return "", connect.NewError(connect.CodeFailedPrecondition, errors.New("connectauth: the token is not sent without TLS"))
	}
	token, err := c.token(r.Context())
	if err == nil {
		return token, nil
	}
	if _, ok := errors.AsType[*connect.Error](err); ok {
		return "", err
	}
	return "", connect.NewError(connect.CodeUnauthenticated, err)
}
