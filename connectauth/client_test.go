package connectauth_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/go-usher/usher"
	"github.com/go-usher/usher/connectauth"
	"github.com/go-usher/usher/ushertest"
)

// serveTLS serves with TLS on a loopback socket.
func serveTLS(t *testing.T, handler http.Handler) (string, *http.Client) {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL, server.Client()
}

func newClient(t *testing.T, next connect.HTTPClient, token func(context.Context) (string, error), opts *connectauth.ClientOptions) connect.HTTPClient {
	t.Helper()
	client, err := connectauth.NewClient(next, token, opts)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestTheClientSendsTheTokenOverTLS(t *testing.T) {
	kit := ushertest.New[usher.Claims](t, nil)
	url, plain := serveTLS(t, (&service{}).mux(newOption(t, newAuth(t, kit), nil)))
	asked := 0
	client := newClient(t, plain, func(context.Context) (string, error) { asked++; return tokenOf(t, kit, "42"), nil }, nil)
	for protocol, option := range speak() {
		for kind, call := range calls(protocol) {
			asked = 0
			if got, err := call(within(t), url, client, option); err != nil || got != "42" || asked != 1 {
				t.Errorf("%s, %s: %q, %v, the token was asked for %d times", protocol, kind, got, err, asked)
			}
			if got, err := call(within(t), url, client, option, "Bearer another", "Bearer third"); err != nil || got != "42" {
				t.Errorf("%s, %s: it does not replace what was there: %q, %v", protocol, kind, got, err)
			}
		}
	}
}

func TestWithoutTLSNoTokenIsSent(t *testing.T) {
	called := false
	url, plain := serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called = true }))
	client := newClient(t, plain, func(context.Context) (string, error) { t.Error("the token was asked for"); return "a.b.c", nil }, nil)
	for protocol, option := range speak() {
		for kind, call := range calls(protocol) {
			if _, err := call(within(t), url, client, option); codeOf(err) != connect.CodeFailedPrecondition {
				t.Errorf("%s, %s: %v", protocol, kind, err)
			}
		}
	}
	if called {
		t.Error("the server was called")
	}
}

func TestPlaintextIsAChoice(t *testing.T) {
	kit := ushertest.New[usher.Claims](t, nil)
	url, plain := serve(t, (&service{}).mux(newOption(t, newAuth(t, kit), nil)))
	client := newClient(t, plain, func(context.Context) (string, error) { return tokenOf(t, kit, "42"), nil },
		&connectauth.ClientOptions{DangerouslyAllowPlaintext: true})
	for protocol, option := range speak() {
		if got, err := callDuplex(within(t), url, client, option); protocol != "GET" && (err != nil || got != "42") {
			t.Errorf("%s: %q, %v", protocol, got, err)
		}
	}
}

func TestWhatTheTokenFunctionReturnsDecides(t *testing.T) {
	kit := ushertest.New[usher.Claims](t, nil)
	url, plain := serveTLS(t, (&service{}).mux(newOption(t, newAuth(t, kit), nil)))
	for name, row := range map[string]struct {
		err  error
		code connect.Code
		text string
	}{
		"no token":        {nil, connect.CodeUnauthenticated, "An access token is required."},
		"an error":        {errors.New("logged out"), connect.CodeUnauthenticated, "logged out"},
		"Connect's error": {connect.NewError(connect.CodeUnavailable, errors.New("no issuer")), connect.CodeUnavailable, "no issuer"},
	} {
		client := newClient(t, plain, func(context.Context) (string, error) { return "", row.err }, nil)
		for protocol, option := range speak() {
			for kind, call := range calls(protocol) {
				if _, err := call(within(t), url, client, option); codeOf(err) != row.code || !strings.Contains(err.Error(), row.text) {
					t.Errorf("%s, %s, %s: %v; want %v, %s", name, protocol, kind, err, row.code, row.text)
				}
			}
		}
	}
}

func TestTheTokenIsNotTakenElsewhere(t *testing.T) {
	elsewhere, _ := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s with Authorization %q", r.URL, r.Header.Get("Authorization"))
	}))
	url, plain := serveTLS(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere+r.URL.Path, http.StatusTemporaryRedirect)
	}))
	client := newClient(t, plain, func(context.Context) (string, error) { return "a.b.c", nil }, nil)
	if _, err := callUnary(within(t), url, client, connect.WithClientOptions()); err == nil {
		t.Error("a redirect is no answer")
	}
	if plain.CheckRedirect != nil {
		t.Error("the caller's client was changed")
	}
}

// doer is a client that is no *http.Client, and remembers the request.
type doer struct{ last *http.Request }

func (d *doer) Do(r *http.Request) (*http.Response, error) {
	d.last = r
	return nil, errors.New("nothing there")
}

func TestTheCallersRequestIsNotChanged(t *testing.T) {
	var next doer
	client := newClient(t, &next, func(context.Context) (string, error) { return "a.b.c", nil }, nil)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://example.com/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if response, err := client.Do(request); err == nil {
		_ = response.Body.Close()
		t.Error("a response from nowhere")
	}
	if got := next.last.Header.Get("Authorization"); got != "Bearer a.b.c" || request.Header.Get("Authorization") != "" {
		t.Errorf("sent %q, the caller's has %q", got, request.Header.Get("Authorization"))
	}
}

func TestAClientWithoutPartsIsAMistake(t *testing.T) {
	var none *http.Client
	for _, next := range []connect.HTTPClient{nil, none} {
		client, err := connectauth.NewClient(next, nil, nil)
		if got := strings.Join(mistakes(err), " "); got != "next token" || client != nil {
			t.Errorf("%v, %q", client, got)
		}
	}
}
