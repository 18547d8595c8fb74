package connectauth_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"connectrpc.com/connect"
	"connectrpc.com/grpchealth"
	"github.com/go-usher/usher"
	"github.com/go-usher/usher/connectauth"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// issue returns a key and a function that issues tokens with it. Most services only have the key.
func issue() (usher.Key, func(ttl time.Duration, claims usher.Claims) string) {
	key := usher.Must(usher.GenerateKey(usher.HS256))
	return key, func(ttl time.Duration, claims usher.Claims) string {
		encoder := usher.Must(usher.NewEncoder[usher.Claims](key, &usher.EncoderOptions{TTL: ttl}))
		return usher.Must(encoder.Encode(context.Background(), claims))
	}
}

// greet answers with the user's name. Generated code makes such a handler of a method.
func greet(opts ...connect.HandlerOption) (string, http.Handler) {
	const procedure = "/greet.v1.Greet/Greet"
	return procedure, connect.NewUnaryHandlerSimple(procedure, func(ctx context.Context, _ *emptypb.Empty) (*wrapperspb.StringValue, error) {
		claims, _ := usher.UserFromContext[*usher.Claims](ctx)
		return wrapperspb.String("Hello, " + claims.Subject + "!"), nil
	}, opts...)
}

// wait waits for messages until the stream ends.
func wait(opts ...connect.HandlerOption) (string, http.Handler) {
	const procedure = "/greet.v1.Greet/Wait"
	return procedure, connect.NewBidiStreamHandler(procedure, func(_ context.Context, stream *connect.BidiStream[emptypb.Empty, emptypb.Empty]) error {
		for {
			if _, err := stream.Receive(); err != nil {
				return err
			}
		}
	}, opts...)
}

// start serves with TLS on a loopback port.
func start(handler http.Handler) *httptest.Server {
	server := httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = true
	server.StartTLS()
	return server
}

// callGreet calls the greeter, and returns its answer or its error.
func callGreet(client connect.HTTPClient, url string, opts ...connect.ClientOption) any {
	greeter := connect.NewClient[emptypb.Empty, wrapperspb.StringValue](client, url+"/greet.v1.Greet/Greet", opts...)
	answer, err := greeter.CallUnary(context.Background(), connect.NewRequest(&emptypb.Empty{}))
	if err != nil {
		return err
	}
	return answer.Msg.GetValue()
}

func ExampleNew() {
	key, token := issue()
	auth := usher.Must(usher.NewMiddleware(usher.Must(usher.NewDecoder[usher.Claims](key, nil)), usher.ClaimsAsUser, nil))

	option, err := connectauth.New(auth, &connectauth.Options{Public: []string{"grpc.health.v1.Health"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle(greet(option))
	mux.Handle(grpchealth.NewHandler(grpchealth.NewStaticChecker(), option))
	server := start(mux)
	defer server.Close()

	login := func(context.Context) (string, error) { return token(time.Minute, usher.Claims{Subject: "ada"}), nil }
	client := usher.Must(connectauth.NewClient(server.Client(), login, nil))
	fmt.Println(callGreet(client, server.URL))
	fmt.Println(callGreet(client, server.URL, connect.WithGRPC()))

	fmt.Println(callGreet(server.Client(), server.URL))
	healthy, err := grpchealth.NewClient(server.Client(), server.URL).Check(context.Background(), &grpchealth.CheckRequest{})
	fmt.Println(healthy.Status, err)
	// Output:
	// Hello, ada!
	// Hello, ada!
	// unauthenticated: An access token is required.
	// serving <nil>
}

// Guards by procedure: Options.For chooses the middleware that has them.
func ExampleOptions_for() {
	key, token := issue()
	auth := usher.Must(usher.NewMiddleware(usher.Must(usher.NewDecoder[usher.Claims](key, nil)), usher.ClaimsAsUser, nil))
	writers := auth.With(usher.RequireScope("write"))

	option := usher.Must(connectauth.New(nil, &connectauth.Options{For: func(procedure string) (connectauth.Authenticator, bool) {
		switch procedure {
		case "/grpc.health.v1.Health/Check":
			return nil, false // anybody
		case "/greet.v1.Greet/Greet":
			return writers, true
		}
		return auth, true
	}}))
	mux := http.NewServeMux()
	mux.Handle(greet(option))
	server := start(mux)
	defer server.Close()

	for _, scope := range []string{"read write", "read"} {
		login := func(context.Context) (string, error) {
			return token(time.Minute, usher.Claims{Subject: "ada", Scope: scope}), nil
		}
		fmt.Println(callGreet(usher.Must(connectauth.NewClient(server.Client(), login, nil)), server.URL))
	}
	// Output:
	// Hello, ada!
	// permission_denied: The access token lacks a scope.
}

// The stream ends when its token does, although its client stays.
func ExampleNew_stream() {
	key, token := issue()
	auth := usher.Must(usher.NewMiddleware(usher.Must(usher.NewDecoder[usher.Claims](key, nil)), usher.ClaimsAsUser, nil))
	mux := http.NewServeMux()
	mux.Handle(wait(usher.Must(connectauth.New(auth, nil))))
	server := start(mux)
	defer server.Close()

	login := func(context.Context) (string, error) { return token(time.Second, usher.Claims{Subject: "ada"}), nil }
	client := usher.Must(connectauth.NewClient(server.Client(), login, nil))
	stream := connect.NewClient[emptypb.Empty, emptypb.Empty](client, server.URL+"/greet.v1.Greet/Wait").CallBidiStream(context.Background())
	if err := stream.Send(nil); err != nil { // opens it
		fmt.Println(err)
		return
	}
	_, err := stream.Receive()
	fmt.Println(err)
	_ = stream.CloseRequest()
	_ = stream.CloseResponse()
	// Output: unauthenticated: The access token has expired.
}

// The middleware takes tokens from cookies too. It is outside, and answers in the client's protocol.
func ExampleReject() {
	key, token := issue()
	auth := usher.Must(usher.NewMiddleware(usher.Must(usher.NewDecoder[usher.Claims](key, nil)), usher.ClaimsAsUser,
		&usher.MiddlewareOptions{
			Sources: []usher.TokenSource{usher.FromBearer(), usher.FromCookie("__Host-token")},
			Reject:  connectauth.Reject(),
		}))
	mux := http.NewServeMux()
	mux.Handle(greet(usher.Must(connectauth.New(connectauth.FromMiddleware(), nil))))
	server := start(auth.Require(mux))
	defer server.Close()

	fmt.Println(callGreet(server.Client(), server.URL))
	fmt.Println(callGreet(server.Client(), server.URL, connect.WithGRPCWeb()))

	r := usher.Must(http.NewRequestWithContext(context.Background(), http.MethodPost, server.URL+"/greet.v1.Greet/Greet", strings.NewReader("{}")))
	r.Header.Set("Content-Type", "application/json")
	r.AddCookie(&http.Cookie{Name: "__Host-token", Value: token(time.Minute, usher.Claims{Subject: "ada"})})
	response, err := server.Client().Do(r)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = response.Body.Close() }()
	fmt.Println(response.Status, string(usher.Must(io.ReadAll(response.Body))))
	// Output:
	// unauthenticated: An access token is required.
	// unauthenticated: An access token is required.
	// 200 OK "Hello, ada!"
}

// A client finds out why it was refused, and when to try again.
func ExampleError() {
	err := connectauth.Error(&usher.Rejection{Status: 503, Description: "Try again later.", Err: usher.ErrUnavailable})

	fmt.Println(err.Code())
	for _, detail := range err.Details() {
		switch detail := usher.Must(detail.Value()).(type) {
		case *errdetails.ErrorInfo:
			fmt.Println("reason:", detail.GetReason())
		case *errdetails.RetryInfo:
			fmt.Println("try again in", detail.GetRetryDelay().AsDuration())
		}
	}
	// Output:
	// unavailable
	// reason: unavailable
	// try again in 5s
}

// Every call of the client has the token. Calls to http URLs fail.
func ExampleNewClient() {
	key, token := issue()
	auth := usher.Must(usher.NewMiddleware(usher.Must(usher.NewDecoder[usher.Claims](key, nil)), usher.ClaimsAsUser, nil))
	mux := http.NewServeMux()
	mux.Handle(greet(usher.Must(connectauth.New(auth, nil))))
	server := start(mux)
	defer server.Close()

	login := func(context.Context) (string, error) { // cached until shortly before it expires
		return token(time.Minute, usher.Claims{Subject: "ada"}), nil
	}
	client, err := connectauth.NewClient(server.Client(), login, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(callGreet(client, server.URL))
	fmt.Println(callGreet(client, strings.Replace(server.URL, "https:", "http:", 1)))
	// Output:
	// Hello, ada!
	// failed_precondition: connectauth: the token is not sent without TLS
}
