package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const fence = "```"

func TestParsePageFindsGoAndSetup(t *testing.T) {
	page := parsePage("p.md", "# Title\n\n<!-- setup\nvar a int\n-->\n\n"+fence+"sh\n"+fence+"\n\n"+fence+"go\na = 1\n"+fence+"\n"+fence+"text\n"+fence+"go\n"+fence+"\n")
	if page.setup.code != "var a int\n" {
		t.Errorf("setup is %q", page.setup.code)
	}
	if len(page.blocks) != 1 || page.blocks[0].code != "a = 1\n" || page.blocks[0].line != 11 {
		t.Errorf("blocks are %+v, want one at line 11", page.blocks)
	}
}

func TestSplitTellsDeclarationsFromStatements(t *testing.T) {
	declarations, statements := split(block{"p.md", 1, `type T struct {
	A int

	B int
}

func (t T) Sum() int { return t.A + t.B }

sum := T{1, 2}.Sum()

if sum > 2 {

	sum = 2
}
`})
	if len(declarations) != 2 || !strings.Contains(declarations[0], "B int\n}") || !strings.HasPrefix(declarations[1], "//line p.md:7\n") {
		t.Errorf("declarations are %q", declarations)
	}
	if _, err := wrap(statements); err != nil {
		t.Errorf("the statements %q: %v", statements, err)
	}
}

// TestRun compiles pages, and so it runs in the repository's root.
func TestRun(t *testing.T) {
	t.Chdir("../..")
	packages, err := knownPackages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, page, wantError string }{
		{"statements with a page's setup", "<!-- setup\nvar secret []byte\n-->\n" + fence + "go\nkey, err := usher.NewKey(usher.HS256, secret)\n" + fence, ""},
		{"a block's own declaration wins", "<!-- setup\ntype T int\n-->\n" + fence + "go\ntype T string\n\nvar t T = \"\"\n" + fence, ""},
		{"an import of its own", fence + "go\nimport \"strings\"\n\nt := strings.ToUpper(\"a\")\n" + fence, ""},
		{"a complete file", fence + "go\npackage main\n\nfunc main() {}\n" + fence, ""},
		{"an error is returned", fence + "go\nif err := ctx.Err(); err != nil {\n\treturn err\n}\n" + fence, ""},
		{"a name that does not exist", "one\n" + fence + "go\nvar _ usher.NoSuchType\n" + fence, "p.md:3:"},
		{"a name that nobody declares", "one\n\n" + fence + "go\nx := nobody\n" + fence, "p.md:4:"},
		{"what is no Go", fence + "go\nif {\n" + fence, "p.md:2"},
		{"no Go at all", "one\n", "no Go code"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "p.md")
			if err := os.WriteFile(path, []byte(test.page+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := run(t.Context(), []string{path}, packages)
			if test.wantError == "" && err != nil {
				t.Error(err)
			}
			if test.wantError != "" && (err == nil || !strings.Contains(err.Error(), test.wantError)) {
				t.Errorf("the error is %v, want one with %q", err, test.wantError)
			}
		})
	}
}
