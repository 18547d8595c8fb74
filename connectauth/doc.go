// Package connectauth authenticates the calls of Connect, gRPC and gRPC-Web clients with the same middleware that protects
// HTTP routes.
//
//	auth, err := usher.NewMiddleware(decoder, loadUser, nil)
//	option, err := connectauth.New(auth, &connectauth.Options{Public: []string{"grpc.health.v1.Health"}})
//	mux.Handle(greetv1connect.NewGreetServiceHandler(greeter, option))
//	mux.Handle(grpchealth.NewHandler(checker, option))
//
// A handler gets its user from auth.User(ctx), or from usher.UserFromContext. Every procedure requires a token, also those of
// health and reflection, unless Options.Public lists it. The guards of the middleware apply. For other guards,
// auth.With(usher.RequireScope("write")) is another Authenticator, which Options.For returns for some procedures.
//
// Clients get a code, one safe sentence, and a reason: see [Error]. Options.Observe gets the cause.
//
// A stream ends when its token expires.
//
// Tokens in cookies, and tokens that are bound to a key (DPoP, mutual TLS), need the HTTP middleware, because New reads only
// the Authorization header and has no proof of possession. Put the middleware around the mux. [Reject] makes it respond in
// the client's protocol, and [FromMiddleware] ends the streams.
//
//	auth, err := usher.NewMiddleware(decoder, loadUser, &usher.MiddlewareOptions{
//		Sources: []usher.TokenSource{usher.FromCookie("__Host-token")},
//		Reject:  connectauth.Reject(),
//	})
//	option, err := connectauth.New(connectauth.FromMiddleware(), nil)
//	mux.Handle(greetv1connect.NewGreetServiceHandler(greeter, option))
//	server.Handler = auth.Require(mux)
//
// The files of the package:
//
//	options.go  Authenticator, Options, and the Authenticator of each procedure
//	new.go      New, and the decision about a call
//	stream.go   streams, how they end, and FromMiddleware
//	error.go    Error and Reject: refusals as Connect's errors
//	client.go   NewClient, for clients
package connectauth
