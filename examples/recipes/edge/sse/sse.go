// Package sse sends server-sent events to a user for as long as the user may have them.
package sse

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/examples/recipes/edge/lifetime"
)

// Handler sends a user what events delivers, until it closes the channel, the client leaves, the token expires or the session
// ends, which it looks at every so often. A stream that auth ended has a last event "refused" with the reason: the page
// refreshes its token and opens a new one.
//
// The context of events ends with the stream.
func Handler[C, U any](auth *usher.Middleware[C, U], events func(ctx context.Context, user U) <-chan string, every time.Duration) http.Handler {
	return auth.RequireFunc(func(w http.ResponseWriter, r *http.Request, user U) {
		ctx, cancel := lifetime.Context(r, auth, every)
		defer cancel()
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Accel-Buffering", "no") // nginx would hold the events back
		out := http.NewResponseController(w)
		messages := events(ctx, user)
		for open := true; open; {
			if out.Flush() != nil { // the first one sends the headers
				return
			}
			select {
			case message, ok := <-messages:
				if open = ok; ok {
					send(w, "message", message)
				}
			case <-ctx.Done():
				if rej := lifetime.Refusal(ctx); rej != nil {
					send(w, "refused", rej.Reason())
				}
				return
			}
		}
	})
}

// send writes an event. Each line of its data has a field of its own, or a text could bring fields and events with it.
func send(w http.ResponseWriter, event, data string) {
	fmt.Fprintf(w, "event: %s\n", event)
	for line := range strings.SplitSeq(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(data), "\n") {
		fmt.Fprintf(w, "data: %s\n", line)
	}
	fmt.Fprint(w, "\n")
}
