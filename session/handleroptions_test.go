package session_test

import (
	"context"
	"testing"

	"github.com/go-usher/usher/session"
)

func TestHandlerConstructorsReportAllMistakes(t *testing.T) {
	opts := &session.HandlerOptions{
		UsernameField: "password", AccessCookie: "access", RefreshCookie: "__Host- bad", TrustedOrigins: []string{"https://a/b", "https://*.x", "HTTPS://x", "https://bücher.example", "https://x:99999"},
	}
	_, err := session.LoginHandler(nil, nil, opts)
	for _, field := range []string{"Starter", "Authenticator", "PasswordField", "AccessCookie", "RefreshCookie", "https://a/b", "https://*.x", "HTTPS://x", "https://bücher.example", "https://x:99999"} {
		wantConfigError(t, err, field)
	}
	_, err = session.RefreshHandler[claims](nil, &session.HandlerOptions{AccessCookie: "__Host-x", RefreshCookie: "__Host-x"})
	wantConfigError(t, err, "Manager")
	wantConfigError(t, err, "RefreshCookie")
	_, err = session.LogoutHandler[claims](nil, nil)
	wantConfigError(t, err, "Manager")
	_, err = session.SessionsHandler[claims](nil, nil)
	wantConfigError(t, err, "Manager")
	_, err = session.LoginHandler((*session.Manager[claims])(nil), func(context.Context, string, string) (string, error) { return "", nil }, nil)
	wantConfigError(t, err, "Starter")
}
