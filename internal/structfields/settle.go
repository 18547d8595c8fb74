package structfields

import (
	"reflect"
	"time"
)

// settle takes spare capacity from all slices that v leads to, so that nobody appends into memory that others share. It returns how many bytes v
// leads to, at most. v is what the JSON library made of so many bytes, and can be set.
func settle(v reflect.Value, raw int) (bytes int) {
	var m measurer
	bytes = m.settle(v)
	if m.foreign {
		bytes += allocated(raw * foreignFactor)
	}
	return bytes
}

// measurer looks at what the JSON library has read.
type measurer struct {
	foreign bool // a type with methods of its own was found
}

const (
	stringSize    = 16  // bytes of a string without its text
	timeSize      = 256 // bytes of a time zone
	foreignFactor = 16  // bytes that a type with methods of its own may make of one byte of JSON, as a guess
)

// allocated returns how many bytes an allocation of so many takes at most: the allocator rounds up, large sizes by up to a seventh.
func allocated(size int) int {
	if size <= 128 {
		return (size + 15) &^ 15
	}
	return size + size/7 + 16
}

// settle does not look into types with JSON or text methods of their own: what they hold, and share, is theirs.
func (m *measurer) settle(v reflect.Value) (bytes int) {
	t := v.Type()
	if t.Kind() == reflect.Slice && v.Cap() > v.Len() && v.CanSet() {
		exact := reflect.MakeSlice(t, v.Len(), v.Len())
		reflect.Copy(exact, v)
		v.Set(exact)
	}
	switch {
	case t == reflect.TypeFor[time.Time]():
		return timeSize
	case codecMethod(t) != "":
		m.foreign = true
		return 0
	}
	switch t.Kind() {
	case reflect.String:
		return allocated(v.Len())
	case reflect.Pointer:
		if !v.IsNil() {
			bytes = allocated(int(t.Elem().Size())) + m.settle(v.Elem())
		}
	case reflect.Interface:
		if !v.IsNil() {
			bytes = m.settleInside(v)
		}
	case reflect.Slice:
		bytes = allocated(v.Len()*int(t.Elem().Size())) + m.settleElements(v)
	case reflect.Array:
		bytes = m.settleElements(v)
	case reflect.Map:
		bytes = m.settleMap(v)
	case reflect.Struct:
		for i := range v.NumField() {
			if t.Field(i).IsExported() { // JSON sets no other, but those of embedded structs
				bytes += m.settle(v.Field(i))
			} else if f := t.Field(i); f.Anonymous && f.Type.Kind() == reflect.Struct {
				bytes += m.settle(v.Field(i))
			}
		}
	}
	return bytes
}

func (m *measurer) settleElements(v reflect.Value) (bytes int) {
	if isFlat(v.Type().Elem()) {
		return 0
	}
	for i := range v.Len() {
		bytes += m.settle(v.Index(i))
	}
	return bytes
}

// settleInside settles what an interface holds, which can't be set there.
func (m *measurer) settleInside(v reflect.Value) (bytes int) {
	inside := reflect.New(v.Elem().Type()).Elem()
	inside.Set(v.Elem())
	bytes = allocated(int(inside.Type().Size())) + m.settle(inside)
	if inside.Kind() == reflect.Slice {
		v.Set(inside)
	}
	return bytes
}

// settleMap settles the elements of a map, which can't be set there.
func (m *measurer) settleMap(v reflect.Value) (bytes int) {
	if v.IsNil() {
		return 0
	}
	t := v.Type()
	key, elem := reflect.New(t.Key()).Elem(), reflect.New(t.Elem()).Elem()
	for entries := v.MapRange(); entries.Next(); {
		key.SetIterKey(entries)
		elem.SetIterValue(entries)
		bytes += m.settle(key)
		if !isFlat(t.Elem()) {
			bytes += m.settle(elem)
			v.SetMapIndex(key, elem)
		}
	}
	return bytes + mapSize(v.Len(), int(t.Key().Size()), int(t.Elem().Size()))
}

// mapSize returns what a map of so many entries takes at most, keys and elements included: Go's maps have groups of eight, of which up to an eighth, or
// after growing more than half, is free.
func mapSize(entries, key, elem int) int {
	const header, directory, large = 48, 128, 128 // larger keys and elements are allocated one by one
	bytes := header
	if entries == 0 {
		return bytes
	}
	for _, size := range []*int{&key, &elem} {
		if *size > large {
			bytes += entries * allocated(*size)
			*size = 8
		}
	}
	slots := 8
	if entries > 8 {
		slots = 16 + entries*16/7
		bytes += directory
	}
	return bytes + allocated(slots*(key+elem+1))
}

// isFlat reports whether values of t lead to nothing.
func isFlat(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr, reflect.Float32, reflect.Float64:
		return codecMethod(t) == ""
	case reflect.Array:
		return isFlat(t.Elem()) && codecMethod(t) == ""
	}
	return false
}
