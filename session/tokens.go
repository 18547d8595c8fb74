package session

import (
	"fmt"
	"log/slog"
	"time"
)

// Tokens are the result of a login or a refresh. Their JSON form is an access token response (RFC 6749 §5.1). They
// print and log without the tokens.
type Tokens struct {
	AccessToken  string `json:"access_token"`            // the JWT
	TokenType    string `json:"token_type"`              // "Bearer"
	ExpiresIn    int64  `json:"expires_in"`              // lifetime of the access token, in seconds
	RefreshToken string `json:"refresh_token,omitempty"` // empty without a session

	SessionID  string        `json:"-"` // the sid of the access token
	RefreshTTL time.Duration `json:"-"` // the lifetime of the refresh token, unless the session ends earlier

	untilBrowserCloses bool // see About
}

// Format implements fmt.Formatter. Every verb prints what String returns.
func (t Tokens) Format(f fmt.State, _ rune) { fmt.Fprint(f, t.String()) }

// String returns the session's ID, without the tokens.
func (t Tokens) String() string { return fmt.Sprintf("session.Tokens{SessionID:%s}", t.SessionID) }

// LogValue returns the session's ID, without the tokens.
func (t Tokens) LogValue() slog.Value { return slog.StringValue(t.String()) }
