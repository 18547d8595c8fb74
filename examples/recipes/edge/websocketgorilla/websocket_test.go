package websocketgorilla_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/go-usher/usher"
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

// This is what happens otherwise.
func TestUpgradeWithoutTheHeadersChoosesNoProtocol(t *testing.T) {
	s := sitetest.New(t)
	auth := sitetest.Auth(t, s, usher.FromWebSocketProtocol("access-token"))
	server := sitetest.Serve(t, auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err == nil {
			conn.Close()
		}
	})))
	ann := sitetest.Login(t, s, "1", time.Hour)
	dialer := websocket.Dialer{Subprotocols: []string{"access-token", ann.Token}}
	conn, response, err := dialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(server.URL, "http"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	defer response.Body.Close()
	if got := conn.Subprotocol(); got != "" {
		t.Errorf("the protocol is %q: Upgrade takes it from the response, and the page says otherwise", got)
	}
}
