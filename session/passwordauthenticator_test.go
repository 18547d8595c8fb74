package session_test

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

func TestPasswordAuthenticator(t *testing.T) {
	cheap := usher.Must(usher.NewPasswords(&usher.PasswordOptions{Cost: 4}))
	current := usher.Must(usher.NewPasswords(&usher.PasswordOptions{Cost: 5}))
	hash := func(p *usher.Passwords) string { return usher.Must(p.Hash(t.Context(), "correct horse")) }
	old, good := hash(cheap), hash(current)
	failure := errors.New("database on fire")

	type account struct {
		subject, hash string
		err           error
	}
	accounts := map[string]account{
		"current":  {"user-1", good, nil},
		"old":      {"user-2", old, nil},
		"stubborn": {"user-3", old, nil},
		"empty":    {"user-4", "", nil},
		"damaged":  {"user-5", "$2a$05$damaged", nil},
		"failing":  {"", "", failure},
		"missed":   {"", "", errors.Join(usher.ErrNoUser, usher.ErrUnavailable)},
	}
	var upgraded []string
	authenticate := usher.Must(session.PasswordAuthenticator(current,
		func(_ context.Context, username string) (string, string, error) {
			a, ok := accounts[username]
			if !ok {
				return "", "", usher.ErrNoUser
			}
			return a.subject, a.hash, a.err
		},
		func(ctx context.Context, subject, before, after string) error {
			if subject == "user-3" {
				return failure
			}
			if _, err := current.Check(ctx, after, "correct horse"); err != nil || before != old {
				t.Errorf("upgrade from %s to %s: %v", before, after, err)
			}
			upgraded = append(upgraded, subject)
			return nil
		}))

	for _, test := range []struct {
		username, password, want string
		err                      error
		upgrades                 int
	}{
		{"current", "correct horse", "user-1", nil, 0},
		{"current", "wrong", "", usher.ErrPasswordMismatch, 0},
		{"old", "correct horse", "user-2", nil, 1},
		{"old", "wrong", "", usher.ErrPasswordMismatch, 0},
		{"stubborn", "correct horse", "user-3", nil, 0},
		{"empty", "correct horse", "", usher.ErrPasswordMismatch, 0},
		{"empty", "", "", usher.ErrPasswordMismatch, 0},
		{"damaged", "correct horse", "", usher.ErrPasswordMismatch, 0},
		{"nobody", "correct horse", "", usher.ErrPasswordMismatch, 0},
		{"failing", "correct horse", "", failure, 0},
		{"missed", "correct horse", "", usher.ErrUnavailable, 0},
	} {
		upgraded = nil
		got, err := authenticate(t.Context(), test.username, test.password)
		if got != test.want || !errors.Is(err, test.err) || len(upgraded) != test.upgrades {
			t.Errorf("%s, %q: %q, %v, upgraded %v; want %q, %v, %d", test.username, test.password, got, err, upgraded, test.want, test.err, test.upgrades)
		}
		if whose := accounts[test.username].subject; errors.Is(test.err, usher.ErrPasswordMismatch) && !strings.Contains(err.Error(), cmp.Or(whose, "no such user")) {
			t.Errorf("%s: the operator reads %q", test.username, err)
		}
	}

	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, username := range []string{"current", "nobody"} {
		_, err := authenticate(cancelled, username, "correct horse")
		wantErr(t, username+" without time", err, usher.ErrUnavailable)
		if errors.Is(err, usher.ErrPasswordMismatch) {
			t.Errorf("%s: a password that nobody checked is called wrong", username)
		}
	}

	_, err := session.PasswordAuthenticator(nil, nil, nil)
	for _, field := range []string{"passwords", "find", "upgrade"} {
		wantConfigError(t, err, field)
	}
}
