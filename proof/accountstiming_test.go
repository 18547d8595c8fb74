package proof_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/legacyhash"
	"github.com/go-usher/usher/session"
)

// Whoever measures how long the handlers of accounts take must not learn whether there is an account, or how its password
// is stored. The test measures, so it wants a machine that does nothing else, and runs when USHER_TIMING is set.
func TestAccountsAnswerAlikeAndTakeTheSameTime(t *testing.T) {
	if os.Getenv("USHER_TIMING") == "" {
		t.Skip("it measures time: USHER_TIMING=1 go test -run TakeTheSameTime ./proof")
	}
	const rounds = 30
	accounts, users := newTimedAccounts(t)
	for _, test := range []struct {
		name   string
		at     http.Handler
		fields string // after the username
		status int
		users  []string // the first is the one that the others are compared with; %d is the round
	}{
		{
			"login", accounts.Login, `"password": "wrong horse battery"`, http.StatusUnauthorized,
			[]string{"known@a.example", "nobody-%d@a.example", "lowered@a.example", "werkzeug@a.example", "nohash@a.example"},
		},
		{
			"signup", accounts.Signup, `"password": "correct horse battery"`, http.StatusAccepted,
			[]string{"known@a.example", "new-%d@a.example", "unverified@a.example"},
		},
		{
			"forgot", accounts.Forgot, `"password": ""`, http.StatusAccepted,
			[]string{"known@a.example", "nobody-%d@a.example", "unverified@a.example"},
		},
	} {
		times := make([][]time.Duration, len(test.users))
		bodies := make([]string, len(test.users))
		for round := range rounds { // in turn, so that a busy moment hits them all
			for i, user := range test.users {
				if strings.Contains(user, "%d") {
					user = fmt.Sprintf(user, round)
				}
				r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(fmt.Sprintf(`{"username": %q, %s}`, user, test.fields)))
				r.Header.Set("Content-Type", "application/json")
				w := httptest.NewRecorder()
				start := time.Now()
				test.at.ServeHTTP(w, r)
				times[i] = append(times[i], time.Since(start))
				if w.Code != test.status {
					t.Fatalf("%s of %s: %d %s", test.name, user, w.Code, w.Body)
				}
				if bodies[i] = w.Body.String(); bodies[i] != bodies[0] {
					t.Fatalf("%s of %s: %s, and of %s: %s", test.name, user, bodies[i], test.users[0], bodies[0])
				}
				users.idle() // what goes on after the answer must not slow the next one
			}
		}
		base := medianOf(times[0])
		for i, user := range test.users {
			ratio := medianOf(times[i]) / base
			t.Logf("%-7s %-25s %8.3f ms, ratio %.3f", test.name, user, medianOf(times[i])/1e6, ratio)
			if ratio < 0.8 || ratio > 1.25 {
				t.Errorf("%s: %s takes %.2f times as long as %s", test.name, user, ratio, test.users[0])
			}
		}
	}
}

func medianOf(list []time.Duration) float64 {
	list = slices.SortedFunc(slices.Values(list), cmp.Compare)
	return float64(list[len(list)/2])
}

// newTimedAccounts returns accounts over a table whose every step takes a millisecond, with users whose passwords are stored
// in different ways. Nobody is throttled.
func newTimedAccounts(t *testing.T) (*session.Accounts, *timedUsers) {
	t.Helper()
	// The table's slowest kind of hash: Werkzeug's, of some years ago.
	const werkzeug = "pbkdf2:sha256:100000$saltsalt$0000000000000000000000000000000000000000000000000000000000000000"
	passwords := usher.Must(usher.NewPasswords(&usher.PasswordOptions{
		Cost: 9, Legacy: []usher.PasswordVerifier{legacyhash.Werkzeug}, Costliest: werkzeug,
	}))
	hash := usher.Must(passwords.Hash(t.Context(), "correct horse battery"))
	lowered := usher.Must(usher.Must(usher.NewPasswords(&usher.PasswordOptions{Cost: 6})).Hash(t.Context(), "correct horse battery"))
	users := &timedUsers{rows: map[string]session.User{
		"known@a.example":      {Hash: hash, Verified: true},
		"lowered@a.example":    {Hash: lowered, Verified: true},
		"werkzeug@a.example":   {Hash: werkzeug, Verified: true},
		"nohash@a.example":     {Verified: true},
		"unverified@a.example": {Hash: hash},
	}}
	key := usher.Must(usher.GenerateKey(usher.HS256))
	manager := usher.Must(session.NewManager(session.Config[usher.Claims]{
		Encoder: usher.Must(usher.NewEncoder[usher.Claims](key, nil)),
		Store:   session.NewMemoryStore(),
		Secret:  []byte("a secret of refresh tokens: 32 bytes or more"),
		Claims:  func(context.Context, session.Grant) (usher.Claims, error) { return usher.Claims{}, nil },
	}))
	often := session.Limit{Burst: 1_000_000, Every: time.Millisecond}
	throttle := usher.Must(session.NewMemoryThrottle(&session.ThrottleOptions{
		PerAddress: often, PerAccount: often, PerClient: often, PerMail: often, Signup: often,
	}))
	accounts := usher.Must(session.NewAccounts(manager, passwords, users, &session.AccountOptions{
		Secret:         []byte("a secret of links in mails: 32 bytes or more"),
		Mail:           func(context.Context, session.Mail) error { users.step(); return nil },
		HandlerOptions: &session.HandlerOptions{Throttle: throttle, Observe: func(*http.Request, *usher.Rejection) {}},
	}))
	t.Cleanup(func() { _ = accounts.Close(context.Background()) })
	return accounts, users
}

// timedUsers is a table of users whose steps take a millisecond, as those of a database in the same network do.
type timedUsers struct {
	rows  map[string]session.User // by username; not changed
	steps counter
}

func (u *timedUsers) step() {
	u.steps.begin()
	defer u.steps.end()
	<-time.After(time.Millisecond)
}

// idle waits until no step has run for a while.
func (u *timedUsers) idle() { u.steps.idle(4 * time.Millisecond) }

func (u *timedUsers) Find(_ context.Context, username string) (session.User, error) {
	u.step()
	user, ok := u.rows[username]
	if !ok {
		return session.User{}, usher.ErrNoUser
	}
	user.Subject, user.Username, user.Email = username, username, username
	return user, nil
}

func (u *timedUsers) Load(ctx context.Context, subject string) (session.User, error) {
	return u.Find(ctx, subject)
}

func (u *timedUsers) Create(_ context.Context, username, _ string, _ map[string]string) (session.User, error) {
	u.step()
	if _, ok := u.rows[username]; ok {
		return session.User{}, session.ErrTaken
	}
	return session.User{Subject: username, Username: username, Email: username}, nil
}

func (u *timedUsers) ReplaceHash(context.Context, string, string, string) error {
	return errors.New("nothing here replaces a hash")
}

func (u *timedUsers) Verify(context.Context, string, string) error {
	return errors.New("nothing here verifies an address")
}

// counter counts what runs now, and knows since when nothing does.
type counter struct {
	mu    sync.Mutex
	count int
	ended time.Time
}

func (c *counter) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count++
}

func (c *counter) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count--
	c.ended = time.Now()
}

// idle waits until nothing has run for so long.
func (c *counter) idle(quiet time.Duration) {
	for start := time.Now(); ; {
		c.mu.Lock()
		since := start
		if c.ended.After(since) {
			since = c.ended
		}
		done := c.count == 0 && time.Since(since) >= quiet
		c.mu.Unlock()
		if done {
			return
		}
		<-time.After(time.Millisecond)
	}
}
