package session_test

import (
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestDocListsEveryFile(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments|parser.PackageClauseOnly)
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, line := range regexp.MustCompile(`(?m)^\t(\w+\.go) {2,}\S`).FindAllStringSubmatch(file.Doc.Text(), -1) {
		listed = append(listed, line[1])
	}
	slices.Sort(listed)
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var present []string
	for _, e := range entries {
		name := e.Name()
		if strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") && name != "doc.go" {
			present = append(present, name)
		}
	}
	if !slices.Equal(listed, present) {
		t.Errorf("doc.go lists\n%q\nthe folder has\n%q", listed, present)
	}
}
