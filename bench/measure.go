package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// op does one operation. It is for one goroutine, and its error ends the run: what fails is not measured.
type op func() error

// cell is one figure of a table: one contender in one situation.
type cell struct {
	name string
	// procs is how many cores work on it (GOMAXPROCS), each in its own goroutine.
	procs int
	// gcPercent is GOGC; 0 means the usual 100.
	gcPercent int
	// ops returns the operation of one goroutine.
	ops func() (op, error)
	// absent says why there is no such figure; the rest is then empty.
	absent string
}

// set is the cells that are compared with each other, and so measured close to each other.
type set struct {
	id    string // for -only and for the tables, such as "middleware/HS256/8"
	cells []cell
}

// figure is what has been measured for a cell: one sample a round, at equal indices in all cells of a run.
type figure struct {
	Name      string    `json:"name"`
	Procs     int       `json:"procs"`
	GCPercent int       `json:"gc_percent,omitempty"`
	Absent    string    `json:"absent,omitempty"`
	Ns        []float64 `json:"ns,omitempty"` // per operation; with two cores, elapsed time by operations of both
	Allocs    float64   `json:"allocs"`       // per operation, the lowest of the rounds
	Bytes     float64   `json:"bytes"`        // likewise
}

// figures are the results of a set.
type figures struct {
	ID    string   `json:"id"`
	Cells []figure `json:"cells"`
}

// pace is how long a run takes.
type pace struct {
	Rounds int           `json:"rounds"`
	Each   time.Duration `json:"each"` // what one cell takes in one round, about
}

// measure visits every cell once in each round: the sets in a new order each time, and the cells of a set one
// after the other, in a new order too. So slow phases of the machine hit all of a set alike, and the figures
// of one round can be compared in pairs. A first round finds out how often an operation fits into its time
// and warms everything up.
func measure(sets []set, p pace, progress io.Writer) ([]figures, error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	defer debug.SetGCPercent(debug.SetGCPercent(100))

	results := make([]figures, len(sets))
	running := make([][]runningCell, len(sets))
	for i, s := range sets {
		results[i] = figures{ID: s.id, Cells: make([]figure, len(s.cells))}
		running[i] = make([]runningCell, len(s.cells))
		for j, c := range s.cells {
			results[i].Cells[j] = figure{Name: c.name, Procs: c.procs, GCPercent: c.gcPercent, Absent: c.absent}
			if c.absent != "" {
				continue
			}
			r, err := c.start(p.Each)
			if err != nil {
				return nil, fmt.Errorf("%s, %s: %w", s.id, c.name, err)
			}
			running[i][j] = r
		}
	}
	for round := range p.Rounds {
		fmt.Fprintf(progress, "round %d of %d\n", round+1, p.Rounds)
		for _, i := range rand.Perm(len(sets)) { //nolint:gosec // an order, not a secret
			for _, j := range rand.Perm(len(sets[i].cells)) { //nolint:gosec // likewise
				f := &results[i].Cells[j]
				if f.Absent != "" {
					continue
				}
				sample, err := running[i][j].run()
				if err != nil {
					return nil, fmt.Errorf("%s, %s: %w", sets[i].id, f.Name, err)
				}
				f.Ns = append(f.Ns, math.Round(10*sample.ns)/10)
				if round == 0 || sample.allocs < f.Allocs {
					f.Allocs = sample.allocs
				}
				if round == 0 || sample.bytes < f.Bytes {
					f.Bytes = sample.bytes
				}
			}
		}
	}
	return results, nil
}

// runningCell is a cell whose operations exist and whose pace is known.
type runningCell struct {
	cell
	workers []op
	n       int // operations of each worker in one round
}

type sample struct{ ns, allocs, bytes float64 }

// start makes the cell's operations and finds how many fit into each.
func (c cell) start(each time.Duration) (runningCell, error) {
	r := runningCell{cell: c, n: 1}
	for range c.procs {
		worker, err := c.ops()
		if err != nil {
			return r, err
		}
		r.workers = append(r.workers, worker)
	}
	for {
		s, err := r.run()
		if err != nil {
			return r, err
		}
		elapsed := time.Duration(s.ns * float64(r.n*c.procs))
		if elapsed >= each/4 {
			r.n = max(1, int(float64(r.n)*float64(each)/float64(elapsed)))
			return r, nil
		}
		r.n = max(2*r.n, min(100*r.n, int(float64(r.n)*float64(each)/float64(elapsed+1)/2)))
	}
}

// run takes one sample.
func (r runningCell) run() (sample, error) {
	runtime.GOMAXPROCS(r.procs)
	gcPercent := r.gcPercent
	if gcPercent == 0 {
		gcPercent = 100
	}
	debug.SetGCPercent(gcPercent)
	runtime.GC() // so that nobody pays for the garbage of the one before

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	err := r.work()
	elapsed := time.Since(start)
	runtime.ReadMemStats(&after)

	n := float64(r.n * len(r.workers))
	return sample{
		ns:     float64(elapsed.Nanoseconds()) / n,
		allocs: float64(after.Mallocs-before.Mallocs) / n,
		bytes:  float64(after.TotalAlloc-before.TotalAlloc) / n,
	}, err
}

// work lets every worker do its operations; a single one does so without another goroutine.
func (r runningCell) work() error {
	if len(r.workers) == 1 {
		return repeat(r.workers[0], r.n)
	}
	errs := make([]error, len(r.workers))
	var group sync.WaitGroup
	for i, worker := range r.workers {
		group.Go(func() { errs[i] = repeat(worker, r.n) })
	}
	group.Wait()
	return errors.Join(errs...)
}

func repeat(do op, n int) error {
	for range n {
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}

// median returns the middle of the values, without changing their order; 0 for none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// paired returns the median of what f makes of the values of each round.
func paired(a, b []float64, f func(a, b float64) float64) float64 {
	n := min(len(a), len(b))
	values := make([]float64, n)
	for i := range n {
		values[i] = f(a[i], b[i])
	}
	return median(values)
}

func ratio(a, b float64) float64      { return a / b }
func difference(a, b float64) float64 { return a - b }
