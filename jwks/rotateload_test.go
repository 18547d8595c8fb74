package jwks_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/jwks"
)

// TestRotateUnderLoadRefusesNothing rotates a key six times by Rotate, with the times of production, and retires the old keys.
// Clients send requests to busy services and to one that is idle for longer than a set is fresh. No request is refused, and
// no service fetches more often than sets age.
func TestRotateUnderLoadRefusesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const (
			rotations = 6
			maxAge    = 15 * time.Minute // HandlerOptions and RemoteOptions agree by default
			ttl       = 15 * time.Minute // EncoderOptions, too
		)
		ring := usher.Must(usher.NewKeyRing(newKey(t, usher.EdDSA, "key 0")))
		handler := usher.Must(jwks.Handler(ring.Keys, nil))
		encoder := usher.Must(usher.NewEncoder[usher.Claims](ring, nil))
		stop := make(chan struct{})
		var clients sync.WaitGroup
		var mu sync.Mutex
		accepted := map[string]int{} // by kid
		var services []*fakeIssuer
		for i, pause := range []time.Duration{3 * time.Second, 7 * time.Second, time.Minute, 40 * time.Minute} {
			issuer := new(fakeIssuer)
			issuer.set(func(r *http.Request) (*http.Response, error) {
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, r)
				return w.Result(), nil
			})
			issuer.delay(time.Duration(i+1) * 150 * time.Millisecond)
			services = append(services, issuer)
			remote := newRemote(t, issuer, jwks.RemoteOptions{})
			decoder := usher.Must(usher.NewDecoder[usher.Claims](remote, &usher.DecoderOptions{CacheSize: 100}))
			clients.Go(func() {
				for old := ""; ; {
					token, err := encoder.Encode(t.Context(), usher.Claims{Subject: "ada"})
					if err != nil {
						t.Error(err)
						return
					}
					key, _ := ring.SigningKey(t.Context())
					for _, shown := range []string{token, old} { // the one before is used up to the end of its life
						if shown == "" {
							continue
						}
						if _, err := decoder.Decode(t.Context(), shown); err != nil {
							t.Errorf("a service that is asked every %v: %v", pause, err)
						}
					}
					mu.Lock()
					accepted[key.ID()]++
					mu.Unlock()
					if old = token; pause >= ttl {
						old = ""
					}
					select {
					case <-stop:
						return
					case <-time.After(pause):
					}
				}
			})
		}
		begin := time.Now()
		<-time.After(time.Minute)
		for n := range rotations {
			next := newKey(t, usher.EdDSA, fmt.Sprint("key ", n+1))
			if err := jwks.Rotate(t.Context(), ring, next, maxAge); err != nil {
				t.Fatal(err)
			}
			<-time.After(ttl + 2*time.Second) // a date is whole seconds
			if err := ring.Retire(fmt.Sprint("key ", n)); err != nil {
				t.Fatal(err)
			}
		}
		close(stop)
		clients.Wait()
		elapsed := time.Since(begin)
		for i, service := range services {
			// No key was unknown to a service whose set was fresh, so that none fetched because of one.
			if fetches, most := service.fetches.Load(), int64(elapsed/maxAge)+1; fetches > most {
				t.Errorf("service %d fetched %d times in %v, more than %d times", i, fetches, elapsed, most)
			}
		}
		for n := range rotations + 1 {
			if id := fmt.Sprint("key ", n); accepted[id] < 20 {
				t.Errorf("%d tokens of %s were accepted", accepted[id], id)
			}
		}
	})
}
