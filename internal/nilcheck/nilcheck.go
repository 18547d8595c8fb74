// Package nilcheck detects interface values that hold a nil pointer, map, slice, function or channel, and so don't
// compare equal to nil. With it, constructors report such arguments instead of panicking later.
package nilcheck

import "reflect"

// IsNil reports whether v is nil or holds a nil of any kind.
func IsNil(v any) bool {
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Func, reflect.Chan, reflect.UnsafePointer:
		return r.IsNil()
	}
	return false
}
