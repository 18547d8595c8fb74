package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/go-usher/usher"
)

// The kinds of [Mail].
const (
	// MailVerify has a link for Accounts.Verify. It asks the owner of the address to confirm it.
	MailVerify = "verify"
	// MailReset has a link for Accounts.Reset.
	MailReset = "reset"
	// MailTaken has no link. It tells the owner of an account that somebody has tried to sign up with its username.
	MailTaken = "taken"
)

// Mail is a mail that the application should send. It prints and logs without the token.
type Mail struct {
	Kind    string // MailVerify, MailReset or MailTaken
	Email   string // the address
	Subject string // the user's id, as in User.Subject; not the subject line
	// Token is for the link. Put it into the fragment, as in https://example.com/reset#token, so that it ends up in no
	// log, and let the page send it by POST. It is empty for MailTaken.
	Token string
}

// Format implements fmt.Formatter. Every verb prints what String returns.
func (m Mail) Format(f fmt.State, _ rune) { fmt.Fprint(f, m.String()) }

// String returns the mail's kind and the user's id, without the token.
func (m Mail) String() string {
	return fmt.Sprintf("session.Mail{Kind:%s Subject:%s}", m.Kind, m.Subject)
}

// LogValue returns the mail's kind and the user's id, without the token.
func (m Mail) LogValue() slog.Value { return slog.StringValue(m.String()) }

const (
	mailPlaces  = 256 // mails that wait or are being sent
	mailWorkers = 4
	mailTimeout = 30 * time.Second
)

// mailQueue runs jobs that send mails, a few at a time. It has no goroutine while there is nothing to send.
type mailQueue struct {
	mu      sync.Mutex
	taken   int // places
	waiting []func(context.Context)
	workers int
	closed  bool // no more places are given
	aborted bool // no more jobs are run
	changed chan struct{}
	ctx     context.Context //nolint:containedctx // of all jobs; they belong to no request
	cancel  context.CancelFunc
}

func newMailQueue() *mailQueue {
	q := &mailQueue{changed: make(chan struct{}, 1)}
	q.ctx, q.cancel = context.WithCancel(context.Background())
	return q
}

// reserve takes a place for a job. After a nil error, run or release must be called once: see later.
func (q *mailQueue) reserve() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return fmt.Errorf("%w: session: Accounts are closed", usher.ErrUnavailable)
	case q.taken >= mailPlaces:
		return fmt.Errorf("%w: session: %d mails are waiting to be sent", usher.ErrUnavailable, q.taken)
	}
	q.taken++
	return nil
}

func (q *mailQueue) release() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.free()
}

// run runs a job soon, in the place that reserve took, and releases the place.
func (q *mailQueue) run(job func(ctx context.Context)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.aborted {
		q.free()
		return
	}
	q.waiting = append(q.waiting, job)
	if q.workers < mailWorkers {
		q.workers++
		go q.work()
	}
}

func (q *mailQueue) work() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.waiting) > 0 {
		job := q.waiting[0]
		q.waiting = q.waiting[1:]
		q.mu.Unlock()
		job(q.ctx)
		q.mu.Lock()
		q.free()
	}
	q.workers--
	q.signal()
}

// free gives a place back. The caller holds the lock.
func (q *mailQueue) free() {
	q.taken--
	q.signal()
}

func (q *mailQueue) signal() {
	select {
	case q.changed <- struct{}{}:
	default:
	}
}

// close waits until everything is sent. If ctx ends first, it drops what waits and cancels what is being sent.
func (q *mailQueue) close(ctx context.Context) error {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	defer q.cancel()
	done := ctx.Done()
	unsent := 0
	for {
		q.mu.Lock()
		idle := q.workers == 0 && (q.taken == 0 || q.aborted)
		q.mu.Unlock()
		if idle {
			q.signal() // another call of close may wait as well
			break
		}
		select {
		case <-q.changed:
		case <-done:
			unsent, done = q.abort(), nil
		}
	}
	if unsent > 0 {
		return fmt.Errorf("session: closing Accounts: %w: up to %d mails were not sent", ctx.Err(), unsent)
	}
	return nil
}

// abort drops the jobs that wait, and cancels those that run. It returns how many there were.
func (q *mailQueue) abort() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	unsent := q.taken
	q.aborted = true
	q.taken -= len(q.waiting)
	q.waiting = nil
	q.cancel()
	q.signal()
	return unsent
}

// later runs a job in the place that was reserved, and reports its error. The request r is over by then. Without a job,
// it only releases the place.
func (a *accounts) later(r *http.Request, job func(ctx context.Context) error) {
	if job == nil {
		a.mails.release()
		return
	}
	values := context.WithoutCancel(r.Context())
	a.mails.run(func(queue context.Context) {
		ctx, cancel := context.WithTimeout(values, mailTimeout)
		defer cancel()
		defer context.AfterFunc(queue, cancel)()
		if err := recovered(ctx, job); err != nil {
			a.reportMail(r.WithContext(ctx), err)
		}
	})
}

// recovered calls job and returns a panic as an error: it must not end the process.
func recovered(ctx context.Context, job func(ctx context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("session: panic while a mail was sent: %v", p)
		}
	}()
	return job(ctx)
}

func (a *accounts) reportMail(r *http.Request, err error) {
	err = fmt.Errorf("session: mail not sent: %w", err)
	if observe := a.opts.Observe; observe != nil {
		observe(r, &usher.Rejection{Status: http.StatusInternalServerError, Err: err})
		return
	}
	slog.ErrorContext(r.Context(), err.Error())
}

// send sends a user the mail that fits the state of the account, unless too many have been sent already. The limit
// counts the account, whatever name and client asked for the mail.
func (a *accounts) send(ctx context.Context, kind string, u User) error {
	if u.Email == "" {
		return nil
	}
	mail := Mail{Kind: kind, Email: u.Email, Subject: u.Subject}
	var err error
	switch kind {
	case MailVerify:
		mail.Token, err = a.verifications.Issue(u.Subject, verificationState(u))
	case MailReset:
		mail.Token, err = a.resets.Issue(u.Subject, resetState(u))
	}
	if err != nil {
		return err
	}
	account := "subject " + u.Subject // the client has been counted already, under the name that it sent
	tried := false
	err = a.common.spend(ctx, Attempt{Kind: KindMail, Account: account, Client: account}, func(ctx context.Context) error {
		tried = true
		return a.mail(ctx, mail)
	})
	if rej := (*usher.Rejection)(nil); !tried && errors.As(err, &rej) {
		return nil // too many: that is no failure
	}
	return err
}
