package usher_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-usher/usher"
)

// testEight is a token of eight claims, two of them private.
type testEight struct {
	usher.Claims
	Role string `json:"role"`
	Team int    `json:"team"`
}

// The budgets of one token. They are part of what makes the library fast, and easily lost.
func TestAllocationsStayWithinBudget(t *testing.T) {
	if testRace {
		t.Skip("the race detector allocates")
	}
	ctx := t.Context()
	key := hmacKey(t, testSecret, "")
	payload := goodPayload().with("iss", `"login"`).with("aud", `"api"`).with("iat", secondsFromNow(0)).with("jti", `"an-id"`).
		with("role", `"admin"`).with("team", "7")
	token := signHS256(payload)
	opts := usher.DecoderOptions{Issuer: "login", Audience: usher.Audience{"api"}}
	cold := newDecoder[testEight](t, key, opts)
	opts.CacheSize = 10
	warm := newDecoder[testEight](t, key, opts)
	routed := usher.Must(usher.ByIssuer(map[string]usher.Verifier[testEight]{"login": warm}))
	e := newEncoder[testEight](t, key, usher.EncoderOptions{Issuer: "login", Audience: usher.Audience{"api"}})
	claims := testEight{Claims: usher.Claims{Subject: "42", Scope: "read"}, Role: "admin", Team: 7}
	decodes := func(v usher.Verifier[testEight], token string, want bool) func() {
		return func() {
			if c, err := v.Decode(ctx, token); (err == nil) != want || (c == nil) == want {
				t.Errorf("%v, %v", c, err)
			}
		}
	}
	requests := func(d *usher.Decoder[testEight], token string) func() {
		m := usher.Must(usher.NewMiddleware(d, usher.ClaimsAsUser[testEight], nil))
		served := 0
		h := m.RequireFunc(func(http.ResponseWriter, *http.Request, *testEight) { served++ })
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		return func() {
			before := served
			if h.ServeHTTP(w, r); served != before+1 {
				t.Error("the request was refused:", w.Code)
			}
		}
	}
	public := newDecoder[testEight](t, testKey(t, usher.ES256), opts)
	signed := signToken("ES256", materialOf(usher.ES256), goodHeader().with("alg", `"ES256"`).String(), payload.String())
	decodes(public, signed, true)()                     // so that its header is known, as cold's and warm's will be
	listed := signHS256(payload.with("aud", `["api"]`)) // as golang-jwt writes it
	forged := signToken("HS256", otherSecret, goodHeader().String(), payload.String())
	for _, test := range []struct {
		name string
		most float64
		run  func()
	}{
		{"decoding", 3, decodes(cold, token, true)}, // the claims, their text, the audience
		{"decoding a remembered token", 1, decodes(warm, token, true)},
		{"decoding a remembered token by issuer", 1, decodes(routed, token, true)},
		{"refusing a forged token", 0, decodes(cold, forged, false)},
		{"refusing a forged token, with a cache", 0, decodes(warm, forged, false)},
		{"refusing a signature of another length than the key's", 0, decodes(public, signed+strings.Repeat("AAAA", 1000), false)},
		{"a request", 3, requests(cold, token)}, // who it is with the clone of the request, the text, the audience
		{"a request whose audience is a list", 3, requests(cold, listed)},
		{"a request with a remembered token", 1, requests(warm, token)},
		{"encoding", 4, func() {
			if _, err := e.Encode(ctx, claims); err != nil {
				t.Error(err)
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.run()
			got := testing.AllocsPerRun(100, test.run)
			if got > test.most {
				t.Errorf("%v allocations, want %v at most", got, test.most)
			}
			t.Logf("%v allocations of %v", got, test.most)
		})
	}
}

// A date costs what its length says, whatever its exponent: it is not copied for each place that the point moves.
func TestDatesAreNotCopiedForEachPlace(t *testing.T) {
	digits := strings.Repeat("1", 1000)
	for _, number := range []string{digits + "e99", digits + "e-99", "0." + digits + "e99", "0." + digits + "e-99"} {
		if allocations := testing.AllocsPerRun(10, func() { _ = new(usher.NumericDate).UnmarshalJSON([]byte(number)) }); allocations > 12 {
			t.Errorf("%.10s…%s: %v allocations", number, number[len(number)-4:], allocations)
		}
	}
}
