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

// MyClaims are a service's own claims.
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

// Me is one of its handlers.
func Me(w http.ResponseWriter, _ *http.Request, user *MyClaims) {
	fmt.Fprintf(w, "%s is %s", user.Subject, user.Role)
}

// t stands for the *testing.T that a test function is given.
var t testing.TB = exampleT{}

type exampleT struct{ testing.TB }

func (exampleT) Helper()                      {}
func (exampleT) Context() context.Context     { return context.Background() }
func (exampleT) Errorf(f string, args ...any) { fmt.Fprintf(os.Stdout, f+"\n", args...) }
func (exampleT) Fatalf(f string, args ...any) { fmt.Fprintf(os.Stdout, f+"\n", args...) }

// From the token to the answer: the service verifies with the kit's decoder what the kit has signed.
func Example() {
	kit := ushertest.New[MyClaims](t, nil)
	app := NewApp(kit.Decoder)

	w := httptest.NewRecorder()
	app.ServeHTTP(w, kit.NewRequest(t, "GET", "/me", MyClaims{Claims: usher.Claims{Subject: "42"}, Role: "editor"}))
	fmt.Println(w.Code, w.Body)
	// Output: 200 42 is editor
}

// A handler alone needs neither key nor token: it is given its user.
func Example_handler() {
	w := httptest.NewRecorder()
	Me(w, httptest.NewRequest(http.MethodGet, "/me", http.NoBody), &MyClaims{Claims: usher.Claims{Subject: "42"}, Role: "editor"})
	fmt.Println(w.Body)

	// One that finds its user in the context finds it there.
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

// Every way in which a token can be wrong, in one loop.
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

// A request with a body, or with the token elsewhere, is made of the token alone.
func ExampleKit_Token() {
	kit := ushertest.New[MyClaims](t, nil)
	r := httptest.NewRequest(http.MethodDelete, "/posts/7", http.NoBody)
	r.Header.Set("Authorization", "Bearer "+kit.Token(t, MyClaims{Claims: usher.Claims{Subject: "42"}, Role: "admin"}))

	w := httptest.NewRecorder()
	NewApp(kit.Decoder).ServeHTTP(w, r)
	fmt.Println(w.Body)
	// Output: 42 is admin
}

// Nobody has to wait until a token expires.
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

// A service that reads its keys and makes its decoder itself is tested with the kit's key and clock, and the kit
// is told the service's options.
func ExampleOptions() {
	opts := usher.DecoderOptions{Issuer: "https://login.example.com", Audience: usher.Audience{"blog"}}
	kit := ushertest.New[MyClaims](t, &ushertest.Options{Decoder: &opts})

	opts.Now = kit.Clock.Now
	decoder := usher.Must(usher.NewDecoder[MyClaims](kit.Key, &opts))
	claims, err := decoder.Decode(t.Context(), kit.Token(t, MyClaims{Claims: usher.Claims{Subject: "42"}}))
	fmt.Println(claims.Subject, claims.Issuer, err)
	// Output: 42 https://login.example.com <nil>
}

// What does the service answer while its keys are out of reach?
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

// Has somebody forgotten to protect a route?
func ExampleRequireAuth() {
	kit := ushertest.New[MyClaims](t, nil)
	ushertest.RequireAuth(t, NewApp(kit.Decoder), "GET /me", "DELETE /posts/{id}", "GET /admin")
	// Output:
	// ushertest: GET /admin answers a request without a token with 404 instead of 401
	// ushertest: GET /admin answers a token that is none with 404 instead of 401
}
