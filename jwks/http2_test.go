package jwks_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/jwks"
)

// http2Issuer serves what its handler says over HTTP/2, and counts connections.
type http2Issuer struct {
	*httptest.Server
	opened, open atomic.Int64
}

func newHTTP2Issuer(t *testing.T, handler http.Handler) *http2Issuer {
	t.Helper()
	h := new(http2Issuer)
	h.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			t.Errorf("a request comes by %s", r.Proto)
		}
		handler.ServeHTTP(w, r)
	}))
	h.EnableHTTP2 = true
	h.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			h.opened.Add(1)
			h.open.Add(1)
		case http.StateClosed, http.StateHijacked:
			h.open.Add(-1)
		}
	}
	h.StartTLS()
	t.Cleanup(h.Close)
	return h
}

// trusted returns the client, which trusts the issuer's certificate.
func (h *http2Issuer) trusted(client *http.Client) *http.Client {
	roots := x509.NewCertPool()
	roots.AddCert(h.Certificate())
	client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	return client
}

// awaitQuiet waits until no connection is open and no more goroutines run than before.
func awaitQuiet(t *testing.T, open *atomic.Int64, goroutines int) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); open.Load() > 0 || runtime.NumGoroutine() > goroutines; {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections are open, and %d goroutines run instead of %d", open.Load(), runtime.NumGoroutine(), goroutines)
		}
		runtime.Gosched()
	}
}

// The default client closes HTTP/2 connections too, however a fetch ends.
func TestNoHTTP2ConnectionOutlivesAFetch(t *testing.T) {
	good := usher.Must(jwks.Handler(fixed(newKey(t, usher.ES256, "a")), nil))
	for _, c := range []struct {
		name   string
		serve  http.Handler
		limit  time.Duration
		wantOK bool
	}{
		{"a set", good, 0, true},
		{"a page", text(http.StatusOK, "<!doctype html>"), 0, false},
		{"an error", text(http.StatusServiceUnavailable, ""), 0, false},
		{"a redirect within the origin", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/keys" {
				http.Redirect(w, r, "/moved", http.StatusFound)
				return
			}
			good.ServeHTTP(w, r)
		}), 0, true},
		{"a gigabyte", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { endless(w) }), 0, false},
		{"a stream that is reset", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), 0, false},
		{"no answer", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }), time.Second, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			issuer := newHTTP2Issuer(t, c.serve)
			goroutines := runtime.NumGoroutine()
			client := issuer.trusted(jwks.DefaultClient())
			client.Timeout = c.limit
			for range 3 {
				remote := usher.Must(jwks.NewRemote(issuer.URL+"/keys", &jwks.RemoteOptions{Client: client}))
				if err := remote.Refresh(t.Context()); (err == nil) != c.wantOK {
					t.Fatal(err)
				}
			}
			awaitQuiet(t, &issuer.open, goroutines)
			if issuer.opened.Load() < 3 {
				t.Errorf("there were %d connections", issuer.opened.Load())
			}
		})
	}
}

// A client of one's own keeps its connection between fetches, and nothing else.
func TestAClientOfOnesOwnKeepsOneHTTP2Connection(t *testing.T) {
	issuer := newHTTP2Issuer(t, usher.Must(jwks.Handler(fixed(newKey(t, usher.ES256, "a")), nil)))
	goroutines := runtime.NumGoroutine()
	client := issuer.trusted(&http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true}})
	remote := usher.Must(jwks.NewRemote(issuer.URL+"/keys", &jwks.RemoteOptions{Client: client, MinInterval: time.Second, Now: secondsLater()}))
	fetch := func() int {
		t.Helper()
		if err := remote.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		return runtime.NumGoroutine()
	}
	first := fetch()
	for range 50 {
		fetch()
	}
	if opened := issuer.opened.Load(); opened != 1 {
		t.Errorf("51 fetches need %d connections", opened)
	}
	for deadline := time.Now().Add(20 * time.Second); runtime.NumGoroutine() > first; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines run after 51 fetches, %d after the first", runtime.NumGoroutine(), first)
		}
	}
	client.CloseIdleConnections()
	awaitQuiet(t, &issuer.open, goroutines)
}
