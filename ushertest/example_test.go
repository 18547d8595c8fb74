package ushertest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/ushertest"
)

// MyClaims is the claims type of a service.
type MyClaims struct {
	usher.Claims
	Role string `json:"role,omitempty"`
}

// NewApp is the service that the examples test.
func NewApp(verifier usher.Verifier[MyClaims]) http.Handler {
	auth := usher.Must(usher.NewMiddleware(verifier, usher.ClaimsAsUser[MyClaims], nil))
	mux := http.NewServeMux()
	mux.Handle("GET /me", auth.RequireFunc(Me))
	mux.Handle("DELETE /posts/{id}", auth.RequireFunc(Me))
	return mux
}

// Me is a handler of the service.
func Me(w http.ResponseWriter, _ *http.Request, user *MyClaims) {
	fmt.Fprintf(w, "%s is %s", user.Subject, user.Role)
}

// t takes the place of a test function's *testing.T.
var t testing.TB = exampleT{}

type exampleT struct{ testing.TB }

func (exampleT) Helper()                      {}
func (exampleT) Context() context.Context     { return context.Background() }
func (exampleT) Errorf(f string, args ...any) { fmt.Fprintf(os.Stdout, f+"\n", args...) }
func (exampleT) Fatalf(f string, args ...any) { fmt.Fprintf(os.Stdout, f+"\n", args...) }

// The service verifies the kit's tokens with the kit's decoder.
func Example() {
	kit := ushertest.New[MyClaims](t, nil)
	app := NewApp(kit.Decoder)

	w := httptest.NewRecorder()
	app.ServeHTTP(w, kit.NewRequest(t, "GET", "/me", MyClaims{Claims: usher.Claims{Subject: "42"}, Role: "editor"}))
	fmt.Println(w.Code, w.Body)
	// Output: 200 42 is editor
}

// A test of a single handler needs no key and no token, only the user.
func Example_handler() {
	w := httptest.NewRecorder()
	Me(w, httptest.NewRequest(http.MethodGet, "/me", http.NoBody), &MyClaims{Claims: usher.Claims{Subject: "42"}, Role: "editor"})
	fmt.Println(w.Body)

	// A handler that gets its user from the context:
	handler := func(_ http.ResponseWriter, r *http.Request) {
		user, _ := usher.UserFromContext[*MyClaims](r.Context())
		fmt.Println("hello", user.Subject)
	}
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	handler(w, r.WithContext(usher.ContextWithUser(r.Context(), &MyClaims{Claims: usher.Claims{Subject: "42"}})))
	// Output:
	// 42 is editor
	// hello 42
}

// One loop covers every reason for refusing a token.
func ExampleKit_BrokenTokens() {
	kit := ushertest.New[MyClaims](t, nil)
	app := NewApp(kit.Decoder)
	for _, broken := range kit.BrokenTokens(t, MyClaims{Claims: usher.Claims{Subject: "42"}}) {
		r := httptest.NewRequest(http.MethodGet, "/me", http.NoBody)
		r.Header.Set("Authorization", "Bearer "+broken.Token)
		w := httptest.NewRecorder()
		app.ServeHTTP(w, r)
		fmt.Println(w.Code, broken.Name)
	}
	// Output:
	// 401 expired
	// 401 not yet valid
	// 401 forged
	// 401 unsigned
	// 401 malformed
	// 401 unknown kid
	// 401 wrong type
	// 401 wrong issuer
	// 401 wrong audience
}

// Kit.Token is for requests that NewRequest can't create, for example those with a body.
func ExampleKit_Token() {
	kit := ushertest.New[MyClaims](t, nil)
	r := httptest.NewRequest(http.MethodDelete, "/posts/7", http.NoBody)
	r.Header.Set("Authorization", "Bearer "+kit.Token(t, MyClaims{Claims: usher.Claims{Subject: "42"}, Role: "admin"}))

	w := httptest.NewRecorder()
	NewApp(kit.Decoder).ServeHTTP(w, r)
	fmt.Println(w.Body)
	// Output: 42 is admin
}

// Tokens expire without waiting.
func ExampleClock() {
	kit := ushertest.New[MyClaims](t, nil)
	app := NewApp(kit.Decoder)
	r := kit.NewRequest(t, "GET", "/me", MyClaims{Claims: usher.Claims{Subject: "42"}})

	kit.Clock.Advance(kit.Encoder.TTL())
	w := httptest.NewRecorder()
	app.ServeHTTP(w, r)
	fmt.Println(w.Header().Get("WWW-Authenticate"))
	// Output: Bearer error="invalid_token", error_description="The access token has expired."
}

// A service that creates its own decoder gets the kit's key and clock, and the kit gets the service's options.
func ExampleOptions() {
	opts := usher.DecoderOptions{Issuer: "https://login.example.com", Audience: usher.Audience{"blog"}}
	kit := ushertest.New[MyClaims](t, &ushertest.Options{Decoder: &opts})

	opts.Now = kit.Clock.Now
	decoder := usher.Must(usher.NewDecoder[MyClaims](kit.Key, &opts))
	claims, err := decoder.Decode(t.Context(), kit.Token(t, MyClaims{Claims: usher.Claims{Subject: "42"}}))
	fmt.Println(claims.Subject, claims.Issuer, err)
	// Output: 42 https://login.example.com <nil>
}

// The response while the key source is unavailable.
func ExampleVerifier() {
	app := NewApp(ushertest.Verifier[MyClaims]{
		Claims: map[string]MyClaims{"alices-token": {Claims: usher.Claims{Subject: "alice"}, Role: "editor"}},
		Errors: map[string]error{"any-token": usher.ErrUnavailable},
	})
	for _, token := range []string{"alices-token", "any-token"} {
		r := httptest.NewRequest(http.MethodGet, "/me", http.NoBody)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		app.ServeHTTP(w, r)
		fmt.Println(w.Code)
	}
	// Output:
	// 200
	// 503
}

// RequireAuth finds routes that are not protected.
func ExampleRequireAuth() {
	kit := ushertest.New[MyClaims](t, nil)
	ushertest.RequireAuth(t, NewApp(kit.Decoder), "GET /me", "DELETE /posts/{id}", "GET /admin")
	// Output:
	// ushertest: GET /admin answers a request without a token with 404 instead of 401
	// ushertest: GET /admin answers a bad token with 404 instead of 401
}

// The pages of this service read their token from a cookie, and redirect requests without one to a login.
func ExampleRoutes() {
	kit := ushertest.New[MyClaims](t, &ushertest.Options{Carry: ushertest.InCookie("__Host-token")})
	auth := usher.Must(usher.NewMiddleware(kit.Decoder, usher.ClaimsAsUser, &usher.MiddlewareOptions{
		Sources: []usher.TokenSource{usher.FromCookie("__Host-token")},
		Reject: func(w http.ResponseWriter, r *http.Request, _ *usher.Rejection) {
			http.Redirect(w, r, "/login", http.StatusSeeOther)
		},
	}))
	mux := http.NewServeMux()
	mux.Handle("GET /me", auth.RequireFunc(Me))
	mux.HandleFunc("GET /admin", func(http.ResponseWriter, *http.Request) {}) // oops

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, kit.NewRequest(t, "GET", "/me", MyClaims{Claims: usher.Claims{Subject: "42"}, Role: "editor"}))
	fmt.Println(w.Code, w.Body)

	routes := ushertest.Routes{Carry: ushertest.InCookie("__Host-token"), Statuses: []int{http.StatusSeeOther}}
	routes.RequireAuth(t, mux, "GET /me", "GET /admin")
	// Output:
	// 200 42 is editor
	// ushertest: GET /admin answers a request without a token with 200 instead of 303
	// ushertest: GET /admin answers a bad token with 200 instead of 303
}

// A Carrier is a function, so that any place will do.
func ExampleCarrier() {
	inQuery := func(r *http.Request, token string) {
		query := r.URL.Query()
		query.Set("access_token", token)
		r.URL.RawQuery = query.Encode()
	}
	kit := ushertest.New[MyClaims](t, &ushertest.Options{Carry: inQuery})
	r := kit.NewRequest(t, "GET", "/me?page=2", MyClaims{Claims: usher.Claims{Subject: "42"}})
	_, found, err := usher.FromQuery("access_token").Find(r)
	fmt.Println(r.URL.Query().Get("page"), found, err)
	// Output: 2 true <nil>
}
