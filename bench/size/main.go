// Size measures what usher adds to a program: it builds small services with and without it, and prints how large they
// are.
//
//	go run ./bench/size
//
// It fails if usher adds more to a service than its limit, or if usher calls methods by reflection in a way that makes
// the linker keep every exported method of the whole program.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// program is one of the services.
type program struct {
	name  string // its folder below programs
	what  string
	base  string  // the same service without authentication, listed before it; "" for a base itself
	limit float64 // MB that it may have more than base on linux/amd64; 0 for no limit
}

var programs = []program{
	{"hello", "`net/http`, no authentication", "", 0},
	{"usher", "`net/http`, a protected route with usher", "hello", 2.6},
	{"golangjwt", "`net/http`, a login and a protected route with golang-jwt and bcrypt", "hello", 0},
	{"usherlogin", "`net/http`, a login and a protected route with usher", "hello", 2.8},
	{"gin", "gin, no authentication", "", 0},
	{"ginusher", "gin, a protected route with usher", "gin", 2.2},
}

const (
	folder    = "./bench/size/programs/"
	megabyte  = 1e6
	methodUse = "<ReflectMethod>" // how the linker marks a function whose reflection needs every method
)

func main() {
	flag.Parse()
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "size:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	scratch, err := os.MkdirTemp("", "size")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(scratch) }()

	fmt.Fprintf(out, "%s, %s/%s. MB are 1,000,000 bytes; stripped is without symbols (`-ldflags='-s -w'`).\n\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	fmt.Fprint(out, "| service | MB | stripped | added | limit |\n| --- | ---: | ---: | ---: | ---: |\n")
	sizes := make(map[string]float64)
	var faults []error
	for _, p := range programs {
		size, dependencies, err := p.build(ctx, filepath.Join(scratch, p.name), "-dumpdep")
		if err != nil {
			return err
		}
		stripped, _, err := p.build(ctx, filepath.Join(scratch, p.name), "-s -w")
		if err != nil {
			return err
		}
		sizes[p.name] = size
		added := ""
		if p.base != "" {
			added = fmt.Sprintf("%.1f", size-sizes[p.base])
		}
		fmt.Fprintf(out, "| %s | %.1f | %.1f | %s | %s |\n", p.what, size, stripped, added, p.limitText())
		faults = append(faults, p.check(size-sizes[p.base], dependencies))
	}
	return errors.Join(faults...)
}

func (p program) limitText() string {
	if p.limit == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f", p.limit)
}

// build builds the program, and returns its size, rounded to a tenth, and what the linker printed.
func (p program) build(ctx context.Context, to, linkerFlags string) (megabytes float64, printed []byte, err error) {
	//nolint:gosec // the arguments are the constants above
	command := exec.CommandContext(ctx, "go", "build", "-o", to, "-ldflags="+linkerFlags, folder+p.name)
	printed, err = command.CombinedOutput()
	if err != nil {
		return 0, nil, fmt.Errorf("building %s: %w\n%s", p.name, err, printed[:min(len(printed), 4096)])
	}
	info, err := os.Stat(to)
	if err != nil {
		return 0, nil, err
	}
	return math.Round(float64(info.Size())/megabyte*10) / 10, printed, nil
}

// check compares what a program has more than its base with its limit, and looks for reflection that keeps every method.
func (p program) check(added float64, dependencies []byte) error {
	if p.limit == 0 {
		return nil
	}
	var faults []error
	if added > p.limit+0.01 && runtime.GOOS+"/"+runtime.GOARCH == "linux/amd64" {
		faults = append(faults, fmt.Errorf("%s has %.1f MB more than %s, and its limit is %.1f MB", p.name, added, p.base, p.limit))
	}
	if callers := reflecting(dependencies); len(callers) > 0 {
		faults = append(faults, fmt.Errorf("in %s these functions use reflect's Method or MethodByName, so the linker keeps every exported method of the program:\n\t%s",
			p.name, strings.Join(callers, "\n\t")))
	}
	return errors.Join(faults...)
}

// reflecting returns the functions that the linker marked.
func reflecting(dependencies []byte) []string {
	seen := make(map[string]bool)
	var found []string
	for line := range bytes.Lines(dependencies) {
		function, _, _ := strings.Cut(strings.TrimSpace(string(line)), " -> ")
		if name, marked := strings.CutSuffix(function, " "+methodUse); marked && !seen[name] {
			seen[name] = true
			found = append(found, name)
		}
	}
	return found
}
