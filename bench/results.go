//go:build !alone

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"github.com/go-usher/usher/bench/internal/report"
	"github.com/go-usher/usher/bench/internal/rounds"
)

// results is all that a run has found. It is written to results.json, and everything that is shown is computed
// from it.
type results struct {
	Date     time.Time         `json:"date"`
	Command  string            `json:"command"`
	Elapsed  time.Duration     `json:"elapsed"`
	Pace     rounds.Pace       `json:"pace"`
	Machine  report.Machine    `json:"machine"`
	Modules  map[string]string `json:"modules"` // path to version
	Verdicts []verdict         `json:"verdicts"`
	Sets     []rounds.Figures  `json:"sets"`
	Flood    *flooded          `json:"flood,omitempty"`
}

// linkedModules are the modules in this binary, with their versions.
func linkedModules() map[string]string {
	modules := make(map[string]string)
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return modules
	}
	for _, module := range info.Deps {
		modules[module.Path] = module.Version
	}
	modules[usherModule] = "this checkout"
	return modules
}

// figure finds what was measured for a contender; found is false if it has no such figure.
func (r *results) figure(id, name string, procs int) (f rounds.Figure, found bool) {
	for _, s := range r.Sets {
		if s.ID != id {
			continue
		}
		for _, cell := range s.Cells {
			if cell.Name == name && cell.Procs == procs && len(cell.Ns) > 0 {
				return cell, true
			}
		}
	}
	return rounds.Figure{}, false
}

func (r *results) save(path string) error {
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return report.Publish(path, append(text, '\n'))
}

func loadResults(path string) (*results, error) {
	text, err := os.ReadFile(path) //nolint:gosec // it is the user who names the folder
	if err != nil {
		return nil, err
	}
	r := new(results)
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}
