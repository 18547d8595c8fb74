package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"regexp"
	"slices"
	"strings"
)

// page is a Markdown page's Go code.
type page struct {
	setup  block // what its setup comments declare; its code is empty if there are none
	blocks []block
}

// block is a piece of Go code and where it stands.
type block struct {
	page string
	line int // of its first line
	code string
}

// parsePage finds the blocks and setup comments of a page.
func parsePage(name, text string) page {
	found := page{setup: block{page: name}}
	var code strings.Builder
	closing, start := "", 0
	for i, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimSpace(line)
		switch {
		case closing == "" && (trimmed == "```go" || trimmed == "<!-- setup"):
			closing, start = "```", i+2
			if trimmed == "<!-- setup" {
				closing = "-->"
			}
		case closing == "" && strings.HasPrefix(trimmed, "```"):
			closing, start = "```", 0 // another language
		case closing == "":
		case trimmed != closing:
			code.WriteString(line + "\n")
		default:
			switch {
			case closing == "-->":
				found.setup.code += code.String()
			case start != 0:
				found.blocks = append(found.blocks, block{page: name, line: start, code: code.String()})
			}
			closing = ""
			code.Reset()
		}
	}
	return found
}

// complete returns the files of a package that holds a block, by name.
func complete(b, setup block, packages map[string]string) (map[string]string, error) {
	if packageClause.MatchString(b.code) {
		return map[string]string{"block.go": b.at() + b.code}, nil
	}
	declarations, statements := split(b)
	file := "package block\n\n" + strings.Join(declarations, "\n")
	if len(statements) > 0 {
		wrapped, err := wrap(statements)
		if err != nil {
			return nil, err
		}
		file += wrapped
	}
	declared, err := names(file)
	if err != nil {
		return nil, err
	}
	shared, err := without(setup.code+common, declared)
	if err != nil {
		return nil, fmt.Errorf("in the setup comment: %w", err)
	}
	sharedNames, err := names(shared)
	if err != nil {
		return nil, err
	}
	files := map[string]string{"block.go": file, "setup.go": shared}
	for name, text := range files {
		if files[name], err = withImports(text, sharedNames, packages); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// common is what every block may use.
const common = `
var (
	ctx context.Context
	w   http.ResponseWriter
	r   *http.Request
	mux *http.ServeMux
)
`

var (
	packageClause = regexp.MustCompile(`(?m)\A(//.*\n|\s*\n)*package \w+`)
	declaration   = regexp.MustCompile(`\A(//.*\n)*(func|type|const|var|import) ?[\w("]`)
)

// at is a directive that makes the compiler name the page.
func (b block) at() string { return fmt.Sprintf("//line %s:%d\n", b.page, b.line) }

// split returns the declarations of a block, and its statements. Blank lines separate them.
func split(b block) (declarations, statements []string) {
	lines := strings.Split(b.code, "\n")
	for first := 0; first < len(lines); {
		// A declaration ends with the first blank line at which it is complete.
		last, found := first, false
		if declaration.MatchString(strings.Join(lines[first:], "\n")) {
			for end := first + 1; end <= len(lines) && !found; end++ {
				if end == len(lines) || strings.TrimSpace(lines[end]) == "" {
					_, err := parser.ParseFile(token.NewFileSet(), "", "package p\n"+strings.Join(lines[first:end], "\n"), 0)
					last, found = end, err == nil
				}
			}
		}
		if !found {
			last = first + 1
			for last < len(lines) && strings.TrimSpace(lines[last-1]) != "" {
				last++
			}
		}
		piece := block{b.page, b.line + first, strings.Join(lines[first:last], "\n") + "\n"}
		switch {
		case strings.TrimSpace(piece.code) == "":
		case found:
			declarations = append(declarations, piece.at()+piece.code)
		default:
			statements = append(statements, piece.at()+piece.code)
		}
		first = last
	}
	return declarations, statements
}

// wrap returns a function that holds statements. It uses all variables that they define.
func wrap(statements []string) (string, error) {
	body := strings.Join(statements, "")
	file, err := parser.ParseFile(token.NewFileSet(), "", "package p\nfunc _() {{\n"+body+"}}\n", 0)
	if err != nil {
		if list, ok := errors.AsType[scanner.ErrorList](err); ok {
			return "", list[0]
		}
		return "", err
	}
	inner, err := innerBlock(file)
	if err != nil {
		return "", err
	}
	var uses strings.Builder
	for _, name := range defined(inner) {
		uses.WriteString("_ = " + name + "\n")
	}
	if returnsError(inner) {
		return "func _() error {\n{\n" + body + uses.String() + "}\nreturn nil\n}\n", nil
	}
	return "func _() {\n{\n" + body + uses.String() + "}\n}\n", nil
}

// innerBlock returns the block in the one function of a file that wrap made.
func innerBlock(file *ast.File) (*ast.BlockStmt, error) {
	if function, ok := file.Decls[0].(*ast.FuncDecl); ok && len(file.Decls) == 1 && len(function.Body.List) == 1 {
		if inner, ok := function.Body.List[0].(*ast.BlockStmt); ok {
			return inner, nil
		}
	}
	return nil, errors.New("the braces of the statements don't match")
}

// defined returns the variables that a block defines in its own scope.
func defined(in *ast.BlockStmt) []string {
	var found []string
	add := func(name string) {
		if name != "_" && !slices.Contains(found, name) {
			found = append(found, name)
		}
	}
	for _, statement := range in.List {
		switch statement := statement.(type) {
		case *ast.AssignStmt:
			if statement.Tok != token.DEFINE {
				continue
			}
			for _, left := range statement.Lhs {
				if name, ok := left.(*ast.Ident); ok {
					add(name.Name)
				}
			}
		case *ast.DeclStmt:
			if decl, ok := statement.Decl.(*ast.GenDecl); ok && decl.Tok == token.VAR {
				for _, name := range declares(decl) {
					add(name)
				}
			}
		}
	}
	return found
}

// returnsError tells whether a block returns a value, which is then an error, outside of function literals.
func returnsError(in *ast.BlockStmt) bool {
	found := false
	ast.Inspect(in, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.ReturnStmt:
			found = found || len(n.Results) > 0
		}
		return true
	})
	return found
}

// names returns what a file declares: its functions, types, constants, variables and imports.
func names(text string) (map[string]bool, error) {
	file, err := parser.ParseFile(token.NewFileSet(), "", text, 0)
	if err != nil {
		return nil, err
	}
	found := make(map[string]bool)
	for _, decl := range file.Decls {
		for _, name := range declares(decl) {
			found[name] = true
		}
	}
	return found, nil
}

// declares returns the names of a top-level declaration; a method is named by its type as well.
func declares(decl ast.Decl) []string {
	switch decl := decl.(type) {
	case *ast.FuncDecl:
		if decl.Recv == nil {
			return []string{decl.Name.Name}
		}
		receiver := decl.Recv.List[0].Type
		if star, ok := receiver.(*ast.StarExpr); ok {
			receiver = star.X
		}
		if name, ok := receiver.(*ast.Ident); ok {
			return []string{name.Name + "." + decl.Name.Name}
		}
	case *ast.GenDecl:
		var found []string
		for _, spec := range decl.Specs {
			found = append(found, specNames(spec)...)
		}
		return found
	}
	return nil
}

func specNames(spec ast.Spec) []string {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		return []string{spec.Name.Name}
	case *ast.ValueSpec:
		var found []string
		for _, name := range spec.Names {
			found = append(found, name.Name)
		}
		return found
	}
	return nil
}

// without returns declarations as a file, but for those of names that a block declares itself.
func without(declarations string, declared map[string]bool) (string, error) {
	files := token.NewFileSet()
	text := "package block\n\n" + declarations
	file, err := parser.ParseFile(files, "", text, 0)
	if err != nil {
		return "", err
	}
	var kept strings.Builder
	kept.WriteString("package block\n")
	for _, decl := range file.Decls {
		group, ok := decl.(*ast.GenDecl)
		if !ok || group.Tok == token.CONST || group.Tok == token.IMPORT {
			if !slices.ContainsFunc(declares(decl), func(name string) bool { return declared[name] }) {
				kept.WriteString(source(files, text, decl) + "\n")
			}
			continue
		}
		for _, spec := range group.Specs {
			if !slices.ContainsFunc(specNames(spec), func(name string) bool { return declared[name] }) {
				kept.WriteString(group.Tok.String() + " " + source(files, text, spec) + "\n")
			}
		}
	}
	return kept.String(), nil
}

func source(files *token.FileSet, text string, n ast.Node) string {
	return text[files.Position(n.Pos()).Offset:files.Position(n.End()).Offset]
}

// withImports adds imports of the packages that a file uses by name, and that neither it nor the other file declares.
func withImports(text string, declared map[string]bool, packages map[string]string) (string, error) {
	file, err := parser.ParseFile(token.NewFileSet(), "", text, 0)
	if err != nil {
		return "", err
	}
	imported := make(map[string]bool)
	for _, spec := range file.Imports {
		path := strings.Trim(spec.Path.Value, `"`)
		imported[path] = true
	}
	var imports strings.Builder
	for _, name := range file.Unresolved {
		path := packages[name.Name]
		if path == "" || declared[name.Name] || imported[path] {
			continue
		}
		imported[path] = true
		fmt.Fprintf(&imports, "import %s %q\n", name.Name, path)
	}
	clause, rest, _ := strings.Cut(text, "\n")
	return clause + "\n" + imports.String() + rest, nil
}
