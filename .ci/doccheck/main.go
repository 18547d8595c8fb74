// Doccheck lists exported identifiers without a doc comment, and fails if there are any. It checks packages, types,
// functions, methods, constants, variables, struct fields and interface methods. The comment of a group of constants or
// variables counts for members without one, and a type's comment for the fields that it names.
//
//	go run ./.ci/doccheck DIRECTORY...
package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
)

func main() {
	undocumented := 0
	for _, dir := range os.Args[1:] {
		found, err := check(dir)
		if err != nil {
			fmt.Fprintln(os.Stderr, "doccheck:", err)
			os.Exit(2)
		}
		for _, line := range found {
			fmt.Println(line)
		}
		undocumented += len(found)
	}
	if undocumented > 0 {
		fmt.Println(undocumented, "without a doc comment")
		os.Exit(1)
	}
}

// checker collects the undocumented identifiers of one package.
type checker struct {
	files *token.FileSet
	found []string
}

func check(dir string) ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	c := &checker{files: token.NewFileSet()}
	var first *ast.File
	documented := false
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(c.files, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		if first == nil {
			first = file
		}
		documented = documented || has(file.Doc)
		for _, decl := range file.Decls {
			c.declaration(decl)
		}
	}
	if first != nil && !documented {
		c.missing(first.Name, "package "+first.Name.Name)
	}
	return c.found, nil
}

func (c *checker) missing(at ast.Node, what string) {
	c.found = append(c.found, fmt.Sprintf("%s: %s", c.files.Position(at.Pos()), what))
}

func (c *checker) declaration(decl ast.Decl) {
	switch decl := decl.(type) {
	case *ast.FuncDecl:
		name := decl.Name.Name
		if decl.Recv != nil {
			receiver := receiverName(decl.Recv.List[0].Type)
			if !ast.IsExported(receiver) {
				return // its methods are visible through an interface, which documents them
			}
			name = receiver + "." + name
		}
		if decl.Name.IsExported() && !has(decl.Doc) {
			c.missing(decl, "func "+name)
		}
	case *ast.GenDecl:
		for _, spec := range decl.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				c.typeSpec(spec, text(decl.Doc, spec.Doc, spec.Comment))
			case *ast.ValueSpec:
				for _, name := range spec.Names {
					if name.IsExported() && !has(decl.Doc, spec.Doc, spec.Comment) {
						c.missing(name, decl.Tok.String()+" "+name.Name)
					}
				}
			}
		}
	}
}

func (c *checker) typeSpec(spec *ast.TypeSpec, comment string) {
	if !spec.Name.IsExported() {
		return
	}
	if comment == "" {
		c.missing(spec, "type "+spec.Name.Name)
	}
	var members *ast.FieldList
	switch of := spec.Type.(type) {
	case *ast.StructType:
		members = of.Fields
	case *ast.InterfaceType:
		members = of.Methods
	default:
		return
	}
	for _, member := range members.List {
		for _, name := range member.Names { // an embedded type has no names, and its own documentation
			if name.IsExported() && !has(member.Doc, member.Comment) && !names(comment, name.Name) {
				c.missing(name, spec.Name.Name+"."+name.Name)
			}
		}
	}
}

// receiverName returns the name of the type in T, *T, T[P] and *T[P, Q].
func receiverName(of ast.Expr) string {
	switch of := of.(type) {
	case *ast.Ident:
		return of.Name
	case *ast.StarExpr:
		return receiverName(of.X)
	case *ast.ParenExpr:
		return receiverName(of.X)
	case *ast.IndexExpr:
		return receiverName(of.X)
	case *ast.IndexListExpr:
		return receiverName(of.X)
	}
	return ""
}

func has(comments ...*ast.CommentGroup) bool { return text(comments...) != "" }

// text joins comments. It ignores directives.
func text(comments ...*ast.CommentGroup) string {
	var all strings.Builder
	for _, comment := range comments {
		all.WriteString(comment.Text())
	}
	return strings.TrimSpace(all.String())
}

// names reports whether a comment contains an identifier as a word.
func names(comment, identifier string) bool {
	words := strings.FieldsFunc(comment, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	return slices.Contains(words, identifier)
}
