package attack

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"

	"github.com/go-usher/usher"
)

// algorithmCases are tokens whose alg is none, or is not the key's.
func (f *forge) algorithmCases() {
	g := f.group(Algorithm, f.houses[usher.HS256], "RFC 8725 §3.2")
	payload := claims().String()
	for bits := range 16 { // in every spelling
		name := []byte("none")
		for i := range name {
			if bits>>i&1 == 1 {
				name[i] -= 'a' - 'A'
			}
		}
		header := `{"alg":"` + string(name) + `","typ":"JWT"}`
		unsigned := input(header, payload) + "."
		g.refuse(usher.ErrTokenMalformed, "alg "+string(name)+" without a signature", unsigned)
		g.at(f.every).refuse(usher.ErrTokenMalformed, "alg "+string(name)+" without a signature", unsigned)
		g.refuse(usher.ErrTokenSignature, "alg "+string(name)+" with some signature", unsigned+"AAAA")
		g.refuse(usher.ErrTokenSignature, "alg "+string(name)+" with the HMAC of the right key", f.seal(usher.HS256, header, payload))
	}
	for _, alg := range []string{
		"", " none", "none ", "none\\u0000", "\\u006eone", "n\\u00f6ne", "NULL", "null", "0", "HS1", "HS224", "HS2048", "HS 256", "HS256 ",
		" HS256", "hs256", "Hs256", "HS-256", "HS256\\u0000", "HS256\\n", "HS256/none", "HS256,none", "SHA256", "HMAC",
		"HmacSHA256", "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256", "ＨＳ２５６", "НS256", "RS1", "RS256K",
		"RSA1_5", "RSA-OAEP", "dir", "A128KW", "A256GCM", "A128CBC-HS256", "ECDH-ES", "PBES2-HS256+A128KW", "ES", "ES256K",
		"ESP256", "ED25519", "eddsa", "Ed448", "ML-DSA-44", "HSS-LMS", "../../HS256", "HS256' OR '1'='1", "%4eone",
	} {
		g.refuse(usher.ErrTokenSignature, fmt.Sprintf("alg %q", alg), f.seal(usher.HS256, `{"alg":"`+alg+`"}`, payload))
	}
	g.accept("alg with its first letter escaped, which is the same string", f.seal(usher.HS256, `{"alg":"\u0048S256"}`, payload))
	for _, alg := range []string{`null`, `true`, `false`, `256`, `["HS256"]`, `["none"]`, `{"alg":"HS256"}`, `{}`, `[]`} {
		g.refuse(usher.ErrTokenSignature, "alg is "+alg, f.seal(usher.HS256, `{"alg":`+alg+`}`, payload))
	}
	g.refuse(usher.ErrTokenSignature, "no alg", f.seal(usher.HS256, `{"typ":"JWT"}`, payload))
	g.refuse(usher.ErrTokenSignature, "an empty header", f.seal(usher.HS256, `{}`, payload))
	g.refuse(usher.ErrTokenSignature, "enc in place of alg", f.seal(usher.HS256, `{"enc":"HS256"}`, payload))

	for _, signed := range algorithms() {
		g.at(f.houses[signed]).accept("an honest token", f.good(signed))
		g.at(f.every).accept("an honest "+string(signed)+" token", f.good(signed))
		for _, said := range algorithms() {
			if said == signed {
				continue
			}
			name := fmt.Sprintf("signed by %s, and says %s", signed, said)
			token := f.seal(signed, head(said), payload)
			if isEd25519(signed) && isEd25519(said) {
				g := g.by("RFC 9864 §2.2")
				g.at(f.houses[signed]).accept(name+", which is another name for it", token)
				g.at(f.houses[said]).accept(name+", which is another name for it", token)
				g.at(f.every).accept(name+", which is another name for it", token)
				continue
			}
			g.at(f.houses[signed]).refuse(usher.ErrUnknownKey, name, token)
			g.at(f.houses[said]).refuse(usher.ErrTokenSignature, name, token)
			g.at(f.every).refuse(usher.ErrTokenSignature, name, token)
			id := f.houses[signed].Keys[0].ID()
			g.at(f.every).refuse(usher.ErrUnknownKey, name+", with the right kid",
				f.seal(signed, `{"alg":"`+string(said)+`","kid":"`+id+`"}`, payload))
		}
		for _, hash := range algorithms()[:3] { // HS256, HS384 and HS512 for their hashes
			if isEd25519(signed) || hashOf(signed) == hashOf(hash) {
				continue
			}
			in := input(head(signed), payload)
			g.at(f.houses[signed]).refuse(usher.ErrTokenSignature, fmt.Sprintf("%s over a hash of the wrong size, %s", signed, hashOf(hash)),
				in+"."+encode(f.signWith(signed, hashOf(hash), in)))
		}
	}
	for _, alg := range []string{"ed25519", "ED25519", "Ed25519 ", "Ed25519\\u0000", "Ed25519ph", "Ed25519ctx", "Ed448", "X25519", "EdDSA25519"} {
		for _, name := range []usher.Algorithm{usher.EdDSA, usher.Ed25519} {
			g.at(f.houses[name]).by("RFC 9864 §2.2").refuse(usher.ErrTokenSignature, fmt.Sprintf("alg %s, not a name of Ed25519", alg),
				f.seal(name, `{"alg":"`+alg+`"}`, payload))
		}
	}
}

// confusionCases are tokens whose HMAC secret is a public key, in all the forms in which one can be at hand.
func (f *forge) confusionCases() {
	payload := claims().String()
	for _, victim := range []usher.Algorithm{usher.RS256, usher.PS256, usher.ES256, usher.ES384, usher.ES512, usher.EdDSA, usher.Ed25519} {
		for form, secret := range PublicKeyForms(f.material(victim)) {
			for _, alg := range algorithms()[:3] {
				in := input(head(alg), payload)
				token := in + "." + encode(mac(hashOf(alg), secret, in))
				name := fmt.Sprintf("%s with the public %s key as secret: %s", alg, victim, form)
				g := f.group(Confusion, f.houses[victim], "RFC 8725 §2.1")
				g.refuse(usher.ErrUnknownKey, name, token)
				g.at(f.every).refuse(usher.ErrTokenSignature, name, token)
				id := f.houses[victim].Keys[0].ID()
				named := input(`{"alg":"`+string(alg)+`","kid":"`+id+`"}`, payload)
				g.at(f.every).refuse(usher.ErrUnknownKey, name+", and with its kid", named+"."+encode(mac(hashOf(alg), secret, named)))
			}
		}
	}
	secret := f.secrets[usher.HS256]
	for form, guess := range map[string][]byte{
		"empty": {}, "a zero byte": {0}, "32 zero bytes": make([]byte, 32), "the word secret": []byte("secret"),
		"the kid": []byte("secret for HS256"), "the secret with a line feed": append(append([]byte{}, secret...), '\n'),
		"the secret in hex": []byte(hex.EncodeToString(secret)), "the secret in base64url": []byte(encode(secret)),
		"half of the secret": secret[:16], "the HS384 secret": f.secrets[usher.HS384], "null": []byte("null"),
		"your-256-bit-secret": []byte("your-256-bit-secret"),
	} {
		in := input(head(usher.HS256), payload)
		f.group(Confusion, f.houses[usher.HS256], "RFC 8725 §3.5").refuse(usher.ErrTokenSignature, "HS256 with the secret "+form,
			in+"."+encode(mac(hashOf(usher.HS256), guess, in)))
	}
}

// PublicKeyForms returns the forms in which a public key may be at hand as bytes.
func PublicKeyForms(key any) map[string][]byte {
	forms := map[string][]byte{}
	if der, err := x509.MarshalPKIXPublicKey(key); err == nil {
		text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
		forms["PKIX DER"] = der
		forms["PKIX PEM"] = text
		forms["PKIX PEM without its last line feed"] = text[:len(text)-1]
		forms["PKIX PEM with CRLF"] = []byte(strings.ReplaceAll(string(text), "\n", "\r\n"))
		forms["PKIX PEM in one line"] = []byte(strings.ReplaceAll(string(text), "\n", ""))
		forms["PKIX PEM's base64 alone"] = []byte(strings.Join(strings.Split(string(text), "\n")[1:3], ""))
	}
	switch k := key.(type) {
	case *rsa.PublicKey:
		der := x509.MarshalPKCS1PublicKey(k)
		n, e := encode(k.N.Bytes()), encode(big.NewInt(int64(k.E)).Bytes())
		forms["PKCS #1 DER"] = der
		forms["PKCS #1 PEM"] = pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: der})
		forms["JWK"] = []byte(`{"e":"` + e + `","kty":"RSA","n":"` + n + `"}`)
		forms["JWK with kty first"] = []byte(`{"kty":"RSA","n":"` + n + `","e":"` + e + `","alg":"RS256","use":"sig"}`)
		forms["JWK set"] = []byte(`{"keys":[{"kty":"RSA","n":"` + n + `","e":"` + e + `"}]}`)
		forms["modulus"] = k.N.Bytes()
		forms["modulus with a zero byte before it"] = append([]byte{0}, k.N.Bytes()...)
		forms["modulus in hex"] = []byte(k.N.Text(16))
		forms["modulus in decimal"] = []byte(k.N.Text(10))
		forms["modulus in base64url"] = []byte(n)
	case *ecdsa.PublicKey:
		point, err := k.Bytes()
		if err != nil {
			break
		}
		size := len(point) / 2
		x, y := point[1:1+size], point[1+size:]
		forms["JWK"] = []byte(`{"crv":"` + k.Params().Name + `","kty":"EC","x":"` + encode(x) + `","y":"` + encode(y) + `"}`)
		forms["JWK with kty first"] = []byte(`{"kty":"EC","crv":"` + k.Params().Name + `","x":"` + encode(x) + `","y":"` + encode(y) + `"}`)
		forms["uncompressed point"] = point
		forms["compressed point"] = append([]byte{2 + y[size-1]&1}, x...)
		forms["both coordinates"] = point[1:]
		forms["x alone"] = x
		forms["point in hex"] = []byte(hex.EncodeToString(point))
	case ed25519.PublicKey:
		forms["JWK"] = []byte(`{"crv":"Ed25519","kty":"OKP","x":"` + encode(k) + `"}`)
		forms["JWK with kty first"] = []byte(`{"kty":"OKP","crv":"Ed25519","x":"` + encode(k) + `"}`)
		forms["the 32 bytes"] = k
		forms["the 32 bytes in hex"] = []byte(hex.EncodeToString(k))
		forms["the 32 bytes in base64url"] = []byte(encode(k))
	}
	return forms
}
