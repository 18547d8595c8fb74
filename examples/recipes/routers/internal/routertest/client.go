package routertest

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// patience is how long a test waits for what should happen at once.
const patience = 20 * time.Second

// Client sends requests to a server. It keeps its connections, follows no redirects, and stores no cookies.
type Client struct {
	t    testing.TB
	base string
	http *http.Client
}

// NewClient returns a client of the server at base.
func NewClient(t testing.TB, base string) *Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &Client{t, base, &http.Client{
		Transport:     transport,
		Timeout:       patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Response is a response with its body.
type Response struct {
	Status int
	Header http.Header
	Body   string
}

// Part changes a request before it is sent.
type Part func(r *http.Request)

// Bearer adds an Authorization header; twice, it adds two.
func Bearer(token string) Part { return Header("Authorization", "Bearer "+token) }

// Cookie adds the cookie that may carry a token.
func Cookie(token string) Part { return Header("Cookie", CookieName+"="+token) }

// Header adds a header.
func Header(name, value string) Part {
	return func(r *http.Request) { r.Header.Add(name, value) }
}

// Body sets the body.
func Body(text string) Part {
	return func(r *http.Request) {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
	}
}

// Do sends "METHOD /path" and reads the response.
func (c *Client) Do(request string, parts ...Part) Response {
	c.t.Helper()
	response := c.Open(request, parts...)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatalf("%s: %v", request, err)
	}
	return Response{response.StatusCode, response.Header, string(body)}
}

// Open is Do for a body that the caller reads and closes.
func (c *Client) Open(request string, parts ...Part) *http.Response {
	c.t.Helper()
	method, path, _ := strings.Cut(request, " ")
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.base+path, http.NoBody)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, part := range parts {
		part(r)
	}
	response, err := c.http.Do(r)
	if err != nil {
		c.t.Fatalf("%s: %v", request, err)
	}
	return response
}
