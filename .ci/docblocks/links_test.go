package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheckLinks(t *testing.T) {
	dir := t.TempDir()
	page := filepath.Join(dir, "p.md")
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(dir, "other.md"), "# Browsers: `cookies` and more\n\n"+fence+"\n# no heading\n"+fence+"\n")
	tests := []struct{ name, text, wantError string }{
		{"a page", "see [it](other.md)", ""},
		{"a heading", "see [it](other.md#browsers-cookies-and-more)", ""},
		{"a heading of the page itself", "# One two\n[it](#one-two)", ""},
		{"another site", "[it](https://example.com/x)", ""},
		{"a link in a code block", fence + "\n[it](missing.md)\n" + fence, ""},
		{"a page that does not exist", "\n[it](missing.md)", "p.md:2: the link missing.md leads nowhere"},
		{"a heading that does not exist", "[it](other.md#browsers)", "p.md:1: "},
		{"a heading that is code", "[it](other.md#no-heading)", "no heading for #no-heading"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			write(page, test.text)
			faults, err := checkLinks(page)
			if err != nil {
				t.Fatal(err)
			}
			if test.wantError == "" && len(faults) > 0 {
				t.Errorf("faults are %v, want none", faults)
			}
			if test.wantError != "" && (len(faults) != 1 || !strings.Contains(faults[0].Error(), test.wantError)) {
				t.Errorf("faults are %v, want %q", faults, test.wantError)
			}
		})
	}
}
