package usher_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestDocListsEveryFileOfThePackage(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(doc), "# The files")
	var listed []string
	for _, line := range regexp.MustCompile(`(?m)^//\t(\w+\.go)  +[^ ]`).FindAllStringSubmatch(list, -1) {
		listed = append(listed, line[1])
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	files = slices.DeleteFunc(files, func(name string) bool { return strings.HasSuffix(name, "_test.go") })
	slices.Sort(listed)
	if !slices.Equal(listed, files) {
		t.Errorf("doc.go lists\n%v, the folder has\n%v", listed, files)
	}
}

// The four lines of the package's page are those of its Example, which compiles.
func TestDocShowsTheExample(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("example_middleware_test.go")
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile(`(?m)^//\t(\w+ := usher\.Must\(.*\)) +//`).FindAllSubmatch(doc, -1)
	if len(lines) != 4 {
		t.Fatalf("%d lines", len(lines))
	}
	for _, line := range lines {
		if code := strings.TrimSpace(string(line[1])); !strings.Contains(string(example), "\n\t"+code+"\n") {
			t.Errorf("no example has the line %q", code)
		}
	}
}

// A test file is named after the file that it tests, or after what it does with the whole package.
func TestTestFilesAreNamedAfterTheFilesOfThePackage(t *testing.T) {
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	whole := []string{"alloc", "benchmark", "cost", "example", "helpers", "interop"}
	for _, name := range files {
		subject, _, _ := strings.Cut(strings.TrimSuffix(name, ".go"), "_")
		if _, err := os.Stat(subject + ".go"); err != nil && !slices.Contains(whole, subject) {
			t.Errorf("%s: there is no %s.go", name, subject)
		}
	}
}
