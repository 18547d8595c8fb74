// Package session keeps users logged in, and logs them out.
//
// A login starts a session: a short-lived access token that names it (sid), and an opaque refresh token that is
// stored only as a hash. A [Manager] starts, refreshes and ends sessions; a [Store] remembers them: in memory,
// in a database (package sqlstore), or in Redis (package redisstore). [LoginHandler], [RefreshHandler],
// [LogoutHandler] and [SessionsHandler] put them behind HTTP, with tokens in JSON or in cookies.
//
// Every refresh rotates the refresh token. Presented a second time within a short grace, a spent token yields
// the very same successor, so that a lost response or two racing tabs log nobody out; presented later, it is
// a stolen copy, and ends the session.
package session
