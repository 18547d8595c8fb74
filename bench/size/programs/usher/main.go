// Usher is hello with a protected route, by usher.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/go-usher/usher"
)

type user struct{ ID, Name string }

func main() {
	key := usher.Must(usher.NewKey(usher.HS256, []byte(os.Getenv("SECRET_KEY"))))
	decoder := usher.Must(usher.NewDecoder[usher.Claims](key, nil))
	alice := &user{ID: "1", Name: "Alice"}
	auth := usher.Must(usher.NewMiddleware(decoder, func(context.Context, *usher.Claims) (*user, error) { return alice, nil }, nil))

	mux := http.NewServeMux()
	mux.Handle("GET /", auth.RequireFunc(func(w http.ResponseWriter, _ *http.Request, u *user) {
		fmt.Fprintf(w, "Hello, %s!\n", u.Name)
	}))
	server := &http.Server{Addr: "127.0.0.1:8080", Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	fmt.Fprintln(os.Stderr, server.ListenAndServe())
}
