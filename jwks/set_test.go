package jwks_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/jwks"
)

var b64 = base64.RawURLEncoding.EncodeToString

// members is a JWK.
type members map[string]any

// with returns a copy with more members; nil removes one.
func (m members) with(changes members) members {
	m = maps.Clone(m)
	maps.Copy(m, changes)
	maps.DeleteFunc(m, func(_ string, v any) bool { return v == nil })
	return m
}

func (m members) json() string { return string(usher.Must(json.Marshal(m))) }

func set(keys ...members) []byte {
	var texts []string
	for _, key := range keys {
		texts = append(texts, key.json())
	}
	return []byte(`{"keys":[` + strings.Join(texts, ",") + `]}`)
}

func ecJWK(t testing.TB, curve elliptic.Curve) (public, private members) {
	t.Helper()
	key := usher.Must(ecdsa.GenerateKey(curve, rand.Reader))
	point := usher.Must(key.PublicKey.Bytes())
	size := len(point) / 2
	public = members{"kty": "EC", "crv": curve.Params().Name, "x": b64(point[1 : 1+size]), "y": b64(point[1+size:])}
	return public, public.with(members{"d": b64(usher.Must(key.Bytes()))})
}

func okpJWK(t testing.TB) (public, private members) {
	t.Helper()
	x, d, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public = members{"kty": "OKP", "crv": "Ed25519", "x": b64(x)}
	return public, public.with(members{"d": b64(d.Seed())})
}

func rsaJWK() (public, private members) {
	key := rsaKey()
	public = members{"kty": "RSA", "n": b64(key.N.Bytes()), "e": "AQAB"}
	return public, public.with(members{
		"d": b64(key.D.Bytes()), "p": b64(key.Primes[0].Bytes()), "q": b64(key.Primes[1].Bytes()),
		"dp": b64(key.Precomputed.Dp.Bytes()), "dq": b64(key.Precomputed.Dq.Bytes()), "qi": b64(key.Precomputed.Qinv.Bytes()),
	})
}

func certificate(t testing.TB) string {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der := usher.Must(x509.CreateCertificate(rand.Reader, template, template, &rsaKey().PublicKey, rsaKey()))
	return base64.StdEncoding.EncodeToString(der)
}

// TestEveryKeyOfASetIsJudged reads each key as a remote set's and as one's own. In a remote set a good key stands
// next to it, and must be unharmed.
func TestEveryKeyOfASetIsJudged(t *testing.T) {
	ec, ecPrivate := ecJWK(t, elliptic.P256())
	other, _ := ecJWK(t, elliptic.P256())
	p384, p384Private := ecJWK(t, elliptic.P384())
	p521, p521Private := ecJWK(t, elliptic.P521())
	okp, okpPrivate := okpJWK(t)
	rsaPublic, rsaPrivate := rsaJWK()
	short := usher.Must(rsa.GenerateKey(rand.Reader, 1024)) // too short on purpose
	secret := members{"kty": "oct", "k": b64([]byte("an HMAC secret of 32 random bytes"))}
	good, _ := ecJWK(t, elliptic.P256())
	good["kid"] = "good"

	type verdict string
	const (
		used  verdict = "used"
		left  verdict = "left out" // for another purpose: one's own set may have it
		wrong verdict = "wrong"
	)
	for _, c := range []struct {
		name        string
		key         members
		remote, own verdict
	}{
		{"P-256", ec, used, used},
		{"P-384", p384, used, used},
		{"P-521", p521, used, used},
		{"Ed25519", okp, used, used},
		{"RSA", rsaPublic, used, used},
		{"a private P-256 key", ecPrivate, wrong, used},
		{"a private P-384 key", p384Private, wrong, used},
		{"a private P-521 key", p521Private, wrong, used},
		{"a private Ed25519 key", okpPrivate, wrong, used},
		{"a private RSA key", rsaPrivate, wrong, used},
		{"a secret", secret, wrong, used},
		{"a secret for encryption", secret.with(members{"use": "enc"}), left, left},

		{"no kty", ec.with(members{"kty": nil}), wrong, wrong},
		{"an unknown kty", members{"kty": "AKP", "alg": "ML-DSA-44"}, left, left},
		{"an unknown kty in lower case", ec.with(members{"kty": "ec"}), left, left},
		{"an unknown crv", ec.with(members{"crv": "secp256k1"}), left, left},
		{"an unknown crv of OKP", okp.with(members{"crv": "X25519"}), left, left},
		{"no crv", ec.with(members{"crv": nil}), left, left},

		{"its alg", ec.with(members{"alg": "ES256"}), used, used},
		{"the name of RFC 9864", okp.with(members{"alg": "EdDSA"}), used, used},
		{"another curve's alg", ec.with(members{"alg": "ES384"}), wrong, wrong},
		{"another type's alg", ec.with(members{"alg": "RS256"}), wrong, wrong},
		{"the alg of secrets", rsaPublic.with(members{"alg": "HS256"}), wrong, wrong},
		{"alg none", ec.with(members{"alg": "none"}), left, left},
		{"an alg for encryption", rsaPublic.with(members{"alg": "RSA-OAEP"}), left, left},
		{"an alg in lower case", rsaPublic.with(members{"alg": "rs256"}), left, left},

		{"use sig", ec.with(members{"use": "sig"}), used, used},
		{"use enc", ec.with(members{"use": "enc"}), left, left},
		{"key_ops verify", ec.with(members{"key_ops": []string{"verify"}}), used, used},
		{"key_ops sign and verify", ecPrivate.with(members{"key_ops": []string{"sign", "verify"}}), wrong, used},
		{"key_ops verify of a private key", ecPrivate.with(members{"key_ops": []string{"verify"}}), wrong, left},
		{"key_ops encrypt", ec.with(members{"key_ops": []string{"encrypt"}}), left, left},
		{"empty key_ops", ec.with(members{"key_ops": []string{}}), left, left},

		{"a kid of 256 bytes", ec.with(members{"kid": strings.Repeat("k", 256)}), used, used},
		{"a kid of 257 bytes", ec.with(members{"kid": strings.Repeat("k", 257)}), wrong, wrong},
		{"a kid that is a number", ec.with(members{"kid": 1}), wrong, wrong},
		{"a use that is a list", ec.with(members{"use": []string{"sig"}}), wrong, wrong},
		{"key_ops that is a string", ec.with(members{"key_ops": "verify"}), wrong, wrong},
		{"an x that is a number", ec.with(members{"x": 1}), wrong, wrong},
		{"unknown members", ec.with(members{"issuer": "https://x", "exp": 1, "KTY": "RSA"}), used, used},

		{"no x", ec.with(members{"x": nil}), wrong, wrong},
		{"no y", ec.with(members{"y": nil}), wrong, wrong},
		{"a short x", ec.with(members{"x": b64(make([]byte, 31))}), wrong, wrong},
		{"a long x", ec.with(members{"x": "AA" + ec["x"].(string)}), wrong, wrong},
		{"another point's y", ec.with(members{"y": other["y"]}), wrong, wrong},
		{"a point at zero", ec.with(members{"x": b64(make([]byte, 32)), "y": b64(make([]byte, 32))}), wrong, wrong},
		{"padded base64", ec.with(members{"x": ec["x"].(string) + "="}), used, used},
		{"wrongly padded base64", ec.with(members{"x": ec["x"].(string) + "=="}), wrong, wrong},
		{"a line break in base64", ec.with(members{"x": ec["x"].(string)[:8] + "\n" + ec["x"].(string)[8:]}), wrong, wrong},
		{"standard base64", okp.with(members{"x": strings.Repeat("/", 43)}), wrong, wrong},
		{"no x of OKP", okp.with(members{"x": nil}), wrong, wrong},
		{"a short x of OKP", okp.with(members{"x": b64(make([]byte, 31))}), wrong, wrong},
		{"an empty n", rsaPublic.with(members{"n": ""}), wrong, wrong},
		{"no e", rsaPublic.with(members{"e": nil}), wrong, wrong},
		{"an even e", rsaPublic.with(members{"e": "Ag"}), wrong, wrong},
		{"an e of 1", rsaPublic.with(members{"e": "AQ"}), wrong, wrong},
		{"an e of 64 bits", rsaPublic.with(members{"e": b64([]byte{1, 0, 0, 0, 0, 0, 0, 1})}), wrong, wrong},
		{"an n with zeros before it", rsaPublic.with(members{"n": b64(append([]byte{0}, rsaKey().N.Bytes()...))}), used, used},
		{"1024 bits of RSA", rsaPublic.with(members{"n": b64(short.N.Bytes())}), wrong, wrong},

		{"another key's d", ecPrivate.with(members{"x": other["x"], "y": other["y"]}), wrong, wrong},
		{"another key's d of OKP", okpPrivate.with(members{"d": b64(make([]byte, 32))}), wrong, wrong},
		{"a short d of OKP", okpPrivate.with(members{"d": "AAAA"}), wrong, wrong},
		{"a d of zero", ecPrivate.with(members{"d": b64(make([]byte, 32))}), wrong, wrong},
		{"a short d", ecPrivate.with(members{"d": "AAAA"}), wrong, wrong},
		{"a private RSA key without primes", rsaPrivate.with(members{"p": nil, "q": nil, "dp": nil, "dq": nil, "qi": nil}), wrong, wrong},
		{"a private RSA key of three primes", rsaPrivate.with(members{"oth": []members{{"r": "AQ"}}}), wrong, wrong},
		{"a private RSA key with another dp", rsaPrivate.with(members{"dp": "AQAB"}), wrong, wrong},
		{"a private RSA key with a prime of 1", rsaPrivate.with(members{"p": "AQ"}), wrong, wrong},
		{"a private RSA key with one prime twice", rsaPrivate.with(members{"q": rsaPrivate["p"]}), wrong, wrong},
		{"a private RSA key with a huge prime", rsaPrivate.with(members{"p": b64(append([]byte{1}, make([]byte, 2048)...))}), wrong, wrong},
		{"a short secret", secret.with(members{"k": "AAAA"}), wrong, wrong},
		{"a secret without k", secret.with(members{"k": nil}), wrong, wrong},

		{"the certificate of its key", rsaPublic.with(members{"x5c": []string{certificate(t)}}), used, used},
		{"the certificate of its private key", rsaPrivate.with(members{"x5c": []string{certificate(t)}}), wrong, used},
		{"the certificate of another key", ec.with(members{"x5c": []string{certificate(t)}}), wrong, wrong},
		{"a certificate that is none", ec.with(members{"x5c": []string{"AAAA"}}), used, used},
		{"a certificate that is no base64", ec.with(members{"x5c": []string{"*"}}), used, used},
		{"x5c that is no list", ec.with(members{"x5c": "AAAA"}), used, used},
		{"an empty x5c", ec.with(members{"x5c": []string{}}), used, used},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var fetch jwks.Fetch
				remote := newRemote(t, serving(set(c.key, good)), jwks.RemoteOptions{OnFetch: func(f jwks.Fetch) { fetch = f }})
				wantKey(t, remote, "good")
				got := used
				if len(fetch.Skipped) == 1 && len(remote.Keys()) == 1 {
					got = wrong // or left out: Skipped has both
				}
				if (got == used) != (c.remote == used) {
					t.Errorf("in a remote set it is %s: %v", got, fetch.Skipped)
				}
			})
			keys, err := jwks.Parse(set(c.key), nil)
			switch c.own {
			case used:
				if err != nil || len(keys) != 1 {
					t.Errorf("in one's own set: %v, %v", keys, err)
				}
				single, err := jwks.Parse([]byte(c.key.json()), nil)
				if err != nil || len(single) != 1 {
					t.Errorf("as a single JWK: %v, %v", single, err)
				}
			case left:
				wantConfigErrors(t, err, "keys[0]", "set")
				if c.key["kty"] == "oct" {
					return // which can't stand with the good one
				}
				if keys, err := jwks.Parse(set(c.key, good), nil); err != nil || len(keys) != 1 {
					t.Errorf("in one's own set: %v, %v", keys, err)
				}
			case wrong:
				wantConfigErrors(t, err, "keys[0]")
			}
		})
	}
}

func TestNullMembersCountAsAbsent(t *testing.T) {
	ec, _ := ecJWK(t, elliptic.P256())
	text := strings.Replace(ec.json(), "{", `{"alg":null,"use":null,"key_ops":null,"kid":null,"x5c":null,"d":null,"n":null,"oth":null,"k":null,`, 1)
	synctest.Test(t, func(t *testing.T) {
		remote := newRemote(t, serving([]byte(`{"keys":[`+text+`]}`)), jwks.RemoteOptions{})
		keys, err := remote.VerificationKeys(t.Context(), "")
		if err != nil || len(keys) != 1 || keys[0].ID() != "" {
			t.Errorf("%v, %v", keys, err)
		}
	})
}

func TestAKeyWithoutKidVerifiesOnlyTokensWithoutKid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ec, _ := ecJWK(t, elliptic.P256())
		remote := newRemote(t, serving(set(ec, ec.with(members{"kid": "a"}))), jwks.RemoteOptions{})
		wantKey(t, remote, "a")
		if keys, err := remote.VerificationKeys(t.Context(), ""); err != nil || len(keys) != 2 {
			t.Errorf("without kid: %v, %v", keys, err)
		}
	})
}

func TestKeysThatDifferUnderOneKidAreAllLeftOut(t *testing.T) {
	a, _ := ecJWK(t, elliptic.P256())
	b, _ := ecJWK(t, elliptic.P256())
	c, _ := ecJWK(t, elliptic.P384())
	o1, _ := okpJWK(t)
	o2, _ := okpJWK(t)
	kid := func(m members, id string) members { return m.with(members{"kid": id}) }
	for _, tc := range []struct {
		name string
		keys []members
		want int
	}{
		{"two keys", []members{kid(a, "x"), kid(b, "x"), kid(c, "y")}, 1},
		{"three keys, the first twice", []members{kid(a, "x"), kid(b, "x"), kid(a, "x"), kid(c, "y")}, 1},
		{"the same key twice", []members{kid(a, "x"), kid(a, "x")}, 1},
		{"two algorithms", []members{kid(a, "x"), kid(c, "x")}, 2},
		{"two kids", []members{kid(a, "x"), kid(a, "y")}, 2},
		{"no kids", []members{a, b}, 2},
		{"one algorithm under two names", []members{kid(o1, "x").with(members{"alg": "EdDSA"}), kid(o2, "x"), kid(c, "y")}, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				remote := newRemote(t, serving(set(tc.keys...)), jwks.RemoteOptions{})
				keys, err := remote.VerificationKeys(t.Context(), "")
				if err != nil || len(keys) != tc.want {
					t.Errorf("a remote set has the keys %v, %v", keys, err)
				}
			})
			keys, err := jwks.Parse(set(tc.keys...), nil)
			if ambiguous := strings.Contains(fmt.Sprint(err), "differs from another"); ambiguous != (tc.want == 1 && tc.name != "the same key twice") {
				t.Errorf("one's own set has the keys %v, %v", keys, err)
			}
		})
	}
}

func TestParseReportsEveryMistake(t *testing.T) {
	ec, _ := ecJWK(t, elliptic.P256())
	_, private := okpJWK(t)
	secret := members{"kty": "oct", "k": b64([]byte("an HMAC secret of 32 random bytes"))}
	_, err := jwks.Parse(set(ec.with(members{"x": nil}), private, secret, ec.with(members{"kid": 1})), nil)
	wantConfigErrors(t, err, "keys[0]", "keys[3]", "set")
	_, err = jwks.Parse(set(ec), &jwks.ParseOptions{DefaultAlgorithms: []usher.Algorithm{"none", usher.ES256, "A128KW"}})
	wantConfigErrors(t, err, "ParseOptions.DefaultAlgorithms", "ParseOptions.DefaultAlgorithms")
	_, err = jwks.Parse(set(ec), &jwks.ParseOptions{DefaultAlgorithms: []usher.Algorithm{usher.RS256}})
	wantConfigErrors(t, err, "keys[0]")
}

func TestParseGivesOneKeyForEachDefaultAlgorithmThatFits(t *testing.T) {
	_, private := rsaJWK()
	keys, err := jwks.Parse([]byte(private.json()), &jwks.ParseOptions{DefaultAlgorithms: []usher.Algorithm{usher.ES256, usher.PS256, usher.RS512}})
	if err != nil || len(keys) != 2 || keys[0].Algorithm() != usher.PS256 || keys[1].Algorithm() != usher.RS512 {
		t.Fatalf("%v, %v", keys, err)
	}
	for _, key := range keys {
		if !key.CanSign() || key.ID() != "" {
			t.Errorf("%v signs: %v", key, key.CanSign())
		}
	}
}

func TestASetIsOneStrictJSONObject(t *testing.T) {
	ec, _ := ecJWK(t, elliptic.P256())
	key := ec.json()
	secret := "do-not-print-this"
	for _, c := range []struct {
		name, text string
		ok         bool
	}{
		{"a set", `{"keys":[` + key + `]}`, true},
		{"a byte order mark", "\ufeff" + `{"keys":[` + key + `]}`, true},
		{"more members", `{"expires":1,"Keys":[],"keys":[` + key + `]}`, true},
		{"white space", " \n{ \"keys\" : [ " + key + " ] } \r\n", true},
		{"nothing", "", false},
		{"a page", "<!doctype html><title>Sign in</title>", false},
		{"a list", "[" + key + "]", false},
		{"a string", `"` + secret + `"`, false},
		{"null", "null", false},
		{"no keys", `{"jwks":[]}`, false},
		{"null keys", `{"keys":null}`, false},
		{"no list", `{"keys":{}}`, false},
		{"an empty list", `{"keys":[]}`, false},
		{"a string in the list", `{"keys":["` + secret + `"]}`, false},
		{"null in the list", `{"keys":[null]}`, false},
		{"keys twice", `{"keys":[],"keys":[` + key + `]}`, false},
		{"a name twice in a key", `{"keys":[` + strings.Replace(key, "{", `{"kid":"a","kid":"b",`, 1) + `]}`, false},
		{"a name twice, deep", `{"keys":[` + strings.Replace(key, "{", `{"x":{"a":1,"a":2},`, 1) + `]}`, false},
		{"other case", `{"KEYS":[` + key + `]}`, false},
		{"text after it", `{"keys":[` + key + `]} {}`, false},
		{"cut off", `{"keys":[` + key, false},
		{"a comment", `{"keys":[` + key + `] /* */}`, false},
		{"not UTF-8", `{"keys":[` + strings.Replace(key, "{", "{\"kid\":\"\xff\",", 1) + `]}`, false},
		{"half a surrogate", `{"keys":[` + strings.Replace(key, "{", `{"kid":"\ud800",`, 1) + `]}`, false},
		{"a secret of the wrong type", `{"keys":[{"kty":"oct","k":["` + secret + `"]}]}`, false},
		{"256 keys", `{"keys":[` + strings.Repeat(key+",", 255) + key + `]}`, true},
		{"257 keys", `{"keys":[` + strings.Repeat(key+",", 256) + key + `]}`, false},
		{"1 MiB", `{"keys":[` + key + `]}` + strings.Repeat(" ", 1<<20-len(key)-11), true},
		{"more than 1 MiB", `{"keys":[` + key + `]}` + strings.Repeat(" ", 1<<20-len(key)-10), false},
		{"deep", `{"keys":[` + strings.Repeat("[", 100000) + `]}`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			keys, err := jwks.Parse([]byte(c.text), nil)
			if (err == nil) != c.ok || c.ok && len(keys) != 1 {
				t.Errorf("Parse: %v, %v", keys, err)
			}
			if strings.Contains(fmt.Sprint(err), secret) {
				t.Errorf("the error shows the text: %v", err)
			}
			synctest.Test(t, func(t *testing.T) {
				remote := newRemote(t, serving([]byte(c.text)), jwks.RemoteOptions{})
				if c.ok {
					if keys, err := remote.VerificationKeys(t.Context(), ""); err != nil || len(keys) != 1 {
						t.Errorf("a Remote: %v, %v", keys, err)
					}
				} else {
					wantError(t, remote, "", usher.ErrUnavailable)
				}
			})
		})
	}
	for text, want := range map[string]string{
		`{"keys":{}}`:                "has a member of the wrong type: /keys",
		`[]`:                         "is not one JSON object",
		`{"keys":["x"]}`:             "is not a JSON object",
		`{"keys":[{"kty":["oct"]}]}`: "has a member of the wrong type: /kty",
	} {
		if _, err := jwks.Parse([]byte(text), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %s", text, err, want)
		}
	}
	if _, err := jwks.Parse([]byte(strings.Replace(key, "{", `{"keys":[],`, 1)), nil); err == nil {
		t.Error("what could be a JWK or a set is read")
	}
	synctest.Test(t, func(t *testing.T) {
		wantError(t, newRemote(t, serving([]byte(key)), jwks.RemoteOptions{}), "", usher.ErrUnavailable) // a single JWK is no set
	})
}
