package usher

import (
	"crypto/sha512"
	"encoding/base64"
	"strings"
	"testing"
)

// The standard library's strict decoder, which differs only in skipping line breaks, is the judge.
func TestDecodeBase64AgreesWithTheStandardLibrary(t *testing.T) {
	for size := range 12 {
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(0x9d * (i + 1))
		}
		text := base64.RawURLEncoding.EncodeToString(data)
		for at := range text {
			for c := range 256 {
				changed := text[:at] + string([]byte{byte(c)}) + text[at+1:]
				want, err := base64.RawURLEncoding.Strict().DecodeString(changed)
				valid := err == nil && c != '\n' && c != '\r'
				got, ok := decodeBase64([]byte("before"), changed)
				if ok != valid || ok && string(got) != "before"+string(want) {
					t.Errorf("decodeBase64(%q) = %q, %v; the standard library says %q, %v", changed, got, ok, want, err)
				}
			}
			if _, ok := decodeBase64(nil, text[:at]); ok != (canonical(text[:at])) {
				t.Errorf("decodeBase64(%q) = %v", text[:at], ok)
			}
		}
	}
}

func canonical(text string) bool {
	_, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return err == nil
}

// A stranger's segments cost no memory, however long they are.
func TestSegmentsAreCheckedWithoutAllocations(t *testing.T) {
	for _, size := range []int{2, 200, 511, 512, 514, 5000} {
		segment := strings.Repeat("A", size)
		var err error
		got := testing.AllocsPerRun(20, func() { err = checkSegment(segment) })
		if got != 0 || (err == nil) != canonical(segment) {
			t.Errorf("%d characters: %v allocations, %v", size, got, err)
		}
	}
}

func TestTheLongestSignatureFitsIntoItsRoom(t *testing.T) {
	var state hmacState
	signature := base64url.EncodeToString(make([]byte, sha512.Size))
	if got, ok := decodeBase64(state.signature[:0], signature); !ok || &got[0] != &state.signature[0] {
		t.Errorf("%d characters are decoded elsewhere, or not at all: %v", len(signature), ok)
	}
	key := newHMAC(HS512, make([]byte, sha512.Size))
	longer := strings.Repeat("A", 100)
	if got := testing.AllocsPerRun(20, func() { key.verify("input", longer) }); got != 0 {
		t.Errorf("a longer one takes %v allocations", got)
	}
}
