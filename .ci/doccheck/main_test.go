package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheckFindsWhatIsExportedWithoutAComment(t *testing.T) {
	const source = `package p

type A struct {
	B int
	C int // documented
	d int
	A2
}

// V is documented, and says what W is.
type V struct {
	W  int
	Ws int
}

// A2 is documented.
type A2 interface {
	E()
	// F is documented.
	F()
}

type g struct{ H int }

func (g) I() {}

func (*A) J() {}

// K is documented.
func (A) K() {}

func L() {}

type M[T any] struct{}

func (*M[T]) N() {}

const O, p = 1, 2

// These are documented.
var (
	Q int
	R int
)

var (
	S int // documented
	T int
)

//go:generate a directive documents nothing
func U() {}
`
	dir := t.TempDir()
	for name, text := range map[string]string{"p.go": source, "p_test.go": "package p\n\nfunc Untold() {}\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	found, err := check(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range found {
		found[i] = line[strings.LastIndex(line, ": ")+2:]
	}
	want := "type A,A.B,V.Ws,A2.E,func A.J,func L,type M,func M.N,const O,var T,func U,package p"
	if got := strings.Join(found, ","); got != want {
		t.Errorf("found %s\n want %s", got, want)
	}
}
