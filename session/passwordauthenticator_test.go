package session_test

import (
	"cmp"
	"context"
	"errors"
	"slices"
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
		"a\x00b":   {"", "", failure},
		"a\xff":    {"", "", failure},
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
		{"a\x00b", "correct horse", "", usher.ErrPasswordMismatch, 0},
		{"a\xff", "correct horse", "", usher.ErrPasswordMismatch, 0},
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

func TestPasswordAuthenticatorTriesTheLowerCaseLast(t *testing.T) {
	passwords := usher.Must(usher.NewPasswords(&usher.PasswordOptions{Cost: 4}))
	hash := usher.Must(passwords.Hash(t.Context(), "correct horse"))
	accounts := map[string]string{"Matt": "user-1", "matt": "user-2", "ada": "user-3"}
	var asked []string
	authenticate := usher.Must(session.PasswordAuthenticator(passwords,
		func(_ context.Context, username string) (string, string, error) {
			asked = append(asked, username)
			if id, ok := accounts[username]; ok {
				return id, hash, nil
			}
			if username == "DOWN" {
				return "", "", usher.ErrUnavailable
			}
			return "", "", usher.ErrNoUser
		},
		func(context.Context, string, string, string) error { return nil }))
	for _, test := range []struct {
		username, want string
		asked          []string
		err            error
	}{
		{"Matt", "user-1", []string{"Matt"}, nil},
		{"matt", "user-2", []string{"matt"}, nil},
		{"MATT", "user-2", []string{"MATT", "matt"}, nil},
		{"Ada", "user-3", []string{"Ada", "ada"}, nil},
		{"Eve", "", []string{"Eve", "eve"}, usher.ErrPasswordMismatch},
		{"eve", "", []string{"eve"}, usher.ErrPasswordMismatch},
		{"DOWN", "", []string{"DOWN"}, usher.ErrUnavailable},
	} {
		asked = nil
		got, err := authenticate(t.Context(), test.username, "correct horse")
		if got != test.want || !errors.Is(err, test.err) || !slices.Equal(asked, test.asked) {
			t.Errorf("%s: %q, %v, asked %q; want %q, %v, %q", test.username, got, err, asked, test.want, test.err, test.asked)
		}
	}
}

// The lookup sees the name as typed; attempts at all its spellings count together.
func TestNoSpellingOfANameEscapesTheThrottle(t *testing.T) {
	s := newSite(t, session.NewMemoryStore())
	var asked []string
	s.auth = func(_ context.Context, username, _ string) (string, error) {
		asked = append(asked, username)
		return "", usher.ErrPasswordMismatch
	}
	for _, name := range []string{"Kurtſ", "KURTS", "kurts", " kurtS ", "Kurts"} { // long s, Kelvin sign
		s.send(t, "POST", "/login", wrong(name)).want(t, 401, "")
	}
	s.send(t, "POST", "/login", wrong("kURTs")).want(t, 429, "")
	if want := []string{"Kurtſ", "KURTS", "kurts", "kurtS", "Kurts"}; !slices.Equal(asked, want) {
		t.Errorf("looked up %q; want %q", asked, want)
	}
}
