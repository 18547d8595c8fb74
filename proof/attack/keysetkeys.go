package attack

import (
	"crypto/elliptic"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"

	"github.com/go-usher/usher"
)

// outcome is what has to become of a set with a key in it.
type outcome struct {
	want   SetVerdict
	reason string
}

// keyCase is a key that stands in a set beside a good one.
type keyCase struct {
	name, section string
	key           jwk
	served, own   outcome
}

// good is a key that is used in every set.
func good(name, section string, key jwk) keyCase {
	return keyCase{name, section, key, outcome{SetAccepted, ""}, outcome{SetAccepted, ""}}
}

// secret is a key that may be in one's own set alone.
func secret(name string, key jwk) keyCase {
	return keyCase{name, "RFC 7517 §9.2", key, outcome{SetSkipped, "is a private key"}, outcome{SetAccepted, ""}}
}

// irrelevant is a key for another purpose: it is left out of every set.
func irrelevant(name, section string, key jwk, reason string) keyCase {
	return keyCase{name, section, key, outcome{SetSkipped, reason}, outcome{SetSkipped, ""}}
}

// wrong is a key that should be right: it is left out of a served set, and spoils one's own.
func wrong(name, section string, key jwk, reason string) keyCase {
	return keyCase{name, section, key, outcome{SetSkipped, reason}, outcome{SetRefused, reason}}
}

func (m keyMint) keyCases() ([]keyCase, error) {
	rsaCases, err := m.rsaCases()
	if err != nil {
		return nil, err
	}
	var all []keyCase
	for _, cases := range [][]keyCase{m.honestKeys(), m.secretKeys(), m.purposeCases(), m.pointCases(), rsaCases, m.memberCases()} {
		all = append(all, cases...)
	}
	return all, nil
}

func (m keyMint) honestKeys() []keyCase {
	const section = "RFC 7517 §4"
	cases := []keyCase{
		good("a key without kid", section, public(m.p256).with(jwk{"kid": nil})),
		good("use sig", "RFC 7517 §4.2", public(m.p256).with(jwk{"use": "sig"})),
		good("key_ops verify", "RFC 7517 §4.3", public(m.p256).with(jwk{"key_ops": []string{"verify"}})),
		good("unknown members, and one in another case", section, public(m.p256).with(jwk{"exp": 1, "KTY": "oct", "nested": []any{jwk{"a": 1}}})),
		good("the certificate of the key", "RFC 7517 §4.7", public(m.rsa).with(jwk{"x5c": []string{m.certificate}})),
		good("null members", section, public(m.p256).with(jwk{"alg": (*string)(nil), "d": (*string)(nil)})),
		good("a kid of 256 bytes", section, public(m.p256).with(jwk{"kid": strings.Repeat("k", 256)})),
	}
	for name, c := range map[string]struct {
		key  jwk
		algs []string
	}{
		"P-256": {m.p256, []string{"", "ES256"}}, "P-384": {m.p384, []string{"", "ES384"}}, "P-521": {m.p521, []string{"", "ES512"}},
		"Ed25519": {m.ed, []string{"", "EdDSA", "Ed25519"}},
		"RSA":     {m.rsa, []string{"", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}},
	} {
		for _, alg := range c.algs {
			key := public(c.key)
			if alg != "" {
				key["alg"] = alg
			}
			cases = append(cases, good(fmt.Sprintf("%s with the alg %q", name, alg), "RFC 7518 §3.1, RFC 8037 §3.1, RFC 9864 §2.2", key))
		}
	}
	return cases
}

func (m keyMint) secretKeys() []keyCase {
	const section = "RFC 7517 §9.2"
	cases := []keyCase{
		secret("a private P-256 key", m.p256),
		secret("a private P-384 key", m.p384),
		secret("a private P-521 key", m.p521),
		secret("a private Ed25519 key", m.ed),
		secret("a private RSA key", m.rsa),
		irrelevant("a private key for encryption", section, m.p256.with(jwk{"use": "enc"}), "the use"),
	}
	for _, alg := range []string{"", "HS256", "HS384", "HS512"} {
		key := jwk{"kty": "oct", "kid": "case", "k": b64(random(64))}
		if alg != "" {
			key["alg"] = alg
		}
		cases = append(cases, keyCase{fmt.Sprintf("a symmetric key with the alg %q beside a public one", alg), section, key,
			outcome{SetSkipped, "is symmetric"}, outcome{SetRefused, "mixes symmetric keys"}})
	}
	for _, member := range []string{"d", "p", "q", "dp", "dq", "qi"} {
		key := public(m.rsa)
		key[member] = m.rsa[member]
		c := wrong("a public RSA key with a private "+member, section, key, "has no")
		c.served.reason = "is a private key"
		cases = append(cases, c)
	}
	for _, c := range []keyCase{
		wrong("a private key whose d is empty", section, m.p256.with(jwk{"d": ""}), "empty d"),
		wrong("a public RSA key with a k", section, public(m.rsa).with(jwk{"k": "AAAA"}), "has no d"),
		wrong("a private key with another key's d", "RFC 7518 §6.2.2", m.p256.with(jwk{"d": m.other["d"]}), "does not match"),
		wrong("a private RSA key of three primes", "RFC 7518 §6.3.2.7", m.rsa.with(jwk{"oth": []jwk{{"r": "AQ"}}}), "more than two primes"),
		wrong("a private RSA key with another dp", "RFC 7518 §6.3.2.4", m.rsa.with(jwk{"dp": "AQAB"}), "do not match"),
	} {
		c.served.reason = "is a private key"
		cases = append(cases, c)
	}
	return cases
}

func (m keyMint) purposeCases() []keyCase {
	cases := []keyCase{
		irrelevant("use enc", "RFC 7517 §4.2", public(m.p256).with(jwk{"use": "enc"}), "the use"),
		irrelevant("a use in another case", "RFC 7517 §4.2", public(m.p256).with(jwk{"use": "SIG"}), "the use"),
		irrelevant("key_ops encrypt", "RFC 7517 §4.3", public(m.rsa).with(jwk{"key_ops": []string{"encrypt"}}), "key_ops without verify"),
		irrelevant("empty key_ops", "RFC 7517 §4.3", public(m.rsa).with(jwk{"key_ops": []string{}}), "key_ops without verify"),
		irrelevant("kty AKP", "RFC 7517 §5", jwk{"kty": "AKP", "alg": "ML-DSA-44", "kid": "case", "pub": "AAAA"}, "unsupported kty"),
		irrelevant("a kty in another case", "RFC 7517 §4.1", public(m.p256).with(jwk{"kty": "ec"}), "unsupported kty"),
		wrong("no kty", "RFC 7517 §4.1", public(m.p256).with(jwk{"kty": nil}), "has no kty"),
		wrong("kty of another type", "RFC 7517 §4.1", public(m.p256).with(jwk{"kty": "RSA"}), "has no n"),
	}
	for _, crv := range []string{"", "p-256", "P-224", "secp256k1", "Ed25519"} {
		cases = append(cases, irrelevant(fmt.Sprintf("an EC key with the crv %q", crv), "RFC 7518 §6.2.1.1", public(m.p256).with(jwk{"crv": crv}), "unsupported crv"))
	}
	for _, crv := range []string{"", "ed25519", "Ed448", "X25519", "P-256"} {
		cases = append(cases, irrelevant(fmt.Sprintf("an OKP key with the crv %q", crv), "RFC 8037 §2", public(m.ed).with(jwk{"crv": crv}), "unsupported crv"))
	}
	for _, alg := range []string{"none", "None", "rs256", "RSA-OAEP", "RSA1_5", "dir", "A256GCM", "ECDH-ES", "ES256K", "Ed448"} {
		for _, key := range []jwk{public(m.rsa), public(m.p256), public(m.ed)} {
			cases = append(cases, irrelevant(fmt.Sprintf("%s with the alg %q", key["kty"], alg), "RFC 7517 §4.4", key.with(jwk{"alg": alg}), "not a supported signature algorithm"))
		}
	}
	for _, c := range []struct {
		alg  string
		keys []jwk
	}{
		{"HS256", []jwk{m.rsa, m.p256, m.ed}}, {"RS256", []jwk{m.p256, m.ed}}, {"PS256", []jwk{m.p256, m.ed}},
		{"ES256", []jwk{m.rsa, m.ed, m.p384, m.p521}}, {"ES384", []jwk{m.p256}}, {"ES512", []jwk{m.p256}}, {"EdDSA", []jwk{m.p256, m.rsa}},
	} {
		for _, key := range c.keys {
			cases = append(cases, wrong(fmt.Sprintf("%s %v with the alg %s", key["kty"], key["crv"], c.alg), "RFC 8725 §3.1", public(key).with(jwk{"alg": c.alg}), "does not suit its type"))
		}
	}
	return cases
}

func (m keyMint) pointCases() []keyCase {
	const onCurve = "RFC 7518 §6.2.1, RFC 8725 §3.4"
	zero, x := b64(make([]byte, 32)), fmt.Sprint(m.p256["x"])
	p := public(m.p256)
	cases := []keyCase{
		wrong("a point off its curve", onCurve, p.with(jwk{"y": m.other["y"]}), "not on its curve"),
		wrong("a point with its coordinates swapped", onCurve, p.with(jwk{"x": p["y"], "y": p["x"]}), "not on its curve"),
		wrong("the point (0, 0)", onCurve, p.with(jwk{"x": zero, "y": zero}), "not on its curve"),
		wrong("a coordinate that is the field's prime", onCurve, p.with(jwk{"x": b64(elliptic.P256().Params().P.Bytes())}), "not on its curve"),
		wrong("a coordinate of 31 bytes", onCurve, p.with(jwk{"x": b64(make([]byte, 31))}), "31 bytes"),
		wrong("a coordinate of 33 bytes", onCurve, p.with(jwk{"x": b64(make([]byte, 33))}), "33 bytes"),
		wrong("a point of P-256 on P-384", onCurve, p.with(jwk{"crv": "P-384"}), "32 bytes"),
		wrong("no x", onCurve, p.with(jwk{"x": nil}), "has no x"),
		wrong("no y", onCurve, p.with(jwk{"y": nil}), "has no y"),
		wrong("an x that is not base64url", "RFC 7515 §2", p.with(jwk{"x": "+/" + x[2:]}), "not base64url"),
		wrong("a line break in x", "RFC 7515 §2", p.with(jwk{"x": x[:8] + "\n" + x[8:]}), "not base64url"),
		wrong("too much padding", "RFC 7515 §2", p.with(jwk{"x": x + "=="}), "not base64url"),
		wrong("an Ed25519 key of 31 bytes", "RFC 8037 §2", public(m.ed).with(jwk{"x": b64(make([]byte, 31))}), "31 bytes"),
		wrong("an Ed25519 key that is no point", "RFC 8032 §5.1.3", public(m.ed).with(jwk{"x": b64(append([]byte{2}, make([]byte, 31)...))}), ""),
	}
	for i, point := range smallOrder() {
		cases = append(cases, wrong(fmt.Sprintf("an Ed25519 key of small order, %d", i), "RFC 8725 §3.4, RFC 8032 §5.1.3",
			public(m.ed).with(jwk{"x": b64(usher.Must(hex.DecodeString(point)))}), ""))
	}
	return cases
}

func (m keyMint) rsaCases() ([]keyCase, error) {
	vulnerable, err := roca()
	if err != nil {
		return nil, err
	}
	const size = "RFC 7518 §3.3"
	key := public(m.rsa)
	cases := []keyCase{
		good("RSA of 4096 bits", size, key.with(jwk{"n": modulus(4096)})),
		good("RSA of 8192 bits", size, key.with(jwk{"n": modulus(8192)})),
		good("an n with zeros before it", "RFC 7518 §6.3.1.1", key.with(jwk{"n": b64(append([]byte{0}, decoded(fmt.Sprint(key["n"]))...))})),
		wrong("RSA with the ROCA fingerprint", "CVE-2017-15361", key.with(jwk{"n": vulnerable}), "ROCA"),
		wrong("an even n", "RFC 8017 §3.1", key.with(jwk{"n": b64(append(decoded(modulus(2040)), 2))}), ""),
		wrong("an n that is divisible by 3", "RFC 8017 §3.1", key.with(jwk{"n": b64(new(big.Int).Mul(big.NewInt(3), new(big.Int).SetBytes(decoded(modulus(2047)))).Bytes())}), "divisible by 3"),
		wrong("an empty n", "RFC 7518 §6.3.1.1", key.with(jwk{"n": ""}), "empty n"),
		wrong("no n", "RFC 7518 §6.3.1.1", key.with(jwk{"n": nil}), "has no n"),
		wrong("no e", "RFC 7518 §6.3.1.2", key.with(jwk{"e": nil}), "has no e"),
		wrong("e of 0", "RFC 8017 §3.1", key.with(jwk{"e": "AA"}), "exponent"),
		wrong("e of 1", "RFC 8017 §3.1", key.with(jwk{"e": "AQ"}), "exponent"),
		wrong("e of 2", "RFC 8017 §3.1", key.with(jwk{"e": "Ag"}), "exponent"),
		wrong("an even e of 17 bits", "RFC 8017 §3.1", key.with(jwk{"e": "AQAA"}), "exponent"),
		wrong("e of 33 bits", "RFC 8017 §3.1", key.with(jwk{"e": b64([]byte{1, 0, 0, 0, 1})}), "31 bits"),
		wrong("e of 2048 bits", "RFC 8017 §3.1", key.with(jwk{"e": modulus(2048)}), "31 bits"),
		wrong("the certificate of another key", "RFC 7517 §4.7", key.with(jwk{"x5c": []string{m.foreignCert}}), "another key"),
		wrong("the certificate of another type of key", "RFC 7517 §4.7", public(m.p256).with(jwk{"x5c": []string{m.certificate}}), "another key"),
	}
	for _, bits := range []int{512, 1024, 2047, 8193, 16384} {
		cases = append(cases, wrong(fmt.Sprintf("RSA of %d bits", bits), size, key.with(jwk{"n": modulus(bits)}), "bits"))
	}
	return cases, nil
}

func (m keyMint) memberCases() []keyCase {
	cases := []keyCase{
		wrong("a kid of 257 bytes", "RFC 7517 §4.5", public(m.p256).with(jwk{"kid": strings.Repeat("k", 257)}), "257 bytes"),
	}
	for member, value := range map[string]any{
		"kid": 7, "kty": []string{"EC"}, "crv": 256, "alg": jwk{"a": 1}, "use": []string{"sig"}, "key_ops": "verify", "x": 1, "y": true,
	} {
		cases = append(cases, wrong(fmt.Sprintf("a %s of the wrong type", member), "RFC 7517 §4", public(m.p256).with(jwk{member: value}), "wrong type"))
	}
	return cases
}
