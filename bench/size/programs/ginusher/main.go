// Ginusher is a service on gin with a protected route, by usher.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"

	"github.com/gin-gonic/gin"

	"github.com/go-usher/usher"
)

type user struct{ ID, Name, Hash string }

func main() {
	key := usher.Must(usher.NewKey(usher.HS256, []byte(os.Getenv("SECRET_KEY"))))
	encoder := usher.Must(usher.NewEncoder[usher.Claims](key, nil))
	decoder := usher.Must(usher.NewDecoder[usher.Claims](key, nil))
	alice := &user{ID: "1", Name: "Alice", Hash: usher.Must(usher.HashPassword(os.Getenv("PASSWORD")))}
	auth := usher.Must(usher.NewMiddleware(decoder, func(context.Context, *usher.Claims) (*user, error) { return alice, nil }, nil))

	engine := gin.New()
	engine.POST("/login", func(c *gin.Context) {
		if err := usher.CheckPassword(alice.Hash, c.PostForm("password")); err != nil {
			auth.Deny(c.Writer, c.Request, err)
			return
		}
		token, err := encoder.Encode(c, usher.Claims{Subject: alice.ID})
		if err != nil {
			auth.Deny(c.Writer, c.Request, err)
			return
		}
		c.String(http.StatusOK, "%s\n", token)
	})
	engine.GET("/", gin.WrapH(auth.RequireFunc(func(w http.ResponseWriter, _ *http.Request, u *user) {
		fmt.Fprintf(w, "Hello, %s!\n", u.Name)
	})))
	fmt.Fprintln(os.Stderr, engine.Run("127.0.0.1:8080"))
}
