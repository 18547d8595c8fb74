package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// nanos writes a duration in nanoseconds with three digits that count and the unit that suits it.
func nanos(ns float64) string {
	switch size := math.Abs(ns); {
	case size < 999.5:
		return digits(ns) + " ns"
	case size < 999.5e3:
		return digits(ns/1e3) + " µs"
	default:
		return digits(ns/1e6) + " ms"
	}
}

// digits writes a number with about three digits that count, and at most two after the point unless it is tiny.
func digits(x float64) string {
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

// times3 writes a factor.
func times3(x float64) string { return digits(x) + " ×" }

// count writes a number of allocations, which is whole unless something is allocated now and then; above ten,
// nobody minds.
func count(x float64) string {
	if x >= 10 || math.Abs(x-math.Round(x)) < 0.05 {
		return strconv.FormatFloat(math.Round(x), 'f', 0, 64)
	}
	return strconv.FormatFloat(x, 'f', 1, 64)
}

// thousands writes 1000000 as 1,000,000.
func thousands(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func mebibytes(bytes float64) string { return digits(bytes/(1<<20)) + " MiB" }

// row writes a line of a Markdown table.
func row(b *strings.Builder, cells ...string) {
	fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
}
