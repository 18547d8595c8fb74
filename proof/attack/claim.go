package attack

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/go-usher/usher"
)

// payloadCases are well-signed tokens whose payload is not one JSON object with unique names.
func (f *forge) payloadCases() {
	alg := usher.HS256
	g := f.group(Payload, f.houses[alg], "RFC 7519 §7.2, RFC 8259")
	malformed := func(name, payload string) { g.refuse(usher.ErrTokenMalformed, name, f.seal(alg, head(alg), payload)) }
	base := claims()
	good := base.String()
	for _, c := range textsThatAreNoObject(good[1 : len(good)-1]) {
		malformed(c.name, c.value)
	}
	g.refuse(usher.ErrTokenMalformed, "deflated", f.seal(alg, `{"alg":"HS256","zip":"DEF"}`, "\xabV*.MR\xb2R2\x07\x00"))

	g.section = "RFC 7519 §4, RFC 8725 §2.4"
	for _, name := range []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "sid", "scope", "auth_time", "role", "level", "teams", "x", ""} {
		value := map[string]string{
			"aud": `[]`, "exp": "1800000900", "nbf": "1799999990", "iat": "1799999990", "auth_time": "1799999990", "level": "1", "teams": `["a"]`, "x": "{}",
		}[name]
		if value == "" {
			value = `"7"`
		}
		once := base.without(name).plus(name, value)
		malformed(name+" twice, the same", once.plus(name, value).String())
		malformed(name+" twice, null last", once.plus(name, "null").String())
		malformed(name+" twice, null first", once.before(name, "null").String())
		malformed(name+" twice, another type last", once.plus(name, `[{"a":1}]`).String())
		malformed(name+" twice, far from each other", once.String()[:len(once.String())-1]+manyMembers(80)+`,"`+name+`":`+value+"}")
		if name != "" {
			malformed(name+" twice, once escaped", once.plus(fmt.Sprintf(`\u%04x%s`, name[0], name[1:]), value).String())
		}
	}
	malformed("exp twice, the later last", base.with("exp", "1700000000").plus("exp", "1900000000").String())
	malformed("exp twice, the later first", base.with("exp", "1900000000").plus("exp", "1700000000").String())
	malformed("a name twice within a member", base.with("x", `{"a":1,"a":2}`).String())
	malformed("a name twice in an array's object", base.with("x", `[0,{"a":1,"a":1}]`).String())
	malformed("a name twice, once escaped, within a member", base.with("x", `{"a":1,"\u0061":2}`).String())

	// Names that differ in case are different names, so the wrong one neither counts nor harms.
	g.section = "RFC 7519 §7.3, RFC 8725 §2.4"
	token := func(m members) string { return f.seal(alg, head(alg), m.String()) }
	for _, name := range []string{"EXP", "Exp", "eXp", "exp ", " exp", `exp\u0000`, "ｅｘｐ", "expiry", "expires_at"} {
		g.refuse(usher.ErrTokenClaims, fmt.Sprintf("%q for exp", name), token(base.without("exp").with(name, "1900000000")))
		g.refuse(usher.ErrTokenExpired, fmt.Sprintf("exp passed, and %q later", name), token(base.with("exp", "1700000000").with(name, "1900000000")))
		g.refuse(usher.ErrTokenExpired, fmt.Sprintf("%q later, and exp passed", name), token(base.without("exp").with(name, "1900000000").with("exp", "1700000000")))
		g.accept(fmt.Sprintf("exp, and %q passed", name), token(base.with(name, "1700000000")))
	}
	for _, name := range []string{"SUB", "Sub", "ſub", "sub ", "user_id", "identity", "uid"} {
		g.refuse(usher.ErrTokenClaims, fmt.Sprintf("%q for sub", name), token(base.without("sub").with(name, `"7"`)))
	}
	for _, name := range []string{"NBF", "Nbf", "nbF"} {
		g.refuse(usher.ErrTokenNotYetValid, "nbf ahead, and "+name+" passed", token(base.with("nbf", "1900000000").with(name, "1")))
		g.refuse(usher.ErrTokenNotYetValid, name+" passed, and nbf ahead", token(base.with(name, "1").with("nbf", "1900000000")))
	}
	strict := g.at(f.strictHouse())
	good1 := base.with("iss", `"https://issuer.example"`).with("aud", `"api"`)
	for _, name := range []string{"ISS", "Iss", "iſs", "isſ", "issuer"} {
		strict.refuse(usher.ErrTokenIssuer, fmt.Sprintf("%q for iss", name), token(good1.without("iss").with(name, `"https://issuer.example"`)))
		strict.refuse(usher.ErrTokenIssuer, fmt.Sprintf("iss another, and %q the right one", name), token(good1.with("iss", `"x"`).with(name, `"https://issuer.example"`)))
	}
	for _, name := range []string{"AUD", "Aud", "auD", "audience"} {
		strict.refuse(usher.ErrTokenAudience, fmt.Sprintf("%q for aud", name), token(good1.without("aud").with(name, `"api"`)))
		strict.refuse(usher.ErrTokenAudience, fmt.Sprintf("aud another, and %q the right one", name), token(good1.with("aud", `"x"`).with(name, `"api"`)))
	}
	g.section = "RFC 7519 §4"
	g.accept("members that nobody knows", token(base.with("x", `{"a":[1,{"b":null}],"c":"\u20ac"}`).with("__proto__", `{"admin":true}`).with("constructor", "1")))
	g.accept("exp escaped, which is the same name", token(base.without("exp").with(`\u0065xp`, "1800000900")))
	g.accept("white space where JSON allows it", f.seal(alg, head(alg), " \r\n\t{ \"sub\" : \"7\" ,\"exp\"\n:\t1800000900 } \n"))
	g.accept("a hundred members", f.seal(alg, head(alg), good[:len(good)-1]+manyMembers(100)+"}"))
	big := g.at(f.large()).by("RFC 8259 §9")
	deep := func(opening, closing string, n int) string {
		return strings.Repeat(opening, n) + strings.Repeat(closing, n)
	}
	big.refuse(usher.ErrTokenMalformed, "100,000 brackets", token(base.with("x", deep("[", "]", 100_000))))
	big.refuse(usher.ErrTokenMalformed, "100,000 open brackets", token(base.with("x", deep("[", "", 100_000))))
	big.refuse(usher.ErrTokenMalformed, "100,000 braces", token(base.with("x", deep(`{"x":`, "", 100_000)+"1"+deep("", "}", 100_000))))
	big.refuse(usher.ErrTokenMalformed, "10,000 names, and one again", f.seal(alg, head(alg), good[:len(good)-1]+manyMembers(10_000)+`,"x5000":0}`))
	big.accept("a thousand brackets", token(base.with("x", deep("[", "]", 1000))))
}

// strictHouse asks for an issuer and an audience.
func (f *forge) strictHouse() *House {
	if f.strict == nil {
		f.strict = f.with("a house with an issuer and an audience", func(o *usher.DecoderOptions) {
			o.Issuer, o.Audience = "https://issuer.example", usher.Audience{"api", "admin"}
		})
	}
	return f.strict
}

// dateCases are well-signed tokens with dates that are wrong, at the ends of what is possible, or passed.
func (f *forge) dateCases() {
	alg := usher.HS256
	g := f.group(Dates, f.houses[alg], "RFC 7519 §2")
	base := claims()
	token := func(name, value string) string { return f.seal(alg, head(alg), base.with(name, value).String()) }
	for _, name := range []string{"exp", "nbf", "iat", "auth_time"} {
		for _, value := range []string{
			`"1800000900"`, `""`, `"2027-01-15T08:15:00Z"`, `"never"`, `null`, `true`, `false`, `{}`, `{"$date":1800000900}`, `[]`, `[1800000900]`, `[1800000900,1]`,
			`1e300`, `-1e300`, `1e400`, `1e99999`, `9223372036854775807`, `9223372036854775808`, `18446744073709551615`, `18446744073709551616`, `-9223372036854775808`,
			`-9223372036854775809`, `99999999999999999999999999`, `253402300800`, `253402300799.000000001`, `253402300799.5`, `253402300799.0000000000001`, `2.53402300800e11`, `2534023008e2`,
			`1e12`, `1800000900000`, `-1`, `-0.5`, `-0.000000001`, `-1800000900`, `-1e-9`, `9223372036.854775808e9`, `1e18`, `1E+30`, `123456789012345678901234567890e-10`,
		} {
			g.refuse(usher.ErrTokenClaims, name+" "+value, token(name, value))
		}
	}
	for _, value := range []string{"0", "0.0", "0e0", "1", "1e0", "1e9", "1700000000", "1799999999", "1800000000", "1800000000.0", "1.8e9", "1799999999.999999999", "18e8", "18000000000e-1", "0.0000000018e18"} {
		g.by("RFC 7519 §4.1.4").refuse(usher.ErrTokenExpired, "exp "+value, token("exp", value))
	}
	for _, value := range []string{"1800000001", "1800000000.5", "1800000000.000000001", "1.800000001e9", "2e9", "2147483647", "2147483648", "4294967295", "4294967296", "253402300799", "253402300799.0", "253402300799e0", "2.53402300799e11"} {
		g.by("RFC 7519 §4.1.4").accept("exp "+value, token("exp", value))
	}
	for _, value := range []string{"1800000001", "1800000000.5", "1800000000.000000001", "1.9e9", "253402300799", "4294967296"} {
		g.by("RFC 7519 §4.1.5").refuse(usher.ErrTokenNotYetValid, "nbf "+value, token("nbf", value))
	}
	for _, value := range []string{"0", "1", "0.5", "1800000000", "1800000000.0", "1799999999.999999999", "1e-9", "1.8E9", "1.8E+9"} {
		g.by("RFC 7519 §4.1.5").accept("nbf "+value, token("nbf", value))
	}
	g.by("RFC 7519 §4.1.6").accept("iat ahead, where no MaxAge is set", token("iat", "1900000000"))
	g.by("RFC 7519 §4.1.4").refuse(usher.ErrTokenClaims, "no exp", f.seal(alg, head(alg), base.without("exp").String()))

	lenient := f.with("a house with a leeway of 60 s", func(o *usher.DecoderOptions) { o.Leeway = time.Minute })
	for seconds, want := range map[int]error{-61: usher.ErrTokenExpired, -60: usher.ErrTokenExpired, -59: nil, 0: nil, 1: nil} {
		g.at(lenient).by("RFC 7519 §4.1.4").refuse(want, fmt.Sprintf("exp %d s from now", seconds), token("exp", strconv.Itoa(now+seconds)))
	}
	for seconds, want := range map[int]error{61: usher.ErrTokenNotYetValid, 60: nil, 59: nil, 0: nil} {
		g.at(lenient).by("RFC 7519 §4.1.5").refuse(want, fmt.Sprintf("nbf %d s from now", seconds), token("nbf", strconv.Itoa(now+seconds)))
	}
	aged := f.with("a house with a MaxAge of an hour", func(o *usher.DecoderOptions) { o.MaxAge = time.Hour })
	for seconds, want := range map[int]error{-3601: usher.ErrTokenExpired, -3600: nil, -1: nil, 0: nil, 1: usher.ErrTokenNotYetValid, 100000: usher.ErrTokenNotYetValid, -now: usher.ErrTokenExpired} {
		g.at(aged).by("RFC 7519 §4.1.6").refuse(want, fmt.Sprintf("iat %d s from now", seconds), token("iat", strconv.Itoa(now+seconds)))
	}
	g.at(aged).by("RFC 7519 §4.1.6").refuse(usher.ErrTokenClaims, "no iat", f.seal(alg, head(alg), base.without("iat").String()))
	forever := f.with("a house that allows tokens without exp", func(o *usher.DecoderOptions) { o.DangerouslyAllowNoExpiry = true })
	g.at(forever).accept("no exp", f.seal(alg, head(alg), base.without("exp").String()))
	g.at(forever).refuse(usher.ErrTokenClaims, "exp null", token("exp", "null"))
	g.at(forever).refuse(usher.ErrTokenExpired, "exp 0", token("exp", "0"))
	g.at(forever).refuse(usher.ErrTokenClaims, "exp -1", token("exp", "-1"))
}

// claimCases are well-signed tokens with claims of wrong types, or for somebody else.
func (f *forge) claimCases() {
	alg := usher.HS256
	g := f.group(Claim, f.houses[alg], "RFC 7519 §4.1")
	base := claims()
	token := func(name, value string) string { return f.seal(alg, head(alg), base.with(name, value).String()) }
	for _, name := range []string{"iss", "sub", "jti", "sid", "scope"} {
		for _, value := range []string{`null`, `true`, `false`, `0`, `7`, `-1`, `1.5`, `1e3`, `[]`, `["7"]`, `[7]`, `{}`, `{"7":"7"}`, `[null]`} {
			g.refuse(usher.ErrTokenClaims, name+" "+value, token(name, value))
		}
	}
	for _, value := range []string{`null`, `true`, `7`, `{}`, `{"0":"api"}`, `[null]`, `[1]`, `["api",1]`, `["api",null]`, `[["api"]]`, `["api",["x"]]`, `[{}]`, `[true]`} {
		g.refuse(usher.ErrTokenClaims, "aud "+value, token("aud", value))
	}
	for _, value := range []string{`["a",]`, `["a" "b"]`, `[,"a"]`, `["a"`, `["a"}`, `["\ud800"]`, "[\"\xff\"]", `[01]`, `[nul]`, `["a","\x"]`} {
		g.by("RFC 8259").refuse(usher.ErrTokenMalformed, fmt.Sprintf("aud %q", value), token("aud", value))
		g.by("RFC 8259").refuse(usher.ErrTokenMalformed, fmt.Sprintf("teams %q", value), token("teams", value))
	}
	for _, value := range []string{`7`, `true`, `[]`, `{}`, `["a"]`} {
		g.by("encoding/json").refuse(usher.ErrTokenClaims, "role, a string, is "+value, token("role", value))
	}
	for _, value := range []string{`"1"`, `1.5`, `true`, `[]`, `{}`, `1e300`, `9223372036854775808`, `-9223372036854775809`, `""`} {
		g.by("encoding/json").refuse(usher.ErrTokenClaims, "level, an int, is "+value, token("level", value))
	}
	for _, value := range []string{`"a"`, `7`, `{}`, `[1]`, `[["a"]]`, `["a",1]`, `[true]`} {
		g.by("encoding/json").refuse(usher.ErrTokenClaims, "teams, strings, is "+value, token("teams", value))
	}
	for _, name := range []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "sid", "scope", "auth_time", "role", "level", "teams", "x"} {
		for _, value := range []string{`[nul]`, `{"a":1,"a":2}`, `{"a"}`, "[\"\xff\"]", `[[}]`} {
			g.by("RFC 8259").refuse(usher.ErrTokenMalformed, fmt.Sprintf("%s %q", name, value), token(name, value))
		}
		g.by("RFC 8259").refuse(usher.ErrTokenMalformed, name+" of a wrong type, and then what is no JSON", f.seal(alg, head(alg), base.with(name, `[{"a":1}]`).plus("y", "[nul]").String()))
		g.by("RFC 8259").refuse(usher.ErrTokenMalformed, name+" of a wrong type, and then a name twice within", f.seal(alg, head(alg), base.with(name, `[{"a":1}]`).plus("y", `{"a":1,"a":2}`).String()))
	}
	g.by("encoding/json").accept("ROLE, which is another name", token("ROLE", "7"))
	g.by("encoding/json").accept("level and teams", f.seal(alg, head(alg), base.with("level", "-9223372036854775808").with("teams", `["a","b"]`).String()))
	g.by("Validate").refuse(usher.ErrTokenClaims, "a role that Validate refuses", token("role", `"barred"`))
	g.by("Validate").accept("a role that Validate does not refuse", token("role", `"Barred"`))

	g.section = "RFC 7519 §4.1.2"
	g.refuse(usher.ErrTokenClaims, "no sub", f.seal(alg, head(alg), base.without("sub").String()))
	g.refuse(usher.ErrTokenClaims, "an empty sub", token("sub", `""`))
	g.refuse(usher.ErrTokenClaims, "no claims", f.seal(alg, head(alg), `{}`))
	g.refuse(usher.ErrTokenClaims, "exp alone", f.seal(alg, head(alg), `{"exp":1900000000}`))
	g.accept("a sub of odd characters", token("sub", `"'; DROP TABLE users; --\u0000\n\u202e"`))
	g.accept("a sub of a thousand characters", token("sub", `"`+strings.Repeat("é", 1000)+`"`))
	numeric := g.at(f.with("a house that reads numeric subjects", func(o *usher.DecoderOptions) { o.AllowNumericSubject = true }))
	for _, value := range []string{`0`, `7`, `-7`, `42`, `9223372036854775807`, `18446744073709551615`, `99999999999999999999`, `-99999999999999999999`} {
		numeric.accept("sub "+value, token("sub", value))
	}
	for _, value := range []string{`1.0`, `1e2`, `1E2`, `-0`, `0.0`, `100000000000000000000`, `-100000000000000000000`, `null`, `true`, `[7]`, `{}`, `1.5`, `7e0`} {
		numeric.refuse(usher.ErrTokenClaims, "sub "+value, token("sub", value))
	}
	for _, value := range []string{`07`, `+7`, `0x7`, `-`, `7.`, `.7`, `٧`, `NaN`} {
		numeric.refuse(usher.ErrTokenMalformed, "sub "+value, token("sub", value))
	}
	nobody := g.at(f.with("a house that asks for no subject", func(o *usher.DecoderOptions) { o.AllowNoSubject = true }))
	nobody.accept("no sub", f.seal(alg, head(alg), base.without("sub").String()))
	nobody.refuse(usher.ErrTokenClaims, "sub null", token("sub", "null"))
	nobody.refuse(usher.ErrTokenClaims, "sub 7", token("sub", "7"))

	f.audiences()
	f.issuers()
}

func (f *forge) audiences() {
	alg := usher.HS256
	base := claims()
	token := func(value string) string { return f.seal(alg, head(alg), base.with("aud", value).String()) }
	g := f.group(Claim, f.houses[alg], "RFC 7519 §4.1.3")
	for _, value := range []string{`"api"`, `["api"]`, `""`, `[""]`, `["",""]`, `"https://elsewhere.example"`} {
		g.refuse(usher.ErrTokenAudience, "aud "+value+", where none is asked for", token(value))
	}
	g.accept("an empty list of audiences, where none is asked for", token(`[]`))
	lax := g.at(f.with("a house that takes any audience", func(o *usher.DecoderOptions) { o.DangerouslyAllowAnyAudience = true }))
	lax.accept("some audience", token(`"elsewhere"`))
	lax.refuse(usher.ErrTokenClaims, "aud null", token(`null`))
	g = g.at(f.with("a house with an audience", func(o *usher.DecoderOptions) { o.Audience = usher.Audience{"api", "admin"} }))
	for _, value := range []string{`"api"`, `["api"]`, `["other","api"]`, `["api","other"]`, `"admin"`, `["admin","api"]`, `"\u0061pi"`, `[ "x" , "api" ]`} {
		g.accept("aud "+value, token(value))
	}
	for _, value := range []string{
		`"API"`, `"Api"`, `"api "`, `" api"`, `"apis"`, `"ap"`, `"api/"`, `"api\u0000"`, `"api,admin"`, `"api admin"`, `"*"`, `""`, `[]`, `[""]`, `["API"]`, `["a","p","i"]`,
		`"https://api"`, `"аpi"`, `"api\u200b"`, `"\ufeffapi"`, `"null"`, `["other"]`, `".*"`, `"[\"api\"]"`,
	} {
		g.refuse(usher.ErrTokenAudience, "aud "+value, token(value))
	}
	g.refuse(usher.ErrTokenAudience, "no aud", f.seal(alg, head(alg), base.String()))
}

func (f *forge) issuers() {
	alg := usher.HS256
	base := claims()
	token := func(value string) string { return f.seal(alg, head(alg), base.with("iss", value).String()) }
	g := f.group(Claim, f.houses[alg], "RFC 7519 §4.1.1")
	g.accept("some iss, where none is asked for", token(`"anybody"`))
	g = g.at(f.with("a house with an issuer", func(o *usher.DecoderOptions) { o.Issuer = "https://issuer.example" }))
	g.accept("the right iss", token(`"https://issuer.example"`))
	g.accept("the right iss, escaped", token(`"https:\/\/issuer.example"`))
	for _, value := range []string{
		`""`, `"https://issuer.example/"`, `"HTTPS://ISSUER.EXAMPLE"`, `"https://issuer.example "`, `" https://issuer.example"`, `"https://issuer.example\u0000"`, `"https://issuer.exampl"`,
		`"https://issuer.example.attacker.example"`, `"https://issuer.example@attacker.example"`, `"https://issuer.example:443"`, `"http://issuer.example"`, `"issuer.example"`, `"https://іssuer.example"`,
		`"https://issuer。example"`, `"https://issuer.example#"`, `"https://issuer.example?"`, `"https://attacker.example/https://issuer.example"`, `"null"`, `"*"`, `"https://issuer.example,https://issuer.example"`,
	} {
		g.refuse(usher.ErrTokenIssuer, "iss "+value, token(value))
	}
	g.refuse(usher.ErrTokenIssuer, "no iss", f.seal(alg, head(alg), base.String()))
	g.refuse(usher.ErrTokenClaims, "the right iss in an array", token(`["https://issuer.example"]`))
}

// kindCases are well-signed tokens of another kind than access tokens: typ tells them apart.
func (f *forge) kindCases() {
	alg := usher.HS256
	g := f.group(Kinds, f.houses[alg], "RFC 8725 §3.11")
	token := func(typ string) string { return f.seal(alg, `{"alg":"HS256","typ":`+typ+`}`, claims().String()) }
	absent := f.seal(alg, `{"alg":"HS256"}`, claims().String())
	for _, typ := range []string{
		"refresh+jwt", "refresh", "rt+jwt", "refresh_token", "id+jwt", "id_token", "logout+jwt", "secevent+jwt", "dpop+jwt", "kb+jwt", "sd+jwt", "dc+sd-jwt", "vc+sd-jwt", "entity-statement+jwt",
		"oauth-authz-req+jwt", "token-introspection+jwt", "client-authentication+jwt", "wallet-attestation+jwt", "passport", "JOSE", "JOSE+JSON", "JWE", "JWS", "JWK", "PASETO", "",
		"at+jwt ", " at+jwt", "at + jwt", "at+jwts", "xat+jwt", "at", "jwt+at", "JWT ", " JWT", "JWTS", "XJWT", "JWT\\u0000", "JWT;charset=utf-8", "application/", "application", "application/application/jwt",
		"text/jwt", "image/jwt", "application\\\\jwt", "applicationjwt", "//jwt", "at%2Bjwt", "ＪＷＴ", "JWT, at+jwt", "\u212aWT",
	} {
		g.refuse(usher.ErrTokenType, fmt.Sprintf("typ %q", typ), token(`"`+typ+`"`))
	}
	for _, typ := range []string{`null`, `true`, `1`, `["JWT"]`, `{"typ":"JWT"}`, `[]`} {
		g.refuse(usher.ErrTokenType, "typ "+typ, token(typ))
	}
	for _, typ := range []string{"JWT", "jwt", "Jwt", "at+jwt", "AT+JWT", "at+JWT", "application/jwt", "application/at+jwt", "APPLICATION/AT+JWT", `\u004aWT`, `application\/jwt`} {
		g.by("RFC 7515 §4.1.9").accept(fmt.Sprintf("typ %q", typ), token(`"`+typ+`"`))
	}
	g.by("RFC 7519 §5.1").accept("no typ", absent)
	g.by("RFC 7515 §4.1.9").accept("TYP refresh, which is another name", f.seal(alg, `{"alg":"HS256","TYP":"refresh+jwt"}`, claims().String()))

	for wanted, others := range map[string][]string{
		"at+jwt":      {"JWT", "refresh+jwt", "at", "jwt+at", "", "application/jwt"},
		"refresh+jwt": {"JWT", "at+jwt", "refresh", "", "application/at+jwt"},
		"logout+jwt":  {"JWT", "at+jwt", "secevent+jwt", "logout"},
		"JWT":         {"at+jwt", "refresh+jwt", "JW", ""},
	} {
		g := g.at(f.with("a house for typ "+wanted, func(o *usher.DecoderOptions) { o.Type = wanted }))
		for _, typ := range others {
			g.refuse(usher.ErrTokenType, fmt.Sprintf("typ %q", typ), token(`"`+typ+`"`))
		}
		g.refuse(usher.ErrTokenType, "no typ", absent)
		g.refuse(usher.ErrTokenType, "typ null", token("null"))
		g.accept("the typ", token(`"`+wanted+`"`))
		g.accept("the typ in capitals", token(`"`+strings.ToUpper(wanted)+`"`))
		g.accept("the typ with application/", token(`"application/`+wanted+`"`))
	}
}

// orderCases are tokens with several faults: the first check that fails says why.
func (f *forge) orderCases() {
	alg := usher.HS256
	g := f.group(Order, f.strictHouse(), "CVE-2024-51744")
	faults := []struct {
		name string
		want error
		mend func(m members) members
	}{
		{"exp", usher.ErrTokenExpired, func(m members) members { return m.with("exp", "1") }},
		{"nbf", usher.ErrTokenNotYetValid, func(m members) members { return m.with("nbf", "1900000000") }},
		{"iss", usher.ErrTokenIssuer, func(m members) members { return m.with("iss", `"x"`) }},
		{"aud", usher.ErrTokenAudience, func(m members) members { return m.with("aud", `"x"`) }},
		{"typ", usher.ErrTokenType, func(m members) members { return m }},
		{"sub", usher.ErrTokenClaims, func(m members) members { return m.without("sub") }},
		{"Validate", usher.ErrTokenClaims, func(m members) members { return m.with("role", `"barred"`) }},
	}
	for chosen := 1; chosen < 1<<len(faults); chosen++ {
		m := claims().with("iss", `"https://issuer.example"`).with("aud", `"api"`)
		typ := "JWT"
		var names []string
		var want error
		for i, fault := range faults {
			if chosen>>i&1 == 0 {
				continue
			}
			m = fault.mend(m)
			if fault.name == "typ" {
				typ = "refresh+jwt"
			}
			if want == nil {
				want = fault.want
			}
			names = append(names, fault.name)
		}
		header := `{"alg":"HS256","typ":"` + typ + `"}`
		name := "wrong: " + strings.Join(names, ", ")
		g.refuse(want, name, f.seal(alg, header, m.String()))
		g.refuse(usher.ErrTokenSignature, name+", and forged", f.other.seal(alg, header, m.String()))
		g.refuse(usher.ErrTokenMalformed, name+", and exp twice", f.seal(alg, header, m.plus("exp", "2000000000").plus("exp", "2000000000").String()))
		g.refuse(usher.ErrTokenClaims, name+", and jti a number", f.seal(alg, header, m.plus("jti", "7").String()))
		g.refuse(usher.ErrUnknownKey, name+", and an unknown kid", f.seal(alg, `{"alg":"HS256","kid":"x","typ":"`+typ+`"}`, m.String()))
		g.refuse(usher.ErrTokenMalformed, name+", and crit", f.other.seal(alg, `{"alg":"HS256","kid":"x","crit":["x"],"typ":"`+typ+`"}`, m.String()))
	}
	g.section = "RFC 8725 §3.3"
	for _, payload := range []string{"", "null", "[]", "x", "{", `{"exp":1,"exp":1}`, "\xff", `{"exp":"x"}`, `{"sub":7}`, strings.Repeat("[", 5000)} {
		if payload == "" {
			continue // an empty segment comes before all
		}
		g.refuse(usher.ErrTokenSignature, fmt.Sprintf("the payload %q, and forged", short(payload)), f.other.seal(alg, head(alg), payload))
	}
	h, p, s := parts(f.other.good(alg))
	g.refuse(usher.ErrTokenMalformed, "forged, with a payload that is no base64url", h+"."+p+"!."+s)
	g.refuse(usher.ErrTokenMalformed, "forged, with a signature that is no base64url", h+"."+p+"."+s+"=")
	g.refuse(usher.ErrTokenMalformed, "alg none, with a payload that is no base64url", encode(`{"alg":"none"}`)+"."+p+"!."+s)
	g.refuse(usher.ErrTokenMalformed, "an unknown kid, with a signature that is no base64url", encode(`{"alg":"HS256","kid":"x"}`)+"."+p+"."+s+"=")
	g.refuse(usher.ErrTokenMalformed, "alg none and crit", f.seal(alg, `{"alg":"none","crit":["x"]}`, claims().String()))
	g.refuse(usher.ErrTokenSignature, "alg none and an unknown kid", f.seal(alg, `{"alg":"none","kid":"x"}`, claims().String()))
	g.refuse(usher.ErrTokenTooLarge, "too large and malformed", strings.Repeat("!", 10000))
	g.refuse(usher.ErrTokenTooLarge, "too large, forged and expired", f.other.seal(alg, head(alg), claims().with("exp", "1").with("x", `"`+strings.Repeat("x", 10000)+`"`).String()))
}

// routingCases are shown at a house with several issuers, each with keys of its own.
func (f *forge) routingCases() {
	alg := usher.HS256
	a, b := "https://a.example", "https://b.example"
	houseA := f.with("the house of a.example", func(o *usher.DecoderOptions) { o.Issuer = a })
	houseB := *f.houses[usher.ES256]
	house := &House{Name: "a house with two issuers", Issuers: map[string]*House{a: houseA, b: &houseB}}
	g := f.group(Routing, house, "RFC 8725 §3.8")
	base := claims()
	from := func(iss string) members { return base.with("iss", iss) }
	tokenA := func(m members) string { return f.seal(alg, head(alg), m.String()) }
	tokenB := func(m members) string { return f.seal(usher.ES256, head(usher.ES256), m.String()) }

	g.accept("a token of the one issuer", tokenA(from(`"https://a.example"`)))
	g.accept("a token of the other issuer", tokenB(from(`"https://b.example"`)))
	g.accept("iss escaped", tokenA(from(`"https:\/\/a.example"`)))
	g.refuse(usher.ErrUnknownKey, "the one's key under the other's name", tokenA(from(`"https://b.example"`)))
	g.refuse(usher.ErrUnknownKey, "the other's key under the one's name", tokenB(from(`"https://a.example"`)))
	g.refuse(usher.ErrTokenSignature, "another key under the one's name", f.other.seal(alg, head(alg), from(`"https://a.example"`).String()))
	g.refuse(usher.ErrTokenSignature, "alg none under the one's name", f.seal(alg, `{"alg":"none"}`, from(`"https://a.example"`).String()))
	for _, iss := range []string{`"https://c.example"`, `""`, `"https://a.example/"`, `"https://A.example"`, `"https://a.example "`, `"https://a.example\u0000"`, `"a.example"`, `"null"`, `"__proto__"`} {
		g.refuse(usher.ErrTokenIssuer, "iss "+iss, tokenA(from(iss)))
		g.refuse(usher.ErrTokenIssuer, "iss "+iss+", and forged", f.other.seal(alg, head(alg), from(iss).String()))
	}
	g.refuse(usher.ErrTokenIssuer, "no iss", tokenA(base))
	g.refuse(usher.ErrTokenIssuer, "ISS for iss", tokenA(base.with("ISS", `"https://a.example"`)))
	for _, iss := range []string{`null`, `7`, `true`, `[]`, `["https://a.example"]`, `{}`} {
		g.refuse(usher.ErrTokenClaims, "iss "+iss, tokenA(from(iss)))
	}
	g.refuse(usher.ErrTokenMalformed, "iss twice", tokenA(from(`"https://a.example"`).plus("iss", `"https://b.example"`)))
	g.refuse(usher.ErrTokenMalformed, "iss twice, once escaped", tokenA(from(`"https://a.example"`).plus(`\u0069ss`, `"https://b.example"`)))
	g.refuse(usher.ErrTokenMalformed, "a name twice deep within", tokenA(from(`"https://a.example"`).plus("x", `{"a":1,"a":1}`)))
	for _, c := range textsThatAreNoObject(`"iss":"https://a.example"`) {
		g.refuse(usher.ErrTokenMalformed, "the payload: "+c.name, f.seal(alg, head(alg), c.value))
	}
	g.refuse(usher.ErrTokenExpired, "expired", tokenA(from(`"https://a.example"`).with("exp", "1")))
	h, p, s := parts(tokenA(from(`"https://a.example"`)))
	for name, token := range map[string]string{
		"no signature": h + "." + p + ".", "two parts": h + "." + p, "four parts": h + "." + p + "." + s + "." + s, "nothing": "", "dots": "..",
		"a line feed in the payload": h + "." + p[:8] + "\n" + p[8:] + "." + s, "a padded payload": h + "." + p + "=." + s, "a space in the signature": h + "." + p + "." + s + " ",
	} {
		g.refuse(usher.ErrTokenMalformed, name, token)
	}
	g.refuse(usher.ErrTokenTooLarge, "a megabyte of dots", strings.Repeat(".", 1<<20))
	g.refuse(usher.ErrTokenTooLarge, "9000 letters", strings.Repeat("A", 9000))
}
