package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// results is all that a run has found. It is written to results.json, and everything that is shown is computed
// from it.
type results struct {
	Date     time.Time         `json:"date"`
	Command  string            `json:"command"`
	Elapsed  time.Duration     `json:"elapsed"`
	Pace     pace              `json:"pace"`
	Machine  machine           `json:"machine"`
	Modules  map[string]string `json:"modules"` // path to version
	Verdicts []verdict         `json:"verdicts"`
	Sets     []figures         `json:"sets"`
	Flood    *flooded          `json:"flood,omitempty"`
}

// machine is what a reader needs to know about where it ran.
type machine struct {
	Go    string `json:"go"`
	OS    string `json:"os"`
	Arch  string `json:"arch"`
	CPU   string `json:"cpu"`
	Cores int    `json:"cores"`
}

func thisMachine() machine {
	m := machine{Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH, CPU: "unknown CPU", Cores: runtime.NumCPU()}
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return m // not Linux
	}
	for line := range strings.Lines(string(info)) {
		if name, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(name) == "model name" {
			m.CPU = strings.TrimSpace(value)
			break
		}
	}
	return m
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
func (r *results) figure(id, name string, procs int) (f figure, found bool) {
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
	return figure{}, false
}

func (r *results) save(path string) error {
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return publish(path, append(text, '\n'))
}

// publish writes a file that everybody may read.
func publish(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // results are no secret
		return err
	}
	return os.WriteFile(path, text, 0o644) //nolint:gosec // likewise
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
