// Docblocks compiles the Go code of Markdown pages, so that no page shows code that does not work, and checks that
// relative links lead somewhere.
//
//	go run ./.ci/docblocks            every page of the root, of docs and of the examples
//	go run ./.ci/docblocks PAGE...    these pages alone
//
// It checks every block that begins with ```go. A block that begins with a package clause is a complete file. Any other
// block holds declarations, statements or both, and is completed: statements go into a function, and packages are imported
// by their names. A page can declare what its blocks use in a comment that readers do not see:
//
//	<!-- setup
//	var secret []byte
//	-->
//
// Each block is a package of its own. It is compiled as part of the examples module, whose dependencies it may use, from an
// overlay: no file is written into the repository. Messages name the page and its line.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

func main() {
	ctx := context.Background()
	packages, err := knownPackages(ctx)
	blocks := 0
	if err == nil {
		blocks, err = run(ctx, os.Args[1:], packages)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "docblocks:", err)
		os.Exit(1)
	}
	fmt.Println(blocks, "code blocks compile, and all relative links lead somewhere")
}

// run compiles the blocks of pages, of all pages if none is named, and returns how many there are. Packages are known by name.
func run(ctx context.Context, pages []string, packages map[string]string) (int, error) {
	if len(pages) == 0 {
		var err error
		if pages, err = allPages(); err != nil {
			return 0, err
		}
	}
	scratch, err := os.MkdirTemp("", "docblocks")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(scratch) }()

	overlay := overlay{scratch: scratch, Replace: make(map[string]string)}
	var faults []error
	count := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			return 0, err
		}
		broken, err := checkLinks(page)
		if err != nil {
			return 0, err
		}
		faults = append(faults, broken...)
		parsed := parsePage(page, string(text))
		for _, b := range parsed.blocks {
			count++
			files, err := complete(b, parsed.setup, packages)
			if err == nil {
				err = overlay.add(count, files)
			}
			if err != nil {
				faults = append(faults, fmt.Errorf("%s:%d: %w", b.page, b.line, err))
			}
		}
	}
	if count == 0 {
		return 0, errors.New("the pages have no Go code, which can't be right")
	}
	return count, errors.Join(append(faults, overlay.compile(ctx))...)
}

// allPages returns the pages of the root and of bench, and of docs and examples with their folders.
func allPages() ([]string, error) {
	var pages []string
	for _, pattern := range []string{"*.md", "bench/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return nil, err
		}
		pages = append(pages, found...)
	}
	for _, dir := range []string{"docs", "examples"} {
		err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if err == nil && filepath.Ext(path) == ".md" {
				pages = append(pages, path)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return pages, nil
}

// knownPackages returns import paths by package name: of the standard library and of this repository, and of the other
// modules that pages mention.
func knownPackages(ctx context.Context) (map[string]string, error) {
	known := make(map[string]string)
	for _, pattern := range []string{"std", "work"} {
		out, err := exec.CommandContext(ctx, "go", "list", "-f", "{{.Name}} {{.ImportPath}}", pattern).Output()
		if err != nil {
			return nil, fmt.Errorf("go list %s: %w", pattern, err)
		}
		for line := range strings.Lines(string(out)) {
			name, path, _ := strings.Cut(strings.TrimSpace(line), " ")
			if name == "main" || strings.Contains("/"+path+"/", "/internal/") || strings.HasPrefix(path, "vendor/") {
				continue
			}
			known[name] = path
		}
	}
	// Of two packages with one name, and of other modules.
	maps.Copy(known, map[string]string{
		"bcrypt":   "golang.org/x/crypto/bcrypt",
		"jwt":      "github.com/golang-jwt/jwt/v5",
		"rand":     "crypto/rand",
		"redis":    "github.com/redis/go-redis/v9",
		"template": "html/template",
	})
	return known, nil
}

// overlay collects files that the go command sees and nobody else (go help build, -overlay).
type overlay struct {
	scratch string
	dirs    []string
	Replace map[string]string
}

// add adds the n-th block's files, by name, as a package of the examples module.
func (o *overlay) add(n int, files map[string]string) error {
	name := "block" + strconv.Itoa(n)
	dir, err := filepath.Abs(filepath.Join("examples", "docblocks", name))
	if err != nil {
		return err
	}
	o.dirs = append(o.dirs, "./"+filepath.Join("examples", "docblocks", name))
	for file, text := range files {
		path := filepath.Join(o.scratch, name+file)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
		o.Replace[filepath.Join(dir, file)] = path
	}
	return nil
}

// compile compiles the packages.
func (o *overlay) compile(ctx context.Context) error {
	if len(o.dirs) == 0 {
		return nil
	}
	list, err := json.Marshal(o)
	if err != nil {
		return err
	}
	path := filepath.Join(o.scratch, "overlay.json")
	if err := os.WriteFile(path, list, 0o600); err != nil {
		return err
	}
	// go vet would want the directories to exist. Of several packages, go build writes none: so one more is named.
	out, err := exec.CommandContext(ctx, "go", append([]string{"build", "-overlay=" + path, "errors"}, o.dirs...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("these blocks do not compile:\n%s", out)
	}
	return nil
}
