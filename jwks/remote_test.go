package jwks_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/jwks"
)

func TestRemoteFetchesAtFirstUseAndThenAnswersFromMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := serving(marshal(t, newKey(t, usher.ES256, "a"), newKey(t, usher.EdDSA, "b")))
		remote := newRemote(t, issuer, jwks.RemoteOptions{})
		issuer.wantFetches(t, 0)
		for range 3 {
			wantKey(t, remote, "a")
			wantKey(t, remote, "b")
		}
		if all, err := remote.VerificationKeys(t.Context(), ""); err != nil || len(all) != 2 {
			t.Errorf("the keys for a token without kid are %v, %v", all, err)
		}
		issuer.wantFetches(t, 1)
	})
}

func TestRemoteAnswersWithAnAgeingSetAndRefreshesBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := serving(marshal(t, newKey(t, usher.ES256, "a")))
		remote := newRemote(t, issuer, jwks.RemoteOptions{})
		wantKey(t, remote, "a")
		advance(15*time.Minute - time.Second)
		wantKey(t, remote, "a")
		issuer.wantFetches(t, 1)

		advance(time.Second)
		issuer.serve(marshal(t, newKey(t, usher.ES256, "b")))
		issuer.delay(5 * time.Second)
		start := time.Now()
		for range 3 {
			wantKey(t, remote, "a")
		}
		if waited := time.Since(start); waited != 0 {
			t.Errorf("the calls waited %v", waited)
		}
		advance(5 * time.Second)
		synctest.Wait()
		issuer.wantFetches(t, 2)
		wantKey(t, remote, "b")
		wantError(t, remote, "a", usher.ErrUnknownKey)
	})
}

func TestRemoteConfirmsAnIdleSetBeforeItAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := serving(marshal(t, newKey(t, usher.ES256, "withdrawn"), newKey(t, usher.ES256, "a")))
		remote := newRemote(t, issuer, jwks.RemoteOptions{})
		wantKey(t, remote, "withdrawn")
		issuer.serve(marshal(t, newKey(t, usher.ES256, "a")))
		advance(30 * time.Minute)
		wantError(t, remote, "withdrawn", usher.ErrUnknownKey)
		issuer.wantFetches(t, 2)

		issuer.fail() // an idle set that can't be confirmed still serves
		advance(time.Hour)
		wantKey(t, remote, "a")
		issuer.wantFetches(t, 3)
	})
}

func TestRemoteKeepsOldKeysForMaxStaleWhileTheIssuerIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := serving(marshal(t, newKey(t, usher.ES256, "a")))
		remote := newRemote(t, issuer, jwks.RemoteOptions{MaxStale: time.Hour})
		wantKey(t, remote, "a")
		issuer.fail()
		for range 75 - 1 { // 15 minutes of freshness and an hour
			advance(time.Minute)
			wantKey(t, remote, "a")
		}
		advance(time.Minute)
		wantError(t, remote, "a", usher.ErrUnavailable)
		if keys := remote.Keys(); len(keys) != 0 {
			t.Errorf("keys that are too old are still known: %v", keys)
		}
		issuer.serve(marshal(t, newKey(t, usher.ES256, "b")))
		advance(10 * time.Second)
		wantKey(t, remote, "b")
	})
}

func TestAnUnknownKidFetchesAtMostOnceAnInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := serving(marshal(t, newKey(t, usher.ES256, "a")))
		remote := newRemote(t, issuer, jwks.RemoteOptions{})
		wantKey(t, remote, "a")
		wantError(t, remote, "b", usher.ErrUnknownKey)
		issuer.wantFetches(t, 1) // within MinInterval
		advance(10 * time.Second)
		issuer.serve(marshal(t, newKey(t, usher.ES256, "a"), newKey(t, usher.ES256, "b")))
		wantKey(t, remote, "b")
		issuer.wantFetches(t, 2)

		advance(10 * time.Second)
		issuer.fail()
		for range 10 {
			wantError(t, remote, "c", usher.ErrUnavailable)
		}
		issuer.wantFetches(t, 3)
		wantKey(t, remote, "a")
	})
}

// The fetch that runs when the token comes may have begun before its key was published.
func TestAnUnknownKidWaitsForAFetchThatBeganAfterItCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := serving(marshal(t, newKey(t, usher.ES256, "a")))
		remote := newRemote(t, issuer, jwks.RemoteOptions{MinInterval: time.Second})
		wantKey(t, remote, "a")
		advance(time.Second)
		issuer.delay(time.Second)
		go func() { _, _ = remote.VerificationKeys(context.Background(), "stranger") }()
		synctest.Wait() // the fetch has begun
		issuer.serve(marshal(t, newKey(t, usher.ES256, "new")))
		wantKey(t, remote, "new")
		issuer.wantFetches(t, 3)
		if most := issuer.most.Load(); most != 1 {
			t.Errorf("%d fetches at once", most)
		}
		synctest.Wait()
	})
}

// With a long MinInterval, calls do not wait until it has passed.
func TestAnUnknownKidThatCameDuringAFetchIsRefusedWithItIfTheNextIsFarOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := serving(marshal(t, newKey(t, usher.ES256, "a")))
		remote := newRemote(t, issuer, jwks.RemoteOptions{})
		wantKey(t, remote, "a")
		advance(time.Minute)
		issuer.delay(time.Second)
		start := time.Now()
		var calls sync.WaitGroup
		for i := range 100 {
			calls.Go(func() { wantError(t, remote, fmt.Sprint("unknown ", i), usher.ErrUnknownKey) })
		}
		calls.Wait()
		if waited := time.Since(start); waited != time.Second {
			t.Errorf("the calls waited %v", waited)
		}
		issuer.wantFetches(t, 2)
	})
}

func TestAFloodOfUnknownKidsCostsOneFetchAnInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := serving(marshal(t, newKey(t, usher.ES256, "a")))
		remote := newRemote(t, issuer, jwks.RemoteOptions{})
		wantKey(t, remote, "a")
		var calls sync.WaitGroup
		for client := range 10 {
			calls.Go(func() {
				for i := range 600 {
					wantError(t, remote, fmt.Sprintf("%d.%d", client, i), usher.ErrUnknownKey)
					advance(100 * time.Millisecond)
				}
			})
		}
		calls.Wait()
		if got := issuer.fetches.Load(); got > 7 {
			t.Errorf("%d fetches in a minute", got)
		}
	})
}

func TestAttemptsCountAndNotSuccesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := new(fakeIssuer)
		issuer.fail()
		remote := newRemote(t, issuer, jwks.RemoteOptions{})
		for range 60 {
			wantError(t, remote, "a", usher.ErrUnavailable)
			advance(time.Second)
		}
		issuer.wantFetches(t, 6)
		issuer.serve(marshal(t, newKey(t, usher.ES256, "a"))) // starts without the issuer, and goes on with it
		wantKey(t, remote, "a")
	})
}

func TestWaitingCallsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := serving(marshal(t, newKey(t, usher.ES256, "a")))
		issuer.delay(5 * time.Second)
		remote := newRemote(t, issuer, jwks.RemoteOptions{})
		var served, refused atomic.Int64
		var calls sync.WaitGroup
		for range 1100 {
			calls.Go(func() {
				start := time.Now()
				switch _, err := remote.VerificationKeys(t.Context(), "a"); {
				case err == nil:
					served.Add(1)
				case errors.Is(err, usher.ErrUnavailable) && time.Since(start) == 0:
					refused.Add(1)
				}
			})
		}
		calls.Wait()
		if served.Load() != 1000 || refused.Load() != 100 {
			t.Errorf("%d served, %d refused at once", served.Load(), refused.Load())
		}
		issuer.wantFetches(t, 1)
		wantKey(t, remote, "a")
	})
}

func TestCallsThatHaveWaitedNoLongerCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := new(fakeIssuer)
		issuer.fail()
		issuer.delay(5 * time.Second)
		remote := newRemote(t, issuer, jwks.RemoteOptions{})
		for range 2 {
			var calls sync.WaitGroup
			for range 600 {
				calls.Go(func() {
					start := time.Now()
					if _, err := remote.VerificationKeys(t.Context(), "a"); !errors.Is(err, usher.ErrUnavailable) || time.Since(start) == 0 {
						t.Errorf("%v after %v", err, time.Since(start))
					}
				})
			}
			calls.Wait()
			advance(time.Minute)
		}
	})
}

func TestAFetchFollowsFiveRedirects(t *testing.T) {
	set := marshal(t, newKey(t, usher.ES256, "a"))
	for redirects, ok := range map[int]bool{0: true, 5: true, 6: false} {
		synctest.Test(t, func(t *testing.T) {
			issuer, left := new(fakeIssuer), redirects
			issuer.set(func(*http.Request) (*http.Response, error) {
				if left == 0 {
					return answer(http.StatusOK, set), nil
				}
				left--
				return answer(http.StatusFound, nil, "Location", "/keys"), nil
			})
			err := newRemote(t, issuer, jwks.RemoteOptions{}).Refresh(t.Context())
			if (err == nil) != ok || !ok && !strings.Contains(err.Error(), "redirected more than 5 times") {
				t.Errorf("%d redirects: %v", redirects, err)
			}
		})
	}
}

func TestAFetchIsIndependentOfRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := serving(marshal(t, newKey(t, usher.ES256, "a")))
		issuer.delay(5 * time.Second)
		remote := newRemote(t, issuer, jwks.RemoteOptions{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := remote.VerificationKeys(ctx, "a")
		if !errors.Is(err, usher.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the error is %v", err)
		}
		wantKey(t, remote, "a") // from the fetch that the first call began
		issuer.wantFetches(t, 1)
	})
}

func TestAFetchEndsByItsOwnTimeLimit(t *testing.T) {
	for _, limit := range []time.Duration{0, 3 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			issuer := serving(nil)
			issuer.delay(time.Hour)
			remote, err := jwks.NewRemote(setURL, &jwks.RemoteOptions{Client: &http.Client{Transport: issuer, Timeout: limit}})
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			_, err = remote.VerificationKeys(t.Context(), "a")
			// That the fetch ran out of time does not mean that the request did.
			if !errors.Is(err, usher.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the error is %v", err)
			}
			want := limit
			if want == 0 {
				want = 10 * time.Second
			}
			if took := time.Since(start); took != want {
				t.Errorf("the fetch took %v instead of %v", took, want)
			}
		})
	}
}

func TestFreshnessFollowsCacheControlWithinBounds(t *testing.T) {
	for _, c := range []struct {
		name   string
		header []string
		maxAge time.Duration
		want   time.Duration
	}{
		{name: "absent", want: 15 * time.Minute},
		{name: "absent, own MaxAge", maxAge: 5 * time.Minute, want: 5 * time.Minute},
		{name: "an hour", header: []string{"Cache-Control", "public, max-age=3600"}, want: time.Hour},
		{name: "upper case and quoted", header: []string{"Cache-Control", `Public, Max-Age="3600"`}, want: time.Hour},
		{name: "the first counts", header: []string{"Cache-Control", "max-age=600", "Cache-Control", "max-age=1200"}, want: 10 * time.Minute},
		{name: "less than the floor", header: []string{"Cache-Control", "max-age=15"}, want: time.Minute},
		{name: "no-cache", header: []string{"Cache-Control", "max-age=3600, no-cache"}, want: time.Minute},
		{name: "no-store", header: []string{"Cache-Control", "no-store"}, want: time.Minute},
		{name: "no-cache, MaxAge below the floor", header: []string{"Cache-Control", "no-cache"}, maxAge: 20 * time.Second, want: 20 * time.Second},
		{name: "a year", header: []string{"Cache-Control", "max-age=31536000"}, want: 24 * time.Hour},
		{name: "more than fits", header: []string{"Cache-Control", "max-age=99999999999999999999"}, want: 24 * time.Hour},
		{name: "Age", header: []string{"Cache-Control", "max-age=3600", "Age", "3000"}, want: 10 * time.Minute},
		{name: "Age beyond max-age", header: []string{"Cache-Control", "max-age=3600", "Age", "9000"}, want: time.Minute},
		{name: "Age is no number", header: []string{"Cache-Control", "max-age=3600", "Age", "-1"}, want: time.Hour},
		{name: "max-age is no number", header: []string{"Cache-Control", "max-age=soon"}, want: 15 * time.Minute},
		{name: "of shared caches", header: []string{"Cache-Control", "s-maxage=3600"}, want: 15 * time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				issuer := serving(marshal(t, newKey(t, usher.ES256, "a")), c.header...)
				remote := newRemote(t, issuer, jwks.RemoteOptions{MaxAge: c.maxAge})
				wantKey(t, remote, "a")
				advance(c.want - 1)
				wantKey(t, remote, "a")
				synctest.Wait()
				issuer.wantFetches(t, 1)
				advance(1)
				wantKey(t, remote, "a")
				synctest.Wait()
				issuer.wantFetches(t, 2)
			})
		})
	}
}

func TestKeysThatStayInTheSetStayTheSameValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stays, changes := newKey(t, usher.ES256, "stays"), newKey(t, usher.ES256, "changes")
		issuer := serving(marshal(t, stays, changes))
		remote := newRemote(t, issuer, jwks.RemoteOptions{})
		before := wantKey(t, remote, "stays")
		replaced := wantKey(t, remote, "changes")
		advance(time.Minute)
		issuer.serve(marshal(t, newKey(t, usher.ES256, "changes"), stays))
		if err := remote.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if after := wantKey(t, remote, "stays"); after != before {
			t.Error("a key that is still in the set is another value")
		}
		if after := wantKey(t, remote, "changes"); after == replaced {
			t.Error("a key that was replaced under the same kid is still used")
		}
	})
}

// Remembered tokens go with the key that verified them, and only with it.
func TestADecodersCacheFollowsTheSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := newKey(t, usher.EdDSA, "a")
		issuer := serving(marshal(t, key))
		remote := newRemote(t, issuer, jwks.RemoteOptions{})
		encoder := usher.Must(usher.NewEncoder[usher.Claims](key, &usher.EncoderOptions{TTL: 24 * time.Hour}))
		decoder := usher.Must(usher.NewDecoder[usher.Claims](remote, &usher.DecoderOptions{CacheSize: 10}))
		token := usher.Must(encoder.Encode(t.Context(), usher.Claims{Subject: "ada"}))
		for range 3 {
			if _, err := decoder.Decode(t.Context(), token); err != nil {
				t.Fatal(err)
			}
			advance(15 * time.Minute)
		}
		issuer.serve(marshal(t, newKey(t, usher.EdDSA, "a")))
		advance(time.Hour)
		if _, err := decoder.Decode(t.Context(), token); !errors.Is(err, usher.ErrTokenSignature) {
			t.Errorf("with another key under the same kid: %v", err)
		}
	})
}

func TestOnFetchReportsEveryAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fetches []jwks.Fetch
		issuer := new(fakeIssuer)
		issuer.fail()
		remote := newRemote(t, issuer, jwks.RemoteOptions{OnFetch: func(f jwks.Fetch) { fetches = append(fetches, f) }})
		if err := remote.Refresh(t.Context()); !errors.Is(err, usher.ErrUnavailable) {
			t.Errorf("the error is %v", err)
		}
		issuer.serve([]byte(`{"keys":[{"kty":"oct","k":"AAAA","kid":"secret"},` + string(marshal(t, newKey(t, usher.ES256, "a"))[len(`{"keys":[`):])))
		if err := remote.Refresh(t.Context()); err != nil {
			t.Error(err)
		}
		issuer.serve([]byte(`{"keys":[]}`))
		if err := remote.Refresh(t.Context()); !errors.Is(err, usher.ErrUnavailable) {
			t.Errorf("the error is %v", err)
		}
		if len(fetches) != 3 {
			t.Fatalf("%d reports instead of 3", len(fetches))
		}
		for i, want := range []struct {
			fails         bool
			skipped, keys int
		}{{true, 0, 0}, {false, 1, 1}, {true, 0, 1}} {
			if got := fetches[i]; (got.Err != nil) != want.fails || len(got.Skipped) != want.skipped || got.Keys != want.keys {
				t.Errorf("report %d is %+v", i, got)
			}
		}
	})
}

func TestRefreshWaitsForTheIntervalAndJoinsAFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := serving(marshal(t, newKey(t, usher.ES256, "a")))
		issuer.delay(time.Second)
		remote := newRemote(t, issuer, jwks.RemoteOptions{})
		var calls sync.WaitGroup
		for range 10 {
			calls.Go(func() {
				if err := remote.Refresh(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		calls.Wait()
		issuer.wantFetches(t, 1)
		issuer.serve(marshal(t, newKey(t, usher.ES256, "b")))
		start := time.Now()
		if err := remote.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(start); waited != 10*time.Second {
			t.Errorf("it waited %v", waited)
		}
		wantKey(t, remote, "b")

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := remote.Refresh(ctx); !errors.Is(err, context.Canceled) || !errors.Is(err, usher.ErrUnavailable) {
			t.Errorf("with a context that has ended: %v", err)
		}
		advance(time.Minute)
		issuer.delay(time.Second)
		if err := remote.Refresh(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("with a context that has ended, while it fetches: %v", err)
		}
		advance(time.Minute)
	})
}

func TestKeysAreACopyAndStartAFetchWhereThereAreNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := serving(marshal(t, newKey(t, usher.ES256, "a")))
		remote := newRemote(t, issuer, jwks.RemoteOptions{})
		if keys := remote.Keys(); len(keys) != 0 {
			t.Errorf("without a fetch there are %v", keys)
		}
		synctest.Wait()
		keys := remote.Keys()
		if len(keys) != 1 || keys[0].ID() != "a" {
			t.Fatalf("the keys are %v", keys)
		}
		keys[0] = usher.Key{}
		wantKey(t, remote, "a")
		issuer.wantFetches(t, 1)
	})
}

func TestRemoteWithAClockOfItsOwnLooksAtIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var offset atomic.Int64
		now := func() time.Time { return time.Unix(offset.Load(), 0) }
		issuer := serving(marshal(t, newKey(t, usher.ES256, "a")))
		remote := newRemote(t, issuer, jwks.RemoteOptions{Now: now})
		wantKey(t, remote, "a")
		advance(time.Hour) // does not matter
		wantKey(t, remote, "a")
		issuer.wantFetches(t, 1)
		offset.Store(15 * 60)
		wantKey(t, remote, "a")
		synctest.Wait()
		issuer.wantFetches(t, 2)
		issuer.serve(marshal(t, newKey(t, usher.ES256, "b")))
		offset.Store(60 * 60)
		wantError(t, remote, "a", usher.ErrUnknownKey)
		issuer.wantFetches(t, 3)
		if err := remote.Refresh(t.Context()); err != nil { // although the clock stands still
			t.Error(err)
		}
		issuer.wantFetches(t, 4)
	})
}

func TestAnAgeingSetAnswersWhileTheIssuerIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := serving(marshal(t, newKey(t, usher.ES256, "a")))
		remote := newRemote(t, issuer, jwks.RemoteOptions{})
		wantKey(t, remote, "a")
		issuer.fail()
		issuer.delay(8 * time.Second)
		advance(15 * time.Minute)
		for range 3600 {
			start := time.Now()
			wantKey(t, remote, "a")
			if waited := time.Since(start); waited != 0 {
				t.Fatalf("a call waited %v", waited)
			}
			advance(time.Second)
		}
		if got := issuer.fetches.Load(); got < 3600/20 || got > 3600/18+2 {
			t.Errorf("%d fetches in an hour", got)
		}
		advance(time.Minute)
	})
}

func TestNewRemoteReportsEveryMistake(t *testing.T) {
	negative := &jwks.RemoteOptions{
		MaxAge: -1, MaxStale: -1, MinInterval: -1, MetadataURL: setURL,
		DefaultAlgorithms: []usher.Algorithm{usher.HS256, "none"},
		Client:            &http.Client{Timeout: -1},
	}
	_, err := jwks.NewRemote("http://issuer.example/", negative)
	wantConfigErrors(t, err, "RemoteOptions.DefaultAlgorithms", "RemoteOptions.DefaultAlgorithms", "RemoteOptions.MaxAge",
		"RemoteOptions.MaxStale", "RemoteOptions.MinInterval", "RemoteOptions.Client", "RemoteOptions.MetadataURL", "url")
	_, err = jwks.NewRemote(setURL, &jwks.RemoteOptions{DefaultAlgorithms: []usher.Algorithm{}})
	wantConfigErrors(t, err, "RemoteOptions.DefaultAlgorithms")
	_, err = jwks.NewIssuer("", &jwks.RemoteOptions{MetadataURL: "http://issuer.example"})
	wantConfigErrors(t, err, "issuer", "RemoteOptions.MetadataURL")
}

func TestURLsOfSetsAndIssuers(t *testing.T) {
	for _, c := range []struct {
		url       string
		allowHTTP bool
		ok        bool
	}{
		{url: "https://issuer.example", ok: true},
		{url: "https://issuer.example:8443/tenants/1/", ok: true},
		{url: "http://localhost:8080", ok: true},
		{url: "http://127.0.0.1:8080/x", ok: true},
		{url: "http://[::1]:8080/x", ok: true},
		{url: "http://issuer.example"},
		{url: "http://issuer.example", allowHTTP: true, ok: true},
		{url: "http://localhost.example"},
		{url: "http://128.0.0.1"},
		{url: "issuer.example"},
		{url: "//issuer.example"},
		{url: "https:issuer.example"},
		{url: "https://"},
		{url: ""},
		{url: "https://user:password@issuer.example"},
		{url: "https://issuer.example#x"},
		{url: "ftp://issuer.example"},
		{url: "file:///etc/keys", allowHTTP: true},
		{url: "https://issuer.example/%zz"},
	} {
		opts := &jwks.RemoteOptions{DangerouslyAllowHTTP: c.allowHTTP}
		if _, err := jwks.NewRemote(c.url, opts); (err == nil) != c.ok {
			t.Errorf("as a set's URL %q: %v", c.url, err)
		}
		if _, err := jwks.NewIssuer(c.url, opts); (err == nil) != c.ok {
			t.Errorf("as an issuer %q: %v", c.url, err)
		}
	}
	if _, err := jwks.NewRemote("https://issuer.example/keys?v=1", nil); err != nil {
		t.Error(err)
	}
	if _, err := jwks.NewIssuer("https://issuer.example?x=1", nil); err == nil {
		t.Error("an issuer with a query was accepted")
	}
}

func TestARemoteThatWasNotConstructedAnswersWithAnError(t *testing.T) {
	for _, remote := range []*jwks.Remote{nil, new(jwks.Remote)} {
		var config *usher.ConfigError
		if _, err := remote.VerificationKeys(t.Context(), "a"); !errors.As(err, &config) {
			t.Errorf("VerificationKeys: %v", err)
		}
		if err := remote.Refresh(t.Context()); !errors.As(err, &config) {
			t.Errorf("Refresh: %v", err)
		}
		if keys := remote.Keys(); keys != nil {
			t.Errorf("Keys: %v", keys)
		}
	}
}

func TestDefaultAlgorithmsOfARemoteAreFixedAtItsConstruction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := usher.Must(usher.NewKey(usher.RS256, rsaKey())).WithID("a")
		set := slices.Concat(marshal(t, key)) // names RS256
		withoutAlg := []byte(replaceOnce(t, string(set), `"alg":"RS256",`, ""))
		algs := []usher.Algorithm{usher.PS256, usher.ES256, usher.RS256, usher.PS256}
		remote := newRemote(t, serving(withoutAlg), jwks.RemoteOptions{DefaultAlgorithms: algs})
		algs[0] = usher.RS512
		keys, err := remote.VerificationKeys(t.Context(), "a")
		if err != nil || len(keys) != 2 || keys[0].Algorithm() != usher.PS256 || keys[1].Algorithm() != usher.RS256 {
			t.Errorf("the keys are %v, %v", keys, err)
		}
	})
}

func TestNewRemoteRefusesDurationsOfLessThanASecond(t *testing.T) {
	for field, options := range map[string]func(time.Duration) *jwks.RemoteOptions{
		"RemoteOptions.MaxAge":      func(d time.Duration) *jwks.RemoteOptions { return &jwks.RemoteOptions{MaxAge: d} },
		"RemoteOptions.MaxStale":    func(d time.Duration) *jwks.RemoteOptions { return &jwks.RemoteOptions{MaxStale: d} },
		"RemoteOptions.MinInterval": func(d time.Duration) *jwks.RemoteOptions { return &jwks.RemoteOptions{MinInterval: d} },
	} {
		for _, d := range []time.Duration{1, 3600, time.Second - 1} {
			_, err := jwks.NewRemote(setURL, options(d))
			wantConfigErrors(t, err, field)
			_, err = jwks.NewIssuer("https://issuer.example", options(d))
			wantConfigErrors(t, err, field)
		}
		if _, err := jwks.NewRemote(setURL, options(time.Second)); err != nil {
			t.Errorf("%s of a second: %v", field, err)
		}
	}
}
