package main

import (
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestReflectingNamesEachMarkedFunctionOnce(t *testing.T) {
	dump := `main.main -> main.walk
main.main -> main.walk <ReflectMethod>
main.walk <ReflectMethod> -> type:*main.T <UsedInIface>
main.walk <ReflectMethod> -> reflect.Value.Method
main.T.String -> fmt.Sprint
`
	if got := reflecting([]byte(dump)); !slices.Equal(got, []string{"main.walk"}) {
		t.Errorf("reflecting() = %q, want main.walk alone", got)
	}
}

func TestCheckReportsSizeAndReflection(t *testing.T) {
	p := program{name: "p", base: "q", limit: 2.5}
	if err := p.check(2.5, []byte("a -> b\n")); err != nil {
		t.Errorf("a program at its limit: %v", err)
	}
	if err := p.check(2.6, []byte("a -> b\n")); runtime.GOOS+"/"+runtime.GOARCH == "linux/amd64" && err == nil {
		t.Error("a program above its limit: no error")
	}
	if err := p.check(2, []byte("a <ReflectMethod> -> b\n")); err == nil || !strings.Contains(err.Error(), "\ta") {
		t.Errorf("a program that reflects: %v, want an error that names a", err)
	}
	if err := (program{name: "q"}).check(99, []byte("a <ReflectMethod> -> b\n")); err != nil {
		t.Errorf("a program without usher, which is only shown: %v", err)
	}
}
