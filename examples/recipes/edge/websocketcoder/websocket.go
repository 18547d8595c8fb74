// Package websocketcoder serves WebSockets with github.com/coder/websocket to a user for as long as the user may have them.
package websocketcoder

import (
	"context"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/examples/recipes/edge/lifetime"
)

// Handler hands each connection to serve. When the token expires, and when auth refuses the request at a check, one every so
// often, it closes the connection with the code 1008 and the reason, and the context of serve ends.
//
// Browsers send the token in a cookie (usher.FromCookie), or in new WebSocket(url, ["access-token", token])
// (usher.FromWebSocketProtocol("access-token")).
func Handler[C, U any](auth *usher.Middleware[C, U], every time.Duration, serve func(ctx context.Context, conn *websocket.Conn, user U)) http.Handler {
	return auth.RequireFunc(func(w http.ResponseWriter, r *http.Request, user U) {
		// The protocol that the middleware has chosen stands in w's headers already. It has checked the origin, too, if the
		// token is in a cookie; other tokens can't be sent by another site.
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
		if err != nil {
			return // Accept has responded
		}
		defer func() { _ = conn.CloseNow() }()

		// Not the context that is alive: a Read whose context ends cuts off the connection, without a code.
		ctx, cancel := context.WithCancel(r.Context())
		alive, stop := lifetime.Context(r, auth, every)
		defer stop()
		context.AfterFunc(alive, func() {
			defer cancel()
			if rej := lifetime.Refusal(alive); rej != nil {
				_ = conn.Close(websocket.StatusPolicyViolation, rej.Reason())
			}
		})
		serve(ctx, conn, user)
		_ = conn.Close(websocket.StatusNormalClosure, "")
	})
}
