package keyfile

import (
	"context"
	"fmt"
	"time"

	"github.com/go-usher/usher"
)

// view is the keys between two changes.
type view struct {
	keys    usher.Keys
	signs   bool      // the first key is the signing key
	until   time.Time // when the keys change without a change of files; zero if they don't
	settled time.Time // when the next check of the files is due
	idle    time.Time // from when on calls wait for the check
}

// look is one check of the files.
type look struct {
	done chan struct{} // closed at the end
	err  error
}

// view returns the current keys. It starts a check of the files if one is due.
func (k *Keys) view(ctx context.Context) (*view, error) {
	if k == nil || k.now == nil {
		return nil, notOpened()
	}
	v, now := k.current.Load(), k.now()
	if now.Before(v.settled) && (v.until.IsZero() || now.Before(v.until)) {
		return v, nil
	}
	k.mu.Lock()
	if v = k.current.Load(); !v.until.IsZero() && !now.Before(v.until) {
		v = k.show(now)
	}
	l := k.running
	if l == nil && !now.Before(v.settled) {
		l = k.start()
	}
	k.mu.Unlock()
	if l == nil || now.Before(v.idle) {
		return v, nil
	}
	if err := l.wait(ctx); err != nil {
		return nil, err
	}
	return k.current.Load(), nil
}

// lookAgain checks the files and waits for the result, unless the last check was less than pause ago.
func (k *Keys) lookAgain(ctx context.Context, pause time.Duration) error {
	k.mu.Lock()
	l := k.running
	if l == nil && !k.now().Before(k.lookedAt.Add(pause)) {
		l = k.start()
	}
	k.mu.Unlock()
	if l == nil {
		return nil
	}
	return l.wait(ctx)
}

// start starts a check of the files. k.mu is held.
func (k *Keys) start() *look {
	k.running = &look{done: make(chan struct{})}
	go k.run(k.running)
	return k.running
}

// run is the goroutine of one check.
func (k *Keys) run(l *look) {
	k.mu.Lock()
	known := k.state.files
	k.mu.Unlock()
	files, err := k.read(known)

	k.mu.Lock()
	now := k.now()
	changed := false
	if err == nil {
		err = k.state.wouldLoseSigner(files, k.path)
	}
	if err == nil {
		changed = k.state.change(files, now, &k.opts)
	}
	k.lookedAt = now
	k.show(now)
	l.err = err
	problem := ""
	if err != nil {
		problem = err.Error()
	}
	report := problem != k.problem || changed
	k.problem = problem
	k.mu.Unlock()

	if report && k.opts.OnReload != nil {
		k.opts.OnReload(err)
	}
	k.mu.Lock()
	k.running = nil
	k.mu.Unlock()
	close(l.done)
}

// show stores and returns the view at now. k.mu is held.
func (k *Keys) show(now time.Time) *view {
	v := k.state.at(now, &k.opts)
	v.settled = k.lookedAt.Add(k.opts.Interval)
	v.idle = k.lookedAt.Add(2 * k.opts.Interval)
	k.current.Store(v)
	return v
}

func (l *look) wait(ctx context.Context) error {
	select {
	case <-l.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: waiting for key files: %w", usher.ErrUnavailable, context.Cause(ctx))
	}
}
