package proof_test

import (
	"context"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"
	"golang.org/x/crypto/bcrypt"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/proof/attack"
	"github.com/go-usher/usher/proof/peer"
)

// texts are the cases that differ in their texts, made once.
var texts = sync.OnceValues(func() ([]attack.Case, error) {
	return attack.Generate(attack.Algorithm, attack.Encoding, attack.Shape, attack.Header, attack.Payload, attack.Dates, attack.Claim, attack.Kinds, attack.Routing)
})

// distinct returns the list sorted and without repetitions. While the fuzzer runs it returns every eighth of them: the
// fuzzer tries all seeds before anything else, and go test without -fuzz does so anyway.
func distinct(list []string) []string {
	slices.Sort(list)
	list = slices.Compact(list)
	if flag.Lookup("test.fuzz").Value.String() == "" {
		return list
	}
	var some []string
	for i := 0; i < len(list); i += 8 {
		some = append(some, list[i])
	}
	return some
}

// seeds returns headers and payloads of the corpus, and whole tokens of which no signature is right here.
func seeds(f *testing.F) (headers, payloads, tokens []string) {
	f.Helper()
	cases, err := texts()
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range cases {
		parts := strings.Split(c.Token, ".")
		switch {
		case len(c.Token) > 1500:
			continue
		case len(parts) != 3 || c.Class == attack.Encoding || c.Class == attack.Shape:
			tokens = append(tokens, c.Token)
			continue
		case c.House.Material[usher.HS256] == nil && c.Class != attack.Routing:
			continue // of headers and payloads that others have, too
		}
		if header, err := base64.RawURLEncoding.DecodeString(parts[0]); err == nil {
			headers = append(headers, strings.ReplaceAll(string(header), "secret for HS256", "k1"))
		}
		if payload, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil {
			payloads = append(payloads, string(payload))
		}
	}
	return distinct(headers), distinct(payloads), distinct(tokens)
}

const (
	plainHeader  = `{"alg":"HS256","typ":"JWT"}`
	plainPayload = `{"sub":"7","iat":1799999990,"exp":1800000900}`
)

// pair is a decoder without memory and one with.
type pair struct{ plain, remembering usher.Verifier[attack.Claims] }

func decoders(h *attack.House) pair {
	return pair{usher.Must(h.Verifier(0)), usher.Must(h.Verifier(16))}
}

// decode asks both twice, and returns the verdict on which they agree.
func (p pair) decode(t *testing.T, token string) (*attack.Claims, error) {
	t.Helper()
	claims, err := p.plain.Decode(t.Context(), token)
	if (claims == nil) != (err != nil) {
		t.Fatalf("claims %v and error %v", claims, err)
	}
	for _, v := range []usher.Verifier[attack.Claims]{p.remembering, p.remembering, p.plain} {
		again, errAgain := v.Decode(t.Context(), token)
		if (err == nil) != (errAgain == nil) || err != nil && err.Error() != errAgain.Error() {
			t.Fatalf("once %v, and once %v", err, errAgain)
		}
		if err == nil && !peer.Of(claims).Equal(peer.Of(again)) {
			t.Fatalf("once %+v, and once %+v", claims, again)
		}
	}
	if err != nil {
		reasons := 0
		for _, refusal := range attack.Refusals() {
			if errors.Is(err, refusal) {
				reasons++
			}
		}
		if reasons != 1 || !errors.Is(err, usher.ErrInvalidToken) {
			t.Fatalf("the error is %d refusals: %v", reasons, err)
		}
		if len(err.Error()) > 2048 {
			t.Fatalf("the error's text has %d bytes", len(err.Error()))
		}
	}
	return claims, err
}

// FuzzDecode takes any text for a token, alone and with its signature made right.
func FuzzDecode(f *testing.F) {
	_, _, tokens := seeds(f)
	f.Add(sealed(encode(plainHeader), encode(plainPayload)))
	for _, token := range tokens {
		f.Add(token)
	}
	d := decoders(fuzzHouse())
	f.Fuzz(func(t *testing.T, token string) {
		claims, err := d.decode(t, token)
		if err == nil {
			reencoded(t, token)
			if claims.Subject == "" {
				t.Fatal("accepted without a subject")
			}
		}
		// The same header and payload, whatever they are, signed.
		if parts := strings.Split(token, "."); len(parts) == 3 {
			signed := sealed(parts[0], parts[1])
			if _, err := d.decode(t, signed); err == nil {
				reencoded(t, signed)
			}
		}
	})
}

// reencoded checks that an accepted token is the only way to write what it says.
func reencoded(t *testing.T, token string) {
	t.Helper()
	for segment := range strings.SplitSeq(token, ".") {
		text, err := base64.RawURLEncoding.DecodeString(segment)
		if err != nil || segment == "" || base64.RawURLEncoding.EncodeToString(text) != segment {
			t.Fatalf("accepted, though %q is not canonical", segment)
		}
	}
}

// FuzzHeader signs any text as a header, and compares the verdict with the oracle's.
func FuzzHeader(f *testing.F) {
	headers, _, _ := seeds(f)
	for _, header := range headers {
		f.Add(header)
	}
	d := decoders(fuzzHouse())
	f.Fuzz(func(t *testing.T, header string) {
		token := sealed(encode(header), encode(plainPayload))
		if header == "" || len(token) > 8<<10 {
			t.Skip()
		}
		typ, want := verdictOnHeader(header)
		if want == nil {
			_, want = verdictOnPayload(plainPayload, typ)
		}
		if _, err := d.decode(t, token); !errors.Is(err, want) || err != nil && want == nil {
			t.Fatalf("the header %q: %v instead of %v", header, err, want)
		}
	})
}

// FuzzPayload signs any text as a payload, and compares verdict and claims with the oracle's, which reads it by
// encoding/json and by its coming second version.
func FuzzPayload(f *testing.F) {
	_, payloads, _ := seeds(f)
	for _, payload := range payloads {
		f.Add(payload)
	}
	d := decoders(fuzzHouse())
	f.Fuzz(func(t *testing.T, payload string) {
		token := sealed(encode(plainHeader), encode(payload))
		if payload == "" || len(token) > 8<<10 {
			t.Skip()
		}
		typ := "JWT"
		wantClaims, want := verdictOnPayload(payload, &typ)
		claims, err := d.decode(t, token)
		if !errors.Is(err, want) || err != nil && want == nil {
			t.Fatalf("the payload %q: %v instead of %v", payload, err, want)
		}
		if err != nil {
			return
		}
		if got := peer.Of(claims); !got.Equal(wantClaims) {
			t.Fatalf("the payload %q: %+v instead of %+v", payload, got, wantClaims)
		}
		var second attack.Claims
		if err := json.Unmarshal([]byte(payload), &second); err != nil {
			t.Fatalf("the payload %q is accepted, but JSON v2 says %v", payload, err)
		}
		if got, v2 := peer.Of(claims), peer.Of(&second); !got.Equal(v2) {
			t.Fatalf("the payload %q: %+v, but JSON v2 reads %+v", payload, got, v2)
		}
	})
}

// FuzzDifferential signs any two segments. What usher accepts the other libraries have to accept, with equal claims;
// what they accept and usher refuses has to belong to a class that is known.
func FuzzDifferential(f *testing.F) {
	headers, payloads, tokens := seeds(f)
	for _, header := range headers {
		f.Add(encode(header), encode(plainPayload))
	}
	for _, payload := range payloads {
		f.Add(encode(plainHeader), encode(payload))
	}
	for _, token := range tokens {
		if parts := strings.Split(token, "."); len(parts) == 3 {
			f.Add(parts[0], parts[1])
		}
	}
	house := fuzzHouse()
	d := decoders(house)
	libraries := peer.Libraries()[:2] // golang-jwt and go-jose; jwx takes text beside the token
	f.Fuzz(func(t *testing.T, header, payload string) {
		token := sealed(header, payload)
		claims, err := d.decode(t, token)
		for _, library := range libraries {
			theirs, theirErr := library.Verify(token, house)
			switch {
			case err == nil && theirErr != nil:
				if !knownRefusal(library.Name, token) {
					t.Fatalf("%s refuses what usher accepts: %v\n%s", library.Name, theirErr, token)
				}
			case err == nil:
				if ours := peer.Of(claims); !ours.Equal(roundedLike(theirs, ours)) {
					t.Fatalf("%s reads %+v, and usher %+v\n%s", library.Name, theirs, ours, token)
				}
			case theirErr == nil:
				if len(peer.Reasons(token, house)) == 0 {
					t.Fatalf("%s accepts what usher refuses without a known reason: %v\n%s", library.Name, err, token)
				}
			}
		}
	})
}

// roundedLike returns theirs with our dates where they are at most a second apart: golang-jwt reads fractions as a
// float64, which rounds up.
func roundedLike(theirs, ours peer.Claims) peer.Claims {
	near := func(their, our int64) int64 {
		if our >= 0 && their >= our-1 && their <= our+1 {
			return our
		}
		return their
	}
	theirs.Expiry, theirs.Begin, theirs.Made = near(theirs.Expiry, ours.Expiry), near(theirs.Begin, ours.Begin), near(theirs.Made, ours.Made)
	return theirs
}

// knownRefusal reports whether a library is known to refuse a token that is good.
func knownRefusal(library, token string) bool {
	parts := strings.Split(token, ".")
	header, _ := base64.RawURLEncoding.DecodeString(parts[0])
	payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
	members, _ := objectOf(string(payload))
	parameters, _ := objectOf(string(header))
	switch library {
	case "golang-jwt":
		// It cuts the fraction of a second off exp, so such a token ends earlier.
		exp, _ := dateOf(members["exp"])
		return exp.Unix() == attack.Now().Unix()
	case "go-jose":
		// It also reads members of the header that usher never looks at, such as jwk, x5c, nonce and b64.
		for name := range parameters {
			if name != "alg" && name != "kid" && name != "typ" {
				return true
			}
		}
	}
	return false
}

// FuzzClaims encodes any claims, and wants them back.
func FuzzClaims(f *testing.F) {
	f.Add("https://issuer.example", "7", "api", "", "id", "session", "read write", "admin", "a,b", int64(1_799_999_990), int64(1_800_000_900), 3)
	f.Add("\u00e9\u2028", "\x00\"\\", "\u20ac", "x", "\ud7ff", "\U0010ffff", " ", "<&>", "", int64(0), int64(253_402_300_799), math.MinInt)
	f.Add("\xff", "7", "", "", "", "", "", "", "", int64(1), int64(1_800_000_001), 0)
	key := usher.Must(usher.NewKey(usher.HS256, fuzzSecret)).WithID("k1")
	encoder := usher.Must(usher.NewEncoder[attack.Claims](key, &usher.EncoderOptions{Now: attack.Now}))
	options := usher.DecoderOptions{Now: attack.Now, DangerouslyAllowAnyAudience: true, MaxSize: 1 << 20}
	decoder := usher.Must(usher.NewDecoder[attack.Claims](key, &options))
	f.Fuzz(func(t *testing.T, iss, sub, aud1, aud2, jti, sid, scope, role, teams string, iat, exp int64, level int) {
		claims := attack.Claims{
			Claims: usher.Claims{
				Issuer: iss, Subject: sub, ID: jti, SessionID: sid, Scope: scope,
				IssuedAt: unix(iat), ExpiresAt: unix(exp),
			},
			Role: role, Level: level,
		}
		for _, audience := range []string{aud1, aud2} {
			if audience != "" {
				claims.Audience = append(claims.Audience, audience)
			}
		}
		if teams != "" {
			claims.Teams = strings.Split(teams, ",")
		}
		token, err := encoder.Encode(t.Context(), claims)
		if err != nil {
			if token != "" {
				t.Fatal("a token and an error")
			}
			valid := !slices.ContainsFunc(append(claims.Teams, iss, sub, aud1, aud2, jti, sid, scope, role), func(s string) bool { return strings.ToValidUTF8(s, "") != s })
			inRange := func(seconds int64) bool { return 0 <= seconds && seconds <= 253_402_300_799 }
			if valid && sub != "" && role != "barred" && inRange(iat) && inRange(exp) {
				t.Fatalf("not encoded: %v", err)
			}
			return
		}
		back, err := decoder.Decode(t.Context(), token)
		if exp <= attack.Now().Unix() {
			if !errors.Is(err, usher.ErrTokenExpired) {
				t.Fatalf("the token expired %d s ago: %v", attack.Now().Unix()-exp, err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if jti == "" {
			claims.ID = back.ID // filled in
		}
		if got, want := fmt.Sprintf("%+v", *back), fmt.Sprintf("%+v", claims); got != want {
			t.Fatalf("\n%s instead of\n%s", got, want)
		}
	})
}

func unix(seconds int64) usher.NumericDate { return usher.NewNumericDate(at(seconds)()) }

// FuzzParseKey takes any text for a key, as PEM, as DER and as a secret.
func FuzzParseKey(f *testing.F) {
	algorithms := []usher.Algorithm{
		usher.HS256, usher.HS384, usher.HS512, usher.RS256, usher.PS384, usher.ES256, usher.ES384, usher.ES512, usher.EdDSA, "none", "",
	}
	for i := range algorithms {
		for _, text := range keyTexts(f) {
			f.Add(byte(i), text)
		}
	}
	f.Fuzz(func(t *testing.T, which byte, text []byte) {
		alg := algorithms[int(which)%len(algorithms)]
		keys := []func() (usher.Key, error){
			func() (usher.Key, error) { return usher.ParseKey(alg, text) },
			func() (usher.Key, error) {
				return usher.ParseKey(alg, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text}))
			},
			func() (usher.Key, error) {
				return usher.ParseKey(alg, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: text}))
			},
			func() (usher.Key, error) { return usher.NewKey(alg, text) },
			func() (usher.Key, error) { return usher.DangerouslyShortKey(alg, text) },
		}
		for _, keyOf := range keys {
			key, err := keyOf()
			if err != nil {
				var mistake *usher.ConfigError
				if !errors.As(err, &mistake) || key != (usher.Key{}) {
					t.Fatalf("the error %v, with the key %v", err, key)
				}
				if len(text) > 16 && !isPEMLabel(text) && strings.Contains(err.Error(), string(text)) {
					t.Fatalf("the error shows the material: %v", err)
				}
				continue
			}
			usable(t, key)
			if secret := string(text); len(secret) > 16 && strings.Contains(fmt.Sprintf("%v %+v %#v %s %q %x", key, key, key, key, key, key), secret) {
				t.Fatal("printing the key shows its material")
			}
		}
	})
}

// isPEMLabel reports whether the text has only what a PEM block's first line has. Errors may quote that.
func isPEMLabel(text []byte) bool {
	return strings.Trim(string(text), "-ABCDEFGHIJKLMNOPQRSTUVWXYZ ") == ""
}

// usable checks that a key does what it says it can.
func usable(t *testing.T, key usher.Key) {
	t.Helper()
	decoder, err := usher.NewDecoder[usher.Claims](key, &usher.DecoderOptions{Now: attack.Now})
	if err != nil {
		t.Fatalf("%v can't verify: %v", key, err)
	}
	encoder, err := usher.NewEncoder[usher.Claims](key, &usher.EncoderOptions{Now: attack.Now})
	if (err == nil) != key.CanSign() {
		t.Fatalf("%v: CanSign is %t, but the encoder says %v", key, key.CanSign(), err)
	}
	if err != nil {
		return
	}
	token, err := encoder.Encode(t.Context(), usher.Claims{Subject: "7"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := decoder.Decode(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	if public, ok := key.Public(); ok {
		if public.CanSign() || public.ID() != key.ID() {
			t.Fatalf("the public half of %v is %v, CanSign %t", key, public, public.CanSign())
		}
		byPublic := usher.Must(usher.NewDecoder[usher.Claims](public, &usher.DecoderOptions{Now: attack.Now}))
		if _, err := byPublic.Decode(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
}

// FuzzSources takes any text for the parts of a request, among which a good token may be.
func FuzzSources(f *testing.F) {
	good := sealed(encode(plainHeader), encode(plainPayload))
	for _, authorization := range []string{"", "Bearer GOOD", "bearer  GOOD", "Bearer", "Bearer ", "BearerGOOD", "JWT GOOD", "Basic eDp5", "GOOD", "Bearer GOOD, Bearer GOOD", "Bearer\tGOOD", "Bearer bad"} {
		f.Add("GET", authorization, "", "", "", "", "", "", false)
	}
	f.Add("GET", "", "access_token=GOOD", "", "", "", "", "", false)
	f.Add("GET", "", "", "a=GOOD", "", "", "", "", false)
	f.Add("GET", "", "a=GOOD; a=GOOD", "", "", "", "", "", false)
	f.Add("POST", "", "a=GOOD", "", "", "https://attacker.example", "", "", false)
	f.Add("POST", "", "", "", "", "", "application/x-www-form-urlencoded", "access_token=GOOD", false)
	f.Add("POST", "Bearer GOOD", "", "", "", "", "application/x-www-form-urlencoded; charset=utf-8", "access_token=GOOD&access_token=x", false)
	f.Add("GET", "", "", "", "bearer, GOOD, chat", "https://here.example", "", "", true)
	f.Add("GET", "", "a=GOOD", "%zz&access_token=;", "bearer,bearer", "null", "", "", true)
	f.Add("OPTIONS", "", "", "", "", "https://here.example", "", "", false)

	d := usher.Must(fuzzHouse().Verifier(0))
	m := usher.Must(usher.NewMiddleware(d, usher.ClaimsAsUser[attack.Claims], &usher.MiddlewareOptions{
		Sources: []usher.TokenSource{
			usher.FromBearer(), usher.FromAuthorization("JWT"), usher.FromHeader("X-Token"), usher.FromCookie("a"),
			usher.FromQuery("access_token"), usher.FromForm("access_token"), usher.FromWebSocketProtocol("bearer"),
		},
		TrustedOrigins: []string{"https://here.example"},
	}))
	handler := m.RequireFunc(func(w http.ResponseWriter, _ *http.Request, c *attack.Claims) { fmt.Fprint(w, c.Subject) })
	f.Fuzz(func(t *testing.T, method, authorization, cookie, query, protocols, origin, contentType, body string, upgrade bool) {
		fill := func(s string) string { return strings.ReplaceAll(s, "GOOD", good) }
		r := &http.Request{
			Method: method, URL: &url.URL{Path: "/", RawQuery: fill(query)}, Host: "service.example", Header: http.Header{},
			Body: http.NoBody, ProtoMajor: 1, ProtoMinor: 1,
		}
		for name, value := range map[string]string{
			"Authorization": authorization, "Cookie": cookie, "Sec-Websocket-Protocol": protocols, "Origin": origin, "Content-Type": contentType,
		} {
			if value != "" {
				r.Header[name] = []string{fill(value)}
			}
		}
		if upgrade {
			r.Header["Upgrade"] = []string{"websocket"}
		}
		if body != "" {
			r.Body = readCloser{strings.NewReader(fill(body))}
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r.WithContext(context.Background()))
		switch w.Code {
		case http.StatusOK:
			decoded, _ := url.QueryUnescape(query + "&" + body)
			if !strings.Contains(authorization+cookie+protocols+query+body+decoded, "GOOD") && !strings.Contains(decoded, good) {
				t.Fatal("accepted, without a token")
			}
			if cookie != "" && !strings.Contains(authorization+query+body+protocols+decoded, "GOOD") && origin == "https://attacker.example" && method == http.MethodPost {
				t.Fatal("accepted, from another site")
			}
		case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
			if w.Header().Get("Cache-Control") != "no-store" {
				t.Fatal("a rejection that may be cached")
			}
			for _, c := range w.Header().Get("WWW-Authenticate") {
				if c < ' ' || c > '~' {
					t.Fatalf("the challenge %q", w.Header().Get("WWW-Authenticate"))
				}
			}
		default:
			t.Fatalf("the status %d", w.Code)
		}
	})
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

// FuzzCheckPassword takes any text for a stored hash and for a password.
func FuzzCheckPassword(f *testing.F) {
	hash := func(password string, cost int) string {
		return string(usher.Must(bcrypt.GenerateFromPassword([]byte(password), cost)))
	}
	right := hash("correct horse", 4)
	for _, stored := range []string{
		right, hash("correct horse", 5), "", "x", "$2a$", "$2a$31" + right[6:], "$2a$03" + right[6:], "$2a$99" + right[6:], "$2x$" + right[4:], "$2b$" + right[4:],
		"$2y$" + right[4:], right + "x", right[:59], " " + right, right + "\n", strings.ToUpper(right), "$2a$04$" + strings.Repeat(".", 53), "$2a$+4" + right[6:],
		"$argon2id$v=19$m=65536", "{SSHA}x", "pbkdf2:sha256:1000$x$y", strings.Repeat("$", 60),
	} {
		for _, password := range []string{"correct horse", "wrong horse", "", "correct horse\x00", strings.Repeat("a", 72), strings.Repeat("a", 73), right, "\xff"} {
			f.Add(stored, password)
		}
	}
	passwords := usher.Must(usher.NewPasswords(&usher.PasswordOptions{Cost: 4, MinLength: 1}))
	f.Fuzz(func(t *testing.T, stored, password string) {
		if cost, err := bcrypt.Cost([]byte(stored)); err == nil && cost > 6 && cost <= 8 {
			t.Skip("slow, and no other")
		}
		rehash, err := passwords.Check(t.Context(), stored, password)
		byBcrypt := bcrypt.ErrMismatchedHashAndPassword
		if cost, err := bcrypt.Cost([]byte(stored)); err == nil && cost <= 8 {
			byBcrypt = bcrypt.CompareHashAndPassword([]byte(stored), []byte(password))
		}
		switch {
		case err == nil:
			if byBcrypt != nil || len(password) > 72 || strings.Contains(password, "\x00") || len(stored) != 60 {
				t.Fatalf("accepted, but bcrypt says %v", byBcrypt)
			}
			if rehash != "" {
				t.Fatal("a new hash, though the cost is today's")
			}
		case rehash != "":
			t.Fatal("refused, with a new hash")
		case !errors.Is(err, usher.ErrPasswordMismatch) && !errors.Is(err, usher.ErrBadHash):
			t.Fatal(err)
		case byBcrypt == nil && len(password) <= 72 && !strings.Contains(password, "\x00") && errors.Is(err, usher.ErrPasswordMismatch):
			t.Fatal("refused, but bcrypt says that it is right")
		}
		if err != nil && len(password) > 8 && strings.Contains(err.Error(), password) || err != nil && len(stored) > 8 && strings.Contains(err.Error(), stored) {
			t.Fatalf("the error shows a secret: %v", err)
		}
	})
}
