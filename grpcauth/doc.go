// Package grpcauth authenticates gRPC calls with the same middleware that protects HTTP routes. It has interceptors for
// servers, and credentials for clients.
//
//	auth, err := usher.NewMiddleware(decoder, loadUser, nil)
//	opts := &grpcauth.Options{Public: []string{"grpc.health.v1.Health"}}
//	unary, err := grpcauth.Unary(auth, opts)
//	stream, err := grpcauth.Stream(auth, opts)
//	server := grpc.NewServer(grpc.UnaryInterceptor(unary), grpc.StreamInterceptor(stream))
//
// A handler gets its user from auth.User(ctx), or from usher.UserFromContext. Every method requires a token, also those of
// health and reflection, unless Options.Public lists it. The guards of the middleware apply. For other guards,
// auth.With(usher.RequireScope("write")) is another Authenticator, which Options.For returns for some methods.
//
// Clients get a code, one safe sentence, and a reason: see [Status]. Options.Observe gets the cause.
//
// A stream ends when its token expires. A token that is bound to a key (DPoP, mutual TLS) is refused, because a call has no
// HTTP request with a proof of possession.
//
// gRPC reads the message of a unary call before interceptors run. So anybody can send a message of up to 4 MiB, or
// grpc.MaxRecvMsgSize.
//
// If a method does not exist, gRPC itself responds with Unimplemented and requires no token, unless
// grpc.UnknownServiceHandler is set.
//
// The files of the package:
//
//	options.go      Authenticator, Options, and the Authenticator of each method
//	server.go       Unary, Stream, and the decision about a call
//	stream.go       streams, and how they end
//	status.go       Status: refusals as gRPC statuses
//	credentials.go  NewCredentials, for clients
package grpcauth
