package jwks_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/jwks"
)

// failures are the ways in which a callback doesn't return, with what errors say about them.
var failures = []struct {
	name, text string
	fail       func()
}{
	{"a panic", "the fetch panicked: broken callback", func() { panic("broken callback") }},
	{"a panic with an error", "the fetch panicked: unexpected EOF", func() { panic(io.ErrUnexpectedEOF) }},
	{"Goexit", "the fetch ended without a result", runtime.Goexit},
}

// brokenBody is a body that can't be read.
type brokenBody struct{ fail func() }

func (b brokenBody) Read([]byte) (int, error) { b.fail(); return 0, io.EOF }
func (b brokenBody) Close() error             { return nil }

func TestAPanicInAFetchIsAFailedAttempt(t *testing.T) {
	for _, place := range []string{"the client", "the body", "the clock"} {
		for _, c := range failures {
			t.Run(place+", "+c.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					set := marshal(t, newKey(t, usher.ES256, "a"))
					issuer := serving(set)
					var last jwks.Fetch
					var failing atomic.Bool
					opts := jwks.RemoteOptions{OnFetch: func(f jwks.Fetch) { last = f }}
					opts.Now = func() time.Time {
						if failing.CompareAndSwap(true, false) {
							c.fail()
						}
						return time.Now()
					}
					remote := newRemote(t, issuer, opts)
					damage := func() {
						issuer.set(func(*http.Request) (*http.Response, error) {
							resp := answer(http.StatusOK, set)
							switch place {
							case "the client":
								c.fail()
							case "the body":
								resp.Body = brokenBody{c.fail}
							case "the clock":
								failing.Store(true) // the next look is that at the end of the fetch
							}
							return resp, nil
						})
					}
					wantFailed := func(err error, keys int) {
						t.Helper()
						if !errors.Is(err, usher.ErrUnavailable) || !strings.Contains(err.Error(), c.text) || !errors.Is(last.Err, err) || last.Keys != keys {
							t.Errorf("the error is %v, and OnFetch gets %+v", err, last)
						}
					}

					damage()
					wantFailed(remote.Refresh(t.Context()), 0)
					wantError(t, remote, "a", usher.ErrUnavailable) // within MinInterval
					issuer.wantFetches(t, 1)
					issuer.serve(set)
					advance(10 * time.Second)
					wantKey(t, remote, "a")
					issuer.wantFetches(t, 2)

					damage()
					advance(time.Hour)
					wantKey(t, remote, "a") // is stale
					_, err := remote.VerificationKeys(t.Context(), "b")
					wantFailed(err, 1)
					issuer.wantFetches(t, 3)
					issuer.serve(marshal(t, newKey(t, usher.ES256, "b")))
					issuer.delay(time.Second)
					advance(10 * time.Second)
					start := time.Now()
					wantKey(t, remote, "a")
					if waited := time.Since(start); waited != 0 {
						t.Errorf("a call for a known key waited %v", waited)
					}
					wantKey(t, remote, "b")
					issuer.wantFetches(t, 4)
				})
			})
		}
	}
}

func TestAnIssuerIsDiscoveredAgainAfterAPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := marshal(t, newKey(t, usher.ES256, "a"))
		issuer := new(fakeIssuer)
		respond := func(r *http.Request) (*http.Response, error) {
			if strings.HasSuffix(r.URL.Path, "/openid-configuration") {
				return answer(http.StatusOK, []byte(`{"issuer":"https://issuer.example","jwks_uri":"`+setURL+`"}`)), nil
			}
			return answer(http.StatusOK, set), nil
		}
		issuer.set(func(r *http.Request) (*http.Response, error) {
			if r.URL.Path == "/keys" {
				panic("broken client")
			}
			return respond(r)
		})
		remote := usher.Must(jwks.NewIssuer("https://issuer.example", &jwks.RemoteOptions{Client: &http.Client{Transport: issuer}}))
		wantError(t, remote, "a", usher.ErrUnavailable)
		issuer.set(respond)
		advance(10 * time.Second)
		wantKey(t, remote, "a")
		issuer.wantFetches(t, 4)
	})
}

func TestAPanicOfOnFetchIsLoggedAndChangesNothingElse(t *testing.T) {
	for _, c := range failures {
		for _, fetch := range failures {
			t.Run(c.name+" after "+fetch.name, func(t *testing.T) {
				log := captureLog(t)
				synctest.Test(t, func(t *testing.T) {
					issuer := serving(marshal(t, newKey(t, usher.ES256, "a")))
					calls := 0
					remote := newRemote(t, issuer, jwks.RemoteOptions{OnFetch: func(jwks.Fetch) { calls++; c.fail() }})
					if err := remote.Refresh(t.Context()); err != nil {
						t.Error(err)
					}
					wantKey(t, remote, "a")
					issuer.set(func(*http.Request) (*http.Response, error) { fetch.fail(); return nil, io.EOF })
					if err := remote.Refresh(t.Context()); !errors.Is(err, usher.ErrUnavailable) || !strings.Contains(err.Error(), fetch.text) {
						t.Errorf("the error is %v", err)
					}
					wantKey(t, remote, "a")
					issuer.serve(marshal(t, newKey(t, usher.ES256, "b")))
					advance(10 * time.Second)
					wantKey(t, remote, "b")
					if calls != 3 {
						t.Errorf("OnFetch was called %d times", calls)
					}
				})
				value, panicked := strings.CutPrefix(c.text, "the fetch panicked: ")
				if got := strings.Count(log.String(), `level=ERROR msg="jwks: OnFetch panicked" panic="`+value+`" stack=`); got != 3 && panicked {
					t.Errorf("%d panics are logged: %s", got, log)
				}
				if !panicked && log.Len() > 0 {
					t.Errorf("the log has %s", log)
				}
			})
		}
	}
}

// captureLog returns what is logged to slog.Default until the test ends.
func captureLog(t *testing.T) *bytes.Buffer {
	t.Helper()
	var log bytes.Buffer
	standard := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	t.Cleanup(func() { slog.SetDefault(standard) })
	return &log
}

func TestAClockThatPanicsInACallLeavesNoLock(t *testing.T) {
	for name, call := range map[string]func(remote *jwks.Remote){
		"VerificationKeys": func(remote *jwks.Remote) { _, _ = remote.VerificationKeys(context.Background(), "a") },
		"Refresh":          func(remote *jwks.Remote) { _ = remote.Refresh(context.Background()) },
		"Keys":             func(remote *jwks.Remote) { remote.Keys() },
	} {
		for _, c := range failures {
			t.Run(name+", "+c.name, func(t *testing.T) {
				issuer := serving(marshal(t, newKey(t, usher.ES256, "a")))
				var failing atomic.Bool
				remote := newRemote(t, issuer, jwks.RemoteOptions{Now: func() time.Time {
					if failing.Load() {
						c.fail()
					}
					return time.Now()
				}})
				failing.Store(true)
				inGoroutine(t, func() {
					defer func() { _ = recover() }()
					call(remote)
					t.Error("the call returned")
				})
				failing.Store(false)
				inGoroutine(t, func() { call(remote) })
				inGoroutine(t, func() {
					if keys, err := remote.VerificationKeys(context.Background(), "a"); err != nil {
						t.Errorf("the keys are %v, %v", keys, err)
					}
				})
			})
		}
	}
}

// inGoroutine calls f, which may end its goroutine. The test fails if f does not end.
func inGoroutine(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("the call does not end")
	}
}
