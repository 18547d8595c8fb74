package structfields

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"

	"github.com/go-usher/usher/internal/strictjson"
)

// Read reads v, the last value of o, into the i-th field of the struct c. It returns the maximum size in bytes of the
// data that the field then refers to, without strings that share o's text. Slices have no spare capacity. If v does not
// fit the field, Read returns an error, which wraps that of a method of the field's type. o.Valid then still reports
// whether v is valid JSON.
func (s *Struct) Read(i int, c reflect.Value, o *strictjson.Object, v strictjson.Value) (bytes int, err error) {
	f := &s.fields[i]
	target := c.FieldByIndex(f.index)
	if f.kind.read(target, v) {
		if f.kind == kindStrings {
			o.Accept()
			return allocated(target.Len() * stringSize), nil
		}
		return 0, nil
	}
	if f.kind == kindNumber {
		return 0, &readError{text: f.name + " is not a number"}
	}
	raw, wrapper := o.Raw(), reflect.New(f.wrapper)
	if err := json.Unmarshal([]byte(`{"v":`+raw+`}`), wrapper.Interface(), s.options); err != nil {
		return 0, newReadError(f.name, target.Type(), err)
	}
	o.Accept()
	target.Set(wrapper.Elem().Field(0))
	return clip(target, len(raw)), nil
}

// readError is the reason why a value does not fit a field. Its text contains nothing of the JSON, unless a method of
// the field's type adds it.
type readError struct {
	text string
	err  error
}

func newReadError(field string, t reflect.Type, err error) error {
	text := fmt.Sprintf("%s is not a %s", field, t)
	if !isFromLibrary(err) {
		const most = 200 // bytes
		reason := err.Error()
		text += ": " + strings.ToValidUTF8(reason[:min(len(reason), most)], "")
	}
	return &readError{text, err}
}

// isFromLibrary reports whether err is from the JSON library, whose errors quote the JSON, and not from a method of a
// field's type.
func isFromLibrary(err error) bool {
	var legacyType *jsonv1.UnmarshalTypeError
	var legacySyntax *jsonv1.SyntaxError
	var semantic *json.SemanticError
	var syntactic *jsontext.SyntacticError
	return errors.As(err, &legacyType) || errors.As(err, &legacySyntax) || errors.As(err, &semantic) || errors.As(err, &syntactic)
}

func (e *readError) Error() string { return e.text }

func (e *readError) Unwrap() error { return e.err }

// read reads v into target, which is of this kind. It returns false if the JSON library has to do it.
func (k kind) read(target reflect.Value, v strictjson.Value) bool {
	switch k {
	case kindString:
		if v.Kind == strictjson.String {
			target.SetString(v.Text)
			return true
		}
	case kindBool:
		if v.Kind == strictjson.True || v.Kind == strictjson.False {
			target.SetBool(v.Kind == strictjson.True)
			return true
		}
	case kindInt:
		if n, err := strconv.ParseInt(v.NumberText(), 10, target.Type().Bits()); err == nil {
			target.SetInt(n)
			return true
		}
	case kindUint:
		if n, err := strconv.ParseUint(v.NumberText(), 10, target.Type().Bits()); err == nil {
			target.SetUint(n)
			return true
		}
	case kindFloat:
		if n, err := strconv.ParseFloat(v.NumberText(), target.Type().Bits()); err == nil {
			target.SetFloat(n)
			return true
		}
	case kindStrings:
		if list, ok := v.Strings(); ok {
			field, _ := reflect.TypeAssert[*[]string](target.Addr())
			*field = list
			return true
		}
	case kindNumber:
		if v.Kind == strictjson.Number || v.Kind == strictjson.String && strictjson.IsNumber(v.Text) {
			target.SetString(v.Text)
			return true
		}
		return v.Kind == strictjson.Null // null leaves the field unchanged
	}
	return false
}

// Append appends the fields of the struct c to dst as members of an object, each followed by a comma.
func (s *Struct) Append(dst []byte, c reflect.Value) ([]byte, error) {
	var err error
	for i := 0; i < len(s.fields) && err == nil; i++ {
		dst, err = s.appendField(dst, &s.fields[i], c)
	}
	return dst, err
}

func (s *Struct) appendField(dst []byte, f *field, c reflect.Value) ([]byte, error) {
	source := c.FieldByIndex(f.index)
	if f.kind == kindOther || f.kind == kindFloat || f.kind == kindStrings && source.IsNil() {
		return s.appendByLibrary(dst, f, source)
	}
	if f.omitEmpty && (source.IsZero() || f.kind == kindStrings && source.Len() == 0) {
		return dst, nil
	}
	dst, err := f.kind.append(append(dst, f.label...), source)
	if err != nil {
		return dst, fmt.Errorf("%s %w", f.name, err)
	}
	return append(dst, ','), nil
}

func (s *Struct) appendByLibrary(dst []byte, f *field, source reflect.Value) ([]byte, error) {
	wrapper := reflect.New(f.wrapper)
	wrapper.Elem().Field(0).Set(source)
	text, err := json.Marshal(wrapper.Interface(), s.options)
	if err != nil {
		return dst, fmt.Errorf("%s can't be written as JSON: %w", f.name, err)
	}
	value, ok := strings.CutPrefix(string(text), `{"v":`)
	if !ok { // the field is omitted
		return dst, nil
	}
	dst = append(append(dst, f.label...), value[:len(value)-1]...)
	return append(dst, ','), nil
}

func (k kind) append(dst []byte, source reflect.Value) ([]byte, error) {
	switch k {
	case kindBool:
		return strconv.AppendBool(dst, source.Bool()), nil
	case kindInt:
		return strconv.AppendInt(dst, source.Int(), 10), nil
	case kindUint:
		return strconv.AppendUint(dst, source.Uint(), 10), nil
	case kindNumber:
		number := cmp.Or(source.String(), "0") // as in encoding/json
		if !strictjson.IsNumber(number) {
			return dst, errNotANumber
		}
		return append(dst, number...), nil
	}
	var err error
	if k == kindStrings {
		list, _ := reflect.TypeAssert[[]string](source)
		dst, err = strictjson.AppendStrings(dst, list)
	} else {
		dst, err = strictjson.AppendString(dst, source.String())
	}
	if err != nil {
		return dst, fmt.Errorf("can't be written as JSON: %w", err)
	}
	return dst, nil
}

var errNotANumber = errors.New("is not a number")
