package attack

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256" // the hashes that crypto.Hash looks for
	_ "crypto/sha512"
	"encoding/base64"
	"errors"
	"math/big"
	"strings"

	"github.com/go-usher/usher"
)

// forge makes tokens of which every part can be wrong on its own, and collects them as cases.
type forge struct {
	secrets map[usher.Algorithm][]byte
	rsa     *rsa.PrivateKey
	ec      map[usher.Algorithm]*ecdsa.PrivateKey
	ed      ed25519.PrivateKey
	// other is a forge with keys that no house knows.
	other *forge

	houses map[usher.Algorithm]*House // with one key each
	every  *House                     // with all the keys
	big    *House                     // for large tokens
	strict *House                     // asks for an issuer and an audience

	cases []Case
	errs  []error
}

// algorithms are those that usher supports, family by family.
func algorithms() []usher.Algorithm {
	return []usher.Algorithm{
		usher.HS256, usher.HS384, usher.HS512, usher.RS256, usher.RS384, usher.RS512, usher.PS256, usher.PS384,
		usher.PS512, usher.ES256, usher.ES384, usher.ES512, usher.EdDSA, usher.Ed25519,
	}
}

// onePerFamily are the algorithms whose signatures are tried position by position.
func onePerFamily() []usher.Algorithm {
	return []usher.Algorithm{usher.HS256, usher.RS256, usher.PS256, usher.ES256, usher.EdDSA}
}

func newForge() (*forge, error) {
	f, err := newKeys()
	if err != nil {
		return nil, err
	}
	if f.other, err = newKeys(); err != nil {
		return nil, err
	}
	f.houses = map[usher.Algorithm]*House{}
	f.every = &House{Name: "a house with all keys", Material: map[usher.Algorithm]any{}, Options: options()}
	for _, alg := range algorithms() {
		key, err := f.key(alg)
		if err != nil {
			return nil, err
		}
		f.houses[alg] = &House{
			Name: "a house with one key for " + string(alg), Keys: usher.Keys{key}, Options: options(),
			Material: map[usher.Algorithm]any{alg: f.material(alg)},
		}
		f.every.Keys = append(f.every.Keys, key)
		f.every.Material[alg] = f.material(alg)
	}
	return f, nil
}

func options() usher.DecoderOptions { return usher.DecoderOptions{Now: Now} }

func newKeys() (*forge, error) {
	f := &forge{secrets: map[usher.Algorithm][]byte{}, ec: map[usher.Algorithm]*ecdsa.PrivateKey{}}
	for _, alg := range []usher.Algorithm{usher.HS256, usher.HS384, usher.HS512} {
		f.secrets[alg] = random(hashOf(alg).Size())
	}
	var err error
	for alg, curve := range map[usher.Algorithm]elliptic.Curve{
		usher.ES256: elliptic.P256(), usher.ES384: elliptic.P384(), usher.ES512: elliptic.P521(),
	} {
		if f.ec[alg], err = ecdsa.GenerateKey(curve, rand.Reader); err != nil {
			return nil, err
		}
	}
	if _, f.ed, err = ed25519.GenerateKey(rand.Reader); err != nil {
		return nil, err
	}
	f.rsa, err = rsa.GenerateKey(rand.Reader, 2048)
	return f, err
}

// key returns usher's key for verifying. Secrets get an ID too, so that tokens can name them.
func (f *forge) key(alg usher.Algorithm) (usher.Key, error) {
	switch material := f.material(alg).(type) {
	case []byte:
		key, err := usher.NewKey(alg, material)
		return key.WithID("secret for " + string(alg)), err
	case *rsa.PublicKey:
		key, err := usher.NewKey(alg, material)
		return key.WithID("RSA for " + string(alg)), err // one key has one thumbprint, whatever the algorithm
	case *ecdsa.PublicKey:
		return usher.NewKey(alg, material)
	case ed25519.PublicKey:
		return usher.NewKey(alg, material)
	}
	return usher.Key{}, errors.New("no key for " + string(alg))
}

func (f *forge) material(alg usher.Algorithm) any {
	switch {
	case f.secrets[alg] != nil:
		return f.secrets[alg]
	case f.ec[alg] != nil:
		return &f.ec[alg].PublicKey
	case isEd25519(alg):
		return f.ed.Public()
	}
	return &f.rsa.PublicKey
}

// isEd25519 reports whether alg is one of the two names of Ed25519 (RFC 9864 §2.2).
func isEd25519(alg usher.Algorithm) bool { return alg == usher.EdDSA || alg == usher.Ed25519 }

func hashOf(alg usher.Algorithm) crypto.Hash {
	switch strings.TrimLeft(string(alg), "HRPES") {
	case "384":
		return crypto.SHA384
	case "512":
		return crypto.SHA512
	}
	return crypto.SHA256
}

// sign signs as the algorithm should.
func (f *forge) sign(alg usher.Algorithm, input string) []byte {
	return f.signWith(alg, hashOf(alg), input)
}

// signWith signs with the algorithm's key and scheme over another hash.
func (f *forge) signWith(alg usher.Algorithm, hash crypto.Hash, input string) []byte {
	digest := sum(hash, input)
	switch alg[:2] {
	case "HS":
		return mac(hash, f.secrets[alg], input)
	case "RS":
		return f.must(rsa.SignPKCS1v15(nil, f.rsa, hash, digest))
	case "PS":
		return f.must(rsa.SignPSS(rand.Reader, f.rsa, hash, digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}))
	case "ES":
		r, s, err := ecdsa.Sign(rand.Reader, f.ec[alg], digest)
		f.must(nil, err)
		return pair(f.ec[alg].Curve, r, s)
	}
	return ed25519.Sign(f.ed, []byte(input))
}

// must notes an error, for Generate to return.
func (f *forge) must(signature []byte, err error) []byte {
	if err != nil {
		f.errs = append(f.errs, err)
		return []byte{0}
	}
	return signature
}

func sum(hash crypto.Hash, input string) []byte {
	h := hash.New()
	h.Write([]byte(input))
	return h.Sum(nil)
}

func mac(hash crypto.Hash, secret []byte, input string) []byte {
	h := hmac.New(hash.New, secret)
	h.Write([]byte(input))
	return h.Sum(nil)
}

// pair writes an ECDSA signature as RFC 7518 §3.4 wants it; numbers that do not fit lose their high bytes.
func pair(curve elliptic.Curve, r, s *big.Int) []byte {
	size := (curve.Params().BitSize + 7) / 8
	return append(fixed(r, size), fixed(s, size)...)
}

func fixed(n *big.Int, size int) []byte {
	b := n.Bytes()
	if len(b) > size {
		return b[len(b)-size:]
	}
	return append(make([]byte, size-len(b)), b...)
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}

func encode[T ~string | ~[]byte](text T) string {
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

// head is a header as an honest issuer writes it.
func head(alg usher.Algorithm) string { return `{"alg":"` + string(alg) + `","typ":"JWT"}` }

// input is what is signed.
func input(header, payload string) string { return encode(header) + "." + encode(payload) }

// seal signs header and payload as they are, with the key and in the way of alg.
func (f *forge) seal(alg usher.Algorithm, header, payload string) string {
	return f.sealSegments(alg, encode(header), encode(payload))
}

func (f *forge) sealSegments(alg usher.Algorithm, header, payload string) string {
	in := header + "." + payload
	return in + "." + encode(f.sign(alg, in))
}

// good is a token that is accepted.
func (f *forge) good(alg usher.Algorithm) string { return f.seal(alg, head(alg), claims().String()) }

// parts splits a token of three segments.
func parts(token string) (header, payload, signature string) {
	list := strings.Split(token, ".")
	return list[0], list[1], list[2]
}

// signature returns the decoded signature of a token that this forge has made.
func (f *forge) signature(token string) []byte {
	_, _, s := parts(token)
	return f.must(base64.RawURLEncoding.DecodeString(s))
}

// resigned replaces a token's signature.
func resigned(token string, signature []byte) string {
	return token[:strings.LastIndexByte(token, '.')+1] + encode(signature)
}

// group adds cases of one class at one house.
type group struct {
	*forge
	class   Class
	house   *House
	section string
}

func (f *forge) group(class Class, house *House, section string) group {
	return group{f, class, house, section}
}

func (g group) at(house *House) group {
	g.house = house
	return g
}

func (g group) by(section string) group {
	g.section = section
	return g
}

func (g group) refuse(want error, name, token string) {
	g.cases = append(g.cases, Case{g.class, name, g.section, g.house, token, want})
}

func (g group) accept(name, token string) { g.refuse(nil, name, token) }

// members is a JSON object in writing.
type members []member

type member struct{ name, value string }

// claims is the payload of a good token.
func claims() members {
	return members{{"sub", `"7"`}, {"iat", "1799999990"}, {"exp", "1800000900"}}
}

// with replaces a member or adds it.
func (m members) with(name, value string) members {
	changed := append(members{}, m...)
	for i := range changed {
		if changed[i].name == name {
			changed[i].value = value
			return changed
		}
	}
	return append(changed, member{name, value})
}

// plus adds a member even if its name is there.
func (m members) plus(name, value string) members {
	return append(append(members{}, m...), member{name, value})
}

// before puts a member first.
func (m members) before(name, value string) members { return append(members{{name, value}}, m...) }

func (m members) without(name string) members {
	var rest members
	for _, one := range m {
		if one.name != name {
			rest = append(rest, one)
		}
	}
	return rest
}

func (m members) String() string {
	list := make([]string, len(m))
	for i, one := range m {
		list[i] = `"` + one.name + `":` + one.value
	}
	return "{" + strings.Join(list, ",") + "}"
}
