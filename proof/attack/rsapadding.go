package attack

import (
	"bytes"
	"crypto"
	_ "crypto/md5"  //nolint:gosec // for forged paddings
	_ "crypto/sha1" //nolint:gosec // for forged paddings
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"

	"github.com/go-usher/usher"
)

// rawRSA is the private key's operation alone, on any padding.
func (f *forge) rawRSA(padded []byte) []byte {
	// By the Chinese remainder theorem, since there are a thousand of them.
	m := new(big.Int).SetBytes(padded)
	p, q := f.rsa.Primes[0], f.rsa.Primes[1]
	mp := new(big.Int).Exp(m, f.rsa.Precomputed.Dp, p)
	mq := new(big.Int).Exp(m, f.rsa.Precomputed.Dq, q)
	h := new(big.Int).Sub(mp, mq)
	h.Mul(h, f.rsa.Precomputed.Qinv).Mod(h, p)
	return fixed(h.Mul(h, q).Add(h, mq), f.rsa.Size())
}

// digestPrefixes are the DigestInfos of RFC 8017 §9.2 up to the hash.
func digestPrefixes() map[crypto.Hash]string {
	return map[crypto.Hash]string{
		crypto.MD5:    "3020300c06082a864886f70d020505000410",
		crypto.SHA1:   "3021300906052b0e03021a05000414",
		crypto.SHA224: "302d300d06096086480165030402040500041c",
		crypto.SHA256: "3031300d060960864801650304020105000420",
		crypto.SHA384: "3041300d060960864801650304020205000430",
		crypto.SHA512: "3051300d060960864801650304020305000440",
	}
}

// paddingCases are signatures that the right key made over wrong paddings: a verifier that parses the padding
// instead of comparing it lets forgers in (RFC 8017 §8.2.2).
func (f *forge) paddingCases() {
	for _, alg := range []usher.Algorithm{usher.RS256, usher.RS384, usher.RS512} {
		f.pkcs1Cases(alg)
	}
	for _, alg := range []usher.Algorithm{usher.PS256, usher.PS384, usher.PS512} {
		f.pssCases(alg)
	}
}

func (f *forge) pkcs1Cases(alg usher.Algorithm) {
	g := f.group(RSAPadding, f.houses[alg], "RFC 8017 §9.2")
	in := input(head(alg), claims().String())
	size := f.rsa.Size()
	refuse := func(name string, padded []byte) {
		if len(padded) > size {
			padded = padded[:size]
		}
		g.refuse(usher.ErrTokenSignature, string(alg)+": "+name, in+"."+encode(f.rawRSA(padded)))
	}
	hash := hashOf(alg)
	digest := sum(hash, in)
	prefix := f.must(hex.DecodeString(digestPrefixes()[hash]))
	info := append(slices.Clone(prefix), digest...)
	ones := func(n int) []byte { return bytes.Repeat([]byte{0xff}, max(0, n)) }
	whole := func(info []byte) []byte {
		return slices.Concat([]byte{0, 1}, ones(size-3-len(info)), []byte{0}, info)
	}
	right := whole(info)

	g.accept(string(alg)+": the right padding, put together by hand", in+"."+encode(f.rawRSA(right)))
	for i := 1; i < size; i++ {
		wrong := slices.Clone(right)
		wrong[i] ^= 1 << (i % 8)
		refuse(fmt.Sprintf("a bit flipped in byte %d of the padding", i), wrong)
	}
	for _, first := range []byte{0x01, 0x02, 0x40} {
		refuse(fmt.Sprintf("the first byte %#02x", first), append([]byte{first}, right[1:]...))
	}
	for _, block := range []byte{0x00, 0x02, 0x03, 0xff} {
		refuse(fmt.Sprintf("the block type %#02x", block), slices.Concat([]byte{0, block}, right[2:]))
	}
	for _, n := range []int{0, 1, 2, 7, 8, 16, 64, 128} {
		rest := size - 3 - n - len(info)
		refuse(fmt.Sprintf("%d bytes of ones, and rubbish behind the hash", n), slices.Concat([]byte{0, 1}, ones(n), []byte{0}, info, random(rest)))
		refuse(fmt.Sprintf("%d bytes of ones, and zeros behind the hash", n), slices.Concat([]byte{0, 1}, ones(n), []byte{0}, info, make([]byte, rest)))
		refuse(fmt.Sprintf("%d bytes of ones, and rubbish before the hash", n), slices.Concat([]byte{0, 1}, ones(n), []byte{0}, random(rest), info))
		refuse(fmt.Sprintf("%d bytes of ones, and then others", n), slices.Concat([]byte{0, 1}, ones(n), bytes.Repeat([]byte{0xaa}, rest), []byte{0}, info))
		refuse(fmt.Sprintf("%d bytes of ones, and then zeros", n), slices.Concat([]byte{0, 1}, ones(n), make([]byte, rest+1), info))
	}
	refuse("no zero byte before the hash's name", slices.Concat([]byte{0, 1}, ones(size-2-len(info)), info))
	refuse("no padding", slices.Concat(make([]byte, size-len(info)), info))
	refuse("the hash without its name", whole(digest))
	refuse("the hash alone", slices.Concat(make([]byte, size-len(digest)), digest))
	refuse("the hash's name alone", whole(prefix))
	refuse("the hash twice", whole(append(slices.Clone(info), digest...)))
	refuse("a byte behind the hash", whole(append(slices.Clone(info), 0)))
	refuse("the hash of something else", whole(append(slices.Clone(prefix), sum(hash, in+"x")...)))
	refuse("the signed text in place of the hash", whole([]byte(in)[:min(len(in), 100)]))
	refuse("half of the hash", whole(append(slices.Clone(prefix), digest[:len(digest)/2]...)))
	for other, name := range digestPrefixes() {
		if other == hash {
			continue
		}
		named := f.must(hex.DecodeString(name))
		refuse("a "+other.String()+" hash", whole(append(slices.Clone(named), sum(other, in)...)))
		refuse("the hash under the name of "+other.String(), whole(append(slices.Clone(named), digest...)))
		refuse("a "+other.String()+" hash under the right name", whole(append(slices.Clone(prefix), sum(other, in)...)))
	}
	identifier := prefix[4:15] // the object identifier of a SHA-2 hash, with tag and length
	for name, algorithm := range map[string][]byte{
		"without NULL":           identifier,
		"with two NULLs":         append(slices.Clone(identifier), 5, 0, 5, 0),
		"with a NULL that holds": append(slices.Clone(identifier), 5, 1, 0),
		"with rubbish for NULL":  append(slices.Clone(identifier), append([]byte{4, 20}, random(20)...)...),
	} {
		refuse("the hash's name "+name, whole(sequence(sequence(algorithm), octets(digest))))
	}
	refuse("lengths in their long form", whole(slices.Concat([]byte{0x30, 0x81, byte(len(info) - 2)}, info[2:])))
	refuse("an indefinite length", whole(slices.Concat([]byte{0x30, 0x80}, info[2:], []byte{0, 0})))
	refuse("rubbish within the outer sequence", whole(sequence(info[2:], octets(random(8)))))
	refuse("the hash as a bit string", whole(sequence(prefix[2:17], []byte{3, byte(len(digest) + 1), 0}, digest)))
	refuse("the padding of PSS", f.pss(pssOf(hash, digest)))
	g.refuse(usher.ErrTokenSignature, string(alg)+": signed by PSS", in+"."+encode(f.signWith(usher.PS256, hash, in)))
}

func sequence(parts ...[]byte) []byte { return tagged(asn1.TagSequence|0x20, slices.Concat(parts...)) }

func octets(content []byte) []byte { return tagged(asn1.TagOctetString, content) }

func tagged(tag byte, content []byte) []byte {
	if len(content) > 127 {
		return slices.Concat([]byte{tag, 0x81, byte(len(content))}, content)
	}
	return slices.Concat([]byte{tag, byte(len(content))}, content)
}

// pssPadding is what EMSA-PSS (RFC 8017 §9.1) is made of.
type pssPadding struct {
	hash, mask crypto.Hash
	digest     []byte
	salt       []byte
	saltSaid   []byte // in the block, where it is another than the one hashed
	zeros      []byte // before digest and salt
	fill       byte   // of the block, zero by rights
	separator  byte   // 1 by rights
	trailer    byte   // 0xbc by rights
	topBits    bool   // left standing
}

func pssOf(hash crypto.Hash, digest []byte) pssPadding {
	return pssPadding{hash: hash, mask: hash, digest: digest, salt: random(hash.Size()), zeros: make([]byte, 8), separator: 1, trailer: 0xbc}
}

func (f *forge) pss(p pssPadding) []byte {
	if p.saltSaid == nil {
		p.saltSaid = p.salt
	}
	size := f.rsa.Size()
	h := sum(p.hash, string(slices.Concat(p.zeros, p.digest, p.salt)))
	block := slices.Concat(
		bytes.Repeat([]byte{p.fill}, size-len(p.saltSaid)-len(h)-2), []byte{p.separator}, p.saltSaid,
	)
	for i, counter := 0, byte(0); i < len(block); counter++ {
		for _, b := range sum(p.mask, string(h)+string([]byte{0, 0, 0, counter})) {
			if i < len(block) {
				block[i] ^= b
				i++
			}
		}
	}
	block[0] &= 0x7f
	if p.topBits {
		block[0] |= 0x80
	}
	return slices.Concat(block, h, []byte{p.trailer})
}

func (f *forge) pssCases(alg usher.Algorithm) {
	g := f.group(RSAPadding, f.houses[alg], "RFC 8017 §9.1.2")
	in := input(head(alg), claims().String())
	hash := hashOf(alg)
	digest := sum(hash, in)
	token := func(padded []byte) string { return in + "." + encode(f.rawRSA(padded)) }
	refuse := func(name string, padded []byte) {
		g.refuse(usher.ErrTokenSignature, string(alg)+": "+name, token(padded))
	}
	right := f.pss(pssOf(hash, digest))
	for i := 1; i < len(right); i++ {
		wrong := slices.Clone(right)
		wrong[i] ^= 1 << (i % 8)
		refuse(fmt.Sprintf("a bit flipped in byte %d of the padding", i), wrong)
	}
	change := func(name string, change func(*pssPadding)) {
		p := pssOf(hash, digest)
		change(&p)
		refuse(name, f.pss(p))
	}
	change("another trailer", func(p *pssPadding) { p.trailer = 0xcc })
	change("no trailer", func(p *pssPadding) { p.trailer = 0 })
	change("no separator before the salt", func(p *pssPadding) { p.separator = 0 })
	change("the separator 2", func(p *pssPadding) { p.separator = 2 })
	change("a block filled with ones", func(p *pssPadding) { p.fill = 0xff })
	change("a block filled with 1", func(p *pssPadding) { p.fill = 1 })
	change("ones before the hash", func(p *pssPadding) { p.zeros = bytes.Repeat([]byte{1}, 8) })
	change("seven zeros before the hash", func(p *pssPadding) { p.zeros = make([]byte, 7) })
	change("no zeros before the hash", func(p *pssPadding) { p.zeros = nil })
	change("another salt in the block", func(p *pssPadding) { p.saltSaid = random(len(p.salt)) })
	change("the hash of something else", func(p *pssPadding) { p.digest = sum(hash, in+"x") })
	for _, other := range []crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		if other != hash {
			change("masked by "+other.String(), func(p *pssPadding) { p.mask = other })
			change("hashed by "+other.String(), func(p *pssPadding) { p.hash, p.mask, p.digest = other, other, sum(other, in) })
		}
	}
	topBits := pssOf(hash, digest)
	topBits.topBits = true
	for range 64 { // until it is less than the modulus
		if padded := f.pss(topBits); new(big.Int).SetBytes(padded).Cmp(f.rsa.N) < 0 {
			refuse("the top bit set", padded)
			break
		}
		topBits.salt = random(hash.Size())
	}
	g.refuse(usher.ErrTokenSignature, string(alg)+": signed by PKCS #1 v1.5", in+"."+encode(f.signWith(usher.RS256, hash, in)))

	g.class, g.section = PSSSalt, "RFC 7518 §3.5"
	for n := 0; n <= f.rsa.Size()-hash.Size()-2; n++ {
		p := pssOf(hash, digest)
		p.salt = random(n)
		name := fmt.Sprintf("%s: a salt of %d bytes", alg, n)
		if n == hash.Size() {
			g.accept(name, token(f.pss(p)))
		} else {
			g.refuse(usher.ErrTokenSignature, name, token(f.pss(p)))
		}
	}
}
