package ushertest_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
)

// recorder is a testing.TB that keeps what it is told, so that a test can be about tests that fail.
type recorder struct {
	testing.TB
	ctx    context.Context //nolint:containedctx // a TB has one
	errors []string
	fatal  string
}

func (r *recorder) Helper() {}

func (r *recorder) Context() context.Context { return r.ctx }

func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.fatal = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// record runs a test function to its end, as go test does: Fatalf ends its goroutine.
func record(t *testing.T, test func(t testing.TB)) *recorder {
	t.Helper()
	r := &recorder{ctx: t.Context()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		test(r)
	}()
	<-done
	return r
}
