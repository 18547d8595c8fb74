package quote_test

import (
	"strings"
	"testing"

	"github.com/go-usher/usher/internal/quote"
)

func TestTextIsShortPrintableASCII(t *testing.T) {
	for text, want := range map[string]string{
		"":                      `""`,
		"RS256":                 `"RS256"`,
		"a\"\n\x1b[31mключ\xff": `"a\"\n\x1b[31m\u043a\u043b\u044e\u0447\xff"`,
		strings.Repeat("x", 64): `"` + strings.Repeat("x", 64) + `"`,
		strings.Repeat("x", 65): `"` + strings.Repeat("x", 64) + `"... (65 bytes)`,
		strings.Repeat("é", 33): `"` + strings.Repeat(`\u00e9`, 32) + `"... (66 bytes)`,
	} {
		if got := quote.Text(text); got != want {
			t.Errorf("%q is shown as %s, want %s", text, got, want)
		}
	}
}

func TestTruncateKeepsShortTexts(t *testing.T) {
	for text, want := range map[string]string{"": "", "abc": "abc", "abcd": "abc...", "a\nb": "a\nb", "aéx": "aé..."} {
		if got := quote.Truncate(text, 3); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
