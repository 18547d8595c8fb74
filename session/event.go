package session

import (
	"cmp"
	"context"
	"time"
)

// EventKind is the kind of an [Event].
type EventKind string

// The kinds of events.
const (
	EventStarted   EventKind = "started"
	EventRefreshed EventKind = "refreshed"
	EventRetried   EventKind = "retried" // a spent token was presented within the grace period and its successor returned
	EventReused    EventKind = "reused"  // a spent token was presented after the grace period, and the session was ended
	EventEnded     EventKind = "ended"   // by the user, by the application or by MaxPerSubject
	EventRefused   EventKind = "refused" // a refresh was refused for the reason in Err
)

// Event describes what happened to a session. It contains no token.
type Event struct {
	Kind      EventKind // what happened
	Time      time.Time // when
	Subject   string    // empty if the refused token was not authentic
	SessionID string    // empty if the refused token was not authentic
	Address   string    // the client's address, from the handler or from About; may be empty
	UserAgent string    // the client's User-Agent header, from the handler or from About; may be empty
	Err       error     // why a refresh was refused, or the error that ended the session
}

// report calls OnEvent without the request's cancellation. Otherwise a client that disconnects could prevent an OnEvent
// that honours its context from logging a reuse.
func (m *Manager[C]) report(ctx context.Context, e Event) {
	if m.onEvent != nil {
		c := clientFromContext(ctx)
		e.Address, e.UserAgent = sanitize(c.address), sanitize(c.userAgent)
		ctx, cancel := detach(ctx, detachedTimeout)
		defer cancel()
		m.onEvent(ctx, e)
	}
}

func (m *Manager[C]) reportEnded(ctx context.Context, now time.Time, subject string, ids []string) {
	for _, id := range ids {
		m.report(ctx, Event{Kind: EventEnded, Time: now, Subject: subject, SessionID: id})
	}
}

// client describes the client of a request.
type client struct{ address, userAgent string }

// or returns c with empty fields replaced by those of other.
func (c client) or(other client) client {
	return client{cmp.Or(c.address, other.address), cmp.Or(c.userAgent, other.userAgent)}
}

type clientKey struct{}

func contextWithClient(ctx context.Context, c client) context.Context {
	return context.WithValue(ctx, clientKey{}, c)
}

func clientFromContext(ctx context.Context) client {
	c, _ := ctx.Value(clientKey{}).(client)
	return c
}
