package strictjson

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Kind is the kind of a [Value]: the first byte of its text, or '0' for all numbers.
type Kind byte

// The kinds of values.
const (
	String Kind = '"'
	Number Kind = '0'
	True   Kind = 't'
	False  Kind = 'f'
	Null   Kind = 'n'
	Array  Kind = '['
	Nested Kind = '{'
)

// Value is one JSON value. Strings, numbers and literals have been checked; arrays and objects have not, until they are
// read. It has few fields because the compiler keeps structs of up to four words in registers.
type Value struct {
	Kind  Kind   // the kind
	plain bool   // see scanner
	Text  string // an unescaped string, or the text of any other value
}

// Read parses text as one value. It returns false if text is not one value. It does not check the content of arrays and
// objects.
func Read(text string) (Value, bool) {
	s := newScanner(text)
	v, ok := s.scan()
	_ = s.peek()
	return v, ok && s.at == len(text)
}

// StringText returns the unescaped text of a string, or "" for any other value.
func (v Value) StringText() string {
	if v.Kind != String {
		return ""
	}
	return v.Text
}

// NumberText returns the text of a number, or "" for any other value.
func (v Value) NumberText() string {
	if v.Kind != Number {
		return ""
	}
	return v.Text
}

// Strings returns the elements of an array of strings, without spare capacity. For any other value it returns false.
func (v Value) Strings() ([]string, bool) {
	if v.Kind != Array {
		return nil, false
	}
	s := scanner{text: v.Text, at: 1, plain: v.plain}
	if s.skip(']') {
		return []string{}, s.at == len(s.text)
	}
	list := make([]string, 0, strings.Count(v.Text, `"`)/2) // exact, unless quotation marks are escaped
	for {
		if s.peek() != '"' {
			return nil, false
		}
		element, ok := s.string()
		if !ok {
			return nil, false
		}
		list = append(list, element)
		if s.skip(']') {
			return exact(list), s.at == len(s.text)
		}
		if !s.skip(',') {
			return nil, false
		}
	}
}

func exact(list []string) []string {
	if len(list) == cap(list) {
		return list
	}
	clone := make([]string, len(list))
	copy(clone, list)
	return clone
}

// IsNumber reports whether text is a JSON number.
func IsNumber(text string) bool {
	s := scanner{text: text}
	return s.number() && s.at == len(text)
}

// AppendString appends s to dst as a JSON string. It returns an error if s is not UTF-8. The library writes strings
// that need escapes or are not ASCII.
func AppendString(dst []byte, s string) ([]byte, error) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return jsontext.AppendQuote(dst, s)
		}
	}
	return append(append(append(dst, '"'), s...), '"'), nil
}

// AppendStrings appends list to dst as a JSON array.
func AppendStrings(dst []byte, list []string) ([]byte, error) {
	dst = append(dst, '[')
	var err error
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = AppendString(dst, s); err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), nil
}
