package attack

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/go-usher/usher"
)

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// encodingCases are tokens that are not canonical base64url. Their signatures are right for the text as it stands
// wherever there is one, so that nothing but the encoding is at fault.
func (f *forge) encodingCases() {
	alg := usher.HS256
	g := f.group(Encoding, f.houses[alg], "RFC 7515 §2, RFC 4648 §3.3")
	token := f.good(alg)
	h, p, s := parts(token)

	strange := []string{"\x7f", "\x80", "\xa0", "\xff", "\u0085", "\u00a0", "\u200b", "\u2028", "\u3000", "\ufeff", "é", "Ａ"}
	for c := range 0x21 {
		strange = append(strange, string(rune(c)))
	}
	for _, c := range strange {
		at := func(place string, h, p, s string) {
			g.refuse(usher.ErrTokenMalformed, fmt.Sprintf("%q %s", c, place), h+"."+p+"."+s)
		}
		// Everything that is signed is signed with the character in it.
		in := func(place, h, p string) {
			_, _, s := parts(f.sealSegments(alg, h, p))
			at(place+", and signed", h, p, s)
		}
		in("before all", c+h, p)
		in("within the header", h[:4]+c+h[4:], p)
		in("after the header", h+c, p)
		in("before the payload", h, c+p)
		in("within the payload", h, p[:8]+c+p[8:])
		in("after the payload", h, p+c)
		at("before the signature", h, p, c+s)
		at("within the signature", h, p, s[:8]+c+s[8:])
		at("after all", h, p, s+c)
	}
	for _, c := range []string{"\r\n", "\n\n\n\n", "\r\n\r\n", "    ", "====", "\x00\x00\x00\x00"} { // the length stays a multiple of four
		g.refuse(usher.ErrTokenMalformed, fmt.Sprintf("%q within the header, and signed", c), f.sealSegments(alg, h[:4]+c+h[4:], p))
		g.refuse(usher.ErrTokenMalformed, fmt.Sprintf("%q within the payload, and signed", c), f.sealSegments(alg, h, p[:8]+c+p[8:]))
		g.refuse(usher.ErrTokenMalformed, fmt.Sprintf("%q within the signature", c), h+"."+p+"."+s[:8]+c+s[8:])
	}
	for c := byte('!'); c <= '~'; c++ { // all else that can be printed
		if strings.IndexByte(alphabet+".", c) < 0 {
			g.refuse(usher.ErrTokenMalformed, fmt.Sprintf("%q in the header, and signed", c), f.sealSegments(alg, h[:4]+string(c)+h[5:], p))
			g.refuse(usher.ErrTokenMalformed, fmt.Sprintf("%q in the payload, and signed", c), f.sealSegments(alg, h, p[:8]+string(c)+p[9:]))
			g.refuse(usher.ErrTokenMalformed, fmt.Sprintf("%q in the signature", c), h+"."+p+"."+s[:8]+string(c)+s[9:])
		}
	}
	f.paddedCases(g)
	f.spareBits(g)

	g.section = "RFC 7515 §2"
	standard := strings.NewReplacer("-", "+", "_", "/")
	for _, subject := range []string{"???>>>~~~", "\u00fb\u00ff\u00fe"} {
		payload := claims().with("sub", `"`+subject+`"`).String()
		if segment := encode(payload); strings.ContainsAny(segment, "-_") {
			g.refuse(usher.ErrTokenMalformed, "the standard alphabet in the payload, and signed", f.sealSegments(alg, h, standard.Replace(segment)))
			g.refuse(usher.ErrTokenMalformed, "both alphabets in the payload, and signed", f.sealSegments(alg, h, strings.Replace(standard.Replace(segment), "/", "_", 1)+"-_+/"))
		}
	}
	header := `{"alg":"HS256","x":"???>>>~~~"}`
	g.refuse(usher.ErrTokenMalformed, "the standard alphabet in the header, and signed", f.sealSegments(alg, standard.Replace(encode(header)), p))
	for i := 0; ; i++ {
		token := f.seal(alg, head(alg), claims().with("jti", fmt.Sprintf(`"%d"`, i)).String())
		th, tp, ts := parts(token)
		if strings.ContainsAny(ts, "-_") {
			g.refuse(usher.ErrTokenMalformed, "the standard alphabet in the signature", th+"."+tp+"."+standard.Replace(ts))
			break
		}
	}

	decoded := f.must(base64.RawURLEncoding.DecodeString(s))
	g.refuse(usher.ErrTokenMalformed, "percent-encoded dots", strings.ReplaceAll(token, ".", "%2E"))
	g.refuse(usher.ErrTokenMalformed, "percent-encoded", "%65"+token[1:])
	g.refuse(usher.ErrTokenMalformed, "escaped for a URL with its padding", h+"."+p+"."+url.QueryEscape(s+"="))
	g.refuse(usher.ErrTokenMalformed, "in quotation marks", `"`+token+`"`)
	g.refuse(usher.ErrTokenMalformed, "in apostrophes", `'`+token+`'`)
	g.refuse(usher.ErrTokenMalformed, "in angle brackets", `<`+token+`>`)
	g.refuse(usher.ErrTokenMalformed, "with its scheme", "Bearer "+token)
	g.refuse(usher.ErrTokenMalformed, "with another scheme", "JWT "+token)
	g.refuse(usher.ErrTokenMalformed, "with a comma behind", token+",")
	g.refuse(usher.ErrTokenMalformed, "with a semicolon behind", token+";")
	g.refuse(usher.ErrTokenMalformed, "encoded once more", encode(token))
	g.refuse(usher.ErrTokenMalformed, "in hex", hex.EncodeToString([]byte(token)))
	g.refuse(usher.ErrTokenMalformed, "segments in hex, and signed", f.sealSegments(alg, hex.EncodeToString([]byte(head(alg))), hex.EncodeToString([]byte(claims().String()))))
	g.refuse(usher.ErrTokenMalformed, "in UTF-16", string(utf16(token, true)))
	g.refuse(usher.ErrTokenMalformed, "header and payload without any encoding", head(alg)+"."+claims().String()+"."+s)
	g.refuse(usher.ErrTokenMalformed, "the signature's own bytes", h+"."+p+"."+string(decoded))
	g.refuse(usher.ErrTokenMalformed, "in lower case", strings.ToLower(h)+"!."+p+"."+s)
	g.by("RFC 8725 §3.2").refuse(usher.ErrTokenMalformed, "spaces for the lines of an e-mail", token[:40]+" "+token[40:])
}

func (f *forge) paddedCases(g group) {
	g.section = "RFC 7515 §2, RFC 4648 §3.2"
	alg := usher.HS256
	h, p, s := parts(f.good(alg))
	for n := 1; n <= 4; n++ {
		pad := strings.Repeat("=", n)
		g.refuse(usher.ErrTokenMalformed, pad+" behind the header, and signed", f.sealSegments(alg, h+pad, p))
		g.refuse(usher.ErrTokenMalformed, pad+" behind the payload, and signed", f.sealSegments(alg, h, p+pad))
		g.refuse(usher.ErrTokenMalformed, pad+" behind the signature", h+"."+p+"."+s+pad)
		g.refuse(usher.ErrTokenMalformed, pad+" before the header, and signed", f.sealSegments(alg, pad+h, p))
	}
	for length := range 3 { // of each length modulo three, so with each right padding
		header, payload := head(alg), claims().String()
		for len(header)%3 != length {
			header += " "
		}
		for len(payload)%3 != length {
			payload += " "
		}
		padded := base64.URLEncoding.EncodeToString
		if length != 0 {
			g.refuse(usher.ErrTokenMalformed, fmt.Sprintf("the right padding of a header of %d bytes", len(header)), f.sealSegments(alg, padded([]byte(header)), encode(payload)))
			g.refuse(usher.ErrTokenMalformed, fmt.Sprintf("the right padding of a payload of %d bytes", len(payload)), f.sealSegments(alg, encode(header), padded([]byte(payload))))
		}
		g.accept(fmt.Sprintf("header and payload of 3n+%d bytes", length), f.seal(alg, header, payload))
		// One character more than full bytes have.
		one := encode(strings.Repeat(" ", 3-length%3) + payload)
		g.refuse(usher.ErrTokenMalformed, fmt.Sprintf("a payload segment of 4n+1 characters (%d)", length), f.sealSegments(alg, encode(header), one[:len(one)/4*4]+"A"))
		one = encode(header)
		g.refuse(usher.ErrTokenMalformed, fmt.Sprintf("a header segment of 4n+1 characters (%d)", length), f.sealSegments(alg, one[:len(one)/4*4]+"A", encode(payload)))
	}
	g.refuse(usher.ErrTokenMalformed, "a signature segment of 4n+1 characters", h+"."+p+"."+s+"AA")
}

// spareBits sets the bits of a segment's last character that stand for nothing: other texts for the same bytes.
func (f *forge) spareBits(g group) {
	g.section = "RFC 4648 §3.5"
	spared := func(segment string) (others []string) {
		spare := map[int]int{2: 4, 3: 2}[len(segment)%4]
		last := strings.IndexByte(alphabet, segment[len(segment)-1])
		for bits := 1; bits < 1<<spare; bits++ {
			others = append(others, segment[:len(segment)-1]+string(alphabet[last|bits]))
		}
		return others
	}
	alg := usher.HS256
	for _, pad := range []string{"", " ", "  "} {
		header, payload := encode(head(alg)+pad), encode(claims().String()+pad)
		for _, other := range spared(header) {
			g.refuse(usher.ErrTokenMalformed, fmt.Sprintf("spare bits in a header of %d characters, and signed: %s", len(other), other[len(other)-1:]), f.sealSegments(alg, other, payload))
		}
		for _, other := range spared(payload) {
			g.refuse(usher.ErrTokenMalformed, fmt.Sprintf("spare bits in a payload of %d characters, and signed: %s", len(other), other[len(other)-1:]), f.sealSegments(alg, header, other))
		}
	}
	for _, alg := range algorithms() {
		h, p, s := parts(f.good(alg))
		for _, other := range spared(s) {
			g.at(f.houses[alg]).refuse(usher.ErrTokenMalformed, fmt.Sprintf("spare bits in an %s signature: %s", alg, other[len(other)-1:]), h+"."+p+"."+other)
		}
	}
}

func utf16(text string, bigEndian bool) []byte {
	var b []byte
	for _, r := range text {
		unit := []byte{byte(r >> 8), byte(r)}
		if !bigEndian {
			slices.Reverse(unit)
		}
		b = append(b, unit...)
	}
	return b
}

// shapeCases are tokens with too few parts, too many, empty ones, or in another serialization.
func (f *forge) shapeCases() {
	alg := usher.HS256
	g := f.group(Shape, f.houses[alg], "RFC 7515 §7.1")
	malformed := func(name, token string) { g.refuse(usher.ErrTokenMalformed, name, token) }
	token := f.good(alg)
	h, p, s := parts(token)

	for _, c := range []struct{ name, token string }{
		{"nothing", ""},
		{"one dot", "."}, {"two dots", ".."}, {"three dots", "..."}, {"four dots", "...."}, {"a thousand dots", strings.Repeat(".", 1000)},
		{"the header alone", h}, {"the header and a dot", h + "."}, {"the payload alone", p}, {"the signature alone", s},
		{"header and payload", h + "." + p}, {"payload and signature", p + "." + s}, {"header and signature", h + "." + s},
		{"no header", "." + p + "." + s}, {"no payload", h + ".." + s}, {"no signature", h + "." + p + "."},
		{"the header and two dots", h + ".."}, {"the payload between dots", "." + p + "."}, {"the signature after two dots", ".." + s},
		{"a dot before all", "." + token}, {"a dot after all", token + "."}, {"dots around", "." + token + "."},
		{"two dots after the header", h + ".." + p + "." + s}, {"two dots before the signature", h + "." + p + ".." + s},
		{"a fourth part", token + ".AAAA"}, {"a part too many before", "AAAA." + token}, {"the signature twice", token + "." + s},
		{"a second payload", h + "." + p + "." + p + "." + s}, {"a second header", h + "." + h + "." + p + "." + s},
		{"five parts", token + ".AAAA.AAAA"}, {"six parts", token + "." + token}, {"seven parts", token + "." + token + ".AAAA"},
		{"two tokens and a comma", token + "," + token}, {"two tokens and a line feed", token + "\n" + token},
		{"commas for dots", strings.ReplaceAll(token, ".", ",")}, {"full-width dots", strings.ReplaceAll(token, ".", "．")},
		{"ideographic stops", strings.ReplaceAll(token, ".", "。")}, {"slashes for dots", strings.ReplaceAll(token, ".", "/")},
		{"undefined", "undefined"}, {"null", "null"}, {"[object Object]", "[object Object]"}, {"an UUID", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"},
		{"a PASETO", "v4.local.AAAAAAAAAAAA"}, {"a PASETO of version 2", "v2.public.eyJzdWIiOiI3In0"}, {"a Fernet token", "gAAAAABh" + strings.Repeat("A", 80)},
		{"a Macaroon", "MDAxY2xvY2F0aW9uIA" + s},
		{"JSON, flattened", `{"payload":"` + p + `","protected":"` + h + `","signature":"` + s + `"}`},
		{"JSON, flattened, with dots", `{"p":"."."` + token + `"}`},
		{"JSON, general", `{"payload":"` + p + `","signatures":[{"protected":"` + h + `","signature":"` + s + `"}]}`},
		{"JSON, with an unprotected header", `{"payload":"` + p + `","header":{"alg":"HS256"},"signature":"` + s + `"}`},
		{"a JSON string", `"` + token + `"`}, {"a JSON array", `["` + h + `","` + p + `","` + s + `"]`},
	} {
		malformed(c.name, c.token)
	}
	for _, alg := range algorithms() {
		t := f.good(alg)
		h, p, s := parts(t)
		g := g.at(f.houses[alg])
		g.refuse(usher.ErrTokenMalformed, string(alg)+": without signature", h+"."+p+".")
		g.refuse(usher.ErrTokenMalformed, string(alg)+": without signature and dot", h+"."+p)
		g.by("RFC 7515 appendix F").refuse(usher.ErrTokenMalformed, string(alg)+": detached payload", h+".."+s)
	}

	g.section = "RFC 7516 §7.1"
	jwe := encode(`{"alg":"dir","enc":"A128GCM"}`)
	malformed("a JWE", jwe+".."+encode(random(12))+"."+encode(random(64))+"."+encode(random(16)))
	malformed("a JWE with an encrypted key", jwe+"."+encode(random(32))+"."+encode(random(12))+"."+encode(random(64))+"."+encode(random(16)))
	malformed("a token as a JWE", token+"."+encode(random(64))+"."+encode(random(16)))
	g.refuse(usher.ErrTokenSignature, "a JWE's header on a token", f.seal(alg, `{"alg":"dir","enc":"A128GCM"}`, claims().String()))
	g.accept("an enc header, which means nothing in a JWS", f.seal(alg, `{"alg":"HS256","enc":"A128GCM"}`, claims().String()))

	g.section = "RFC 7519 §5.2"
	malformed("a token within a token", f.seal(alg, `{"alg":"HS256","cty":"JWT"}`, token))
	malformed("a token within a token, as a JSON string", f.seal(alg, `{"alg":"HS256","cty":"JWT"}`, `"`+token+`"`))
	malformed("an unsigned token within a token", f.seal(alg, `{"alg":"HS256","cty":"JWT"}`, input(`{"alg":"none"}`, claims().String())+"."))
	malformed("a JWE within a token", f.seal(alg, `{"alg":"HS256","cty":"JWT"}`, jwe+"...."))

	g.section = "DecoderOptions.MaxSize"
	// filled is the longest token of at most this many bytes, but for a few.
	filled := func(size int) string {
		frame := f.seal(alg, head(alg), claims().with("x", `""`).String())
		return f.seal(alg, head(alg), claims().with("x", `"`+strings.Repeat("x", (size-len(frame))*3/4-1)+`"`).String())
	}
	least := filled(8 << 10)
	g.accept(fmt.Sprintf("%d bytes", len(least)), least)
	g.refuse(usher.ErrTokenTooLarge, "8193 bytes", least+strings.Repeat("A", 8193-len(least)))
	for _, size := range []int{8193, 9000, 16 << 10, 64 << 10, 100 << 10, 1 << 20} {
		g.refuse(usher.ErrTokenTooLarge, fmt.Sprintf("%d dots", size), strings.Repeat(".", size))
		g.refuse(usher.ErrTokenTooLarge, fmt.Sprintf("%d letters", size), strings.Repeat("A", size))
		g.refuse(usher.ErrTokenTooLarge, fmt.Sprintf("a token and %d bytes", size), token+strings.Repeat("=", size))
		g.refuse(usher.ErrTokenTooLarge, fmt.Sprintf("%d bytes, well signed", size), filled(size+100)+strings.Repeat(" ", 100))
	}
	large := f.large()
	g.at(large).accept("100 KB at a house that allows it", filled(100<<10))
	g.at(large).refuse(usher.ErrTokenMalformed, "a million dots at a house that allows the size", strings.Repeat(".", 1<<20))
}

// large returns a house for large tokens, always the same.
func (f *forge) large() *House {
	if f.big == nil {
		f.big = f.with("a house for tokens of 2 MiB", func(o *usher.DecoderOptions) { o.MaxSize = 2 << 20 })
	}
	return f.big
}

// with returns a house for HS256 with other options.
func (f *forge) with(name string, change func(*usher.DecoderOptions)) *House {
	house := *f.houses[usher.HS256]
	house.Name = name
	change(&house.Options)
	return &house
}
