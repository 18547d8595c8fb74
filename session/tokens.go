package session

import (
	"fmt"
	"log/slog"
	"time"
)

// Tokens are what a login or a refresh hands out. As JSON they are an access token response (RFC 6749 §5.1).
// Printed or logged they show no token.
type Tokens struct {
	AccessToken  string `json:"access_token"`            // the JWT
	TokenType    string `json:"token_type"`              // "Bearer"
	ExpiresIn    int64  `json:"expires_in"`              // how long the access token lasts, in seconds
	RefreshToken string `json:"refresh_token,omitempty"` // "" where there is no session

	SessionID  string        `json:"-"` // the access token's sid
	RefreshTTL time.Duration `json:"-"` // how long the refresh token lasts, unless the session ends before
}

// Format implements fmt.Formatter for every verb, without the tokens.
func (t Tokens) Format(f fmt.State, _ rune) { fmt.Fprint(f, t.String()) }

// String names the session, without the tokens.
func (t Tokens) String() string { return fmt.Sprintf("session.Tokens{SessionID:%s}", t.SessionID) }

// LogValue names the session, without the tokens.
func (t Tokens) LogValue() slog.Value { return slog.StringValue(t.String()) }
