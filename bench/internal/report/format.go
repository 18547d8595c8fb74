// Package report writes figures as people read them.
package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Nanos writes a duration in nanoseconds with three digits that count and the unit that suits it.
func Nanos(ns float64) string {
	switch size := math.Abs(ns); {
	case size < 999.5:
		return Digits(ns) + " ns"
	case size < 999.5e3:
		return Digits(ns/1e3) + " µs"
	default:
		return Digits(ns/1e6) + " ms"
	}
}

// Digits writes a number with about three digits that count, and at most two after the point unless it is tiny.
func Digits(x float64) string {
	switch size := math.Abs(x); {
	case size < 0.0995:
		return strconv.FormatFloat(x, 'f', 3, 64)
	case size < 9.995:
		return strconv.FormatFloat(x, 'f', 2, 64)
	case size < 99.95:
		return strconv.FormatFloat(x, 'f', 1, 64)
	default:
		return strconv.FormatFloat(x, 'f', 0, 64)
	}
}

// Times3 writes a factor.
func Times3(x float64) string { return Digits(x) + " ×" }

// Count writes a number of allocations, which is whole unless something is allocated now and then; above ten,
// nobody minds.
func Count(x float64) string {
	if x >= 10 || math.Abs(x-math.Round(x)) < 0.05 {
		return strconv.FormatFloat(math.Round(x), 'f', 0, 64)
	}
	return strconv.FormatFloat(x, 'f', 1, 64)
}

// Thousands writes 1000000 as 1,000,000.
func Thousands(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// Mebibytes writes a number of bytes.
func Mebibytes(bytes float64) string { return Digits(bytes/(1<<20)) + " MiB" }

// Row writes a line of a Markdown table.
func Row(b *strings.Builder, cells ...string) {
	fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
}
