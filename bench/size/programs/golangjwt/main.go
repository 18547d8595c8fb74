// Golangjwt is hello with a login and a protected route, by golang-jwt and bcrypt.
package main

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/crypto/bcrypt"
)

func main() {
	secret := []byte(os.Getenv("SECRET_KEY"))
	hash, err := bcrypt.GenerateFromPassword([]byte(os.Getenv("PASSWORD")), 12)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"HS256"}), jwt.WithExpirationRequired())

	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		if bcrypt.CompareHashAndPassword(hash, []byte(r.PostFormValue("password"))) != nil {
			http.Error(w, "wrong password", http.StatusUnauthorized)
			return
		}
		claims := jwt.RegisteredClaims{Subject: "1", ExpiresAt: jwt.NewNumericDate(time.Now().Add(15 * time.Minute))}
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(secret)
		if err != nil {
			http.Error(w, "no token", http.StatusInternalServerError)
			return
		}
		fmt.Fprintln(w, token)
	})
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		var claims jwt.RegisteredClaims
		if _, err := parser.ParseWithClaims(token, &claims, func(*jwt.Token) (any, error) { return secret, nil }); err != nil {
			http.Error(w, "log in first", http.StatusUnauthorized)
			return
		}
		fmt.Fprintf(w, "Hello, user %s!\n", claims.Subject)
	})
	server := &http.Server{Addr: "127.0.0.1:8080", Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	fmt.Fprintln(os.Stderr, server.ListenAndServe())
}
