package base64url_test

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/go-usher/usher/internal/base64url"
)

// standard is the reference. It differs only in skipping line breaks.
var standard = base64.RawURLEncoding.Strict()

func isCanonical(text string) bool {
	_, err := standard.DecodeString(text)
	return err == nil && !strings.ContainsAny(text, "\r\n")
}

func TestAppendDecodeAgreesWithTheStandardLibrary(t *testing.T) {
	for size := range 12 {
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(0x9d * (i + 1))
		}
		text := base64.RawURLEncoding.EncodeToString(data)
		for at := range text {
			for c := range 256 {
				changed := text[:at] + string([]byte{byte(c)}) + text[at+1:]
				want, err := standard.DecodeString(changed)
				got, ok := base64url.AppendDecode([]byte("before"), changed)
				if ok != isCanonical(changed) || ok && string(got) != "before"+string(want) {
					t.Errorf("AppendDecode(%q) = %q, %v; the standard library says %q, %v", changed, got, ok, want, err)
				}
			}
			if _, ok := base64url.AppendDecode(nil, text[:at]); ok != isCanonical(text[:at]) {
				t.Errorf("AppendDecode(%q) = %v", text[:at], ok)
			}
		}
	}
}

// Every length up to a few pieces, and faults where one piece ends and the next begins.
func TestDecodeAgreesWithTheStandardLibraryAtEveryLength(t *testing.T) {
	all := strings.Repeat("Ab0_-z9Z", 200)
	for size := range len(all) {
		text := all[:size]
		want, err := standard.DecodeString(text)
		got, ok := base64url.Decode(text)
		if ok != (err == nil) || ok && got != string(want) {
			t.Errorf("%d characters: %v; the standard library says %v", size, ok, err)
		}
		if base64url.IsCanonical(text) != ok {
			t.Errorf("%d characters: canonical: %v", size, !ok)
		}
		for _, at := range []int{size - 1, size / 2, 511, 512, 513} {
			if at < 0 || at >= size {
				continue
			}
			if _, ok := base64url.Decode(text[:at] + "=" + text[at+1:]); ok {
				t.Errorf("%d characters: padding at %d was accepted", size, at)
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, text := range []string{"", "A", "AA", "Ab0_", "Ab0_-z9", "Ab0_\n", "Ab0=", strings.Repeat("Ab0_-z9Z", 65)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		want := isCanonical(text)
		got, ok := base64url.Decode(text)
		if ok != want || base64url.IsCanonical(text) != want {
			t.Fatalf("%q: %v and %v, want %v", text, ok, base64url.IsCanonical(text), want)
		}
		if ok && base64url.EncodeToString([]byte(got)) != text {
			t.Errorf("%q is decoded as %q", text, got)
		}
	})
}

func TestEncodingAndDecodingAreInverse(t *testing.T) {
	for size := range 70 {
		data := bytes.Repeat([]byte{0xfb}, size)
		text := base64url.EncodeToString(data)
		if len(text) != base64url.EncodedLen(size) || string(base64url.AppendEncode([]byte("a"), data)) != "a"+text {
			t.Errorf("%d bytes are encoded as %q", size, text)
		}
		if got, ok := base64url.Decode(text); !ok || got != string(data) {
			t.Errorf("%d bytes are decoded as %q, %v", size, got, ok)
		}
	}
}

func TestIsCanonicalAllocatesNothing(t *testing.T) {
	for _, size := range []int{2, 200, 511, 512, 514, 5000} {
		text := strings.Repeat("A", size)
		var ok bool
		got := testing.AllocsPerRun(20, func() { ok = base64url.IsCanonical(text) })
		if got != 0 || ok != isCanonical(text) {
			t.Errorf("%d characters: %v allocations, %v", size, got, ok)
		}
	}
}

func TestAppendDecodeUsesTheSpaceOfItsDestination(t *testing.T) {
	buffer := make([]byte, 0, 64+2)
	text := base64url.EncodeToString(make([]byte, 64))
	if got, ok := base64url.AppendDecode(buffer, text); !ok || &got[0] != &buffer[:1][0] {
		t.Errorf("%d characters are decoded elsewhere, or not at all: %v", len(text), ok)
	}
}
