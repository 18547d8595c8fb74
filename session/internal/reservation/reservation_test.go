package reservation_test

import (
	"strings"
	"testing"

	"github.com/go-usher/usher/session/internal/reservation"
)

func TestDecodeReturnsWhatWasEncoded(t *testing.T) {
	known := reservation.New("login", "ada", "192.0.2.1")
	known.Known = true
	for _, want := range []reservation.Reservation{
		reservation.New("login", "ada", "192.0.2.1"),
		reservation.New("signup", "", "2001:db8::/64"),
		reservation.New("step", strings.Repeat("a:", 10_000), ""),
		known,
	} {
		if got, ok := reservation.Decode(want.Encode()); !ok || got != want {
			t.Errorf("Decode(%q) = %+v, %v; want %+v", want.Encode(), got, ok, want)
		}
	}
}

func TestDecodeRefusesMalformedTexts(t *testing.T) {
	valid := reservation.New("login", "ada", "192.0.2.1").Encode()
	for _, text := range []string{
		"", "x", valid[:10], valid[1:], "?" + valid[1:], valid + ":x", "-a" + valid[1:],
		strings.Replace(valid, ":", ":x", 1), strings.Replace(valid, ":login", "x:login", 1), "-::" + "short:login",
	} {
		if r, ok := reservation.Decode(text); ok {
			t.Errorf("Decode(%q) = %+v; want it refused", text, r)
		}
	}
}

func TestReservationsDifferByKindAccountAndClient(t *testing.T) {
	seen := map[reservation.Reservation]string{}
	for _, names := range [][3]string{{"login", "ada", "1"}, {"step", "ada", "1"}, {"login", "bob", "1"}, {"login", "ada", "2"}, {"login", "", "1"}, {"login", "1", "ada"}} {
		r := reservation.New(names[0], names[1], names[2])
		if other, ok := seen[r]; ok {
			t.Errorf("%v has the same reservation as %s", names, other)
		}
		seen[r] = strings.Join(names[:], ", ")
	}
}
