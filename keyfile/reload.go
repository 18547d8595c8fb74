package keyfile

import (
	"context"
	"fmt"
	"time"

	"github.com/go-usher/usher"
)

// view is what the keys are until files or time change them.
type view struct {
	keys    usher.Keys
	signs   bool      // whether the first one does
	until   time.Time // when time changes the keys; zero if it does not
	settled time.Time // when the files are looked at again
	idle    time.Time // when who asks waits for that
}

// look is one look at the files.
type look struct {
	done chan struct{} // closed when it is over
	err  error
}

// view returns what the keys are now, and has the files looked at if it is time.
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

// lookAgain has the files looked at, unless that was less than pause ago, and waits for it.
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

// start begins a look at the files. k.mu is held.
func (k *Keys) start() *look {
	k.running = &look{done: make(chan struct{})}
	go k.run(k.running)
	return k.running
}

// run is the goroutine of one look.
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

// show makes the keys as they are at now the current view. k.mu is held.
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
