package usher

import (
	"crypto/sha512"
	"encoding/base64"
	"errors"
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

// The places where one piece ends and the next begins.
func TestDecodeTextAgreesWithTheStandardLibraryAtEveryLength(t *testing.T) {
	all := strings.Repeat("Ab0_-z9Z", 200)
	for size := range len(all) {
		text := all[:size]
		want, err := base64.RawURLEncoding.Strict().DecodeString(text)
		got, failure := decodeText(text)
		if (failure == nil) != (err == nil) || err == nil && got != string(want) {
			t.Errorf("%d characters: %v; the standard library says %v", size, failure, err)
		}
		if checked := checkSegment(text); !errors.Is(checked, failure) {
			t.Errorf("%d characters: %v, and %v when they are only checked", size, failure, checked)
		}
		for _, at := range []int{size - 1, size / 2, 511, 512, 513} {
			if at < 0 || at >= size {
				continue
			}
			if _, err := decodeText(text[:at] + "=" + text[at+1:]); err == nil {
				t.Errorf("%d characters: padding at %d was accepted", size, at)
			}
		}
	}
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
