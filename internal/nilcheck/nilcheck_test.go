package nilcheck_test

import (
	"testing"
	"unsafe"

	"github.com/go-usher/usher/internal/nilcheck"
)

func TestNilsOfEveryKindAreFound(t *testing.T) {
	for name, v := range map[string]any{
		"nil":      nil,
		"pointer":  (*int)(nil),
		"map":      map[string]int(nil),
		"slice":    []int(nil),
		"function": (func())(nil),
		"channel":  chan int(nil),
		"unsafe":   unsafe.Pointer(nil),
	} {
		if !nilcheck.IsNil(v) {
			t.Errorf("%s: not found", name)
		}
	}
}

func TestValuesAreNotNil(t *testing.T) {
	for name, v := range map[string]any{
		"number":   0,
		"string":   "",
		"struct":   struct{}{},
		"array":    [0]int{},
		"pointer":  new(int),
		"map":      map[string]int{},
		"slice":    []int{},
		"function": func() {},
		"channel":  make(chan int),
	} {
		if nilcheck.IsNil(v) {
			t.Errorf("%s: taken for nil", name)
		}
	}
}
