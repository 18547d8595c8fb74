package jwks_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/jwks"
)

func ids(keys usher.Keys) string {
	text := ""
	for _, key := range keys {
		text += key.ID()
	}
	return text
}

func TestRotatePublishesThenWaitsThenSigns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := newKey(t, usher.ES256, "b")
		ring := usher.Must(usher.NewKeyRing(newKey(t, usher.ES256, "a")))
		done := make(chan error)
		go func() { done <- jwks.Rotate(t.Context(), ring, next, 15*time.Minute) }()
		synctest.Wait()
		if got := ids(ring.Keys()); got != "ab" {
			t.Errorf("at first the ring has %s", got)
		}
		advance(15*time.Minute - 1)
		synctest.Wait()
		if got := ids(ring.Keys()); got != "ab" {
			t.Errorf("before the wait is over the ring has %s", got)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if got := ids(ring.Keys()); got != "ba" {
			t.Errorf("in the end the ring has %s", got)
		}
	})
}

func TestRotateThatIsInterruptedCanBeRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := newKey(t, usher.ES256, "b")
		ring := usher.Must(usher.NewKeyRing(newKey(t, usher.ES256, "a")))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := jwks.Rotate(ctx, ring, next, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the error is %v", err)
		}
		if got := ids(ring.Keys()); got != "ab" {
			t.Errorf("the ring has %s", got)
		}
		if err := jwks.Rotate(t.Context(), ring, next, time.Hour); err != nil || ids(ring.Keys()) != "ba" {
			t.Errorf("the ring has %s, %v", ids(ring.Keys()), err)
		}
	})
}

func TestRotateRefusesWhatCannotSignBeforeItChangesAnything(t *testing.T) {
	ring := usher.Must(usher.NewKeyRing(newKey(t, usher.ES256, "a")))
	public, _ := newKey(t, usher.ES256, "b").Public()
	wantConfigErrors(t, jwks.Rotate(t.Context(), ring, public, 0), "wait", "key")
	wantConfigErrors(t, jwks.Rotate(t.Context(), ring, newKey(t, usher.ES256, "a"), time.Hour), "key")
	wantConfigErrors(t, jwks.Rotate(t.Context(), nil, newKey(t, usher.ES256, "a"), time.Hour), "ring")
	if got := ids(ring.Keys()); got != "a" {
		t.Errorf("the ring has %s", got)
	}
}

func TestRotateRefusesAWaitOfLessThanASecond(t *testing.T) {
	ring := usher.Must(usher.NewKeyRing(newKey(t, usher.ES256, "a")))
	for _, wait := range []time.Duration{-1, 0, 1, 900, time.Second - 1} {
		wantConfigErrors(t, jwks.Rotate(t.Context(), ring, newKey(t, usher.ES256, "b"), wait), "wait")
		if got := ids(ring.Keys()); got != "a" {
			t.Errorf("after a wait of %v the ring has %s", wait, got)
		}
	}
}
