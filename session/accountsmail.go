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

// Mail is a mail for the application to send. It prints and logs without the token. Its JSON form has the token, for an
// outbox.
type Mail struct {
	Kind    string // MailVerify, MailReset or MailTaken
	Email   string // the address
	Subject string // the user's id, as in User.Subject; not the subject line
	// Token is the token for the link. It is empty for MailTaken. Put it into the fragment, as in
	// https://example.com/reset#token, so that it is not logged. The page sends it by POST.
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
	maxMails    = 256 // mails that wait or are being sent
	mailWorkers = 4
	mailTimeout = 30 * time.Second
)

// mailQueue runs jobs that send mails, mailWorkers at once. It has no goroutine while there is nothing to send.
type mailQueue struct {
	mu       sync.Mutex
	reserved int // jobs that wait or run, or for which reserve has returned nil
	waiting  []func(context.Context)
	workers  int
	closed   bool            // reserve fails
	aborted  bool            // no more jobs are run
	changed  chan struct{}   // has a value if close must check the queue again
	ctx      context.Context //nolint:containedctx // for all jobs, which outlive their requests
	cancel   context.CancelFunc
}

func newMailQueue() *mailQueue {
	q := &mailQueue{changed: make(chan struct{}, 1)}
	q.ctx, q.cancel = context.WithCancel(context.Background())
	return q
}

// reserve reserves capacity for a job. If it returns nil, the caller must call enqueue or release once: see queueMail.
func (q *mailQueue) reserve() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return fmt.Errorf("%w: session: Accounts are closed", usher.ErrUnavailable)
	case q.reserved >= maxMails:
		return fmt.Errorf("%w: session: %d mails are waiting to be sent", usher.ErrUnavailable, q.reserved)
	}
	q.reserved++
	return nil
}

// release releases the capacity of a job that will not be run.
func (q *mailQueue) release() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.releaseLocked()
}

// enqueue queues a job and releases its capacity when it has run. The caller must have called reserve.
func (q *mailQueue) enqueue(job func(ctx context.Context)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.aborted {
		q.releaseLocked()
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
	defer q.workerEnded()
	for len(q.waiting) > 0 {
		job := q.waiting[0]
		q.waiting = q.waiting[1:]
		q.runUnlocked(job)
	}
}

// workerEnded updates the queue when a worker ends. If a job has ended the worker's goroutine, another worker
// continues. The caller holds the lock.
func (q *mailQueue) workerEnded() {
	if len(q.waiting) > 0 {
		go q.work()
		return
	}
	q.workers--
	q.signal()
}

// runUnlocked runs a job and releases its capacity. The caller holds the lock, which is free while the job runs.
func (q *mailQueue) runUnlocked(job func(ctx context.Context)) {
	q.mu.Unlock()
	defer q.releaseLocked()
	defer q.mu.Lock()
	job(q.ctx)
}

// releaseLocked is release for a caller that holds the lock.
func (q *mailQueue) releaseLocked() {
	q.reserved--
	q.signal()
}

func (q *mailQueue) signal() {
	select {
	case q.changed <- struct{}{}:
	default:
	}
}

// close waits until all mails are sent. If ctx ends first, it drops the queued ones and cancels those being sent.
func (q *mailQueue) close(ctx context.Context) error {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	defer q.cancel()
	done := ctx.Done()
	unsent := 0
	for {
		q.mu.Lock()
		idle := q.workers == 0 && (q.reserved == 0 || q.aborted)
		q.mu.Unlock()
		if idle {
			q.signal() // for another call of close that may be waiting
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

// abort drops the queued jobs and cancels the running ones. It returns their number.
func (q *mailQueue) abort() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	unsent := q.reserved
	q.aborted = true
	q.reserved -= len(q.waiting)
	q.waiting = nil
	q.cancel()
	q.signal()
	return unsent
}

// queueMail queues a job whose capacity is reserved. The job has the values of the request's context but not its
// cancellation. Its error is reported. If job is nil, queueMail only releases the capacity.
func (a *accounts) queueMail(r *http.Request, job func(ctx context.Context) error) {
	if job == nil {
		a.mails.release()
		return
	}
	a.mails.enqueue(func(queueCtx context.Context) {
		ctx, cancel := detach(r.Context(), mailTimeout)
		defer cancel()
		defer context.AfterFunc(queueCtx, cancel)()
		err := errGoroutineEnded
		defer func() {
			if err != nil {
				a.reportMail(r.WithContext(ctx), err)
			}
		}()
		err = recoverPanic(ctx, job)
	})
}

var errGoroutineEnded = errors.New("session: a callback ended its goroutine")

// recoverPanic calls job and returns a panic as an error, because a panic would end the process.
func recoverPanic(ctx context.Context, job func(ctx context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("session: panic while a mail was sent: %v", p)
		}
	}()
	return job(ctx)
}

// reportMail passes an error to Observe. If Observe is not set or panics, it logs the error.
func (a *accounts) reportMail(r *http.Request, err error) {
	err = fmt.Errorf("session: mail not sent: %w", err)
	if observe := a.opts.Observe; observe != nil {
		panicked := recoverPanic(r.Context(), func(context.Context) error {
			observe(r, &usher.Rejection{Status: http.StatusInternalServerError, Err: err})
			return nil
		})
		if panicked == nil {
			return
		}
		err = fmt.Errorf("%w; Observe failed too: %w", err, panicked)
	}
	slog.ErrorContext(r.Context(), err.Error())
}

// sendMail sends a mail to the user, unless the account has already been sent too many. The limit is per account,
// whichever name or client requested the mail.
func (a *accounts) sendMail(ctx context.Context, kind string, u User) error {
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
	account := "subject " + u.Subject // the handler has counted the client and the name that it sent
	tried := false
	err = a.endpoint.attemptCounted(ctx, Attempt{Kind: KindMail, Account: account, Client: account}, func(ctx context.Context) error {
		tried = true
		return a.deliver(ctx, mail)
	})
	if rej := (*usher.Rejection)(nil); !tried && errors.As(err, &rej) {
		return nil // exceeding the limit is not an error
	}
	return err
}
