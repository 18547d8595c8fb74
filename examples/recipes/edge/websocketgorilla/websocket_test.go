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

func TestAMessageHasALimit(t *testing.T) {
	s := sitetest.New(t)
	server := sitetest.Serve(t, websocketgorilla.Handler(sitetest.Auth(t, s), time.Hour, echo))
	ann := sitetest.Login(t, s, "1", time.Hour)
	conn, response, err := websocket.DefaultDialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(server.URL, "http"), sitetest.Bearer(ann.Token))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	defer response.Body.Close()
	const most = 32 << 10
	for _, size := range []int{most, most + 1} { // in this order
		if err := conn.WriteMessage(websocket.TextMessage, make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := conn.ReadMessage(); (err == nil) != (size == most) || err != nil && !websocket.IsCloseError(err, websocket.CloseMessageTooBig) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// Handlers of pongs set a new deadline for reads, so that a client which sends pongs could stay for as long as it likes.
func TestAClientThatGoesOnAfterItsSessionEndedIsCutOff(t *testing.T) {
	s := sitetest.New(t)
	returned := make(chan struct{})
	serve := func(_ context.Context, conn *websocket.Conn, _ *site.User) {
		defer close(returned)
		extend := func(string) error { return conn.SetReadDeadline(time.Now().Add(time.Hour)) }
		conn.SetPongHandler(extend)
		for extend("") == nil {
			if _, _, err := conn.ReadMessage(); err != nil {
				return
			}
		}
	}
	server := sitetest.Serve(t, websocketgorilla.Handler(sitetest.Auth(t, s), 20*time.Millisecond, serve))
	ann := sitetest.Login(t, s, "1", time.Hour)
	conn, response, err := websocket.DefaultDialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(server.URL, "http"), sitetest.Bearer(ann.Token))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	defer response.Body.Close()
	conn.SetCloseHandler(func(int, string) error { return nil }) // it does not answer
	if err := ann.End(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := conn.ReadMessage(); !websocket.IsCloseError(err, websocket.ClosePolicyViolation) {
		t.Errorf("the client is told %v", err)
	}
	stays, pongs := time.NewTimer(20*time.Second), time.NewTicker(time.Millisecond)
	defer stays.Stop()
	defer pongs.Stop()
	for {
		select {
		case <-returned:
			return
		case <-stays.C:
			t.Fatal("the client's messages are still read")
		case <-pongs.C:
			_ = conn.WriteControl(websocket.PongMessage, nil, time.Now().Add(time.Second))
			_ = conn.WriteMessage(websocket.TextMessage, []byte("still here"))
		}
	}
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
