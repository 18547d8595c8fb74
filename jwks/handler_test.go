package jwks_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/jwks"
)

func request(h http.Handler, method string, header ...string) *http.Response {
	r := httptest.NewRequest(method, "/keys", nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, resp *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func fixed(keys ...usher.Key) func() usher.Keys { return func() usher.Keys { return keys } }

func TestHandlerPublishesWhatTheRingHasNow(t *testing.T) {
	secret := usher.Must(usher.GenerateKey(usher.HS256)).WithID("secret")
	ring := usher.Must(usher.NewKeyRing(newKey(t, usher.ES256, "a"), secret))
	h := usher.Must(jwks.Handler(ring.Keys, nil))
	first := request(h, http.MethodGet)
	text := body(t, first)
	if first.StatusCode != http.StatusOK || !strings.Contains(text, `"kid":"a"`) || strings.Contains(text, "secret") {
		t.Errorf("%d: %s", first.StatusCode, text)
	}
	for name, want := range map[string]string{
		"Content-Type":                "application/jwk-set+json",
		"Cache-Control":               "public, max-age=900",
		"Access-Control-Allow-Origin": "*",
		"X-Content-Type-Options":      "nosniff",
	} {
		if got := first.Header.Get(name); got != want {
			t.Errorf("%s is %q instead of %q", name, got, want)
		}
	}
	etag := first.Header.Get("ETag")
	again := request(h, http.MethodGet, "If-None-Match", etag)
	if again.StatusCode != http.StatusNotModified || body(t, again) != "" || again.Header.Get("ETag") != etag || again.Header.Get("Cache-Control") == "" {
		t.Errorf("a client that has the set gets %d with the headers %v", again.StatusCode, again.Header)
	}
	head := request(h, http.MethodHead)
	if head.StatusCode != http.StatusOK || body(t, head) != "" || head.Header.Get("ETag") != etag {
		t.Errorf("HEAD: %d, %v", head.StatusCode, head.Header)
	}

	if err := ring.Add(newKey(t, usher.ES256, "b")); err != nil {
		t.Fatal(err)
	}
	changed := request(h, http.MethodGet, "If-None-Match", etag)
	if text := body(t, changed); changed.StatusCode != http.StatusOK || !strings.Contains(text, `"kid":"b"`) || changed.Header.Get("ETag") == etag {
		t.Errorf("after a change: %d, %s", changed.StatusCode, text)
	}
}

func TestHandlerAnswersBrowsersAndRefusesOtherMethods(t *testing.T) {
	h := usher.Must(jwks.Handler(fixed(newKey(t, usher.ES256, "a")), &jwks.HandlerOptions{MaxAge: time.Hour, AllowOrigin: "https://app.example"}))
	preflight := request(h, http.MethodOptions, "Origin", "https://app.example", "Access-Control-Request-Method", "GET",
		"Access-Control-Request-Headers", "if-none-match")
	if preflight.StatusCode != http.StatusNoContent || preflight.Header.Get("Access-Control-Allow-Origin") != "https://app.example" ||
		preflight.Header.Get("Access-Control-Allow-Headers") != "If-None-Match" || preflight.Header.Get("Access-Control-Allow-Methods") != "GET, HEAD" {
		t.Errorf("the preflight gets %d, %v", preflight.StatusCode, preflight.Header)
	}
	if got := request(h, http.MethodGet).Header.Get("Cache-Control"); got != "public, max-age=3600" {
		t.Errorf("Cache-Control is %q", got)
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
		if resp := request(h, method); resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != "GET, HEAD, OPTIONS" || resp.Header.Get("ETag") != "" {
			t.Errorf("%s: %d, %v", method, resp.StatusCode, resp.Header)
		}
	}
}

func TestHandlerDoesNotPublishAmbiguousKeys(t *testing.T) {
	var log strings.Builder
	previous := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(previous)
	h := usher.Must(jwks.Handler(fixed(newKey(t, usher.ES256, "a"), newKey(t, usher.ES256, "a")), nil))
	if resp := request(h, http.MethodGet); resp.StatusCode != http.StatusInternalServerError || strings.Contains(body(t, resp), "kid") {
		t.Errorf("%d", resp.StatusCode)
	}
	if !strings.Contains(log.String(), "differs from another key") {
		t.Errorf("the log has %q", log.String())
	}
}

func TestHandlerReportsEveryMistake(t *testing.T) {
	_, err := jwks.Handler(nil, &jwks.HandlerOptions{MaxAge: time.Millisecond, AllowOrigin: "https://a.example, https://b.example"})
	wantConfigErrors(t, err, "keys", "HandlerOptions.MaxAge", "HandlerOptions.AllowOrigin")
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
	resp := request(h, http.MethodGet)
	const want = `{"issuer":"https://issuer.example","jwks_uri":"https://issuer.example/keys","response_types_supported":["none"]}`
	if text := body(t, resp); text != want || resp.Header.Get("Content-Type") != "application/json" {
		t.Errorf("the metadata is %s, %v", text, resp.Header)
	}
}
