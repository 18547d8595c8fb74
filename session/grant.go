package session

import "time"

// Grant describes an access token that is about to be issued, for Config.Claims and NewAccessTokens.
type Grant struct {
	Subject   string // the user's id; becomes sub
	SessionID string // becomes sid; empty without a session
	// Data is what the application knew at the login, such as the tenant or the authentication methods: About.Data of
	// the login. It is kept inside the refresh token and authenticated with it, so it survives every refresh without a
	// store. The client can read it but not change it.
	Data     string
	AuthTime time.Time // when the user authenticated; becomes auth_time, in whole seconds
}
