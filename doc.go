// Package usher adds JSON Web Token authentication to HTTP services. It issues and verifies tokens, hashes passwords with
// bcrypt, and wraps handlers so that they get the current user.
//
// Four lines set it up. The claims are [Claims], or a struct of yours that embeds it. The user is any type of yours:
//
//	key := usher.Must(usher.NewKey(usher.HS256, secret))             // 32 bytes or more
//	encoder := usher.Must(usher.NewEncoder[usher.Claims](key, nil))  // issues tokens
//	decoder := usher.Must(usher.NewDecoder[usher.Claims](key, nil))  // verifies them
//	auth := usher.Must(usher.NewMiddleware(decoder, findUser, nil))  // finds their user
//
// A login handler calls [CheckPassword] and issues a token whose subject is the user's id. A handler that needs a user takes
// one, so it can't be mounted without the middleware:
//
//	token, err := encoder.Encode(ctx, usher.Claims{Subject: user.ID})
//
//	mux.Handle("GET /me", auth.RequireFunc(func(w http.ResponseWriter, r *http.Request, user *User) { … }))
//
// # How a request flows
//
// The middleware looks for exactly one token in the places that [MiddlewareOptions].Sources lists. The [Verifier] decodes it.
// Confirm and Check, if they are set, are called; the user function loads the user; the guards of [Middleware.With] run; then
// the handler is called. An error on the way becomes a [Rejection]: a response that tells the client nothing it could use, and
// a cause for the operator. One mapping serves all errors, wherever they come from: see [Middleware.Rejection].
//
// # What is strict
//
// A [Key] carries its one algorithm, and the signature is checked before any claim is read. Tokens need exp and sub. An aud that no
// option expects, any crit header, a claim name that occurs twice, and more than 8 KiB are refused. Claim names match exactly.
// The options AllowNoSubject and MaxSize relax two of these rules. Options that weaken the others are named Dangerously….
//
// # Sessions
//
// A token is valid until it expires. Package session has refresh tokens, logout, and handlers for logins.
//
// # Errors
//
// Every refusal of a token is [ErrInvalidToken], one of the errors that are listed with it, and golang-jwt's error for the same
// fault. A [TokenError] in its chain says whose token it was. Constructors report mistakes as [ConfigError], all at once. Only
// [Must] panics.
//
// # Testing
//
// The test of a handler needs neither a key nor a token: [ContextWithUser] is enough. Package ushertest makes tokens of every
// kind, valid and bad, for tests of the whole way.
//
// # The files
//
//	doc.go          this page
//	token.go        Encoder, Decoder, Verifier
//	claims.go       Claims, NumericDate, Audience, and their JSON
//	key.go          Key, Algorithm, and the constructors of keys
//	keymaterial.go  which keys are fit: lengths, curves, PEM, thumbprints
//	keysource.go    SigningKeys, KeySource, Keys, KeyRing
//	signature.go    how each algorithm signs and verifies
//	header.go       a token's header
//	payload.go      claims to JSON and back; which claims types are fit
//	issuers.go      ByIssuer and ByIssuerFunc
//	middleware.go   Middleware and its options
//	request.go      a request's way: source, decode, confirm, Check, user, guards
//	source.go       TokenSource
//	guard.go        Guard
//	context.go      the user and the claims in a context
//	rejection.go    Rejection, and the one mapping of errors
//	password.go     Passwords
//	errors.go       errors, ConfigError
package usher
