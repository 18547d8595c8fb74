package jwks_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/jwks"
)

// response is what a handler answered, with the body read and closed.
type response struct {
	status int
	header http.Header
	body   string
}

func request(t *testing.T, h http.Handler, method string, header ...string) response {
	t.Helper()
	r := httptest.NewRequest(method, "/keys", nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	result := w.Result()
	defer result.Body.Close()
	text, err := io.ReadAll(result.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response{result.StatusCode, result.Header, string(text)}
}

func fixed(keys ...usher.Key) func() usher.Keys { return func() usher.Keys { return keys } }

func TestHandlerPublishesWhatTheRingHasNow(t *testing.T) {
	secret := usher.Must(usher.GenerateKey(usher.HS256)).WithID("secret")
	ring := usher.Must(usher.NewKeyRing(newKey(t, usher.ES256, "a"), secret))
	h := usher.Must(jwks.Handler(ring.Keys, nil))
	first := request(t, h, http.MethodGet)
	if first.status != http.StatusOK || !strings.Contains(first.body, `"kid":"a"`) || strings.Contains(first.body, "secret") {
		t.Errorf("%d: %s", first.status, first.body)
	}
	for name, want := range map[string]string{
		"Content-Type":                "application/jwk-set+json",
		"Cache-Control":               "public, max-age=900",
		"Access-Control-Allow-Origin": "*",
		"X-Content-Type-Options":      "nosniff",
	} {
		if got := first.header.Get(name); got != want {
			t.Errorf("%s is %q instead of %q", name, got, want)
		}
	}
	etag := first.header.Get("ETag")
	again := request(t, h, http.MethodGet, "If-None-Match", etag)
	if again.status != http.StatusNotModified || again.body != "" || again.header.Get("ETag") != etag || again.header.Get("Cache-Control") == "" {
		t.Errorf("a client that has the set gets %d with the headers %v", again.status, again.header)
	}
	head := request(t, h, http.MethodHead)
	if head.status != http.StatusOK || head.body != "" || head.header.Get("ETag") != etag {
		t.Errorf("HEAD: %d, %v", head.status, head.header)
	}

	if err := ring.Add(newKey(t, usher.ES256, "b")); err != nil {
		t.Fatal(err)
	}
	changed := request(t, h, http.MethodGet, "If-None-Match", etag)
	if changed.status != http.StatusOK || !strings.Contains(changed.body, `"kid":"b"`) || changed.header.Get("ETag") == etag {
		t.Errorf("after a change: %d, %s", changed.status, changed.body)
	}
}

func TestHandlerAnswersBrowsersAndRefusesOtherMethods(t *testing.T) {
	h := usher.Must(jwks.Handler(fixed(newKey(t, usher.ES256, "a")), &jwks.HandlerOptions{MaxAge: time.Hour, AllowOrigin: "https://app.example"}))
	preflight := request(t, h, http.MethodOptions, "Origin", "https://app.example", "Access-Control-Request-Method", "GET",
		"Access-Control-Request-Headers", "if-none-match")
	if preflight.status != http.StatusNoContent || preflight.header.Get("Access-Control-Allow-Origin") != "https://app.example" ||
		preflight.header.Get("Access-Control-Allow-Headers") != "If-None-Match" || preflight.header.Get("Access-Control-Allow-Methods") != "GET, HEAD" {
		t.Errorf("the preflight gets %d, %v", preflight.status, preflight.header)
	}
	if got := request(t, h, http.MethodGet).header.Get("Cache-Control"); got != "public, max-age=3600" {
		t.Errorf("Cache-Control is %q", got)
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
		if resp := request(t, h, method); resp.status != http.StatusMethodNotAllowed || resp.header.Get("Allow") != "GET, HEAD, OPTIONS" || resp.header.Get("ETag") != "" {
			t.Errorf("%s: %d, %v", method, resp.status, resp.header)
		}
	}
}

func TestHandlerDoesNotPublishAmbiguousKeys(t *testing.T) {
	var log strings.Builder
	previous := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(previous)
	h := usher.Must(jwks.Handler(fixed(newKey(t, usher.ES256, "a"), newKey(t, usher.ES256, "a")), nil))
	if resp := request(t, h, http.MethodGet); resp.status != http.StatusInternalServerError || strings.Contains(resp.body, "kid") {
		t.Errorf("%d", resp.status)
	}
	if !strings.Contains(log.String(), "differs from another key") {
		t.Errorf("the log has %q", log.String())
	}
}

func TestHandlerReportsEveryMistake(t *testing.T) {
	_, err := jwks.Handler(nil, &jwks.HandlerOptions{MaxAge: time.Millisecond, AllowOrigin: "https://a.example, https://b.example"})
	wantConfigErrors(t, err, "keys", "HandlerOptions.MaxAge", "HandlerOptions.AllowOrigin")
	for _, origin := range []string{"https://a.example ", "https://a.example\n", "https://a.example\x7f", "https://ä.example"} {
		_, err = jwks.Handler(fixed(), &jwks.HandlerOptions{AllowOrigin: origin})
		wantConfigErrors(t, err, "HandlerOptions.AllowOrigin")
	}
	if _, err := jwks.Handler(fixed(), &jwks.HandlerOptions{MaxAge: time.Second, AllowOrigin: "app://a~b!"}); err != nil {
		t.Error(err)
	}
	_, err = jwks.MetadataHandler("https://issuer.example?x", "keys")
	wantConfigErrors(t, err, "issuer", "jwksURI")
}

func TestMetadataLeadsAVerifierToTheKeys(t *testing.T) {
	for _, c := range []struct{ path, at string }{
		{"", "/.well-known/openid-configuration"},
		{"/", "/.well-known/openid-configuration"},
		{"/tenants/1", "/tenants/1/.well-known/openid-configuration"},
		{"/tenants/1/", "/.well-known/oauth-authorization-server/tenants/1"},
	} {
		mux := http.NewServeMux()
		server := httptest.NewServer(mux)
		key := newKey(t, usher.ES256, "a")
		mux.Handle(c.at, usher.Must(jwks.MetadataHandler(server.URL+c.path, server.URL+"/keys")))
		mux.Handle("/keys", usher.Must(jwks.Handler(fixed(key), nil)))
		remote := usher.Must(jwks.NewIssuer(server.URL+c.path, nil))
		wantKey(t, remote, "a")
		server.Close()
	}
	h := usher.Must(jwks.MetadataHandler("https://issuer.example", "https://issuer.example/keys"))
	resp := request(t, h, http.MethodGet)
	const want = `{"issuer":"https://issuer.example","jwks_uri":"https://issuer.example/keys","response_types_supported":["none"]}`
	if resp.body != want || resp.header.Get("Content-Type") != "application/json" || resp.header.Get("Cache-Control") != "public, max-age=900" {
		t.Errorf("the metadata is %s, %v", resp.body, resp.header)
	}
}

// A header with many ranges makes http.ServeContent allocate many times its length.
func TestHandlersSpendLittleOnLongHeaders(t *testing.T) {
	const length = 1 << 20
	key := newKey(t, usher.ES256, "a")
	for name, h := range map[string]http.Handler{
		"Handler":         usher.Must(jwks.Handler(fixed(key), nil)),
		"MetadataHandler": usher.Must(jwks.MetadataHandler("https://issuer.example", "https://issuer.example/keys")),
	} {
		full := request(t, h, http.MethodGet).body
		for _, c := range []struct{ header, prefix, repeated string }{
			{"Range", "bytes=", "0-0,"}, {"Range", "bytes=", "-1,"}, {"Range", "bytes=", ","},
			{"If-None-Match", "", ","}, {"If-None-Match", "", `"",`}, {"If-None-Match", "", `W/"a", `},
			{"If-Match", "", `"a",`}, {"If-Range", "", `"a"`}, {"Accept", "", "a,"},
		} {
			r := httptest.NewRequest(http.MethodGet, "/keys", nil)
			r.Header.Set("Range", "bytes=0-0")
			r.Header.Set(c.header, c.prefix+strings.Repeat(c.repeated, length/len(c.repeated)))
			w := httptest.NewRecorder()
			used := allocated(func() { h.ServeHTTP(w, r) })
			if used > 64<<10 {
				t.Errorf("%s: 1 MiB of %q in %s allocates %d KiB", name, c.repeated, c.header, used>>10)
			}
			if w.Code != http.StatusOK || w.Body.String() != full || w.Header().Get("Accept-Ranges") != "" {
				t.Errorf("%s: 1 MiB of %q in %s: %d, %v", name, c.repeated, c.header, w.Code, w.Header())
			}
		}
	}
}

func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestHandlerTellsAClientThatHasTheSet(t *testing.T) {
	h := usher.Must(jwks.Handler(fixed(newKey(t, usher.ES256, "a")), nil))
	first := request(t, h, http.MethodGet)
	etag, length := first.header.Get("ETag"), first.header.Get("Content-Length")
	if text := first.body; length != strconv.Itoa(len(text)) {
		t.Errorf("the Content-Length of %d bytes is %q", len(text), length)
	}
	for value, known := range map[string]bool{
		etag: true, "W/" + etag: true, "*": true, `"x", ` + etag: true, `"x",W/` + etag + `,"y"`: true, "\t" + etag + " ": true,
		"": false, `"x"`: false, strings.Trim(etag, `"`): false, etag[:len(etag)-2] + `"`: false, "w/" + etag: false, ",": false,
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			resp := request(t, h, method, "If-None-Match", value)
			text := resp.body
			if known && (resp.status != http.StatusNotModified || text != "" || resp.header.Get("ETag") != etag || resp.header.Get("Content-Type") != "" || resp.header.Get("Content-Length") != "") {
				t.Errorf("%s with %q: %d, %v", method, value, resp.status, resp.header)
			}
			if !known && (resp.status != http.StatusOK || resp.header.Get("Content-Length") != length || (text == "") != (method == http.MethodHead)) {
				t.Errorf("%s with %q: %d, %v", method, value, resp.status, resp.header)
			}
		}
	}
}
