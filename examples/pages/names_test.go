package pages_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../.."

var (
	testFunction = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	mentioned    = regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w+)`")
)

// TestPagesNameTestsThatExist holds the pages to the tests that they name as evidence.
func TestPagesNameTestsThatExist(t *testing.T) {
	tests := make(map[string]bool)
	walk(t, root, "_test.go", func(_, text string) {
		for _, match := range testFunction.FindAllStringSubmatch(text, -1) {
			tests[match[1]] = true
		}
	})
	names := 0
	walk(t, filepath.Join(root, "docs"), ".md", func(path, text string) {
		for i, line := range strings.Split(text, "\n") {
			for _, match := range mentioned.FindAllStringSubmatch(line, -1) {
				names++
				if !tests[match[1]] {
					t.Errorf("%s:%d names %s, and there is no such test", path, i+1, match[1])
				}
			}
		}
	})
	if names == 0 {
		t.Error("the pages name no test, which can't be right")
	}
}

// walk calls with for every file below dir whose name has the suffix.
func walk(t *testing.T, dir, suffix string, with func(path, text string)) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == ".git" || entry.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(path, suffix) {
			return nil
		}
		text, err := os.ReadFile(path)
		if err == nil {
			with(path, string(text))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
