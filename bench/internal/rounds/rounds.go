// Package rounds measures operations in interleaved rounds, so that what slows the machine down hits all alike.
package rounds

import (
	"cmp"
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

// Op does one operation. It is for one goroutine, and its error ends the run: what fails is not measured.
type Op func() error

// Ops makes the operation of one more goroutine each time that it is called.
type Ops func() (Op, error)

// Setup is the [Cell.Setup] of operations for which nothing else has to be made.
func (ops Ops) Setup() (Ops, error) { return ops, nil }

// Cell is one figure of a table: one contender in one situation.
type Cell struct {
	// Name tells it from the others of its set.
	Name string
	// Procs is how many cores work on it (GOMAXPROCS), each in its own goroutine.
	Procs int
	// Workers is how many goroutines do, if not as many as cores: clients that wait for a server, say.
	Workers int
	// GCPercent is GOGC; 0 means the usual 100.
	GCPercent int
	// Setup makes what is measured, anew for each sample: the collector looks at all that is in memory, and a cell would
	// otherwise pay for what the others keep there.
	Setup func() (Ops, error)
	// Keep says that Setup is called once and its operations go on from sample to sample.
	Keep bool
	// Elsewhere takes the samples in another program; Setup is then not called.
	Elsewhere Sampler
	// Absent says why there is no such figure; the rest is then empty.
	Absent string
}

// Sampler measures one cell.
type Sampler interface {
	// Start finds out how many operations fit into a time, and has to come first.
	Start(each time.Duration) error
	// Sample measures as many operations as that.
	Sample() (Sample, error)
}

// Sample is one measurement.
type Sample struct {
	Ns     float64 // per operation; with several workers, elapsed time by operations of all
	Allocs float64 // per operation
	Bytes  float64 // per operation
}

// Set is the cells that are compared with each other, and so measured close to each other.
type Set struct {
	ID    string // for -only and for the tables, such as "middleware/HS256/8"
	Cells []Cell // measured in a new order in each round
}

// Figure is what has been measured for a cell: one sample a round, at equal indices in all cells of a run.
type Figure struct {
	Name      string    `json:"name"`                 // the cell's, as the next three
	Procs     int       `json:"procs"`                // GOMAXPROCS
	GCPercent int       `json:"gc_percent,omitempty"` // GOGC, if not the usual
	Absent    string    `json:"absent,omitempty"`     // why there is nothing else
	Ns        []float64 `json:"ns,omitempty"`         // per operation; with several workers, elapsed time by operations of all
	Allocs    float64   `json:"allocs"`               // per operation, the lowest of the rounds
	Bytes     float64   `json:"bytes"`                // likewise
}

// Figures are the results of a set.
type Figures struct {
	ID    string   `json:"id"`    // of the set
	Cells []Figure `json:"cells"` // in the set's order
}

// Pace is how long a run takes.
type Pace struct {
	Rounds int           `json:"rounds"` // how often each cell is visited
	Each   time.Duration `json:"each"`   // what one cell takes in one round, about
}

// Measure visits every cell once in each round: the sets in a new order each time, and the cells of a set one
// after the other, in a new order too. So slow phases of the machine hit all of a set alike, and the figures
// of one round can be compared in pairs. A first round finds out how often an operation fits into its time.
func Measure(sets []Set, p Pace, progress io.Writer) ([]Figures, error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	defer debug.SetGCPercent(debug.SetGCPercent(100))

	results := make([]Figures, len(sets))
	running := make([][]Sampler, len(sets))
	for i, s := range sets {
		results[i] = Figures{ID: s.ID, Cells: make([]Figure, len(s.Cells))}
		running[i] = make([]Sampler, len(s.Cells))
		for j, c := range s.Cells {
			results[i].Cells[j] = Figure{Name: c.Name, Procs: c.Procs, GCPercent: c.GCPercent, Absent: c.Absent}
			if c.Absent != "" {
				continue
			}
			running[i][j] = c.Sampler()
			if err := running[i][j].Start(p.Each); err != nil {
				return nil, fmt.Errorf("%s, %s: %w", s.ID, c.Name, err)
			}
		}
	}
	for round := range p.Rounds {
		fmt.Fprintf(progress, "round %d of %d\n", round+1, p.Rounds)
		for _, i := range rand.Perm(len(sets)) { //nolint:gosec // an order, not a secret
			for _, j := range rand.Perm(len(sets[i].Cells)) { //nolint:gosec // likewise
				f := &results[i].Cells[j]
				if f.Absent != "" {
					continue
				}
				sample, err := running[i][j].Sample()
				if err != nil {
					return nil, fmt.Errorf("%s, %s: %w", sets[i].ID, f.Name, err)
				}
				f.Ns = append(f.Ns, math.Round(10*sample.Ns)/10)
				if round == 0 || sample.Allocs < f.Allocs {
					f.Allocs = sample.Allocs
				}
				if round == 0 || sample.Bytes < f.Bytes {
					f.Bytes = sample.Bytes
				}
			}
		}
	}
	return results, nil
}

// Sampler returns what measures the cell: Elsewhere, or else this program.
func (c Cell) Sampler() Sampler {
	if c.Elsewhere != nil {
		return c.Elsewhere
	}
	return &sampler{Cell: c}
}

// sampler measures a cell in this program.
type sampler struct {
	Cell
	kept []Op // the operations, where they are kept
	n    int  // operations of each worker in one sample
}

func (r *sampler) Start(each time.Duration) error {
	r.n = 1
	for {
		s, err := r.Sample()
		if err != nil {
			return err
		}
		elapsed := time.Duration(s.Ns * float64(r.n*r.workers()))
		if elapsed >= each/4 {
			r.n = max(1, int(float64(r.n)*float64(each)/float64(elapsed)))
			return nil
		}
		r.n = max(2*r.n, min(100*r.n, int(float64(r.n)*float64(each)/float64(elapsed+1)/2)))
	}
}

func (c Cell) workers() int { return cmp.Or(c.Workers, c.Procs) }

// operations returns the operation of each worker: those that are kept, or new ones, warmed up.
func (r *sampler) operations() ([]Op, error) {
	if r.kept != nil {
		return r.kept, nil
	}
	ops, err := r.Setup()
	if err != nil {
		return nil, err
	}
	made := make([]Op, r.workers())
	for i := range made {
		if made[i], err = ops(); err != nil {
			return nil, err
		}
		if err := repeat(made[i], r.n/16); err != nil {
			return nil, err
		}
	}
	if r.Keep {
		r.kept = made
	}
	return made, nil
}

func (r *sampler) Sample() (Sample, error) {
	runtime.GOMAXPROCS(r.Procs)
	debug.SetGCPercent(cmp.Or(r.GCPercent, 100))
	workers, err := r.operations()
	if err != nil {
		return Sample{}, err
	}
	runtime.GC() // so that nobody pays for the garbage of the setup, or of the one before

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	err = work(workers, r.n)
	elapsed := time.Since(start)
	runtime.ReadMemStats(&after)

	n := float64(r.n * len(workers))
	return Sample{
		Ns:     float64(elapsed.Nanoseconds()) / n,
		Allocs: float64(after.Mallocs-before.Mallocs) / n,
		Bytes:  float64(after.TotalAlloc-before.TotalAlloc) / n,
	}, err
}

// work lets every worker do n operations; a single one does so without another goroutine.
func work(workers []Op, n int) error {
	if len(workers) == 1 {
		return repeat(workers[0], n)
	}
	errs := make([]error, len(workers))
	var group sync.WaitGroup
	for i, worker := range workers {
		group.Go(func() { errs[i] = repeat(worker, n) })
	}
	group.Wait()
	return errors.Join(errs...)
}

func repeat(do Op, n int) error {
	for range n {
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}

// Median returns the middle of the values, without changing their order; 0 for none.
func Median(values []float64) float64 {
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

// Paired returns the median of what f makes of the values of each round.
func Paired(a, b []float64, f func(a, b float64) float64) float64 {
	n := min(len(a), len(b))
	values := make([]float64, n)
	for i := range n {
		values[i] = f(a[i], b[i])
	}
	return Median(values)
}

// Ratio is for Paired.
func Ratio(a, b float64) float64 { return a / b }

// Difference is for Paired.
func Difference(a, b float64) float64 { return a - b }
