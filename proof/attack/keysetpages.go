package attack

import (
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// Page is what a server responds with. origin is the server's own.
type Page func(w http.ResponseWriter, r *http.Request, origin string)

// MetadataPath is where cases serve metadata.
const MetadataPath = "/.well-known/openid-configuration"

func text(status int, body []byte, header ...string) Page {
	return func(w http.ResponseWriter, _ *http.Request, _ string) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = w.Write(body)
	}
}

func redirect(status int, target func(r *http.Request, origin string) string) Page {
	return func(w http.ResponseWriter, r *http.Request, origin string) {
		http.Redirect(w, r, target(r, origin), status)
	}
}

// endless writes a gigabyte, as long as anybody reads.
func endless(w io.Writer) {
	chunk := []byte(strings.Repeat(" ", 1<<16))
	for range 1 << 14 {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}

// flushed sends what is written at once, so that the server notices when nobody reads on.
type flushed struct {
	z *gzip.Writer
	c *http.ResponseController
}

func (f flushed) Write(p []byte) (int, error) {
	n, err := f.z.Write(p)
	return n, errors.Join(err, f.z.Flush(), f.c.Flush())
}

// pageCases are responses that are no set, or no right metadata.
func (m keyMint) pageCases() []SetCase {
	set := setOf(public(m.p256).text())
	cases := m.responseCases(set)
	for _, status := range []int{201, 202, 203, 204, 206, 300, 304, 400, 401, 403, 404, 410, 429, 500, 502, 503} {
		body := set
		if status == http.StatusNoContent || status == http.StatusNotModified {
			body = nil
		}
		cases = append(cases, SetCase{Name: fmt.Sprintf("status %d with a set", status), Section: "RFC 9110 §15", Page: text(status, body), Reason: "status " + strconv.Itoa(status)})
	}
	for _, status := range []int{301, 302, 303, 307, 308} {
		cases = append(cases,
			SetCase{Name: fmt.Sprintf("redirect %d to another host", status), Section: "RFC 9110 §15.4", Reason: "another origin",
				Page: redirect(status, func(*http.Request, string) string { return "https://issuer.example/keys" })},
			SetCase{Name: fmt.Sprintf("redirect %d to itself", status), Section: "RFC 9110 §15.4", Reason: "redirected more than",
				Page: redirect(status, func(r *http.Request, _ string) string { return r.URL.Path })})
	}
	cases = append(cases,
		SetCase{Name: "a redirect to another name of the host", Section: "RFC 6454 §5", Reason: "another origin",
			Page: redirect(302, func(r *http.Request, origin string) string {
				return strings.Replace(origin, "127.0.0.1", "localhost", 1) + r.URL.Path
			})},
		SetCase{Name: "a redirect to a file", Section: "RFC 6454 §5", Reason: "another origin",
			Page: redirect(302, func(*http.Request, string) string { return "file:///etc/passwd" })})
	for i := range cases {
		cases[i].Want = SetRefused
	}
	return append(cases, m.metadataCases()...)
}

func (keyMint) responseCases(set []byte) []SetCase {
	const section, coding = "the limits of package jwks", "RFC 9110 §8.4"
	return []SetCase{
		{Name: "a gigabyte", Section: section, Reason: "more than 1048576 bytes",
			Page: func(w http.ResponseWriter, _ *http.Request, _ string) { endless(w) }},
		{Name: "a gigabyte that is announced", Section: section, Reason: "1073741824 bytes",
			Page: func(w http.ResponseWriter, _ *http.Request, _ string) {
				w.Header().Set("Content-Length", strconv.Itoa(1<<30))
				endless(w)
			}},
		{Name: "a gigabyte in gzip", Section: coding, Reason: "more than 1048576 bytes",
			Page: func(w http.ResponseWriter, _ *http.Request, _ string) {
				w.Header().Set("Content-Encoding", "gzip")
				endless(flushed{gzip.NewWriter(w), http.NewResponseController(w)})
			}},
		{Name: "16 MiB in gzip, twice", Section: coding,
			Page: func(w http.ResponseWriter, _ *http.Request, _ string) {
				w.Header().Set("Content-Encoding", "gzip")
				outer := gzip.NewWriter(w)
				inner := gzip.NewWriter(outer)
				_, _ = inner.Write(make([]byte, 16<<20))
				_, _ = inner.Close(), outer.Close()
			}},
		{Name: "a set in deflate, which nobody asked for", Section: coding,
			Page: func(w http.ResponseWriter, _ *http.Request, _ string) {
				w.Header().Set("Content-Encoding", "deflate")
				z := zlib.NewWriter(w)
				_, _ = z.Write(set)
				_ = z.Close()
			}},
		{Name: "a set that says it is gzip", Section: coding, Page: text(200, set, "Content-Encoding", "gzip")},
		{Name: "headers of a megabyte", Section: section, Page: text(200, set, "X-Large", strings.Repeat("x", 1<<20))},
		{Name: "a body that stops", Section: "RFC 9112 §8", Reason: "EOF", Page: text(200, set, "Content-Length", strconv.Itoa(len(set)+1))},
		{Name: "a connection that closes", Section: "RFC 9112 §9.5",
			Page: func(w http.ResponseWriter, _ *http.Request, _ string) {
				if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
					_ = conn.Close()
				}
			}},
		{Name: "a single key instead of a set", Section: "RFC 7517 §5", Page: text(200, set[len(`{"keys":[`):len(set)-2]), Reason: "no member keys"},
	}
}

func (keyMint) metadataCases() []SetCase {
	const section, scheme = "OpenID Connect Discovery 1.0 §4.3, RFC 8414 §3.3", "RFC 8414 §2"
	var cases []SetCase
	for _, c := range []struct{ name, section, body, reason string }{
		{"the metadata of another issuer", section, `{"issuer":"https://issuer.example","jwks_uri":"ORIGIN/keys"}`, "is for the issuer"},
		{"the issuer with a slash", section, `{"issuer":"ORIGIN/","jwks_uri":"ORIGIN/keys"}`, "is for the issuer"},
		{"the issuer with a path", section, `{"issuer":"ORIGIN/tenant","jwks_uri":"ORIGIN/keys"}`, "is for the issuer"},
		{"the issuer in other case", section, `{"issuer":"HTTP://127.0.0.1","jwks_uri":"ORIGIN/keys"}`, "is for the issuer"},
		{"a template for the issuer", section, `{"issuer":"ORIGIN/{tenantid}","jwks_uri":"ORIGIN/keys"}`, "is for the issuer"},
		{"no issuer", section, `{"jwks_uri":"ORIGIN/keys"}`, "is for the issuer"},
		{"an issuer in another case of its name", section, `{"Issuer":"ORIGIN","jwks_uri":"ORIGIN/keys"}`, "is for the issuer"},
		{"an issuer that is a list", section, `{"issuer":["ORIGIN"],"jwks_uri":"ORIGIN/keys"}`, "wrong type"},
		{"the issuer twice", section, `{"issuer":"https://issuer.example","issuer":"ORIGIN","jwks_uri":"ORIGIN/keys"}`, "twice"},
		{"no jwks_uri", scheme, `{"issuer":"ORIGIN"}`, "not an absolute URL"},
		{"a jwks_uri without a host", scheme, `{"issuer":"ORIGIN","jwks_uri":"/keys"}`, "not an absolute URL"},
		{"a jwks_uri in plain http", scheme, `{"issuer":"ORIGIN","jwks_uri":"http://issuer.example/keys"}`, "plain http"},
		{"a jwks_uri that is a file", scheme, `{"issuer":"ORIGIN","jwks_uri":"file://localhost/etc/passwd"}`, "not https"},
		{"a jwks_uri with the keys in it", scheme, `{"issuer":"ORIGIN","jwks_uri":"data:application/json,{}"}`, "not an absolute URL"},
		{"a jwks_uri with a password", scheme, `{"issuer":"ORIGIN","jwks_uri":"https://ada:secret@issuer.example/keys"}`, "user information"},
		{"a jwks_uri with a fragment", scheme, `{"issuer":"ORIGIN","jwks_uri":"ORIGIN/keys#a"}`, "fragment"},
		{"a page", scheme, `<!doctype html><title>Sign in</title>`, "not one JSON object"},
		{"nothing", scheme, ``, "not one JSON object"},
		{"two objects", scheme, `{"issuer":"ORIGIN","jwks_uri":"ORIGIN/keys"}{}`, "not one JSON object"},
		{"more than 1 MiB", scheme, `{"issuer":"ORIGIN","jwks_uri":"ORIGIN/keys"}` + strings.Repeat(" ", largestSet), "1048576"},
	} {
		cases = append(cases, SetCase{Name: "metadata: " + c.name, Section: c.section, Reason: c.reason, Path: MetadataPath, Want: SetRefused,
			Page: func(w http.ResponseWriter, r *http.Request, origin string) {
				text(200, []byte(strings.ReplaceAll(c.body, "ORIGIN", origin)))(w, r, origin)
			}})
	}
	return append(cases,
		SetCase{Name: "metadata: status 500 with the metadata", Section: scheme, Reason: "status 500", Path: MetadataPath, Want: SetRefused,
			Page: func(w http.ResponseWriter, r *http.Request, origin string) {
				text(500, []byte(`{"issuer":"`+origin+`","jwks_uri":"`+origin+`/keys"}`))(w, r, origin)
			}},
		SetCase{Name: "metadata: a redirect to another host", Section: scheme, Reason: "another origin", Path: MetadataPath, Want: SetRefused,
			Page: redirect(302, func(*http.Request, string) string { return "https://issuer.example" + MetadataPath })})
}
