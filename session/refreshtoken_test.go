package session_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

func TestRefreshRefusesForgedTokensWithoutAskingTheStore(t *testing.T) {
	store := &counting{Store: session.NewMemoryStore()}
	w := newWorld(t, store)
	token := w.mustStart(t).RefreshToken
	longSubject := flipped(strings.Repeat("A", 2000), 0)
	bad := map[string]string{
		"nothing":           "",
		"a word":            "token",
		"padding":           token + "=",
		"a line break":      token + "\n",
		"a break inside":    token[:10] + "\r\n" + token[10:],
		"other alphabet":    strings.Repeat("+", len(token)),
		"cut":               token[:len(token)-4],
		"the tag alone":     token[:43],
		"more":              token + "AAAA",
		"twice":             token + token,
		"too long":          longSubject,
		"an access token":   w.mustStart(t).AccessToken,
		"first bit of tag":  flipped(token, 0),
		"version":           flipped(token, 32),
		"session":           flipped(token, 33),
		"auth_time":         flipped(token, 56),
		"generation":        flipped(token, 64),
		"secret part":       flipped(token, 70),
		"subject":           flipped(token, 97),
		"spare bits":        withSpareBits(token),
		"another's secrets": newWorldToken(t),
	}
	store.calls = 0
	for name, text := range bad {
		_, err := w.Refresh(t.Context(), text)
		if !errors.Is(err, session.ErrRefreshToken) {
			t.Errorf("%s: %v; want ErrRefreshToken", name, err)
		}
		if err := w.End(t.Context(), text); err != nil {
			t.Errorf("End of %s: %v; want nil", name, err)
		}
	}
	if store.calls != 0 {
		t.Errorf("the store was asked %d times", store.calls)
	}
	w.mustRefresh(t, token)
}

func newWorldToken(t *testing.T) string {
	w := newWorld(t, session.NewMemoryStore(), func(c *session.Config[claims]) { c.Secret = other })
	return w.mustStart(t).RefreshToken
}

// withSpareBits returns another text of the same bytes, if the length leaves spare bits.
func withSpareBits(token string) string {
	last := token[len(token)-1]
	return token[:len(token)-1] + string(last+1)
}

// flipped returns the token with one bit of its i-th byte changed.
func flipped(token string, i int) string {
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return err.Error()
	}
	b[i] ^= 1
	return base64.RawURLEncoding.EncodeToString(b)
}

func TestSecretsCanBeReplacedWithoutLoggingAnyoneOut(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore())
	accepts := w.with(func(c *session.Config[claims]) { c.OldSecrets = [][]byte{other} })
	replaced := w.with(func(c *session.Config[claims]) { c.Secret, c.OldSecrets = other, [][]byte{secret} })
	forgotten := w.with(func(c *session.Config[claims]) { c.Secret = other })

	first := w.mustStart(t)
	second, err := replaced.Refresh(t.Context(), first.RefreshToken)
	if err != nil {
		t.Fatal(err)
	}
	retry, err := accepts.Refresh(t.Context(), first.RefreshToken)
	if err != nil || retry.RefreshToken != second.RefreshToken {
		t.Fatalf("a retry at a process that has not swapped yet: %v; want the same successor", err)
	}
	// A process without the new secret cannot derive the successor. It must not treat the retry as reuse
	// either.
	w.events.take()
	_, err = w.Refresh(t.Context(), first.RefreshToken)
	wantErr(t, "a retry at a process without the new secret", err, usher.ErrUnavailable)
	w.wantEvents(t, session.EventRefused)

	third, err := forgotten.Refresh(t.Context(), second.RefreshToken)
	if err != nil {
		t.Fatal(err)
	}
	_, err = forgotten.Refresh(t.Context(), first.RefreshToken)
	wantErr(t, "a token of the forgotten secret", err, session.ErrRefreshToken)
	_, err = w.Refresh(t.Context(), third.RefreshToken)
	wantErr(t, "a token of the unknown secret", err, session.ErrRefreshToken)
}
