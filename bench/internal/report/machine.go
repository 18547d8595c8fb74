package report

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Machine is what a reader needs to know about where it ran.
type Machine struct {
	Go    string `json:"go"`    // the toolchain
	OS    string `json:"os"`    // linux, …
	Arch  string `json:"arch"`  // amd64, …
	CPU   string `json:"cpu"`   // as it calls itself
	Cores int    `json:"cores"` // that the process may use
}

// ThisMachine describes the one that it runs on.
func ThisMachine() Machine {
	m := Machine{Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH, CPU: "unknown CPU", Cores: runtime.NumCPU()}
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

// Publish writes a file that everybody may read.
func Publish(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // results are no secret
		return err
	}
	return os.WriteFile(path, text, 0o644) //nolint:gosec // likewise
}
