package jwks_test

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/jwks"
)

// hostileIssuer serves metadata and a set over HTTP, until it is told to do something else.
type hostileIssuer struct {
	*httptest.Server
	mu       sync.Mutex
	set      http.HandlerFunc
	metadata http.HandlerFunc
	requests atomic.Int64
	open     atomic.Int64 // connections
}

func newHostileIssuer(t *testing.T, keys ...usher.Key) *hostileIssuer {
	t.Helper()
	h := new(hostileIssuer)
	h.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.requests.Add(1)
		h.mu.Lock()
		serve := h.set
		if strings.HasPrefix(r.URL.Path, "/.well-known/") {
			serve = h.metadata
		}
		h.mu.Unlock()
		serve(w, r)
	}))
	h.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			h.open.Add(1)
		case http.StateClosed, http.StateHijacked:
			h.open.Add(-1)
		}
	}
	h.Start()
	t.Cleanup(h.Close)
	h.metadata = usher.Must(jwks.MetadataHandler(h.URL, h.URL+"/keys")).ServeHTTP
	h.set = usher.Must(jwks.Handler(fixed(keys...), nil)).ServeHTTP
	return h
}

func (h *hostileIssuer) turn(metadata, set http.HandlerFunc) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if metadata != nil {
		h.metadata = metadata
	}
	if set != nil {
		h.set = set
	}
}

func text(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// endless writes a gigabyte.
func endless(w io.Writer) {
	chunk := []byte(strings.Repeat(" ", 1<<16))
	for range 1 << 14 {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}

func compressed(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Encoding", "gzip")
	z := usher.Must(gzip.NewWriterLevel(w, gzip.BestSpeed))
	endless(flushing{z, http.NewResponseController(w)})
}

// flushing sends what is written at once.
type flushing struct {
	z *gzip.Writer
	c *http.ResponseController
}

func (f flushing) Write(p []byte) (int, error) {
	n, err := f.z.Write(p)
	return n, errors.Join(err, f.z.Flush(), f.c.Flush())
}

func TestAHostileIssuerChangesNothingButAReport(t *testing.T) {
	stranger := newKey(t, usher.ES256, "good") // under the ID of the key that is in use
	other := newKey(t, usher.ES256, "good")
	page := "<!doctype html><title>Maintenance</title>" + strings.Repeat("<p>Please wait.</p>", 1000)
	secretSet := `{"keys":[{"kty":"oct","kid":"good","k":"` + strings.Repeat("A", 43) + `"}]}`
	_, private := ecJWK(t, p256())
	thousand := `{"keys":[` + strings.Repeat(`{"kty":"EC"},`, 999) + `{"kty":"EC"}]}`
	good, _ := ecJWK(t, p256())
	elsewhere := newHostileIssuer(t, stranger)

	for _, c := range []struct {
		name          string
		metadata, set http.HandlerFunc
		says          string // in the report
		slow          bool
	}{
		{name: "a page", set: text(200, page), says: "not one JSON object"},
		{name: "an error page in JSON", set: text(200, `{"error":"maintenance"}`), says: "no member keys"},
		{name: "an empty set", set: text(200, `{"keys":[]}`), says: "the set is empty"},
		{name: "nothing", set: text(200, ""), says: "not one JSON object"},
		{name: "status 500 with a set", set: text(500, string(marshal(t, stranger))), says: "status 500"},
		{name: "status 404", set: text(404, ""), says: "status 404"},
		{name: "status 201 with a set", set: text(201, string(marshal(t, stranger))), says: "status 201"},
		{name: "status 204", set: text(204, ""), says: "status 204"},
		{name: "a gigabyte", set: func(w http.ResponseWriter, _ *http.Request) { endless(w) }, says: "more than 1048576 bytes"},
		{name: "a gigabyte that is announced", set: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(1<<30))
			endless(w)
		}, says: "has 1073741824 bytes"},
		{name: "a gigabyte, compressed", set: compressed, says: "more than 1048576 bytes"},
		{name: "large headers", set: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Large", strings.Repeat("x", 1<<20))
		}, says: "exceeded"},
		{name: "a redirect to another origin", set: http.RedirectHandler(elsewhere.URL+"/keys", http.StatusFound).ServeHTTP, says: "another origin"},
		{name: "a redirect to another scheme", set: http.RedirectHandler("https://127.0.0.1:1/keys", http.StatusFound).ServeHTTP, says: "another origin"},
		{name: "endless redirects", set: func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path+"x", http.StatusFound) }, says: "redirected more than"},
		{name: "a thousand keys", set: text(200, thousand), says: "1000 keys"},
		{name: "two keys under one kid", set: text(200, `{"keys":[`+one(marshal(t, stranger))+`,`+one(marshal(t, other))+`]}`), says: "differs from another key"},
		{name: "a secret", set: text(200, secretSet), says: "symmetric"},
		{name: "a private key", set: text(200, string(set(private.with(members{"kid": "good"})))), says: "private"},
		{name: "alg none", set: text(200, string(set(good.with(members{"kid": "good", "alg": "none"})))), says: "not a supported signature algorithm"},
		{name: "a key of 16384 bits", set: text(200, string(set(members{"kty": "RSA", "kid": "good", "e": "AQAB", "n": b64(append([]byte{0xc1}, make([]byte, 2047)...))}))), says: "usable key"},
		{name: "a body that stops", set: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `{"keys":[`)
		}, says: "unexpected EOF"},
		{name: "a closed connection", set: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, says: "EOF"},
		{name: "no answer", set: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, says: "deadline exceeded", slow: true},
		{name: "a slow body", set: func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				_, _ = io.WriteString(w, " ")
				_ = http.NewResponseController(w).Flush()
				<-time.After(time.Millisecond)
			}
		}, slow: true},
		{name: "another issuer's metadata", metadata: usher.Must(jwks.MetadataHandler("https://issuer.example", "https://issuer.example/keys")).ServeHTTP,
			set: text(500, ""), says: `is for the issuer "https://issuer.example"`},
		{name: "metadata with another jwks_uri in plain http", metadata: func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprintf(w, `{"issuer":"http://%s","jwks_uri":"http://issuer.example/keys"}`, r.Host)
		}, set: text(500, ""), says: "plain http"},
		{name: "metadata without jwks_uri", metadata: func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprintf(w, `{"issuer":"http://%s"}`, r.Host)
		}, set: text(500, ""), says: "not an absolute URL"},
		{name: "a page for metadata", metadata: text(200, page), set: text(500, ""), says: "not one JSON object"},
		{name: "metadata with a member twice", metadata: text(200, `{"issuer":"a","issuer":"b"}`), set: text(500, ""), says: "twice"},
	} {
		t.Run(c.name, func(t *testing.T) {
			key := newKey(t, usher.ES256, "good")
			issuer := newHostileIssuer(t, key)
			var fetch jwks.Fetch
			limit := 20 * time.Second
			if c.slow {
				limit = time.Second
			}
			remote := usher.Must(jwks.NewIssuer(issuer.URL, &jwks.RemoteOptions{
				Client:  &http.Client{Timeout: limit, Transport: &http.Transport{DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10}},
				OnFetch: func(f jwks.Fetch) { fetch = f }, MinInterval: time.Second, Now: secondsLater(),
			}))
			before := wantKey(t, remote, "good")
			auth := usher.Must(usher.NewMiddleware(usher.Must(usher.NewDecoder[usher.Claims](remote, nil)), usher.ClaimsAsUser[usher.Claims], nil))
			api := auth.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			token := usher.Must(usher.Must(usher.NewEncoder[usher.Claims](key, nil)).Encode(t.Context(), usher.Claims{Subject: "ada"}))
			issuer.turn(c.metadata, c.set)

			const fetches = 3 // with and without metadata that is known
			requests, allocated := issuer.requests.Load(), totalAlloc()
			for range fetches {
				if err := remote.Refresh(t.Context()); !errors.Is(err, usher.ErrUnavailable) {
					t.Fatalf("Refresh: %v", err)
				}
			}
			requests, allocated = issuer.requests.Load()-requests, totalAlloc()-allocated
			t.Logf("%d fetches: %d requests, %d KiB allocated per fetch, server included; %v", fetches, requests, allocated/fetches>>10, fetch.Err)
			if requests > fetches*8 {
				t.Errorf("%d fetches are %d requests", fetches, requests)
			}
			if allocated > fetches*maxFetchMemory {
				t.Errorf("%d fetches allocated %d MiB, server included", fetches, allocated>>20)
			}
			if fetch.Err == nil || !strings.Contains(fetch.Err.Error(), c.says) || fetch.Keys != 1 {
				t.Errorf("the report is %+v", fetch)
			}
			if after := wantKey(t, remote, "good"); after != before {
				t.Error("the key is another")
			}
			for want, token := range map[int]string{http.StatusOK: token, http.StatusUnauthorized: token + "A"} {
				r := httptest.NewRequest(http.MethodGet, "/", nil)
				r.Header.Set("Authorization", "Bearer "+token)
				w := httptest.NewRecorder()
				api.ServeHTTP(w, r)
				if w.Code != want {
					t.Errorf("a request gets %d instead of %d", w.Code, want)
				}
			}
		})
	}
}

// one returns the JWK in a set of one.
func one(set []byte) string {
	return strings.TrimSuffix(strings.TrimPrefix(string(set), `{"keys":[`), `]}`)
}

// maxFetchMemory is how much a fetch may allocate, whatever the issuer sends, with what the server allocates.
const maxFetchMemory = 8 << 20

func totalAlloc() uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.TotalAlloc
}

func TestAServiceStartsWithoutItsIssuer(t *testing.T) {
	key := newKey(t, usher.ES256, "a")
	issuer := newHostileIssuer(t, key)
	issuer.turn(text(http.StatusBadGateway, ""), nil)
	remote := usher.Must(jwks.NewIssuer(issuer.URL, &jwks.RemoteOptions{MinInterval: time.Second, Now: secondsLater()}))
	auth := usher.Must(usher.NewMiddleware(usher.Must(usher.NewDecoder[usher.Claims](remote, nil)), usher.ClaimsAsUser[usher.Claims], nil))
	api := auth.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	token := usher.Must(usher.Must(usher.NewEncoder[usher.Claims](key, nil)).Encode(t.Context(), usher.Claims{Subject: "ada"}))
	status := func() int {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		return w.Code
	}
	if got := status(); got != http.StatusServiceUnavailable {
		t.Errorf("without the issuer: %d", got)
	}
	if remote.Refresh(t.Context()) == nil || len(remote.Keys()) != 0 {
		t.Error("the service calls itself ready")
	}
	issuer.turn(usher.Must(jwks.MetadataHandler(issuer.URL, issuer.URL+"/keys")).ServeHTTP, nil)
	for start := time.Now(); status() != http.StatusOK; {
		if time.Since(start) > 10*time.Second {
			t.Fatal("the issuer is there, and requests are still refused")
		}
	}
	if len(remote.Keys()) != 1 {
		t.Error("the service does not call itself ready")
	}
}

// The default client leaves nothing behind, with HTTP/1.1 and HTTP/2.
func TestNoGoroutineAndNoConnectionOutlivesAFetch(t *testing.T) {
	issuer := newHostileIssuer(t, newKey(t, usher.ES256, "a"))
	goroutines := runtime.NumGoroutine()
	for range 3 {
		remote := usher.Must(jwks.NewIssuer(issuer.URL, nil))
		wantKey(t, remote, "a")
	}
	deadline := time.Now().Add(5 * time.Second)
	for issuer.open.Load() > 0 || runtime.NumGoroutine() > goroutines {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections are open, and %d goroutines run instead of %d", issuer.open.Load(), runtime.NumGoroutine(), goroutines)
		}
		runtime.Gosched()
	}
}

func TestAClientsOwnRedirectPolicyMayNotLeaveHTTPS(t *testing.T) {
	plain := serving(marshal(t, newKey(t, usher.ES256, "a")))
	client := &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return nil },
		Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.URL.Scheme == "http" || r.URL.Path == "/moved" {
				resp, err := plain.RoundTrip(r)
				resp.Request = r
				return resp, err
			}
			to := "http://issuer.example/keys"
			if r.URL.Path == "/fine" {
				to = "https://cdn.example/moved"
			}
			return answer(http.StatusFound, nil, "Location", to), nil
		}),
	}
	remote := usher.Must(jwks.NewRemote(setURL, &jwks.RemoteOptions{Client: client}))
	if err := remote.Refresh(context.Background()); err == nil || !strings.Contains(err.Error(), "not https") {
		t.Errorf("the error is %v", err)
	}
	remote = usher.Must(jwks.NewRemote("https://issuer.example/fine", &jwks.RemoteOptions{Client: client}))
	wantKey(t, remote, "a")
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
