package main

import (
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	for _, test := range []struct {
		name   string
		events []string
		line   string
		good   bool
		says   string
	}{
		{
			name: "tests and subtests count, packages do not",
			events: []string{
				`{"Action":"run","Package":"p","Test":"TestA"}`,
				`{"Action":"pass","Package":"p","Test":"TestA/sub"}`,
				`{"Action":"pass","Package":"p","Test":"TestA"}`,
				`{"Action":"pass","Package":"p","Elapsed":12.3}`,
				`{"Action":"skip","Package":"without tests"}`,
			},
			line: "2 passed, 0 failed", good: true, says: "ok p 12 s\n",
		},
		{
			name: "a failure is shown with its output and the package's",
			events: []string{
				`{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:7: got 1\n"}`,
				`{"Action":"fail","Package":"p","Test":"TestA"}`,
				`{"Action":"pass","Package":"p","Test":"TestB"}`,
				`{"Action":"output","Package":"p","Output":"-test.shuffle 42\n"}`,
				`{"Action":"fail","Package":"p"}`,
			},
			line: "1 passed, 1 failed", says: "FAIL p TestA\n    a_test.go:7: got 1\nFAIL p\n-test.shuffle 42\n",
		},
		{
			name: "a package that does not build fails",
			events: []string{
				`{"ImportPath":"p","Action":"build-output","Output":"p.go:3:1: syntax error\n"}`,
				`{"ImportPath":"p","Action":"build-fail"}`,
				`{"Action":"fail","Package":"p","FailedBuild":"p"}`,
				`{"Action":"pass","Package":"q","Test":"TestA"}`,
			},
			line: "1 passed, 0 failed", says: "syntax error",
		},
		{
			name: "a skip is reported with its reason",
			events: []string{
				`{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}`,
				`{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:7: needs Windows\n"}`,
				`{"Action":"output","Package":"p","Test":"TestA","Output":"--- SKIP: TestA (0.00s)\n"}`,
				`{"Action":"skip","Package":"p","Test":"TestA"}`,
				`{"Action":"pass","Package":"p","Test":"TestB"}`,
			},
			line: "1 passed, 0 failed, 1 skipped", good: true, says: "skipped p TestA: a_test.go:7: needs Windows\n",
		},
		{
			name: "a skip because a server is missing fails",
			events: []string{
				`{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:7: USHER_TEST_REDIS_URL is not set\n"}`,
				`{"Action":"skip","Package":"p","Test":"TestA"}`,
				`{"Action":"pass","Package":"p","Test":"TestB"}`,
			},
			line: "1 passed, 0 failed, 1 skipped", says: "SKIPPED BECAUSE A SERVER OR BROWSER IS MISSING p TestA",
		},
		{
			name: "a skip for want of a browser fails",
			events: []string{
				`{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:7: there is no Chromium: apt-get install chromium, or set USHER_TEST_CHROMIUM to its path\n"}`,
				`{"Action":"skip","Package":"p","Test":"TestA"}`,
				`{"Action":"pass","Package":"p","Test":"TestB"}`,
			},
			line: "1 passed, 0 failed, 1 skipped", says: "SKIPPED BECAUSE A SERVER OR BROWSER IS MISSING p TestA",
		},
		{
			name:   "nothing at all fails, and what is no event is shown",
			events: []string{`go: warning: "work" matched no packages`},
			line:   "0 passed, 0 failed", says: `go: warning: "work"`,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out strings.Builder
			sum, err := report(strings.NewReader(strings.Join(test.events, "\n")), &out)
			if err != nil || sum.String() != test.line || sum.good() != test.good {
				t.Errorf("report = %q, good %t, %v; want %q, good %t", sum, sum.good(), err, test.line, test.good)
			}
			if !strings.Contains(out.String(), test.says) {
				t.Errorf("it printed\n%s\nwithout %q", &out, test.says)
			}
		})
	}
}
