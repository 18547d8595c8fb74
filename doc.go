// Package usher adds JSON Web Token authentication to HTTP services. It issues and verifies tokens, hashes passwords with
// bcrypt, and passes the current user to handlers.
//
// Four lines set it up. The claims type is [Claims], or a struct of yours that embeds it. The user type is any type of
// yours:
//
//	key := usher.Must(usher.NewKey(usher.HS256, secret))             // 32 bytes or more
//	encoder := usher.Must(usher.NewEncoder[usher.Claims](key, nil))  // issues tokens
//	decoder := usher.Must(usher.NewDecoder[usher.Claims](key, nil))  // verifies them
//	auth := usher.Must(usher.NewMiddleware(decoder, findUser, nil))  // finds their user
//
// A login handler calls [CheckPassword] and issues a token whose subject is the user's id. A handler that needs the user
// takes it as an argument, so it can't be mounted without the middleware:
//
//	token, err := encoder.Encode(ctx, usher.Claims{Subject: user.ID})
//
//	mux.Handle("GET /me", auth.RequireFunc(func(w http.ResponseWriter, r *http.Request, user *User) { … }))
//
// # How a request flows
//
// The middleware takes these steps:
//
//   - It finds the one token of the request in [MiddlewareOptions].Sources.
//   - The [Verifier] verifies the token and decodes its claims.
//   - Confirm and Check are called, if they are set.
//   - The user function loads the user.
//   - The guards of [Middleware.With] run.
//   - The handler is called.
//
// An error in any step becomes a [Rejection]. It holds a response that reveals no details to the client, and the cause
// for the operator. All errors are mapped to responses by the same rules: see [Middleware.Rejection].
//
// # What is strict
//
// A [Key] is used with one algorithm only, and the signature is verified before any claim is read. Tokens must have exp
// and sub. A token is refused if it has an aud and no Audience is configured, a crit header, a duplicate claim name, or
// more than 8 KiB. Claim names are case-sensitive. The options AllowNoSubject and MaxSize relax two of these rules.
// Options that weaken the others are named Dangerously….
//
// # Sessions
//
// A token is valid until it expires. Package session adds refresh tokens, logout, and handlers for logins.
//
// # Errors
//
// For every refused token, errors.Is matches [ErrInvalidToken], one of the errors listed with it, and golang-jwt's
// error for the same fault. A [TokenError] in the chain says whose token it was. Constructors report all mistakes at
// once, each as a [ConfigError]. Only [Must] panics.
//
// # Testing
//
// A test of a handler needs no key and no token: [ContextWithUser] is enough. Package ushertest makes valid and invalid
// tokens for end-to-end tests.
//
// # The files
//
//	doc.go          this page
//	token.go        Encoder, Decoder, Verifier
//	claims.go       Claims, NumericDate, Audience, their JSON and their checks
//	key.go          Key, Algorithm, and the constructors of keys
//	keymaterial.go  what material an algorithm takes
//	keysource.go    SigningKeys, KeySource, Keys, KeyRing
//	signature.go    how each algorithm signs and verifies
//	header.go       a token's header
//	payload.go      claims to JSON and back; checks of claims types
//	issuers.go      ByIssuer and ByIssuerFunc
//	middleware.go   Middleware and its options
//	request.go      the steps of a request: source, decode, confirm, Check, user, guards
//	source.go       TokenSource
//	guard.go        Guard
//	context.go      the user and the claims in a context
//	rejection.go    Rejection, and the mapping of errors to responses
//	password.go     Passwords
//	errors.go       errors, ConfigError, checks of options
package usher
