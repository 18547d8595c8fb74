package websocketgorilla_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/go-usher/usher/examples/recipes/edge/internal/site"
	"github.com/go-usher/usher/examples/recipes/edge/internal/sitetest"
	"github.com/go-usher/usher/examples/recipes/edge/websocketgorilla"
)

func echo(_ context.Context, conn *websocket.Conn, user *site.User) {
	for {
		kind, message, err := conn.ReadMessage()
		switch {
		case err != nil:
			return
		case string(message) == "panic":
			panic("on purpose")
		}
		if conn.WriteMessage(kind, append([]byte(user.Name+": "), message...)) != nil {
			return
		}
	}
}

func TestWebSockets(t *testing.T) {
	sitetest.WebSockets(t, func(auth *site.Auth) http.Handler { return websocketgorilla.Handler(auth, 20*time.Millisecond, echo) })
}
