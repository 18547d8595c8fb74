package jwks_test

import (
	"fmt"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/jwks"
)

// TestAPlannedRotationUnderLoadRefusesNothing rotates an issuer's key again and again while clients log in and use
// their tokens at a service that knows the issuer's URL alone.
func TestAPlannedRotationUnderLoadRefusesNothing(t *testing.T) {
	const (
		wait   = 50 * time.Millisecond
		faster = 200 // a second of the verifier's clock, its MinInterval, is 5 ms
	)
	begin := time.Now()
	clock := func() time.Time { return begin.Add(faster * time.Since(begin)) }
	duration := 3 * time.Second
	if testing.Short() {
		duration = time.Second
	}
	ring := usher.Must(usher.NewKeyRing(newKey(t, usher.EdDSA, "key 0")))
	handler := usher.Must(jwks.Handler(ring.Keys, nil))
	server := httptest.NewServer(handler)
	defer server.Close()
	remote := usher.Must(jwks.NewRemote(server.URL, &jwks.RemoteOptions{MinInterval: time.Second, Now: clock}))
	encoder := usher.Must(usher.NewEncoder[usher.Claims](ring, nil))
	decoder := usher.Must(usher.NewDecoder[usher.Claims](remote, &usher.DecoderOptions{CacheSize: 100}))

	stop := make(chan struct{})
	var accepted, refused atomic.Int64
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				token, err := encoder.Encode(t.Context(), usher.Claims{Subject: "ada"})
				if err != nil {
					t.Error(err)
					return
				}
				for range 3 {
					if _, err := decoder.Decode(t.Context(), token); err != nil {
						refused.Add(1)
						t.Error(err)
						return
					}
					accepted.Add(1)
				}
			}
		})
	}
	rotations := 0
	for start := time.Now(); time.Since(start) < duration; rotations++ {
		next := newKey(t, usher.EdDSA, fmt.Sprint("key ", rotations+1))
		if err := ring.Add(next); err != nil { // as jwks.Rotate does, which waits for a second or more
			t.Fatal(err)
		}
		<-time.After(wait)
		if err := ring.Rotate(next); err != nil {
			t.Fatal(err)
		}
		// A client may wait for MinInterval by the real clock, which is a second, so its token must live longer than that.
		if old := rotations - 50; old >= 0 {
			if err := ring.Retire(fmt.Sprint("key ", old)); err != nil {
				t.Fatal(err)
			}
		}
	}
	close(stop)
	clients.Wait()
	t.Logf("%d rotations, %d tokens accepted, %d refused", rotations, accepted.Load(), refused.Load())
	if rotations < 5 || accepted.Load() < 100 {
		t.Errorf("only %d rotations and %d tokens", rotations, accepted.Load())
	}
}
