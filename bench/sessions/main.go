// Command sessions measures what a refresh and a Check cost on each store, beside the raw round trips of the very
// same client in the same rounds. It writes sessions.md.
//
//	eval "$(bash .ci/services.sh)"      the servers, in USHER_TEST_REDIS_URL, _POSTGRES_URL and _MARIADB_DSN
//	go run ./bench/sessions             everything, in six minutes
//	go run ./bench/sessions -quick      everything, roughly
//	go run ./bench/sessions -only Redis the stores that match
//
// A store whose server is not named is left out, and the report says so. A full run writes into the folder of the
// bench module, any other into a temporary one, unless -out names another.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/go-usher/usher/bench/internal/report"
	"github.com/go-usher/usher/bench/internal/rounds"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "sessions:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	quick bool
	only  *regexp.Regexp
	out   string
	pace  rounds.Pace
}

func parseFlags(args []string, stderr io.Writer) (options, error) {
	flags := flag.NewFlagSet("sessions", flag.ContinueOnError)
	flags.SetOutput(stderr)
	var o options
	var only string
	flags.BoolVar(&o.quick, "quick", false, "a short, rough run")
	flags.StringVar(&only, "only", "", "measure only the stores that match this regular expression")
	flags.StringVar(&o.out, "out", "", "folder to write to (default: the bench module's for a full run, else a temporary one)")
	flags.IntVar(&o.pace.Rounds, "rounds", 0, "rounds (default 60, 3 with -quick)")
	flags.DurationVar(&o.pace.Each, "each", 0, "time for one figure in one round (default 60ms, 50ms with -quick)")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	times, each := 60, 60*time.Millisecond
	if o.quick {
		times, each = 3, 50*time.Millisecond
	}
	if o.pace.Rounds <= 0 {
		o.pace.Rounds = times
	}
	if o.pace.Each <= 0 {
		o.pace.Each = each
	}
	var err error
	if only != "" {
		if o.only, err = regexp.Compile(only); err != nil {
			return o, err
		}
	}
	if o.out == "" {
		o.out, err = o.folder()
	}
	return o, err
}

// folder is where results go if nobody says: into the bench module if that is where it runs, and they are worth it.
func (o options) folder() (string, error) {
	if o.quick || o.only != nil {
		return filepath.Join(os.TempDir(), "usher-bench"), nil
	}
	for _, folder := range []string{".", "bench"} {
		if _, err := os.Stat(filepath.Join(folder, "sessions", "stores.go")); err == nil {
			return folder, nil
		}
	}
	return "", errors.New("run it from the root of the repository or from bench, or say with -out where the results go")
}

// clients are how many work at once, each in a session of its own.
var clients = []int{1, 16}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o, err := parseFlags(args, stderr)
	if err != nil {
		return err
	}
	start := time.Now()
	r := &results{
		date: start.UTC(), command: strings.Join(append([]string{"go run ./bench/sessions"}, args...), " "),
		pace: o.pace, machine: report.ThisMachine(),
	}
	sets, closeAll, err := o.open(ctx, r)
	// Whether the run is cut short or not, nothing is left behind in the databases.
	defer func() { err = errors.Join(err, closeAll(context.WithoutCancel(ctx))) }()
	if err != nil {
		return err
	}
	if len(sets) == 0 {
		return errors.New("no store matches -only, or no server is named of those that do")
	}
	if r.figures, err = rounds.Measure(sets, o.pace, stderr); err != nil {
		return err
	}
	r.elapsed = time.Since(start)
	text := r.markdown()
	fmt.Fprint(stdout, text)
	path := filepath.Join(o.out, "sessions.md")
	fmt.Fprintln(stderr, "wrote", path)
	return report.Publish(path, []byte(text))
}

// open returns what is measured of the stores that are wanted and have a server, and notes in r which those are.
func (o options) open(ctx context.Context, r *results) (sets []rounds.Set, closeAll func(context.Context) error, err error) {
	var all []*opened
	closeAll = func(ctx context.Context) error {
		var errs []error
		for _, s := range all {
			errs = append(errs, s.close(ctx))
		}
		return errors.Join(errs...)
	}
	for _, s := range stores() {
		if o.only != nil && !o.only.MatchString(s.name) {
			continue
		}
		ready, err := s.open(ctx)
		if missing := new(unnamedError); errors.As(err, &missing) {
			r.absent = append(r.absent, fmt.Sprintf("%s is left out, since %v", s.name, err))
			continue
		}
		if err != nil {
			return nil, closeAll, fmt.Errorf("%s: %w", s.name, err)
		}
		all = append(all, ready)
		added, err := ready.sets(ctx, s)
		if err != nil {
			return nil, closeAll, fmt.Errorf("%s: %w", s.name, err)
		}
		sets = append(sets, added...)
		r.stores = append(r.stores, measuredStore{store: s, version: ready.version})
	}
	return sets, closeAll, nil
}

func setID(store string, clients int) string { return fmt.Sprintf("%s/%d", store, clients) }

// cell is measured with all cores, the client's share of them; the servers have the rest. Its clients' sessions go on
// from sample to sample.
func cell(name string, clients int, ops rounds.Ops) rounds.Cell {
	return rounds.Cell{Name: name, Procs: runtime.NumCPU(), Workers: clients, Setup: ops.Setup, Keep: true}
}
