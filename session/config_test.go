package session_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

func TestNewManagerReportsAllMistakes(t *testing.T) {
	_, err := session.NewManager(session.Config[claims]{
		Secret: []byte("short"), OldSecrets: [][]byte{secret, []byte("x")},
		IdleTTL: -1, MaxAge: -1, Grace: time.Hour, MaxPerSubject: -1, Staleness: -1,
	})
	if !errors.As(err, new(*usher.ConfigError)) {
		t.Fatalf("%v is no ConfigError", err)
	}
	for _, field := range []string{
		"Encoder", "Store", "Claims", "Secret", "OldSecrets[1]", "IdleTTL", "MaxAge", "Grace", "MaxPerSubject", "Staleness",
		"openssl rand -base64 32",
	} {
		if !strings.Contains(err.Error(), field) {
			t.Errorf("no word about %s in: %v", field, err)
		}
	}
	if strings.Contains(err.Error(), "OldSecrets[0]") {
		t.Errorf("a good secret is blamed: %v", err)
	}
}

func TestNewManagerRefusesSecretsOfFewDifferentBytes(t *testing.T) {
	for _, weak := range []string{strings.Repeat(" ", 32), strings.Repeat("\x00", 40), strings.Repeat("ab", 16), strings.Repeat("abcde", 10)} {
		config := newWorld(t, session.NewMemoryStore()).config
		config.Secret, config.OldSecrets = []byte(weak), [][]byte{secret, []byte(weak)}
		_, err := session.NewManager(config)
		for _, want := range []string{"Config.Secret has fewer than six different bytes", "Config.OldSecrets[1] has fewer"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v, want %s", weak, err, want)
			}
		}
	}
}

func TestSecretsAndTokensNeverPrint(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore())
	tokens := w.mustStart(t)
	var log strings.Builder
	logger := slog.New(slog.NewTextHandler(&log, nil))
	logger.Info("x", "tokens", tokens, "config", w.config)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&log, verb+verb+verb, tokens, &tokens, w.config)
	}
	for _, leak := range []string{tokens.AccessToken, tokens.RefreshToken, string(secret), fmt.Sprintf("%x", secret), fmt.Sprint(secret)} {
		if strings.Contains(log.String(), strings.Trim(leak, "[]")) {
			t.Errorf("printed: %s", leak)
		}
	}
	if !strings.Contains(log.String(), tokens.SessionID) {
		t.Error("the session isn't named")
	}
}

func TestDurationsWithoutAUnitAreRefused(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore())
	for field, change := range map[string]func(*session.Config[claims]){
		"IdleTTL":   func(c *session.Config[claims]) { c.IdleTTL = 3600 },
		"MaxAge":    func(c *session.Config[claims]) { c.MaxAge = 86400 },
		"Grace":     func(c *session.Config[claims]) { c.Grace = 10 },
		"Staleness": func(c *session.Config[claims]) { c.Staleness = 5 },
	} {
		config := w.config
		change(&config)
		_, err := session.NewManager(config)
		wantConfigError(t, err, "Config."+field+" is ")
		wantConfigError(t, err, "durations have a unit")
	}
	for _, change := range []func(*session.Config[claims]){
		func(c *session.Config[claims]) { c.IdleTTL = time.Second },
		func(c *session.Config[claims]) { c.Grace, c.Staleness = time.Millisecond, time.Millisecond },
		func(c *session.Config[claims]) { c.Grace = -1 },
	} {
		config := w.config
		change(&config)
		if _, err := session.NewManager(config); err != nil {
			t.Error(err)
		}
	}
	wantConfigError(t, w.PruneEvery(t.Context(), 60, nil), "PruneEvery interval is 60ns, but must be a second or more; durations have a unit")
}

func TestSecretsThatAreNotRandomAreRefused(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore())
	for _, weak := range []string{strings.Repeat(" ", 32), strings.Repeat("ab", 16), strings.Repeat("12345", 8)} {
		config := w.config
		config.Secret, config.OldSecrets = []byte(weak), [][]byte{[]byte(weak)}
		_, err := session.NewManager(config)
		wantConfigError(t, err, "Config.Secret")
		wantConfigError(t, err, "Config.OldSecrets[0]")
		if strings.Contains(err.Error(), weak) {
			t.Errorf("the secret is printed: %v", err)
		}
	}
}
