// Package edge_test holds docs/integrations.md to the recipes.
package edge_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const docs = "../../../docs"

// row is a row of the table that links to a file of this module or of the one for observability.
var row = regexp.MustCompile(`(?m)^\| \[[^\]]+\]\(#[a-z0-9-]+\) \| (\d+)[^|]*\| \[[^\]]+\]\((\.\./examples/recipes/(?:edge|observability)/[^)]+)\) \|$`)

// imports are the declarations at the beginning of a file, which nobody copies by hand.
var imports = regexp.MustCompile(`(?s)\nimport \(.*?\n\)\n`)

func TestTheTableCountsTheLinesOfGlue(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(docs, "integrations.md"))
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, found := range row.FindAllStringSubmatch(string(page), -1) {
		path := filepath.Join(docs, found[2])
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		listed[filepath.Base(filepath.Dir(path))] = true
		if want, err := strconv.Atoi(found[1]); err != nil || lines(string(text)) != want {
			t.Errorf("%s has %d lines, and the table says %s", path, lines(string(text)), found[1])
		}
	}
	folders, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		if folder.IsDir() && folder.Name() != "internal" && !listed[folder.Name()] {
			t.Errorf("the table lacks the recipe %s", folder.Name())
		}
	}
	if !listed["observability"] {
		t.Error("the table lacks the recipe observability")
	}
}

// lines counts a file's lines of code.
func lines(file string) int {
	n := 0
	for line := range strings.Lines(imports.ReplaceAllString(file, "\n")) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "//") && !strings.HasPrefix(line, "package ") {
			n++
		}
	}
	return n
}
