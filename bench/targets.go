//go:build !alone

package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-usher/usher/bench/internal/report"
	"github.com/go-usher/usher/bench/internal/rounds"
)

// target is one promise of the README, what was measured for it, and whether it is kept.
type target struct {
	what     string
	goal     string
	measured string
	met      bool
}

// targetSets are the sets that the targets are computed from.
func targetSets(id string) bool {
	return slices.Contains([]string{
		"middleware/HS256/8", "middleware/RS256/8", "middleware/ES256/8", "middleware/EdDSA/8",
		"one-client/HS256/8", "encode/HS256/8", "forged-verify/HS256/8", "scaling/HS256/8",
	}, id)
}

// targets computes them all. Factors and differences are medians over the rounds of pairs from the same round.
// What a run has not measured is left out.
func (r *results) targets() []target {
	var list []target
	list = append(list, r.coldTargets()...)
	list = append(list, r.publicKeyTargets()...)
	list = append(list, r.warmTargets()...)
	list = append(list, r.scalingTarget()...)
	list = append(list, r.encodeTarget()...)
	list = append(list, r.forgedTargets()...)
	list = append(list, r.floodTargets()...)
	return list
}

// pair finds two figures of a set, on so many cores.
func (r *results) pair(id, a, b string, procs int) (x, y rounds.Figure, found bool) {
	x, foundX := r.figure(id, a, procs)
	y, foundY := r.figure(id, b, procs)
	return x, y, foundX && foundY
}

// faster is the target that usher's figure is at least factor times faster than the other's, on one core.
func (r *results) faster(what, id, ushers, other string, factor float64) []target {
	return r.fasterOn(1, what, id, ushers, other, factor)
}

// fasterTwice is the same for a request with an HS256 token of 8 claims, on one core, and with a second one beside it.
func (r *results) fasterTwice(what, ushers, other string, factor float64) []target {
	return slices.Concat(
		r.fasterOn(1, what, "middleware/HS256/8", ushers, other, factor),
		r.fasterOn(2, what+"; one client, 2 cores", "one-client/HS256/8", ushers, other, factor),
	)
}

func (r *results) fasterOn(procs int, what, id, ushers, other string, factor float64) []target {
	u, o, found := r.pair(id, ushers, other, procs)
	if !found {
		return nil
	}
	times := rounds.Paired(o.Ns, u.Ns, rounds.Ratio)
	return []target{{what, fmt.Sprintf("≥ %g × faster than %s", factor, other),
		fmt.Sprintf("%s (%s against %s)", report.Times3(times), report.Nanos(rounds.Median(u.Ns)), report.Nanos(rounds.Median(o.Ns))), times >= factor}}
}

// within is the target that usher's figure is at most factor times the other's.
func (r *results) within(what, id, ushers, other string, factor float64) []target {
	u, o, found := r.pair(id, ushers, other, 1)
	if !found {
		return nil
	}
	times := rounds.Paired(u.Ns, o.Ns, rounds.Ratio)
	return []target{{what, fmt.Sprintf("≤ %g × %s", factor, other),
		fmt.Sprintf("%s (%s against %s)", report.Times3(times), report.Nanos(rounds.Median(u.Ns)), report.Nanos(rounds.Median(o.Ns))), times <= factor}}
}

// allocating is the target that an operation of usher allocates at most so often.
func (r *results) allocating(what, id, ushers string, most float64) []target {
	u, found := r.figure(id, ushers, 1)
	if !found {
		return nil
	}
	return []target{{what, fmt.Sprintf("≤ %g allocations", most), report.Count(u.Allocs), u.Allocs < most+0.5}}
}

func (r *results) coldTargets() []target {
	const what, id = "whole middleware, HS256, cold, 8 claims", "middleware/HS256/8"
	return slices.Concat(
		r.fasterTwice(what, nameUsher, nameGolangJWT, 5),
		r.fasterTwice(what, nameUsher, nameJWTAuth, 20),
		r.allocating(what, id, nameUsher, 7),
		r.within(what+" (beyond the promises)", id, nameUsher, nameRaw, 3),
	)
}

func (r *results) publicKeyTargets() []target {
	var list []target
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		u, raw, found := r.pair(setID("middleware", alg, 8), nameUsher, nameRaw, 1)
		if !found {
			continue
		}
		more := rounds.Paired(u.Ns, raw.Ns, rounds.Difference)
		most := rounds.Median(raw.Ns)/10 + float64(2*time.Microsecond)
		list = append(list, target{"whole middleware, " + alg + ", cold",
			"≤ 10 % and 2 µs, here " + report.Nanos(most) + ", more than the raw verification",
			fmt.Sprintf("%s more (the raw verification: %s)", report.Nanos(more), report.Nanos(rounds.Median(raw.Ns))), more <= most})
	}
	return list
}

func (r *results) warmTargets() []target {
	const what, id = "whole middleware, HS256, token remembered", "middleware/HS256/8"
	return slices.Concat(
		r.fasterTwice(what, nameUsherWarm, nameGolangJWT, 20),
		r.within(what, id, nameUsherWarm, nameFloor, 1.6),
		r.allocating(what, id, nameUsherWarm, 5),
		r.faster("whole middleware, ES256, token remembered", "middleware/ES256/8", nameUsherWarm, nameGolangJWT, 100),
	)
}

func (r *results) scalingTarget() []target {
	const id = "scaling/HS256/8"
	var cells [4]rounds.Figure
	for i, want := range []struct {
		name  string
		procs int
	}{{nameUsherWarm, 1}, {nameUsherWarm, 2}, {nameFloor, 1}, {nameFloor, 2}} {
		f, found := r.figure(id, want.name, want.procs)
		if !found {
			return nil
		}
		cells[i] = f
	}
	var relative []float64
	for i := range cells[0].Ns {
		relative = append(relative, (cells[0].Ns[i]/cells[1].Ns[i])/(cells[2].Ns[i]/cells[3].Ns[i]))
	}
	times := rounds.Median(relative)
	return []target{{"token remembered, 2 cores against 1 (GOGC=800)", "≥ 0.95 × of how the floor scales",
		fmt.Sprintf("%s (usher does %s as much on two cores, the floor %s)", report.Times3(times),
			report.Times3(rounds.Paired(cells[0].Ns, cells[1].Ns, rounds.Ratio)), report.Times3(rounds.Paired(cells[2].Ns, cells[3].Ns, rounds.Ratio))), times >= 0.95}}
}

func (r *results) encodeTarget() []target {
	return r.faster("`Encode`, HS256, 8 claims", "encode/HS256/8", nameUsher, nameGolangJWT, 3)
}

func (r *results) forgedTargets() []target {
	const what, id = "`Decode` of a forged token, HS256", "forged-verify/HS256/8"
	return slices.Concat(
		r.within(what, id, nameUsher, nameUsherValid, 0.8),
		r.allocating(what, id, nameUsher, 2),
	)
}

// floodTargets: memory is flat if the heap after every later tenth of the flood is within 5 % of the cache's
// bound (CacheSize × 2 KiB) of that after the first; a token stays a hit if it is one at all uses but 1 in 100.
func (r *results) floodTargets() []target {
	f := r.Flood
	if f == nil || len(f.Heap) == 0 || len(f.Hot) == 0 {
		return nil
	}
	what := fmt.Sprintf("%s distinct valid tokens through `CacheSize: %s`", report.Thousands(f.Tokens), report.Thousands(f.CacheSize))
	bound := float64(f.CacheSize) * 2048
	first, last := float64(f.Heap[0]), float64(f.Heap[len(f.Heap)-1])
	drift := float64(slices.Max(f.Heap)) - first
	list := []target{{what, "memory flat, below CacheSize × 2 KiB",
		fmt.Sprintf("%s after the first tenth, %s at the end, of which the decoder has %s",
			report.Mebibytes(first), report.Mebibytes(last), report.Mebibytes(last-float64(f.Baseline))),
		drift <= bound/20 && last-float64(f.Baseline) <= bound}}
	hot := f.Hot[0]
	measured := make([]string, len(f.Hot))
	for i, h := range f.Hot {
		measured[i] = fmt.Sprintf("used once in %s tokens: %d hits of %d", report.Thousands(h.Every), h.Hits, h.Uses)
	}
	return append(list, target{what, fmt.Sprintf("a token used once in %s others stays a hit", report.Thousands(hot.Every)),
		strings.Join(measured, "; "), hot.Uses > 0 && 100*hot.Hits >= 99*hot.Uses})
}
