package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/go-usher/usher/bench/internal/report"
	"github.com/go-usher/usher/bench/internal/rounds"
)

// share is what a refresh is to reach of the raw round trips of the same client.
const share = 0.60

// results are all that a run has found.
type results struct {
	date    time.Time
	command string
	elapsed time.Duration
	pace    rounds.Pace
	machine report.Machine
	stores  []measuredStore
	absent  []string // why a store is left out
	figures []rounds.Figures
}

type measuredStore struct {
	store
	version string
}

func (r *results) markdown() string {
	var b strings.Builder
	b.WriteString("# Sessions: refreshes and Checks beside raw round trips\n\n")
	fmt.Fprintf(&b, "Measured on %s with %s on %s/%s, %s, %d cores that client and server share, by `%s` in %s.\n\n", r.date.Format(time.DateOnly),
		r.machine.Go, r.machine.OS, r.machine.Arch, r.machine.CPU, r.machine.Cores, r.command, r.elapsed.Round(time.Second))
	fmt.Fprintf(&b, "Every figure is the median of %d rounds. A round measures each operation once, for about %s, in random order and next to those "+
		"that it is compared with. Factors (“×”) are medians of the factors within each round, so slow phases of the machine affect both sides. "+
		"Clients run concurrently, each with its own session.\n\n", r.pace.Rounds, r.pace.Each)
	b.WriteString("A **refresh** is all that `Manager.Refresh` does: the token's tag, the claims, an access token signed with HS256, the successor, " +
		"and the store's step, which is one round trip. A **Check** is one read. Raw operations go through the same client, pool and " +
		"prepared statements, without usher. Allocations are the client's.\n\n")
	for _, why := range r.absent {
		fmt.Fprintf(&b, "%s.\n\n", why)
	}
	r.writeTargets(&b)
	for _, s := range r.stores {
		r.writeStore(&b, s)
	}
	return b.String()
}

func (r *results) writeTargets(b *strings.Builder) {
	var lines [][]string
	for _, s := range r.stores {
		if s.target == "" {
			continue
		}
		for _, n := range clients {
			refresh, raw := r.figure(s.name, n, opRefresh), r.figure(s.name, n, s.target)
			times := relative(refresh, raw)
			verdict := "met"
			if times < share {
				verdict = "**missed**"
			}
			lines = append(lines, []string{s.name, report.Count(float64(n)), perSecond(refresh), s.target + ": " + perSecond(raw), report.Times3(times), verdict})
		}
	}
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(b, "## Target: refreshes are at least %.0f %% of the raw round trips\n\n", 100*share)
	b.WriteString("The raw round trip is the least possible work. For Redis it is a PING. For PostgreSQL it is the commit of a changed row, " +
		"because a refresh must be on disk. A SELECT 1, which is in the table below, does not wait for the disk.\n\n")
	report.Row(b, "store", "clients", "refreshes/s", "raw/s", "refresh : raw", "")
	report.Row(b, "---", "---:", "---:", "---:", "---:", "---")
	for _, line := range lines {
		report.Row(b, line...)
	}
	b.WriteString("\n")
}

func (r *results) writeStore(b *strings.Builder, s measuredStore) {
	fmt.Fprintf(b, "## %s%s\n\n%s\n\n", strings.ToUpper(s.name[:1]), s.name[1:], s.note)
	if s.version != "" {
		fmt.Fprintf(b, "%s.\n\n", s.version)
	}
	heading, rule := []string{""}, []string{"---"}
	for _, n := range clients {
		plural := "s"
		if n == 1 {
			plural = ""
		}
		heading = append(heading, fmt.Sprintf("%d client%s, per second", n, plural), "refresh : this", "allocations")
		rule = append(rule, "---:", "---:", "---:")
	}
	report.Row(b, heading...)
	report.Row(b, rule...)
	for _, f := range r.set(s.name, clients[0]) {
		line := []string{f.Name}
		for _, n := range clients {
			this := r.figure(s.name, n, f.Name)
			factor := ""
			if f.Name != opRefresh {
				factor = report.Times3(relative(r.figure(s.name, n, opRefresh), this))
			}
			line = append(line, perSecond(this), factor, report.Count(this.Allocs))
		}
		report.Row(b, line...)
	}
	b.WriteString("\n")
}

// relative is how many a there are for each b in the same time.
func relative(a, b rounds.Figure) float64 { return rounds.Paired(b.Ns, a.Ns, rounds.Ratio) }

func perSecond(f rounds.Figure) string { return report.Thousands(int(1e9 / rounds.Median(f.Ns))) }

func (r *results) set(store string, clients int) []rounds.Figure {
	for _, s := range r.figures {
		if s.ID == setID(store, clients) {
			return s.Cells
		}
	}
	return nil
}

func (r *results) figure(store string, clients int, name string) rounds.Figure {
	for _, f := range r.set(store, clients) {
		if f.Name == name {
			return f
		}
	}
	return rounds.Figure{}
}
