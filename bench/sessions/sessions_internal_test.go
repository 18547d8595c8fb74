package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-usher/usher/bench/internal/report"
	"github.com/go-usher/usher/bench/internal/rounds"
)

func withoutServers(t *testing.T) {
	t.Helper()
	for _, variable := range []string{"USHER_TEST_REDIS_URL", "USHER_TEST_POSTGRES_URL", "USHER_TEST_MARIADB_DSN"} {
		t.Setenv(variable, "")
	}
}

// quickly runs what the arguments ask for, in two short rounds, and returns sessions.md.
func quickly(t *testing.T, args ...string) string {
	t.Helper()
	out := t.TempDir()
	var stdout, stderr bytes.Buffer
	args = append([]string{"-rounds", "2", "-each", "1ms", "-out", out}, args...)
	if err := run(t.Context(), args, &stdout, &stderr); err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	text, err := os.ReadFile(filepath.Join(out, "sessions.md"))
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != stdout.String() {
		t.Error("it prints something else than it writes")
	}
	return string(text)
}

func TestStoresWithoutAServerAreMeasuredAndTheOthersNamed(t *testing.T) {
	withoutServers(t)
	text := quickly(t)
	for _, want := range []string{
		"## Memory", "## SQLite", "| refresh | ", "| Check | ", "| UPDATE of one row | ",
		"Redis is left out, since USHER_TEST_REDIS_URL is not set.",
		"PostgreSQL is left out, since USHER_TEST_POSTGRES_URL is not set.",
		"PostgreSQL, disk later is left out, since USHER_TEST_POSTGRES_URL is not set.",
		"MariaDB is left out, since USHER_TEST_MARIADB_DSN is not set.",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "## Redis") || strings.Contains(text, "## Target") {
		t.Errorf("the report has figures that nobody measured:\n%s", text)
	}
}

func TestEveryStoreWithAServerIsMeasured(t *testing.T) {
	for _, test := range []struct{ name, only, variable string }{
		{"Redis", "^Redis$", "USHER_TEST_REDIS_URL"},
		{"PostgreSQL", "^PostgreSQL$", "USHER_TEST_POSTGRES_URL"},
		{"PostgreSQL, disk later", "later$", "USHER_TEST_POSTGRES_URL"},
		{"MariaDB", "^MariaDB$", "USHER_TEST_MARIADB_DSN"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if os.Getenv(test.variable) == "" {
				t.Skipf("%s is not set", test.variable)
			}
			text := quickly(t, "-only", test.only)
			if strings.Count(text, "\n## "+test.name+"\n") != 1 || strings.Contains(text, "NaN") || !strings.Contains(text, "| refresh | ") {
				t.Errorf("the report lacks the store, or some of its figures:\n%s", text)
			}
		})
	}
}

func TestTheTargetIsJudgedByThePairsOfEachRound(t *testing.T) {
	redis := measuredStore{store: store{name: "Redis", target: rawPing, note: "A note."}, version: "Redis 7"}
	r := &results{
		date: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), command: "go run ./bench/sessions", pace: rounds.Pace{Rounds: 3, Each: time.Second},
		machine: report.Machine{Cores: 2}, stores: []measuredStore{redis},
		figures: []rounds.Figures{
			// The machine was half as fast in the second round: for both, so that it changes nothing.
			{ID: "Redis/1", Cells: []rounds.Figure{
				{Name: opRefresh, Ns: []float64{40_000, 80_000, 40_000}, Allocs: 34},
				{Name: rawPing, Ns: []float64{25_000, 50_000, 26_000}, Allocs: 6},
			}},
			{ID: "Redis/16", Cells: []rounds.Figure{
				{Name: opRefresh, Ns: []float64{40_000, 40_000, 40_000}},
				{Name: rawPing, Ns: []float64{20_000, 20_000, 30_000}},
			}},
		},
	}
	text := r.markdown()
	for _, want := range []string{
		"at least 60 % of the raw",
		"| Redis | 1 | 25,000 | PING: 38,461 | 0.62 × | met |",
		"| Redis | 16 | 25,000 | PING: 50,000 | 0.50 × | **missed** |",
		"|  | 1 client, per second | refresh : this | allocations | 16 clients, per second | refresh : this | allocations |",
		"| PING | 38,461 | 0.62 × | 6 | 50,000 | 0.50 × | 0 |",
		"A note.\n\nRedis 7.",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q:\n%s", want, text)
		}
	}
}

func TestFlagsThatMeanNothingAreRefused(t *testing.T) {
	withoutServers(t)
	for _, args := range [][]string{{"redis"}, {"-only", "("}, {"-only", "no such store"}, {"-only", "Redis"}, {"-no-such-flag"}} {
		var stdout, stderr bytes.Buffer
		if err := run(t.Context(), append([]string{"-out", t.TempDir()}, args...), &stdout, &stderr); err == nil {
			t.Errorf("%q is accepted", args)
		}
	}
}

func TestOnlyAFullRunWritesIntoTheRepository(t *testing.T) {
	for _, args := range [][]string{{"-quick"}, {"-only", "SQLite"}} {
		o, err := parseFlags(args, &bytes.Buffer{})
		if err != nil || !strings.HasPrefix(o.out, os.TempDir()) {
			t.Errorf("%q would write into %q, %v", args, o.out, err)
		}
	}
	t.Chdir("..") // the module's folder
	if o, err := parseFlags(nil, &bytes.Buffer{}); err != nil || o.out != "." {
		t.Errorf("a full run would write into %q, %v; want the module's folder", o.out, err)
	}
}
