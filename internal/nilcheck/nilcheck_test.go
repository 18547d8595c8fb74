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

func checkFunc[U, E any](t *testing.T, name string, none, some U) {
	t.Helper()
	isNil := nilcheck.Func[U, E]()
	if isNil(none) != nilcheck.IsNil(none) || isNil(some) {
		t.Errorf("%s: %v for %v, %v for %v", name, isNil(none), none, isNil(some), some)
	}
}

func TestFuncAgreesWithIsNil(t *testing.T) {
	n := 1
	checkFunc[*int, int](t, "pointer to E", nil, &n)
	checkFunc[*int, string](t, "another pointer", nil, &n)
	checkFunc[any, int](t, "interface", nil, 1)
	checkFunc[any, int](t, "interface with a nil pointer", (*int)(nil), &n)
	checkFunc[map[string]int, int](t, "map", nil, map[string]int{})
	checkFunc[[]int, int](t, "slice", nil, []int{})
	checkFunc[func(), int](t, "function", nil, func() {})
	checkFunc[chan int, int](t, "channel", nil, make(chan int))
	checkFunc[unsafe.Pointer, int](t, "unsafe", nil, unsafe.Pointer(&n))
	checkFunc[int, int](t, "number", 0, 1)
	checkFunc[struct{}, int](t, "struct", struct{}{}, struct{}{})
}
