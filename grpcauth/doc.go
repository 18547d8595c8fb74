// Package grpcauth authenticates gRPC calls with the same middleware that protects HTTP routes. It has interceptors for
// servers, and credentials for clients.
//
//	auth, err := usher.NewMiddleware(decoder, loadUser, nil)
//	opts := &grpcauth.Options{Public: []string{"grpc.health.v1.Health"}}
//	unary, err := grpcauth.Unary(auth, opts)
//	stream, err := grpcauth.Stream(auth, opts)
//	server := grpc.NewServer(grpc.UnaryInterceptor(unary), grpc.StreamInterceptor(stream))
//
// A handler finds its user with auth.User(ctx), or with usher.UserFromContext. Every method wants a token, those of health
// and reflection too, unless Options.Public names it. Guards come with the middleware:
// auth.With(usher.RequireScope("write")) is an Authenticator of its own, and Options.For chooses it for some methods.
//
// Clients learn a code, one safe sentence, and a reason to act on. [Status] has the list. The cause goes to Options.Observe.
//
// A stream ends when its token does. A token that is bound to a key (DPoP, mutual TLS) is refused, because a call has no
// HTTP request to prove possession with.
//
// gRPC reads the message of a unary call before interceptors run: up to 4 MiB, or grpc.MaxRecvMsgSize, of anybody's.
//
// Calls of methods that the server does not have are answered by gRPC, Unimplemented, without asking for a token, unless
// grpc.UnknownServiceHandler is set.
//
// The files of the package:
//
//	options.go      Authenticator, Options, and which method wants whom
//	server.go       Unary, Stream; how a call is let in
//	stream.go       streams, and how they end
//	status.go       Status: refusals as gRPC statuses
//	credentials.go  NewCredentials, for clients
package grpcauth
