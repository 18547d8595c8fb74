// Package strictjson parses one JSON object (RFC 8259) strictly, member by member, and writes strings and lists of
// strings. As in I-JSON (RFC 7493 §2), names must be unique and the text must be UTF-8. Nothing may follow the object.
// The package is optimized for short objects that are parsed for every request. Strings share the memory of the text
// where possible.
package strictjson

import (
	"math"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// Object parses a text that is one JSON object:
//
//	var o strictjson.Object
//	o.Open(text)
//	for name, v, ok := o.Next(); ok; name, v, ok = o.Next() {
//		…
//	}
//	if !o.Valid() { … }
//
// Callers may skip members. An array or object that is not read is still checked, before the next member is read.
type Object struct {
	scanner
	broken bool // the text is not valid
	ended  bool // the whole text has been read

	fast    bool       // Next may use its fast path
	unread  bool       // the last value is an array or object that has not been checked
	begin   int        // the position of the last value
	count   int        // the number of members read
	checked bool       // the library has checked that all names are unique
	names   [64]uint16 // the positions of the names read so far
	marks   uint64     // a bit for the hash of each name, which shows that most new names are unique
}

// Open sets the text. Call it once.
func (o *Object) Open(text string) {
	o.scanner = newScanner(text)
	o.fast = o.allowsFastPath()
	o.broken = !o.skip('{')
}

// Next reads the next member. It returns false after the last member, and if the text is not valid.
//
// Next itself is the fast path for most members, which are plain text without white space before the value. For all
// other members, and for invalid text, it calls nextSlow before it has read anything. Name and value are returned and
// not stored in o, where each string would need a write barrier during garbage collection.
func (o *Object) Next() (name string, v Value, ok bool) {
	text, at := o.text, o.at
	if !o.fast || o.broken {
		return o.nextSlow()
	}
	if o.count > 0 {
		if at >= len(text) || text[at] != ',' {
			return o.nextSlow()
		}
		at++
	}
	if at >= len(text) || text[at] != '"' {
		return o.nextSlow()
	}
	begin := at + 1
	end := indexQuote(text, begin)
	at = end + 2
	if at >= len(text) || text[end+1] != ':' || text[at] == ' ' {
		return o.nextSlow()
	}
	name = text[begin:end]
	mark := markOf(name) // like isNew, whose call would take 2 % of a request's instructions
	if o.count >= len(o.names) || o.marks&mark != 0 && o.isRepeated(name) {
		return o.nextSlow()
	}
	o.marks |= mark
	o.names[o.count] = uint16(begin)
	switch c := text[at]; {
	case c == '"':
		first := at + 1
		last := indexQuote(text, first)
		if last == len(text) {
			return o.nextSlow()
		}
		o.begin, o.at = at, last+1
		o.count++
		return name, Value{String, true, text[first:last]}, true
	case '1' <= c && c <= '9':
		end := at
		if end+8 <= len(text) && areDigits(load64(text[end:])) { // most numbers are dates with ten digits
			end += 8
		}
		for end < len(text) && '0' <= text[end] && text[end] <= '9' {
			end++
		}
		if end < len(text) && (text[end] == ',' || text[end] == '}') {
			o.begin, o.at = at, end
			o.count++
			return name, Value{Number, true, text[at:end]}, true
		}
	}
	s := scanner{text, at, true}
	if v, ok = s.scan(); !ok {
		return o.nextSlow()
	}
	o.begin, o.at = at, s.at
	o.count++
	o.mustRead(v)
	return name, v, true
}

// Raw returns the text of the last value.
func (o *Object) Raw() string { return o.text[o.begin:o.at] }

// Accept marks the last value as valid, so that it is not checked again. The caller must have checked it.
func (o *Object) Accept() {
	o.unread = false
	o.fast = o.allowsFastPath()
}

// Valid reads the rest of the text and reports whether all of it is valid.
func (o *Object) Valid() bool {
	for ok := !o.ended; ok; {
		_, _, ok = o.Next()
	}
	return !o.broken
}

// Member returns the value of a member of the JSON object text, or the zero Value if the object has no such member. It
// returns false if text is not one JSON object with unique names.
func Member(text, name string) (Value, bool) {
	var member Value
	var o Object
	o.Open(text)
	for n, v, ok := o.Next(); ok; n, v, ok = o.Next() {
		if n == name {
			member = v
		}
	}
	return member, o.Valid()
}

// allowsFastPath reports whether Next can use its fast path for the text.
func (o *Object) allowsFastPath() bool { return o.plain && len(o.text) <= math.MaxUint16 }

// mustRead marks v as unchecked if it is an array or object. The next member is then read by nextSlow, which checks v,
// so the fast path of Next does not have to.
func (o *Object) mustRead(v Value) {
	if v.Kind == Array || v.Kind == Nested {
		o.unread, o.fast = true, false
	}
}

// nextSlow is Next for members of any kind.
func (o *Object) nextSlow() (name string, v Value, ok bool) {
	if o.unread {
		o.broken = o.broken || !jsontext.Value(o.Raw()).IsValid()
		o.Accept()
	}
	if o.broken || o.ended {
		return "", Value{}, false
	}
	if o.count > 0 && !o.skip(',') || o.count == 0 && o.peek() == '}' {
		o.broken = !o.skip('}') || o.peek() != 0 || o.at < len(o.text)
		o.ended = true
		return "", Value{}, false
	}
	o.broken = true // reset below, if the whole member is valid
	if o.peek() != '"' {
		return "", Value{}, false
	}
	begin := o.at + 1
	name, ok = o.string()
	if isEscaped := o.at != begin+len(name)+1; !ok || !o.isNew(name, begin, isEscaped) || !o.skip(':') {
		return "", Value{}, false
	}
	_ = o.peek()
	o.begin = o.at
	if v, ok = o.scan(); !ok {
		return "", Value{}, false
	}
	o.broken = false
	o.count++
	o.mustRead(v)
	return name, v, true
}

// isNew reports whether a name, which begins at begin, is unique so far. It compares up to 64 names itself. For more
// names, for escaped names and for very long texts, the library checks the whole text once.
func (o *Object) isNew(name string, begin int, isEscaped bool) bool {
	if o.checked {
		return true
	}
	if isEscaped || o.count >= len(o.names) || len(o.text) > math.MaxUint16 {
		o.checked = jsontext.Value(o.text).IsValid()
		return o.checked
	}
	mark := markOf(name)
	if o.marks&mark != 0 && o.isRepeated(name) {
		return false
	}
	o.marks |= mark
	o.names[o.count] = uint16(begin)
	return true
}

// isRepeated reports whether name is one of the names read so far.
func (o *Object) isRepeated(name string) bool {
	return slices.ContainsFunc(o.names[:o.count], func(begin uint16) bool {
		end := int(begin) + len(name)
		return o.text[end] == '"' && o.text[begin:end] == name
	})
}

// markOf returns one of 64 bits, a hash of the name.
func markOf(name string) uint64 {
	hash := uint(len(name))
	if name != "" {
		hash += uint(name[0])*5 + uint(name[len(name)-1])*3
	}
	return 1 << (hash % 64)
}
