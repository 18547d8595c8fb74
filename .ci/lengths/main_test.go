package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReportListsLongFunctionsAndCountsTooLongOnes(t *testing.T) {
	dir := t.TempDir()
	body := func(lines int) string { return "{\n" + strings.Repeat("\t_ = 0\n", lines-2) + "}\n" }
	text := "package p\n\nfunc short() " + body(3) + "\nfunc long() " + body(5) + "\nfunc (t T) tooLong() " + body(7) + "\ntype T int\n"
	for name, content := range map[string]string{"p.go": text, "p_test.go": "package p\n\nfunc inATest() " + body(9)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name    string
		most    limits
		tooLong int
		want    []string
	}{
		{"all within their limits", limits{aim: 4, function: 7, file: 100}, 0, []string{"long has 5 lines\n", "tooLong has 7 lines\n"}},
		{"a function exceeds its limit", limits{aim: 4, function: 6, file: 100}, 1, []string{"tooLong has 7 lines, and a function may have 6\n"}},
		{"the file exceeds its limit", limits{aim: 9, function: 9, file: 20}, 1, []string{"p.go: 21 lines, and a file may have 20\n"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out strings.Builder
			tooLong, err := report(&out, dir, test.most)
			if err != nil || tooLong != test.tooLong {
				t.Errorf("report() = %d, %v, want %d; it printed:\n%s", tooLong, err, test.tooLong, &out)
			}
			for _, want := range test.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("the report lacks %q:\n%s", want, &out)
				}
			}
			if strings.Contains(out.String(), "short") || strings.Contains(out.String(), "inATest") {
				t.Errorf("the report lists a short function or a test:\n%s", &out)
			}
		})
	}
}
