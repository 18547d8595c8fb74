package onetime_test

import (
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/onetime"
)

const purpose = "password reset"

// secret returns the n-th of several good secrets.
func secret(n byte) []byte {
	sum := sha256.Sum256([]byte{n})
	return sum[:]
}

// clock is a settable time.
type clock struct{ at time.Time }

func newClock() *clock { return &clock{time.Unix(1_700_000_000, 0)} }

func (c *clock) now() time.Time { return c.at }

func newTokens(t testing.TB, secret []byte, purpose string, opts *onetime.Options) *onetime.Tokens {
	t.Helper()
	tokens, err := onetime.New(secret, purpose, opts)
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

func issue(t testing.TB, tokens *onetime.Tokens, subject, state string) string {
	t.Helper()
	token, err := tokens.Issue(subject, state)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// is returns a state function that always answers state.
func is(state string) func(context.Context, string) (string, error) {
	return func(context.Context, string) (string, error) { return state, nil }
}

// never returns a state function that fails the test when it is called.
func never(t testing.TB) func(context.Context, string) (string, error) {
	return func(_ context.Context, subject string) (string, error) {
		t.Errorf("the state of %q was asked for", subject)
		return "", nil
	}
}

// wantRefused fails unless Check refuses the token with want, alone.
func wantRefused(t testing.TB, tokens *onetime.Tokens, token string, state func(context.Context, string) (string, error), want error) {
	t.Helper()
	subject, current, err := tokens.Check(t.Context(), token, state)
	if !errors.Is(err, want) || subject != "" || current != "" {
		t.Errorf("Check = %q, %q, %v; want %v alone", subject, current, err, want)
	}
}

func TestTokenWorksWhileTheStateStands(t *testing.T) {
	tokens := newTokens(t, secret(1), purpose, nil)
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, "the caller's")
	for _, tt := range []struct{ subject, state string }{
		{"42", "hash"},
		{"42", ""},
		{"x", strings.Repeat("long state ", 10_000)},
		{strings.Repeat("s", 255), "hash"},
		{"Füße \x00\xff\n", "\x00\xff"},
	} {
		token := issue(t, tokens, tt.subject, tt.state)
		subject, current, err := tokens.Check(ctx, token, func(ctx context.Context, subject string) (string, error) {
			if subject != tt.subject || ctx.Value(key{}) != "the caller's" {
				t.Errorf("state was asked for %q, with another context: %t", subject, ctx.Value(key{}) == nil)
			}
			return tt.state, nil
		})
		if subject != tt.subject || current != tt.state || err != nil {
			t.Errorf("Check = %q, %.20q, %v; want %q, %.20q", subject, current, err, tt.subject, tt.state)
		}
	}
}

func TestATokenIsInvalidAfterTheStateHasChanged(t *testing.T) {
	tokens := newTokens(t, secret(1), purpose, nil)
	token := issue(t, tokens, "42", "hash\nalice@example.com")
	for _, changed := range []string{
		"new hash\nalice@example.com", "hash\neve@example.com", "hash\nalice@example.com ", "hash\nalice@example.co", "",
	} {
		wantRefused(t, tokens, token, is(changed), onetime.ErrToken)
	}
}

func TestTokenIsSpentByACompareAndSet(t *testing.T) {
	tokens := newTokens(t, secret(1), purpose, nil)
	hash := "old hash"
	token := issue(t, tokens, "42", hash)
	reset := func(next string) error {
		_, old, err := tokens.Check(t.Context(), token, func(context.Context, string) (string, error) { return hash, nil })
		if err == nil && hash == old {
			hash = next
		}
		return err
	}
	if err := reset("new hash"); err != nil {
		t.Fatal(err)
	}
	if err := reset("newer hash"); !errors.Is(err, onetime.ErrToken) || hash != "new hash" {
		t.Errorf("a second use: %v, and the hash is %q", err, hash)
	}
}

func TestTokenExpires(t *testing.T) {
	for _, tt := range []struct{ ttl, want time.Duration }{
		{0, time.Hour}, {time.Second, time.Second}, {366 * 24 * time.Hour, 366 * 24 * time.Hour},
	} {
		clock := newClock()
		clock.at = clock.at.Add(time.Millisecond) // no token lives shorter than its TTL
		tokens := newTokens(t, secret(1), purpose, &onetime.Options{TTL: tt.ttl, Now: clock.now})
		token := issue(t, tokens, "42", "hash")

		clock.at = clock.at.Add(tt.want - time.Millisecond)
		if _, _, err := tokens.Check(t.Context(), token, is("hash")); err != nil {
			t.Errorf("TTL %v, a millisecond before its end: %v", tt.ttl, err)
		}
		clock.at = clock.at.Add(time.Second)
		wantRefused(t, tokens, token, never(t), onetime.ErrExpired)
		wantRefused(t, tokens, token, never(t), onetime.ErrToken)
	}
}

func TestOtherRefusalsAreNotErrExpired(t *testing.T) {
	tokens := newTokens(t, secret(1), purpose, nil)
	for _, token := range []string{"", "x", issue(t, tokens, "42", "another hash")} {
		if _, _, err := tokens.Check(t.Context(), token, is("hash")); errors.Is(err, onetime.ErrExpired) {
			t.Errorf("Check of %q: %v", token, err)
		}
	}
}

func TestOnePurposeNeverPassesForAnother(t *testing.T) {
	purposes := []string{"password reset", "address verification", "password rese", "password resett", "p", "Password reset"}
	for _, issued := range purposes {
		token := issue(t, newTokens(t, secret(1), issued, nil), "42", "hash")
		for _, checked := range purposes {
			tokens := newTokens(t, secret(1), checked, nil)
			if issued != checked {
				wantRefused(t, tokens, token, never(t), onetime.ErrToken)
			} else if _, _, err := tokens.Check(t.Context(), token, is("hash")); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestSubjectAndStateCantTradeBytes(t *testing.T) {
	tokens := newTokens(t, secret(1), purpose, nil)
	token := issue(t, tokens, "4", "2hash")
	for _, state := range []string{"hash", "42hash", "2hash\x00"} {
		wantRefused(t, tokens, token, is(state), onetime.ErrToken)
	}
}

func TestOldSecretsStillVerify(t *testing.T) {
	before := newTokens(t, secret(1), purpose, nil)
	during := newTokens(t, secret(2), purpose, &onetime.Options{OldSecrets: [][]byte{secret(3), secret(1)}})
	after := newTokens(t, secret(2), purpose, nil)
	old, current := issue(t, before, "42", "hash"), issue(t, during, "42", "hash")

	for name, tt := range map[string]struct {
		tokens *onetime.Tokens
		token  string
	}{"an old token": {during, old}, "a new token": {during, current}, "a new token, later": {after, current}} {
		if subject, _, err := tt.tokens.Check(t.Context(), tt.token, is("hash")); subject != "42" || err != nil {
			t.Errorf("%s: %q, %v", name, subject, err)
		}
	}
	wantRefused(t, after, old, never(t), onetime.ErrToken)
	wantRefused(t, before, current, never(t), onetime.ErrToken)
	wantRefused(t, during, old, is("changed"), onetime.ErrToken)
}

func TestSecretsAreCopied(t *testing.T) {
	mine := secret(1)
	tokens := newTokens(t, mine, purpose, nil)
	token := issue(t, tokens, "42", "hash")
	clear(mine)
	if _, _, err := tokens.Check(t.Context(), token, is("hash")); err != nil {
		t.Error(err)
	}
}

func TestForgedTokensNeverReachTheStateFunction(t *testing.T) {
	tokens := newTokens(t, secret(1), purpose, nil)
	token := issue(t, tokens, "42", "hash")
	const digits = "abcdefghijklmnopqrstuvwxyz234567"
	const stateTagStarts, stateTagEnds = (1 + 8 + 16) * 8 / 5, (1+8+32)*8/5 + 1
	for i := range token {
		for _, digit := range []byte(digits) {
			forged := token[:i] + string(digit) + token[i+1:]
			if forged == token {
				continue
			}
			// The tag over the state can only be judged with the state.
			state := never(t)
			if i >= stateTagStarts && i < stateTagEnds {
				state = is("hash")
			}
			wantRefused(t, tokens, forged, state, onetime.ErrToken)
		}
	}
	for i := range len(token) {
		wantRefused(t, tokens, token[:i], never(t), onetime.ErrToken)
		wantRefused(t, tokens, token[:i]+"\n"+token[i:], never(t), onetime.ErrToken)
	}
	for _, forged := range []string{
		token + "a", token + "aaaaaaaa", token + "=", token + "\n", token + "\r\n", " " + token, strings.ToUpper(token),
		token + token, strings.Repeat("a", 1<<20), "\x00", "é",
		issue(t, newTokens(t, secret(2), purpose, nil), "42", "hash"),
	} {
		wantRefused(t, tokens, forged, never(t), onetime.ErrToken)
	}
}

// A token of a later version, with tags that are right for everything else, is refused as well.
func TestVersionIsChecked(t *testing.T) {
	tokens := newTokens(t, secret(1), purpose, nil)
	keys, err := hkdf.Key(sha256.New, secret(1), nil, "github.com/go-usher/usher/onetime v1 "+purpose, 64)
	if err != nil {
		t.Fatal(err)
	}
	tag := func(key []byte, parts ...[]byte) []byte {
		mac := hmac.New(sha256.New, key)
		mac.Write(slices.Concat(parts...))
		return mac.Sum(nil)[:16]
	}
	for version, want := range map[byte]error{1: nil, 2: onetime.ErrToken, 0: onetime.ErrToken} {
		head := binary.BigEndian.AppendUint64([]byte{version}, uint64(time.Now().Add(time.Hour).Unix()))
		covered := slices.Concat(head, []byte("42"))
		length := binary.BigEndian.AppendUint32(nil, uint32(len(covered)))
		raw := slices.Concat(head, tag(keys[:32], covered), tag(keys[32:], length, covered, []byte("hash")), []byte("42"))
		token := strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw))
		if _, _, err := tokens.Check(t.Context(), token, is("hash")); !errors.Is(err, want) {
			t.Errorf("version %d: %v, want %v", version, err, want)
		}
	}
}

func TestTokensAreSafeInURLsAndMails(t *testing.T) {
	plain := regexp.MustCompile(`^[a-z2-7]+$`)
	tokens := newTokens(t, secret(1), purpose, nil)
	for n := range 300 {
		subject := strings.Repeat("\xff", n%255+1)
		if token := issue(t, tokens, subject, fmt.Sprint(n)); !plain.MatchString(token) || len(token) > 474 {
			t.Errorf("%d characters: %s", len(token), token)
		}
	}
	if token := issue(t, tokens, "018f4d2c-9a3e-7cc1-b0f1-6f1a2b3c4d5e", "hash"); len(token) != 124 {
		t.Errorf("%d characters for a UUID", len(token))
	}
}

func TestTokenDoesNotContainTheState(t *testing.T) {
	const state = "a state that nobody may read"
	tokens := newTokens(t, secret(1), purpose, nil)
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ToUpper(issue(t, tokens, "42", state)))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(string(raw), "42") || strings.Contains(string(raw), state[:4]) {
		t.Errorf("%q", raw)
	}
}

func TestErrorsOfTheStateFunction(t *testing.T) {
	tokens := newTokens(t, secret(1), purpose, nil)
	token := issue(t, tokens, "42", "hash")
	down := errors.New("database down")
	fails := func(err error) func(context.Context, string) (string, error) {
		return func(context.Context, string) (string, error) { return "hash", err }
	}
	wantRefused(t, tokens, token, fails(usher.ErrNoUser), onetime.ErrToken)
	wantRefused(t, tokens, token, fails(usher.ErrNoUser), usher.ErrNoUser)
	wantRefused(t, tokens, token, fails(down), down)
	if _, _, err := tokens.Check(t.Context(), token, fails(down)); errors.Is(err, onetime.ErrToken) {
		t.Errorf("an outage judges nothing: %v", err)
	}
}

func TestAnEndedContextIsUnavailable(t *testing.T) {
	tokens := newTokens(t, secret(1), purpose, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := tokens.Check(ctx, issue(t, tokens, "42", "hash"), never(t))
	if !errors.Is(err, usher.ErrUnavailable) || !errors.Is(err, context.Canceled) || errors.Is(err, onetime.ErrToken) {
		t.Errorf("%v, want ErrUnavailable and context.Canceled", err)
	}
}

func TestTokensNotMadeByNewAreUnavailable(t *testing.T) {
	good := issue(t, newTokens(t, secret(1), purpose, nil), "42", "hash")
	for _, tokens := range []*onetime.Tokens{nil, {}} {
		if token, err := tokens.Issue("42", "hash"); token != "" || !errors.Is(err, usher.ErrUnavailable) {
			t.Errorf("Issue = %q, %v", token, err)
		}
		wantRefused(t, tokens, good, never(t), usher.ErrUnavailable)
	}
	wantRefused(t, newTokens(t, secret(1), purpose, nil), good, nil, usher.ErrUnavailable)
}

func TestIssueRefusesWhatCheckCouldNotRead(t *testing.T) {
	clock := newClock()
	tokens := newTokens(t, secret(1), purpose, &onetime.Options{Now: clock.now})
	for _, subject := range []string{"", strings.Repeat("s", 256)} {
		if token, err := tokens.Issue(subject, "hash"); token != "" || err == nil {
			t.Errorf("Issue for %d bytes = %q, %v", len(subject), token, err)
		}
	}
	for _, at := range []time.Time{{}, time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)} {
		clock.at = at
		if token, err := tokens.Issue("42", "hash"); token != "" || err == nil {
			t.Errorf("Issue at %v = %q, %v", at, token, err)
		}
	}
}

func TestNewReportsEveryMistake(t *testing.T) {
	for _, tt := range []struct {
		name    string
		secret  []byte
		purpose string
		opts    *onetime.Options
		fields  []string
	}{
		{"good", secret(1), purpose, &onetime.Options{}, nil},
		{"longest purpose", secret(1), strings.Repeat("p", 64), nil, nil},
		{"no secret", nil, purpose, nil, []string{"secret"}},
		{"short secret", secret(1)[:31], purpose, nil, []string{"secret"}},
		{"PEM", []byte("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ\n-----END PRIVATE KEY-----"), purpose, nil, []string{"secret"}},
		{"no purpose", secret(1), "", nil, []string{"purpose"}},
		{"blank at the end", secret(1), "reset ", nil, []string{"purpose"}},
		{"line break", secret(1), "re\nset", nil, []string{"purpose"}},
		{"not ASCII", secret(1), "zurücksetzen", nil, []string{"purpose"}},
		{"long purpose", secret(1), strings.Repeat("p", 65), nil, []string{"purpose"}},
		{"a TTL without a unit", secret(1), purpose, &onetime.Options{TTL: 3600}, []string{"Options.TTL"}},
		{"negative TTL", secret(1), purpose, &onetime.Options{TTL: -time.Hour}, []string{"Options.TTL"}},
		{"endless TTL", secret(1), purpose, &onetime.Options{TTL: 1 << 62}, []string{"Options.TTL"}},
		{
			"everything", nil, "", &onetime.Options{TTL: 1, OldSecrets: [][]byte{secret(1), nil, {1}}},
			[]string{"secret", "purpose", "Options.TTL", "Options.OldSecrets[1]", "Options.OldSecrets[2]"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tokens, err := onetime.New(tt.secret, tt.purpose, tt.opts)
			if (tokens == nil) != (tt.fields != nil) {
				t.Fatalf("New = %v, %v", tokens, err)
			}
			var fields []string
			if joined, ok := err.(interface{ Unwrap() []error }); ok {
				for _, one := range joined.Unwrap() {
					var config *usher.ConfigError
					if !errors.As(one, &config) || config.Reason == "" {
						t.Fatalf("%v is no ConfigError with a reason", one)
					}
					fields = append(fields, config.Field)
				}
			}
			if !slices.Equal(fields, tt.fields) {
				t.Errorf("ConfigErrors of %q, want %q: %v", fields, tt.fields, err)
			}
		})
	}
}

func TestPrintingShowsNoSecret(t *testing.T) {
	tokens := newTokens(t, secret(1), purpose, &onetime.Options{OldSecrets: [][]byte{secret(2)}})
	keys, err := hkdf.Key(sha256.New, secret(1), nil, "github.com/go-usher/usher/onetime v1 "+purpose, 64)
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		for _, value := range []any{tokens, *tokens} {
			text := fmt.Sprintf(format, value)
			for _, hidden := range [][]byte{secret(1), secret(2), keys[:32], keys[32:]} {
				for _, shown := range []string{string(hidden), fmt.Sprintf("%x", hidden), strings.Trim(fmt.Sprint(hidden), "[]")} {
					if strings.Contains(text, shown[:8]) {
						t.Errorf("%s prints %s", format, text)
					}
				}
			}
		}
	}
}

func TestErrorsHaveReasons(t *testing.T) {
	for err, want := range map[error]string{onetime.ErrToken: "onetime_token", onetime.ErrExpired: "onetime_expired"} {
		var reason interface{ Reason() string }
		if !errors.As(fmt.Errorf("wrapped: %w", err), &reason) || reason.Reason() != want {
			t.Errorf("%v has not the reason %s", err, want)
		}
	}
}

func FuzzCheck(f *testing.F) {
	tokens := newTokens(f, secret(1), purpose, nil)
	token, other := issue(f, tokens, "42", "hash"), issue(f, tokens, "43", "hash")
	for _, seed := range []string{token, other, "", token + "a", token[:len(token)-1], strings.ToUpper(token), "aaaaaaaa"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		subject, _, err := tokens.Check(t.Context(), text, func(_ context.Context, subject string) (string, error) {
			if subject != "42" && subject != "43" {
				t.Errorf("the state of %q was asked for by %q", subject, text)
			}
			return "hash", nil
		})
		if err == nil && text != token && text != other {
			t.Errorf("%q passes for %q", text, subject)
		}
		if err != nil && !errors.Is(err, onetime.ErrToken) {
			t.Error(err)
		}
	})
}

func TestOptionsPrintWithoutTheirSecrets(t *testing.T) {
	opts := onetime.Options{OldSecrets: [][]byte{[]byte("an old secret of thirty-two bytes")}}
	var logged strings.Builder
	slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "opts", opts, "pointer", &opts)
	for _, text := range []string{fmt.Sprintf("%v %+v %#v %s %q %x", opts, opts, opts, opts, opts, opts), fmt.Sprintf("%+v", &opts), logged.String()} {
		if strings.Contains(text, "old secret") || strings.Contains(text, "6f6c64") || strings.Contains(text, "111 108 100") {
			t.Error(text)
		}
	}
}
