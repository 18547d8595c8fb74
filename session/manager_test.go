package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

func TestStartReturnsTokensThatNameTheSession(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore())
	began := epoch.Add(-3 * time.Second)
	tokens, err := w.Start(t.Context(), subject, session.About{UserAgent: "UA", Address: "192.0.2.1", Label: "phone", AuthTime: began})
	if err != nil {
		t.Fatal(err)
	}
	c := w.mustDecode(t, tokens)
	if c.Subject != subject || c.SessionID != tokens.SessionID || c.AuthTime.Unix() != began.Unix() || c.Role != "reader" {
		t.Errorf("claims %+v; want sub, sid and auth_time of the session, and the application's own", c)
	}
	if tokens.TokenType != "Bearer" || tokens.ExpiresIn != 15*60 || tokens.RefreshTTL != idleTTL {
		t.Errorf("type %s, expires in %d, refresh TTL %s", tokens.TokenType, tokens.ExpiresIn, tokens.RefreshTTL)
	}
	now := epoch.Truncate(time.Microsecond)
	want := session.Session{
		ID: tokens.SessionID, Subject: subject, UserAgent: "UA", Address: "192.0.2.1", Label: "phone",
		AuthTime: began.Truncate(time.Microsecond), StartedAt: now, LastUsedAt: now, ExpiresAt: now.Add(idleTTL),
	}
	if got := w.wantSessions(t, 1)[0]; got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	w.wantEvents(t, session.EventStarted)
}

func TestTheManagersClaimsAreItsOwn(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore())
	w.user = func(context.Context, string) (claims, error) {
		return claims{Claims: usher.Claims{Subject: "root", SessionID: "x", AuthTime: usher.NewNumericDate(epoch.Add(time.Hour)), Scope: "read"}}, nil
	}
	tokens := w.mustStart(t)
	for range 2 {
		c := w.mustDecode(t, tokens)
		if c.Subject != subject || c.SessionID != tokens.SessionID || c.AuthTime.Unix() != epoch.Unix() || c.Scope != "read" {
			t.Errorf("claims %+v", c)
		}
		tokens = w.mustRefresh(t, tokens.RefreshToken)
	}
}

func TestExpiresInFollowsTheApplicationsExp(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore())
	w.user = func(context.Context, string) (claims, error) {
		return claims{Claims: usher.Claims{ExpiresAt: usher.NewNumericDate(epoch.Add(90 * time.Second))}}, nil
	}
	if got := w.mustStart(t).ExpiresIn; got != 90 {
		t.Errorf("expires_in %d; want 90", got)
	}
}

func TestRefreshBuildsClaimsAfreshAndKeepsAuthTime(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore())
	first := w.mustStart(t)
	w.clock.Advance(time.Hour)
	w.user = func(context.Context, string) (claims, error) { return claims{Role: "admin"}, nil }
	second := w.mustRefresh(t, first.RefreshToken)
	c := w.mustDecode(t, second)
	if c.Role != "admin" || c.AuthTime.Unix() != epoch.Unix() || c.SessionID != first.SessionID || c.IssuedAt.Unix() != epoch.Add(time.Hour).Unix() {
		t.Errorf("claims %+v", c)
	}
	w.wantEvents(t, session.EventStarted, session.EventRefreshed)
}

func TestASpentTokenYieldsTheSameSuccessorWithinTheGrace(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore())
	first := w.mustStart(t)
	second := w.mustRefresh(t, first.RefreshToken)
	w.clock.Advance(grace - time.Microsecond)
	again := w.mustRefresh(t, first.RefreshToken)
	if again.RefreshToken != second.RefreshToken || again.AccessToken == "" {
		t.Fatal("the retry has another successor")
	}
	w.wantEvents(t, session.EventStarted, session.EventRefreshed, session.EventRetried)

	w.clock.Advance(time.Microsecond)
	tokens, err := w.Refresh(t.Context(), first.RefreshToken)
	wantErr(t, "Refresh after the grace", err, session.ErrReused)
	if tokens != (session.Tokens{}) {
		t.Errorf("an error came with %#v", tokens)
	}
	_, err = w.Refresh(t.Context(), second.RefreshToken)
	wantErr(t, "Refresh of the successor", err, session.ErrSessionEnded)
	w.wantEvents(t, session.EventReused, session.EventRefused)
	w.wantSessions(t, 0)
}

// Claims that take longer than the grace make no thief of whoever lost the answer, or of the slower of two tabs.
func TestTheGraceBeginsWithTheRotation(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore())
	first := w.mustStart(t)
	slow := func(context.Context, string) (claims, error) { w.clock.Advance(2 * grace); return claims{}, nil }
	w.user = slow
	second := w.mustRefresh(t, first.RefreshToken)
	w.clock.Advance(grace - time.Microsecond)
	if again := w.mustRefresh(t, first.RefreshToken); again.RefreshToken != second.RefreshToken {
		t.Error("a retry after slow claims has another successor")
	}

	var third session.Tokens
	w.user = func(ctx context.Context, subject string) (claims, error) {
		w.user = func(context.Context, string) (claims, error) { return claims{}, nil }
		third = w.mustRefresh(t, second.RefreshToken)
		return slow(ctx, subject)
	}
	if again := w.mustRefresh(t, second.RefreshToken); again.RefreshToken != third.RefreshToken {
		t.Error("the slower tab has another successor")
	}
	_, err := w.Refresh(t.Context(), second.RefreshToken)
	wantErr(t, "Refresh after the grace", err, session.ErrReused)
}

func TestNegativeGraceMeansNone(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore(), func(c *session.Config[claims]) { c.Grace = -1 })
	first := w.mustStart(t)
	w.mustRefresh(t, first.RefreshToken)
	_, err := w.Refresh(t.Context(), first.RefreshToken)
	wantErr(t, "Refresh", err, session.ErrReused)
}

func TestTheSuccessorsFirstUseClosesTheWindow(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore())
	first := w.mustStart(t)
	third := w.mustRefresh(t, w.mustRefresh(t, first.RefreshToken).RefreshToken)
	_, err := w.Refresh(t.Context(), first.RefreshToken)
	wantErr(t, "Refresh", err, session.ErrReused)
	_, err = w.Refresh(t.Context(), third.RefreshToken)
	wantErr(t, "Refresh", err, session.ErrSessionEnded)
}

func TestARestoredBackupIsNoTheft(t *testing.T) {
	restored := session.NewMemoryStore()
	w := newWorld(t, restored)
	first := w.mustStart(t)
	live := session.NewMemoryStore()
	ahead := w.with(func(c *session.Config[claims]) { c.Store = live })
	record := session.Record{Session: w.wantSessions(t, 1)[0], EndsAt: epoch.Add(maxAge)}
	record.Token = hashOf(first.RefreshToken)
	if _, err := live.Start(t.Context(), record, 0, epoch); err != nil {
		t.Fatal(err)
	}
	second, err := ahead.Refresh(t.Context(), first.RefreshToken)
	if err != nil {
		t.Fatal(err)
	}
	w.events.take()
	_, err = w.Refresh(t.Context(), second.RefreshToken)
	wantErr(t, "Refresh of a generation that the backup doesn't know", err, session.ErrRefreshToken)
	w.wantEvents(t, session.EventRefused)
	w.mustRefresh(t, first.RefreshToken)
}

func TestRefreshRefusesWhatIsNotAuthenticWithoutAskingTheStore(t *testing.T) {
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

// withSpareBits gives the same bytes another text, where the length leaves bits over.
func withSpareBits(token string) string {
	last := token[len(token)-1]
	return token[:len(token)-1] + string(last+1)
}

func TestSecretsCanBeReplaced(t *testing.T) {
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
	// A process that was never told of the new secret can't know the successor; it must not take the retry
	// for a theft either.
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

func TestSessionsExpire(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*session.Config[claims])
		pause  time.Duration
		lives  int // how many refreshes after such pauses succeed
	}{
		{"idle", nil, idleTTL, 0},
		{"used just in time, until the absolute limit", nil, idleTTL - time.Microsecond, 6},
		{"idle limit set", func(c *session.Config[claims]) { c.IdleTTL = time.Hour }, time.Hour, 0},
		{"absolute limit below the idle one", func(c *session.Config[claims]) { c.MaxAge = time.Hour }, 20 * time.Minute, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			change := test.change
			if change == nil {
				change = func(*session.Config[claims]) {}
			}
			w := newWorld(t, session.NewMemoryStore(), change)
			token := w.mustStart(t).RefreshToken
			for range test.lives {
				w.clock.Advance(test.pause)
				token = w.mustRefresh(t, token).RefreshToken
			}
			w.clock.Advance(test.pause)
			_, err := w.Refresh(t.Context(), token)
			wantErr(t, "Refresh", err, session.ErrSessionEnded)
			w.wantSessions(t, 0)
		})
	}
}

func TestNothingIsSpentBeforeEverythingElseSucceeded(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore())
	first := w.mustStart(t)
	cause := errors.New("database on fire")

	w.user = func(context.Context, string) (claims, error) { return claims{}, cause }
	_, err := w.Refresh(t.Context(), first.RefreshToken)
	wantErr(t, "Refresh while the claims fail", err, cause)
	w.user = func(context.Context, string) (claims, error) { return claims{}, nil }

	w.keys.err = usher.ErrUnavailable
	_, err = w.Refresh(t.Context(), first.RefreshToken)
	wantErr(t, "Refresh while the key fails", err, usher.ErrUnavailable)
	w.keys.err = nil

	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = w.Refresh(cancelled, first.RefreshToken)
	wantErr(t, "Refresh for a client that has gone", err, usher.ErrUnavailable)

	w.clock.Advance(2 * grace) // had it been spent, this would be a reuse
	w.mustRefresh(t, first.RefreshToken)

	w.user = func(context.Context, string) (claims, error) { return claims{}, cause }
	_, err = w.Start(t.Context(), subject, session.About{})
	wantErr(t, "Start while the claims fail", err, cause)
	w.user = func(context.Context, string) (claims, error) { return claims{}, nil }
	w.keys.err = cause
	_, err = w.Start(t.Context(), subject, session.About{})
	wantErr(t, "Start while the key fails", err, cause)
	w.wantSessions(t, 1)
}

// One of two places that users are kept in doesn't know the user, and the other doesn't answer.
func TestAUserWhoMayBeGoneKeepsTheSession(t *testing.T) {
	for _, cause := range []error{usher.ErrUnavailable, context.DeadlineExceeded} {
		w := newWorld(t, session.NewMemoryStore())
		first := w.mustStart(t)
		w.user = func(context.Context, string) (claims, error) { return claims{}, errors.Join(usher.ErrNoUser, cause) }
		_, err := w.Refresh(t.Context(), first.RefreshToken)
		wantErr(t, "Refresh", err, cause)
		w.wantEvents(t, session.EventStarted, session.EventRefused)
		w.wantSessions(t, 1)
	}
}

func TestAGoneUserEndsTheSession(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore())
	first := w.mustStart(t)
	w.user = func(context.Context, string) (claims, error) { return claims{}, usher.ErrNoUser }
	_, err := w.Refresh(t.Context(), first.RefreshToken)
	wantErr(t, "Refresh", err, session.ErrSessionEnded)
	wantErr(t, "Refresh", err, usher.ErrNoUser)
	w.wantEvents(t, session.EventStarted, session.EventEnded)
	_, err = w.Refresh(t.Context(), first.RefreshToken)
	wantErr(t, "Refresh again", err, session.ErrSessionEnded)
	w.wantEvents(t, session.EventRefused)
	w.wantSessions(t, 0)

	_, err = w.Start(t.Context(), subject, session.About{})
	wantErr(t, "Start", err, usher.ErrNoUser)
}

func TestStartRefusesSubjectsThatStoresCantKeep(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore())
	for _, bad := range []string{"", strings.Repeat("s", 256), "a\x00b", "a\nb", "\xff"} {
		if _, err := w.Start(t.Context(), bad, session.About{}); err == nil {
			t.Errorf("Start(%q) succeeded", bad)
		}
		if list, err := w.List(t.Context(), bad); err != nil || list != nil {
			t.Errorf("List(%q) = %v, %v", bad, list, err)
		}
		if err := w.EndAll(t.Context(), bad); err != nil {
			t.Errorf("EndAll(%q): %v", bad, err)
		}
	}
	if _, err := w.Start(t.Context(), strings.Repeat("s", 255), session.About{}); err != nil {
		t.Error(err)
	}
}

func TestAboutIsCleanedAndCut(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore())
	_, err := w.Start(t.Context(), subject, session.About{UserAgent: "a\x00\r\nb\xff", Label: strings.Repeat("x", 255) + "ü"})
	if err != nil {
		t.Fatal(err)
	}
	s := w.wantSessions(t, 1)[0]
	if s.UserAgent != "ab\uFFFD" || s.Label != strings.Repeat("x", 255) {
		t.Errorf("user agent %q, label of %d bytes", s.UserAgent, len(s.Label))
	}
}

func TestAuthTimeBoundsWhoMayStart(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore())
	for _, test := range []struct {
		name  string
		began time.Time
		want  error
		claim time.Time
	}{
		{"now, if it isn't said", time.Time{}, nil, epoch},
		{"now, if it lies ahead", epoch.Add(time.Hour), nil, epoch},
		{"just young enough", epoch.Add(time.Second - maxAge), nil, epoch.Add(time.Second - maxAge)},
		{"too old", epoch.Add(-maxAge), session.ErrSessionEnded, time.Time{}},
	} {
		tokens, err := w.Start(t.Context(), subject, session.About{AuthTime: test.began})
		wantErr(t, test.name, err, test.want)
		if err == nil {
			if c := w.mustDecode(t, tokens); c.AuthTime.Unix() != test.claim.Unix() {
				t.Errorf("%s: auth_time %v; want %v", test.name, c.AuthTime, test.claim)
			}
		}
	}
}

func TestMaxPerSubjectEndsTheOldest(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore(), func(c *session.Config[claims]) { c.MaxPerSubject = 2 })
	var tokens []session.Tokens
	for range 3 {
		tokens = append(tokens, w.mustStart(t))
		w.clock.Advance(time.Second)
	}
	_, err := w.Refresh(t.Context(), tokens[0].RefreshToken)
	wantErr(t, "Refresh of the oldest", err, session.ErrSessionEnded)
	w.mustRefresh(t, tokens[1].RefreshToken)
	w.mustRefresh(t, tokens[2].RefreshToken)
	w.wantEvents(t, session.EventStarted, session.EventStarted, session.EventStarted, session.EventEnded,
		session.EventRefused, session.EventRefreshed, session.EventRefreshed)
}

func TestConfigMistakesAreReportedAtOnce(t *testing.T) {
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

type shadowing struct {
	usher.Claims
	Session string `json:"sid"`
}

func TestAClaimsTypeMustNotHideTheManagersClaims(t *testing.T) {
	keys := usher.Must(usher.GenerateKey("HS256"))
	encoder := usher.Must(usher.NewEncoder[shadowing](keys, nil))
	callback := func(context.Context, string) (shadowing, error) { return shadowing{}, nil }
	_, err := session.NewManager(session.Config[shadowing]{Encoder: encoder, Store: session.NewMemoryStore(), Claims: callback, Secret: secret})
	wantConfigError(t, err, "sid")
	_, err = session.NewAccessTokens(encoder, callback)
	wantConfigError(t, err, "sid")
}

// hiding has a sid that Go doesn't see, for ID hides it; JSON does.
type hiding struct {
	standard
	sidAsID
	ID string `json:"id"`
}

type (
	standard struct{ usher.Claims }
	sidAsID  struct {
		ID string `json:"sid"`
	}
)

func TestAClaimsTypeMustNotHideTheManagersClaimsOutOfSight(t *testing.T) {
	encoder := usher.Must(usher.NewEncoder[hiding](usher.Must(usher.GenerateKey("HS256")), nil))
	_, err := session.NewAccessTokens(encoder, func(context.Context, string) (hiding, error) { return hiding{}, nil })
	wantConfigError(t, err, "sid")
}

func wantConfigError(t *testing.T, err error, text string) {
	t.Helper()
	if !errors.As(err, new(*usher.ConfigError)) || !strings.Contains(err.Error(), text) {
		t.Errorf("%v; want a ConfigError about %s", err, text)
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

func TestTokensAreAnAccessTokenResponse(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore())
	body, err := json.Marshal(w.mustStart(t))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != 4 || got["token_type"] != "Bearer" || got["expires_in"] != 900.0 || got["access_token"] == "" || got["refresh_token"] == "" {
		t.Errorf("%s", body)
	}
}
