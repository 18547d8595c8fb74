package unixtime_test

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/go-usher/usher/internal/strictjson"
	"github.com/go-usher/usher/internal/unixtime"
)

// times are JSON numbers, and the nanoseconds since 1970 that they mean.
var times = map[string]int64{
	"0":                       0,
	"1":                       1e9,
	"1893553445":              1893553445e9,
	"0.5":                     5e8,
	"0.000000001":             1,
	"1.000000001":             1000000001,
	"1893553445.123456789":    1893553445123456789,
	"1893553445.123":          1893553445123e6,
	"1893553445.0":            1893553445e9,
	"1e3":                     1000e9,
	"1E3":                     1000e9,
	"1e+3":                    1000e9,
	"1e0":                     1e9,
	"1.5e3":                   1500e9,
	"1.893553445e9":           1893553445e9,
	"1893553445123e-3":        1893553445123e6,
	"15e-1":                   1500e6,
	"1e-9":                    1,
	"0e640":                   0,
	"0.000e-640":              0,
	"5e-11":                   0,
	"1e-99999999999999999999": 0,
	"0.00000000000000000000000000000000000000000000000000001e62": 1e18,
	"0.0":                       0,
	"0e5":                       0,
	"0e-5":                      0,
	"1.00000000000000000000":    1e9,
	"0.00000000000000000001":    0,
	"1.9999999999":              1999999999, // digits beyond nanoseconds are dropped
	"100000000000000000000e-20": 1e9,
	"0e99":                      0,
	"1e-99":                     0,
}

func TestParseReadsEveryFormOfANumber(t *testing.T) {
	for text, nanos := range times {
		if got, ok := unixtime.Parse(text); !ok || got.UnixNano() != nanos || got.Location() != time.UTC {
			t.Errorf("%s: %v, %v", text, got, ok)
		}
	}
	for _, text := range []string{"253402300799", "253402300799.0", "2.53402300799e11"} {
		if got, ok := unixtime.Parse(text); !ok || got.Unix() != unixtime.Max || got.Nanosecond() != 0 {
			t.Errorf("the last second, %s: %v, %v", text, got, ok)
		}
	}
}

func TestParseRefusesTimesOutOfRange(t *testing.T) {
	for _, text := range []string{
		"-1", "-0.5", "-1e-9", "-0", "-0e-11", "-5e-11", "-1e-10", "-1e-99", "-0e640", "-253402300800e-99",
		"253402300800", "253402300799.1", "253402300799.000000001", "2534023008e2", "1e12", "1e300", "1e999", "1e99999999999999999999",
		"9223372036854775807", "9223372036854775808", "18446744073709551616", "18446744073709551617", "99999999999999999999999999999999999",
	} {
		if got, ok := unixtime.Parse(text); ok {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestAppendWritesNoMoreDigitsThanNeeded(t *testing.T) {
	for _, test := range []struct {
		in   time.Time
		want string // "" if it is out of range
	}{
		{time.Unix(0, 0), "0"},
		{time.Unix(1893553445, 0).In(time.FixedZone("east", 3600)), "1893553445"},
		{time.Unix(1893553445, 123456789), "1893553445.123456789"},
		{time.Unix(1893553445, 500_000_000), "1893553445.5"},
		{time.Unix(0, 1), "0.000000001"},
		{time.Unix(unixtime.Max, 0), "253402300799"},
		{time.Unix(unixtime.Max, 1), ""},
		{time.Unix(unixtime.Max+1, 0), ""},
		{time.Unix(-1, 0), ""},
		{time.Unix(0, -1), ""},
		{time.Time{}, ""},
		{time.Unix(1<<60, 0), ""},
	} {
		got, ok := unixtime.Append([]byte("at "), test.in)
		if string(got) != "at "+test.want || ok != (test.want != "") {
			t.Errorf("%v: %s, %v, want %q", test.in, got, ok, test.want)
		}
	}
}

func TestAppendWritesWhatParseReads(t *testing.T) {
	for text, nanos := range times {
		written, ok := unixtime.Append(nil, time.Unix(0, nanos))
		if again, readable := unixtime.Parse(string(written)); !ok || !readable || again.UnixNano() != nanos {
			t.Errorf("%s: written as %s, read as %v", text, written, again)
		}
	}
}

// Parse agrees with exact arithmetic for every number that math/big reads.
func FuzzParse(f *testing.F) {
	for text := range times {
		f.Add(text)
	}
	for _, text := range []string{"-1", "-0", "253402300799", "253402300799.000000001", "2534023008e2", "9223372036854775808"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !strictjson.IsNumber(text) {
			return
		}
		if _, exponent, _ := strings.Cut(strings.ToLower(text), "e"); len(exponent) > 4 { // slow, or an error of math/big
			return
		}
		exact, ok := new(big.Rat).SetString(text)
		if !ok {
			t.Fatalf("math/big does not read %s", text)
		}
		inRange := text[0] != '-' && exact.Cmp(big.NewRat(unixtime.Max, 1)) <= 0
		got, ok := unixtime.Parse(text)
		if ok != inRange {
			t.Fatalf("%s: %v, %v, want %v", text, got, ok, inRange)
		}
		if !ok {
			return
		}
		exact.Mul(exact, big.NewRat(1e9, 1))
		nanos := new(big.Int).Quo(exact.Num(), exact.Denom())
		read := new(big.Int).Add(new(big.Int).Mul(big.NewInt(got.Unix()), big.NewInt(1e9)), big.NewInt(int64(got.Nanosecond())))
		if read.Cmp(nanos) != 0 {
			t.Errorf("%s: %v nanoseconds, want %v", text, read, nanos)
		}
	})
}
