package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-usher/usher/bench/internal/report"
	"github.com/go-usher/usher/bench/internal/rounds"
)

// made is a run with figures that are easy to reckon with: usher 1 µs, warm 0.2 µs, golang-jwt 6 µs, jwx 0.5 µs.
func made() *results {
	return &results{
		Date: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Command: "go run ./bench", Pace: rounds.Pace{Rounds: 3, Each: time.Millisecond},
		Machine: report.Machine{Go: "go1.26", CPU: "a <fast> CPU", Cores: 2},
		Sets: []rounds.Figures{{ID: "middleware/HS256/8", Cells: []rounds.Figure{
			{Name: nameNoAuth, Procs: 1, Ns: []float64{10, 10, 10}},
			{Name: nameFloor, Procs: 1, Ns: []float64{100, 200, 100}, Allocs: 3},
			{Name: nameUsher, Procs: 1, Ns: []float64{1000, 2000, 1000}, Allocs: 5},
			{Name: nameUsherWarm, Procs: 1, Ns: []float64{200, 400, 200}, Allocs: 3},
			{Name: nameGolangJWT, Procs: 1, Ns: []float64{6000, 12000, 6000}, Allocs: 70},
			{Name: jwx().name, Procs: 1, Ns: []float64{500, 1000, 500}, Allocs: 9},
			{Name: auth0().name, Procs: 1, Absent: "unsupported"},
		}}},
		Flood: &flooded{Tokens: 1_000_000, CacheSize: 10_000, Baseline: 1 << 20,
			Heap: []uint64{10 << 20, 10 << 20, 18 << 20}, Hot: []hotToken{{Every: 1000, Uses: 100, Hits: 98}}},
	}
}

func TestReportShowsFiguresFactorsAndLosses(t *testing.T) {
	text := made().markdown()
	for _, want := range []string{
		"| golang-jwt by hand | 6.00 µs · 6.00 × · 70 |",
		"| **usher** | 1.00 µs · 5 |",
		"| lestrrat-go/jwx by hand | 500 ns · 0.50 × · 9 |",
		"- `middleware/HS256/8`: lestrrat-go/jwx by hand takes 500 ns, usher 1.00 µs (100 % more)",
		"| ≥ 5 × faster than golang-jwt by hand | 6.00 × (1.00 µs against 6.00 µs) | met |",
		"| ≤ 1.6 × the floor | 2.00 × (200 ns against 100 ns) | **missed** |",
		"| a token used once in 1,000 others stays a hit | used once in 1,000 tokens: 98 hits of 100 | **missed** |",
		"10.0 MiB after the first tenth, 18.0 MiB at the end, of which the decoder has 17.0 MiB | **missed** |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("missing: %s", want)
		}
	}
	if strings.Contains(text, " ES256 |") || strings.Contains(text, "whole middleware, ES256") {
		t.Error("shows ES256, which has not been measured")
	}
	if t.Failed() {
		t.Log(text)
	}
}

func TestReportSaysSoWhenNothingIsLost(t *testing.T) {
	r := made()
	r.Sets[0].Cells = r.Sets[0].Cells[:5]
	if text := r.markdown(); !strings.Contains(text, "In none of the comparisons") || strings.Contains(text, "Too close") {
		t.Error(text)
	}
}

func TestReportTellsPlainLossesFromCloseOnes(t *testing.T) {
	r := made()
	r.Sets[0].Cells[5].Ns = []float64{999, 1999, 1001} // ahead in two rounds of three
	if text := r.markdown(); !strings.Contains(text, "In none of the comparisons") || !strings.Contains(text, "Too close") {
		t.Error(text)
	}
}

func TestTargetsUsePairsOfTheSameRound(t *testing.T) {
	r := made()
	r.Sets = append(r.Sets, rounds.Figures{ID: "scaling/HS256/8", Cells: []rounds.Figure{
		{Name: nameFloor, Procs: 1, Ns: []float64{100, 300, 100}}, {Name: nameFloor, Procs: 2, Ns: []float64{50, 150, 50}},
		{Name: nameUsherWarm, Procs: 1, Ns: []float64{190, 570, 190}}, {Name: nameUsherWarm, Procs: 2, Ns: []float64{100, 300, 100}},
	}}, rounds.Figures{ID: "middleware/ES256/8", Cells: []rounds.Figure{
		{Name: nameUsher, Procs: 1, Ns: []float64{50_000, 90_000, 50_000}}, {Name: nameRaw, Procs: 1, Ns: []float64{43_500, 83_500, 43_500}},
	}})
	met := make(map[string]bool)
	for _, target := range r.targets() {
		met[target.what+" "+target.measured] = target.met
	}
	for want, is := range map[string]bool{
		"token remembered, 2 cores against 1 (GOGC=800) 0.95 × (usher does 1.90 × as much on two cores, the floor 2.00 ×)": true,
		"whole middleware, ES256, cold 6.50 µs more (the raw verification: 43.5 µs)":                                       false,
	} {
		if got, found := met[want]; !found || got != is {
			t.Errorf("%s: found %v, met %v; all: %v", want, found, got, met)
		}
	}
}

func TestChartIsWellFormedAndShowsEveryContender(t *testing.T) {
	chart := made().chart()
	for decoder := xml.NewDecoder(strings.NewReader(chart)); ; {
		_, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{">golang-jwt<", ">lestrrat-go/jwx<", ">usher<", "6.00 µs, 70", "prefers-color-scheme: dark", "a &lt;fast&gt; CPU"} {
		if !strings.Contains(chart, want) {
			t.Errorf("missing: %s", want)
		}
	}
	if strings.Contains(chart, nameNoAuth) {
		t.Error("shows the harness")
	}
	if empty := (&results{}).chart(); empty != "" {
		t.Errorf("a run without figures has a chart: %s", empty)
	}
}

func TestReportFlagRebuildsFromJSON(t *testing.T) {
	folder := t.TempDir()
	if err := made().save(filepath.Join(folder, "results.json")); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), []string{"-report", "-out", folder}, io.Discard, io.Discard); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(folder, "results.md"))
	if err != nil || string(text) != made().markdown() {
		t.Errorf("results.md: %v\n%s", err, text)
	}
	chart, err := os.ReadFile(filepath.Join(folder, "chart.svg"))
	if err != nil || string(chart) != made().chart() {
		t.Errorf("chart.svg: %v", err)
	}
}

func TestShortRunMeasuresWhatMatches(t *testing.T) {
	folder := t.TempDir()
	err := run(t.Context(), []string{"-only", "^(forged-verify|encode)/HS256/8$", "-rounds", "2", "-each", "1ms", "-out", folder}, io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	r, err := loadResults(filepath.Join(folder, "results.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Sets) != 2 || r.Flood != nil {
		t.Errorf("measured %d sets and a flood (%v), want 2 and none", len(r.Sets), r.Flood != nil)
	}
	f, found := r.figure("encode/HS256/8", nameGolangJWT, 1)
	if !found || len(f.Ns) != 2 || f.Ns[0] <= 0 || f.Allocs < 1 {
		t.Errorf("golang-jwt's figure: %v, %+v", found, f)
	}
	if f, found := r.figure("encode/HS256/8", auth0().name, 1); found {
		t.Errorf("auth0 encodes: %+v", f)
	}
}

func TestFlagsThatMakeNoSense(t *testing.T) {
	for _, args := range [][]string{{"-only", "("}, {"-rounds", "x"}, {"surplus"}, {"-only", "nothing-matches", "-out", "x"}} {
		if err := run(t.Context(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}

// A quick run must not overwrite published results.
func TestOnlyFullRunsWriteBesideTheSource(t *testing.T) {
	for _, test := range []struct {
		o    options
		want string
	}{
		{options{}, "."},
		{options{quick: true}, filepath.Join(os.TempDir(), "usher-bench")},
		{options{targets: true}, filepath.Join(os.TempDir(), "usher-bench")},
		{options{only: regexp.MustCompile("x")}, filepath.Join(os.TempDir(), "usher-bench")},
	} {
		if folder, err := test.o.folder(); err != nil || folder != test.want {
			t.Errorf("%+v: %s, %v; want %s", test.o, folder, err, test.want)
		}
	}
}

func TestMedianAndPairs(t *testing.T) {
	if got := rounds.Median([]float64{5, 1, 3}); got != 3 {
		t.Errorf("median of three: %v", got)
	}
	if got := rounds.Median([]float64{4, 1, 2, 3}); got != 2.5 {
		t.Errorf("median of four: %v", got)
	}
	if got := rounds.Paired([]float64{2, 40, 6}, []float64{1, 10, 2}, rounds.Ratio); got != 3 {
		t.Errorf("paired ratio: %v", got)
	}
}

func TestFormats(t *testing.T) {
	for _, test := range []struct{ got, want string }{
		{report.Nanos(7.2), "7.20 ns"}, {report.Nanos(253.4), "253 ns"}, {report.Nanos(999.6), "1.00 µs"}, {report.Nanos(27_649), "27.6 µs"},
		{report.Nanos(999_600), "1.00 ms"}, {report.Nanos(1_030_000), "1.03 ms"}, {report.Nanos(-310), "-310 ns"},
		{report.Count(5.02), "5"}, {report.Count(2.5), "2.5"}, {report.Count(233.1), "233"}, {report.Thousands(1_000_000), "1,000,000"}, {report.Thousands(999), "999"},
	} {
		if test.got != test.want {
			t.Errorf("%s, want %s", test.got, test.want)
		}
	}
}
