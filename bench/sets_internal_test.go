package main

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/go-usher/usher/bench/internal/rounds"
)

// BenchmarkSets is the whole plan for those who want benchstat:
//
//	go test -run - -bench 'Sets/middleware/HS256/8' -count 10
//
// The names are those of -only, followed by the contender.
func BenchmarkSets(b *testing.B) {
	for _, s := range testPlan(b, testSetup(b, "", 0)) {
		for _, c := range s.Cells {
			if c.Absent != "" || c.GCPercent != 0 {
				continue
			}
			b.Run(fmt.Sprintf("%s/%s", s.ID, c.Name), func(b *testing.B) { benchmarkCell(b, c) })
		}
	}
}

// benchmarkCell runs the cell's operation on as many cores as the cell says.
func benchmarkCell(b *testing.B, c rounds.Cell) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(c.Procs))
	b.ReportAllocs()
	ops, err := c.Setup()
	if err != nil {
		b.Fatal(err)
	}
	if c.Procs > 1 {
		b.RunParallel(func(pb *testing.PB) {
			do, err := ops()
			if err != nil {
				b.Error(err)
				return
			}
			for pb.Next() {
				if err := do(); err != nil {
					b.Error(err)
					return
				}
			}
		})
		return
	}
	do, err := ops()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := do(); err != nil {
			b.Fatal(err)
		}
	}
}
