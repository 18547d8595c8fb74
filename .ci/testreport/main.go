// Testreport reads the output of go test -json. It prints the output of failed tests, how many tests passed, how long each
// package took, and every skipped test with its reason. A test that was skipped because a server or browser is missing counts
// as a failure. Such tests name the USHER_TEST_ variable that says where the server is.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

// missing occurs in the reason of a test that was skipped because a server or browser is missing.
const missing = "USHER_TEST_"

func main() {
	counts := flag.String("counts", "", "file to write the line \"N passed, N failed\" to")
	flag.Parse()
	sum, err := report(os.Stdin, os.Stdout)
	if err == nil && *counts != "" {
		err = os.WriteFile(*counts, []byte(sum.String()+"\n"), 0o600)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
		os.Exit(2)
	}
	if !sum.good() {
		os.Exit(1)
	}
}

// event is a line of go test -json, as "go doc test2json" describes it; the build lines have ImportPath only.
type event struct {
	Action, Package, ImportPath, Test, Output string
	Elapsed                                   float64 // seconds
}

// summary counts tests with their subtests, and failures that are not tests: builds and whole packages.
type summary struct {
	passed, failed, skipped, broken int
}

func (s summary) good() bool { return s.passed > 0 && s.failed == 0 && s.broken == 0 }

func (s summary) String() string {
	line := fmt.Sprintf("%d passed, %d failed", s.passed, s.failed)
	if s.skipped > 0 {
		line += fmt.Sprintf(", %d skipped", s.skipped)
	}
	return line
}

func report(events io.Reader, out io.Writer) (summary, error) {
	var sum summary
	var skips []string
	outputs := make(map[string]*strings.Builder) // of tests and packages that have not ended
	failedIn := make(map[string]bool)            // packages with a failed test

	lines := bufio.NewScanner(events)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			// Not an event, but the message of a tool, such as a warning about a pattern.
			fmt.Fprintln(out, lines.Text())
			continue
		}
		name := strings.TrimSpace(e.Package + e.ImportPath + " " + e.Test)
		output := outputs[name]
		if output == nil {
			output = new(strings.Builder)
			outputs[name] = output
		}
		switch e.Action {
		case "output", "build-output":
			output.WriteString(e.Output)
			continue
		case "pass", "fail", "skip", "build-fail":
			delete(outputs, name)
		default:
			continue
		}

		isTest := e.Test != ""
		switch {
		case e.Action == "pass" && isTest:
			sum.passed++
		case e.Action == "pass":
			fmt.Fprintf(out, "ok %s %.0f s\n", name, e.Elapsed)
		case e.Action == "skip" && isTest:
			sum.skipped++
			reason := reasonOf(output.String())
			if strings.Contains(reason, missing) {
				sum.broken++
				fmt.Fprintln(out, "SKIPPED BECAUSE A SERVER OR BROWSER IS MISSING", name+":", reason)
			} else {
				skips = append(skips, name+": "+reason)
			}
		case e.Action == "fail" && isTest:
			sum.failed++
			failedIn[e.Package] = true
			fmt.Fprintf(out, "FAIL %s\n%s", name, output)
		case e.Action == "fail" && failedIn[e.Package]:
			fmt.Fprintf(out, "FAIL %s\n%s", name, output) // the random seed, and output outside of tests
		case e.Action == "fail", e.Action == "build-fail":
			sum.broken++
			fmt.Fprintf(out, "FAIL %s\n%s", name, output)
		}
	}

	for _, skip := range skips {
		fmt.Fprintln(out, "skipped", skip)
	}
	fmt.Fprintln(out, sum)
	if sum.passed == 0 {
		fmt.Fprintln(out, "no test passed")
	}
	return sum, lines.Err()
}

// reasonOf returns what a skipped test printed.
func reasonOf(output string) string {
	var reason []string
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "=== ") && !strings.HasPrefix(line, "--- ") {
			reason = append(reason, line)
		}
	}
	if reason == nil {
		return "no reason given"
	}
	return strings.Join(reason, " ")
}
