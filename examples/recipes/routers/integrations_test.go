// Package routers_test holds docs/integrations.md to the recipes.
package routers_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const docs = "../../../docs"

var (
	// row is a row of the table that links to a recipe.
	row = regexp.MustCompile(`(?m)^\| \[[^\]]+\]\([a-z.]*[#a-z0-9-]*\) \| (\d+)[^|]*\| \[[^\]]+\]\((\.\./examples/recipes/[^)]+)\) \|$`)
	// prologue is what is not counted of a file that is copied as a whole.
	prologue = regexp.MustCompile(`(?ms)\A.*?^package \w+$(\s*^import (\(.*?^\)|"[^"]+")$)*`)
)

func page(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(docs, "integrations.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// glue returns what stands between the marks of a recipe of this module, with the types of the page. The recipes of other modules
// have no marks, because their files are copied as a whole.
func glue(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !ours(file) {
		return prologue.ReplaceAllString(string(text), "")
	}
	_, rest, ok := strings.Cut(string(text), "// glue:\n")
	found, _, closed := strings.Cut(rest, "// end of glue\n")
	if ok && !closed {
		t.Fatalf("%s does not say where its glue ends", file)
	}
	return strings.TrimSpace(strings.ReplaceAll(found, "users.", ""))
}

// ours reports whether a recipe belongs to this module.
func ours(file string) bool {
	return !strings.Contains(file, "recipes/") || strings.Contains(file, "recipes/routers/")
}

// lines counts lines of code.
func lines(code string) int {
	n := 0
	for line := range strings.Lines(code) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") {
			n++
		}
	}
	return n
}

func TestTheTableCountsTheLinesOfGlue(t *testing.T) {
	rows := row.FindAllStringSubmatch(page(t), -1)
	listed := map[string]bool{}
	for _, found := range rows {
		file := filepath.Join(docs, found[2])
		if ours(file) {
			listed[filepath.Base(filepath.Dir(file))] = true
		}
		if want, err := strconv.Atoi(found[1]); err != nil || lines(glue(t, file)) != want {
			t.Errorf("%s has %d lines of glue, and the table says %s", file, lines(glue(t, file)), found[1])
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
}

// TestThePagePrintsTheGlue checks all recipes of this module but fiber2, which the page only describes: it is fiber3 with other names.
func TestThePagePrintsTheGlue(t *testing.T) {
	text := page(t)
	for _, found := range row.FindAllStringSubmatch(text, -1) {
		code := glue(t, filepath.Join(docs, found[2]))
		if ours(found[2]) && !strings.Contains(found[2], "/fiber2/") && !strings.Contains(text, code) {
			t.Errorf("the page does not print the glue of %s as it is:\n%s", found[2], code)
		}
	}
}

func TestFiber2IsFiber3WithOtherNames(t *testing.T) {
	names := strings.NewReplacer("*fiber.Ctx", "fiber.Ctx", "c.Context()", "c.RequestCtx()", "c.UserContext()", "c.Context()", "c.SetUserContext", "c.SetContext")
	if two, three := names.Replace(glue(t, "fiber2/fiber2.go")), glue(t, "fiber3/fiber3.go"); two != three {
		t.Errorf("the glue of fiber2 reads, with the names of fiber3:\n%s\nwant:\n%s", two, three)
	}
}
