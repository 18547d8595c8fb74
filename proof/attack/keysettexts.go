package attack

import (
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/go-usher/usher"
)

const (
	largestSet = 1 << 20 // bytes
	mostKeys   = 256
)

func decoded(text string) []byte {
	return usher.Must(base64.RawURLEncoding.DecodeString(text)) // b64 wrote it
}

// wholeCases are texts whose form, or whose keys together, decide about them. Each is served, and read as one's own.
func (m keyMint) wholeCases() []SetCase {
	cases := append(m.formCases(), m.sizeCases()...)
	return append(cases, m.togetherCases()...)
}

func (m keyMint) formCases() []SetCase {
	const strict = "RFC 8259 §2, RFC 7517 §5"
	set := string(setOf(m.good))
	var cases []SetCase
	for name, text := range map[string]string{
		"a set":                   set,
		"a byte order mark":       "\ufeff" + set,
		"white space":             " \n\t\r" + set + " \n",
		"more members":            strings.Replace(set, "{", `{"next":null,"KEYS":[],"expires":1,`, 1),
		"a set of one key, twice": string(setOf(m.good, m.good)),
	} {
		cases = append(cases, SetCase{Name: name, Section: strict, Text: []byte(text), Want: SetAccepted, Keys: 1})
	}
	for name, text := range map[string]string{
		"nothing":                 "",
		"a page":                  "<!doctype html><title>Sign in</title>" + set,
		"a list of keys":          "[" + m.good + "]",
		"a string":                `"` + strings.ReplaceAll(set, `"`, `\"`) + `"`,
		"a number":                "1",
		"null":                    "null",
		"two sets":                set + set,
		"text after the set":      set + "x",
		"a set cut off":           set[:len(set)-1],
		"a comment":               set + "// keys",
		"a trailing comma":        strings.Replace(set, "]}", ",]}", 1),
		"single quotes":           strings.ReplaceAll(set, `"`, "'"),
		"a zero byte after it":    set + "\x00",
		"two byte order marks":    "\ufeff\ufeff" + set,
		"UTF-16":                  string(utf16(set, true)),
		"not UTF-8":               strings.Replace(set, `"good"`, "\"good\xff\"", 1),
		"half a surrogate":        strings.Replace(set, `"good"`, `"\ud800"`, 1),
		"a control character":     strings.Replace(set, `"good"`, "\"go\nod\"", 1),
		"not a number":            strings.Replace(set, "{", `{"expires":NaN,`, 1),
		"keys twice":              strings.Replace(set, "{", `{"keys":[],`, 1),
		"kid twice in a key":      strings.Replace(set, `"kid"`, `"kid":"evil","kid"`, 1),
		"kty twice, once escaped": strings.Replace(set, `"kid"`, `"\u006bty":"oct","kid"`, 1),
		"a name twice, deep":      strings.Replace(set, `"kid"`, `"more":{"a":1,"a":2},"kid"`, 1),
	} {
		cases = append(cases, SetCase{Name: name, Section: strict, Text: []byte(text), Want: SetRefused})
	}
	for name, text := range map[string]string{
		"an empty object": "{}", "an error page in JSON": `{"error":"maintenance"}`, "keys in another case": `{"Keys":[` + m.good + `]}`,
		"keys is null": `{"keys":null}`, "keys is an object": `{"keys":{"good":` + m.good + `}}`, "keys is a string": `{"keys":"good"}`,
		"an empty set": `{"keys":[]}`, "a set of null": `{"keys":[null]}`, "a set of a string": `{"keys":["good"]}`, "a set of a list": `{"keys":[[` + m.good + `]]}`,
	} {
		cases = append(cases, SetCase{Name: name, Section: "RFC 7517 §5", Text: []byte(text), Want: SetRefused})
	}
	return cases
}

func (m keyMint) sizeCases() []SetCase {
	const section = "the limits of package jwks"
	set := string(setOf(m.good))
	deep := func(levels int) string {
		return strings.Replace(set, `"kid"`, `"more":`+strings.Repeat("[", levels)+strings.Repeat("]", levels)+`,"kid"`, 1)
	}
	distinct := func(count int) []byte {
		keys := []string{m.good}
		for i := 1; i < count; i++ {
			keys = append(keys, public(m.p256).with(jwk{"kid": fmt.Sprint("key ", i)}).text())
		}
		return setOf(keys...)
	}
	return []SetCase{
		{Name: "256 keys", Section: section, Text: distinct(mostKeys), Want: SetAccepted, Keys: mostKeys},
		{Name: "257 keys", Section: section, Text: distinct(mostKeys + 1), Want: SetRefused, Reason: "257 keys"},
		{Name: "1,000 keys", Section: section, Text: distinct(1000), Want: SetRefused, Reason: "1000 keys"},
		{Name: "1 MiB", Section: section, Text: []byte(set + strings.Repeat(" ", largestSet-len(set))), Want: SetAccepted, Keys: 1},
		{Name: "1 MiB and a byte", Section: section, Text: []byte(set + strings.Repeat(" ", largestSet+1-len(set))), Want: SetRefused, Reason: "1048576"},
		{Name: "1,000 levels", Section: "RFC 8259 §9", Text: []byte(deep(1000)), Want: SetAccepted, Keys: 1},
		{Name: "20,000 levels", Section: "RFC 8259 §9", Text: []byte(deep(20_000)), Want: SetRefused},
		{Name: "250,000 levels that never end", Section: "RFC 8259 §9", Text: []byte(`{"keys":` + strings.Repeat("[", 250_000)), Want: SetRefused},
	}
}

// togetherCases are keys each of which would be right alone.
func (m keyMint) togetherCases() []SetCase {
	const section = "RFC 7517 §4.5"
	one, other := public(m.p256), public(m.other).with(jwk{"kid": "case"})
	ed := public(m.ed)
	otherEd := ed.with(jwk{"x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}) // RFC 8037 A.2
	both := func(name string, a, b jwk, order ...string) []SetCase {
		text := setOf(append([]string{a.text(), b.text(), m.good}, order...)...)
		return []SetCase{{Name: name, Section: section, Text: text, Want: SetSkipped, Keys: 1, Reason: "differs from another key"}}
	}
	cases := both("two keys under one kid", one, other)
	cases = append(cases, both("two keys under one kid, and the first again", one, other, one.text())...)
	cases = append(cases, both("two keys under one kid, one of them with its alg", one, other.with(jwk{"alg": "ES256"}))...)
	cases = append(cases, both("two keys under one kid, by the two names of Ed25519", ed.with(jwk{"alg": "EdDSA"}), otherEd.with(jwk{"alg": "Ed25519"}))...)
	return append(cases,
		SetCase{Name: "two types of key under one kid", Section: section, Text: setOf(one.text(), ed.text(), m.good), Want: SetAccepted, Keys: 3},
		SetCase{Name: "two algorithms of one key under one kid", Section: section, Text: setOf(
			public(m.rsa).with(jwk{"alg": "RS256"}).text(), public(m.rsa).with(jwk{"alg": "PS256"}).text(), m.good), Want: SetAccepted, Keys: 3},
		SetCase{Name: "two keys without kid", Section: section, Text: setOf(
			one.with(jwk{"kid": nil}).text(), other.with(jwk{"kid": nil}).text(), m.good), Want: SetAccepted, Keys: 3},
	)
}
