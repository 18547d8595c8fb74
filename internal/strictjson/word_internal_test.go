package strictjson

import (
	"strconv"
	"strings"
	"testing"
)

// Every byte at every place, beside bytes that a carry or borrow of the word-wise search could spill over from.
func TestPlainTextsAndQuotesAreFoundWhereverTheyAre(t *testing.T) {
	for _, fill := range []string{"a", " ", "!", "#", "[", "]", "~", "\x7f"} {
		for size := range 36 {
			text := strings.Repeat(fill, size)
			if !isPlain(text) || indexQuote(text, 0) != size {
				t.Errorf("%q: plain %v, quotation mark at %d", text, isPlain(text), indexQuote(text, 0))
			}
			for at := range text {
				for c := range 256 {
					changed := text[:at] + string([]byte{byte(c)}) + text[at+1:]
					if want := c >= ' ' && c < 0x80 && c != '\\'; isPlain(changed) != want {
						t.Errorf("%q: plain %v", changed, !want)
					}
					if got := indexQuote(changed, 0); c < 0x80 && (c == '"') != (got == at) || got > size {
						t.Errorf("%q: quotation mark at %d", changed, got)
					}
				}
				for other := range at {
					two := text[:other] + `"` + text[other+1:at] + `"` + text[at+1:]
					if got := indexQuote(two, 0); got != other {
						t.Errorf("%q: quotation mark at %d", two, got)
					}
					if got := indexQuote(two, other+1); got != at {
						t.Errorf("%q: quotation mark from %d on at %d", two, other+1, got)
					}
				}
			}
		}
	}
}

func TestEightDigitsAreReadAtOnce(t *testing.T) {
	for _, text := range []string{"00000000", "12345678", "87654321", "99999999", "10000000", "00000001", "90909090"} {
		want, _ := strconv.ParseUint(text, 10, 64)
		if got := eightDigits(load64(text)); got != want {
			t.Errorf("%s: got %d", text, got)
		}
		for at := range text {
			for c := range 256 {
				changed := text[:at] + string([]byte{byte(c)}) + text[at+1:]
				if want := '0' <= c && c <= '9'; areDigits(load64(changed)) != want {
					t.Errorf("%q: digits %v", changed, !want)
				}
			}
		}
	}
}

func TestIntegersAreReadExactly(t *testing.T) {
	for text, want := range map[string]int64{
		"": 0, "0": 0, "7": 7, "0000000": 0, "1234567": 1234567, "12345678": 12345678, "123456789": 123456789, "253402300799": 253402300799,
		"999999999999999999": 999999999999999999, "000000000000000001": 1,
	} {
		if got, ok := Integer(text); !ok || got != want {
			t.Errorf("%q: %d, %v", text, got, ok)
		}
	}
	for _, text := range []string{"-1", "+1", " 1", "1 ", "1.0", "1e3", "12345678x", "1234567/", "1234567:", "1000000000000000000", "x"} {
		if got, ok := Integer(text); ok {
			t.Errorf("%q is taken for %d", text, got)
		}
	}
}
