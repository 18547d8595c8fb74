// Package websocketcoder serves WebSockets with github.com/coder/websocket until the token expires or the session ends.
package websocketcoder

import (
	"context"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/examples/recipes/edge/lifetime"
)

// Handler returns a handler that calls serve for each connection. When the token expires, or when a check after each interval
// refuses the request, it closes the connection with the code 1008 and the reason, and the context of serve ends.
//
// Browsers send the token in a cookie (usher.FromCookie), or in new WebSocket(url, ["access-token", token])
// (usher.FromWebSocketProtocol("access-token")).
func Handler[C, U any](auth *usher.Middleware[C, U], every time.Duration, serve func(ctx context.Context, conn *websocket.Conn, user U)) http.Handler {
	return auth.RequireFunc(func(w http.ResponseWriter, r *http.Request, user U) {
		// The middleware has already set the protocol in w's headers. If the token is in a cookie, it has also checked the
		// origin. Another site can't send other tokens.
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
		if err != nil {
			return // Accept has responded
		}
		defer func() { _ = conn.CloseNow() }()

		// Not the context of lifetime: if the context of a Read ends, the library closes the connection without a code.
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
