package usher_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/go-usher/usher"
)

const (
	benchIssuer   = "https://issuer.example"
	benchAudience = "https://api.example"
)

// benchClaims make a token of eight claims: iss, sub, aud, exp, iat, jti, and two of its own.
type benchClaims struct {
	usher.Claims
	Role   string `json:"role"`
	Tenant string `json:"tenant"`
}

// BenchmarkRequest is one authenticated HS256 request, from the Authorization header to the handler that has
// the claims: with usher, cold and with the token remembered, and with golang-jwt by hand. All check the
// algorithm, exp, iss and aud.
func BenchmarkRequest(b *testing.B) {
	secret := []byte("benchmarks need no secret secrets")
	key := usher.Must(usher.NewKey(usher.HS256, secret))
	encoder := usher.Must(usher.NewEncoder[benchClaims](key, &usher.EncoderOptions{
		Issuer: benchIssuer, Audience: usher.Audience{benchAudience},
	}))
	token := usher.Must(encoder.Encode(b.Context(), benchClaims{
		Claims: usher.Claims{Subject: "user-1234"}, Role: "editor", Tenant: "acme",
	}))
	run := func(name string, handler http.Handler) {
		b.Run(name, func(b *testing.B) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Authorization", "Bearer "+token)
			w := httptest.NewRecorder()
			b.ReportAllocs()
			for b.Loop() {
				handler.ServeHTTP(w, r)
			}
			if w.Code != http.StatusOK {
				b.Fatal(w.Code, w.Body)
			}
		})
	}
	protect := func(cacheSize int) http.Handler {
		decoder := usher.Must(usher.NewDecoder[benchClaims](key, &usher.DecoderOptions{
			Issuer: benchIssuer, Audience: usher.Audience{benchAudience}, CacheSize: cacheSize,
		}))
		auth := usher.Must(usher.NewMiddleware(decoder, usher.ClaimsAsUser[benchClaims], nil))
		return auth.RequireFunc(func(http.ResponseWriter, *http.Request, *benchClaims) {})
	}
	run("usher", protect(0))
	run("usher-remembered", protect(100))
	run("golang-jwt", byHand(secret))
}

// byHand is the middleware that people write around golang-jwt.
func byHand(secret []byte) http.Handler {
	type claims struct {
		jwt.RegisteredClaims
		Role   string `json:"role"`
		Tenant string `json:"tenant"`
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"HS256"}), jwt.WithExpirationRequired(),
		jwt.WithIssuer(benchIssuer), jwt.WithAudience(benchAudience))
	keyFunc := func(*jwt.Token) (any, error) { return secret, nil }
	handler := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		const prefix = "Bearer "
		header := r.Header.Get("Authorization")
		if len(header) < len(prefix) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		c := new(claims)
		if _, err := parser.ParseWithClaims(header[len(prefix):], c, keyFunc); err != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		handler.ServeHTTP(w, r.WithContext(usher.ContextWithClaims(r.Context(), c)))
	})
}

func BenchmarkEncode(b *testing.B) {
	secret := []byte("benchmarks need no secret secrets")
	key := usher.Must(usher.NewKey(usher.HS256, secret))
	encoder := usher.Must(usher.NewEncoder[benchClaims](key, &usher.EncoderOptions{
		Issuer: benchIssuer, Audience: usher.Audience{benchAudience},
	}))
	b.ReportAllocs()
	for b.Loop() {
		usher.Must(encoder.Encode(b.Context(), benchClaims{
			Claims: usher.Claims{Subject: "user-1234"}, Role: "editor", Tenant: "acme",
		}))
	}
}
