package session_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

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

// A callback that ends its goroutine, as t.FailNow does, stops neither later mails nor Close.
func TestMailsAreSentAfterACallbackHasEndedItsGoroutine(t *testing.T) {
	failures := make(chan error, 10)
	o := newOffice(t, func(a *session.AccountOptions) {
		var calls atomic.Int32
		send := a.Mail
		a.Mail = func(ctx context.Context, m session.Mail) error {
			if calls.Add(1) <= 5 { // more than there are workers
				runtime.Goexit()
			}
			return send(ctx, m)
		}
		a.Throttle = usher.Must(session.NewMemoryThrottle(&session.ThrottleOptions{PerMail: session.Limit{Burst: 100, Every: time.Second}}))
		a.Observe = func(_ *http.Request, rej *usher.Rejection) { failures <- rej.Err }
	})
	for range 6 {
		o.post(t, "/forgot", "email", ada).want(t, http.StatusAccepted, "")
	}
	if mails := o.close(t); len(mails) != 1 {
		t.Errorf("mails %v; want the sixth", mails)
	}
	for range 5 {
		if err := <-failures; !strings.Contains(err.Error(), "mail not sent: session: a callback ended its goroutine") {
			t.Error(err)
		}
	}
}

func TestAnObserveThatPanicsDoesNotEndTheProcess(t *testing.T) {
	var log strings.Builder
	standard := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(standard)
	o := newOffice(t, func(a *session.AccountOptions) {
		a.Observe = func(*http.Request, *usher.Rejection) { panic("nil map") }
	})
	o.mailErr = errors.New("no route to host")
	o.post(t, "/forgot", "email", ada).want(t, http.StatusAccepted, "")
	o.close(t)
	for _, text := range []string{"no route to host", "nil map"} {
		if !strings.Contains(log.String(), text) {
			t.Errorf("no %q in the log: %s", text, log.String())
		}
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
