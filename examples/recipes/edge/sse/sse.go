// Package sse sends server-sent events to a user until the token expires or the session ends.
package sse

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/examples/recipes/edge/lifetime"
)

// Handler returns a handler that sends a user the texts of the channel that events returns. The stream ends when the channel is
// closed, the client disconnects, the token expires or the session ends, which is checked after each interval. If auth has ended
// the stream, its last event is "refused" with the reason. The page then refreshes its token and opens a new stream.
//
// The context of events ends with the stream. A client that does not read for ten seconds is disconnected. The WriteTimeout of
// http.Server does not apply.
func Handler[C, U any](auth *usher.Middleware[C, U], events func(ctx context.Context, user U) <-chan string, every time.Duration) http.Handler {
	return auth.RequireFunc(func(w http.ResponseWriter, r *http.Request, user U) {
		ctx, cancel := lifetime.Context(r, auth, every)
		defer cancel()
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Accel-Buffering", "no") // otherwise nginx would buffer the events
		out := http.NewResponseController(w)
		extend := func() { _ = out.SetWriteDeadline(time.Now().Add(10 * time.Second)) }
		defer extend() // for the end of the response
		send := func(text string) bool {
			extend()
			_, err := io.WriteString(w, text)
			return err == nil && out.Flush() == nil
		}
		messages := events(ctx, user)
		for sent := send(""); sent; { // the headers
			select {
			case message, open := <-messages:
				if ctx.Err() == nil {
					sent = open && send(event("message", message))
				}
			case <-ctx.Done():
				if rej := lifetime.Refusal(ctx); rej != nil {
					send(event("refused", rej.Reason()))
				}
				return
			}
		}
	})
}

// event returns an event as text. Each line of its data is a separate field. Otherwise a text could contain fields and events.
func event(name, data string) string {
	data = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(data)
	return "event: " + name + "\ndata: " + strings.ReplaceAll(data, "\n", "\ndata: ") + "\n\n"
}
