// Package interop_test exchanges tokens and password hashes with the libraries that others use.
package interop_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-usher/usher"
)

const (
	issuer   = "https://issuer.example"
	audience = "api"
)

// appClaims are an application's claims.
type appClaims struct {
	usher.Claims
	Name   string            `json:"name"`
	Level  int               `json:"level"`
	Admin  bool              `json:"admin"`
	Roles  []string          `json:"roles"`
	Ratio  float64           `json:"ratio"`
	Labels map[string]string `json:"labels"`
}

func claims(now time.Time) appClaims {
	return appClaims{
		Claims: usher.Claims{
			Issuer: issuer, Subject: "7", Audience: usher.Audience{"other", audience}, ID: "a-1", SessionID: "s-1", Scope: "read write",
			IssuedAt: usher.NewNumericDate(now.Add(-time.Minute)), NotBefore: usher.NewNumericDate(now.Add(-time.Minute)),
			ExpiresAt: usher.NewNumericDate(now.Add(time.Hour)), AuthTime: usher.NewNumericDate(now.Add(-time.Hour)),
		},
		Name: "Zoë \"<&>\" \u2028 日本 \U0001f511", Level: -3, Admin: true, Roles: []string{"editor", "autor"}, Ratio: 0.1, Labels: map[string]string{"a": "b", "ä": ""},
	}
}

// asMap is what a client reads when it reads everything.
func asMap(t *testing.T, c appClaims) map[string]any {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// tampered returns forgeries of a token: each would be the good one but for one thing.
func tampered(token string) map[string]string {
	parts := strings.Split(token, ".")
	flip := func(s string, i int) string {
		b := []byte(s)
		if b[i] == 'A' {
			b[i] = 'B'
		} else {
			b[i] = 'A'
		}
		return string(b)
	}
	return map[string]string{
		"the signature changed": parts[0] + "." + parts[1] + "." + flip(parts[2], len(parts[2])/2),
		"the payload changed":   parts[0] + "." + flip(parts[1], len(parts[1])/2) + "." + parts[2],
		"the signature cut":     parts[0] + "." + parts[1] + "." + parts[2][:len(parts[2])/2],
		"alg none":              "eyJhbGciOiJub25lIn0." + parts[1] + ".",
	}
}

func clients() []struct {
	name string
	open func(t *testing.T) client
} {
	return []struct {
		name string
		open func(t *testing.T) client
	}{
		{"golang-jwt", func(*testing.T) client { return golangJWT{} }},
		{"go-jose", func(*testing.T) client { return goJose{} }},
		{"jwx", func(*testing.T) client { return jwx{} }},
		{"PyJWT", func(t *testing.T) client { return python(t) }},
		{"jose (npm)", func(t *testing.T) client { return node(t, "jose") }},
		{"jsonwebtoken (npm)", func(t *testing.T) client { return node(t, "jsonwebtoken", usher.EdDSA, usher.Ed25519) }},
	}
}

func TestTokensAreExchangedBothWays(t *testing.T) {
	keys, others := makeKeys(t), makeKeys(t)
	for _, c := range clients() {
		t.Run(c.name, func(t *testing.T) {
			peer := c.open(t)
			var exchanged []string
			for _, alg := range algorithms() {
				if !peer.supports(alg) {
					t.Logf("%s does not know %s", c.name, alg)
					continue
				}
				k := keys[alg]
				toPeer(t, peer, k, others[alg])
				fromPeer(t, peer, k, others[alg])
				if !t.Failed() {
					exchanged = append(exchanged, string(alg))
				}
			}
			t.Logf("%d algorithms both ways: %s", len(exchanged), strings.Join(exchanged, " "))
		})
	}
}

// toPeer has usher sign and the peer verify.
func toPeer(t *testing.T, peer client, k, other keyPair) {
	t.Helper()
	now := time.Now()
	encode := func(key usher.Key, c appClaims) string {
		encoder, err := usher.NewEncoder[appClaims](key, nil)
		if err != nil {
			t.Fatal(err)
		}
		token, err := encoder.Encode(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	good := claims(now)
	token := encode(k.key, good)
	got, err := peer.verify(k, token)
	if err != nil {
		t.Errorf("%s: the peer refuses usher's token: %v", k.alg, err)
		return
	}
	if want := asMap(t, good); !sameJSON(t, got, want) {
		t.Errorf("%s: the peer reads\n%v instead of\n%v", k.alg, got, want)
	}
	refuses := func(what, token string) {
		if got, err := peer.verify(k, token); err == nil {
			t.Errorf("%s: the peer accepts a token: %s: %v", k.alg, what, got)
		}
	}
	expired := good
	expired.ExpiresAt = usher.NewNumericDate(now.Add(-time.Minute))
	refuses("expired", encode(k.key, expired))
	early := good
	early.NotBefore = usher.NewNumericDate(now.Add(10 * time.Minute))
	refuses("not yet valid", encode(k.key, early))
	refuses("by another key", encode(other.key, good))
	for what, forged := range tampered(token) {
		refuses(what, forged)
	}
}

// fromPeer has the peer sign and usher verify.
func fromPeer(t *testing.T, peer client, k, other keyPair) {
	t.Helper()
	now := time.Now()
	decoder, err := usher.NewDecoder[appClaims](k.verifying, &usher.DecoderOptions{Issuer: issuer, Audience: usher.Audience{audience}})
	if err != nil {
		t.Fatal(err)
	}
	sign := func(k keyPair, kid string, c appClaims) string {
		m := asMap(t, c)
		for name, value := range m {
			if number, ok := value.(float64); ok && number == float64(int64(number)) {
				m[name] = int64(number) // as an application would write it
			}
		}
		token, err := peer.sign(k, kid, m)
		if err != nil {
			t.Errorf("%s: the peer does not sign: %v", k.alg, err)
		}
		return token
	}
	good := claims(now)
	for _, kid := range []string{"", k.verifying.ID()} {
		token := sign(k, kid, good)
		got, err := decoder.Decode(t.Context(), token)
		if err != nil {
			t.Errorf("%s: usher refuses the peer's token: %v", k.alg, err)
			continue
		}
		if !reflect.DeepEqual(*got, good) {
			t.Errorf("%s: usher reads\n%+v instead of\n%+v", k.alg, *got, good)
		}
		for what, forged := range tampered(token) {
			if _, err := decoder.Decode(t.Context(), forged); !errors.Is(err, usher.ErrTokenSignature) && !errors.Is(err, usher.ErrTokenMalformed) {
				t.Errorf("%s: %s: %v", k.alg, what, err)
			}
		}
	}
	for _, c := range []struct {
		what   string
		key    keyPair
		change func(*appClaims)
		want   error
	}{
		{"expired", k, func(c *appClaims) { c.ExpiresAt = usher.NewNumericDate(now.Add(-time.Minute)) }, usher.ErrTokenExpired},
		{"not yet valid", k, func(c *appClaims) { c.NotBefore = usher.NewNumericDate(now.Add(10 * time.Minute)) }, usher.ErrTokenNotYetValid},
		{"of another issuer", k, func(c *appClaims) { c.Issuer = "https://elsewhere.example" }, usher.ErrTokenIssuer},
		{"for another audience", k, func(c *appClaims) { c.Audience = usher.Audience{"elsewhere"} }, usher.ErrTokenAudience},
		{"by another key", other, func(*appClaims) {}, usher.ErrTokenSignature},
	} {
		changed := good
		c.change(&changed)
		if _, err := decoder.Decode(t.Context(), sign(c.key, "", changed)); !errors.Is(err, c.want) {
			t.Errorf("%s: the peer's token %s: %v", k.alg, c.what, err)
		}
	}
}

// sameJSON compares what two JSON texts say: aud may be a string or a list, and a date an integer or not.
func sameJSON(t *testing.T, got, want map[string]any) bool {
	t.Helper()
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var again map[string]any
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	if one, ok := again["aud"].(string); ok {
		again["aud"] = []any{one}
	}
	return reflect.DeepEqual(again, want)
}

// Tokens as older tutorials issue them, by the library that they use.
func TestOlderTokensOfPythonDecode(t *testing.T) {
	peer := python(t)
	now := time.Now()
	short := []byte("super-secret") // what tutorials configure
	k := keyPair{alg: usher.HS256, secret: short}
	key := usher.Must(usher.DangerouslyShortKey(usher.HS256, short))
	exp, iat := now.Add(time.Hour).Unix(), now.Unix()

	type identityClaims struct { // Flask-JWT, and Flask-JWT-Extended before 4
		usher.Claims
		Identity int    `json:"identity"`
		UserID   int    `json:"user_id"`
		Fresh    bool   `json:"fresh"`
		Type     string `json:"type"`
	}
	for _, c := range []struct {
		name    string
		claims  map[string]any
		options usher.DecoderOptions
		want    func(identityClaims) string
		subject string
	}{
		{"an integer sub", map[string]any{"sub": 42, "exp": exp, "iat": iat}, usher.DecoderOptions{AllowNumericSubject: true}, func(c identityClaims) string { return c.Subject }, "42"},
		{"sub as text", map[string]any{"sub": "42", "exp": exp, "iat": iat}, usher.DecoderOptions{}, func(c identityClaims) string { return c.Subject }, "42"},
		{
			"Flask-JWT: identity and nbf", map[string]any{"identity": 42, "exp": exp, "iat": iat, "nbf": iat},
			usher.DecoderOptions{AllowNoSubject: true}, func(c identityClaims) string { return fmt.Sprint(c.Identity) }, "42",
		},
		{
			"Flask-JWT-Extended 3", map[string]any{"identity": 42, "exp": exp, "iat": iat, "nbf": iat, "jti": "6f1f1e2e", "fresh": true, "type": "access", "user_claims": map[string]any{"roles": []string{"a"}}},
			usher.DecoderOptions{AllowNoSubject: true}, func(c identityClaims) string { return fmt.Sprint(c.Identity) }, "42",
		},
		{
			"user_id in place of sub", map[string]any{"user_id": 42, "exp": exp}, usher.DecoderOptions{AllowNoSubject: true},
			func(c identityClaims) string { return fmt.Sprint(c.UserID) }, "42",
		},
		{
			"no exp", map[string]any{"sub": "42"}, usher.DecoderOptions{DangerouslyAllowNoExpiry: true}, func(c identityClaims) string { return c.Subject }, "42",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			token, err := peer.sign(k, "", c.claims)
			if err != nil {
				t.Fatal(err)
			}
			decoder := usher.Must(usher.NewDecoder[identityClaims](key, &c.options))
			got, err := decoder.Decode(t.Context(), token)
			if err != nil {
				t.Fatal(err)
			}
			if id := c.want(*got); id != c.subject {
				t.Errorf("the user is %s", id)
			}
			if c.name == "sub as text" {
				return
			}
			// Without the option it is refused, and the reason says which claim it is about.
			strict := usher.Must(usher.NewDecoder[identityClaims](key, nil))
			if _, err := strict.Decode(t.Context(), token); !errors.Is(err, usher.ErrTokenClaims) {
				t.Errorf("without options: %v", err)
			}
		})
	}
}

func TestPasswordHashesAreExchangedBothWays(t *testing.T) {
	for _, c := range []struct {
		name     string
		open     func(*testing.T) *process
		prefixes []string
	}{
		{"Python's bcrypt", python, []string{"2b", "2a"}},
		{"PHP's password_hash", php, []string{"2y"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			peer := c.open(t)
			passwords := usher.Must(usher.NewPasswords(&usher.PasswordOptions{Cost: 4, MinLength: 1}))
			for _, password := range []string{"correct horse battery", "pässwörd", "日本語のパスワード", "\U0001f511\U0001f511", "x", strings.Repeat("a", 72), " ", "a$b\\\"'<>"} {
				for _, prefix := range c.prefixes {
					a, err := peer.ask(command{Do: "hash", Password: password, Prefix: prefix})
					if err != nil {
						t.Fatal(err)
					}
					if !strings.HasPrefix(a.Text, "$"+prefix+"$") {
						t.Errorf("the hash is %s", a.Text)
					}
					if _, err := passwords.Check(t.Context(), a.Text, password); err != nil {
						t.Errorf("%q against %s: %v", password, a.Text, err)
					}
					if _, err := passwords.Check(t.Context(), a.Text, password+"x"); !errors.Is(err, usher.ErrPasswordMismatch) {
						t.Errorf("%q and an x against %s: %v", password, a.Text, err)
					}
				}
				hash, err := passwords.Hash(t.Context(), password)
				if err != nil {
					t.Fatal(err)
				}
				for guess, want := range map[string]bool{password: true, password[1:] + "?": false} {
					if a, err := peer.ask(command{Do: "check", Password: guess, Hash: hash}); err != nil || a.OK != want {
						t.Errorf("the peer about %q and %s: %t, %v", guess, hash, a.OK, err)
					}
				}
			}
			// Both cut a password after 72 bytes. usher does not: what it can't see all of, it refuses.
			long := strings.Repeat("a", 73)
			a, err := peer.ask(command{Do: "hash", Password: long, Prefix: c.prefixes[0]})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := passwords.Check(t.Context(), a.Text, long); !errors.Is(err, usher.ErrPasswordMismatch) {
				t.Errorf("73 bytes: %v", err)
			}
		})
	}
}
