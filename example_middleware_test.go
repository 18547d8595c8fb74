package usher_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/go-usher/usher"
)

// The whole setup: a key, an encoder for the login, a decoder, and a middleware for the routes.
func Example() {
	type User struct{ ID, Name string }
	ann := &User{"7", "Ann"}
	findUser := func(_ context.Context, c *usher.Claims) (*User, error) {
		if c.Subject != ann.ID {
			return nil, usher.ErrNoUser
		}
		return ann, nil
	}
	secret := []byte("a secret of thirty-two bytes, or more") // of the environment: openssl rand -base64 32

	key := usher.Must(usher.NewKey(usher.HS256, secret))
	encoder := usher.Must(usher.NewEncoder[usher.Claims](key, nil))
	decoder := usher.Must(usher.NewDecoder[usher.Claims](key, nil))
	auth := usher.Must(usher.NewMiddleware(decoder, findUser, nil))

	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		// After usher.CheckPassword:
		token, err := encoder.Encode(r.Context(), usher.Claims{Subject: ann.ID})
		if err != nil {
			auth.Deny(w, r, err)
			return
		}
		fmt.Fprint(w, token)
	})
	mux.Handle("GET /me", auth.RequireFunc(func(w http.ResponseWriter, _ *http.Request, user *User) {
		fmt.Fprintf(w, "Hello, %s!", user.Name)
	}))

	login := httptest.NewRecorder()
	mux.ServeHTTP(login, httptest.NewRequest(http.MethodPost, "/login", nil))
	for _, token := range []string{"", login.Body.String()} {
		request := httptest.NewRequest(http.MethodGet, "/me", nil)
		if token != "" {
			request.Header.Set("Authorization", "Bearer "+token)
		}
		response := httptest.NewRecorder()
		mux.ServeHTTP(response, request)
		fmt.Println(response.Code, strings.TrimSpace(response.Body.String()))
	}
	// Output:
	// 401 {"title":"Unauthorized","status":401,"detail":"An access token is required."}
	// 200 Hello, Ann!
}

// With a key, an encoder for the login, a decoder and a middleware, a route can be neither reached nor mounted without
// a user.
func ExampleMiddleware_RequireFunc() {
	type User struct{ ID, Name string }
	users := map[string]*User{"7": {"7", "Ann"}}

	// A service keeps its secret: usher.NewKey(usher.HS256, []byte(os.Getenv("SECRET_KEY"))).
	key := usher.Must(usher.GenerateKey(usher.HS256))
	encoder := usher.Must(usher.NewEncoder[usher.Claims](key, nil))
	decoder := usher.Must(usher.NewDecoder[usher.Claims](key, nil))
	auth := usher.Must(usher.NewMiddleware(decoder, func(_ context.Context, c *usher.Claims) (*User, error) {
		return users[c.Subject], nil // nil: no such user, which is a 401
	}, nil))

	mux := http.NewServeMux()
	mux.Handle("GET /me", auth.RequireFunc(func(w http.ResponseWriter, _ *http.Request, user *User) {
		fmt.Fprintf(w, "Hello, %s!", user.Name)
	}))

	// At login, after the password has been checked:
	token, err := encoder.Encode(context.Background(), usher.Claims{Subject: "7"})
	if err != nil {
		fmt.Println(err)
		return
	}

	request := httptest.NewRequest(http.MethodGet, "/me", nil)
	response := httptest.NewRecorder()
	mux.ServeHTTP(response, request)
	fmt.Println(response.Code, response.Header().Get("WWW-Authenticate"))

	request.Header.Set("Authorization", "Bearer "+token)
	response = httptest.NewRecorder()
	mux.ServeHTTP(response, request)
	fmt.Println(response.Code, response.Body)
	// Output:
	// 401 Bearer realm=""
	// 200 Hello, Ann!
}

// A public page that greets users who are logged in. An invalid token is still refused, because its owner expects to be
// logged in.
func ExampleMiddleware_Optional() {
	key := usher.Must(usher.GenerateKey(usher.HS256))
	encoder := usher.Must(usher.NewEncoder[usher.Claims](key, nil))
	decoder := usher.Must(usher.NewDecoder[usher.Claims](key, nil))
	auth := usher.Must(usher.NewMiddleware(decoder, usher.ClaimsAsUser, nil))

	home := auth.Optional(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, ok := auth.User(r.Context())
		if !ok {
			fmt.Fprint(w, "Hello, stranger!")
			return
		}
		fmt.Fprintf(w, "Hello, %s!", user.Subject)
	}))

	token := usher.Must(encoder.Encode(context.Background(), usher.Claims{Subject: "ann"}))
	for _, authorization := range []string{"", "Bearer " + token, "Bearer nonsense"} {
		request := httptest.NewRequest(http.MethodGet, "/", nil)
		if authorization != "" {
			request.Header.Set("Authorization", authorization)
		}
		response := httptest.NewRecorder()
		home.ServeHTTP(response, request)
		fmt.Println(response.Code, response.Body)
	}
	// Output:
	// 200 Hello, stranger!
	// 200 Hello, ann!
	// 401 {"title":"Unauthorized","status":401,"detail":"The access token is not valid."}
}

// With returns a stricter middleware for some of the routes. The original does not change.
func ExampleMiddleware_With() {
	key := usher.Must(usher.GenerateKey(usher.HS256))
	encoder := usher.Must(usher.NewEncoder[usher.Claims](key, nil))
	decoder := usher.Must(usher.NewDecoder[usher.Claims](key, nil))
	auth := usher.Must(usher.NewMiddleware(decoder, usher.ClaimsAsUser, &usher.MiddlewareOptions{Realm: "blog"}))
	writers := auth.With(usher.RequireScope("posts:write"))

	mux := http.NewServeMux()
	ok := func(w http.ResponseWriter, _ *http.Request, _ *usher.Claims) { fmt.Fprint(w, "done") }
	mux.Handle("GET /posts", auth.RequireFunc(ok))
	mux.Handle("POST /posts", writers.RequireFunc(ok))

	token := usher.Must(encoder.Encode(context.Background(), usher.Claims{Subject: "ann", Scope: "posts:read"}))
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		request := httptest.NewRequest(method, "/posts", nil)
		request.Header.Set("Authorization", "Bearer "+token)
		response := httptest.NewRecorder()
		mux.ServeHTTP(response, request)
		fmt.Println(method, response.Code)
		for _, challenge := range response.Header()["Www-Authenticate"] {
			fmt.Println(challenge)
		}
	}
	// Output:
	// GET 200
	// POST 403
	// Bearer realm="blog", error="insufficient_scope", error_description="The access token lacks a scope.", scope="posts:write"
}

// A payment requires a recent login. The challenge says how recent (RFC 9470).
func ExampleRequireRecentLogin() {
	key := usher.Must(usher.GenerateKey(usher.HS256))
	encoder := usher.Must(usher.NewEncoder[usher.Claims](key, nil))
	decoder := usher.Must(usher.NewDecoder[usher.Claims](key, nil))
	auth := usher.Must(usher.NewMiddleware(decoder, usher.ClaimsAsUser, &usher.MiddlewareOptions{Realm: "shop"}))
	pay := auth.With(usher.RequireRecentLogin(10 * time.Minute)).RequireFunc(
		func(w http.ResponseWriter, _ *http.Request, _ *usher.Claims) { fmt.Fprint(w, "paid") })

	for _, ago := range []time.Duration{time.Minute, time.Hour} {
		token := usher.Must(encoder.Encode(context.Background(), usher.Claims{
			Subject: "ann", AuthTime: usher.NewNumericDate(time.Now().Add(-ago)),
		}))
		request := httptest.NewRequest(http.MethodPost, "/pay", nil)
		request.Header.Set("Authorization", "Bearer "+token)
		response := httptest.NewRecorder()
		pay.ServeHTTP(response, request)
		fmt.Println(response.Code)
		for _, challenge := range response.Header()["Www-Authenticate"] {
			fmt.Println(challenge)
		}
	}
	// Output:
	// 200
	// 401
	// Bearer realm="shop", error="insufficient_user_authentication", error_description="A more recent login is required.", max_age="600"
}

// Roles belong to the user, who is loaded for each request. So a revoked role takes effect at once.
func ExampleMiddleware_Allow() {
	type User struct {
		Name  string
		Admin bool
	}
	users := map[string]*User{"1": {"Ann", true}, "2": {"Ben", false}}

	key := usher.Must(usher.GenerateKey(usher.HS256))
	encoder := usher.Must(usher.NewEncoder[usher.Claims](key, nil))
	decoder := usher.Must(usher.NewDecoder[usher.Claims](key, nil))
	auth := usher.Must(usher.NewMiddleware(decoder, func(_ context.Context, c *usher.Claims) (*User, error) {
		return users[c.Subject], nil
	}, nil))
	admins := auth.Allow(func(user *User) bool { return user.Admin })
	route := admins.RequireFunc(func(w http.ResponseWriter, _ *http.Request, user *User) {
		fmt.Fprintf(w, "Welcome, %s.", user.Name)
	})

	for _, id := range []string{"1", "2"} {
		request := httptest.NewRequest(http.MethodGet, "/admin", nil)
		request.Header.Set("Authorization", "Bearer "+usher.Must(encoder.Encode(context.Background(), usher.Claims{Subject: id})))
		response := httptest.NewRecorder()
		route.ServeHTTP(response, request)
		fmt.Println(response.Code, response.Body)
	}
	// Output:
	// 200 Welcome, Ann.
	// 403 {"title":"Forbidden","status":403,"detail":"This is not allowed."}
}

// Only the handler knows the author of a post. Deny responds as the middleware does, and calls Observe.
func ExampleMiddleware_Deny() {
	authors := map[string]string{"hello": "ann", "world": "ben"}

	key := usher.Must(usher.GenerateKey(usher.HS256))
	encoder := usher.Must(usher.NewEncoder[usher.Claims](key, nil))
	decoder := usher.Must(usher.NewDecoder[usher.Claims](key, nil))
	auth := usher.Must(usher.NewMiddleware(decoder, usher.ClaimsAsUser, nil))

	mux := http.NewServeMux()
	mux.Handle("DELETE /posts/{post}", auth.RequireFunc(func(w http.ResponseWriter, r *http.Request, user *usher.Claims) {
		if authors[r.PathValue("post")] != user.Subject {
			auth.Deny(w, r, fmt.Errorf("%w: the post is another author's", usher.ErrForbidden))
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}))

	token := usher.Must(encoder.Encode(context.Background(), usher.Claims{Subject: "ann"}))
	for _, post := range []string{"hello", "world"} {
		request := httptest.NewRequest(http.MethodDelete, "/posts/"+post, nil)
		request.Header.Set("Authorization", "Bearer "+token)
		response := httptest.NewRecorder()
		mux.ServeHTTP(response, request)
		fmt.Println(post, response.Code)
	}
	// Output:
	// hello 204
	// world 403
}

// A web page keeps its token in a cookie. Requests that other sites cause are refused.
func ExampleFromCookie() {
	key := usher.Must(usher.GenerateKey(usher.HS256))
	encoder := usher.Must(usher.NewEncoder[usher.Claims](key, nil))
	decoder := usher.Must(usher.NewDecoder[usher.Claims](key, nil))
	auth := usher.Must(usher.NewMiddleware(decoder, usher.ClaimsAsUser, &usher.MiddlewareOptions{
		Sources: []usher.TokenSource{usher.FromCookie("__Host-token"), usher.FromBearer()},
	}))
	route := auth.RequireFunc(func(w http.ResponseWriter, _ *http.Request, user *usher.Claims) {
		fmt.Fprintf(w, "Thank you, %s.", user.Subject)
	})

	// At login, set a cookie that scripts can't read.
	token := usher.Must(encoder.Encode(context.Background(), usher.Claims{Subject: "ann"}))
	cookie := &http.Cookie{
		Name: "__Host-token", Value: token, Path: "/", MaxAge: int(encoder.TTL().Seconds()),
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}

	for _, site := range []string{"same-origin", "cross-site"} {
		request := httptest.NewRequest(http.MethodPost, "/order", nil)
		request.AddCookie(cookie)
		request.Header.Set("Sec-Fetch-Site", site) // browsers do
		response := httptest.NewRecorder()
		route.ServeHTTP(response, request)
		fmt.Println(site, response.Code, response.Body)
	}
	// Output:
	// same-origin 200 Thank you, ann.
	// cross-site 403 {"title":"Forbidden","status":403,"detail":"Cross-origin request."}
}

// A handler finds another kind of token with a TokenSource.
func ExampleTokenSource_Find() {
	source := usher.FromCookie("__Host-refresh")
	for _, cookies := range []string{"__Host-refresh=abc", "theme=dark", "__Host-refresh=abc; __Host-refresh=x y"} {
		request := httptest.NewRequest(http.MethodPost, "/refresh", nil)
		request.Header.Set("Cookie", cookies)
		fmt.Println(source.Find(request))
	}
	// Output:
	// abc true <nil>
	//  false <nil>
	//  false usher: more than one token
}

// A test of a handler needs no key and no token.
func ExampleContextWithUser() {
	type User struct{ Name string }
	profile := func(w http.ResponseWriter, r *http.Request) { // what is to be tested
		user, ok := usher.UserFromContext[*User](r.Context())
		if !ok {
			http.Error(w, "nobody is logged in", http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(w, "This is %s.", user.Name)
	}

	request := httptest.NewRequest(http.MethodGet, "/profile", nil)
	request = request.WithContext(usher.ContextWithUser(request.Context(), &User{"Ann"}))
	response := httptest.NewRecorder()
	profile(response, request)
	fmt.Println(response.Code, response.Body)
	// Output: 200 This is Ann.
}

// Claims in a context are returned by their own type, or as the usher.Claims that they embed.
func ExampleClaimsFromContext() {
	type MyClaims struct {
		usher.Claims
		Role string `json:"role"`
	}
	ctx := usher.ContextWithClaims(context.Background(), &MyClaims{usher.Claims{Subject: "7"}, "editor"})

	if own, ok := usher.ClaimsFromContext[MyClaims](ctx); ok {
		fmt.Println(own.Subject, own.Role)
	}
	if standard, ok := usher.ClaimsFromContext[usher.Claims](ctx); ok { // in packages that don't know MyClaims
		fmt.Println(standard.Subject)
	}
	// Output:
	// 7 editor
	// 7
}

// Your own guard is a function. The context has the user and the claims.
func ExampleGuard() {
	sameTenant := usher.Guard(func(ctx context.Context) error {
		claims, ok := usher.ClaimsFromContext[usher.Claims](ctx)
		if !ok || claims.Issuer != "https://tenant.example" {
			return fmt.Errorf("%w: another tenant", usher.ErrForbidden)
		}
		return nil
	})

	for _, issuer := range []string{"https://tenant.example", "https://other.example"} {
		ctx := usher.ContextWithClaims(context.Background(), &usher.Claims{Issuer: issuer})
		fmt.Println(sameTenant(ctx))
	}
	// Output:
	// <nil>
	// usher: forbidden: another tenant
}

// The log gets the cause of a refusal; the client gets a description that reveals no details.
func ExampleMiddlewareOptions_observe() {
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey { // only so that the output is always the same
				return slog.Attr{}
			}
			return a
		},
	}))

	key := usher.Must(usher.GenerateKey(usher.HS256))
	decoder := usher.Must(usher.NewDecoder[usher.Claims](key, nil))
	auth := usher.Must(usher.NewMiddleware(decoder, usher.ClaimsAsUser, &usher.MiddlewareOptions{
		Observe: func(r *http.Request, rej *usher.Rejection) {
			logger.WarnContext(r.Context(), "refused",
				"method", r.Method, "path", r.URL.Path, "status", rej.Status, "reason", rej.Err)
		},
	}))
	route := auth.RequireFunc(func(http.ResponseWriter, *http.Request, *usher.Claims) {})

	forged := usher.Must(usher.Must(usher.NewEncoder[usher.Claims](usher.Must(usher.GenerateKey(usher.HS256)), nil)).
		Encode(context.Background(), usher.Claims{Subject: "ann"}))
	for _, token := range []string{"", forged} {
		request := httptest.NewRequest(http.MethodGet, "/me", nil)
		if token != "" {
			request.Header.Set("Authorization", "Bearer "+token)
		}
		route.ServeHTTP(httptest.NewRecorder(), request)
	}
	// Output:
	// level=WARN msg=refused method=GET path=/me status=401 reason="usher: no token"
	// level=WARN msg=refused method=GET path=/me status=401 reason="usher: wrong signature"
}

// Reject writes your own body, here a page. The challenge, Cache-Control and Retry-After have already been set.
func ExampleMiddlewareOptions_reject() {
	key := usher.Must(usher.GenerateKey(usher.HS256))
	decoder := usher.Must(usher.NewDecoder[usher.Claims](key, nil))
	auth := usher.Must(usher.NewMiddleware(decoder, usher.ClaimsAsUser, &usher.MiddlewareOptions{
		Realm: "shop",
		Reject: func(w http.ResponseWriter, _ *http.Request, rej *usher.Rejection) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.WriteHeader(rej.Status)
			_, _ = io.WriteString(w, "<p>"+html.EscapeString(rej.Description)+` <a href="/login">Log in</a></p>`)
		},
	}))
	route := auth.RequireFunc(func(http.ResponseWriter, *http.Request, *usher.Claims) {})

	response := httptest.NewRecorder()
	route.ServeHTTP(response, httptest.NewRequest(http.MethodGet, "/orders", nil))
	fmt.Println(response.Code, response.Header().Get("WWW-Authenticate"), response.Header().Get("Cache-Control"))
	fmt.Println(response.Body)
	// Output:
	// 401 Bearer realm="shop" no-store
	// <p>An access token is required. <a href="/login">Log in</a></p>
}

// The wrong way: a handler takes the user from the context and ignores ok. If it is mounted without the middleware, or with
// Optional, it serves anonymous requests or crashes. With RequireFunc, this mistake does not compile.
func ExampleMiddleware_Require_wrong() {
	type User struct{ Admin bool }
	wrong := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, _ := usher.UserFromContext[User](r.Context()) // WRONG: a stranger is the zero User
		fmt.Fprintf(w, "admin: %v", user.Admin)
	})
	right := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, ok := usher.UserFromContext[User](r.Context())
		if !ok {
			http.Error(w, "this route needs the middleware", http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(w, "admin: %v", user.Admin)
	})

	for _, handler := range []http.Handler{wrong, right} {
		response := httptest.NewRecorder()
		handler.ServeHTTP(response, httptest.NewRequest(http.MethodGet, "/", nil)) // mounted without the middleware
		fmt.Println(response.Code)
	}
	// Output:
	// 200
	// 500
}

// A long-lived handler checks again. Authenticate never reuses a decision, so it notices that the user was deleted, the
// session ended, or the token expired.
func ExampleMiddleware_Authenticate() {
	users := map[string]bool{"ann": true}
	key := usher.Must(usher.GenerateKey(usher.HS256))
	encoder := usher.Must(usher.NewEncoder[usher.Claims](key, nil))
	decoder := usher.Must(usher.NewDecoder[usher.Claims](key, nil))
	auth := usher.Must(usher.NewMiddleware(decoder, func(_ context.Context, c *usher.Claims) (*usher.Claims, error) {
		if !users[c.Subject] {
			return nil, usher.ErrNoUser
		}
		return c, nil
	}, nil))
	stream := auth.RequireFunc(func(w http.ResponseWriter, r *http.Request, _ *usher.Claims) {
		for event := range 3 { // a real one waits for its events
			if _, err := auth.Authenticate(r); err != nil {
				fmt.Fprintln(w, "the end:", err)
				return
			}
			fmt.Fprintln(w, "event", event)
			delete(users, "ann") // meanwhile, elsewhere
		}
	})

	request := httptest.NewRequest(http.MethodGet, "/events", nil)
	request.Header.Set("Authorization", "Bearer "+usher.Must(encoder.Encode(context.Background(), usher.Claims{Subject: "ann"})))
	response := httptest.NewRecorder()
	stream.ServeHTTP(response, request)
	fmt.Print(response.Body)
	// Output:
	// event 0
	// the end: The access token is not valid.
}

// A token from a message queue has no request, so the caller logs the refusal.
func ExampleMiddleware_AuthenticateToken() {
	key := usher.Must(usher.GenerateKey(usher.HS256))
	encoder := usher.Must(usher.NewEncoder[usher.Claims](key, nil))
	decoder := usher.Must(usher.NewDecoder[usher.Claims](key, nil))
	auth := usher.Must(usher.NewMiddleware(decoder, usher.ClaimsAsUser, nil)).With(usher.RequireScope("orders:write"))

	ctx := context.Background()
	for _, scope := range []string{"orders:read orders:write", "orders:read"} {
		token := usher.Must(encoder.Encode(ctx, usher.Claims{Subject: "ann", Scope: scope}))
		ctx, err := auth.AuthenticateToken(ctx, token)
		if rej, ok := errors.AsType[*usher.Rejection](err); ok {
			fmt.Println(rej.Status, rej.Reason())
			continue
		}
		user, _ := auth.User(ctx)
		fmt.Println("an order by", user.Subject)
	}
	// Output:
	// an order by ann
	// 403 scope
}

// An adapter to a framework with another type of handler takes a dozen lines.
func ExampleMiddleware_Decide() {
	key := usher.Must(usher.GenerateKey(usher.HS256))
	encoder := usher.Must(usher.NewEncoder[usher.Claims](key, nil))
	decoder := usher.Must(usher.NewDecoder[usher.Claims](key, nil))
	auth := usher.Must(usher.NewMiddleware(decoder, usher.ClaimsAsUser, nil))

	type Handler func(w http.ResponseWriter, r *http.Request) error // the framework's
	require := func(next Handler) Handler {
		return func(w http.ResponseWriter, r *http.Request) error {
			ctx, headers, rej := auth.Decide(r, false)
			for name, values := range headers {
				w.Header()[name] = append(w.Header()[name], values...)
			}
			if rej != nil {
				rej.SetHeaders(w.Header())
				return rej // the framework writes rej.Status, and rej.Error() in its own format
			}
			return next(w, r.WithContext(ctx))
		}
	}

	handler := require(func(_ http.ResponseWriter, r *http.Request) error {
		user, _ := auth.User(r.Context())
		fmt.Println("hello", user.Subject)
		return nil
	})
	request := httptest.NewRequest(http.MethodGet, "/", nil)
	response := httptest.NewRecorder()
	fmt.Println(handler(response, request), response.Header())
	request.Header.Set("Authorization", "Bearer "+usher.Must(encoder.Encode(context.Background(), usher.Claims{Subject: "ann"})))
	fmt.Println(handler(httptest.NewRecorder(), request))
	// Output:
	// An access token is required. map[Cache-Control:[no-store] Www-Authenticate:[Bearer realm=""]]
	// hello ann
	// <nil>
}

// A handler of a framework returns the refusal, and the framework writes it.
func ExampleMiddleware_Rejection() {
	decoder := usher.Must(usher.NewDecoder[usher.Claims](usher.Must(usher.GenerateKey(usher.HS256)), nil))
	auth := usher.Must(usher.NewMiddleware(decoder, usher.ClaimsAsUser, nil))

	for _, err := range []error{usher.ErrForbidden, usher.ErrNoUser, usher.ErrPasswordTooShort, errors.New("disk full")} {
		rej := auth.Rejection(fmt.Errorf("posts: %w", err))
		fmt.Printf("%d %s (%s)\n", rej.Status, rej, rej.Reason())
	}
	// Output:
	// 403 This is not allowed. (forbidden)
	// 404 There is no such user. (no_user)
	// 422 The password is too short. (password)
	// 500 The request can't be served. (error)
}

// Clients of an MCP server learn from the challenge where its authorization server is (RFC 9728 §5.1), and which scopes to
// request.
func ExampleMiddlewareOptions_resourceMetadata() {
	decoder := usher.Must(usher.NewDecoder[usher.Claims](usher.Must(usher.GenerateKey(usher.HS256)), nil))
	auth := usher.Must(usher.NewMiddleware(decoder, usher.ClaimsAsUser, &usher.MiddlewareOptions{
		ResourceMetadata: "https://mcp.example/.well-known/oauth-protected-resource",
		Scopes:           []string{"tools:use"},
	}))
	route := auth.RequireFunc(func(http.ResponseWriter, *http.Request, *usher.Claims) {})

	response := httptest.NewRecorder()
	route.ServeHTTP(response, httptest.NewRequest(http.MethodPost, "/mcp", nil))
	fmt.Println(response.Code, response.Header().Get("WWW-Authenticate"))
	// Output:
	// 401 Bearer scope="tools:use", resource_metadata="https://mcp.example/.well-known/oauth-protected-resource"
}

// A gateway sends the token in its own header format. FromFunc finds tokens in any place.
func ExampleFromFunc() {
	source := usher.FromFunc(func(r *http.Request) (string, bool, error) {
		token, found := strings.CutPrefix(r.Header.Get("X-Gateway"), "user=")
		return token, found, nil
	}, "X-Gateway")

	request := httptest.NewRequest(http.MethodGet, "/", nil)
	fmt.Println(source.Find(request))
	request.Header.Set("X-Gateway", "user=a.b.c")
	fmt.Println(source.Find(request))
	// Output:
	//  false <nil>
	// a.b.c true <nil>
}

// Mutual TLS by hand: a token that is bound to a certificate (RFC 8705 §3) is valid only over a connection with this
// certificate. Without Confirm, bound tokens are refused.
func ExampleMiddlewareOptions_confirm() {
	key := usher.Must(usher.GenerateKey(usher.HS256))
	encoder := usher.Must(usher.NewEncoder[usher.Claims](key, nil))
	decoder := usher.Must(usher.NewDecoder[usher.Claims](key, nil))
	thumbprint := func(certificate *x509.Certificate) string {
		sum := sha256.Sum256(certificate.Raw)
		return base64.RawURLEncoding.EncodeToString(sum[:])
	}
	auth := usher.Must(usher.NewMiddleware(decoder, usher.ClaimsAsUser, &usher.MiddlewareOptions{
		Confirm: func(r *http.Request, _ string, c *usher.Claims) (http.Header, error) {
			if c.Confirmation == nil || r.TLS == nil || len(r.TLS.PeerCertificates) == 0 ||
				thumbprint(r.TLS.PeerCertificates[0]) != c.Confirmation.CertificateThumbprint {
				return nil, fmt.Errorf("%w: not the certificate that the token is bound to", usher.ErrTokenClaims)
			}
			return nil, nil
		},
	}))
	route := auth.RequireFunc(func(w http.ResponseWriter, _ *http.Request, user *usher.Claims) {
		fmt.Fprint(w, "hello ", user.Subject)
	})

	own, others := &x509.Certificate{Raw: []byte("Ann's certificate")}, &x509.Certificate{Raw: []byte("Ben's certificate")}
	token := usher.Must(encoder.Encode(context.Background(), usher.Claims{
		Subject: "ann", Confirmation: &usher.Confirmation{CertificateThumbprint: thumbprint(own)},
	}))
	for _, certificate := range []*x509.Certificate{own, others} {
		request := httptest.NewRequest(http.MethodGet, "/", nil)
		request.Header.Set("Authorization", "Bearer "+token)
		request.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{certificate}} // net/http does this
		response := httptest.NewRecorder()
		route.ServeHTTP(response, request)
		fmt.Println(response.Code, strings.TrimSpace(response.Body.String()))
	}
	// Output:
	// 200 hello ann
	// 401 {"title":"Unauthorized","status":401,"detail":"The access token is not valid."}
}

// LogRejections logs every refusal: the cause, the route and the subject of the token.
func ExampleLogRejections() {
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey { // only so that the output is always the same
				return slog.Attr{}
			}
			return a
		},
	}))
	key := usher.Must(usher.GenerateKey(usher.HS256))
	encoder := usher.Must(usher.NewEncoder[usher.Claims](key, nil))
	decoder := usher.Must(usher.NewDecoder[usher.Claims](key, nil))
	auth := usher.Must(usher.NewMiddleware(decoder, usher.ClaimsAsUser, &usher.MiddlewareOptions{
		Observe: usher.LogRejections(logger),
	}))
	mux := http.NewServeMux()
	mux.Handle("DELETE /posts/{id}", auth.With(usher.RequireScope("posts:write")).RequireFunc(
		func(http.ResponseWriter, *http.Request, *usher.Claims) {}))

	request := httptest.NewRequest(http.MethodDelete, "/posts/7", nil)
	request.Header.Set("Authorization", "Bearer "+usher.Must(encoder.Encode(context.Background(), usher.Claims{Subject: "ann"})))
	mux.ServeHTTP(httptest.NewRecorder(), request)
	// Output:
	// level=INFO msg="usher: request refused" status=403 reason=scope method=DELETE route="DELETE /posts/{id}" sub=ann error="usher: forbidden: the token lacks one of the scopes \"posts:write\""
}

// Your own Rejection determines the response. Reason returns a word for metrics.
func ExampleRejection() {
	busy := &usher.Rejection{
		Status: http.StatusTooManyRequests, Description: "Too many exports.", RetryAfter: time.Minute,
		Err: errors.New("ann has three exports running"),
	}
	response := httptest.NewRecorder()
	busy.ServeHTTP(response, httptest.NewRequest(http.MethodPost, "/exports", nil))
	fmt.Println(response.Code, response.Header().Get("Retry-After"), response.Body)
	fmt.Println(busy.Reason())
	// Output:
	// 429 60 {"title":"Too Many Requests","status":429,"detail":"Too many exports."}
	//
	// too_many
}

// Metrics count refusals by reason, and an audit log contains the subject of the token.
func ExampleTokenError() {
	key := usher.Must(usher.GenerateKey(usher.HS256))
	encoder := usher.Must(usher.NewEncoder[usher.Claims](key, nil))
	decoder := usher.Must(usher.NewDecoder[usher.Claims](key, nil))
	auth := usher.Must(usher.NewMiddleware(decoder, usher.ClaimsAsUser, &usher.MiddlewareOptions{
		Observe: func(_ *http.Request, rej *usher.Rejection) {
			subject := "unknown"
			if token, ok := errors.AsType[*usher.TokenError](rej); ok {
				subject = token.Claims.Subject
			}
			fmt.Println(rej.Reason(), subject)
		},
		Check: func(context.Context, *usher.Claims) error { return usher.ErrTokenRevoked },
	}))
	route := auth.RequireFunc(func(http.ResponseWriter, *http.Request, *usher.Claims) {})

	request := httptest.NewRequest(http.MethodGet, "/", nil)
	request.Header.Set("Authorization", "Bearer "+usher.Must(encoder.Encode(context.Background(), usher.Claims{Subject: "ann"})))
	route.ServeHTTP(httptest.NewRecorder(), request)
	request.Header.Set("Authorization", "Bearer nonsense")
	route.ServeHTTP(httptest.NewRecorder(), request)
	// Output:
	// revoked ann
	// malformed unknown
}
