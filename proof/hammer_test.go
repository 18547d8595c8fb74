package proof_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/go-usher/usher"
)

// These tests are for the race detector: go test -race ./proof -run Hammer.

const (
	hammerers = 8
	blows     = 300
)

// hammer runs work in many goroutines at once, each with its number, and waits.
func hammer(work func(who int)) {
	var all sync.WaitGroup
	for who := range hammerers {
		all.Go(func() { work(who) })
	}
	all.Wait()
}

func namedKey(tb testing.TB, id string) usher.Key {
	tb.Helper()
	key, err := usher.GenerateKey(usher.HS256)
	if err != nil {
		tb.Fatal(err)
	}
	return key.WithID(id)
}

func TestHammerADecoderWhileTheRingRotates(t *testing.T) {
	for _, cacheSize := range []int{0, 3, 1000} {
		t.Run(fmt.Sprintf("CacheSize %d", cacheSize), func(t *testing.T) {
			first := namedKey(t, "0")
			ring := usher.Must(usher.NewKeyRing(first))
			encoder := usher.Must(usher.NewEncoder[usher.Claims](ring, nil))
			decoder := usher.Must(usher.NewDecoder[usher.Claims](ring, &usher.DecoderOptions{CacheSize: cacheSize}))
			stranger := usher.Must(usher.NewEncoder[usher.Claims](namedKey(t, "0"), nil))
			forged := usher.Must(stranger.Encode(t.Context(), usher.Claims{Subject: "7"}))

			done := make(chan struct{})
			var rotation sync.WaitGroup
			rotation.Go(func() {
				for i := 1; ; i++ {
					select {
					case <-done:
						return
					default:
					}
					next := namedKey(t, strconv.Itoa(i))
					if err := errors.Join(ring.Add(next), ring.Rotate(next)); err != nil {
						t.Error(err)
						return
					}
					if i < 3 {
						continue
					}
					// A token of a key that has been retired is refused from then on, remembered or not.
					old := strconv.Itoa(i - 2)
					var retired usher.Key
					for _, key := range ring.Keys() {
						if key.ID() == old {
							retired = key
						}
					}
					last := usher.Must(usher.Must(usher.NewEncoder[usher.Claims](retired, nil)).Encode(t.Context(), usher.Claims{Subject: "7"}))
					if _, err := decoder.Decode(t.Context(), last); err != nil {
						t.Errorf("before its key is retired: %v", err)
					}
					if err := ring.Retire(old); err != nil {
						t.Error(err)
						return
					}
					if _, err := decoder.Decode(t.Context(), last); !errors.Is(err, usher.ErrUnknownKey) {
						t.Errorf("after its key is retired: %v", err)
					}
				}
			})
			// The first key is never retired, so its token never fails.
			lasting := usher.Must(usher.Must(usher.NewEncoder[usher.Claims](first, nil)).Encode(t.Context(), usher.Claims{Subject: "first"}))
			hammer(func(who int) {
				for i := range blows {
					subject := fmt.Sprintf("%d-%d", who, i%5)
					token, err := encoder.Encode(t.Context(), usher.Claims{Subject: subject, Audience: nil})
					if err != nil {
						t.Error(err)
						return
					}
					// Its key may have been retired in between, and nothing else.
					if c, err := decoder.Decode(t.Context(), token); err == nil && c.Subject != subject || err != nil && !errors.Is(err, usher.ErrUnknownKey) {
						t.Errorf("%s: %+v, %v", subject, c, err)
					}
					if c, err := decoder.Decode(t.Context(), lasting); err != nil || c.Subject != "first" {
						t.Errorf("the lasting token: %+v, %v", c, err)
					} else {
						c.Subject = "scribbled over" // the result is the caller's own
					}
					if c, err := decoder.Decode(t.Context(), forged); !errors.Is(err, usher.ErrTokenSignature) {
						t.Errorf("the forged token: %+v, %v", c, err)
					}
				}
			})
			close(done)
			rotation.Wait()
		})
	}
}

func TestHammerKeysOfEveryAlgorithm(t *testing.T) {
	keys := everyKey(t)
	decoder := usher.Must(usher.NewDecoder[usher.Claims](keys, &usher.DecoderOptions{CacheSize: 20}))
	hammer(func(who int) {
		for i := range 2 * len(keys) {
			key := keys[(who+i)%len(keys)]
			subject := strconv.Itoa(who)
			encoder, err := usher.NewEncoder[usher.Claims](key, nil)
			if err != nil {
				t.Error(err)
				return
			}
			token, err := encoder.Encode(t.Context(), usher.Claims{Subject: subject})
			if err != nil {
				t.Error(err)
				return
			}
			for range 2 {
				if c, err := decoder.Decode(t.Context(), token); err != nil || c.Subject != subject {
					t.Errorf("%s: %+v, %v", key.Algorithm(), c, err)
				}
			}
		}
	})
}

type account struct{ id, secret string }

func TestHammerTheMiddlewareWhileTheRingRotates(t *testing.T) {
	ring := usher.Must(usher.NewKeyRing(namedKey(t, "0")))
	encoder := usher.Must(usher.NewEncoder[usher.Claims](ring, nil))
	decoder := usher.Must(usher.NewDecoder[usher.Claims](ring, &usher.DecoderOptions{CacheSize: 10}))
	accounts := map[string]*account{}
	for who := range hammerers {
		id := strconv.Itoa(who)
		accounts[id] = &account{id, "secret of " + id}
	}
	var observed atomic.Int64
	m := usher.Must(usher.NewMiddleware(decoder, func(_ context.Context, c *usher.Claims) (*account, error) {
		if user, ok := accounts[c.Subject]; ok {
			return user, nil
		}
		return nil, usher.ErrNoUser
	}, &usher.MiddlewareOptions{
		Sources: []usher.TokenSource{usher.FromBearer(), usher.FromCookie("token")},
		Check: func(_ context.Context, c *usher.Claims) error {
			if c.ID == "revoked" {
				return usher.ErrTokenRevoked
			}
			return nil
		},
		Observe: func(*http.Request, *usher.Rejection) { observed.Add(1) },
	}))
	readers := m.With(usher.RequireScope("read"))
	mux := http.NewServeMux()
	mux.Handle("/me", m.RequireFunc(func(w http.ResponseWriter, r *http.Request, user *account) {
		inContext, ok := m.User(r.Context())
		claims, ok2 := m.Claims(r.Context())
		if !ok || !ok2 || inContext != user || claims.Subject != user.id {
			t.Errorf("the user is %v, in the context %v, and the claims are %v", user, inContext, claims)
		}
		fmt.Fprint(w, user.secret)
	}))
	mux.Handle("/read", readers.Require(m.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))))
	mux.Handle("/maybe", m.Optional(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, ok := m.User(r.Context()); ok {
			fmt.Fprint(w, user.secret)
		}
	})))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)

	turns := make(chan struct{})
	var rotation sync.WaitGroup
	rotation.Go(func() {
		i := 0
		for range turns {
			i++
			if err := ring.Rotate(namedKey(t, strconv.Itoa(i))); err != nil {
				t.Error(err)
			}
			if i%20 == 0 { // a bounded set, of which the requests under way hold a recent one
				for _, key := range ring.Keys()[10:] {
					if err := ring.Retire(key.ID()); err != nil {
						t.Error(err)
					}
				}
			}
		}
	})
	var rejected atomic.Int64
	hammer(func(who int) {
		id := strconv.Itoa(who)
		for i := range blows / 2 {
			if i%5 == 0 {
				turns <- struct{}{}
			}
			claims := usher.Claims{Subject: id, Scope: "read"}
			path, want, body := "/me", http.StatusOK, "secret of "+id
			switch i % 6 {
			case 1:
				claims.Subject, want = "nobody", http.StatusUnauthorized
			case 2:
				claims.ID, want = "revoked", http.StatusUnauthorized
			case 3:
				path, want, body = "/read", http.StatusNoContent, ""
			case 4:
				path, claims.Scope, want = "/read", "write", http.StatusForbidden
			case 5:
				path = "/maybe"
			}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, http.NoBody)
			if err != nil {
				t.Error(err)
				return
			}
			token, err := encoder.Encode(t.Context(), claims)
			if err != nil {
				t.Error(err)
				return
			}
			if i%2 == 0 {
				r.Header.Set("Authorization", "Bearer "+token)
			} else {
				r.AddCookie(&http.Cookie{Name: "token", Value: token})
			}
			status, got, err := send(server.Client(), r)
			if err != nil {
				t.Error(err)
				return
			}
			if status == http.StatusUnauthorized && want != status { // its key was retired in between
				rejected.Add(1)
				continue
			}
			if status >= 400 {
				rejected.Add(1)
			}
			if status != want || status == http.StatusOK && got != body {
				t.Errorf("%s as %s: %d %s instead of %d", path, claims.Subject, status, got, want)
			}
		}
	})
	close(turns)
	rotation.Wait()
	if observed.Load() != rejected.Load() {
		t.Errorf("%d requests were refused, and %d observed", rejected.Load(), observed.Load())
	}
}
