package grpcauth_test

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/grpcauth"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"
)

// issue returns a key and a function that issues tokens with it. Most services only have the key.
func issue() (usher.Key, func(ttl time.Duration, claims usher.Claims) string) {
	key := usher.Must(usher.GenerateKey(usher.HS256))
	return key, func(ttl time.Duration, claims usher.Claims) string {
		encoder := usher.Must(usher.NewEncoder[usher.Claims](key, &usher.EncoderOptions{TTL: ttl}))
		return usher.Must(encoder.Encode(context.Background(), claims))
	}
}

// serve starts a server on a loopback port and returns its address.
func serve(server *grpc.Server) string {
	listener := usher.Must(net.Listen("tcp", "127.0.0.1:0"))
	go func() { _ = server.Serve(listener) }()
	return listener.Addr().String()
}

// connect returns a connection whose calls have this token. There is no TLS on the loopback interface.
func connect(address, token string) *grpc.ClientConn {
	creds := usher.Must(grpcauth.NewCredentials(func(context.Context) (string, error) { return token, nil },
		&grpcauth.CredentialsOptions{DangerouslyAllowPlaintext: true}))
	return usher.Must(grpc.NewClient(address,
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithPerRPCCredentials(creds)))
}

// greeter answers with the user's name.
type greeter struct {
	testpb.UnimplementedTestServiceServer
}

func (greeter) UnaryCall(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
	claims, _ := usher.UserFromContext[*usher.Claims](ctx)
	return &testpb.SimpleResponse{Username: claims.Subject}, nil
}

// FullDuplexCall waits for messages until the stream ends.
func (greeter) FullDuplexCall(stream bidiServer) error {
	for {
		if _, err := stream.Recv(); err != nil {
			return err
		}
	}
}

func ExampleUnary() {
	key, token := issue()
	auth := usher.Must(usher.NewMiddleware(usher.Must(usher.NewDecoder[usher.Claims](key, nil)), usher.ClaimsAsUser, nil))

	opts := &grpcauth.Options{Public: []string{"grpc.health.v1.Health"}}
	unary, err := grpcauth.Unary(auth, opts)
	if err != nil {
		fmt.Println(err)
		return
	}
	stream, err := grpcauth.Stream(auth, opts)
	if err != nil {
		fmt.Println(err)
		return
	}
	server := grpc.NewServer(grpc.UnaryInterceptor(unary), grpc.StreamInterceptor(stream))
	testpb.RegisterTestServiceServer(server, greeter{})
	healthpb.RegisterHealthServer(server, health.NewServer())
	address := serve(server)
	defer server.Stop()

	ctx := context.Background()
	for _, token := range []string{token(time.Minute, usher.Claims{Subject: "ada"}), ""} {
		conn := connect(address, token)
		answer, err := testpb.NewTestServiceClient(conn).UnaryCall(ctx, &testpb.SimpleRequest{})
		fmt.Printf("%q, %v\n", answer.GetUsername(), err)
		healthy, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{})
		fmt.Println(healthy.GetStatus(), err)
		_ = conn.Close()
	}
	// Output:
	// "ada", <nil>
	// SERVING <nil>
	// "", rpc error: code = Unauthenticated desc = An access token is required.
	// SERVING <nil>
}

// The stream ends when its token does, although its client stays.
func ExampleStream() {
	key, token := issue()
	auth := usher.Must(usher.NewMiddleware(usher.Must(usher.NewDecoder[usher.Claims](key, nil)), usher.ClaimsAsUser, nil))
	stream := usher.Must(grpcauth.Stream(auth, nil))
	server := grpc.NewServer(grpc.StreamInterceptor(stream))
	testpb.RegisterTestServiceServer(server, greeter{})
	address := serve(server)
	defer server.Stop()

	conn := connect(address, token(time.Second, usher.Claims{Subject: "ada"}))
	defer func() { _ = conn.Close() }()
	calls, err := testpb.NewTestServiceClient(conn).FullDuplexCall(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = calls.Recv()
	fmt.Println(err)
	// Output: rpc error: code = Unauthenticated desc = The access token has expired.
}

// Guards by method: Options.For chooses the middleware that has them.
func ExampleOptions_for() {
	key, token := issue()
	auth := usher.Must(usher.NewMiddleware(usher.Must(usher.NewDecoder[usher.Claims](key, nil)), usher.ClaimsAsUser, nil))
	writers := auth.With(usher.RequireScope("write"))

	unary := usher.Must(grpcauth.Unary(nil, &grpcauth.Options{For: func(fullMethod string) (grpcauth.Authenticator, bool) {
		switch fullMethod {
		case healthpb.Health_Check_FullMethodName:
			return nil, false // anybody
		case testpb.TestService_UnaryCall_FullMethodName:
			return writers, true
		}
		return auth, true
	}}))
	server := grpc.NewServer(grpc.UnaryInterceptor(unary))
	testpb.RegisterTestServiceServer(server, greeter{})
	address := serve(server)
	defer server.Stop()

	for _, scope := range []string{"read write", "read"} {
		conn := connect(address, token(time.Minute, usher.Claims{Subject: "ada", Scope: scope}))
		_, err := testpb.NewTestServiceClient(conn).UnaryCall(context.Background(), &testpb.SimpleRequest{})
		fmt.Println(err)
		_ = conn.Close()
	}
	// Output:
	// <nil>
	// rpc error: code = PermissionDenied desc = The access token lacks a scope.
}

// A client finds out why it was refused, and when to try again.
func ExampleStatus() {
	st := grpcauth.Status(&usher.Rejection{Status: 503, Description: "Try again later.", Err: usher.ErrUnavailable})
	err := st.Err() // what a client gets

	fmt.Println(status.Code(err))
	for _, detail := range status.Convert(err).Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			fmt.Println("reason:", detail.GetReason())
		case *errdetails.RetryInfo:
			fmt.Println("try again in", detail.GetRetryDelay().AsDuration())
		}
	}
	// Output:
	// Unavailable
	// reason: unavailable
	// try again in 5s
}

// One set of credentials serves all calls of a connection. In production it goes with TLS, and without the option.
func ExampleNewCredentials() {
	key, token := issue()
	auth := usher.Must(usher.NewMiddleware(usher.Must(usher.NewDecoder[usher.Claims](key, nil)), usher.ClaimsAsUser, nil))
	server := grpc.NewServer(grpc.UnaryInterceptor(usher.Must(grpcauth.Unary(auth, nil))))
	testpb.RegisterTestServiceServer(server, greeter{})
	address := serve(server)
	defer server.Stop()

	login := func(context.Context) (string, error) { // cached until shortly before it expires
		return token(time.Minute, usher.Claims{Subject: "ada"}), nil
	}
	creds, err := grpcauth.NewCredentials(login, &grpcauth.CredentialsOptions{DangerouslyAllowPlaintext: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	conn := usher.Must(grpc.NewClient(address,
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithPerRPCCredentials(creds)))
	defer func() { _ = conn.Close() }()
	answer, err := testpb.NewTestServiceClient(conn).UnaryCall(context.Background(), &testpb.SimpleRequest{})
	fmt.Println(answer.GetUsername(), err)
	// Output: ada <nil>
}
