package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-usher/usher/bench/internal/rounds"
)

// A contender is one library, used as its own documentation says, with one configuration for everything
// that is measured here. The three operations are built once per [setup] and are safe for concurrent use.
// Where a library has no such operation the function is nil, or returns an error that says why and is
// [errors.ErrUnsupported].
type contender struct {
	name   string   // as the tables show it
	module string   // module path, which the version is looked up by
	with   []string // modules under it that matter as much
	note   string   // what a reader must know about how it is used here, in one sentence

	// middleware wraps a handler that reads the current user from the request and answers through
	// [greeter.greet]: 204 if there is one. A refused request never reaches the handler.
	middleware func(setup, greeter) (http.Handler, error)
	// verify returns the function that verifies one token and returns who it belongs to.
	verify func(setup) (func(token string) (caller string, err error), error)
	// encode returns the function that signs the claims of [setup.claims].
	encode func(setup) (func() (token string, err error), error)

	// passes are the bad tokens that it accepts, by the names of probe.go.
	passes []string
	// ownHeaderOnly says that it refuses headers that it would not have written itself.
	ownHeaderOnly bool
	// warm says that it answers from a cache of verified tokens.
	warm bool
}

// greeter is the end of every handler. Benchmarks use the zero value; tests look at who came.
type greeter struct {
	saw func(caller, tenant string)
}

// greet answers 204 to a known caller and 500 to an empty one, which would mean that a library let a request
// pass without a user.
func (g greeter) greet(w http.ResponseWriter, caller, tenant string) {
	if g.saw != nil {
		g.saw(caller, tenant)
	}
	if caller == "" {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// identified is what claims of our own say about their caller.
type identified interface {
	who() (caller, tenant string)
}

// greetClaims greets the caller of the claims that a middleware has put somewhere.
func (g greeter) greetClaims(w http.ResponseWriter, claims any) {
	known, ok := claims.(identified)
	if !ok {
		g.greet(w, "", "")
		return
	}
	caller, tenant := known.who()
	g.greet(w, caller, tenant)
}

// contextKey is the key under which middleware by hand puts the claims into the request's context.
type contextKey struct{}

// byHand is the middleware for the libraries that leave HTTP to their user. It is not inlined, since with a
// handler that the compiler knows the cloned request would not even be allocated.
//
//go:noinline
func byHand(parse func(token string) (claims any, err error), next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			unauthorized(w)
			return
		}
		claims, err := parse(token)
		if err != nil {
			unauthorized(w)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), contextKey{}, claims)))
	})
}

// claimsHandler is the handler behind it.
func claimsHandler(g greeter) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.greetClaims(w, r.Context().Value(contextKey{}))
	})
}

func unauthorized(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", "Bearer")
	w.WriteHeader(http.StatusUnauthorized)
}

var errForged = errors.New("a forged token was accepted")

// response is a minimal http.ResponseWriter that is used again and again, so that the harness costs little
// and the same for everyone.
type response struct {
	header http.Header
	status int
}

func newResponse() *response { return &response{header: make(http.Header)} }

func (w *response) Header() http.Header { return w.header }

func (w *response) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *response) Write(body []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return len(body), nil
}

func (w *response) reset() {
	clear(w.header)
	w.status = 0
}

// newRequest returns a GET request that carries the token.
func newRequest(token string) *http.Request {
	return &http.Request{
		Method: http.MethodGet, URL: &url.URL{Path: "/"}, Host: "api.example.com",
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Authorization": {"Bearer " + token}},
	}
}

// requestOp returns an operation that sends the tokens' requests through the handler in turn. Operations are
// for one goroutine.
func requestOp(handler http.Handler, tokens []string, want int) rounds.Op {
	requests := make([]*http.Request, len(tokens))
	for i, token := range tokens {
		requests[i] = newRequest(token)
	}
	w, next := newResponse(), 0
	return func() error {
		r := requests[next%len(requests)]
		next++
		w.reset()
		handler.ServeHTTP(w, r)
		if w.status != want {
			return fmt.Errorf("answered %d, want %d", w.status, want)
		}
		return nil
	}
}

// verifyOp returns an operation that verifies the tokens in turn; bad tells that they must be refused.
func verifyOp(verify func(string) (string, error), tokens []string, bad bool) rounds.Op {
	next := 0
	return func() error {
		caller, err := verify(tokens[next%len(tokens)])
		next++
		switch {
		case bad && err == nil:
			return errForged
		case !bad && err != nil:
			return err
		case !bad && caller == "":
			return errors.New("verified, but no caller found")
		}
		return nil
	}
}

// encodeOp returns an operation that signs one token.
func encodeOp(encode func() (string, error)) rounds.Op {
	return func() error {
		token, err := encode()
		if err == nil && token == "" {
			return errors.New("encoded to nothing")
		}
		return err
	}
}
