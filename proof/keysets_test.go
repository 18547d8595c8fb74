package proof_test

import (
	"bytes"
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/go-jose/go-jose/v4"
	"github.com/lestrrat-go/httprc/v3"
	"github.com/lestrrat-go/jwx/v3/jwk"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/jwks"
	"github.com/go-usher/usher/proof/attack"
)

// served is an http.RoundTripper that answers everything with one text.
type served []byte

func (s served) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Request: r, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(s)), ContentLength: int64(len(s))}, nil
}

// setReaders are libraries that read JWK Sets. Each returns how many keys it would verify with.
var setReaders = []struct {
	name string
	read func(ctx context.Context, set []byte) (int, error)
}{
	{"go-jose", func(_ context.Context, set []byte) (int, error) {
		var s jose.JSONWebKeySet
		err := json.Unmarshal(set, &s)
		return len(s.Keys), err
	}},
	{"jwx", func(_ context.Context, set []byte) (int, error) {
		s, err := jwk.Parse(set)
		if err != nil {
			return 0, err
		}
		return s.Len(), nil
	}},
	{"jwkset", func(ctx context.Context, set []byte) (int, error) {
		s, err := jwkset.NewStorageFromHTTP("https://issuer.example/keys", jwkset.HTTPClientStorageOptions{Ctx: ctx, Client: &http.Client{Transport: served(set)}})
		if err != nil {
			return 0, err
		}
		keys, err := s.KeyReadAll(ctx)
		return len(keys), err
	}},
}

const (
	goodX, goodY = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" // RFC 7515 A.3
	goodEC       = `{"kty":"EC","crv":"P-256","kid":"good","x":"` + goodX + `","y":"` + goodY + `"}`
)

// TestWhatOtherLibrariesAcceptInASet shows by which rules reading a set is usher's own: docs/adr/0020. Each row is a set
// with the good key, of which a verifier should know one key (or nothing, of a set that is no strict JSON).
func TestWhatOtherLibrariesAcceptInASet(t *testing.T) {
	for _, c := range []struct {
		rule, set string
		want      int
		accept    map[string]bool // the libraries that know more keys, or keys of a set that is refused
		refuse    map[string]bool // those that know none although one is good
	}{
		{rule: "a member twice", want: 0, set: `{"keys":[` + strings.Replace(goodEC, `"kid":"good"`, `"kid":"evil","kid":"good"`, 1) + `]}`,
			accept: map[string]bool{"jwx": true, "jwkset": true}},
		{rule: "names in another case", want: 0, set: `{"KEYS":[` + goodEC + `]}`,
			accept: map[string]bool{"go-jose": true, "jwkset": true}},
		{rule: "text after the set", want: 0, set: `{"keys":[` + goodEC + `]} trailing`,
			accept: map[string]bool{"jwkset": true}},
		{rule: "a symmetric key", want: 1, set: `{"keys":[` + goodEC + `,{"kty":"oct","kid":"s","alg":"HS256","k":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"}]}`,
			accept: map[string]bool{"go-jose": true, "jwx": true, "jwkset": true}},
		{rule: "a private key", want: 1, set: `{"keys":[` + goodEC + `,` +
			`{"kty":"OKP","crv":"Ed25519","kid":"p","alg":"EdDSA","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}]}`,
			accept: map[string]bool{"go-jose": true, "jwx": true, "jwkset": true}},
		{rule: "two keys under one kid", want: 1, set: `{"keys":[` + goodEC + `,` +
			`{"kty":"OKP","crv":"Ed25519","kid":"x","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},` +
			`{"kty":"OKP","crv":"Ed25519","kid":"x","x":"PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw"}]}`,
			accept: map[string]bool{"go-jose": true, "jwx": true, "jwkset": true}},
		{rule: "a key for encryption", want: 1, set: `{"keys":[` + goodEC + `,` + strings.Replace(goodEC, `"kid":"good"`, `"kid":"e","use":"enc"`, 1) + `]}`,
			accept: map[string]bool{"go-jose": true, "jwx": true, "jwkset": true}},
		{rule: "RSA of 512 bits", want: 1, set: `{"keys":[` + goodEC + `,{"kty":"RSA","kid":"r","alg":"RS256","e":"AQAB","n":"` + strings.Repeat("q", 85) + `w"}]}`,
			accept: map[string]bool{"go-jose": true, "jwkset": true}, refuse: map[string]bool{"jwx": true}},
		{rule: "an Ed25519 key of small order", want: 1, set: `{"keys":[` + goodEC + `,{"kty":"OKP","crv":"Ed25519","kid":"o","alg":"EdDSA","x":"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]}`,
			accept: map[string]bool{"jwx": true, "jwkset": true}, refuse: map[string]bool{"go-jose": true}},
		{rule: "one wrong key among good ones", want: 1, set: `{"keys":[` + goodEC + `,{"kty":"EC","crv":"P-256","kid":"w","x":"AA","y":"AA"}]}`,
			refuse: map[string]bool{"go-jose": true, "jwx": true, "jwkset": true}},
		{rule: "a thousand keys", want: 0, set: `{"keys":[` + goodEC + strings.Repeat(`,{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`, 999) + `]}`,
			accept: map[string]bool{"go-jose": true, "jwx": true, "jwkset": true}},
	} {
		t.Run(c.rule, func(t *testing.T) {
			remote := usher.Must(jwks.NewRemote("https://issuer.example/keys", &jwks.RemoteOptions{Client: &http.Client{Transport: served(c.set)}}))
			_ = remote.Refresh(t.Context())
			if got := len(remote.Keys()); got != c.want {
				t.Errorf("usher knows %d keys instead of %d", got, c.want)
			}
			for _, reader := range setReaders {
				got, err := reader.read(t.Context(), []byte(c.set))
				if err != nil {
					got = 0
				}
				if accepts := got > c.want; accepts != c.accept[reader.name] {
					t.Errorf("%s knows %d keys, %v: the decision no longer holds as it is written", reader.name, got, err)
				}
				if refuses := got < c.want; refuses != c.refuse[reader.name] {
					t.Errorf("%s knows %d keys, %v: the decision no longer holds as it is written", reader.name, got, err)
				}
			}
		})
	}
}

// TestHowOtherLibrariesFetchASet shows by which rules fetching is usher's own: docs/adr/0020.
func TestHowOtherLibrariesFetchASet(t *testing.T) {
	var fetches atomic.Int64
	var body atomic.Pointer[string]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fetches.Add(1)
		_, _ = io.WriteString(w, *body.Load())
	}))
	defer server.Close()
	serve := func(text string) { body.Store(&text) }
	serve(`{"keys":[` + goodEC + `]}`)

	t.Run("jwx keeps goroutines while nobody asks, and an unknown kid is no reason to fetch", func(t *testing.T) {
		fetches.Store(0)
		before := runtime.NumGoroutine()
		cache := usher.Must(jwk.NewCache(t.Context(), httprc.NewClient()))
		if err := cache.Register(t.Context(), server.URL); err != nil {
			t.Fatal(err)
		}
		if after := runtime.NumGoroutine(); after <= before {
			t.Errorf("%d goroutines, %d before", after, before)
		}
		for range 10 {
			set := usher.Must(cache.Lookup(t.Context(), server.URL))
			if _, known := set.LookupKeyID("unknown"); known {
				t.Fatal("known")
			}
		}
		if got := fetches.Load(); got != 1 {
			t.Errorf("%d fetches", got)
		}
		_ = cache.Shutdown(t.Context())
	})
	t.Run("jwkset is emptied by an error page that is JSON, and reads bodies of any size", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		storage, err := jwkset.NewStorageFromHTTP(server.URL, jwkset.HTTPClientStorageOptions{Ctx: ctx, RefreshInterval: 10 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		if keys := usher.Must(storage.KeyReadAll(ctx)); len(keys) != 1 {
			t.Fatalf("%d keys", len(keys))
		}
		serve(strings.Repeat(" ", 2<<20) + `{"error":"maintenance"}`)
		for deadline := time.Now().Add(20 * time.Second); len(usher.Must(storage.KeyReadAll(ctx))) != 0; {
			if time.Now().After(deadline) {
				t.Fatal("it still has its key: the decision no longer holds as it is written")
			}
			runtime.Gosched()
		}
	})
}

// wycheproof is the version of the vectors, and its checksum as go.sum would have it.
const (
	wycheproof    = "github.com/c2sp/wycheproof@v0.0.0-20260902155932-3fa63dd0344a"
	wycheproofSum = "h1:pNbL2nztRsWfW/ispAwsvcDFxs9Id38uIsR2/Up5G2c="
)

// wycheproofFile returns a file of the vectors, from the module cache or the module proxy.
func wycheproofFile(t *testing.T, path string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", wycheproof)
	cmd.Dir, cmd.Env = t.TempDir(), append(os.Environ(), "GOWORK=off", "GO111MODULE=on", "GOFLAGS=-mod=mod")
	out, err := cmd.Output()
	var module struct{ Dir, Sum, Error string }
	if jsonErr := json.Unmarshal(out, &module); jsonErr != nil || module.Error != "" || module.Dir == "" {
		t.Skipf("the vectors can't be had: %v %v %s", err, jsonErr, module.Error)
	}
	if module.Sum != wycheproofSum {
		t.Fatalf("the vectors have the checksum %s", module.Sum)
	}
	text, err := os.ReadFile(filepath.Join(module.Dir, path))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// The payload of these tokens is no claims set. It is read only after a good signature, and is then malformed.
func TestWycheproofsKeySetsGetTheirVerdicts(t *testing.T) {
	var vectors struct {
		TestGroups []struct {
			Comment         string
			Private, Public json.RawMessage
			Tests           []struct {
				TcID         int `json:"tcId"`
				Comment, JWS string
				Result       string
			}
		}
	}
	if err := json.Unmarshal(wycheproofFile(t, "testvectors_v1/json_web_key_test.json"), &vectors); err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, group := range vectors.TestGroups {
		for _, c := range group.Tests {
			count++
			verdict := func(where string, keys usher.KeySource, err error) {
				t.Helper()
				if err == nil {
					_, err = usher.Must(usher.NewDecoder[usher.Claims](keys, nil)).Decode(t.Context(), c.JWS)
				}
				accepted := errors.Is(err, usher.ErrTokenMalformed)
				if strings.Contains(c.JWS, "..") { // which is malformed in any case: the key is what matters
					_, err = keys.VerificationKeys(t.Context(), "")
					accepted = err == nil
				}
				if accepted != (c.Result == "valid") {
					t.Errorf("%d, %s, %s, as %s: %v", c.TcID, group.Comment, c.Comment, where, err)
				}
			}
			keys, err := jwks.Parse(group.Private, nil)
			verdict("one's own set", keys, err)
			if group.Public != nil {
				remote, err := jwks.NewRemote("https://issuer.example/keys", &jwks.RemoteOptions{Client: &http.Client{Transport: served(group.Public)}})
				verdict("a remote set", remote, err)
			}
		}
	}
	t.Logf("%d vectors", count)
	if count != 26 {
		t.Errorf("%d vectors instead of 26", count)
	}
}

// differences are the reasons for which usher does not use a key that go-jose and jwx both read. They are all stricter on
// purpose; ADR 0020 says which of them decided.
var differences = []string{
	// The text. go-jose reads names in any case, jwx takes the last of two, and both read sets of any size.
	"has a member twice in one JSON object", "is not one JSON object", "no member keys", "the set is empty",
	"keys, but at most 256 are allowed", "1048576", "has a member of the wrong type",
	"is not a strict JSON object", "is not a JSON object", "has no kty",
	// The purpose. Both leave it to the caller what a key is for.
	"has the use", "has key_ops without", "has the unsupported kty", "has the unsupported crv",
	"which is not a supported signature algorithm", "which does not suit its type", "is symmetric", "is a private key",
	// What makes a key unfit.
	"bits", "exponent", "ROCA", "modulus is divisible", "modulus is even", "small order", "not a point on the curve", "is not on its curve", "an x5c whose certificate is for another key",
	// How it is written, and named.
	"that is not base64url", "bytes of", "has an empty", "has a kid of", "differs from another key", "has no n", "has no e", "has no x", "has no y",
}

// isExpected reports whether a reason is one of the differences.
func isExpected(reason error) bool {
	return slices.ContainsFunc(differences, func(d string) bool { return strings.Contains(reason.Error(), d) })
}

// FuzzKeySet compares what usher reads in a set with what go-jose and jwx read. Where usher takes a public key, both
// have the same one. Where both have a key that usher does not use, usher reports why, and the reason is one of the differences above.
func FuzzKeySet(f *testing.F) {
	cases, err := attack.KeySetCases()
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range cases {
		if c.Page == nil && !c.Own && len(c.Text) < 600 {
			f.Add(c.Text)
		}
	}
	for _, text := range []string{
		`{"keys":[` + goodEC + `]}`, goodEC, `{"keys":[]}`, `{"keys":[null]}`, "\ufeff" + `{"keys":[` + goodEC + `]}`,
		`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}]}`,
		`{"keys":[{"kty":"RSA","e":"AQAB","alg":"PS256","kid":"2011-04-29","use":"sig","n":"` + rfc7638RSA + `"}]}`,
		`{"keys":[{"kty":"oct","k":"` + rfc7515Secret + `","key_ops":["sign","verify"]}]}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var fetch jwks.Fetch
		remote := usher.Must(jwks.NewRemote("https://issuer.example/keys", &jwks.RemoteOptions{
			Client: &http.Client{Transport: served(text)}, OnFetch: func(f jwks.Fetch) { fetch = f },
		}))
		refreshed := remote.Refresh(t.Context())
		checkReasons(t, text, remote.Keys(), fetch)
		keys, err := jwks.Parse(text, nil)
		if err != nil && keys != nil {
			t.Fatalf("keys come with the error %v", err)
		}
		if refreshed != nil && len(remote.Keys()) > 0 {
			t.Fatalf("keys come with the error %v", refreshed)
		}
		for _, key := range remote.Keys() {
			if key.CanSign() || strings.HasPrefix(string(key.Algorithm()), "HS") {
				t.Fatalf("a remote set has %v, which signs", key)
			}
			if _, err := jwks.Marshal(key); err != nil {
				t.Fatalf("%v is not published: %v", key, err)
			}
			checkPeers(t, text, key)
		}
		for _, key := range keys {
			public, ok := key.Public()
			if !ok {
				continue
			}
			again, err := jwks.Parse(usher.Must(jwks.Marshal(public)), nil)
			if err != nil || len(again) != 1 || again[0].ID() != key.ID() || again[0].Algorithm() != key.Algorithm() {
				t.Fatalf("%v is published as %v, %v", key, again, err)
			}
		}
	})
}

// checkReasons checks that usher says why it does not use a key that go-jose and jwx both have.
func checkReasons(t *testing.T, text []byte, used usher.Keys, fetch jwks.Fetch) {
	t.Helper()
	jwxKeys, ok := keysOfJWX(text)
	if !ok {
		return
	}
	joseKeys, _ := keysOfGoJose(text)
	reasons := slices.Clone(fetch.Skipped)
	if fetch.Err != nil {
		reasons = append(reasons, fetch.Err)
	}
	for _, key := range joseKeys {
		has := func(other crypto.PublicKey) bool { return sameKey(key, other) }
		if !slices.ContainsFunc(jwxKeys, has) || slices.ContainsFunc(used, func(k usher.Key) bool { return has(k.PublicKey()) }) {
			continue
		}
		if len(reasons) == 0 {
			t.Fatalf("a key has vanished without a reason: %#v", key)
		}
		for _, reason := range reasons {
			if !isExpected(reason) {
				t.Fatalf("a key is not used for a reason that is none of the differences: %v", reason)
			}
		}
	}
}

// keysOfGoJose returns the public keys that go-jose reads, unless it refuses the set.
func keysOfGoJose(text []byte) (keys []crypto.PublicKey, ok bool) {
	var set jose.JSONWebKeySet
	if json.Unmarshal(text, &set) != nil {
		return nil, false
	}
	for _, k := range set.Keys {
		keys = append(keys, k.Public().Key)
	}
	return keys, true
}

// keysOfJWX is the same of jwx.
func keysOfJWX(text []byte) (keys []crypto.PublicKey, ok bool) {
	set, err := jwk.Parse(text)
	if err != nil {
		return nil, false
	}
	for i := range set.Len() {
		k, _ := set.Key(i)
		var raw any
		if public, err := k.PublicKey(); err == nil && jwk.Export(public, &raw) == nil {
			keys = append(keys, raw)
		}
	}
	return keys, true
}

// checkPeers checks that go-jose and jwx, if they read the set at all, have the key too.
func checkPeers(t *testing.T, text []byte, key usher.Key) {
	t.Helper()
	for name, read := range map[string]func([]byte) ([]crypto.PublicKey, bool){"go-jose": keysOfGoJose, "jwx": keysOfJWX} {
		keys, ok := read(text)
		if ok && !slices.ContainsFunc(keys, func(k crypto.PublicKey) bool { return sameKey(k, key.PublicKey()) }) {
			t.Fatalf("%s does not have %v", name, key)
		}
	}
}

func sameKey(a, b crypto.PublicKey) bool {
	public, ok := a.(interface {
		Equal(other crypto.PublicKey) bool
	})
	return ok && public.Equal(b)
}
