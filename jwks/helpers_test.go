package jwks_test

import (
	"bytes"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/jwks"
)

const setURL = "https://issuer.example/keys"

// rsaKey takes long to make, so the tests share one.
var rsaKey = sync.OnceValue(func() *rsa.PrivateKey { return usher.Must(rsa.GenerateKey(rand.Reader, 2048)) })

func newKey(t testing.TB, alg usher.Algorithm, id string) usher.Key {
	t.Helper()
	key, err := usher.GenerateKey(alg)
	if err != nil {
		t.Fatal(err)
	}
	return key.WithID(id)
}

func marshal(t testing.TB, keys ...usher.Key) []byte {
	t.Helper()
	set, err := jwks.Marshal(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// fakeIssuer is an http.RoundTripper that answers without a network, so that it works with testing/synctest.
type fakeIssuer struct {
	fetches atomic.Int64
	running atomic.Int64
	most    atomic.Int64 // fetches at once

	mu     sync.Mutex
	answer func(*http.Request) (*http.Response, error)
}

func serving(set []byte, header ...string) *fakeIssuer {
	f := new(fakeIssuer)
	f.serve(set, header...)
	return f
}

func (f *fakeIssuer) serve(set []byte, header ...string) {
	f.set(func(*http.Request) (*http.Response, error) { return answer(http.StatusOK, set, header...), nil })
}

func (f *fakeIssuer) fail() {
	f.set(func(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") })
}

// delay makes every answer take this long, or as long as the request allows. The answer is what there was at its
// beginning.
func (f *fakeIssuer) delay(d time.Duration) {
	f.mu.Lock()
	next := f.answer
	f.mu.Unlock()
	f.set(func(r *http.Request) (*http.Response, error) {
		resp, err := next(r)
		select {
		case <-time.After(d):
			return resp, err
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	})
}

func (f *fakeIssuer) set(answer func(*http.Request) (*http.Response, error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = answer
}

func (f *fakeIssuer) RoundTrip(r *http.Request) (*http.Response, error) {
	f.fetches.Add(1)
	if running := f.running.Add(1); running > f.most.Load() {
		f.most.Store(running)
	}
	defer f.running.Add(-1)
	f.mu.Lock()
	answer := f.answer
	f.mu.Unlock()
	return answer(r)
}

func (f *fakeIssuer) wantFetches(t *testing.T, want int64) {
	t.Helper()
	if got := f.fetches.Load(); got != want {
		t.Errorf("%d fetches instead of %d", got, want)
	}
}

func answer(status int, body []byte, header ...string) *http.Response {
	resp := &http.Response{StatusCode: status, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: -1, Header: make(http.Header)}
	for i := 0; i+1 < len(header); i += 2 {
		resp.Header.Add(header[i], header[i+1])
	}
	return resp
}

func newRemote(t testing.TB, f http.RoundTripper, opts jwks.RemoteOptions) *jwks.Remote {
	t.Helper()
	opts.Client = &http.Client{Transport: f}
	remote, err := jwks.NewRemote(setURL, &opts)
	if err != nil {
		t.Fatal(err)
	}
	return remote
}

// wantKey checks that the remote has exactly one key with this ID.
func wantKey(t *testing.T, remote *jwks.Remote, id string) usher.Key {
	t.Helper()
	keys, err := remote.VerificationKeys(t.Context(), id)
	if err != nil || len(keys) != 1 || keys[0].ID() != id {
		t.Fatalf("the keys for %q are %v, %v", id, keys, err)
	}
	return keys[0]
}

func wantError(t *testing.T, remote *jwks.Remote, id string, want error) {
	t.Helper()
	keys, err := remote.VerificationKeys(t.Context(), id)
	if keys != nil || !errors.Is(err, want) {
		t.Fatalf("the keys for %q are %v, %v; want the error %v", id, keys, err, want)
	}
}

// wantConfigErrors checks that err reports exactly these fields.
func wantConfigErrors(t *testing.T, err error, fields ...string) {
	t.Helper()
	var got []string
	collect(err, &got)
	if len(got) != len(fields) {
		t.Fatalf("the error reports %q instead of %q: %v", got, fields, err)
	}
	for i, field := range fields {
		if got[i] != field {
			t.Errorf("the error reports %q instead of %q: %v", got, fields, err)
		}
	}
}

func collect(err error, fields *[]string) {
	switch e := err.(type) { //nolint:errorlint // the tree is walked here
	case nil:
	case *usher.ConfigError:
		*fields = append(*fields, e.Field)
	case interface{ Unwrap() []error }:
		for _, err := range e.Unwrap() {
			collect(err, fields)
		}
	}
}

func replaceOnce(t testing.TB, text, old, replacement string) string {
	t.Helper()
	if strings.Count(text, old) != 1 {
		t.Fatalf("%q does not occur once in %s", old, text)
	}
	return strings.Replace(text, old, replacement, 1)
}

func p256() elliptic.Curve { return elliptic.P256() }

// advance advances the fake clock of a synctest bubble: no real time passes.
func advance(d time.Duration) { <-time.After(d) }

// secondsLater is a clock that every look moves on by a second, so that no fetch has to wait for MinInterval.
func secondsLater() func() time.Time {
	start := time.Now()
	var looks atomic.Int64
	return func() time.Time { return start.Add(time.Duration(looks.Add(1)) * time.Second) }
}
