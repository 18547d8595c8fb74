// Package unixtime reads and writes times as JSON numbers: seconds since 1970, with an optional fraction.
package unixtime

import (
	"strconv"
	"strings"
	"time"

	"github.com/go-usher/usher/internal/strictjson"
)

// Max is the last second of the year 9999, the limit of RFC 3339 and of most databases. Times are between 0 and Max.
const Max = 253402300799

// Append appends t to dst, with a fraction if it has one. It returns false if t is out of range.
func Append(dst []byte, t time.Time) ([]byte, bool) {
	seconds, nanos := t.Unix(), t.Nanosecond()
	if seconds < 0 || seconds > Max || seconds == Max && nanos > 0 {
		return dst, false
	}
	dst = strconv.AppendInt(dst, seconds, 10)
	if nanos == 0 {
		return dst, true
	}
	fraction := strconv.Itoa(1e9 + nanos) // "1" and nine digits
	return append(append(dst, '.'), strings.TrimRight(fraction[1:], "0")...), true
}

// Parse reads a JSON number digit by digit and drops digits beyond the nanoseconds. A float64 would lose precision, and
// converting a large one to an integer would overflow. The time is in UTC. Parse returns false if it is out of range.
func Parse(number string) (time.Time, bool) {
	if seconds, ok := strictjson.Integer(number); ok {
		return time.Unix(seconds, 0).UTC(), seconds <= Max
	}
	if number[0] == '-' { // refuses -0 too, since the code below ignores signs
		return time.Time{}, false
	}
	mantissa, exponent := number, 0
	if i := strings.IndexAny(number, "eE"); i >= 0 {
		const far = 1 << 30 // larger than any useful exponent
		n, _ := strconv.Atoi(number[i+1:])
		mantissa, exponent = number[:i], min(max(n, -far), far)
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	all := whole + fraction
	text := strings.TrimLeft(all, "0")
	point := len(whole) + exponent - (len(all) - len(text)) // the number of digits of text before the decimal point
	if text == "" {
		point = 0
	}
	if point > len("253402300799") {
		return time.Time{}, false
	}
	text = strings.Repeat("0", min(max(0, -point), 9)) + text + "000000000000" + "000000000"
	point = max(0, point)
	seconds, _ := strictjson.Integer(text[:point])
	nanos, _ := strictjson.Integer(text[point : point+9])
	more := strings.Trim(text[point:], "0") != ""
	return time.Unix(seconds, nanos).UTC(), seconds < Max || seconds == Max && !more
}
