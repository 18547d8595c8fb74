package structfields

import (
	"encoding/json"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
)

// reads returns what encoding/json makes of text.
func reads[T any](tb testing.TB, text string) *T {
	tb.Helper()
	v := new(T)
	if err := json.Unmarshal([]byte(text), v); err != nil {
		tb.Fatal(err)
	}
	return v
}

type pair struct {
	Name string         `json:"name"`
	Tags []string       `json:"tags"`
	Data map[string]any `json:"data"`
}

// measured checks that values of T, read from text, take no more than settle says, and that they are not changed by it.
func measured[T any](t *testing.T, text string) {
	t.Helper()
	const count = 200
	kept := make([]*T, count)
	before := heap()
	said := 0
	for i := range kept {
		kept[i] = reads[T](t, text)
		said = clip(reflect.ValueOf(kept[i]).Elem(), len(text)) + allocated(int(reflect.TypeFor[T]().Size()))
	}
	used := int(heap()-before) / count
	if used > said+64 {
		t.Errorf("%T from %.30s: %d bytes, and settle says %d", kept[0], text, used, said)
	}
	t.Logf("%T from %.30s: %d bytes of %d", kept[0], text, used, said)
	if want := reads[T](t, text); !reflect.DeepEqual(kept[0], want) {
		t.Errorf("%s was changed to %+v", text, kept[0])
	}
	runtime.KeepAlive(kept)
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

func TestSettleSaysHowMuchMemoryAValueTakes(t *testing.T) {
	list := func(element string, count int) string {
		return "[" + strings.Repeat(element+",", count-1) + element + "]"
	}
	var members []string
	for i := range 100 {
		members = append(members, fmt.Sprintf(`"k%d":%d`, i, i))
	}
	object := "{" + strings.Join(members, ",") + "}"
	measured[[]string](t, list(`"\u0061"`, 300))
	measured[[]int](t, list("1", 300))
	measured[[][64]int](t, list("[]", 100))
	measured[[]pair](t, list("{}", 300))
	measured[[]pair](t, list(`{"name":"n","tags":["a","b","c"],"data":{"a":1}}`, 30))
	measured[[]*pair](t, list(`{"name":"n"}`, 100))
	measured[any](t, list("0", 300))
	measured[any](t, list("{}", 300))
	measured[any](t, list("[]", 300))
	measured[any](t, list(`"a\n"`, 300))
	measured[any](t, strings.Repeat(`{"":`, 200)+"0"+strings.Repeat("}", 200))
	measured[map[string]int](t, object)
	measured[map[string]any](t, object)
	measured[map[string][]string](t, `{"a":["x","y","z"],"b":[]}`)
	measured[map[string][40]int](t, `{"a":[1],"b":[2]}`)
	measured[[]time.Time](t, list(`"2030-01-02T03:04:05.5+01:23"`, 50))
	measured[json.RawMessage](t, list("0", 300))
	measured[pair](t, `{"name":null}`)
	measured[*int](t, "null")
}

func TestAllocatedIsAtLeastWhatTheAllocatorTakes(t *testing.T) {
	for size := 0; size < 100_000; size += 1 + size/512 {
		if taken := cap(append([]byte(nil), make([]byte, size)...)); allocated(size) < taken {
			t.Fatalf("%d bytes take %d, and allocated returns %d", size, taken, allocated(size))
		}
	}
	for size, want := range map[int]int{0: 0, 1: 16, 16: 16, 17: 32, 128: 128, 129: 170, 7000: 8416, 32 << 10: 39337, 32<<10 + 1: 40961} {
		if got := allocated(size); got != want {
			t.Errorf("allocated(%d) = %d, want %d", size, got, want)
		}
	}
}

func TestMapSizeCountsSlotsAndSeparateKeys(t *testing.T) {
	for _, test := range []struct{ entries, key, elem, want int }{
		{0, 8, 8, 48},
		{1, 8, 8, 48 + 179},                 // eight slots of 17 bytes
		{8, 8, 8, 48 + 179},                 // in one group
		{9, 8, 8, 48 + 128 + 750},           // 36 slots of 17 bytes
		{1, 128, 8, 48 + 1331},              // eight slots of 137 bytes
		{1, 129, 8, 48 + 170 + 179},         // the key is allocated separately
		{2, 8, 129, 48 + 2*170 + 179},       // the elements are
		{9, 129, 8, 48 + 128 + 9*170 + 750}, // the keys are
	} {
		if got := mapSize(test.entries, test.key, test.elem); got != test.want {
			t.Errorf("%+v: got %d", test, got)
		}
	}
}

// codec has a method of its own, and may refer to anything.
type codec int

func (*codec) UnmarshalText([]byte) error { return nil }

type codecArray [2]int

func (*codecArray) UnmarshalText([]byte) error { return nil }

func TestValuesWithMethodsAreNotFlat(t *testing.T) {
	for _, test := range []struct {
		v    any
		want bool
	}{{1, true}, {1.5, true}, {[2]bool{}, true}, {"", false}, {[2]string{}, false}, {codec(1), false}, {[2]codec{}, false}, {codecArray{}, false}} {
		if got := isFlat(reflect.TypeOf(test.v)); got != test.want {
			t.Errorf("%T: %v", test.v, got)
		}
	}
	const raw = 10
	if got := clip(reflect.ValueOf(&[]codec{1}).Elem(), raw); got != 16+allocated(raw*codecFactor) {
		t.Errorf("the estimate of a type with methods is missing from %d bytes", got)
	}
}

type holder struct {
	S      []int              `json:"s"`
	Nested []pair             `json:"nested"`
	ByKey  map[string][]int   `json:"by_key"`
	Any    any                `json:"any"`
	Ptr    *pair              `json:"ptr"`
	Array  [2][]int           `json:"array"`
	Raw    json.RawMessage    `json:"raw"`
	Deep   map[string]*holder `json:"deep"`
	inner
}

type inner struct {
	Inner []int `json:"inner"`
}

// capacities reports slices with spare capacity.
func capacities(t *testing.T, v reflect.Value, path string) {
	t.Helper()
	switch v.Kind() {
	case reflect.Slice:
		if v.Cap() > v.Len() {
			t.Errorf("%s has %d elements and space for %d", path, v.Len(), v.Cap())
		}
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			capacities(t, v.Index(i), path+"[]")
		}
	case reflect.Map:
		for e := v.MapRange(); e.Next(); {
			capacities(t, e.Value(), path+"{}")
		}
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			capacities(t, v.Elem(), path+"*")
		}
	case reflect.Struct:
		for i := range v.NumField() {
			capacities(t, v.Field(i), path+"."+v.Type().Field(i).Name)
		}
	}
}

func TestSettleLeavesNoSpareCapacity(t *testing.T) {
	const five = "[1,2,3,4,5]"
	text := `{"s":` + five + `,"nested":[{"tags":["a","b","c","d","e"],"data":{"k":` + five + `}},{},{}],"by_key":{"k":` + five + `},"any":[[[1,2,3]],{"k":` +
		five + `}],"ptr":{"tags":["a","b","c","d","e"]},"array":[` + five + `,[]],"raw":` + five + `,"inner":` + five + `}`
	text = text[:len(text)-1] + `,"deep":{"k":` + text + `}}`
	v := reads[holder](t, text)
	clip(reflect.ValueOf(v).Elem(), len(text))
	capacities(t, reflect.ValueOf(v), "holder")
	if want := reads[holder](t, text); !reflect.DeepEqual(v, want) {
		t.Errorf("%+v\nwas changed to\n%+v", want, v)
	}
}
