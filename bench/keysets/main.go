// Keysets measures usher with the keys of a remote issuer beside other libraries with theirs: what a valid token costs, and
// what a token with an unknown kid does. Everything is measured in one run, so that the ratios mean something.
//
//	go run ./bench/keysets
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/go-usher/usher/bench/internal/rounds"
)

func main() {
	pace := rounds.Pace{}
	flag.IntVar(&pace.Rounds, "rounds", 101, "rounds")
	flag.DurationVar(&pace.Each, "each", 5*time.Millisecond, "time for one contender in one round")
	tokens := flag.Int("tokens", 1_000_000, "distinct unknown kids for usher; the others get a thousandth")
	flag.Parse()
	if err := run(context.Background(), pace, *tokens, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "keysets:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, pace rounds.Pace, tokens int, out io.Writer) error {
	issuer, err := newIssuer()
	if err != nil {
		return err
	}
	defer issuer.server.Close()
	if err := reportValid(ctx, issuer, pace, out); err != nil {
		return err
	}
	return reportUnknown(ctx, issuer, tokens, out)
}

// reportValid prints what a valid token costs, by algorithm.
func reportValid(ctx context.Context, issuer *issuer, pace rounds.Pace, out io.Writer) error {
	var sets []rounds.Set
	for _, alg := range algorithms() {
		set := rounds.Set{ID: string(alg)}
		for _, c := range contenders() {
			verify, err := c.open(ctx, issuer, alg)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			token := issuer.tokens[alg]
			op := func() error { return verify(token) }
			if err := op(); err != nil {
				return fmt.Errorf("%s refuses a good %s token: %w", c.name, alg, err)
			}
			if verify(forged(token)) == nil {
				return fmt.Errorf("%s accepts a forged %s token", c.name, alg)
			}
			set.Cells = append(set.Cells, rounds.Cell{Name: c.name, Procs: 1, Setup: rounds.Ops(func() (rounds.Op, error) { return op, nil }).Setup})
		}
		sets = append(sets, set)
	}
	figures, err := rounds.Measure(sets, pace, io.Discard)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "| a valid token | ES256: time | of usher with a fixed key | allocations | RS256: time | of usher with a fixed key | allocations |")
	fmt.Fprintln(out, "|---|--:|--:|--:|--:|--:|--:|")
	for i, c := range contenders() {
		fmt.Fprintf(out, "| %s ", c.name)
		for _, f := range figures {
			cell, base := f.Cells[i], f.Cells[0]
			fmt.Fprintf(out, "| %.2f µs | %.3f | %.0f ", rounds.Median(cell.Ns)/1e3, rounds.Paired(cell.Ns, base.Ns, rounds.Ratio), cell.Allocs)
		}
		fmt.Fprintln(out, "|")
	}
	return nil
}
