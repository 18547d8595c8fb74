package jwks

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-usher/usher"
	"github.com/go-usher/usher/internal/quote"
)

// HandlerOptions are the options of [Handler]; nil means the defaults.
type HandlerOptions struct {
	// MaxAge is how long clients may cache the set, in whole seconds. A rotation takes at least as long. The default is 15
	// minutes.
	MaxAge time.Duration
	// AllowOrigin is the value of Access-Control-Allow-Origin: the origin whose scripts may read the set in a browser. The
	// default is "*", because the keys are public.
	AllowOrigin string
}

// Handler returns a handler that publishes the public keys of the result of keys, as a JWK Set (RFC 7517 §5). It calls
// keys for every request, so changes of a [usher.KeyRing] are published at once:
//
//	handler, err := jwks.Handler(ring.Keys, nil)
//
// Secrets are left out. The handler accepts GET and HEAD, and CORS preflight requests. It sends an ETag, and a 304 to
// clients that have the current set. It ignores Range and always sends the whole set. If different keys have the same
// ID and algorithm, it responds with a 500 and logs the reason to slog.Default. Mistakes in the options are reported as
// [usher.ConfigError].
func Handler(keys func() usher.Keys, opts *HandlerOptions) (http.Handler, error) {
	var o HandlerOptions
	if opts != nil {
		o = *opts
	}
	setDefault(&o.MaxAge, 15*time.Minute)
	if o.AllowOrigin == "" {
		o.AllowOrigin = "*"
	}
	var problems []error
	if keys == nil {
		problems = append(problems, configError("keys", "is nil"))
	}
	if o.MaxAge < time.Second {
		problems = append(problems, configErrorf("HandlerOptions.MaxAge", "is %v, but must be a second or more; durations have a unit, as in 15*time.Minute", o.MaxAge))
	}
	if !isHeaderValue(o.AllowOrigin) {
		problems = append(problems, configErrorf("HandlerOptions.AllowOrigin", "is %s, which is not an origin", quote.Text(o.AllowOrigin)))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return &setHandler{keys: keys, opts: o}, nil
}

func isHeaderValue(text string) bool {
	return !slices.ContainsFunc([]byte(text), func(c byte) bool { return c <= ' ' || c >= 0x7f || c == ',' })
}

type setHandler struct {
	keys func() usher.Keys
	opts HandlerOptions
	last atomic.Pointer[publishedSet]
}

// publishedSet is the most recent set, with the keys that it was made of.
type publishedSet struct {
	keys usher.Keys
	doc  *document
}

func (h *setHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	doc, err := h.document()
	if err != nil {
		slog.ErrorContext(r.Context(), "jwks: keys can't be published", "error", err)
		http.Error(w, "The keys can't be published.", http.StatusInternalServerError)
		return
	}
	doc.ServeHTTP(w, r)
}

func (h *setHandler) document() (*document, error) {
	keys := h.keys()
	if last := h.last.Load(); last != nil && slices.Equal(last.keys, keys) {
		return last.doc, nil
	}
	public := slices.DeleteFunc(slices.Clone(keys), func(key usher.Key) bool {
		_, ok := key.Public()
		return !ok
	})
	body, err := Marshal(public...)
	if err != nil {
		return nil, err
	}
	doc := newDocument("application/jwk-set+json", body, h.opts)
	h.last.Store(&publishedSet{slices.Clone(keys), doc})
	return doc, nil
}

// MetadataHandler returns a handler that publishes an issuer's metadata, with which verifiers find its keys. The
// metadata has the members issuer and jwks_uri, and those that RFC 8414 §2 requires. Mount the handler at
// /.well-known/openid-configuration below the issuer's URL, or at the path of RFC 8414 §3. It returns a
// [usher.ConfigError] if a URL is not absolute, or if the issuer has a query or a fragment.
func MetadataHandler(issuer, jwksURI string) (http.Handler, error) {
	if err := errors.Join(checkIssuer("issuer", issuer, true), checkURL("jwksURI", jwksURI, true)); err != nil {
		return nil, err
	}
	body, err := json.Marshal(struct {
		Issuer        string   `json:"issuer"`
		SetURL        string   `json:"jwks_uri"`
		ResponseTypes []string `json:"response_types_supported"`
	}{issuer, jwksURI, []string{"none"}})
	if err != nil {
		return nil, fmt.Errorf("jwks: %w", err)
	}
	return newDocument("application/json", body, HandlerOptions{MaxAge: 15 * time.Minute, AllowOrigin: "*"}), nil
}

// document is a public document that clients may cache.
type document struct {
	header http.Header
	body   []byte
}

func newDocument(contentType string, body []byte, opts HandlerOptions) *document {
	digest := sha256.Sum256(body)
	return &document{body: body, header: http.Header{
		"Content-Type":                  {contentType},
		"Etag":                          {`"` + base64.RawURLEncoding.EncodeToString(digest[:16]) + `"`},
		"Cache-Control":                 {fmt.Sprintf("public, max-age=%d", opts.MaxAge/time.Second)},
		"X-Content-Type-Options":        {"nosniff"},
		"Access-Control-Allow-Origin":   {opts.AllowOrigin},
		"Access-Control-Expose-Headers": {"ETag"},
	}}
}

func (d *document) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for name, values := range d.header {
		w.Header()[name] = slices.Clone(values)
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		d.send(w, r)
	case http.MethodOptions:
		w.Header().Del("Content-Type")
		w.Header().Del("Cache-Control")
		w.Header().Del("Etag")
		w.Header().Set("Allow", "GET, HEAD, OPTIONS")
		w.Header().Set("Access-Control-Allow-Methods", "GET, HEAD")
		w.Header().Set("Access-Control-Allow-Headers", "If-None-Match")
		w.Header().Set("Access-Control-Max-Age", "86400")
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header().Del("Etag")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Allow", "GET, HEAD, OPTIONS")
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
	}
}

// send responds to GET and HEAD. http.ServeContent would also support Range, and a short header with many ranges would
// make the response many times as long.
func (d *document) send(w http.ResponseWriter, r *http.Request) {
	if d.isKnown(r.Header["If-None-Match"]) {
		w.Header().Del("Content-Type")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(d.body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(d.body) // an error means that the client has closed the connection
	}
}

// isKnown reports whether these values of If-None-Match contain the document's ETag (RFC 9110 §13.1.2). It splits them
// at commas; the document's ETag contains none.
func (d *document) isKnown(ifNoneMatch []string) bool {
	etag := d.header.Get("ETag")
	for _, value := range ifNoneMatch {
		for tag := range strings.SplitSeq(value, ",") {
			if tag = strings.Trim(tag, " \t"); tag == "*" || strings.TrimPrefix(tag, "W/") == etag {
				return true
			}
		}
	}
	return false
}
