package usher

import (
	"encoding/base64"
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
