package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-usher/usher/bench/internal/rounds"
)

func testSetup(t testing.TB, alg string, size int) setup {
	t.Helper()
	k, err := newKeys()
	if err != nil {
		t.Fatal(err)
	}
	return setup{alg: alg, size: size, keys: k, born: time.Now().Add(-time.Minute).Truncate(time.Second)}
}

// testPlan is the whole plan, with the setup's keys.
func testPlan(t testing.TB, s setup) []rounds.Set {
	t.Helper()
	sets, err := plan(s.keys, s.born)
	if err != nil {
		t.Fatal(err)
	}
	return sets
}

// eachSetup runs the test for every algorithm and size that is measured.
func eachSetup(t *testing.T, test func(t *testing.T, s setup)) {
	base := testSetup(t, "", 0)
	for _, alg := range algorithms {
		for _, size := range sizes {
			s := base
			s.alg, s.size = alg, size
			t.Run(setID("", alg, size)[1:], func(t *testing.T) { test(t, s) })
		}
	}
}

func TestMiddlewareShowsTheHandlerItsCaller(t *testing.T) {
	eachSetup(t, func(t *testing.T, s setup) {
		tokens, err := s.tokens(s.header())
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range contenders() {
			var caller, tenant string
			handler, err := c.middleware(s, greeter{saw: func(who, where string) { caller, tenant = who, where }})
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
				continue
			}
			for range 2 { // a cache answers the second time
				for n, token := range tokens {
					caller, tenant = "", ""
					w := newResponse()
					handler.ServeHTTP(w, newRequest(token))
					_, private, _ := s.claims(n)
					if w.status != http.StatusNoContent || caller != s.caller(n) || tenant != private.Tenant {
						t.Errorf("%s: token %d: status %d, caller %q, tenant %q; want 204, %q, %q", c.name, n, w.status, caller, tenant,
							s.caller(n), private.Tenant)
					}
				}
			}
		}
	})
}

func TestMiddlewareRefusesForgedTokens(t *testing.T) {
	eachSetup(t, func(t *testing.T, s setup) {
		tokens, err := s.tokens(s.header())
		if err != nil {
			t.Fatal(err)
		}
		forged, err := s.forge(tokens)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range contenders() {
			handler, err := c.middleware(s, greeter{saw: func(string, string) { t.Errorf("%s: reached its handler", c.name) }})
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
				continue
			}
			for n := range forged {
				if forged[n] == tokens[n] {
					t.Fatalf("token %d has not been altered", n)
				}
				w := newResponse()
				handler.ServeHTTP(w, newRequest(forged[n]))
				if w.status != http.StatusUnauthorized {
					t.Errorf("%s: status %d, want 401", c.name, w.status)
				}
			}
		}
	})
}

func TestMiddlewareRefusesRequestsWithoutToken(t *testing.T) {
	s := testSetup(t, "HS256", 8)
	for _, c := range contenders() {
		handler, err := c.middleware(s, greeter{saw: func(string, string) { t.Errorf("%s: reached its handler", c.name) }})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		r, w := newRequest(""), newResponse()
		r.Header.Del("Authorization")
		handler.ServeHTTP(w, r)
		if w.status < 400 || w.status >= 500 {
			t.Errorf("%s: status %d, want a refusal", c.name, w.status)
		}
	}
}

// The table of checks says which bad tokens each contender accepts; what it declares must be exactly what it
// does, under every algorithm.
func TestContendersRefuseWhatTheyAreSaidTo(t *testing.T) {
	base := testSetup(t, "", 8)
	for _, alg := range algorithms {
		for _, c := range contenders() {
			t.Run(alg+"/"+c.name, func(t *testing.T) {
				s := base
				s.alg = alg
				verdicts, err := c.check(s)
				if err != nil {
					t.Fatal(err)
				}
				for _, v := range verdicts {
					if passes := slices.Contains(c.passes, v.Probe); passes == v.Refused {
						t.Errorf("%s: refused is %v with status %d, declared is %v", v.Probe, v.Refused, v.Status, !passes)
					}
					if !v.Refused && slices.Contains(basicProbes[:], v.Probe) {
						t.Errorf("%s: accepted, though it is set up to be checked by everyone", v.Probe)
					}
				}
			})
		}
	}
}

func TestVerifyFindsTheCallerAndRefusesForgedTokens(t *testing.T) {
	eachSetup(t, func(t *testing.T, s setup) {
		tokens, err := s.tokens(s.header())
		if err != nil {
			t.Fatal(err)
		}
		forged, err := s.forge(tokens)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range contenders() {
			if c.verify == nil {
				continue
			}
			verify, err := c.verify(s)
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
				continue
			}
			for n := range tokens {
				if caller, err := verify(tokens[n]); err != nil || caller != s.caller(n) {
					t.Errorf("%s: caller %q, %v; want %q", c.name, caller, err, s.caller(n))
				}
				if _, err := verify(forged[n]); err == nil {
					t.Errorf("%s: accepted a forged token", c.name)
				}
			}
		}
	})
}

// Everyone encodes the same claims, except that gin-jwt can't be stopped from setting exp itself and adding
// orig_iat, and that audiences may be lists.
func TestEncodeSignsTheGivenClaims(t *testing.T) {
	base := testSetup(t, "", 0)
	for _, id := range []struct {
		alg  string
		size int
	}{{"HS256", 8}, {"RS256", 8}, {"ES256", 8}, {"EdDSA", 8}, {"HS256", 40}} {
		s := base
		s.alg, s.size = id.alg, id.size
		verify, err := golangJWT().verify(s)
		if err != nil {
			t.Fatal(err)
		}
		payload, err := s.payload(0)
		if err != nil {
			t.Fatal(err)
		}
		want := decodeClaims(t, payload)
		for _, c := range contenders() {
			if c.encode == nil {
				continue
			}
			encode, err := c.encode(s)
			if errors.Is(err, errors.ErrUnsupported) {
				continue
			}
			if err != nil {
				t.Errorf("%s, %s: %v", c.name, s.alg, err)
				continue
			}
			token, err := encode()
			if err != nil {
				t.Errorf("%s, %s: %v", c.name, s.alg, err)
				continue
			}
			caller, err := verify(token)
			if err != nil || caller != s.caller(0) {
				t.Errorf("%s, %s: its token verifies to %q, %v", c.name, s.alg, caller, err)
			}
			encoded, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
			if err != nil {
				t.Fatal(err)
			}
			got := decodeClaims(t, encoded)
			if audiences, ok := got["aud"].([]any); ok && len(audiences) == 1 {
				got["aud"] = audiences[0]
			}
			if c.name == ginJWT().name {
				delete(got, "orig_iat")
				got["exp"] = want["exp"]
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s, %s: encoded %v, want %v", c.name, s.alg, got, want)
			}
		}
	}
}

func decodeClaims(t *testing.T, payload []byte) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(payload, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestTokensHaveTheirNumberOfClaims(t *testing.T) {
	for _, size := range sizes {
		s := testSetup(t, "HS256", size)
		payload, err := s.payload(0)
		if err != nil {
			t.Fatal(err)
		}
		if claims := decodeClaims(t, payload); len(claims) != size {
			t.Errorf("%d claims, want %d: %v", len(claims), size, claims)
		}
	}
}

// A library that is measured must work in its measurement: every cell of the plan does one operation here.
func TestEveryCellOfThePlanWorks(t *testing.T) {
	sets := testPlan(t, testSetup(t, "", 0))
	seen := make(map[string]bool)
	for _, s := range sets {
		if seen[s.ID] {
			t.Errorf("%s: twice", s.ID)
		}
		seen[s.ID] = true
		for _, c := range s.Cells {
			if c.Absent != "" {
				continue
			}
			ops, err := c.Setup()
			if err != nil {
				t.Errorf("%s, %s: %v", s.ID, c.Name, err)
				continue
			}
			do, err := ops()
			if err != nil {
				t.Errorf("%s, %s: %v", s.ID, c.Name, err)
				continue
			}
			for range tokensPerSet + 1 {
				if err := do(); err != nil {
					t.Errorf("%s, %s: %v", s.ID, c.Name, err)
					break
				}
			}
		}
	}
	for _, table := range tables() {
		for _, column := range table.columns {
			if !seen[column.id] {
				t.Errorf("the table %q shows %s, which nobody measures", table.title, column.id)
			}
		}
	}
	for _, panel := range panels() {
		if !seen[panel.id] {
			t.Errorf("the chart shows %s, which nobody measures", panel.id)
		}
	}
}

func TestFloodTellsHitsFromMisses(t *testing.T) {
	k, err := newKeys()
	if err != nil {
		t.Fatal(err)
	}
	s := setup{alg: "HS256", size: 8, keys: k, born: time.Now().Add(-time.Minute)}
	for _, test := range []struct {
		cache int
		hit   bool
	}{{0, false}, {floodCache, true}} {
		decoder, err := usherDecoder[usher8](s, test.cache)
		if err != nil {
			t.Fatal(err)
		}
		probe, err := newHotProbe(decoder, s, 0)
		if err != nil {
			t.Fatal(err)
		}
		for range 10 {
			if hit, err := probe.use(); err != nil || hit != test.hit {
				t.Errorf("CacheSize %d: hit is %v, %v; want %v", test.cache, hit, err, test.hit)
			}
		}
	}
}

func TestFloodCountsUsesAndHeap(t *testing.T) {
	k, err := newKeys()
	if err != nil {
		t.Fatal(err)
	}
	f, err := flood(k, 2*floodCache)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Heap) != floodSteps || f.Hot[0].Uses != 20 || f.Hot[1].Uses != 1 {
		t.Errorf("%d looks at the heap, %d and %d uses; want %d, 20, 1", len(f.Heap), f.Hot[0].Uses, f.Hot[1].Uses, floodSteps)
	}
}
