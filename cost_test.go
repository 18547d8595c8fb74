package usher_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"testing"

	"github.com/go-usher/usher"
)

// A stranger's request costs a small multiple of its length, whichever header or body that usher reads is filled up to
// net/http's own limits. What it costs besides, whatever its length, is
// the price of a form of 1,000 fields.
func TestRequestsCostASmallMultipleOfTheirLength(t *testing.T) {
	if testRace {
		t.Skip("the race detector allocates")
	}
	const most = http.DefaultMaxHeaderBytes
	fill := func(part string) string { return strings.Repeat(part, most/len(part)) }
	distinct := func(format string, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	headers := map[string][]string{}
	for _, name := range []string{"Authorization", "X-Access-Token", "Cookie", "Sec-Websocket-Protocol", "Origin", "Sec-Fetch-Site",
		"Upgrade", "Content-Type", "Access-Control-Request-Method"} {
		headers[name] = []string{
			fill("a"), fill("."), fill(","), fill(";"), fill(" "), fill("%"), fill("\\"), fill(`"`), fill("="), fill("a.b "), fill("a=b; "),
			fill("session="), fill("session=;"), fill("usher.bearer,"), fill("usher.bearer "), fill("http://a:"),
			"Bearer " + fill("a."), "Bearer " + fill("é"), "https://" + fill("["), "https://" + fill("%41"),
			distinct("text/plain; a*%d=b", 1) + distinct("; a*%d=b", most/12),
			"application/x-www-form-urlencoded" + distinct("; a*%d*=b", most/14), fill("a;a="),
		}
	}
	base := func() *http.Request {
		r := httptest.NewRequest(http.MethodPost, "http://shop.example/", http.NoBody)
		r.Header.Set("Upgrade", "websocket")
		r.Header.Set("Cookie", "session=a.b.c")
		return r
	}
	type request struct {
		name   string
		length int
		make   func() *http.Request
	}
	var requests []request
	for name, values := range headers {
		for i, value := range values {
			requests = append(requests, request{fmt.Sprint(name, " ", i), len(value), func() *http.Request {
				r := base()
				r.Header[name] = []string{value}
				return r
			}}, request{fmt.Sprint(name, " ", i, " in many lines"), len(value), func() *http.Request {
				r := base()
				for part := range strings.SplitSeq(value[:min(len(value), 100_000)], ",") {
					r.Header[name] = append(r.Header[name], part)
				}
				return r
			}})
		}
	}
	for i, query := range []string{
		fill("a"), fill("&"), fill("a&"), fill("a=b&"), fill("access_token="), fill("access_token&"), fill("%41=%41&"), fill("%"), fill(";"),
		distinct("%d=&", most/8), fill("+"),
	} {
		requests = append(requests, request{fmt.Sprint("query ", i), len(query), func() *http.Request {
			r := base()
			r.URL = &url.URL{Path: "/", RawQuery: query}
			return r
		}})
	}
	for i, body := range []string{
		fill("a"), fill("&")[:40<<10], fill("a=b&"), fill("a=b&")[:40<<10], distinct("%d=&", 9999)[:44<<10], distinct("%d=&", 999), fill("%41"), fill("%41")[:60<<10],
		fill("access_token=a&")[:15000], strings.Repeat("x", 64<<10), fill(";")[:60<<10],
	} {
		for _, known := range []bool{true, false} {
			requests = append(requests, request{fmt.Sprint("form ", i, " of known length: ", known), len(body), func() *http.Request {
				r := httptest.NewRequest(http.MethodPost, "http://shop.example/", strings.NewReader(body))
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				if !known {
					r.ContentLength = -1
				}
				return r
			}})
		}
	}
	d := usher.Must(usher.NewMiddleware(shopDecoder(t), findShopUser, &usher.MiddlewareOptions{
		Sources: allSources(), DangerouslyPassPreflight: true, Observe: usher.LogRejections(slog.New(slog.DiscardHandler)),
		TrustedOrigins: []string{"https://app.example"},
	}))
	h := d.With(usher.RequireScope("read")).Optional(http.HandlerFunc(sayHello))
	for _, request := range requests {
		r := request.make()
		w := &httptest.ResponseRecorder{HeaderMap: http.Header{}}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		h.ServeHTTP(w, r)
		runtime.ReadMemStats(&after)
		if bytes := after.TotalAlloc - before.TotalAlloc; bytes > uint64(4*request.length+512<<10) {
			t.Errorf("%s: %d bytes for %d", request.name, bytes, request.length)
		}
	}
	t.Logf("%d requests", len(requests))
}
