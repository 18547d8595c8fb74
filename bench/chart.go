//go:build !alone

package main

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-usher/usher/bench/internal/report"
	"github.com/go-usher/usher/bench/internal/rounds"
)

// panel is one group of bars of the chart.
type panel struct{ title, id string }

func panels() []panel {
	return []panel{
		{"One authenticated request, HS256", "middleware/HS256/8"},
		{"One authenticated request, ES256", "middleware/ES256/8"},
		{"Issuing a token, HS256", "encode/HS256/8"},
		{"Refusing a forged token, HS256", "forged/HS256/8"},
	}
}

// shortNames are those of the chart where it has no room for the others.
var shortNames = map[string]string{
	nameUsherWarm: "usher, remembered", nameUsherFilling: "usher, filling in",
}

func shortName(name string) string {
	return cmp.Or(shortNames[name], strings.TrimSuffix(name, " by hand"))
}

// The chart's measures, in pixels.
const (
	chartWidth  = 880
	panelWidth  = 424
	labelWidth  = 158
	valueWidth  = 84
	barsWidth   = panelWidth - labelWidth - valueWidth - 24
	barHeight   = 13
	barPitch    = 20
	panelHead   = 40
	panelFoot   = 14
	chartHead   = 58
	chartMargin = 10
)

const chartStyle = `
  svg { color-scheme: light dark }
  .ground { fill: #ffffff }
  .frame { fill: none; stroke: #d0d7de }
  text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; font-size: 12px; fill: #1f2328 }
  .title { font-size: 16px; font-weight: 600 }
  .head { font-size: 13px; font-weight: 600 }
  .quiet { fill: #59636e }
  .peer { fill: #9aa4af }
  .limit { fill: #ffffff; stroke: #59636e; stroke-dasharray: 2 2 }
  .usher { fill: #0969da }
  .strong { font-weight: 600 }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117 }
    .frame { stroke: #3d444d }
    text { fill: #f0f6fc }
    .quiet { fill: #9198a1 }
    .peer { fill: #656c76 }
    .limit { fill: #0d1117; stroke: #9198a1 }
    .usher { fill: #4493f8 }
  }
`

// bar is one line of a panel.
type bar struct {
	name   string
	ns     float64
	allocs float64
}

// bars are a panel's, the fastest first, without what the harness itself costs.
func (r *results) bars(p panel) []bar {
	var list []bar
	for _, s := range r.Sets {
		if s.ID != p.id {
			continue
		}
		for _, c := range s.Cells {
			if len(c.Ns) == 0 || slices.Contains([]string{nameNoAuth, nameNoEcho, nameNoGin}, c.Name) {
				continue
			}
			list = append(list, bar{c.Name, rounds.Median(c.Ns), c.Allocs})
		}
	}
	slices.SortStableFunc(list, func(a, b bar) int { return cmp.Compare(a.ns, b.ns) })
	return list
}

// chart is chart.svg: every panel has its own linear scale from zero. It is "" if the run has no panel.
func (r *results) chart() string {
	var body strings.Builder
	y, drawn := float64(chartHead), 0
	all := panels()
	for i := 0; i < len(all); i += 2 {
		tallest := 0.0
		for j := i; j < min(i+2, len(all)); j++ {
			bars := r.bars(all[j])
			if len(bars) == 0 {
				continue
			}
			x := float64(chartMargin + (j-i)*(panelWidth+12))
			tallest = max(tallest, drawPanel(&body, all[j].title, bars, x, y))
			drawn++
		}
		y += tallest
	}
	if drawn == 0 {
		return ""
	}
	height := y + 28

	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%.0f" viewBox="0 0 %[1]d %.0[2]f" role="img" aria-labelledby="t d">`+"\n",
		chartWidth, height)
	b.WriteString("<title id=\"t\">usher beside its peers</title>\n")
	fmt.Fprintf(&b, "<desc id=\"d\">%s</desc>\n", escape(r.chartText()))
	fmt.Fprintf(&b, "<style>%s</style>\n", chartStyle)
	fmt.Fprintf(&b, `<rect class="ground" width="%d" height="%.0f" rx="8"/>`+"\n", chartWidth, height)
	write(&b, chartMargin+8, 26, "title", "usher beside its peers")
	write(&b, chartMargin+8, 45, "quiet", "Time per operation, shorter is better; after it, allocations. 8 claims, the same checks for all, 1 core.")
	b.WriteString(body.String())
	write(&b, chartMargin+8, height-12, "quiet", fmt.Sprintf("%s, %s, %s. Dashed: no libraries, but the bare work; results.md explains it.",
		r.Machine.CPU, r.Machine.Go, r.Date.Format(time.DateOnly)))
	b.WriteString("</svg>\n")
	return b.String()
}

// drawPanel draws one panel and returns its height.
func drawPanel(b *strings.Builder, title string, bars []bar, x, y float64) float64 {
	height := float64(panelHead + len(bars)*barPitch + panelFoot)
	fmt.Fprintf(b, `<rect class="frame" x="%.1f" y="%.1f" width="%d" height="%.1f" rx="6"/>`+"\n", x+.5, y+.5, panelWidth, height-8)
	write(b, x+10, y+22, "head", title)
	longest := bars[len(bars)-1].ns
	for i, bar := range bars {
		top := y + float64(panelHead+i*barPitch)
		label, fill := "", "peer"
		switch kindOf(bar.name) {
		case 0:
			label, fill = "quiet", "limit"
		case 1:
			label, fill = "strong", "usher"
		}
		width := max(1.5, bar.ns/longest*barsWidth)
		write(b, x+10, top+10.5, label, shortName(bar.name))
		fmt.Fprintf(b, `<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%d" rx="2"/>`+"\n", fill, x+labelWidth+10, top, width, barHeight)
		value := report.Nanos(bar.ns)
		if kindOf(bar.name) != 0 || bar.allocs > 0 {
			value += ", " + report.Count(bar.allocs)
		}
		write(b, x+labelWidth+16+width, top+10.5, label, value)
	}
	return height
}

func write(b *strings.Builder, x, y float64, class, text string) {
	if class != "" {
		class = ` class="` + class + `"`
	}
	fmt.Fprintf(b, `<text%s x="%.1f" y="%.1f">%s</text>`+"\n", class, x, y, escape(text))
}

// chartText is the chart in words, for those who can't see it.
func (r *results) chartText() string {
	var parts []string
	for _, p := range panels() {
		var values []string
		for _, bar := range r.bars(p) {
			values = append(values, shortName(bar.name)+" "+report.Nanos(bar.ns))
		}
		if len(values) > 0 {
			parts = append(parts, p.title+": "+strings.Join(values, ", ")+".")
		}
	}
	return strings.Join(parts, " ")
}

func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a strings.Builder takes everything
	return b.String()
}
