package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/go-usher/usher/bench/internal/rounds"
)

func TestEveryContenderIsMeasured(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), rounds.Pace{Rounds: 1, Each: time.Millisecond}, 20_000, &out); err != nil {
		t.Fatal(err)
	}
	for _, c := range contenders() {
		if !strings.Contains(out.String(), "| "+c.name+" |") {
			t.Errorf("%s is missing in\n%s", c.name, &out)
		}
	}
}
