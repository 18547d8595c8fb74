// Package bench_test measures what the interceptors of grpcauth add to a gRPC call, beside go-grpc-middleware's auth
// interceptor with golang-jwt, as one writes it by hand.
//
//	go test -bench=. -benchmem ./grpcauth/bench
package bench_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/grpcauth"
	"github.com/golang-jwt/jwt/v5"
	peer "github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/auth"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// claims are what the token holds: eight claims, two of which are the application's own.
type claims struct {
	usher.Claims
	Role string `json:"role"`
	Name string `json:"name"`
}

type user struct{ ID, Role string }

func loadUser(_ context.Context, c *claims) (*user, error) { return &user{c.Subject, c.Role}, nil }

// peerClaims are the same for golang-jwt.
type peerClaims struct {
	jwt.RegisteredClaims
	SessionID string `json:"sid"`
	Role      string `json:"role"`
	Name      string `json:"name"`
}

type userKey struct{}

// secret is the key of both.
func secret() []byte { return []byte("0123456789abcdef0123456789abcdef") }

func newToken(b *testing.B) string {
	b.Helper()
	encoder := usher.Must(usher.NewEncoder[claims](usher.Must(usher.NewKey(usher.HS256, secret())),
		&usher.EncoderOptions{Issuer: "https://login.example.com", TTL: time.Hour}))
	token, err := encoder.Encode(b.Context(), claims{Claims: usher.Claims{Subject: "42", SessionID: "abcdef"}, Role: "admin", Name: "Ada"})
	if err != nil {
		b.Fatal(err)
	}
	return token
}

func newAuth(b *testing.B, remembered int) *usher.Middleware[claims, *user] {
	b.Helper()
	decoder := usher.Must(usher.NewDecoder[claims](usher.Must(usher.NewKey(usher.HS256, secret())),
		&usher.DecoderOptions{Issuer: "https://login.example.com", CacheSize: remembered}))
	return usher.Must(usher.NewMiddleware(decoder, loadUser, nil))
}

// byHand is the AuthFunc of go-grpc-middleware that verifies with golang-jwt.
func byHand(ctx context.Context) (context.Context, error) {
	token, err := peer.AuthFromMD(ctx, "bearer")
	if err != nil {
		return nil, err
	}
	var c peerClaims
	_, err = jwt.ParseWithClaims(token, &c, func(*jwt.Token) (any, error) { return secret(), nil },
		jwt.WithValidMethods([]string{"HS256"}), jwt.WithIssuer("https://login.example.com"), jwt.WithExpirationRequired())
	if err != nil {
		return nil, status.Error(codes.Unauthenticated, "invalid token")
	}
	return context.WithValue(ctx, userKey{}, &user{c.Subject, c.Role}), nil
}

// contestants are the interceptors, nil for none.
func contestants(b *testing.B) []contestant {
	b.Helper()
	usherAuth, remembering := newAuth(b, 0), newAuth(b, 1000)
	return []contestant{
		{"without", nil, nil},
		{"grpcauth", usher.Must(grpcauth.Unary(usherAuth, nil)), usher.Must(grpcauth.Stream(usherAuth, nil))},
		{"grpcauth, token remembered", usher.Must(grpcauth.Unary(remembering, nil)), usher.Must(grpcauth.Stream(remembering, nil))},
		{"go-grpc-middleware with golang-jwt", peer.UnaryServerInterceptor(byHand), peer.StreamServerInterceptor(byHand)},
	}
}

type contestant struct {
	name   string
	unary  grpc.UnaryServerInterceptor
	stream grpc.StreamServerInterceptor
}

// BenchmarkInterceptor is the interceptor alone: what it adds to a unary call.
func BenchmarkInterceptor(b *testing.B) {
	ctx := metadata.NewIncomingContext(b.Context(), metadata.Pairs("authorization", "Bearer "+newToken(b),
		":authority", "localhost", "content-type", "application/grpc", "user-agent", "grpc-go/1"))
	info := &grpc.UnaryServerInfo{FullMethod: testpb.TestService_UnaryCall_FullMethodName}
	handler := func(context.Context, any) (any, error) { return struct{}{}, nil }
	for _, c := range contestants(b) {
		if c.unary == nil {
			continue
		}
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.unary(ctx, nil, info, handler); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkUnaryCall is a whole call over a loopback socket.
func BenchmarkUnaryCall(b *testing.B) {
	for _, c := range contestants(b) {
		b.Run(c.name, func(b *testing.B) {
			client := testpb.NewTestServiceClient(connect(b, c))
			ctx := metadata.AppendToOutgoingContext(b.Context(), "authorization", "Bearer "+newToken(b))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := client.EmptyCall(ctx, &testpb.Empty{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkStreamMessage is a message there and another back, on a stream that stays open.
func BenchmarkStreamMessage(b *testing.B) {
	for _, c := range contestants(b) {
		b.Run(c.name, func(b *testing.B) {
			ctx := metadata.AppendToOutgoingContext(b.Context(), "authorization", "Bearer "+newToken(b))
			stream, err := testpb.NewTestServiceClient(connect(b, c)).FullDuplexCall(ctx)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := stream.Send(&testpb.StreamingOutputCallRequest{}); err != nil {
					b.Fatal(err)
				}
				if _, err := stream.Recv(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkStreamInput are messages one way, as fast as they go.
func BenchmarkStreamInput(b *testing.B) {
	for _, c := range contestants(b) {
		b.Run(c.name, func(b *testing.B) {
			ctx := metadata.AppendToOutgoingContext(b.Context(), "authorization", "Bearer "+newToken(b))
			stream, err := testpb.NewTestServiceClient(connect(b, c)).StreamingInputCall(ctx)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := stream.Send(&testpb.StreamingInputCallRequest{}); err != nil {
					b.Fatal(err)
				}
			}
			if _, err := stream.CloseAndRecv(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// connect returns a connection to a server that has a contestant's interceptors.
func connect(b *testing.B, c contestant) *grpc.ClientConn {
	b.Helper()
	var opts []grpc.ServerOption
	if c.unary != nil {
		opts = append(opts, grpc.UnaryInterceptor(c.unary), grpc.StreamInterceptor(c.stream))
	}
	server := grpc.NewServer(opts...)
	testpb.RegisterTestServiceServer(server, service{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go func() { _ = server.Serve(listener) }()
	b.Cleanup(server.Stop)
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	return conn
}

type service struct {
	testpb.UnimplementedTestServiceServer
}

func (service) EmptyCall(context.Context, *testpb.Empty) (*testpb.Empty, error) {
	return &testpb.Empty{}, nil
}

func (service) FullDuplexCall(stream grpc.BidiStreamingServer[testpb.StreamingOutputCallRequest, testpb.StreamingOutputCallResponse]) error {
	for {
		if _, err := stream.Recv(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := stream.Send(&testpb.StreamingOutputCallResponse{}); err != nil {
			return err
		}
	}
}

func (service) StreamingInputCall(stream grpc.ClientStreamingServer[testpb.StreamingInputCallRequest, testpb.StreamingInputCallResponse]) error {
	for {
		if _, err := stream.Recv(); errors.Is(err, io.EOF) {
			return stream.SendAndClose(&testpb.StreamingInputCallResponse{})
		} else if err != nil {
			return err
		}
	}
}

// TestAllContestantsLetTheTokenIn makes sure that the benchmarks measure what they say.
func TestAllContestantsLetTheTokenIn(t *testing.T) {
	testing.Benchmark(func(b *testing.B) {
		for _, c := range contestants(b) {
			if c.unary == nil {
				continue
			}
			ctx := metadata.NewIncomingContext(b.Context(), metadata.Pairs("authorization", "Bearer "+newToken(b)))
			info := &grpc.UnaryServerInfo{FullMethod: testpb.TestService_EmptyCall_FullMethodName}
			_, err := c.unary(ctx, nil, info, func(context.Context, any) (any, error) { return struct{}{}, nil })
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			_, err = c.unary(b.Context(), nil, info, func(context.Context, any) (any, error) { return struct{}{}, nil })
			if status.Code(err) != codes.Unauthenticated {
				t.Errorf("%s: without a token: %v", c.name, err)
			}
		}
	})
}
