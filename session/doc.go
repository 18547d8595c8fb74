// Package session keeps users logged in and logs them out.
//
// A login starts a session and issues two tokens. The access token is short-lived, and its sid claim is the session's
// ID. The refresh token is opaque, and only its hash is stored. A [Manager] starts, refreshes and ends sessions. A
// [Store] keeps them in memory, in a database (package sqlstore) or in Redis (package redisstore).
//
// [LoginHandler], [RefreshHandler], [LogoutHandler] and [SessionsHandler] serve sessions over HTTP, with the tokens in
// JSON or in cookies. [NewAccounts] adds signup, change of password, forgotten passwords and the verification of
// addresses.
//
// Every refresh replaces the refresh token by a successor. If the spent token is presented again within a short grace
// period, the same successor is returned, so a lost response or two simultaneous tabs log nobody out. If it is
// presented later, it is treated as stolen, and the session is ended.
//
// # Files
//
// The manager:
//
//	config.go                 Config and its checks
//	manager.go                Manager, List
//	start.go                  Start and About
//	refresh.go                Refresh: the rotation of a refresh token
//	logout.go                 End, EndSession, EndOthers, EndAll
//	check.go                  Check: whether the session of an access token is alive
//	prune.go                  Prune, PruneEvery
//	event.go                  Event, EventKind
//	errors.go                 the errors
//	tokens.go                 Tokens
//	grant.go                  Grant: the data that an access token is issued for
//	accesstokens.go           AccessTokens, and how access tokens are issued
//	refreshtoken.go           refresh tokens and the keys that protect them
//
// The stores:
//
//	store.go                  Store, Session, Record
//	rotation.go               Rotation: which refresh tokens a store accepts
//	memorystore.go            MemoryStore
//	storecall.go              time limits and errors of calls to the store
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
//	accountsusers.go          Users, User: the application's users
//	accountssignup.go         Accounts.Signup
//	accountspassword.go       Accounts.ChangePassword, and replacing passwords
//	accountslinks.go          Accounts.Forgot, Reset and Verify
//	accountsmail.go           Mail, and the queue of mails
//
// Limits on guesses:
//
//	attempts.go               Attempts
//	throttle.go               Throttle, Attempt, Limit, ThrottleOptions
//	memorythrottle.go         MemoryThrottle
//	throttlecounters.go       the bounded table of its counters
package session
