package session

import (
	"context"
	"time"
)

// EventKind says what happened to a session.
type EventKind string

// The kinds of events.
const (
	EventStarted   EventKind = "started"
	EventRefreshed EventKind = "refreshed"
	EventRetried   EventKind = "retried" // a spent token came back within the grace and got the same successor
	EventReused    EventKind = "reused"  // a stolen copy was in use; the session has been ended
	EventEnded     EventKind = "ended"   // by its user, by the application, or by MaxPerSubject
	EventRefused   EventKind = "refused" // a refresh was refused; Err says why
)

// Event is reported to Config.OnEvent after it happened. It holds no token.
type Event struct {
	Kind      EventKind // what happened
	Time      time.Time // when
	Subject   string    // "" when a refused token was not authentic
	SessionID string    // "" likewise
	Err       error     // why, for EventRefused; the cause, where an error ended the session
}

// report keeps the client's leaving from the listener: a thief could else keep a reuse out of whatever heeds its
// context.
func (m *Manager[C]) report(ctx context.Context, e Event) {
	if m.onEvent != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepTimeout)
		defer cancel()
		m.onEvent(ctx, e)
	}
}

func (m *Manager[C]) reportEnded(ctx context.Context, now time.Time, subject string, ids []string) {
	for _, id := range ids {
		m.report(ctx, Event{Kind: EventEnded, Time: now, Subject: subject, SessionID: id})
	}
}
