// Package websocketgorilla serves WebSockets with github.com/gorilla/websocket until the token expires or the session ends.
package websocketgorilla

import (
	"context"
	"net/http"
	"time"

	"github.com/gorilla/websocket"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/examples/recipes/edge/lifetime"
)

// maxMessage is the maximum size of a message. A larger one closes the connection with the code 1009. gorilla/websocket has no
// limit of its own.
const maxMessage = 32 << 10 // bytes

// Handler returns a handler that calls serve for each connection. When the token expires, or when a check after each interval
// refuses the request, it closes the connection with the code 1008 and the reason, and the context of serve ends.
//
// Browsers send the token in a cookie (usher.FromCookie), or in new WebSocket(url, ["access-token", token])
// (usher.FromWebSocketProtocol("access-token")).
func Handler[C, U any](auth *usher.Middleware[C, U], every time.Duration, serve func(ctx context.Context, conn *websocket.Conn, user U)) http.Handler {
	upgrader := websocket.Upgrader{
		// If the token is in a cookie, the middleware has checked the origin. Another site can't send other tokens.
		CheckOrigin: func(*http.Request) bool { return true },
	}
	return auth.RequireFunc(func(w http.ResponseWriter, r *http.Request, user U) {
		// Upgrade ignores the headers of w unless they are passed to it. They have the protocol that the middleware has set.
		conn, err := upgrader.Upgrade(w, r, w.Header())
		if err != nil {
			return // Upgrade has responded
		}
		defer func() { _ = conn.Close() }()
		conn.SetReadLimit(maxMessage)
		ctx, cancel := context.WithCancel(r.Context())
		alive, stop := lifetime.Context(r, auth, every)
		defer stop()
		context.AfterFunc(alive, func() {
			defer cancel()
			if rej := lifetime.Refusal(alive); rej != nil {
				closeWith(conn, websocket.ClosePolicyViolation, rej.Reason())
				_ = conn.NetConn().SetReadDeadline(time.Now()) // serve gets no more messages
			}
		})
		serve(ctx, conn, user)
		closeWith(conn, websocket.CloseNormalClosure, "")
	})
}

// closeWith sends the client the reason, and gives it five seconds to answer. The answer ends a pending read. It may be called
// during reads and writes. Deadlines are not enough to end these, because a pong handler sets a new one for each pong.
func closeWith(conn *websocket.Conn, code int, reason string) {
	const grace = 5 * time.Second
	time.AfterFunc(grace, func() { _ = conn.Close() })
	deadline := time.Now().Add(grace)
	_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), deadline)
	_ = conn.NetConn().SetDeadline(deadline)
}
