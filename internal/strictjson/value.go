package strictjson

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Kind is what a [Value] is: the first byte of its text, but '0' for every number.
type Kind byte

// The kinds of values. Nested is an object.
const (
	String Kind = '"'
	Number Kind = '0'
	True   Kind = 't'
	False  Kind = 'f'
	Null   Kind = 'n'
	Array  Kind = '['
	Nested Kind = '{'
)

// Value is one JSON value. A string, number or literal is valid. Of an array or object only the end is known until it is read.
// It has few fields because the compiler keeps no struct of more than four words in registers.
type Value struct {
	Kind  Kind   // what it is, by its first byte
	plain bool   // as in scanner
	Text  string // what a string says; any other value as it stands
}

// Read returns the one value that text is, and false if it is none. Whether an array or object is valid is still to be found out.
func Read(text string) (Value, bool) {
	s := newScanner(text)
	v, ok := s.scan()
	_ = s.peek()
	return v, ok && s.at == len(text)
}

// StringText returns what a string says, and "" for any other value.
func (v Value) StringText() string {
	if v.Kind != String {
		return ""
	}
	return v.Text
}

// NumberText returns a number as it stands, and "" for any other value.
func (v Value) NumberText() string {
	if v.Kind != Number {
		return ""
	}
	return v.Text
}

// Strings returns the elements of an array of strings, without spare capacity, and false for any other value.
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

// IsNumber reports whether text is a number and nothing else.
func IsNumber(text string) bool {
	s := scanner{text: text}
	return s.number() && s.at == len(text)
}

// AppendString appends s to dst as a JSON string. The library writes those that need escapes or are not ASCII; what is not UTF-8 is an error.
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
