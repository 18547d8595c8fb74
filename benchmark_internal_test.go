package usher

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	stdjson "encoding/json"
	"reflect"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-usher/usher/internal/base64url"
)

// BenchmarkTechnique measures each technique of the decoder beside what it stands in for; docs/adr/0005 quotes
// the ratios.
func BenchmarkTechnique(b *testing.B) {
	type claims struct {
		Claims
		Role   string `json:"role"`
		Tenant string `json:"tenant"`
	}
	const text = `{"iss":"https://issuer.example","sub":"user-1234","aud":"https://api.example","exp":1800000000,` +
		`"iat":1799999100,"jti":"FXE6LNDROUC7EC3OXP2WCKG4IM","role":"editor","tenant":"acme"}`
	const headerText = `{"alg":"HS256","kid":"2026-11","typ":"JWT"}`
	payloadSegment := base64.RawURLEncoding.EncodeToString([]byte(text))
	headerSegment := base64.RawURLEncoding.EncodeToString([]byte(headerText))
	input := headerSegment + "." + payloadSegment
	secret := make([]byte, 32)

	run := func(name string, f func()) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
		})
	}

	var wrong configErrors
	format := newPayloadFormat[claims](&wrong)
	run("payload/usher", func() {
		c := new(claims)
		if _, err := format.decode(text, &c.Claims, reflect.ValueOf(c).Elem(), &DecoderOptions{SubjectClaim: "sub"}); err != nil {
			b.Fatal(err)
		}
	})
	run("payload/json-v2", func() { _ = json.Unmarshal([]byte(text), new(claims)) })
	run("payload/encoding-json", func() { _ = stdjson.Unmarshal([]byte(text), new(claims)) })

	strict := base64.RawURLEncoding.Strict()
	encoded, decoded := make([]byte, 0, 1<<10), make([]byte, 1<<10)
	run("base64/usher", func() { _, _ = base64url.AppendDecode(decoded[:0], payloadSegment) })
	run("base64/encoding-base64", func() { _, _ = strict.Decode(decoded, append(encoded, payloadSegment...)) })

	known := new(headers)
	h, _ := parseHeader(headerSegment)
	known.add(h)
	run("header/remembered", func() { _ = known.find(headerSegment) })
	run("header/parsed", func() { _, _ = parseHeader(headerSegment) })

	pooled, message := newHMAC(HS256, secret), []byte(input)
	sum := make([]byte, 0, sha256.Size)
	run("hmac/pooled", func() { _, _ = pooled.sign(sum, message) })
	run("hmac/new", func() {
		mac := hmac.New(sha256.New, secret)
		mac.Write(message)
		mac.Sum(sum)
	})
}
