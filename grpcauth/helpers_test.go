package grpcauth_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/grpcauth"
	"github.com/go-usher/usher/ushertest"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"
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

// boundToken returns a token that is bound to a key (RFC 9449).
func boundToken(t testing.TB, kit *ushertest.Kit[usher.Claims]) string {
	t.Helper()
	return kit.Token(t, usher.Claims{Subject: "42", Confirmation: &usher.Confirmation{KeyThumbprint: strings.Repeat("A", 43)}})
}

// service is gRPC's test service. Its methods call the functions, where there are some, and otherwise answer with the user's ID.
type service struct {
	testpb.UnimplementedTestServiceServer
	unary  func(ctx context.Context) error
	output func(stream grpc.ServerStreamingServer[testpb.StreamingOutputCallResponse]) error
	duplex func(stream grpc.BidiStreamingServer[testpb.StreamingOutputCallRequest, testpb.StreamingOutputCallResponse]) error
}

func (s *service) UnaryCall(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
	if s.unary != nil {
		if err := s.unary(ctx); err != nil {
			return nil, err
		}
	}
	u, _ := usher.UserFromContext[*user](ctx)
	if u == nil {
		return &testpb.SimpleResponse{}, nil
	}
	return &testpb.SimpleResponse{Username: u.ID}, nil
}

func (s *service) StreamingOutputCall(_ *testpb.StreamingOutputCallRequest, stream grpc.ServerStreamingServer[testpb.StreamingOutputCallResponse]) error {
	if s.output != nil {
		return s.output(stream)
	}
	return stream.Send(userMessage(stream.Context()))
}

func (s *service) FullDuplexCall(stream grpc.BidiStreamingServer[testpb.StreamingOutputCallRequest, testpb.StreamingOutputCallResponse]) error {
	if s.duplex != nil {
		return s.duplex(stream)
	}
	for {
		if _, err := stream.Recv(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := stream.Send(userMessage(stream.Context())); err != nil {
			return err
		}
	}
}

func userMessage(ctx context.Context) *testpb.StreamingOutputCallResponse {
	u, _ := usher.UserFromContext[*user](ctx)
	if u == nil {
		u = &user{}
	}
	return &testpb.StreamingOutputCallResponse{Payload: &testpb.Payload{Body: []byte(u.ID)}}
}

// observed collects refusals.
type observed struct {
	mu   sync.Mutex
	seen []*usher.Rejection
	came chan struct{}
}

func newObserved() *observed { return &observed{came: make(chan struct{}, 100)} }

func (o *observed) observe(_ context.Context, _ string, rej *usher.Rejection) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen = append(o.seen, rej)
	o.came <- struct{}{}
}

func (o *observed) all() []*usher.Rejection {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.seen
}

// newServer returns a server with the test service, health and reflection behind the interceptors.
func newServer(t testing.TB, auth grpcauth.Authenticator, opts *grpcauth.Options, s *service, more ...grpc.ServerOption) *grpc.Server {
	t.Helper()
	unary, err := grpcauth.Unary(auth, opts)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := grpcauth.Stream(auth, opts)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(append(more, grpc.ChainUnaryInterceptor(unary), grpc.ChainStreamInterceptor(stream))...)
	testpb.RegisterTestServiceServer(server, s)
	healthpb.RegisterHealthServer(server, health.NewServer())
	reflection.Register(server)
	return server
}

// dial serves on a loopback socket and returns a connection to it.
func dial(t testing.TB, server *grpc.Server, opts ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	if len(opts) == 0 {
		opts = []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
	}
	conn, err := grpc.NewClient(listener.Addr().String(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// outgoing returns a context that sends these authorization values.
func outgoing(ctx context.Context, values ...string) context.Context {
	return metadata.NewOutgoingContext(ctx, metadata.MD{"authorization": values})
}

// A call makes a call with a context and returns the user's ID that the handler answered with.
type call func(ctx context.Context, conn *grpc.ClientConn) (string, error)

// calls are a call of each kind.
func calls() map[string]call {
	return map[string]call{
		"unary": callUnary,
		"server stream": func(ctx context.Context, conn *grpc.ClientConn) (string, error) {
			stream, err := testpb.NewTestServiceClient(conn).StreamingOutputCall(ctx, &testpb.StreamingOutputCallRequest{})
			if err != nil {
				return "", err
			}
			answer, err := stream.Recv()
			return string(answer.GetPayload().GetBody()), err
		},
		"bidi": func(ctx context.Context, conn *grpc.ClientConn) (string, error) {
			stream, err := testpb.NewTestServiceClient(conn).FullDuplexCall(ctx)
			if err != nil {
				return "", err
			}
			if err := stream.Send(&testpb.StreamingOutputCallRequest{}); err != nil && !errors.Is(err, io.EOF) {
				return "", err
			}
			answer, err := stream.Recv()
			_ = stream.CloseSend()
			return string(answer.GetPayload().GetBody()), err
		},
	}
}

func callUnary(ctx context.Context, conn *grpc.ClientConn) (string, error) {
	answer, err := testClient(conn).UnaryCall(ctx, simpleRequest)
	return answer.GetUsername(), err
}

// details returns the details of a status.
func details(err error) (info *errdetails.ErrorInfo, retry time.Duration) {
	for _, detail := range status.Convert(err).Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			info = detail
		case *errdetails.RetryInfo:
			retry = detail.GetRetryDelay().AsDuration()
		}
	}
	return info, retry
}

// within returns a context that fails the test's calls rather than let them hang.
func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

var simpleRequest = &testpb.SimpleRequest{}

func testClient(conn *grpc.ClientConn) testpb.TestServiceClient {
	return testpb.NewTestServiceClient(conn)
}
