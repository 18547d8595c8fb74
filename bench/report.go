//go:build !alone

package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/go-usher/usher/bench/internal/report"
	"github.com/go-usher/usher/bench/internal/rounds"
)

// table is one table of the report: contenders down, sets across.
type table struct {
	title   string
	text    string
	base    string   // the contender that the factors relate to
	columns []column // those without results are left out
	procs   int
}

type column struct{ heading, id string }

// tables are those of the report, in order.
func tables() []table {
	return []table{{
		title: "One authenticated request",
		text: "A GET through the library's own middleware, to a handler that reads the current user and one private claim. " +
			"8 claims, 1 core.",
		base: nameUsher, columns: byAlgorithm("middleware"), procs: 1,
	}, {
		title: "The same by number of claims",
		text: "HS256, 1 core. 3 claims are `iss`, `aud` and `exp`, which the checks need. 8 claims are all registered claims except " +
			"`nbf`, and two private claims, a string and a list of strings. 40 claims have 32 more private claims of all types.",
		base: nameUsher, procs: 1,
		columns: []column{{"3 claims", "middleware/HS256/3"}, {"8 claims", "middleware/HS256/8"}, {"40 claims", "middleware/HS256/40"}},
	}, {
		title: "The same from one client, on 2 cores",
		text:  "8 claims. Requests run one after the other, as in `go test -bench`, and the collector may use the second core.",
		base:  nameUsher, columns: byAlgorithm("one-client"), procs: 2,
	}, {
		title: "The same on 2 cores",
		text:  "8 claims. Elapsed time divided by the requests of both cores, so half of the time on one core would be perfect.",
		base:  nameUsher, columns: byAlgorithm("two-cores"), procs: 2,
	}, {
		title: "Verifying alone",
		text:  "Token in, claims out, without HTTP. 8 claims, 1 core.",
		base:  nameUsher, columns: byAlgorithm("verify"), procs: 1,
	}, {
		title: "Verifying alone, by number of claims",
		text:  "HS256, 1 core.",
		base:  nameUsher, procs: 1,
		columns: []column{{"3 claims", "verify/HS256/3"}, {"8 claims", "verify/HS256/8"}, {"40 claims", "verify/HS256/40"}},
	}, {
		title: "Encoding alone",
		text: "Claims in, signed token out; all claims are set. 8 claims and, in the last column, 40; 1 core. usher issues no " +
			"tokens with 3 claims, because it always writes `iat` and `jti`.",
		base: nameUsher, procs: 1, columns: append(byAlgorithm("encode"), column{"HS256, 40 claims", "encode/HS256/40"}),
	}, {
		title: "A forged token",
		text: "Another payload with the old signature, sent through the whole middleware, which responds with its own 401. " +
			"8 claims, 1 core.",
		base: nameUsher, columns: byAlgorithm("forged"), procs: 1,
	}, {
		title: "A forged token, and somebody else's header",
		text: "HS256, 8 claims, 1 core. On the left, the forged token without HTTP. On the right, valid tokens through the whole " +
			"middleware. Their header is `{\"typ\":\"JWT\", \"alg\":\"HS256\"}`, so no library can recognise its own header.",
		base: nameUsher, procs: 1,
		columns: []column{{"forged, without HTTP", "forged-verify/HS256/8"}, {"foreign header", "foreign-header/HS256/8"}},
	}}
}

func byAlgorithm(kind string) []column {
	var columns []column
	for _, alg := range algorithms {
		columns = append(columns, column{alg, setID(kind, alg, 8)})
	}
	return columns
}

// markdown is results.md.
func (r *results) markdown() string {
	var b strings.Builder
	b.WriteString("# Benchmarks\n\n")
	r.writeFacts(&b)
	r.writeTargets(&b)
	for _, t := range tables() {
		r.writeTable(&b, t)
	}
	r.writeLosses(&b)
	r.writeChecks(&b)
	r.writeContenders(&b)
	return b.String()
}

func (r *results) writeFacts(b *strings.Builder) {
	fmt.Fprintf(b, "Measured on %s with %s on %s/%s, %s, %d cores, by `%s` in %s.\n\n", r.Date.Format(time.DateOnly),
		r.Machine.Go, r.Machine.OS, r.Machine.Arch, r.Machine.CPU, r.Machine.Cores, r.Command, r.Elapsed.Round(time.Second))
	fmt.Fprintf(b, "Every figure is the median of %d rounds. A round measures each contender once, for about %s, in random "+
		"order and next to those that it is compared with. Factors (“×”) are medians of the factors within each round. ",
		r.Pace.Rounds, r.Pace.Each)
	if middle, worst, found := r.noise(); found {
		fmt.Fprintf(b, "Half of a figure's samples lie within ±%s %% of it (median over all figures; the worst: ±%s %%).",
			report.Digits(100*middle), report.Digits(100*worst))
	}
	b.WriteString("\n\n")
	b.WriteString("Rows in italics are not libraries. _No auth_ is an unguarded handler: every other figure contains this time of the " +
		"harness. _No auth_ with a router contains the router, which echo-jwt and gin-jwt need. _The floor_ is the least work of a " +
		"middleware that has already verified the token: a request clone, a context value, a copy of the claims, a `time.Now`. " +
		"_The raw signature check_ is `hmac`, `rsa.VerifyPKCS1v15`, `ecdsa.Verify` or `ed25519.Verify`, including the hash, on a token " +
		"that is already split and decoded.\n\n")
	fmt.Fprintf(b, "Each measurement uses %d different tokens in turn. Their header is `{\"alg\":…,\"typ\":\"JWT\"}`, as all of these "+
		"libraries write it. All contenders get tokens with the same claims, make the same checks (algorithm, `exp`, `iss`, `aud`; see "+
		"[the checks](#who-refuses-what)), and pay for the garbage that they make (GOGC=100). The collector's work depends on everything "+
		"in memory, so each library is measured in a program of its own, with a new setup for each measurement.\n\n", tokensPerSet)
}

// noise is half of the distance between the quartiles, by the median: the median over all figures, and the worst.
func (r *results) noise() (middle, worst float64, found bool) {
	var spreads []float64
	for _, s := range r.Sets {
		for _, c := range s.Cells {
			if len(c.Ns) < 4 {
				continue
			}
			sorted := slices.Sorted(slices.Values(c.Ns))
			spreads = append(spreads, (sorted[len(sorted)*3/4]-sorted[len(sorted)/4])/2/rounds.Median(sorted))
		}
	}
	if len(spreads) == 0 {
		return 0, 0, false
	}
	return rounds.Median(spreads), slices.Max(spreads), true
}

func (r *results) writeTargets(b *strings.Builder) {
	list := r.targets()
	if len(list) == 0 {
		return
	}
	b.WriteString("## Targets\n\n")
	report.Row(b, "what", "target", "measured", "")
	report.Row(b, "---", "---", "---", "---")
	for _, t := range list {
		report.Row(b, t.what, t.goal, t.measured, metOrMissed(t.met))
	}
	b.WriteString("\n")
}

func metOrMissed(met bool) string {
	if met {
		return "met"
	}
	return "**missed**"
}

// writeTable leaves out the columns and the rows that have nothing to show.
func (r *results) writeTable(b *strings.Builder, t table) {
	var columns []column
	var names []string
	for _, c := range t.columns {
		for _, s := range r.Sets {
			if s.ID != c.id {
				continue
			}
			columns = append(columns, c)
			for _, cell := range s.Cells {
				if len(cell.Ns) > 0 && !slices.Contains(names, cell.Name) {
					names = append(names, cell.Name)
				}
			}
		}
	}
	if len(columns) == 0 {
		return
	}
	slices.SortStableFunc(names, func(a, c string) int {
		return cmp.Or(cmp.Compare(kindOf(a), kindOf(c)), cmp.Compare(r.firstTime(columns, t.procs, a), r.firstTime(columns, t.procs, c)))
	})

	fmt.Fprintf(b, "## %s\n\n%s Each cell: time, factor of usher's, allocations.\n\n", t.title, t.text)
	heading, rule := []string{""}, []string{"---"}
	for _, c := range columns {
		heading, rule = append(heading, c.heading), append(rule, "---:")
	}
	report.Row(b, heading...)
	report.Row(b, rule...)
	for _, name := range names {
		cells := []string{rowName(name)}
		for _, c := range columns {
			cells = append(cells, r.tableCell(c.id, name, t))
		}
		report.Row(b, cells...)
	}
	b.WriteString("\n")
}

// tableCell writes one figure.
func (r *results) tableCell(id, name string, t table) string {
	f, found := r.figure(id, name, t.procs)
	if !found {
		return "–"
	}
	parts := []string{report.Nanos(rounds.Median(f.Ns))}
	if base, found := r.figure(id, t.base, t.procs); found && name != t.base {
		parts = append(parts, report.Times3(rounds.Paired(f.Ns, base.Ns, rounds.Ratio)))
	}
	return strings.Join(append(parts, report.Count(f.Allocs)), " · ")
}

// firstTime is the time in the first column that has one.
func (r *results) firstTime(columns []column, procs int, name string) float64 {
	for _, c := range columns {
		if f, found := r.figure(c.id, name, procs); found {
			return rounds.Median(f.Ns)
		}
	}
	return math.Inf(1)
}

// kindOf orders the rows: limits, usher, peers.
func kindOf(name string) int {
	switch name {
	case nameNoAuth, nameNoEcho, nameNoGin, nameFloor, nameRaw, nameSign:
		return 0
	case nameUsher, nameUsherWarm, nameUsherFilling, nameUsherValid:
		return 1
	}
	return 2
}

func rowName(name string) string {
	switch kindOf(name) {
	case 0:
		return "_" + name + "_"
	case 1:
		return "**" + name + "**"
	}
	return name
}

// writeLosses lists every figure in which a peer is ahead of usher without its cache: plainly, if it is so in
// three rounds of four, and otherwise too closely to tell.
func (r *results) writeLosses(b *strings.Builder) {
	var plain, narrow []string
	seen := make(map[string]bool)
	for _, t := range tables() {
		for _, c := range t.columns {
			base, found := r.figure(c.id, nameUsher, t.procs)
			if !found || seen[c.id] {
				continue
			}
			seen[c.id] = true
			for _, peer := range peers() {
				f, found := r.figure(c.id, peer.name, t.procs)
				if !found {
					continue
				}
				times := rounds.Paired(base.Ns, f.Ns, rounds.Ratio)
				if times <= 1 {
					continue
				}
				line := fmt.Sprintf("- `%s`: %s takes %s, usher %s (%s %% more)", c.id, peer.name,
					report.Nanos(rounds.Median(f.Ns)), report.Nanos(rounds.Median(base.Ns)), report.Digits(100*(times-1)))
				if 4*wins(f.Ns, base.Ns) >= 3*len(f.Ns) {
					plain = append(plain, line)
				} else {
					narrow = append(narrow, line)
				}
			}
		}
	}
	b.WriteString("## Where usher is slower\n\n")
	if len(plain) == 0 {
		b.WriteString("In none of the comparisons of this run is a peer plainly faster than usher without its cache.\n\n")
	} else {
		b.WriteString(strings.Join(plain, "\n") + "\n\n")
	}
	if len(narrow) > 0 {
		b.WriteString("Too close to tell, because usher is faster in more than a quarter of the rounds:\n\n" +
			strings.Join(narrow, "\n") + "\n\n")
	}
}

// wins counts the rounds in which a is faster than b.
func wins(a, b []float64) int {
	n := 0
	for i := range min(len(a), len(b)) {
		if a[i] < b[i] {
			n++
		}
	}
	return n
}

// writeChecks shows what each middleware did with each probe.
func (r *results) writeChecks(b *strings.Builder) {
	if len(r.Verdicts) == 0 {
		return
	}
	var names, probes []string
	refused := make(map[[2]string]bool)
	for _, v := range r.Verdicts {
		if !slices.Contains(names, v.Contender) {
			names = append(names, v.Contender)
		}
		if !slices.Contains(probes, v.Probe) {
			probes = append(probes, v.Probe)
		}
		refused[[2]string{v.Contender, v.Probe}] = v.Refused
	}
	b.WriteString("## Who refuses what\n\n" +
		"Before the measurements, each middleware gets these bad tokens (HS256). Except for the first three, their signatures are valid. " +
		"✓: refused. **accepted**: the token reached the handler, so this contender checks less than the others.\n\n")
	report.Row(b, append([]string{""}, probes...)...)
	report.Row(b, slices.Repeat([]string{"---"}, len(probes)+1)...)
	for _, name := range names {
		cells := []string{rowName(name)}
		for _, p := range probes {
			if refused[[2]string{name, p}] {
				cells = append(cells, "✓")
			} else {
				cells = append(cells, "**accepted**")
			}
		}
		report.Row(b, cells...)
	}
	b.WriteString("\n")
}

func (r *results) writeContenders(b *strings.Builder) {
	b.WriteString("## How each is used\n\n")
	report.Row(b, "", "version", "")
	report.Row(b, "---", "---", "---")
	for _, c := range entrants() {
		versions := make([]string, 0, 1+len(c.with))
		for _, module := range append([]string{c.module}, c.with...) {
			if version := r.Modules[module]; version != "" {
				versions = append(versions, "`"+strings.TrimPrefix(module, "github.com/")+"` "+version)
			}
		}
		report.Row(b, rowName(c.name), strings.Join(versions, ", "), c.note)
	}
	b.WriteString("\n")
}
