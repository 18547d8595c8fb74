package lease_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-usher/usher/internal/lease"
)

// function is the argument of a call: what is to be done.
type function func() error

func callArg(arg any) error {
	f, _ := arg.(function)
	return f()
}

func newCaller(t *testing.T, life time.Duration) (*lease.Caller, func()) {
	t.Helper()
	l := lease.Start(t.Context(), lease.Terms{
		End:   time.Now().Add(life),
		Renew: func(context.Context, bool) error { return errOver },
	})
	c := lease.NewCaller(l, callArg)
	return c, func() {
		_ = l.Stop()
		c.Stop()
	}
}

func TestACallReturnsWhatItsFunctionDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, stop := newCaller(t, time.Minute)
		defer stop()
		errOwn := errors.New("own")
		for range 3 {
			if err := c.Call(function(func() error { return errOwn })); !errors.Is(err, errOwn) {
				t.Errorf("the function's error: %v", err)
			}
			if err := c.Call(function(func() error { return nil })); err != nil {
				t.Errorf("none: %v", err)
			}
			c.Rest()
			c.Rest()
		}
	})
}

func TestACallEndsWithTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, stop := newCaller(t, time.Minute)
		defer stop()
		began, release := time.Now(), make(chan struct{})
		if err := c.Call(function(func() error { <-release; return nil })); !errors.Is(err, errOver) || time.Since(began) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		close(release)
		if err := c.Call(function(func() error { t.Error("called after the end"); return nil })); !errors.Is(err, errOver) {
			t.Errorf("after the end: %v", err)
		}
	})
}

// The bubble fails if a goroutine is left.
func TestACallerThatIsStoppedLeavesNoGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, stop := newCaller(t, time.Minute)
		release := make(chan struct{})
		during := make(chan error)
		go func() { during <- c.Call(function(func() error { <-release; return nil })) }()
		synctest.Wait()
		stop()
		close(release)
		if err := <-during; err != nil {
			t.Errorf("a call that was under way: %v", err)
		}
		called := false
		if err := c.Call(function(func() error { called = true; return nil })); err != nil || !called {
			t.Errorf("a call after Stop: %v, made: %v", err, called)
		}
	})
}

func TestACallPanicsAsItsFunctionDoes(t *testing.T) {
	c, stop := newCaller(t, time.Hour)
	defer stop()
	for range 2 {
		func() {
			defer func() {
				if v := recover(); v != "oops" {
					t.Errorf("recovered %v", v)
				}
			}()
			_ = c.Call(function(func() error { panic("oops") }))
			t.Error("no panic")
		}()
	}
}

func TestAFunctionThatEndsItsGoroutineFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, stop := newCaller(t, time.Hour)
		defer stop()
		for range 2 {
			if err := c.Call(function(func() error { runtime.Goexit(); return nil })); err == nil {
				t.Error("a function that never returned has succeeded")
			}
		}
		if err := c.Call(function(func() error { return nil })); err != nil {
			t.Errorf("the next call: %v", err)
		}
	})
}
