package connectauth_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/go-usher/usher"
	"github.com/go-usher/usher/connectauth"
	"github.com/go-usher/usher/ushertest"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// user is what the application knows of somebody.
type user struct{ ID string }

// secretCause is the text of a cause that no client may see.
const secretCause = "dial tcp 10.0.0.7:5432: refused"

// loadUser knows everybody but ghost, and its database fails for some.
func loadUser(_ context.Context, c *usher.Claims) (*user, error) {
	switch c.Subject {
	case "ghost":
		return nil, usher.ErrNoUser
	case "broken":
		return nil, errors.New(secretCause)
	case "down":
		return nil, errors.Join(usher.ErrUnavailable, errors.New(secretCause))
	}
	return &user{ID: c.Subject}, nil
}

func newAuth(t testing.TB, kit *ushertest.Kit[usher.Claims]) *usher.Middleware[usher.Claims, *user] {
	t.Helper()
	auth, err := usher.NewMiddleware(kit.Decoder, loadUser, nil)
	if err != nil {
		t.Fatal(err)
	}
	return auth
}

func tokenOf(t testing.TB, kit *ushertest.Kit[usher.Claims], subject string) string {
	t.Helper()
	return kit.Token(t, usher.Claims{Subject: subject})
}

type text = wrapperspb.StringValue

type bidi = connect.BidiStream[text, text]

// The procedures of the test's service.
const (
	unaryProcedure  = "/test.v1.Test/Unary"
	outputProcedure = "/test.v1.Test/Output"
	inputProcedure  = "/test.v1.Test/Input"
	duplexProcedure = "/test.v1.Test/Duplex"
)

// boundToken returns a token that is bound to a key (RFC 9449).
func boundToken(t testing.TB, kit *ushertest.Kit[usher.Claims]) string {
	t.Helper()
	return kit.Token(t, usher.Claims{Subject: "42", Confirmation: &usher.Confirmation{KeyThumbprint: strings.Repeat("A", 43)}})
}

// service answers with the user's ID, unless it has a function that does something else.
type service struct {
	handle func(ctx context.Context) error
	duplex func(ctx context.Context, stream *bidi) error
}

func (s *service) answer(ctx context.Context) (*text, error) {
	if s.handle != nil {
		if err := s.handle(ctx); err != nil {
			return nil, err
		}
	}
	u, _ := usher.UserFromContext[*user](ctx)
	if u == nil {
		u = &user{}
	}
	return wrapperspb.String(u.ID), nil
}

// mux returns the service's handlers, with options.
func (s *service) mux(opts ...connect.HandlerOption) *http.ServeMux {
	mux := http.NewServeMux()
	idempotent := append(opts, connect.WithIdempotency(connect.IdempotencyNoSideEffects)) //nolint:gocritic // so that GET works
	mux.Handle(unaryProcedure, connect.NewUnaryHandler(unaryProcedure, func(ctx context.Context, _ *connect.Request[text]) (*connect.Response[text], error) {
		answer, err := s.answer(ctx)
		if err != nil {
			return nil, err
		}
		return connect.NewResponse(answer), nil
	}, idempotent...))
	mux.Handle(outputProcedure, connect.NewServerStreamHandler(outputProcedure, func(ctx context.Context, _ *connect.Request[text], stream *connect.ServerStream[text]) error {
		answer, err := s.answer(ctx)
		if err != nil {
			return err
		}
		return stream.Send(answer)
	}, opts...))
	mux.Handle(inputProcedure, connect.NewClientStreamHandler(inputProcedure, func(ctx context.Context, stream *connect.ClientStream[text]) (*connect.Response[text], error) {
		for stream.Receive() {
		}
		if err := stream.Err(); err != nil {
			return nil, err
		}
		answer, err := s.answer(ctx)
		if err != nil {
			return nil, err
		}
		return connect.NewResponse(answer), nil
	}, opts...))
	mux.Handle(duplexProcedure, connect.NewBidiStreamHandler(duplexProcedure, func(ctx context.Context, stream *bidi) error {
		if s.duplex != nil {
			return s.duplex(ctx, stream)
		}
		for {
			if _, err := stream.Receive(); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
			answer, err := s.answer(ctx)
			if err != nil {
				return err
			}
			if err := stream.Send(answer); err != nil {
				return err
			}
		}
	}, opts...))
	return mux
}

// observed collects refusals.
type observed struct {
	mu   sync.Mutex
	seen []*usher.Rejection
}

func (o *observed) observe(_ context.Context, _ string, rej *usher.Rejection) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen = append(o.seen, rej)
}

func (o *observed) all() []*usher.Rejection {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.seen
}

func newOption(t testing.TB, auth connectauth.Authenticator, opts *connectauth.Options) connect.HandlerOption {
	t.Helper()
	option, err := connectauth.New(auth, opts)
	if err != nil {
		t.Fatal(err)
	}
	return option
}

func protocols() *http.Protocols {
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	return &p
}

// serve serves on a loopback socket, with HTTP/1.1 and HTTP/2 without TLS, and returns its URL and a client for it.
func serve(t testing.TB, handler http.Handler) (string, *http.Client) {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.Protocols = protocols()
	server.Config.Protocols.SetHTTP1(true)
	server.Start()
	transport := &http.Transport{Protocols: protocols()}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL, &http.Client{Transport: transport}
}

// speak are the options of a client for each protocol.
func speak() map[string]connect.ClientOption {
	return map[string]connect.ClientOption{
		"Connect":  connect.WithClientOptions(),
		"GET":      connect.WithHTTPGet(),
		"JSON":     connect.WithProtoJSON(),
		"gRPC":     connect.WithGRPC(),
		"gRPC-Web": connect.WithGRPCWeb(),
	}
}

// A call makes a call with these Authorization headers and returns the user's ID that the handler answered with.
type call func(ctx context.Context, url string, client connect.HTTPClient, protocol connect.ClientOption, values ...string) (string, error)

// calls are a call of each kind that matters for a protocol. GET and JSON make a difference for unary calls only.
func calls(protocol string) map[string]call {
	if protocol == "GET" || protocol == "JSON" {
		return map[string]call{"unary": callUnary}
	}
	return map[string]call{
		"unary":         callUnary,
		"server stream": callOutput,
		"client stream": callInput,
		"bidi":          callDuplex,
	}
}

func callUnary(ctx context.Context, url string, client connect.HTTPClient, protocol connect.ClientOption, values ...string) (string, error) {
	request := connect.NewRequest(wrapperspb.String("?"))
	setAuthorization(request.Header(), values)
	answer, err := connect.NewClient[text, text](client, url+unaryProcedure, protocol, connect.WithIdempotency(connect.IdempotencyNoSideEffects)).CallUnary(ctx, request)
	if err != nil {
		return "", err
	}
	return answer.Msg.GetValue(), nil
}

func callOutput(ctx context.Context, url string, client connect.HTTPClient, protocol connect.ClientOption, values ...string) (string, error) {
	request := connect.NewRequest(wrapperspb.String("?"))
	setAuthorization(request.Header(), values)
	stream, err := connect.NewClient[text, text](client, url+outputProcedure, protocol).CallServerStream(ctx, request)
	if err != nil {
		return "", err
	}
	defer func() { _ = stream.Close() }()
	stream.Receive()
	return stream.Msg().GetValue(), stream.Err()
}

func callInput(ctx context.Context, url string, client connect.HTTPClient, protocol connect.ClientOption, values ...string) (string, error) {
	stream := connect.NewClient[text, text](client, url+inputProcedure, protocol).CallClientStream(ctx)
	setAuthorization(stream.RequestHeader(), values)
	if err := stream.Send(wrapperspb.String("?")); err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	answer, err := stream.CloseAndReceive()
	if err != nil {
		return "", err
	}
	return answer.Msg.GetValue(), nil
}

func callDuplex(ctx context.Context, url string, client connect.HTTPClient, protocol connect.ClientOption, values ...string) (string, error) {
	stream := connect.NewClient[text, text](client, url+duplexProcedure, protocol).CallBidiStream(ctx)
	setAuthorization(stream.RequestHeader(), values)
	if err := stream.Send(wrapperspb.String("?")); err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	answer, err := stream.Receive()
	_ = stream.CloseRequest()
	_ = stream.CloseResponse()
	return answer.GetValue(), err
}

func setAuthorization(header http.Header, values []string) {
	if len(values) > 0 {
		header["Authorization"] = values
	}
}

// details returns the details of an error.
func details(err error) (info *errdetails.ErrorInfo, retry time.Duration) {
	failure, ok := errors.AsType[*connect.Error](err)
	if !ok {
		return nil, 0
	}
	for _, detail := range failure.Details() {
		value, err := detail.Value()
		if err != nil {
			continue
		}
		switch value := value.(type) {
		case *errdetails.ErrorInfo:
			info = value
		case *errdetails.RetryInfo:
			retry = value.GetRetryDelay().AsDuration()
		}
	}
	return info, retry
}

// codeOf returns the code of an error, 0 if there is none.
func codeOf(err error) connect.Code {
	if err == nil {
		return 0
	}
	return connect.CodeOf(err)
}

// within returns a context that fails the test's calls rather than let them hang.
func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// authFunc is an Authenticator that is no middleware.
type authFunc func(ctx context.Context, token string) (context.Context, error)

func (f authFunc) AuthenticateToken(ctx context.Context, token string) (context.Context, error) {
	return f(ctx, token)
}

// pipes is a listener without sockets, for bubbles.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
