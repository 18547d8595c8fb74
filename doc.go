// Package usher puts JSON Web Token authentication into HTTP services: it issues and verifies tokens, hashes
// passwords with bcrypt, and wraps handlers so that they find the current user in the request's context.
//
// Four lines set it up. The claims are [Claims], or a struct of yours that embeds it; the user is any type of yours:
//
//	key, err := usher.NewKey(usher.HS256, secret)                     // 32 bytes or more
//	encoder, err := usher.NewEncoder[usher.Claims](key, nil)          // issues tokens
//	decoder, err := usher.NewDecoder[usher.Claims](key, nil)          // verifies them
//	auth, err := usher.NewMiddleware(decoder, users.FromClaims, nil)  // finds their user
//
// At login, after [CheckPassword], a token is issued whose subject is the user's id; on the routes, handlers
// that need a user take one:
//
//	token, err := encoder.Encode(ctx, usher.Claims{Subject: user.ID})
//
//	mux.Handle("GET /me", auth.RequireFunc(func(w http.ResponseWriter, r *http.Request, user *User) { … }))
//
// # How a request flows
//
// The middleware looks for exactly one token in its [TokenSource] list, lets the [Verifier] decode it, asks Check
// (for example whether the session still lasts), loads the user, asks the guards, and calls the handler. Whatever
// fails on the way becomes a [Rejection]: a response that tells the client nothing it could use, and a cause for
// the operator. One mapping serves all errors, wherever they come from; see [Middleware.Deny].
//
// # What is strict, and how to be less so
//
// The signature is checked before any of the payload is read, by a [Key] that carries its one algorithm. Tokens
// need exp and sub; an aud that no option asks for, any crit header, a claim name that comes twice, and more than
// 8 KiB are refused. Claim names match exactly. AllowNoSubject and MaxSize loosen two of these rules; options that weaken
// more are named Dangerously….
//
// # Sessions
//
// A token is good until it expires. Refresh tokens, logout and login handlers are package session's.
//
// # Errors
//
// Everything that is wrong with a token is [ErrInvalidToken] and one of the errors listed with it, and also
// golang-jwt's error for the same. Constructors report mistakes as [ConfigError], all at once. Nothing panics
// but [Must].
//
// # Testing
//
// A handler's test needs neither key nor token: [ContextWithUser] is enough. For tests of the whole way, package
// ushertest makes tokens of every kind, good and bad.
package usher
