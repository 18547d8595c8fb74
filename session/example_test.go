package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

func exampleManager(onEvent func(context.Context, session.Event)) *session.Manager[usher.Claims] {
	return usher.Must(session.NewManager(session.Config[usher.Claims]{
		Encoder: usher.Must(usher.NewEncoder[usher.Claims](usher.Must(usher.GenerateKey("HS256")), nil)),
		Store:   session.NewMemoryStore(),
		Claims:  func(context.Context, session.Grant) (usher.Claims, error) { return usher.Claims{Scope: "read"}, nil },
		Secret:  []byte("thirty-two random bytes or more!"),
		OnEvent: onEvent,
	}))
}

// A session from login to logout.
func ExampleManager() {
	ctx := context.Background()
	sessions := exampleManager(nil)

	first, err := sessions.Start(ctx, "user-7", session.About{Label: "phone"})
	if err != nil {
		fmt.Println(err)
		return
	}
	second, err := sessions.Refresh(ctx, first.RefreshToken)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(second.TokenType, second.ExpiresIn, second.SessionID == first.SessionID)

	fmt.Println(sessions.End(ctx, second.RefreshToken))
	_, err = sessions.Refresh(ctx, second.RefreshToken)
	fmt.Println(errors.Is(err, session.ErrSessionEnded))
	// Output:
	// Bearer 900 true
	// <nil>
	// true
}

// A spent token is accepted while its successor is unused, because the response may have been lost. After that it counts as
// stolen.
func ExampleManager_Refresh() {
	ctx := context.Background()
	sessions := exampleManager(func(_ context.Context, e session.Event) { fmt.Println(e.Kind) })

	r1, _ := sessions.Start(ctx, "user-7", session.About{})
	r2, _ := sessions.Refresh(ctx, r1.RefreshToken)
	again, _ := sessions.Refresh(ctx, r1.RefreshToken)
	fmt.Println(again.RefreshToken == r2.RefreshToken)
	_, _ = sessions.Refresh(ctx, r2.RefreshToken)
	_, err := sessions.Refresh(ctx, r1.RefreshToken)
	fmt.Println(errors.Is(err, session.ErrReused))
	// Output:
	// started
	// refreshed
	// retried
	// true
	// refreshed
	// reused
	// true
}

// With Check, access tokens of an ended session are refused at once.
func ExampleManager_Check() {
	key := usher.Must(usher.GenerateKey("HS256"))
	sessions := usher.Must(session.NewManager(session.Config[usher.Claims]{
		Encoder: usher.Must(usher.NewEncoder[usher.Claims](key, nil)),
		Store:   session.NewMemoryStore(),
		Claims:  func(context.Context, session.Grant) (usher.Claims, error) { return usher.Claims{}, nil },
		Secret:  []byte("thirty-two random bytes or more!"),
	}))
	auth := usher.Must(usher.NewMiddleware(usher.Must(usher.NewDecoder[usher.Claims](key, nil)), usher.ClaimsAsUser[usher.Claims],
		&usher.MiddlewareOptions{Check: sessions.Check}))
	protected := auth.RequireFunc(func(w http.ResponseWriter, _ *http.Request, user *usher.Claims) {
		fmt.Fprint(w, "hello ", user.Subject)
	})

	tokens, _ := sessions.Start(context.Background(), "user-7", session.About{})
	for range 2 {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Authorization", "Bearer "+tokens.AccessToken)
		w := httptest.NewRecorder()
		protected.ServeHTTP(w, r)
		fmt.Println(w.Code)
		_ = sessions.EndAll(context.Background(), "user-7")
	}
	// Output:
	// 200
	// 401
}

// The handler responds with tokens. For a missing field, the response names it.
func ExampleLoginHandler() {
	authenticate := func(_ context.Context, username, password string) (string, error) {
		if username == "ada@example.org" && password == "correct horse" {
			return "user-7", nil
		}
		return "", usher.ErrPasswordMismatch
	}
	login := usher.Must(session.LoginHandler(exampleManager(nil), authenticate, &session.HandlerOptions{UsernameField: "email"}))

	for _, body := range []string{
		`{"email": "ada@example.org", "password": "correct horse"}`,
		`{"email": "ada@example.org", "password": "wrong"}`,
		`{"email": "ada@example.org"}`,
	} {
		r := httptest.NewRequest(http.MethodPost, "/login", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		login.ServeHTTP(w, r)
		if w.Code == http.StatusOK {
			fmt.Println(w.Code, strings.Contains(w.Body.String(), `"refresh_token":`))
		} else {
			fmt.Println(w.Code, strings.TrimSpace(w.Body.String()))
		}
	}
	// Output:
	// 200 true
	// 401 {"title":"Unauthorized","status":401,"detail":"Wrong email or password."}
	// 422 {"title":"Unprocessable Entity","status":422,"detail":"\"password\" is required."}
}

// A login without sessions issues only access tokens.
func ExampleNewAccessTokens() {
	encoder := usher.Must(usher.NewEncoder[usher.Claims](usher.Must(usher.GenerateKey("HS256")), nil))
	tokens := usher.Must(session.NewAccessTokens(encoder,
		func(context.Context, session.Grant) (usher.Claims, error) { return usher.Claims{}, nil }))
	authenticate := func(context.Context, string, string) (string, error) { return "user-7", nil }

	mux := http.NewServeMux()
	mux.Handle("POST /auth", usher.Must(session.LoginHandler(tokens, authenticate, nil)))

	r := httptest.NewRequest(http.MethodPost, "/auth", strings.NewReader("username=ada&password=correct+horse"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	fmt.Println(w.Code, strings.Contains(w.Body.String(), "refresh_token"))
	// Output: 200 false
}

// A handler that checks the password again. Guesses are counted together with logins.
func ExampleAttempts() {
	accounts := map[string]string{"ada@example.org": "correct horse"}
	opts := &session.HandlerOptions{UsernameField: "email", Throttle: usher.Must(session.NewMemoryThrottle(nil))}
	attempts := usher.Must(session.NewAttempts(opts)) // pass opts to session.LoginHandler too

	deleteAccount := func(w http.ResponseWriter, r *http.Request, email string) {
		var body struct{ Password string }
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<12)).Decode(&body); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		err := attempts.Try(w, r, email, func(context.Context) error {
			if body.Password != accounts[email] {
				return usher.ErrPasswordMismatch
			}
			return nil
		})
		var rej *usher.Rejection
		switch {
		case errors.As(err, &rej):
			rej.ServeHTTP(w, r)
		case errors.Is(err, usher.ErrPasswordMismatch):
			w.WriteHeader(http.StatusUnauthorized)
		case err != nil:
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			delete(accounts, email)
			w.WriteHeader(http.StatusNoContent)
		}
	}

	for _, guess := range []string{"1", "2", "3", "4", "5", "correct horse"} {
		body := strings.NewReader(fmt.Sprintf(`{"password": %q}`, guess))
		r := httptest.NewRequest(http.MethodPost, "/delete", body)
		w := httptest.NewRecorder()
		deleteAccount(w, r, "ada@example.org")
		fmt.Print(w.Code, " ")
	}
	fmt.Println(len(accounts))
	// Output: 401 401 401 401 401 429 1
}

// The authenticator checks passwords against stored hashes, and stores better ones.
func ExamplePasswordAuthenticator() {
	ctx := context.Background()
	passwords := usher.Must(usher.NewPasswords(&usher.PasswordOptions{Cost: 5})) // the default cost is 12
	older := usher.Must(usher.NewPasswords(&usher.PasswordOptions{Cost: 4}))
	hashes := map[string]string{"ada": usher.Must(older.Hash(ctx, "correct horse"))}

	find := func(_ context.Context, username string) (subject, hash string, err error) {
		hash, ok := hashes[username]
		if !ok {
			return "", "", usher.ErrNoUser
		}
		return "user-7", hash, nil
	}
	upgrade := func(_ context.Context, subject, oldHash, newHash string) error {
		fmt.Println("better hash for", subject)
		return nil // UPDATE users SET hash = newHash WHERE id = subject AND hash = oldHash
	}
	authenticate := usher.Must(session.PasswordAuthenticator(passwords, find, upgrade))

	fmt.Println(authenticate(ctx, "ada", "correct horse"))
	_, err := authenticate(ctx, "eve", "correct horse")
	fmt.Println(errors.Is(err, usher.ErrPasswordMismatch))
	// Output:
	// better hash for user-7
	// user-7 <nil>
	// true
}

// A client refreshes its tokens.
func ExampleRefreshHandler() {
	sessions := exampleManager(nil)
	refresh := usher.Must(session.RefreshHandler(sessions, nil))
	tokens := usher.Must(sessions.Start(context.Background(), "user-7", session.About{}))

	for _, token := range []string{tokens.RefreshToken, "forged"} {
		r := httptest.NewRequest(http.MethodPost, "/refresh", strings.NewReader(fmt.Sprintf(`{"refresh_token": %q}`, token)))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		refresh.ServeHTTP(w, r)
		fmt.Println(w.Code, strings.Contains(w.Body.String(), `"access_token":`))
	}
	// Output:
	// 200 true
	// 401 false
}

// A browser logs out. Its session ends and its cookies are cleared.
func ExampleLogoutHandler() {
	sessions := exampleManager(nil)
	logout := usher.Must(session.LogoutHandler(sessions, &session.HandlerOptions{Cookies: true}))
	tokens := usher.Must(sessions.Start(context.Background(), "user-7", session.About{}))

	r := httptest.NewRequest(http.MethodPost, "/logout", nil)
	r.AddCookie(&http.Cookie{Name: "__Host-refresh", Value: tokens.RefreshToken})
	w := httptest.NewRecorder()
	logout.ServeHTTP(w, r)
	fmt.Println(w.Code)
	for _, c := range w.Result().Cookies() {
		fmt.Println(c.Name, c.MaxAge)
	}
	_, err := sessions.Refresh(context.Background(), tokens.RefreshToken)
	fmt.Println(err)
	// Output:
	// 204
	// __Host-access -1
	// __Host-refresh -1
	// session: ended
}

// Step-up authentication: Data holds the authentication methods, which become amr and acr.
func ExampleGrant() {
	type Claims struct {
		usher.Claims
		Methods []string `json:"amr"`
		Level   string   `json:"acr"`
	}
	key := usher.Must(usher.GenerateKey("HS256"))
	sessions := usher.Must(session.NewManager(session.Config[Claims]{
		Encoder: usher.Must(usher.NewEncoder[Claims](key, nil)),
		Store:   session.NewMemoryStore(),
		Secret:  []byte("thirty-two random bytes or more!"),
		Claims: func(_ context.Context, g session.Grant) (Claims, error) {
			c := Claims{Methods: strings.Fields(g.Data), Level: "1"}
			if len(c.Methods) > 1 {
				c.Level = "2"
			}
			return c, nil
		},
	}))
	auth := usher.Must(usher.NewMiddleware(usher.Must(usher.NewDecoder[Claims](key, nil)), usher.ClaimsAsUser[Claims], nil))
	payment := auth.Allow(func(c *Claims) bool { return c.Level == "2" }).Require(http.NotFoundHandler())

	ctx := context.Background()
	tokens := usher.Must(sessions.Start(ctx, "user-7", session.About{Data: "pwd"}))
	fmt.Println(statusOf(payment, tokens))
	// The user enters a code, which the application checks, and gets another session.
	tokens = usher.Must(sessions.Start(ctx, "user-7", session.About{Data: "pwd otp", Replaces: tokens.SessionID}))
	fmt.Println(statusOf(payment, tokens))
	tokens = usher.Must(sessions.Refresh(ctx, tokens.RefreshToken))
	fmt.Println(statusOf(payment, tokens))
	// Output:
	// 403
	// 404
	// 404
}

func statusOf(h http.Handler, tokens session.Tokens) int {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+tokens.AccessToken)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

// A login with a second step. The ticket contains the result of the first step, so it need not be stored.
func ExampleNewLogin() {
	authenticate := func(_ context.Context, _, password string) (string, error) {
		if password == "correct horse" {
			return "user-7", nil
		}
		return "", usher.ErrPasswordMismatch
	}
	login := usher.Must(session.NewLogin(exampleManager(nil), authenticate, nil))
	codes := map[string]bool{"123456": true} // of user-7; in a real service in a database

	first := func(w http.ResponseWriter, r *http.Request) {
		subject, about, err := login.Authenticate(r, r.PostFormValue("username"), r.PostFormValue("password"))
		var ticket string
		if err == nil {
			ticket, err = login.Pause(subject, about)
		}
		if err != nil {
			login.Deny(w, r, err)
			return
		}
		fmt.Fprint(w, ticket)
	}
	second := func(w http.ResponseWriter, r *http.Request) {
		subject, about, err := login.Resume(r, r.PostFormValue("ticket"), func(_ context.Context, subject string) error {
			code := r.PostFormValue("code")
			if !codes[code] {
				return usher.ErrPasswordMismatch
			}
			delete(codes, code) // a code counts once
			return nil
		})
		if err == nil {
			err = login.Finish(w, r, subject, about)
		}
		if err != nil {
			login.Deny(w, r, err)
		}
	}

	post := func(h http.HandlerFunc, form string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		h(w, r)
		return w
	}
	ticket := post(first, "username=ada&password=correct+horse").Body.String()
	for _, code := range []string{"000000", "123456", "123456"} {
		w := post(second, "ticket="+ticket+"&code="+code)
		fmt.Println(w.Code, strings.Contains(w.Body.String(), "access_token"))
	}
	// Output:
	// 401 false
	// 200 true
	// 401 false
}

// A user who has just registered is logged in without entering the password again.
func ExampleLogin_Finish() {
	login := usher.Must(session.NewLogin(exampleManager(nil), nil, &session.HandlerOptions{Cookies: true}))
	register := func(w http.ResponseWriter, r *http.Request) {
		subject := "user-8" // created with r's form
		if err := login.Finish(w, r, subject, session.About{}); err != nil {
			login.Deny(w, r, err)
		}
	}

	w := httptest.NewRecorder()
	register(w, httptest.NewRequest(http.MethodPost, "/register", nil))
	fmt.Println(w.Code, w.Result().Cookies()[0].Name)
	// Output: 200 __Host-access
}

// A user lists their sessions, and ends all except the current one.
func ExampleSessionsHandler() {
	key := usher.Must(usher.GenerateKey("HS256"))
	sessions := usher.Must(session.NewManager(session.Config[usher.Claims]{
		Encoder: usher.Must(usher.NewEncoder[usher.Claims](key, nil)),
		Store:   session.NewMemoryStore(),
		Claims:  func(context.Context, session.Grant) (usher.Claims, error) { return usher.Claims{}, nil },
		Secret:  []byte("thirty-two random bytes or more!"),
	}))
	auth := usher.Must(usher.NewMiddleware(usher.Must(usher.NewDecoder[usher.Claims](key, nil)), usher.ClaimsAsUser[usher.Claims], nil))
	own := auth.Require(usher.Must(session.SessionsHandler(sessions, nil)))
	mux := http.NewServeMux()
	mux.Handle("GET /sessions", own)
	mux.Handle("DELETE /sessions/{id}", own)
	mux.Handle("DELETE /sessions", auth.Require(usher.Must(session.EndOthersHandler(sessions, nil))))

	tokens := usher.Must(sessions.Start(context.Background(), "user-7", session.About{Label: "laptop"}))
	usher.Must(sessions.Start(context.Background(), "user-7", session.About{Label: "phone"}))
	for _, method := range []string{http.MethodGet, http.MethodDelete, http.MethodGet} {
		r := httptest.NewRequest(method, "/sessions", nil)
		r.Header.Set("Authorization", "Bearer "+tokens.AccessToken)
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		fmt.Println(w.Code, strings.Count(w.Body.String(), `"id"`))
	}
	// Output:
	// 200 2
	// 204 0
	// 200 1
}

// A client that has logged in to an account can't be locked out by others.
func ExampleMemoryThrottle() {
	throttle := usher.Must(session.NewMemoryThrottle(&session.ThrottleOptions{
		PerAccount: session.Limit{Burst: 3, Every: time.Minute},
	}))
	try := func(client string, o session.Outcome) bool {
		taken, wait, err := throttle.Reserve(context.Background(), session.Attempt{Kind: session.KindLogin, Account: "ada", Client: client})
		if err != nil || wait > 0 {
			return false
		}
		return throttle.Settle(context.Background(), taken, o) == nil
	}
	fmt.Println(try("192.0.2.1", session.Right)) // the owner
	for _, stranger := range []string{"198.51.100.1", "198.51.100.2", "198.51.100.3", "198.51.100.4"} {
		fmt.Println(try(stranger, session.Counted))
	}
	fmt.Println(try("192.0.2.1", session.Right))
	// Output:
	// true
	// true
	// true
	// true
	// false
	// true
}
