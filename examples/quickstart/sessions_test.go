package main_test

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

func TestRefreshAndLogout(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, databaseURL string) {
		s := start(t, map[string]string{"DATABASE_URL": databaseURL})
		s.register(t, "alice@example.com")
		first := s.loginWith(t, "alice@example.com", password)
		got := s.send(t, "POST", "/refresh", "", first.refreshBody())
		second := got.tokens(t)
		if got.field(t, "token_type") != "Bearer" || got.field(t, "expires_in") != 900.0 || got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("the refresh is answered with %v %s", got.header, got.body)
		}
		if second.access == first.access || second.refresh == first.refresh {
			t.Error("a refresh hands out the tokens that it was given")
		}
		if s.session(t, second.access) != s.session(t, first.access) {
			t.Error("a refresh starts another session")
		}

		other := s.loginWith(t, "alice@example.com", password)
		s.send(t, "POST", "/logout", "", second.refreshBody()).expect(t, "logout", 204)
		for _, token := range []string{first.access, second.access} { // at once, and not when they expire
			for _, path := range []string{"/me", "/", "/sessions"} {
				expectProblem(t, s.send(t, "GET", path, token, ""), 401, "The access token is not valid.")
			}
		}
		for _, spent := range []tokens{first, second} {
			expectProblem(t, s.send(t, "POST", "/refresh", "", spent.refreshBody()), 401, "The session is over. Log in again.")
		}
		s.send(t, "POST", "/logout", "", second.refreshBody()).expect(t, "a second logout", 204)
		s.send(t, "POST", "/refresh", "", other.refreshBody()).expect(t, "a refresh of another session", 200)
	})
}

func TestRefreshTokenOfAUserWhoIsGone(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, databaseURL string) {
		s := start(t, map[string]string{"DATABASE_URL": databaseURL})
		s.register(t, "alice@example.com")
		tokens := s.loginWith(t, "alice@example.com", password)
		execute(t, databaseURL, "DELETE FROM users")
		expectProblem(t, s.send(t, "POST", "/refresh", "", tokens.refreshBody()), 401, "Log in again.")
		if n := query(t, databaseURL, "SELECT count(*) FROM usher_sessions"); n != "0" {
			t.Errorf("%s sessions are left", n)
		}
	})
}

func TestRefreshTokenThatIsUsedTwice(t *testing.T) {
	s := start(t, nil)
	id := s.register(t, "alice@example.com")
	first := s.loginWith(t, "alice@example.com", password)
	second := s.send(t, "POST", "/refresh", "", first.refreshBody()).tokens(t)
	if again := s.send(t, "POST", "/refresh", "", first.refreshBody()).tokens(t); again.refresh != second.refresh {
		t.Error("a repeated refresh gets another token than the first one, whose answer may have been lost")
	}
	third := s.send(t, "POST", "/refresh", "", second.refreshBody()).tokens(t)
	expectProblem(t, s.send(t, "POST", "/refresh", "", first.refreshBody()), 401, "Log in again.") // by now it is a copy
	expectProblem(t, s.send(t, "POST", "/refresh", "", third.refreshBody()), 401, "Log in again.")
	expectProblem(t, s.send(t, "GET", "/me", third.access, ""), 401, "")
	if log := s.log.String(); !strings.Contains(log, `level=WARN msg="session ended: its refresh token was used twice`) || !strings.Contains(log, "user="+id) {
		t.Errorf("the log does not warn:\n%s", log)
	}
}

func TestRefreshesAndLogoutsThatAreRefused(t *testing.T) {
	s := start(t, nil)
	s.register(t, "alice@example.com")
	tokens := s.loginWith(t, "alice@example.com", password)
	for _, path := range []string{"/refresh", "/logout"} {
		expectProblem(t, s.send(t, "POST", path, "", `{}`), 422, `"refresh_token" is required.`)
		expectProblem(t, s.send(t, "POST", path, "", `{"refresh_token":7}`), 422, `"refresh_token" must be a string.`)
		expectProblem(t, s.send(t, "POST", path, "", `null`), 400, "one JSON object")
		expectProblem(t, s.send(t, "POST", path, tokens.access, ""), 401, "This is an access token.")
		expectProblem(t, s.send(t, "POST", path, "", fmt.Sprintf(`{"refresh_token":%q}`, tokens.access)), 401, "This is an access token.")
		expectProblem(t, s.send(t, "GET", path, "", ""), 405, "Method Not Allowed")
	}
	changed := "A" + tokens.refresh[1:]
	if changed == tokens.refresh {
		changed = "B" + tokens.refresh[1:]
	}
	for _, wrong := range []string{"x", tokens.refresh + "A", changed} {
		body := fmt.Sprintf(`{"refresh_token":%q}`, wrong)
		expectProblem(t, s.send(t, "POST", "/refresh", "", body), 401, "Log in again.")
		s.send(t, "POST", "/logout", "", body).expect(t, "logout with a forged token", 204)
	}
	expectProblem(t, s.send(t, "GET", "/me", tokens.refresh, ""), 401, "not valid") // it opens no route
	s.send(t, "GET", "/me", tokens.access, "").expect(t, "/me after all that", 200)
}

func TestUsersSeeAndEndTheirSessions(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, databaseURL string) {
		s := start(t, map[string]string{"DATABASE_URL": databaseURL})
		s.register(t, "alice@example.com")
		s.register(t, "bob@example.com")
		var alices []string
		for range 4 {
			alices = append(alices, s.login(t, "alice@example.com"))
		}
		bob := s.login(t, "bob@example.com")
		list := s.sessions(t, alices[1])
		if len(list) != 4 || list[0].Current || !list[1].Current || list[1].Address != "127.0.0.1" || !strings.HasPrefix(list[1].UserAgent, "Go-http-client") {
			t.Fatalf("alice's sessions are %+v", list)
		}

		first := "/sessions/" + list[0].ID
		expectProblem(t, s.send(t, "DELETE", first, bob, ""), 404, "There is no such session.")
		expectProblem(t, s.send(t, "DELETE", first, "", ""), 401, "An access token is required.")
		s.send(t, "GET", "/me", alices[0], "").expect(t, "/me", 200)
		s.send(t, "DELETE", first, alices[1], "").expect(t, "ending a session", 204)
		expectProblem(t, s.send(t, "GET", "/me", alices[0], ""), 401, "")
		expectProblem(t, s.send(t, "DELETE", first, alices[1], ""), 404, "There is no such session.")

		s.send(t, "DELETE", "/sessions", alices[1], "").expect(t, "ending the others", 204)
		for i, want := range []int{401, 200, 401, 401} {
			s.send(t, "GET", "/me", alices[i], "").expect(t, fmt.Sprintf("/me of session %d", i), want)
		}
		s.send(t, "DELETE", "/sessions/"+list[1].ID, alices[1], "").expect(t, "ending one's own", 204)
		expectProblem(t, s.send(t, "GET", "/sessions", alices[1], ""), 401, "")
		s.send(t, "GET", "/me", bob, "").expect(t, "bob's /me", 200)

		got := s.send(t, "PUT", "/sessions", bob, "{}")
		expectProblem(t, got, 405, "Method Not Allowed")
		if allow := got.header.Get("Allow"); allow != "DELETE, GET, HEAD" {
			t.Errorf("Allow is %q", allow)
		}
	})
}

// passwordChange returns a body for /password.
func passwordChange(oldPassword, newPassword string) string {
	return fmt.Sprintf(`{"old_password":%q,"new_password":%q}`, oldPassword, newPassword)
}

const newPassword = "staple battery horse"

func TestChangeOfPasswordEndsTheOtherSessions(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, databaseURL string) {
		s := start(t, map[string]string{"DATABASE_URL": databaseURL})
		s.register(t, "alice@example.com")
		s.register(t, "bob@example.com")
		own, other, bob := s.loginWith(t, "alice@example.com", password), s.loginWith(t, "alice@example.com", password), s.login(t, "bob@example.com")
		got := s.send(t, "POST", "/password", own.access, passwordChange(password, newPassword))
		if got.status != 204 || got.body != "" {
			t.Fatalf("the change is answered with %d %s", got.status, got.body)
		}
		s.send(t, "GET", "/me", own.access, "").expect(t, "/me", 200)
		own = s.send(t, "POST", "/refresh", "", own.refreshBody()).tokens(t)
		s.send(t, "GET", "/me", bob, "").expect(t, "bob's /me", 200)
		expectProblem(t, s.send(t, "GET", "/me", other.access, ""), 401, "")
		expectProblem(t, s.send(t, "POST", "/refresh", "", other.refreshBody()), 401, "Log in again.")
		expectProblem(t, s.send(t, "POST", "/login", "", credentials("alice@example.com", password)), 401, "Wrong email or password.")
		s.loginWith(t, "alice@example.com", newPassword)
		expectProblem(t, s.send(t, "POST", "/password", own.access, passwordChange(password, "yet another one")), 401, "The old password is wrong.")
		s.login(t, "bob@example.com")
	})
}

func TestChangesOfPasswordThatAreRefused(t *testing.T) {
	databaseURL := "sqlite:" + filepath.Join(t.TempDir(), "quickstart.db")
	s := start(t, map[string]string{"DATABASE_URL": databaseURL})
	s.register(t, "alice@example.com")
	token, other := s.login(t, "alice@example.com"), s.login(t, "alice@example.com")
	before := query(t, databaseURL, "SELECT password_hash FROM users")
	for _, test := range []struct {
		name, body string
		status     int
		says       string
	}{
		{"wrong", passwordChange("a wrong password", newPassword), 401, "The old password is wrong."},
		{"wrong, and the new one too short", passwordChange("a wrong password", "short"), 401, "The old password is wrong."},
		{"short", passwordChange(password, "1234567"), 422, "too short"},
		{"long", passwordChange(password, strings.Repeat("x", 73)), 422, "too long"},
		{"NUL", `{"old_password":"` + password + `","new_password":"long enough\u0000"}`, 422, "not allowed"},
		{"nothing", `{}`, 422, `"old_password" and "new_password" are required.`},
		{"no old one", `{"new_password":"long enough"}`, 422, `"old_password" is required.`},
		{"no new one", `{"old_password":"` + password + `","new_password":""}`, 422, `"new_password" is required.`},
		{"number", `{"old_password":"x","new_password":12345678}`, 422, `"new_password" must be a string.`},
		{"twice", `{"old_password":"x","old_password":"y","new_password":"long enough"}`, 400, "one JSON object"},
		{"array", `["` + password + `","long enough"]`, 400, "one JSON object"},
	} {
		t.Run(test.name, func(t *testing.T) {
			expectProblem(t, s.send(t, "POST", "/password", token, test.body), test.status, test.says)
		})
	}
	expectProblem(t, s.send(t, "POST", "/password", "", passwordChange(password, newPassword)), 401, "An access token is required.")
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/password", strings.NewReader(passwordChange(password, newPassword)))
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "text/plain")
	expectProblem(t, s.do(t, r), 415, "application/json")
	if after := query(t, databaseURL, "SELECT password_hash FROM users"); after != before {
		t.Errorf("the hash %s became %s", before, after)
	}
	s.send(t, "GET", "/me", other, "").expect(t, "/me of the other session", 200)
}

func TestGuessesAtTheOldPasswordCountAsLogins(t *testing.T) {
	s := start(t, nil)
	s.register(t, "alice@example.com")
	s.register(t, "bob@example.com")
	token := s.login(t, "alice@example.com")
	for range 3 {
		expectProblem(t, s.send(t, "POST", "/password", token, passwordChange("a wrong password", newPassword)), 401, "The old password is wrong.")
	}
	for range 2 {
		expectProblem(t, s.send(t, "POST", "/login", "", credentials("Alice@Example.com", "a wrong password")), 401, "Wrong email or password.")
	}
	for path, body := range map[string]string{
		"/password": passwordChange(password, newPassword), // the right one is not even looked at
		"/login":    credentials("alice@example.com", password),
	} {
		got := s.send(t, "POST", path, token, body)
		expectProblem(t, got, 429, "Too many attempts.")
		if got.header.Get("Retry-After") == "" {
			t.Errorf("%s does not say when to try again", path)
		}
	}
	s.send(t, "GET", "/me", token, "").expect(t, "/me of who is logged in", 200)
	s.login(t, "bob@example.com")
}

func TestOneOfManyChangesOfPasswordAtOnceSucceeds(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, databaseURL string) {
		s := start(t, map[string]string{"DATABASE_URL": databaseURL})
		s.register(t, "alice@example.com")
		const rounds = 4 // fewer than the throttle has attempts
		accessTokens := make([]string, rounds)
		for i := range accessTokens {
			accessTokens[i] = s.login(t, "alice@example.com")
		}
		replies := make([]reply, rounds)
		var group sync.WaitGroup
		for i, token := range accessTokens {
			group.Go(func() {
				replies[i] = s.send(t, "POST", "/password", token, passwordChange(password, fmt.Sprintf("new password %d", i)))
			})
		}
		group.Wait()
		winner := -1
		for i, got := range replies {
			switch got.status {
			case 204:
				if winner >= 0 {
					t.Errorf("both %d and %d changed it", winner, i)
				}
				winner = i
			case 401, 409: // it came after the change, or was checking the old password while it happened
			default:
				t.Errorf("change %d is answered with %d %s", i, got.status, got.body)
			}
		}
		if winner < 0 {
			t.Fatalf("nobody changed it: %v", replies)
		}
		s.loginWith(t, "alice@example.com", fmt.Sprintf("new password %d", winner))
		for i, token := range accessTokens {
			want := 401
			if i == winner {
				want = 200
			}
			s.send(t, "GET", "/me", token, "").expect(t, fmt.Sprintf("/me of session %d", i), want)
		}
	})
}

func TestSessionsOutliveARestartWithTheSameSecretAlone(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, databaseURL string) {
		s := start(t, map[string]string{"DATABASE_URL": databaseURL})
		s.register(t, "alice@example.com")
		kept, ended := s.loginWith(t, "alice@example.com", password), s.loginWith(t, "alice@example.com", password)
		s.send(t, "POST", "/logout", "", ended.refreshBody()).expect(t, "logout", 204)
		if err := s.stop(); err != nil {
			t.Fatal(err)
		}

		s = start(t, map[string]string{"DATABASE_URL": databaseURL, "SECRET_KEY": "another " + secretKey})
		expectProblem(t, s.send(t, "POST", "/refresh", "", kept.refreshBody()), 401, "Log in again.")
		if err := s.stop(); err != nil {
			t.Fatal(err)
		}

		s = start(t, map[string]string{"DATABASE_URL": databaseURL})
		s.send(t, "GET", "/me", kept.access, "").expect(t, "/me", 200)
		s.send(t, "POST", "/refresh", "", kept.refreshBody()).tokens(t)
		expectProblem(t, s.send(t, "GET", "/me", ended.access, ""), 401, "")
		expectProblem(t, s.send(t, "POST", "/refresh", "", ended.refreshBody()), 401, "Log in again.")
	})
}

// What SECRET_KEY has always signed it goes on signing, and the sessions have a secret of their own, which must stay what
// it is, too, or everybody is logged out.
func TestKeysThatSecretKeyMakes(t *testing.T) {
	s := start(t, nil)
	id := s.register(t, "alice@example.com")
	tokens := s.loginWith(t, "alice@example.com", password)
	key := usher.Must(usher.NewKey(usher.HS256, []byte(secretKey)))
	claims, err := usher.Must(usher.NewDecoder[usher.Claims](key, nil)).Decode(t.Context(), tokens.access)
	if err != nil || claims.Subject != id || claims.SessionID != s.session(t, tokens.access) {
		t.Errorf("the claims are %+v, %v", claims, err)
	}
	for _, test := range []struct {
		name   string
		secret []byte
		want   error
	}{
		{"SECRET_KEY itself", []byte(secretKey), session.ErrRefreshToken},
		{"what is derived from it", usher.Must(hkdf.Key(sha256.New, []byte(secretKey), nil, "usher quickstart: sessions, v1", 32)), session.ErrSessionEnded},
	} {
		manager := usher.Must(session.NewManager(session.Config[usher.Claims]{
			Encoder: usher.Must(usher.NewEncoder[usher.Claims](key, nil)),
			Store:   session.NewMemoryStore(), // which knows no session
			Claims:  func(context.Context, session.Grant) (usher.Claims, error) { return usher.Claims{}, nil },
			Secret:  test.secret,
		}))
		if _, err := manager.Refresh(t.Context(), tokens.refresh); !errors.Is(err, test.want) {
			t.Errorf("under %s the refresh token is %v, want %v", test.name, err, test.want)
		}
	}
}

func TestNoSessionEndsBeforeItsAccessToken(t *testing.T) {
	for days, least := range map[string]time.Duration{"": 13 * 24 * time.Hour, "30": 29 * 24 * time.Hour, "365": 364 * 24 * time.Hour} {
		s := start(t, map[string]string{"TOKEN_EXPIRATION_DAYS": days})
		s.register(t, "alice@example.com")
		if got := s.sessions(t, s.login(t, "alice@example.com"))[0].ExpiresAt; time.Until(got) < least {
			t.Errorf("with tokens of %q days the session ends at %v", days, got)
		}
	}
}

func TestExpiredSessionsAreRemovedAtTheStart(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, databaseURL string) {
		s := start(t, map[string]string{"DATABASE_URL": databaseURL})
		s.register(t, "alice@example.com")
		expired, live := s.session(t, s.login(t, "alice@example.com")), s.session(t, s.login(t, "alice@example.com"))
		if err := s.stop(); err != nil {
			t.Fatal(err)
		}
		execute(t, databaseURL, "UPDATE usher_sessions SET expires_at = 0 WHERE id = $1", expired)
		start(t, map[string]string{"DATABASE_URL": databaseURL})
		await(t, "the expired session is removed", func() bool {
			return query(t, databaseURL, "SELECT count(*) FROM usher_sessions WHERE id = $1", expired) == "0"
		})
		if n := query(t, databaseURL, "SELECT count(*) FROM usher_sessions WHERE id = $1", live); n != "1" {
			t.Errorf("%s of the live session are left", n)
		}
	})
}

func TestOutageOfTheSessionStoreIs503(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, databaseURL string) {
		s := start(t, map[string]string{"DATABASE_URL": databaseURL})
		s.register(t, "alice@example.com")
		tokens := s.loginWith(t, "alice@example.com", password)
		execute(t, databaseURL, "ALTER TABLE usher_sessions RENAME TO gone")
		for _, got := range []reply{
			s.send(t, "GET", "/me", tokens.access, ""),
			s.send(t, "GET", "/sessions", tokens.access, ""),
			s.send(t, "POST", "/password", tokens.access, passwordChange(password, newPassword)),
			s.send(t, "POST", "/login", "", credentials("alice@example.com", password)),
			s.send(t, "POST", "/refresh", "", tokens.refreshBody()),
			s.send(t, "POST", "/logout", "", tokens.refreshBody()),
		} {
			expectProblem(t, got, 503, "Try again later.")
		}
		execute(t, databaseURL, "ALTER TABLE gone RENAME TO usher_sessions")
		s.send(t, "GET", "/me", tokens.access, "").expect(t, "/me afterwards", 200)
		s.send(t, "POST", "/refresh", "", tokens.refreshBody()).tokens(t)
	})
}

// A change of password of which only half is done says so.
func TestChangeOfPasswordThatCanNotEndTheOtherSessions(t *testing.T) {
	databaseURL := "sqlite:" + filepath.Join(t.TempDir(), "quickstart.db")
	s := start(t, map[string]string{"DATABASE_URL": databaseURL})
	s.register(t, "alice@example.com")
	token, other := s.login(t, "alice@example.com"), s.login(t, "alice@example.com")
	execute(t, databaseURL, "CREATE TRIGGER stuck BEFORE DELETE ON usher_sessions BEGIN SELECT RAISE(ABORT, 'stuck'); END")
	expectProblem(t, s.send(t, "POST", "/password", token, passwordChange(password, newPassword)), 503, "The password has been changed, but other sessions may still be active. End them later.")
	execute(t, databaseURL, "DROP TRIGGER stuck")
	s.send(t, "DELETE", "/sessions", token, "").expect(t, "DELETE /sessions", 204)
	expectProblem(t, s.send(t, "GET", "/me", other, ""), 401, "")
	s.loginWith(t, "alice@example.com", newPassword)
}

func TestChangeOfPasswordIsFinishedThoughTheClientHasGone(t *testing.T) {
	databaseURL := newPostgresSchema(t)
	s := start(t, map[string]string{"DATABASE_URL": databaseURL})
	s.register(t, "alice@example.com")
	token, other := s.login(t, "alice@example.com"), s.login(t, "alice@example.com")

	// The change stops before the new hash is stored, and there its client leaves.
	db := open(t, databaseURL)
	defer db.Close()
	lock := usher.Must(db.BeginTx(t.Context(), nil))
	defer lock.Rollback()
	var holder int
	if err := lock.QueryRowContext(t.Context(), "SELECT pg_backend_pid() FROM users FOR UPDATE").Scan(&holder); err != nil {
		t.Fatal(err)
	}
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	r, _ := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/password", strings.NewReader(passwordChange(password, newPassword)))
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	left := make(chan error, 1)
	go func() {
		response, err := s.client.Do(r)
		if err == nil {
			response.Body.Close()
		}
		left <- err
	}()
	await(t, "the change waits", func() bool {
		return query(t, databaseURL, "SELECT count(*) FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))", holder) == "1"
	})
	leave()
	if err := <-left; err == nil {
		t.Fatal("the change was answered before it could be done")
	}
	if err := lock.Commit(); err != nil {
		t.Fatal(err)
	}
	await(t, "the other session ends", func() bool { return s.send(t, "GET", "/me", other, "").status == 401 })
	s.loginWith(t, "alice@example.com", newPassword)
}

// Two hundred logins at once, of as many accounts and at the default cost: the rest of the service stays usable, or
// logins are told to come back.
func TestAStormOfLoginsLeavesTheRestUsable(t *testing.T) {
	if testing.Short() {
		t.Skip("computes bcrypt for seconds")
	}
	databaseURL := "sqlite:" + filepath.Join(t.TempDir(), "quickstart.db")
	s := start(t, map[string]string{"DATABASE_URL": databaseURL, "BCRYPT_LOG_ROUNDS": ""})
	s.register(t, "alice@example.com")
	token := s.login(t, "alice@example.com")
	db := open(t, databaseURL)
	defer db.Close()
	for i := range 200 { // with the same hash, which takes no time to make
		_, err := db.ExecContext(t.Context(), "INSERT INTO users (id, email, password_hash) SELECT $1, $2, password_hash FROM users WHERE email = $3",
			fmt.Sprintf("user-%d", i), fmt.Sprintf("user-%d@example.com", i), "alice@example.com")
		if err != nil {
			t.Fatal(err)
		}
	}

	ctx, cancel := context.WithCancel(t.Context())
	var mu sync.Mutex
	statuses := map[int]int{}
	var storm sync.WaitGroup
	for i := range 200 {
		storm.Go(func() {
			r, _ := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/login", strings.NewReader(credentials(fmt.Sprintf("user-%d@example.com", i), password)))
			r.Header.Set("Content-Type", "application/json")
			response, err := s.client.Do(r)
			if err != nil {
				return // it was still waiting when the measuring was over
			}
			defer response.Body.Close()
			mu.Lock()
			defer mu.Unlock()
			statuses[response.StatusCode]++
		})
	}
	var took []time.Duration
	for range 500 {
		before := time.Now()
		s.send(t, "GET", "/me", token, "").expect(t, "/me", 200)
		took = append(took, time.Since(before))
	}
	cancel()
	storm.Wait()
	for status := range statuses {
		if status != 200 && status != 429 && status != 503 {
			t.Errorf("a login is answered with %d", status)
		}
	}
	slices.Sort(took)
	p99 := took[len(took)*99/100]
	t.Logf("p99 of GET /me is %v; the logins were answered with %v meanwhile", p99, statuses)
	if p99 > 100*time.Millisecond && statuses[429]+statuses[503] == 0 {
		t.Errorf("p99 of GET /me is %v, and no login was turned away", p99)
	}
}
