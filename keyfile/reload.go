package keyfile

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
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
	began time.Time
	done  chan struct{} // closed at the end
	err   error
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
		l = k.start(now)
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
	now := k.now()
	k.mu.Lock()
	l := k.running
	if l == nil && !now.Before(k.lookedAt.Add(pause)) {
		l = k.start(now)
	}
	k.mu.Unlock()
	if l == nil {
		return nil
	}
	return l.wait(ctx)
}

// start starts a check of the files. k.mu is held.
func (k *Keys) start(now time.Time) *look {
	k.running = &look{began: now, done: make(chan struct{})}
	go k.run(k.running)
	return k.running
}

// result is what a check has found.
type result struct {
	files []file
	ended time.Time
	err   error
}

// run is the goroutine of one check. It continues by defer if the clock or OnReload panics or calls runtime.Goexit.
func (k *Keys) run(l *look) {
	defer k.release(l)
	r := result{ended: l.began, err: configError(k.path, "was not checked: the check ended without a result")}
	defer func() {
		if p := recover(); p != nil {
			r.err = configError(k.path, fmt.Sprintf("was not checked: the check panicked: %v", p))
		}
		if k.finish(l, r) {
			k.report(l.err)
		}
	}()
	r = k.find()
}

// find reads the files.
func (k *Keys) find() result {
	k.mu.Lock()
	known := k.state.files
	k.mu.Unlock()
	files, err := k.read(known)
	return result{files, k.now(), err}
}

// finish stores the result of a check. It reports whether OnReload is to be called.
func (k *Keys) finish(l *look, r result) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	changed := false
	l.err = r.err
	if l.err == nil {
		l.err = k.state.wouldLoseSigner(r.files, k.path)
	}
	if l.err == nil {
		changed = k.state.change(r.files, r.ended, &k.opts)
	}
	k.lookedAt = r.ended
	k.show(r.ended)
	problem := ""
	if l.err != nil {
		problem = l.err.Error()
	}
	report := problem != k.problem || changed
	k.problem = problem
	return report
}

// report calls OnReload. It logs a panic, because in this goroutine it would end the process.
func (k *Keys) report(err error) {
	if k.opts.OnReload == nil {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			slog.Error("keyfile: OnReload panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	k.opts.OnReload(err)
}

// release lets the next check begin and ends the waiting for this one.
func (k *Keys) release(l *look) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.running = nil
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
