package session

import "time"

// Grant describes an access token that is about to be issued, for Config.Claims and NewAccessTokens.
type Grant struct {
	Subject   string // the user's id; becomes sub
	SessionID string // becomes sid; empty without a session
	// Data is About.Data of the login, such as the tenant or the authentication methods. The refresh token contains it,
	// so it is available at every refresh without being stored. The client can read it but not change it.
	Data     string
	AuthTime time.Time // when the user authenticated; becomes auth_time, in whole seconds
}
