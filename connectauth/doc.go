// Package connectauth authenticates the calls of Connect, gRPC and gRPC-Web clients with the same middleware that protects
// HTTP routes.
//
//	auth, err := usher.NewMiddleware(decoder, loadUser, nil)
//	option, err := connectauth.New(auth, &connectauth.Options{Public: []string{"grpc.health.v1.Health"}})
//	mux.Handle(greetv1connect.NewGreetServiceHandler(greeter, option))
//	mux.Handle(grpchealth.NewHandler(checker, option))
//
// A handler finds its user with auth.User(ctx), or with usher.UserFromContext. Every procedure wants a token, those of
// health and reflection too, unless Options.Public names it. Guards come with the middleware:
// auth.With(usher.RequireScope("write")) is an Authenticator of its own, and Options.For chooses it for some procedures.
//
// Clients learn a code, one safe sentence, and a reason to act on. [Error] has the list. The cause goes to Options.Observe.
//
// A stream ends when its token does.
//
// The middleware can also wrap the mux, and refuse requests itself: [Reject] makes it speak the client's protocol. That is
// the way for tokens in cookies, and for tokens that are bound to a key (DPoP, mutual TLS), which New refuses because it has
// no HTTP request to ask. [FromMiddleware] then ends the streams.
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
//	options.go  Authenticator, Options, and which procedure wants whom
//	new.go      New; how a call is let in
//	stream.go   streams, how they end, and FromMiddleware
//	error.go    Error and Reject: refusals as Connect's errors
//	client.go   NewClient, for clients
package connectauth
