package jwks_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/jwks"
)

// startIssuer starts an issuer, such as another service of yours. It publishes its keys and signs tokens.
func startIssuer() (url string, sign func(subject string) string, stop func()) {
	ring := usher.Must(usher.NewKeyRing(usher.Must(usher.GenerateKey(usher.EdDSA))))
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	mux.Handle("/keys", usher.Must(jwks.Handler(ring.Keys, nil)))
	mux.Handle("/.well-known/openid-configuration", usher.Must(jwks.MetadataHandler(server.URL, server.URL+"/keys")))
	encoder := usher.Must(usher.NewEncoder[usher.Claims](ring, &usher.EncoderOptions{
		Issuer: server.URL, Audience: usher.Audience{"https://api.example.com"},
	}))
	sign = func(subject string) string {
		return usher.Must(encoder.Encode(context.Background(), usher.Claims{Subject: subject}))
	}
	return server.URL, sign, server.Close
}

// A service that knows only the URL of an issuer accepts its tokens.
func ExampleNewIssuer() {
	issuer, sign, stop := startIssuer()
	defer stop()

	keys := usher.Must(jwks.NewIssuer(issuer, nil))
	decoder := usher.Must(usher.NewDecoder[usher.Claims](keys, &usher.DecoderOptions{
		Issuer:   issuer,
		Audience: usher.Audience{"https://api.example.com"},
	}))

	claims, err := decoder.Decode(context.Background(), sign("ada"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("hello", claims.Subject)
	// Output: hello ada
}

// A readiness check succeeds when there are keys.
func ExampleRemote_Keys() {
	issuer, _, stop := startIssuer()
	defer stop()
	keys := usher.Must(jwks.NewIssuer(issuer, nil))

	ready := func(w http.ResponseWriter, _ *http.Request) {
		if len(keys.Keys()) == 0 {
			http.Error(w, "no keys of the issuer yet", http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusOK)
	}
	status := func() int {
		w := httptest.NewRecorder()
		ready(w, httptest.NewRequest(http.MethodGet, "/ready", nil))
		return w.Code
	}
	fmt.Println(status())
	if err := keys.Refresh(context.Background()); err != nil { // or as soon as the issuer answers
		fmt.Println(err)
	}
	fmt.Println(status())
	// Output:
	// 503
	// 200
}

// OnFetch reports to the operator that an issuer can't be reached, or publishes keys that can't be used.
func ExampleRemoteOptions() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"keys":[
			{"kty":"RSA","kid":"for encryption","use":"enc","n":"AQAB","e":"AQAB"},
			{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
		]}`)
	}))
	defer server.Close()

	keys := usher.Must(jwks.NewRemote(server.URL, &jwks.RemoteOptions{
		MaxAge: 5 * time.Minute,
		OnFetch: func(f jwks.Fetch) {
			if f.Err != nil {
				slog.Warn("keys can't be fetched", "error", f.Err, "known", f.Keys)
			}
			for _, skipped := range f.Skipped {
				fmt.Println(skipped)
			}
			fmt.Println(f.Keys, "key")
		},
	}))
	_, err := keys.VerificationKeys(context.Background(), "a")
	fmt.Println(err)
	// Output:
	// usher: keys[0] has the use "enc", not sig
	// 1 key
	// <nil>
}

// Only scripts of one web application may read the set, and clients may cache it for an hour.
func ExampleHandler() {
	key := usher.Must(usher.GenerateKey(usher.ES256)).WithID("2026-11")
	ring := usher.Must(usher.NewKeyRing(key))
	published := usher.Must(jwks.Handler(ring.Keys, &jwks.HandlerOptions{
		MaxAge:      time.Hour,
		AllowOrigin: "https://app.example.com",
	}))

	w := httptest.NewRecorder()
	published.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/keys", nil))
	fmt.Println(w.Code, w.Header().Get("Content-Type"))
	fmt.Println(w.Header().Get("Cache-Control"))
	// Output:
	// 200 application/jwk-set+json
	// public, max-age=3600
}

// A planned rotation: the next key is published first, and signs after verifiers have had time to fetch it.
func ExampleRotate() {
	ring := usher.Must(usher.NewKeyRing(usher.Must(usher.GenerateKey(usher.EdDSA)).WithID("october")))
	next := usher.Must(usher.GenerateKey(usher.EdDSA)).WithID("november")

	const wait = time.Second // in production: HandlerOptions.MaxAge
	if err := jwks.Rotate(context.Background(), ring, next, wait); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(ring.Keys()[0])

	// Later, when the last token of the old key has expired (EncoderOptions.TTL):
	fmt.Println(ring.Retire("october"))
	// Output:
	// usher.Key(EdDSA "november")
	// <nil>
}

// Your own private JWK without an alg.
func ExampleParse() {
	text := []byte(`{
		"kty": "OKP", "crv": "Ed25519", "kid": "2026-11",
		"x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
		"d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
	}`)
	keys, err := jwks.Parse(text, &jwks.ParseOptions{DefaultAlgorithms: []usher.Algorithm{usher.EdDSA}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(keys[0], keys[0].CanSign())

	published, err := jwks.Marshal(keys...)
	fmt.Println(string(published), err)
	// Output:
	// usher.Key(EdDSA "2026-11") true
	// {"keys":[{"kty":"OKP","use":"sig","alg":"EdDSA","kid":"2026-11","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]} <nil>
}

// The service counts failures, and raises an alarm when there are no keys left.
func ExampleFetch() {
	up := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !up {
			http.Error(w, "maintenance", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprint(w, `{"keys":[
			{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
			{"kty":"oct","kid":"b","k":"a-secret-that-should-never-have-been-published"}
		]}`)
	}))
	defer server.Close()

	failures := 0
	report := func(f jwks.Fetch) {
		switch {
		case f.Err == nil:
			failures = 0
			fmt.Println("fetched:", f.Keys, "key,", len(f.Skipped), "skipped")
		case f.Keys == 0:
			failures++
			fmt.Println("alarm: no keys, failure", failures)
		default:
			failures++
			fmt.Println("the keys before still verify, failure", failures)
		}
	}
	now := time.Date(2026, time.November, 28, 12, 0, 0, 0, time.UTC)
	keys := usher.Must(jwks.NewRemote(server.URL, &jwks.RemoteOptions{
		OnFetch: report,
		Now:     func() time.Time { return now },
	}))
	for _, answers := range []bool{false, true, false} {
		up = answers
		_ = keys.Refresh(context.Background()) // the report has its error
		now = now.Add(time.Minute)
	}
	// Output:
	// alarm: no keys, failure 1
	// fetched: 1 key, 1 skipped
	// the keys before still verify, failure 1
}

// Clients cache the set for five minutes, so Rotate must wait as long.
func ExampleHandlerOptions() {
	ring := usher.Must(usher.NewKeyRing(usher.Must(usher.GenerateKey(usher.EdDSA))))
	published := usher.Must(jwks.Handler(ring.Keys, &jwks.HandlerOptions{MaxAge: 5 * time.Minute}))

	get := func(etag string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, "/keys", nil)
		if etag != "" {
			r.Header.Set("If-None-Match", etag)
		}
		w := httptest.NewRecorder()
		published.ServeHTTP(w, r)
		return w
	}
	first := get("")
	fmt.Println(first.Code, first.Header().Get("Cache-Control"))
	fmt.Println(get(first.Header().Get("ETag")).Code) // a client that has the set
	// Output:
	// 200 public, max-age=300
	// 304
}

// Verifiers that know only the issuer's URL find its keys through the metadata.
func ExampleMetadataHandler() {
	metadata := usher.Must(jwks.MetadataHandler("https://login.example.com", "https://login.example.com/keys"))
	mux := http.NewServeMux()
	mux.Handle("GET /.well-known/openid-configuration", metadata)

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/.well-known/openid-configuration", nil))
	fmt.Println(w.Body)
	// Output: {"issuer":"https://login.example.com","jwks_uri":"https://login.example.com/keys","response_types_supported":["none"]}
}

// An RSA key without an alg verifies new tokens with PS256 and older ones with RS256.
func ExampleParseOptions() {
	text := []byte(`{"kty":"RSA","kid":"2026-11","e":"AQAB","n":"` +
		"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64" +
		"tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91C" +
		"bOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw" + `"}`)
	keys, err := jwks.Parse(text, &jwks.ParseOptions{DefaultAlgorithms: []usher.Algorithm{usher.PS256, usher.RS256}})
	fmt.Println(keys, err)

	_, err = jwks.Parse(text, &jwks.ParseOptions{DefaultAlgorithms: []usher.Algorithm{usher.EdDSA}})
	fmt.Println(err)
	// Output:
	// [usher.Key(PS256 "2026-11") usher.Key(RS256 "2026-11")] <nil>
	// usher: keys[0] has no alg, and none of DefaultAlgorithms suits its type
}
