// Package session keeps users logged in and logs them out.
//
// A login starts a session. It issues a short-lived access token, whose sid claim is the session's ID, and an opaque
// refresh token, of which only a hash is stored. A [Manager] starts, refreshes and ends sessions. A [Store] keeps them
// in memory, in a database (package sqlstore) or in Redis (package redisstore). [LoginHandler], [RefreshHandler],
// [LogoutHandler] and [SessionsHandler] serve them over HTTP, with the tokens in JSON or in cookies. [NewAccounts] adds
// signup, change of password, forgotten passwords and the verification of addresses.
//
// Every refresh rotates the refresh token. A spent token that is presented again within a short grace period yields
// the same successor, so a lost response or two racing tabs log nobody out. A spent token that is presented later is
// a stolen copy and ends the session.
//
// # Files
//
// The manager:
//
//	config.go                 Config and its checks
//	manager.go                Manager, List
//	start.go                  Start and About: a login starts a session
//	refresh.go                Refresh: a refresh token is rotated
//	logout.go                 End, EndSession, EndOthers, EndAll
//	check.go                  Check: is the session of an access token alive?
//	prune.go                  Prune, PruneEvery
//	event.go                  Event, EventKind
//	errors.go                 the errors
//	tokens.go                 Tokens
//	grant.go                  Grant: what an access token is issued for
//	accesstokens.go           AccessTokens, and how access tokens are issued
//	refreshtoken.go           refresh tokens and the keys that protect them
//
// The stores:
//
//	store.go                  Store, Session, Record
//	rotation.go               Rotation: which refresh tokens a store accepts
//	memorystore.go            MemoryStore
//	storecall.go              how the manager calls its store: to the end, in bounded time
//
// The handlers:
//
//	handler.go                what all handlers share: origins, methods
//	handlerbody.go            request and response bodies
//	handlercookies.go         cookies
//	handleroptions.go         HandlerOptions
//	clientaddress.go          the client's address and network
//	rejection.go              errors as responses
//	login.go                  NewLogin, LoginHandler, Authenticator, Starter
//	loginticket.go            Pause and Resume: logins with a second step
//	passwordauthenticator.go  PasswordAuthenticator
//	refreshhandler.go         RefreshHandler
//	logouthandler.go          LogoutHandler
//	sessionshandler.go        SessionsHandler
//
// Accounts:
//
//	accounts.go               NewAccounts, Accounts, AccountOptions
//	accountsusers.go          Users, User: what accounts need of the application
//	accountssignup.go         Accounts.Signup
//	accountspassword.go       Accounts.ChangePassword; how a password is replaced
//	accountslinks.go          Accounts.Forgot, Reset and Verify
//	accountsmail.go           Mail, and the queue of mails
//
// Limits on guesses:
//
//	attempts.go               Attempts
//	throttle.go               Throttle, Attempt, Limit, ThrottleOptions
//	memorythrottle.go         MemoryThrottle
package session
