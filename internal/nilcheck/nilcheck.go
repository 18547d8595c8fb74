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

// Func returns a function that does the same as IsNil for values of type U. It avoids reflection where possible, and is
// fastest if U is *E.
func Func[U, E any]() func(U) bool {
	if _, ok := any(*new(U)).(*E); ok {
		return func(v U) bool {
			pointer, _ := any(v).(*E)
			return pointer == nil
		}
	}
	switch reflect.TypeFor[U]().Kind() {
	case reflect.Pointer: // reflect.Value.IsNil takes several times as long
		var none U
		return func(v U) bool { return any(v) == any(none) }
	case reflect.Interface, reflect.Map, reflect.Slice, reflect.Func, reflect.Chan, reflect.UnsafePointer:
		return func(v U) bool { return IsNil(v) }
	}
	return func(U) bool { return false }
}
