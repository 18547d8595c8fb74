// Package websocketgorilla serves WebSockets with github.com/gorilla/websocket to a user for as long as the user may have them.
package websocketgorilla

import (
	"context"
	"net/http"
	"time"

	"github.com/gorilla/websocket"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/examples/recipes/edge/lifetime"
)

// maxMessage is the size of a message beyond which the connection is closed, with the code 1009. gorilla/websocket has no limit of
// its own.
const maxMessage = 32 << 10 // bytes

// Handler hands each connection to serve. When the token expires, and when auth refuses the request at a check, one every so
// often, it closes the connection with the code 1008 and the reason, and the context of serve ends.
//
// Browsers send the token in a cookie (usher.FromCookie), or in new WebSocket(url, ["access-token", token])
// (usher.FromWebSocketProtocol("access-token")).
func Handler[C, U any](auth *usher.Middleware[C, U], every time.Duration, serve func(ctx context.Context, conn *websocket.Conn, user U)) http.Handler {
	upgrader := websocket.Upgrader{
		// The middleware has checked the origin if the token is in a cookie; other tokens can't be sent by another site.
		CheckOrigin: func(*http.Request) bool { return true },
	}
	return auth.RequireFunc(func(w http.ResponseWriter, r *http.Request, user U) {
		// Upgrade ignores the headers of w, among which is the protocol that the middleware has chosen, unless it is given them.
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

// closeWith tells the client why, and gives it a moment to answer, which is what a read then returns. It may be called beside
// reads and writes. Deadlines are not enough to end them: a handler of pongs sets a new one whenever the client likes.
func closeWith(conn *websocket.Conn, code int, reason string) {
	const grace = 5 * time.Second
	time.AfterFunc(grace, func() { _ = conn.Close() })
	deadline := time.Now().Add(grace)
	_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), deadline)
	_ = conn.NetConn().SetDeadline(deadline)
}
