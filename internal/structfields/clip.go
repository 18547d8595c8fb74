package structfields

import (
	"reflect"
	"time"
)

// clip removes the spare capacity of all slices that v refers to, so that appending to them does not write into
// shared memory. It returns the maximum size in bytes of the data that v refers to. v must be settable. raw is the
// length of the JSON that it was decoded from.
func clip(v reflect.Value, raw int) (bytes int) {
	var m measurer
	bytes = m.clip(v)
	if m.hasCodec {
		bytes += allocated(raw * codecFactor)
	}
	return bytes
}

// measurer measures a decoded value.
type measurer struct {
	hasCodec bool // a type with methods of its own was found
}

const (
	stringSize  = 16  // bytes of a string header
	timeSize    = 256 // bytes of a time zone
	codecFactor = 16  // an estimate of the bytes that a type with its own methods allocates for one byte of JSON
)

// allocated returns the maximum memory of an allocation of size bytes. The allocator rounds up: small sizes to 16 bytes,
// larger ones by up to a fifth, and those above 32 KiB to pages of 8 KiB.
func allocated(size int) int {
	switch {
	case size <= 128:
		return (size + 15) &^ 15
	case size <= 32<<10:
		return size + size/5 + 16
	}
	return size + 8<<10
}

// clip skips types with their own JSON or text methods, which are responsible for their data.
func (m *measurer) clip(v reflect.Value) (bytes int) {
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
		m.hasCodec = true
		return 0
	}
	switch t.Kind() {
	case reflect.String:
		return allocated(v.Len())
	case reflect.Pointer:
		if !v.IsNil() {
			bytes = allocated(int(t.Elem().Size())) + m.clip(v.Elem())
		}
	case reflect.Interface:
		if !v.IsNil() {
			bytes = m.clipInside(v)
		}
	case reflect.Slice:
		bytes = allocated(v.Len()*int(t.Elem().Size())) + m.clipElements(v)
	case reflect.Array:
		bytes = m.clipElements(v)
	case reflect.Map:
		bytes = m.clipMap(v)
	case reflect.Struct:
		for i := range v.NumField() {
			if t.Field(i).IsExported() { // JSON sets only these, and the fields of embedded structs
				bytes += m.clip(v.Field(i))
			} else if f := t.Field(i); f.Anonymous && f.Type.Kind() == reflect.Struct {
				bytes += m.clip(v.Field(i))
			}
		}
	}
	return bytes
}

func (m *measurer) clipElements(v reflect.Value) (bytes int) {
	if isFlat(v.Type().Elem()) {
		return 0
	}
	for i := range v.Len() {
		bytes += m.clip(v.Index(i))
	}
	return bytes
}

// clipInside clips the value in an interface, which is not settable in place.
func (m *measurer) clipInside(v reflect.Value) (bytes int) {
	inside := reflect.New(v.Elem().Type()).Elem()
	inside.Set(v.Elem())
	bytes = allocated(int(inside.Type().Size())) + m.clip(inside)
	if inside.Kind() == reflect.Slice {
		v.Set(inside)
	}
	return bytes
}

// clipMap clips the elements of a map, which are not settable in place.
func (m *measurer) clipMap(v reflect.Value) (bytes int) {
	if v.IsNil() {
		return 0
	}
	t := v.Type()
	key, elem := reflect.New(t.Key()).Elem(), reflect.New(t.Elem()).Elem()
	for entries := v.MapRange(); entries.Next(); {
		key.SetIterKey(entries)
		elem.SetIterValue(entries)
		bytes += m.clip(key)
		if !isFlat(t.Elem()) {
			bytes += m.clip(elem)
			v.SetMapIndex(key, elem)
		}
	}
	return bytes + mapSize(v.Len(), int(t.Key().Size()), int(t.Elem().Size()))
}

// mapSize returns the maximum memory of a map, including keys and elements. Go's maps have groups of eight slots. At
// least an eighth of the slots is free, and after growing more than half.
func mapSize(entries, key, elem int) int {
	const header, directory, large = 48, 128, 128 // larger keys and elements are allocated separately
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

// isFlat reports whether values of t refer to no other memory.
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
