// Package nilcheck finds arguments that are missing although they don't compare equal to nil: an interface that holds a nil
// pointer, map, slice, function or channel. Constructors ask it so that such an argument is a mistake that they report, and not a
// panic later.
package nilcheck

import "reflect"

// IsNil reports whether v is nil, or holds a nil of any kind.
func IsNil(v any) bool {
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Func, reflect.Chan, reflect.UnsafePointer:
		return r.IsNil()
	}
	return false
}
