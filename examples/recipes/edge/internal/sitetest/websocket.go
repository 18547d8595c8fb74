package sitetest

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/examples/recipes/edge/internal/site"
)

// marker is the protocol before the token.
const marker = "access-token"

// WebSockets checks a service of WebSockets. echo returns a handler that sends back each message after the user's name, and
// panics at "panic".
func WebSockets(t *testing.T, echo func(auth *site.Auth) http.Handler) {
	t.Helper()
	s := New(t)
	auth := Auth(t, s, usher.FromWebSocketProtocol(marker))
	mux := http.NewServeMux()
	mux.Handle("/echo", echo(auth))
	mux.Handle("/admin/echo", echo(auth.Allow(func(u *site.User) bool { return u.Admin })))
	server := Serve(t, mux)

	t.Run("AnUpgradeIsRefusedAsAnyRequest", func(t *testing.T) {
		Refusals(t, s, server, "/echo", opening())
		ann, bob := Login(t, s, "1", time.Hour), Login(t, s, "2", time.Hour)
		status := func(path string, header http.Header) int {
			return Get(t, server, path, With(header, opening())).StatusCode
		}
		if got := status("/admin/echo", Bearer(bob.Token)); got != http.StatusForbidden {
			t.Errorf("Bob gets %d from a service for admins", got)
		}
		crossOrigin := http.Header{"Cookie": {Cookie + "=" + ann.Token}, "Origin": {"https://evil.example"}}
		if got := status("/echo", crossOrigin); got != http.StatusForbidden {
			t.Errorf("another site's page gets %d with the user's cookie", got)
		}
		twice := With(Bearer(ann.Token), http.Header{"Sec-Websocket-Protocol": {marker + ", " + ann.Token}})
		if got := status("/echo", twice); got != http.StatusBadRequest {
			t.Errorf("two tokens are a %d", got)
		}
		if got := Get(t, server, "/echo", Bearer(ann.Token)).StatusCode; got < 400 || got > 499 {
			t.Errorf("a request that does not ask for a WebSocket is a %d", got)
		}
	})
	t.Run("ATokenMayComeAsAProtocolOrInACookie", func(t *testing.T) {
		ann := Login(t, s, "1", time.Hour)
		for name, opts := range map[string]websocket.DialOptions{
			"protocol":         {Subprotocols: []string{marker, ann.Token}},
			"another's page":   {Subprotocols: []string{marker, ann.Token}, HTTPHeader: http.Header{"Origin": {"https://app.example"}}},
			"cookie":           {HTTPHeader: http.Header{"Cookie": {Cookie + "=" + ann.Token}, "Origin": {server.URL}}},
			"cookie, no pages": {HTTPHeader: http.Header{"Cookie": {Cookie + "=" + ann.Token}}},
		} {
			conn := dial(t, server, "/admin/echo", opts)
			// A browser that offers protocols closes the connection unless the marker was chosen.
			if want := len(opts.Subprotocols) > 0; (conn.Subprotocol() == marker) != want {
				t.Errorf("%s: the protocol is %q", name, conn.Subprotocol())
			}
			if got := ask(t, conn); got != "Ann: hello" {
				t.Errorf("%s: the echo is %q", name, got)
			}
			if err := conn.Close(websocket.StatusNormalClosure, ""); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	t.Run("AConnectionIsClosedWhenItsTokenExpires", func(t *testing.T) {
		ann := Login(t, s, "1", time.Second)
		conn := dial(t, server, "/echo", websocket.DialOptions{Subprotocols: []string{marker, ann.Token}})
		ask(t, conn)
		closed(t, conn, websocket.StatusPolicyViolation, "expired")
	})
	t.Run("AConnectionIsClosedWhenItsSessionEnds", func(t *testing.T) {
		ann := Login(t, s, "1", time.Hour)
		conn := dial(t, server, "/echo", websocket.DialOptions{Subprotocols: []string{marker, ann.Token}})
		ask(t, conn)
		if err := ann.End(t.Context()); err != nil {
			t.Fatal(err)
		}
		closed(t, conn, websocket.StatusPolicyViolation, "session_ended")
	})
	t.Run("AConnectionOutlivesAnOutage", func(t *testing.T) {
		ann := Login(t, s, "1", time.Hour)
		conn := dial(t, server, "/echo", websocket.DialOptions{Subprotocols: []string{marker, ann.Token}})
		s.Down.Store(true)
		defer s.Down.Store(false)
		for asked := s.Asked.Load(); s.Asked.Load() < asked+2; { // two checks have failed
			ask(t, conn)
		}
	})
	t.Run("APanicClosesItsConnectionAlone", func(t *testing.T) {
		ann := Login(t, s, "1", time.Hour)
		opts := websocket.DialOptions{Subprotocols: []string{marker, ann.Token}}
		conn, other := dial(t, server, "/echo", opts), dial(t, server, "/echo", opts)
		if err := conn.Write(t.Context(), websocket.MessageText, []byte("panic")); err != nil {
			t.Fatal(err)
		}
		closed(t, conn, -1, "")
		if got := ask(t, other); got != "Ann: hello" {
			t.Errorf("the echo of another connection is %q", got)
		}
	})
}

// opening returns the headers of a request that opens a WebSocket.
func opening() http.Header {
	return http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
		"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"MDEyMzQ1Njc4OWFiY2RlZg=="},
	}
}

func dial(t *testing.T, server Server, path string, opts websocket.DialOptions) *websocket.Conn {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), server.URL+path, &opts) //nolint:bodyclose // Dial closes it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	return conn
}

// ask says hello and returns the answer.
func ask(t *testing.T, conn *websocket.Conn) string {
	t.Helper()
	if err := conn.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	_, answer, err := conn.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

// closed waits until the connection is closed. The code -1 is that of one that was cut off.
func closed(t *testing.T, conn *websocket.Conn, code websocket.StatusCode, reason string) {
	t.Helper()
	_, message, err := conn.Read(t.Context())
	if err == nil {
		t.Fatalf("there is another message: %q", message)
	}
	if got := websocket.CloseStatus(err); got != code {
		t.Errorf("the connection was closed with %v, %v; want %v", got, err, code)
	}
	if said, ok := errors.AsType[websocket.CloseError](err); ok && said.Reason != reason {
		t.Errorf("the reason is %q, want %q", said.Reason, reason)
	}
}
