//go:build !alone

// Command bench measures usher beside its peers: the same requests, the same tokens and the same checks for
// everyone, in one run. It writes results.md, results.json and chart.svg.
//
//	go run ./bench                  everything, in twenty minutes
//	go run ./bench -quick           everything, roughly, in less than one
//	go run ./bench -targets         what the targets are computed from, in five
//	go run ./bench -only '/HS256/'  the sets that match ("flood" is one, too)
//	go run ./bench -report          tables and chart again from results.json, without measuring
//
// A full run writes into the folder of this module, any other into a temporary one, unless -out names another.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/go-usher/usher/bench/internal/report"
	"github.com/go-usher/usher/bench/internal/rounds"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	quick, targets, report bool
	only                   *regexp.Regexp
	out                    string
	pace                   rounds.Pace
}

func parseFlags(args []string, stderr io.Writer) (options, error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	var o options
	var only string
	flags.BoolVar(&o.quick, "quick", false, "a short, rough run")
	flags.BoolVar(&o.targets, "targets", false, "measure only what the targets are computed from")
	flags.BoolVar(&o.report, "report", false, "write tables and chart again from results.json, without measuring")
	flags.StringVar(&only, "only", "", "measure only the sets (such as middleware/HS256/8) that match this regular expression")
	flags.StringVar(&o.out, "out", "", "folder to write to (default: this module's for a full run, else a temporary one)")
	flags.IntVar(&o.pace.Rounds, "rounds", 0, "rounds (default 90, 3 with -quick)")
	flags.DurationVar(&o.pace.Each, "each", 0, "time for one contender in one round (default 25ms, 20ms with -quick)")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	rounds, each := 90, 25*time.Millisecond
	if o.quick {
		rounds, each = 3, 20*time.Millisecond
	}
	if o.pace.Rounds <= 0 {
		o.pace.Rounds = rounds
	}
	if o.pace.Each <= 0 {
		o.pace.Each = each
	}
	var err error
	if only != "" {
		o.only, err = regexp.Compile(only)
	}
	return o, err
}

// full says that the run measures everything, so that its results are worth publishing.
func (o options) full() bool { return !o.quick && !o.targets && o.only == nil }

func (o options) wants(id string) bool {
	return (o.only == nil || o.only.MatchString(id)) && (!o.targets || targetSets(id))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parseFlags(args, stderr)
	if err != nil {
		return err
	}
	if o.out == "" {
		if o.out, err = o.folder(); err != nil {
			return err
		}
	}
	var r *results
	if o.report {
		r, err = loadResults(filepath.Join(o.out, "results.json"))
	} else {
		r, err = o.measure(ctx, args, stderr)
	}
	if err != nil {
		return err
	}
	for _, t := range r.targets() {
		fmt.Fprintf(stdout, "%-6s %s: %s; measured %s\n", strings.Trim(metOrMissed(t.met), "*"), t.what, t.goal, t.measured)
	}
	return o.write(r, stdout)
}

// folder is where results go if nobody says: beside this file if that is where it runs, and they are worth it.
func (o options) folder() (string, error) {
	if !o.full() {
		return filepath.Join(os.TempDir(), "usher-bench"), nil
	}
	for _, folder := range []string{".", "bench"} {
		if _, err := os.Stat(filepath.Join(folder, "peer_golangjwt.go")); err == nil {
			return folder, nil
		}
	}
	return "", errors.New("run it from the root of the repository or from bench, or say with -out where the results go")
}

// measure does the run: first the checks, then the sets, then the flood.
func (o options) measure(ctx context.Context, args []string, progress io.Writer) (*results, error) {
	start := time.Now()
	k, err := newKeys()
	if err != nil {
		return nil, err
	}
	r := &results{
		Date: start.UTC().Truncate(time.Second), Command: strings.Join(append([]string{"go run ./bench"}, args...), " "),
		Pace: o.pace, Machine: report.ThisMachine(), Modules: linkedModules(),
	}
	for _, c := range contenders() {
		verdicts, failure := c.check(setup{alg: "HS256", size: 8, keys: k, born: start})
		if failure != nil {
			return nil, failure
		}
		r.Verdicts = append(r.Verdicts, verdicts...)
	}
	all, err := plan(k, start)
	if err != nil {
		return nil, err
	}
	var wanted []rounds.Set
	for _, s := range all {
		if o.wants(s.ID) {
			wanted = append(wanted, s)
		}
	}
	m, err := newMaterials(k, start)
	if err != nil {
		return nil, err
	}
	end, err := startPrograms(ctx, wanted, m, progress)
	if err != nil {
		return nil, err
	}
	r.Sets, err = rounds.Measure(wanted, o.pace, progress)
	if err := errors.Join(err, end()); err != nil {
		return nil, err
	}
	if o.only == nil || o.only.MatchString("flood") {
		fmt.Fprintln(progress, "flood")
		size := floodSize
		if o.quick {
			size /= 5
		}
		f, err := flood(k, size)
		if err != nil {
			return nil, err
		}
		r.Flood = &f
	}
	if len(wanted) == 0 && r.Flood == nil {
		return nil, errors.New("no set matches -only; sets are called middleware/HS256/8 and the like")
	}
	r.Elapsed = time.Since(start)
	return r, nil
}

func (o options) write(r *results, stdout io.Writer) error {
	if err := r.save(filepath.Join(o.out, "results.json")); err != nil {
		return err
	}
	if err := report.Publish(filepath.Join(o.out, "results.md"), []byte(r.markdown())); err != nil {
		return err
	}
	chart := r.chart()
	if chart == "" {
		fmt.Fprintln(stdout, "wrote results.md and results.json to", o.out)
		return nil
	}
	fmt.Fprintln(stdout, "wrote results.md, results.json and chart.svg to", o.out)
	return report.Publish(filepath.Join(o.out, "chart.svg"), []byte(chart))
}
