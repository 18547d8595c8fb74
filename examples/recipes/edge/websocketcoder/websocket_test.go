package websocketcoder_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/go-usher/usher/examples/recipes/edge/internal/site"
	"github.com/go-usher/usher/examples/recipes/edge/internal/sitetest"
	"github.com/go-usher/usher/examples/recipes/edge/lifetime"
	"github.com/go-usher/usher/examples/recipes/edge/websocketcoder"
)

func echo(ctx context.Context, conn *websocket.Conn, user *site.User) {
	for {
		kind, message, err := conn.Read(ctx)
		switch {
		case err != nil:
			return
		case string(message) == "panic":
			panic("on purpose")
		}
		if conn.Write(ctx, kind, append([]byte(user.Name+": "), message...)) != nil {
			return
		}
	}
}

func TestWebSockets(t *testing.T) {
	sitetest.WebSockets(t, func(auth *site.Auth) http.Handler { return websocketcoder.Handler(auth, 20*time.Millisecond, echo) })
}

// This is what happens otherwise.
func TestAReadWhoseContextEndsLeavesTheClientWithoutAReason(t *testing.T) {
	s := sitetest.New(t)
	auth := sitetest.Auth(t, s)
	server := sitetest.Serve(t, auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		ctx, cancel := lifetime.Context(r, auth, time.Hour)
		defer cancel()
		_, _, _ = conn.Read(ctx)
		_ = conn.Close(websocket.StatusPolicyViolation, "expired")
	})))
	ann := sitetest.Login(t, s, "1", time.Second)
	conn, _, err := websocket.Dial(t.Context(), server.URL, &websocket.DialOptions{HTTPHeader: sitetest.Bearer(ann.Token)}) //nolint:bodyclose // Dial closes it
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if _, _, err := conn.Read(t.Context()); websocket.CloseStatus(err) != -1 {
		t.Errorf("the error is %v: the client is told why, and the page says otherwise", err)
	}
}
