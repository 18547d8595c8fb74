package usher_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/go-usher/usher"
)

func TestEachSourceFindsItsToken(t *testing.T) {
	token := shopToken(t, nil)
	for _, place := range allPlaces() {
		t.Run(place, func(t *testing.T) {
			alone := openShop(t, usher.MiddlewareOptions{Sources: []usher.TokenSource{sourceOf(place)}})
			wantResponse(t, serveRequest(alone.RequireFunc(greet), requestCarrying(token, place)), 200, "hello 7")
			wantResponse(t, serveRequest(alone.RequireFunc(greet), requestCarrying(token)), 401, "")
			if rej := alone.refused(t); !errors.Is(rej, usher.ErrNoToken) || rej.Code != "" {
				t.Errorf("observed %+v", rej)
			}
			all := openShop(t, usher.MiddlewareOptions{Sources: allSources()})
			wantResponse(t, serveRequest(all.RequireFunc(greet), requestCarrying(token, place)), 200, "hello 7")
			for _, other := range allPlaces() {
				if other != place {
					wantResponse(t, serveRequest(alone.Optional(http.HandlerFunc(sayHello)), requestCarrying(token, other)), 200, "hello stranger")
				}
			}
		})
	}
}

// Two tokens are a 400 in every combination of places, in every order of the sources, whether they are the same
// or not, and on optional routes too.
func TestTwoTokensAreRefusedInEitherOrder(t *testing.T) {
	token := shopToken(t, nil)
	forward := allSources()
	backward := slices.Clone(forward)
	slices.Reverse(backward)
	var combinations [][]string
	for i, a := range allPlaces() {
		for j, b := range allPlaces()[i:] {
			if a == inForm && b == inSocket {
				continue // a form is posted, a WebSocket is opened with GET
			}
			combinations = append(combinations, []string{a, b})
			for _, c := range allPlaces()[i+j:] {
				if a == inForm && c == inSocket || b == inForm && c == inSocket {
					continue
				}
				combinations = append(combinations, []string{a, b, c})
			}
		}
	}
	for _, places := range combinations {
		t.Run(strings.Join(places, "+"), func(t *testing.T) {
			for _, sources := range [][]usher.TokenSource{forward, backward} {
				d := openShop(t, usher.MiddlewareOptions{Sources: sources})
				for _, h := range []http.Handler{d.RequireFunc(greet), d.Optional(http.HandlerFunc(sayHello))} {
					for _, token := range []string{token, "bad"} {
						w := serveRequest(h, requestCarrying(token, places...))
						wantResponse(t, w, 400, "")
						rej := d.refused(t)
						if rej == nil || rej.Code != "invalid_request" || !errors.Is(rej, usher.ErrManyTokens) {
							t.Errorf("observed %+v", rej)
						}
						if got := w.Header().Get("WWW-Authenticate"); !strings.Contains(got, `error="invalid_request"`) {
							t.Errorf("the challenge is %q", got)
						}
						if slices.Contains(places, inQuery) && w.Header().Get("Referrer-Policy") != "no-referrer" {
							t.Fatal("the token in the URL is sent on as the referrer")
						}
						if got := w.Header().Get("Sec-Websocket-Protocol"); got != "" {
							t.Errorf("a protocol was chosen: %q", got)
						}
					}
				}
				if got := d.took(); got != "" {
					t.Errorf("took %q", got)
				}
			}
		})
	}
}

func TestEmptyTokens(t *testing.T) {
	tests := []struct {
		name    string
		request *http.Request
		status  int // on an optional route
	}{
		{"header", requestCarrying("", inHeader), 401},
		{"query", requestCarrying("", inQuery), 401},
		{"form", requestCarrying("", inForm), 401},
		{"socket", requestCarrying("", inSocket), 401},
		{"bearer", requestCarrying("", inBearer), 401},
		{"cookie", requestCarrying("", inCookie), 200},
		{"two empty cookies", requestCarrying("", inCookie, inCookie), 200},
		{"an empty bearer and an empty header", requestCarrying("", inBearer, inHeader), 400},
		{"an empty bearer and an empty cookie", requestCarrying("", inBearer, inCookie), 401},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := openShop(t, usher.MiddlewareOptions{Sources: allSources()})
			wantResponse(t, serveRequest(d.Optional(http.HandlerFunc(sayHello)), test.request), test.status, "")
			if rej := d.refused(t); test.status == 401 && rej.Code != "invalid_token" {
				t.Errorf("observed %+v", rej)
			}
		})
	}
	t.Run("an empty cookie beside a good token", func(t *testing.T) {
		d := openShop(t, usher.MiddlewareOptions{Sources: allSources()})
		r := requestCarrying("", inCookie)
		r.Header.Set("Authorization", "Bearer "+shopToken(t, nil))
		wantResponse(t, serveRequest(d.RequireFunc(greet), r), 200, "hello 7")
	})
	t.Run("an empty bearer beside a good cookie", func(t *testing.T) {
		d := openShop(t, usher.MiddlewareOptions{Sources: allSources()})
		r := requestCarrying(shopToken(t, nil), inCookie)
		r.Header.Set("Authorization", "Bearer")
		wantResponse(t, serveRequest(d.RequireFunc(greet), r), 400, "")
	})
}

func TestAuthorizationSchemes(t *testing.T) {
	token := shopToken(t, nil)
	tests := []struct {
		name   string
		source usher.TokenSource
		value  string
		status int // on an optional route
		body   string
	}{
		{"Bearer", usher.FromBearer(), "Bearer " + token, 200, "hello 7"},
		{"lower case", usher.FromBearer(), "bearer " + token, 200, "hello 7"},
		{"mixed case", usher.FromBearer(), "bEaReR " + token, 200, "hello 7"},
		{"several spaces", usher.FromBearer(), "Bearer   " + token, 200, "hello 7"},
		{"no space", usher.FromBearer(), "Bearer" + token, 401, ""},
		{"another scheme", usher.FromBearer(), "JWT " + token, 200, "hello stranger"},
		{"another scheme that is as long", usher.FromBearer(), "Digest " + token, 200, "hello stranger"},
		{"no scheme", usher.FromBearer(), token, 401, ""},
		{"no scheme, and no dot", usher.FromBearer(), "dXNlcjpwYXNz", 200, "hello stranger"},
		{"no scheme, where only cookies are read", usher.FromCookie("session"), token, 200, "hello stranger"},
		{"more than a token", usher.FromBearer(), "Bearer " + token + " x", 401, ""},
		{"two in a list", usher.FromBearer(), "Bearer " + token + ", Bearer " + token, 401, ""},
		{"a letter that folds to ASCII", usher.FromAuthorization("sesame"), "\u017fesame " + token, 200, "hello stranger"},
		{"one's own scheme", usher.FromAuthorization("JWT"), "JWT " + token, 200, "hello 7"},
		{"one's own scheme in lower case", usher.FromAuthorization("JWT"), "jwt " + token, 200, "hello 7"},
		{"one's own scheme, empty", usher.FromAuthorization("JWT"), "JWT", 401, ""},
		{"Bearer where another is wanted", usher.FromAuthorization("JWT"), "Bearer " + token, 200, "hello stranger"},
		{"bare", usher.FromAuthorization(""), token, 200, "hello 7"},
		{"a scheme where none is wanted", usher.FromAuthorization(""), "Bearer " + token, 200, "hello stranger"},
		{"Basic where none is wanted", usher.FromAuthorization(""), "Basic dXNlcjpwYXNz", 200, "hello stranger"},
		{"bare without a dot", usher.FromAuthorization(""), "dXNlcjpwYXNz", 200, "hello stranger"},
		{"bare and empty", usher.FromAuthorization(""), "", 200, "hello stranger"},
		{"bare in the header of that name", usher.FromHeader("authorization"), token, 200, "hello 7"},
		{"FromBearer is FromAuthorization", usher.FromAuthorization("Bearer"), "Bearer " + token, 200, "hello 7"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := openShop(t, usher.MiddlewareOptions{Sources: []usher.TokenSource{test.source}})
			r := requestWith("")
			r.Header.Set("Authorization", test.value)
			wantResponse(t, serveRequest(d.Optional(http.HandlerFunc(sayHello)), r), test.status, test.body)
		})
	}
}

func TestTwoHeadersAreRefusedWhateverTheirScheme(t *testing.T) {
	for name, source := range map[string]usher.TokenSource{
		"Bearer": usher.FromBearer(), "JWT": usher.FromAuthorization("JWT"), "bare": usher.FromAuthorization(""),
	} {
		d := openShop(t, usher.MiddlewareOptions{Sources: []usher.TokenSource{source}})
		for _, values := range [][]string{{"Bearer a", "Bearer b"}, {"Basic a", "Bearer b"}, {"Bearer a", ""}, {"Basic a", "Digest b"}} {
			r := requestWith("")
			r.Header["Authorization"] = values
			if w := serveRequest(d.Optional(http.HandlerFunc(sayHello)), r); w.Code != 400 {
				t.Errorf("%s, %q: %d", name, values, w.Code)
			}
			d.refused(t)
		}
	}
}

func TestTwoSchemesShareTheHeader(t *testing.T) {
	d := openShop(t, usher.MiddlewareOptions{Sources: []usher.TokenSource{usher.FromBearer(), usher.FromAuthorization("JWT")}})
	for _, scheme := range []string{"Bearer ", "JWT "} {
		r := requestWith("")
		r.Header.Set("Authorization", scheme+shopToken(t, nil))
		wantResponse(t, serveRequest(d.RequireFunc(greet), r), 200, "hello 7")
	}
	r := requestWith("")
	r.Header["Authorization"] = []string{"Bearer a", "JWT b"}
	wantResponse(t, serveRequest(d.RequireFunc(greet), r), 400, "")
}

func TestCookies(t *testing.T) {
	token := shopToken(t, nil)
	tests := []struct {
		name    string
		cookies []string
		status  int
		body    string
	}{
		{"among others", []string{"a=b; session=" + token + "; c=d"}, 200, "hello 7"},
		{"quoted", []string{`session="` + token + `"`}, 200, "hello 7"},
		{"of a name in another case", []string{"Session=" + token}, 200, "hello stranger"},
		{"of a longer name", []string{"session2=" + token}, 200, "hello stranger"},
		{"none", []string{"a=b"}, 200, "hello stranger"},
		{"empty", []string{"session="}, 200, "hello stranger"},
		{"bad", []string{"session=bad"}, 401, ""},
		{"twice in one header", []string{"session=" + token + "; session=" + token}, 400, ""},
		{"twice in two headers", []string{"session=" + token, "session=bad"}, 400, ""},
		{"good and empty", []string{"session=" + token + "; session="}, 200, "hello 7"},
		{"empty and good", []string{"session=; session=" + token}, 200, "hello 7"},
		{"two quotes and good", []string{`session=""; session=` + token}, 200, "hello 7"},
		{"good, empty and good", []string{"session=" + token + "; session=; session=" + token}, 400, ""},
		{"good, and another that no cookie may be", []string{"session=" + token + `; session=a\b`}, 400, ""},
		{"one that no cookie may be, and good", []string{`session=a"b; session=` + token}, 400, ""},
		{"one that no cookie may be", []string{`session=a\b`}, 401, ""},
		{"one quote", []string{`session="`}, 401, ""},
		{"two quotes", []string{`session=""`}, 200, "hello stranger"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := openShop(t, usher.MiddlewareOptions{Sources: []usher.TokenSource{usher.FromCookie("session")}})
			r := requestWith("")
			r.Header["Cookie"] = test.cookies
			wantResponse(t, serveRequest(d.Optional(http.HandlerFunc(sayHello)), r), test.status, test.body)
		})
	}
}

func TestCookieTokensAreCheckedForTheirOrigin(t *testing.T) {
	token := shopToken(t, nil)
	cookie := func(headers ...string) http.Header {
		h := http.Header{"Cookie": {"session=" + token}}
		for i := 0; i < len(headers); i += 2 {
			h[headers[i]] = append(h[headers[i]], headers[i+1])
		}
		return h
	}
	tests := []struct {
		name   string
		method string
		header http.Header
		status int
	}{
		{"not a browser", "POST", cookie(), 200},
		{"same origin", "POST", cookie("Sec-Fetch-Site", "same-origin"), 200},
		{"typed by the user", "POST", cookie("Sec-Fetch-Site", "none"), 200},
		{"same site only", "POST", cookie("Sec-Fetch-Site", "same-site"), 403},
		{"cross-site", "POST", cookie("Sec-Fetch-Site", "cross-site"), 403},
		{"cross-site PUT", "PUT", cookie("Sec-Fetch-Site", "cross-site"), 403},
		{"cross-site DELETE", "DELETE", cookie("Sec-Fetch-Site", "cross-site"), 403},
		{"cross-site CONNECT", "CONNECT", cookie("Sec-Fetch-Site", "cross-site"), 403},
		{"a link from another site", "GET", cookie("Sec-Fetch-Site", "cross-site"), 200},
		{"HEAD from another site", "HEAD", cookie("Sec-Fetch-Site", "cross-site"), 200},
		{"its own Origin", "POST", cookie("Origin", "http://shop.example"), 200},
		{"another Origin", "POST", cookie("Origin", "https://evil.example"), 403},
		{"an opaque Origin", "POST", cookie("Origin", "null"), 403},
		{"a trusted Origin", "POST", cookie("Origin", "https://app.example:8443", "Sec-Fetch-Site", "cross-site"), 200},
		{"a trusted host without its port", "POST", cookie("Origin", "https://app.example", "Sec-Fetch-Site", "cross-site"), 403},
		{"a trusted host without TLS", "POST", cookie("Origin", "http://app.example:8443", "Sec-Fetch-Site", "cross-site"), 403},
		{"a WebSocket of its own", "GET", cookie("Upgrade", "websocket", "Origin", "http://shop.example", "Sec-Fetch-Site", "same-origin"), 200},
		{"a WebSocket from another site", "GET", cookie("Upgrade", "websocket", "Sec-Fetch-Site", "cross-site"), 403},
		{"a WebSocket from another Origin", "GET", cookie("Upgrade", "websocket", "Origin", "https://evil.example"), 403},
		{"a WebSocket from a trusted Origin", "GET", cookie("Upgrade", "websocket", "Origin", "https://app.example:8443", "Sec-Fetch-Site", "cross-site"), 200},
		{"any other upgrade", "GET", cookie("Upgrade", "h2c", "Sec-Fetch-Site", "cross-site"), 403},
		{"an upgrade in the second line", "GET", cookie("Upgrade", "", "Upgrade", "websocket", "Sec-Fetch-Site", "cross-site"), 403},
		{"a bearer token from another site", "POST", http.Header{"Authorization": {"Bearer " + token}, "Sec-Fetch-Site": {"cross-site"}}, 200},
		{"a bearer token and another cookie", "POST", http.Header{"Authorization": {"Bearer " + token}, "Cookie": {"a=b"}, "Sec-Fetch-Site": {"cross-site"}}, 200},
		{"a bearer token and an empty cookie", "POST", http.Header{"Authorization": {"Bearer " + token}, "Cookie": {"session="}, "Sec-Fetch-Site": {"cross-site"}}, 200},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := openShop(t, usher.MiddlewareOptions{
				Sources:        []usher.TokenSource{usher.FromCookie("session"), usher.FromBearer()},
				TrustedOrigins: []string{"https://app.example:8443"},
			})
			method := ""
			next := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { method = r.Method })
			for _, h := range []http.Handler{d.Require(next), d.Optional(next)} {
				r := httptest.NewRequest(test.method, "http://shop.example/", nil)
				r.Header = test.header
				w := serveRequest(h, r)
				wantResponse(t, w, test.status, "")
				rej := d.refused(t)
				if test.status == 200 {
					if method != test.method {
						t.Errorf("the handler got a %s", method)
					}
					continue
				}
				if rej == nil || rej.Code != "" || rej.Err == nil || w.Header().Get("WWW-Authenticate") != "" {
					t.Errorf("observed %+v, headers %v", rej, w.Header())
				}
				if got := d.took(); got != "" {
					t.Errorf("took %q before the check", got)
				}
			}
		})
	}
}

func TestTrustedOriginsArePlain(t *testing.T) {
	for origin, plain := range map[string]bool{
		"https://app.example":           true,
		"https://app.example:8443":      true,
		"http://localhost:3000":         true,
		"http://127.0.0.1:3000":         true,
		"https://[::1]:8443":            true,
		"https://xn--bcher-kva.example": true,
		"":                              false,
		"null":                          false,
		"*":                             false,
		"app.example":                   false,
		"//app.example":                 false,
		"https:":                        false,
		"https://":                      false,
		"https://:8443":                 false,
		"https://app.example:":          false,
		"https://app.example:port":      false,
		"https://app.example:99999":     false,
		"https://app.example/":          false,
		"https://app.example/path":      false,
		"https://app.example?":          false,
		"https://app.example?a=b":       false,
		"https://app.example#":          false,
		"https://app.example#a":         false,
		"https://user@app.example":      false,
		"https://u:p@app.example":       false,
		"https://*.app.example":         false,
		"https://App.example":           false,
		"HTTPS://app.example":           false,
		" https://app.example":          false,
		"https://app.example ":          false,
		"https://app example":           false,
		"https://a.example,b.example":   false,
		"https://app.example\n":         false,
		"https://bücher.example":        false, // browsers send xn--bcher-kva.example
		"https://app.example\\evil":     false,
		"https://%61pp.example":         false,
		"mailto:ann@app.example":        false,
	} {
		m, err := usher.NewMiddleware(shopDecoder(t), findShopUser, &usher.MiddlewareOptions{
			Sources:        []usher.TokenSource{usher.FromCookie("session")},
			TrustedOrigins: []string{"https://fine.example", origin},
		})
		if got := strings.Join(configFields(t, err), " "); (got == "") != plain || !plain && got != "MiddlewareOptions.TrustedOrigins" {
			t.Errorf("%q: %v", origin, err)
		}
		if (m == nil) == plain {
			t.Errorf("%q gives %v", origin, m)
		}
	}
}

func TestQueryTokens(t *testing.T) {
	token := shopToken(t, nil)
	d := openShop(t, usher.MiddlewareOptions{Sources: []usher.TokenSource{usher.FromQuery("access_token"), usher.FromBearer()}})
	page := d.Optional(http.HandlerFunc(sayHello))
	tests := []struct {
		name, query      string
		status           int
		body             string
		referrer, caches string
	}{
		{"a good token", "a=b&access_token=" + token, 200, "hello 7", "no-referrer", "private"},
		{"a bad token", "access_token=bad", 401, "", "no-referrer", "no-store"},
		{"an empty one", "access_token=", 401, "", "no-referrer", "no-store"},
		{"two", "access_token=" + token + "&access_token=" + token, 400, "", "no-referrer", "no-store"},
		{"none", "a=b", 200, "hello stranger", "", ""},
		{"a name in another case", "Access_Token=" + token, 200, "hello stranger", "", ""},
		{"in disguise", "%61ccess_token=" + token, 200, "hello 7", "no-referrer", "private"},
		{"in what can't be read", "access_token=" + token + "&access_token=%zz", 400, "", "no-referrer", "no-store"},
		{"behind a semicolon", "a=b;access_token=" + token, 400, "", "no-referrer", "no-store"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := serveRequest(page, httptest.NewRequest(http.MethodGet, "http://shop.example/?"+test.query, nil))
			wantResponse(t, w, test.status, test.body)
			if got := w.Header().Get("Referrer-Policy"); got != test.referrer {
				t.Errorf("Referrer-Policy is %q", got)
			}
			if got := w.Header().Get("Cache-Control"); got != test.caches {
				t.Errorf("Cache-Control is %q", got)
			}
			if rej := d.refused(t); test.status == 400 && (rej.Code != "invalid_request" || rej.Err == nil) {
				t.Errorf("observed %+v", rej)
			}
			if strings.Contains(w.Body.String(), "%zz") {
				t.Errorf("the body quotes the query: %s", w.Body)
			}
		})
	}
	t.Run("a bearer token is as ever", func(t *testing.T) {
		w := serveRequest(page, requestWith(token))
		if w.Header().Get("Referrer-Policy") != "" || w.Header().Get("Cache-Control") != "" {
			t.Errorf("headers %v", w.Header())
		}
	})
	t.Run("before a custom Reject", func(t *testing.T) {
		d := openShop(t, usher.MiddlewareOptions{
			Sources: []usher.TokenSource{usher.FromQuery("t")},
			Reject:  func(w http.ResponseWriter, _ *http.Request, rej *usher.Rejection) { w.WriteHeader(rej.Status) },
		})
		w := serveRequest(d.RequireFunc(greet), httptest.NewRequest(http.MethodGet, "/?t=bad", nil))
		if w.Code != 401 || w.Header().Get("Referrer-Policy") != "no-referrer" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%d, headers %v", w.Code, w.Header())
		}
	})
}

func TestFormTokens(t *testing.T) {
	const urlencoded = "application/x-www-form-urlencoded"
	token := shopToken(t, nil)
	body := "title=a&access_token=" + token
	filled := func(size int) string { return body + "&fill=" + strings.Repeat("x", size-len(body)-len("&fill=")) }
	tests := []struct {
		name, method, kind, query, body string
		status                          int // on an optional route
		want                            string
	}{
		{"POST", "POST", urlencoded, "", body, 200, "hello 7"},
		{"PUT", "PUT", urlencoded, "", body, 200, "hello 7"},
		{"PATCH", "PATCH", urlencoded, "", body, 200, "hello 7"},
		{"with a charset", "POST", "Application/X-WWW-Form-Urlencoded; charset=utf-8", "", body, 200, "hello 7"},
		{"GET", "GET", urlencoded, "", body, 200, "hello stranger"},
		{"DELETE", "DELETE", urlencoded, "", body, 200, "hello stranger"},
		{"no type", "POST", "", "", body, 200, "hello stranger"},
		{"text", "POST", "text/plain", "", body, 200, "hello stranger"},
		{"JSON", "POST", "application/json", "", `{"access_token":"` + token + `"}`, 200, "hello stranger"},
		{"a type whose parameters can't be read", "POST", urlencoded + "; charset", "", body, 200, "hello stranger"},
		{"a type that can't be read", "POST", "urlencoded/", "", body, 200, "hello stranger"},
		{"in the URL", "POST", urlencoded, "?access_token=" + token, "title=a", 200, "hello stranger"},
		{"in the body and the URL", "POST", urlencoded, "?access_token=other", body, 200, "hello 7"},
		{"a bad token", "POST", urlencoded, "", "access_token=bad", 401, ""},
		{"twice", "POST", urlencoded, "", body + "&access_token=" + token, 400, ""},
		{"what can't be read", "POST", urlencoded, "", body + "&a=%zz", 400, ""},
		{"64 KiB", "POST", urlencoded, "", filled(64 << 10), 200, "hello 7"},
		{"64 KiB and a byte", "POST", urlencoded, "", filled(64<<10 + 1), 400, ""},
		{"no body", "POST", urlencoded, "", "", 200, "hello stranger"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := openShop(t, usher.MiddlewareOptions{Sources: []usher.TokenSource{usher.FromForm("access_token")}})
			server := httptest.NewServer(d.Optional(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if test.want == "hello 7" {
					if got := r.PostFormValue("access_token"); got != token {
						t.Errorf("the handler finds no form but %v", r.PostForm)
					}
				} else if test.kind != urlencoded && test.method != http.MethodGet {
					if got, err := io.ReadAll(r.Body); err != nil || string(got) != test.body {
						t.Errorf("the handler reads %q, %v", got, err)
					}
				}
				sayHello(w, r)
			})))
			defer server.Close()
			r, err := http.NewRequestWithContext(t.Context(), test.method, server.URL+"/"+test.query, strings.NewReader(test.body))
			if err != nil {
				t.Fatal(err)
			}
			if test.kind != "" {
				r.Header.Set("Content-Type", test.kind)
			}
			response, err := server.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			got, err := io.ReadAll(response.Body)
			if err != nil || response.StatusCode != test.status || test.want != "" && string(got) != test.want {
				t.Errorf("got %d %q, want %d %q", response.StatusCode, got, test.status, test.want)
			}
			rej := d.refused(t)
			if test.status == 400 && (rej == nil || rej.Code != "invalid_request" || rej.Err == nil || strings.Contains(string(got), "%zz")) {
				t.Errorf("observed %+v, answered %s", rej, got)
			}
		})
	}
}

func TestFormInSeveralPartsIsNotSearched(t *testing.T) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	if err := errors.Join(form.WriteField("access_token", shopToken(t, nil)), form.Close()); err != nil {
		t.Fatal(err)
	}
	d := openShop(t, usher.MiddlewareOptions{Sources: []usher.TokenSource{usher.FromForm("access_token")}})
	r := httptest.NewRequest(http.MethodPost, "/", &body)
	r.Header.Set("Content-Type", form.FormDataContentType())
	wantResponse(t, serveRequest(d.Optional(http.HandlerFunc(sayHello)), r), 200, "hello stranger")
}

// A form that never ends is read no further than the limit.
func TestFormIsReadUpToItsLimit(t *testing.T) {
	read := &endless{}
	d := openShop(t, usher.MiddlewareOptions{Sources: []usher.TokenSource{usher.FromForm("access_token")}})
	r := httptest.NewRequest(http.MethodPost, "/", read)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	wantResponse(t, serveRequest(d.RequireFunc(greet), r), 400, "")
	if read.bytes > 130<<10 {
		t.Errorf("%d bytes were read", read.bytes)
	}
	if rej := d.refused(t); !errors.As(rej, new(*http.MaxBytesError)) {
		t.Errorf("observed %v", rej.Err)
	}
}

// endless is a body without an end.
type endless struct{ bytes int }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	e.bytes += len(p)
	return len(p), nil
}

// net/http keeps the readable part of a form. A second look at the request must not find a token in it.
func TestFormThatCannotBeReadIsRefusedEachTime(t *testing.T) {
	token := shopToken(t, nil)
	d := openShop(t, usher.MiddlewareOptions{Sources: []usher.TokenSource{usher.FromForm("access_token")}})
	for _, test := range []struct{ target, form string }{
		{"/", "access_token=" + token + "&title=%zz"},
		{"/", "access_token=" + token + "&a;b"},
		{"/?title=%zz", "access_token=" + token},
	} {
		r := httptest.NewRequest(http.MethodPost, test.target, strings.NewReader(test.form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for n := range 3 {
			if _, err := d.Authenticate(r); err == nil {
				t.Errorf("%s with %s: accepted at attempt %d", test.target, test.form[len(token):], n)
			}
		}
		wantResponse(t, serveRequest(d.RequireFunc(greet), r), 400, "")
		if body, err := io.ReadAll(r.Body); err != nil || string(body) != test.form || r.Form != nil || r.PostForm != nil {
			t.Errorf("%s: the handler reads %d of %d bytes, %v, and %v", test.target, len(body), len(test.form), err, r.Form)
		}
	}
}

func TestFormThatWasParsedBefore(t *testing.T) {
	token := shopToken(t, nil)
	d := openShop(t, usher.MiddlewareOptions{Sources: []usher.TokenSource{usher.FromForm("access_token")}})
	nested := d.Require(d.RequireFunc(func(w http.ResponseWriter, r *http.Request, _ *shopUser) {
		_, _ = io.WriteString(w, r.PostFormValue("title"))
	}))
	for name, h := range map[string]http.Handler{
		"by an outer middleware": nested,
		"by somebody else": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := r.ParseForm(); err != nil {
				t.Error(err)
			}
			nested.ServeHTTP(w, r)
		}),
	} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(url.Values{"title": {"a"}, "access_token": {token}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := serveRequest(h, r)
		if w.Code != 200 || w.Body.String() != "a" {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if got := d.took(); got != "decode check user" {
			t.Errorf("%s: took %q", name, got)
		}
	}
}

func TestWebSocketTokens(t *testing.T) {
	token := shopToken(t, nil)
	tests := []struct {
		name      string
		upgrade   string
		protocols []string
		status    int // on an optional route
		body      string
		echo      string
	}{
		{"marker and token", "websocket", []string{"usher.bearer, " + token}, 200, "hello 7", "usher.bearer"},
		{"in two lines", "websocket", []string{"usher.bearer", token}, 200, "hello 7", "usher.bearer"},
		{"without spaces", "websocket", []string{"usher.bearer," + token}, 200, "hello 7", "usher.bearer"},
		{"with tabs", "websocket", []string{"usher.bearer\t,\t" + token}, 200, "hello 7", "usher.bearer"},
		{"behind another protocol", "websocket", []string{"chat, usher.bearer, " + token}, 200, "hello 7", "usher.bearer"},
		{"before another protocol", "websocket", []string{"usher.bearer, " + token + ", chat"}, 200, "hello 7", "usher.bearer"},
		{"among other protocols", "h2c,\tWebSocket , other", []string{"usher.bearer, " + token}, 200, "hello 7", "usher.bearer"},
		{"part of another protocol's name", "websocket2, h2c", []string{"usher.bearer, " + token}, 200, "hello stranger", ""},
		{"in any case", "WebSocket", []string{"usher.bearer, " + token}, 200, "hello 7", "usher.bearer"},
		{"another protocol", "websocket", []string{"chat"}, 200, "hello stranger", ""},
		{"no protocol", "websocket", nil, 200, "hello stranger", ""},
		{"another marker", "websocket", []string{"bearer, " + token}, 200, "hello stranger", ""},
		{"the marker in another case", "websocket", []string{"Usher.Bearer, " + token}, 200, "hello stranger", ""},
		{"no upgrade", "", []string{"usher.bearer, " + token}, 200, "hello stranger", ""},
		{"a letter that folds to ASCII", "web\u017focket", []string{"usher.bearer, " + token}, 200, "hello stranger", ""},
		{"another upgrade", "h2c", []string{"usher.bearer, " + token}, 200, "hello stranger", ""},
		{"a bad token", "websocket", []string{"usher.bearer, bad"}, 401, "", ""},
		{"the marker alone", "websocket", []string{"usher.bearer"}, 401, "", ""},
		{"the marker and a comma", "websocket", []string{"usher.bearer, "}, 401, "", ""},
		{"the marker twice", "websocket", []string{"usher.bearer, " + token + ", usher.bearer, " + token}, 400, "", ""},
	}
	d := openShop(t, usher.MiddlewareOptions{Sources: []usher.TokenSource{usher.FromWebSocketProtocol("usher.bearer")}})
	server := httptest.NewServer(d.Optional(http.HandlerFunc(sayHello)))
	defer server.Close()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			if test.upgrade != "" {
				r.Header.Set("Connection", "Upgrade")
				r.Header.Set("Upgrade", test.upgrade)
			}
			r.Header["Sec-WebSocket-Protocol"] = test.protocols
			response, err := server.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			got, err := io.ReadAll(response.Body)
			if err != nil || response.StatusCode != test.status || test.body != "" && string(got) != test.body {
				t.Errorf("got %d %q, want %d %q", response.StatusCode, got, test.status, test.body)
			}
			if got := strings.Join(response.Header["Sec-Websocket-Protocol"], "|"); got != test.echo {
				t.Errorf("the protocol is %q, want %q", got, test.echo)
			}
			d.refused(t)
		})
	}
}

// The 101 that a handler writes by itself has the marker, and the token nowhere.
func TestWebSocketHandshake(t *testing.T) {
	d := openShop(t, usher.MiddlewareOptions{Sources: []usher.TokenSource{usher.FromWebSocketProtocol("usher.bearer")}})
	server := httptest.NewServer(d.RequireFunc(func(w http.ResponseWriter, _ *http.Request, _ *shopUser) {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "websocket")
		w.WriteHeader(http.StatusSwitchingProtocols)
	}))
	defer server.Close()
	connection, err := new(net.Dialer).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	token := shopToken(t, nil)
	fmt.Fprintf(connection, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Protocol: usher.bearer, %s\r\n\r\n", token)
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusSwitchingProtocols || strings.Join(response.Header["Sec-Websocket-Protocol"], "|") != "usher.bearer" ||
		strings.Contains(fmt.Sprint(response.Header), token) {
		t.Errorf("%d, headers %v", response.StatusCode, response.Header)
	}
}

func TestUnfitSourcesAreReported(t *testing.T) {
	tests := []struct {
		name    string
		sources []usher.TokenSource
		wrong   bool
	}{
		{"none", nil, false},
		{"all kinds", allSources(), false},
		{"two cookies of different names", []usher.TokenSource{usher.FromCookie("a"), usher.FromCookie("A")}, false},
		{"two schemes", []usher.TokenSource{usher.FromBearer(), usher.FromAuthorization("JWT")}, false},
		{"a scheme, and a cookie and a header of its name", []usher.TokenSource{usher.FromAuthorization("JWT"), usher.FromCookie("JWT"), usher.FromHeader("JWT")}, false},
		{"the bare header, and a cookie", []usher.TokenSource{usher.FromAuthorization(""), usher.FromCookie("a")}, false},
		{"a header with all signs of RFC 9110", []usher.TokenSource{usher.FromHeader("!#$%&'*+-.^_`|~")}, false},
		{"a parameter with an odd name", []usher.TokenSource{usher.FromQuery("access token"), usher.FromForm("token[0]")}, false},
		{"the zero source", []usher.TokenSource{{}}, true},
		{"a header without a name", []usher.TokenSource{usher.FromHeader("")}, true},
		{"a header with a space", []usher.TokenSource{usher.FromHeader("X Token")}, true},
		{"the Cookie header", []usher.TokenSource{usher.FromHeader("cookie")}, true},
		{"a header with a colon", []usher.TokenSource{usher.FromHeader("X-Token:")}, true},
		{"a cookie without a name", []usher.TokenSource{usher.FromCookie("")}, true},
		{"a cookie with an equals sign", []usher.TokenSource{usher.FromCookie("a=b")}, true},
		{"a query without a name", []usher.TokenSource{usher.FromQuery("")}, true},
		{"a form without a name", []usher.TokenSource{usher.FromForm("")}, true},
		{"a protocol without a name", []usher.TokenSource{usher.FromWebSocketProtocol("")}, true},
		{"a protocol with a comma", []usher.TokenSource{usher.FromWebSocketProtocol("a,b")}, true},
		{"a scheme with a space", []usher.TokenSource{usher.FromAuthorization("Bearer ")}, true},
		{"a scheme beyond ASCII", []usher.TokenSource{usher.FromAuthorization("Bärer")}, true},
		{"the same twice", []usher.TokenSource{usher.FromBearer(), usher.FromBearer()}, true},
		{"the same scheme in another case", []usher.TokenSource{usher.FromBearer(), usher.FromAuthorization("BEARER")}, true},
		{"bare and with a scheme", []usher.TokenSource{usher.FromAuthorization(""), usher.FromBearer()}, false},
		{"bare twice", []usher.TokenSource{usher.FromAuthorization(""), usher.FromHeader("authorization")}, true},
		{"the header by both names", []usher.TokenSource{usher.FromBearer(), usher.FromHeader("authorization")}, false},
		{"a header in another case", []usher.TokenSource{usher.FromHeader("x-token"), usher.FromHeader("X-TOKEN")}, true},
		{"a cookie twice", []usher.TokenSource{usher.FromCookie("a"), usher.FromBearer(), usher.FromCookie("a")}, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := usher.NewMiddleware(shopDecoder(t), findShopUser, &usher.MiddlewareOptions{Sources: test.sources})
			want := ""
			if test.wrong {
				want = "MiddlewareOptions.Sources"
			}
			if got := strings.Join(configFields(t, err), " "); got != want {
				t.Errorf("reported %q: %v", got, err)
			}
		})
	}
}

// A service that moves from bare tokens to Bearer takes both for a while.
func TestBareAndBearerTokensAreTakenTogether(t *testing.T) {
	token := shopToken(t, nil)
	for _, sources := range [][]usher.TokenSource{
		{usher.FromBearer(), usher.FromAuthorization("")}, {usher.FromAuthorization(""), usher.FromBearer()},
	} {
		d := openShop(t, usher.MiddlewareOptions{Sources: sources})
		for value, want := range map[string]int{
			token: 200, "Bearer " + token: 200, "bearer " + token: 200, "Basic dXNlcjpwYXNz": 401, "Basic a.b": 401, "Bearer": 401, "Bearer a.b": 401, "": 401,
		} {
			r := requestWith("")
			r.Header.Set("Authorization", value)
			wantResponse(t, serveRequest(d.RequireFunc(greet), r), want, "")
		}
	}
}

// The operator learns what is wrong with the Authorization header; nothing of it gets into the log.
func TestNoTokenSaysWhatIsWrongWithAuthorization(t *testing.T) {
	token := shopToken(t, nil)
	d := openShop(t, usher.MiddlewareOptions{})
	tests := []struct {
		name, value string
		is          error
		says        string
	}{
		{"no scheme", token, usher.ErrTokenMalformed, "scheme"},
		{"another scheme", "JWT " + token, usher.ErrNoToken, "scheme that none of MiddlewareOptions.Sources reads"},
		{"a password", "hunter2", usher.ErrNoToken, "scheme that none of MiddlewareOptions.Sources reads"},
		{"none", "", usher.ErrNoToken, ""},
	}
	for _, test := range tests {
		r := requestWith("")
		r.Header.Set("Authorization", test.value)
		serveRequest(d.RequireFunc(greet), r)
		rej := d.refused(t)
		if !errors.Is(rej, test.is) || !strings.Contains(rej.Err.Error(), test.says) ||
			test.value != "" && strings.Contains(rej.Err.Error(), test.value) {
			t.Errorf("%s: %v", test.name, rej.Err)
		}
	}
}

// A request with a token without a scheme is not anonymous.
func TestOptionalRefusesABareTokenThatNoSourceReads(t *testing.T) {
	token := shopToken(t, nil)
	bare := func(values ...string) *http.Request {
		r := requestWith("")
		r.Header["Authorization"] = values
		return r
	}
	tests := []struct {
		name    string
		sources []usher.TokenSource
		request *http.Request
		status  int
	}{
		{"by default", nil, bare(token), 401},
		{"another scheme", []usher.TokenSource{usher.FromAuthorization("JWT")}, bare(token), 401},
		{"beside a cookie", []usher.TokenSource{usher.FromBearer(), usher.FromCookie("session")}, bare(token), 401},
		{"where Authorization is not read", []usher.TokenSource{usher.FromCookie("session")}, bare(token), 200},
		{"no dot", nil, bare("dXNlcjpwYXNz"), 200},
		{"Basic with a dot", nil, bare("Basic a.b"), 200},
		{"nothing", nil, bare(""), 200},
	}
	for _, test := range tests {
		d := openShop(t, usher.MiddlewareOptions{Sources: test.sources})
		w := serveRequest(d.Optional(http.HandlerFunc(sayHello)), test.request)
		if w.Code != test.status {
			t.Errorf("%s: %d", test.name, w.Code)
		}
		if rej := d.refused(t); test.status == 401 && (rej.Code != "invalid_token" || rej.Reason() != "malformed") {
			t.Errorf("%s: %q %q", test.name, rej.Code, rej.Reason())
		}
	}
	r := requestCarrying(token, inCookie) // a token elsewhere is found, and the other is none
	r.Header.Set("Authorization", token)
	d := openShop(t, usher.MiddlewareOptions{Sources: []usher.TokenSource{usher.FromBearer(), usher.FromCookie("session")}})
	wantResponse(t, serveRequest(d.Optional(http.HandlerFunc(sayHello)), r), 200, "hello 7")
}

// A form that is too long to be searched does not affect a token in another source, and the handler can read all of it.
func TestLongFormsBesideABearerToken(t *testing.T) {
	token := shopToken(t, nil)
	long := "text=" + strings.Repeat("x", 70<<10)
	many := strings.Repeat("a=b&", 1000) + "c=d"
	sources := []usher.TokenSource{usher.FromForm("access_token"), usher.FromForm("token"), usher.FromBearer()}
	d := openShop(t, usher.MiddlewareOptions{Sources: sources})
	server := httptest.NewServer(d.RequireFunc(func(w http.ResponseWriter, r *http.Request, _ *shopUser) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		fmt.Fprint(w, len(body))
	}))
	defer server.Close()
	for _, test := range []struct {
		name, body, token string
		known             bool
		status            int
	}{
		{"a long form", long, token, true, 200},
		{"a long form of unknown length", long, token, false, 200},
		{"a form of many fields", many, token, true, 200},
		{"a form of many fields of unknown length", many, token, false, 200},
		{"a long form and a bad token", long, "bad", true, 401},
		{"a long form alone", long, "", true, 400},
		{"a form of many fields alone", many, "", false, 400},
		{"a form with a token", "access_token=" + token, token, true, 400},
	} {
		t.Run(test.name, func(t *testing.T) {
			var body io.Reader = strings.NewReader(test.body)
			if !test.known {
				body = io.MultiReader(body)
			}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, body)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if test.token != "" {
				r.Header.Set("Authorization", "Bearer "+test.token)
			}
			response, err := server.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			got, _ := io.ReadAll(response.Body)
			if response.StatusCode != test.status || test.status == 200 && string(got) != fmt.Sprint(len(test.body)) {
				t.Errorf("%d, the handler read %s of %d bytes", response.StatusCode, got, len(test.body))
			}
			d.refused(t)
		})
	}
}

// An outer handler's own limit is the handler's to report.
func TestFormBeyondAnOuterLimitBesideABearerToken(t *testing.T) {
	d := openShop(t, usher.MiddlewareOptions{Sources: []usher.TokenSource{usher.FromForm("access_token"), usher.FromBearer()}})
	h := d.RequireFunc(func(w http.ResponseWriter, r *http.Request, _ *shopUser) {
		if _, err := io.ReadAll(r.Body); !errors.As(err, new(*http.MaxBytesError)) {
			t.Errorf("the handler got %v", err)
		}
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	})
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("text="+strings.Repeat("x", 2000)))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Authorization", "Bearer "+shopToken(t, nil))
	r.Body = http.MaxBytesReader(nil, r.Body, 1000)
	wantResponse(t, serveRequest(h, r), 413, "")
}

func TestFromFunc(t *testing.T) {
	token := shopToken(t, nil)
	var answer struct {
		token string
		found bool
		err   error
	}
	source := usher.FromFunc(func(*http.Request) (string, bool, error) { return answer.token, answer.found, answer.err }, "X-Custom")
	d := openShop(t, usher.MiddlewareOptions{Sources: []usher.TokenSource{source, usher.FromBearer()}})
	tests := []struct {
		name   string
		token  string
		found  bool
		err    error
		status int // on an optional route
		body   string
	}{
		{"a token", token, true, nil, 200, "hello 7"},
		{"none", "", false, nil, 200, "hello stranger"},
		{"a token that was not found", token, false, nil, 200, "hello stranger"},
		{"ErrNoToken", token, true, usher.ErrNoToken, 200, "hello stranger"},
		{"an empty token", "", true, nil, 401, ""},
		{"a bad token", "bad", true, nil, 401, ""},
		{"ErrManyTokens", "", false, usher.ErrManyTokens, 400, ""},
		{"a token and an error", token, true, usher.ErrTokenMalformed, 401, ""},
		{"an outage", "", false, usher.ErrUnavailable, 503, ""},
		{"an outage that is also ErrNoToken", "", false, errors.Join(usher.ErrNoToken, usher.ErrUnavailable), 503, ""},
		{"a Rejection", "", false, &usher.Rejection{Status: 415}, 415, ""},
		{"an error of its own", "", false, errors.New(secretCause), 500, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			answer.token, answer.found, answer.err = test.token, test.found, test.err
			wantResponse(t, serveRequest(d.Optional(http.HandlerFunc(sayHello)), requestWith("")), test.status, test.body)
			d.refused(t)
			if test.found && test.err == nil {
				wantResponse(t, serveRequest(d.Optional(http.HandlerFunc(sayHello)), requestWith(token)), 400, "")
				d.refused(t)
			}
		})
	}
}

func TestFromFuncOfCookiesIsCheckedForItsOrigin(t *testing.T) {
	find := func(r *http.Request) (string, bool, error) {
		cookie, err := r.Cookie("session")
		if err != nil {
			return "", false, nil //nolint:nilerr // no cookie is no token
		}
		return cookie.Value, true, nil
	}
	for name, test := range map[string]struct {
		vary   []string
		status int
	}{
		"of cookies": {[]string{"X-A", "cookie"}, 403}, "of another header": {[]string{"X-A"}, 200}, "of none": {nil, 200},
	} {
		d := openShop(t, usher.MiddlewareOptions{Sources: []usher.TokenSource{usher.FromFunc(find, test.vary...)}})
		r := requestCarrying(shopToken(t, nil), inCookie)
		r.Method = http.MethodPost
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		wantResponse(t, serveRequest(d.RequireFunc(greet), r), test.status, "")
		if rej := d.refused(t); test.status == 403 && rej.Reason() != "cross_origin" {
			t.Errorf("%s: %q", name, rej.Reason())
		}
	}
}

func TestUnfitFuncsAreReported(t *testing.T) {
	find := func(*http.Request) (string, bool, error) { return "", false, nil }
	same := usher.FromFunc(find)
	for name, sources := range map[string][]usher.TokenSource{
		"no function":       {usher.FromFunc(nil)},
		"an empty header":   {usher.FromFunc(find, "")},
		"a header's value":  {usher.FromFunc(find, "X-A: b")},
		"one source, twice": {same, same},
	} {
		_, err := usher.NewMiddleware(shopDecoder(t), findShopUser, &usher.MiddlewareOptions{Sources: sources})
		if got := strings.Join(configFields(t, err), " "); got != "MiddlewareOptions.Sources" {
			t.Errorf("%s: %q: %v", name, got, err)
		}
	}
	if _, err := usher.NewMiddleware(shopDecoder(t), findShopUser, &usher.MiddlewareOptions{
		Sources: []usher.TokenSource{usher.FromFunc(find, "X-A"), usher.FromFunc(find, "X-A")},
	}); err != nil {
		t.Errorf("two functions: %v", err)
	}
}

// The operator of a service with pages on another origin learns which option to set.
func TestCrossOriginRefusalNamesTheOriginAndTheOption(t *testing.T) {
	d := openShop(t, usher.MiddlewareOptions{Sources: []usher.TokenSource{usher.FromCookie("session")}})
	r := requestCarrying(shopToken(t, nil), inCookie)
	r.Method = http.MethodPost
	r.Header.Set("Origin", "https://app.example")
	wantResponse(t, serveRequest(d.RequireFunc(greet), r), 403, "")
	if text := d.refused(t).Err.Error(); !strings.Contains(text, `"https://app.example"`) || !strings.Contains(text, "TrustedOrigins") {
		t.Errorf("%s", text)
	}
	r.Header.Set("Origin", "https://app.example/"+strings.Repeat("a", 2000))
	wantResponse(t, serveRequest(d.RequireFunc(greet), r), 403, "")
	if text := d.refused(t).Err.Error(); len(text) > 500 {
		t.Errorf("%d bytes", len(text))
	}
}
