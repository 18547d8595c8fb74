package session_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

func TestMailIsSentAfterTheAnswer(t *testing.T) {
	blocked := make(chan struct{})
	o := newOffice(t, func(a *session.AccountOptions) {
		send := a.Mail
		a.Mail = func(ctx context.Context, m session.Mail) error {
			<-blocked
			return send(ctx, m)
		}
	})
	o.post(t, "/forgot", "email", ada).want(t, http.StatusAccepted, "")
	o.post(t, "/signup", "email", eve).want(t, http.StatusAccepted, "")
	close(blocked)
	if mails := o.close(t); len(mails) != 2 {
		t.Errorf("mails %v; want those that were queued when Close was called", mails)
	}
}

// The place in the queue is taken before anything is looked up, so a full queue tells nothing about accounts.
func TestAFullQueueRefusesKnownAndUnknownNamesAlike(t *testing.T) {
	blocked := make(chan struct{})
	o := newOffice(t, func(a *session.AccountOptions) {
		a.Mail = func(context.Context, session.Mail) error { <-blocked; return nil }
		a.Throttle = usher.Must(session.NewMemoryThrottle(&session.ThrottleOptions{
			PerMail:   session.Limit{Burst: 1000, Every: 1e6},
			PerClient: session.Limit{Burst: 1000, Every: 1e6},
		}))
	})
	for range 256 {
		o.post(t, "/forgot", "email", ada).want(t, http.StatusAccepted, "")
	}
	for _, name := range []string{ada, eve} {
		for _, path := range []string{"/forgot", "/signup"} {
			o.post(t, path, "email", name).want(t, http.StatusServiceUnavailable, "Try again")
		}
	}
	close(blocked)
	o.close(t)
	o.post(t, "/forgot", "email", ada).want(t, http.StatusServiceUnavailable, "Try again") // closed
}

func TestCloseEndsMailsThatTakeTooLong(t *testing.T) {
	started := make(chan struct{}, 10)
	var ended []error
	o := newOffice(t, func(a *session.AccountOptions) {
		a.Mail = func(ctx context.Context, _ session.Mail) error {
			started <- struct{}{}
			<-ctx.Done()
			ended = append(ended, ctx.Err())
			return ctx.Err()
		}
	})
	o.post(t, "/forgot", "email", ada).want(t, http.StatusAccepted, "")
	<-started
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := o.accounts.Close(ctx)
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "1 mails") || len(ended) != 1 {
		t.Errorf("%v, %v", err, ended)
	}
}

// A mail that fails, or panics, is reported, and the next one is sent.
func TestAFailureOfMailIsReported(t *testing.T) {
	o := newOffice(t)
	calls := 0
	send := o.options.Mail
	o.options.Mail = func(ctx context.Context, m session.Mail) error {
		switch calls++; calls {
		case 1:
			return errors.New("no route to host")
		case 2:
			panic("nil map")
		}
		return send(ctx, m)
	}
	for i, text := range []string{"mail not sent: no route to host", "panic"} {
		o.open(t)
		o.seen = nil
		o.send(t, "POST", "/forgot", body("email", ada)).want(t, http.StatusAccepted, "")
		o.close(t)
		if len(o.seen) != 1 || !strings.Contains(o.seen[0].Err.Error(), text) {
			t.Fatalf("%d: %v", i, o.seen)
		}
	}
	o.open(t)
	token := o.link(t, "/forgot", ada, session.MailReset)
	o.post(t, "/reset", "token", token, "password", secondPassword).want(t, http.StatusNoContent, "")
}
