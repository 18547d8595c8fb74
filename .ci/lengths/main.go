// Lengths reports how long packages' files and functions are, and fails if one is longer than it may be. Tests don't count.
//
//	go run ./.ci/lengths [-function LINES] [-file LINES] [-aim LINES] DIRECTORY...
//
// For each directory it prints the lines in all, the longest file, and every function that is longer than the aim.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// limits are numbers of lines.
type limits struct{ aim, function, file int }

func main() {
	var most limits
	flag.IntVar(&most.aim, "aim", 40, "longer functions are listed")
	flag.IntVar(&most.function, "function", 60, "longer functions fail")
	flag.IntVar(&most.file, "file", 700, "longer files fail")
	flag.Parse()
	tooLong := 0
	for _, dir := range flag.Args() {
		n, err := report(os.Stdout, dir, most)
		if err != nil {
			fmt.Fprintln(os.Stderr, "lengths:", err)
			os.Exit(2)
		}
		tooLong += n
	}
	if tooLong > 0 {
		fmt.Println(tooLong, "files or functions are too long")
		os.Exit(1)
	}
}

// report prints the lengths of one package, and returns how many of them exceed their limit.
func report(out io.Writer, dir string, most limits) (tooLong int, err error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return 0, err
	}
	var functions strings.Builder
	total, longest, longestPath := 0, 0, ""
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return 0, err
		}
		lines := bytes.Count(text, []byte("\n"))
		total += lines
		if lines > longest {
			longest, longestPath = lines, path
		}
		if lines > most.file {
			tooLong++
			fmt.Fprintf(&functions, "\t%s: %d lines, and a file may have %d\n", path, lines, most.file)
		}
		n, err := longFunctions(&functions, path, text, most)
		if err != nil {
			return 0, err
		}
		tooLong += n
	}
	fmt.Fprintf(out, "%s: %d lines; the longest file is %s with %d\n%s", dir, total, filepath.Base(longestPath), longest, &functions)
	return tooLong, nil
}

// longFunctions lists a file's functions that are longer than the aim, and counts those that exceed the limit.
func longFunctions(out io.Writer, path string, text []byte, most limits) (tooLong int, err error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, text, parser.SkipObjectResolution)
	if err != nil {
		return 0, err
	}
	for _, decl := range file.Decls {
		function, ok := decl.(*ast.FuncDecl)
		if !ok {
			continue
		}
		at := files.Position(function.Pos())
		lines := files.Position(function.End()).Line - at.Line + 1
		if lines > most.function {
			tooLong++
			fmt.Fprintf(out, "\t%s: %s has %d lines, and a function may have %d\n", at, function.Name.Name, lines, most.function)
		} else if lines > most.aim {
			fmt.Fprintf(out, "\t%s: %s has %d lines\n", at, function.Name.Name, lines)
		}
	}
	return tooLong, nil
}
