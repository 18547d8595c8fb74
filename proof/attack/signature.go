package attack

import (
	"bytes"
	"crypto/elliptic"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"

	"github.com/go-usher/usher"
)

// signatureCases are signatures of the wrong length, in the wrong form, of wrong numbers, or of something else.
func (f *forge) signatureCases() {
	for _, alg := range algorithms() {
		g := f.group(Signature, f.houses[alg], "RFC 7515 §5.2")
		refuse := func(name string, token string) { g.refuse(usher.ErrTokenSignature, string(alg)+": "+name, token) }
		token := f.good(alg)
		good := f.signature(token)
		size := len(good)

		lengths := []int{1, 2, 4, size / 2, size - 1}
		if slices.Contains(onePerFamily(), alg) {
			lengths = nil
			for n := range size - 1 {
				lengths = append(lengths, n+1)
			}
		}
		g.refuse(usher.ErrTokenMalformed, string(alg)+": an empty signature", resigned(token, nil))
		for _, n := range lengths {
			refuse(fmt.Sprintf("the first %d bytes of %d", n, size), resigned(token, good[:n]))
		}
		for n := 1; n <= 8; n++ {
			refuse(fmt.Sprintf("%d zero bytes appended", n), resigned(token, append(slices.Clone(good), make([]byte, n)...)))
			refuse(fmt.Sprintf("%d zero bytes prepended", n), resigned(token, append(make([]byte, n), good...)))
		}
		refuse("a byte appended", resigned(token, append(slices.Clone(good), 0xff)))
		refuse("a byte prepended", resigned(token, append([]byte{0x30}, good...)))
		refuse("the signature twice", resigned(token, append(slices.Clone(good), good...)))
		refuse("zero", resigned(token, make([]byte, size)))
		refuse("all ones", resigned(token, bytes.Repeat([]byte{0xff}, size)))
		refuse("random bytes", resigned(token, random(size)))
		reversed := slices.Clone(good)
		slices.Reverse(reversed)
		refuse("reversed", resigned(token, reversed))
		refuse("in hex", resigned(token, []byte(hex.EncodeToString(good))))
		refuse("in base64url twice", resigned(token, []byte(encode(good))))
		refuse("in standard base64 first", resigned(token, []byte(base64.StdEncoding.EncodeToString(good))))

		header, payload, _ := parts(token)
		refuse("of the header alone", resigned(token, f.sign(alg, header)))
		refuse("of the payload alone", resigned(token, f.sign(alg, payload)))
		refuse("of header and payload without the dot", resigned(token, f.sign(alg, header+payload)))
		refuse("of header and payload with another dot behind", resigned(token, f.sign(alg, header+"."+payload+".")))
		refuse("of payload and header", resigned(token, f.sign(alg, payload+"."+header)))
		refuse("of the decoded texts", resigned(token, f.sign(alg, head(alg)+"."+claims().String())))
		refuse("of another token", resigned(token, f.sign(alg, input(head(alg), claims().with("sub", `"8"`).String()))))
		refuse("of the same claims under another header", resigned(token, f.sign(alg, input(`{"alg":"`+string(alg)+`"}`, claims().String()))))
		refuse("by another key", resigned(token, f.other.sign(alg, input(head(alg), claims().String()))))
		refuse("the header changed", encode(`{"typ":"JWT","alg":"`+string(alg)+`"}`)+token[len(header):])
		refuse("the payload changed", header+"."+encode(claims().with("sub", `"1"`).String())+token[len(header)+1+len(payload):])
	}
	f.ecdsaCases()
	f.ed25519Cases()
	f.rsaNumbers()
}

// flipCases flip each bit of a signature.
func (f *forge) flipCases() {
	for _, alg := range onePerFamily() {
		g := f.group(BitFlips, f.houses[alg], "RFC 7515 §5.2")
		token := f.good(alg)
		good := f.signature(token)
		for bit := range 8 * len(good) {
			flipped := slices.Clone(good)
			flipped[bit/8] ^= 0x80 >> (bit % 8)
			g.refuse(usher.ErrTokenSignature, fmt.Sprintf("%s: bit %d flipped", alg, bit), resigned(token, flipped))
		}
	}
}

func (f *forge) ecdsaCases() {
	for _, alg := range []usher.Algorithm{usher.ES256, usher.ES384, usher.ES512} {
		g := f.group(Signature, f.houses[alg], "RFC 7518 §3.4")
		refuse := func(name string, token string) { g.refuse(usher.ErrTokenSignature, string(alg)+": "+name, token) }
		token := f.good(alg)
		good := f.signature(token)
		curve := f.ec[alg].Curve
		size := len(good) / 2
		r, s := new(big.Int).SetBytes(good[:size]), new(big.Int).SetBytes(good[size:])
		n := curve.Params().N

		der := f.must(asn1.Marshal(struct{ R, S *big.Int }{r, s}))
		refuse("as DER", resigned(token, der))
		refuse("as DER, filled up to the right length", resigned(token, append(slices.Clone(der), make([]byte, max(0, 2*size-len(der)))...)))
		refuse("r and s swapped", resigned(token, pair(curve, s, r)))
		refuse("with little-endian numbers", resigned(token, littleEndian(good, size)))
		refuse("r alone", resigned(token, fixed(r, size)))
		refuse("one byte too many in each number", resigned(token, append(fixed(r, size+1), fixed(s, size+1)...)))
		refuse("s + n, one byte longer", resigned(token, append(fixed(r, size+1), fixed(new(big.Int).Add(s, n), size+1)...)))
		one, zero := big.NewInt(1), new(big.Int)
		for rName, rValue := range numbers(curve, r) {
			for sName, sValue := range numbers(curve, s) {
				refuse("r "+rName+", s "+sName, resigned(token, pair(curve, rValue, sValue)))
			}
		}
		refuse("r its own, s zero", resigned(token, pair(curve, r, zero)))
		refuse("r zero, s its own", resigned(token, pair(curve, zero, s)))
		refuse("r its own, s one", resigned(token, pair(curve, r, one)))
		refuse("r its own, s = n", resigned(token, pair(curve, r, n)))
		refuse("r its own, s + 1", resigned(token, pair(curve, r, new(big.Int).Add(s, one))))
		if sum := new(big.Int).Add(s, n); len(sum.Bytes()) <= size { // always so on P-521
			refuse("s + n in the right length", resigned(token, pair(curve, r, sum)))
		}
		if sum := new(big.Int).Add(r, n); len(sum.Bytes()) <= size {
			refuse("r + n in the right length", resigned(token, pair(curve, sum, s)))
		}
		// ECDSA has two signatures for each: a token's text does not identify it.
		g.by("RFC 8725 §2.9, SEC 1 §4.1.4").accept(string(alg)+": n − s, as valid as s", resigned(token, pair(curve, r, new(big.Int).Sub(n, s))))
	}
	for _, signed := range []usher.Algorithm{usher.ES256, usher.ES384, usher.ES512} {
		for _, said := range []usher.Algorithm{usher.ES256, usher.ES384, usher.ES512} {
			if signed != said {
				in := input(head(said), claims().String())
				f.group(Signature, f.houses[said], "RFC 7518 §3.4").refuse(usher.ErrTokenSignature,
					fmt.Sprintf("%s: the curve of %s, with the right hash", said, signed), in+"."+encode(f.signWith(signed, hashOf(said), in)))
			}
		}
	}
}

// numbers are those at the ends of what ECDSA allows.
func numbers(curve elliptic.Curve, own *big.Int) map[string]*big.Int {
	params := curve.Params()
	one := big.NewInt(1)
	most := new(big.Int).Sub(new(big.Int).Lsh(one, uint(8*((params.BitSize+7)/8))), one)
	return map[string]*big.Int{
		"zero": new(big.Int), "one": one, "n - 1": new(big.Int).Sub(params.N, one), "n": params.N,
		"n + 1": new(big.Int).Add(params.N, one), "p": params.P, "half of n": new(big.Int).Rsh(params.N, 1),
		"as large as fits": most, "one less than its own": new(big.Int).Sub(own, one),
	}
}

func littleEndian(signature []byte, size int) []byte {
	turned := slices.Clone(signature)
	slices.Reverse(turned[:size])
	slices.Reverse(turned[size:])
	return turned
}

func (f *forge) ed25519Cases() {
	g := f.group(Signature, f.houses[usher.EdDSA], "RFC 8032 §5.1.7")
	refuse := func(name string, signature []byte) {
		g.refuse(usher.ErrTokenSignature, "EdDSA: "+name, resigned(f.good(usher.EdDSA), signature))
	}
	good := f.signature(f.good(usher.EdDSA))
	r, s := good[:32], good[32:]
	order, _ := new(big.Int).SetString("27742317777372353535851937790883648493", 10)
	order.Add(order, new(big.Int).Lsh(big.NewInt(1), 252))
	number := new(big.Int).SetBytes(reverse(s))
	with := func(n *big.Int) []byte { return append(slices.Clone(r), reverse(fixed(n, 32))...) }
	for k := int64(1); k <= 15; k++ { // all that fit into 32 bytes
		sum := new(big.Int).Add(number, new(big.Int).Mul(order, big.NewInt(k)))
		if len(sum.Bytes()) <= 32 {
			refuse(fmt.Sprintf("s + %d times the group's order", k), with(sum))
		}
	}
	refuse("s negated", with(new(big.Int).Sub(order, number)))
	refuse("s zero", with(new(big.Int)))
	refuse("s the group's order", with(order))
	refuse("s one less than the order", with(new(big.Int).Sub(order, big.NewInt(1))))
	refuse("s big-endian", append(slices.Clone(r), reverse(s)...))
	refuse("s before r", append(slices.Clone(s), r...))
	refuse("r alone", r)
	for name, point := range map[string]string{ // the points of small order, and two other ways to write some
		"the neutral point":              "0100000000000000000000000000000000000000000000000000000000000000",
		"the neutral point, signed":      "0100000000000000000000000000000000000000000000000000000000000080",
		"the point of order 2":           "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"a point of order 4":             "0000000000000000000000000000000000000000000000000000000000000000",
		"the other point of order 4":     "0000000000000000000000000000000000000000000000000000000000000080",
		"a point of order 8":             "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"a second point of order 8":      "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
		"a third point of order 8":       "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"a fourth point of order 8":      "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
		"the neutral point, y not below": "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	} {
		raw := f.must(hex.DecodeString(point))
		refuse("r "+name+", s zero", append(slices.Clone(raw), make([]byte, 32)...))
		refuse("r "+name+", s its own", append(slices.Clone(raw), s...))
	}
}

func reverse(b []byte) []byte {
	turned := slices.Clone(b)
	slices.Reverse(turned)
	return turned
}

// rsaNumbers are signatures that are other numbers than RSA's.
func (f *forge) rsaNumbers() {
	n := f.rsa.N
	for _, alg := range []usher.Algorithm{usher.RS256, usher.RS384, usher.RS512, usher.PS256, usher.PS384, usher.PS512} {
		g := f.group(Signature, f.houses[alg], "RFC 8017 §5.2.2")
		refuse := func(name string, token string) { g.refuse(usher.ErrTokenSignature, string(alg)+": "+name, token) }
		token := f.good(alg)
		good := f.signature(token)
		s := new(big.Int).SetBytes(good)
		one := big.NewInt(1)
		refuse("one", resigned(token, fixed(one, len(good))))
		refuse("two", resigned(token, fixed(big.NewInt(2), len(good))))
		refuse("n - 1", resigned(token, fixed(new(big.Int).Sub(n, one), len(good))))
		refuse("n", resigned(token, fixed(n, len(good))))
		refuse("n + 1", resigned(token, fixed(new(big.Int).Add(n, one), len(good))))
		refuse("n − s", resigned(token, fixed(new(big.Int).Sub(n, s), len(good))))
		refuse("s + n, one byte longer", resigned(token, fixed(new(big.Int).Add(s, n), len(good)+1)))
		refuse("little-endian", resigned(token, reverse(good)))
		refuse("the modulus of 65537 times", resigned(token, fixed(new(big.Int).Exp(s, big.NewInt(65537), n), len(good))))
		if !slices.Contains(onePerFamily(), alg) {
			continue
		}
		// s + n fits into the modulus' bytes only for some s, and few begin with a zero byte.
		var wide, short string
		for i := 0; i < 5000 && (wide == "" || short == ""); i++ {
			token := f.seal(alg, head(alg), claims().with("jti", fmt.Sprintf(`"%d"`, i)).String())
			good := f.signature(token)
			if sum := new(big.Int).Add(new(big.Int).SetBytes(good), n); wide == "" && sum.BitLen() <= 8*len(good) {
				wide = resigned(token, fixed(sum, len(good)))
			}
			if good[0] == 0 {
				short = resigned(token, good[1:])
			}
		}
		if wide != "" { // a modulus close to a power of two leaves no room
			refuse("s + n in the right length", wide)
		}
		if short != "" {
			refuse("without its leading zero byte", short)
		}
	}
}
