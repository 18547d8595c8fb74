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
	// DangerouslyAllowPlaintext also sends tokens to http URLs. Anybody in the network can read them. Use it only for servers
	// on the loopback interface, in tests and in development.
	DangerouslyAllowPlaintext bool
}

// NewClient returns an HTTP client for Connect's clients that sends the token with every call, in the Authorization header,
// whichever protocol they speak. Calls to http URLs fail with CodeFailedPrecondition, and no token is sent. An interceptor
// could not check this, because it does not know whether a call uses TLS.
//
// token returns the access token. It is called for each call, with the call's context, and must be safe for concurrent use.
// It should cache the token until shortly before the token expires. If it returns "", the call is made without a token. If
// it returns an error, the call fails with this error if it is a [*connect.Error], and with CodeUnauthenticated otherwise.
//
// next sends the requests. If it is an *http.Client, NewClient uses a copy that does not follow redirects, which could leak
// the token. If next or token is nil, NewClient returns a [usher.ConfigError].
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
