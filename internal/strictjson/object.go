// Package strictjson reads one JSON object (RFC 8259) strictly, member by member, and writes strings and lists of them. Like I-JSON (RFC 7493
// §2) it takes no name twice and nothing but UTF-8, and nothing may follow the object. It is made for short objects that are read for every
// request: strings of the result are parts of the text wherever that is possible.
package strictjson

import (
	"math"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// Object reads the members of the one object that a text is:
//
//	var o strictjson.Object
//	o.Open(text)
//	for name, v, ok := o.Next(); ok; name, v, ok = o.Next() {
//		…
//	}
//	if !o.Valid() { … }
//
// Members may be passed over: an array or object that nobody reads is checked nevertheless, before the next member is read.
type Object struct {
	scanner
	broken bool // the text is not valid
	ended  bool // all of it has been read

	quick  bool       // Next may read by itself
	unread bool       // the value read last is an array or object that nobody has checked yet
	begin  int        // of the value read last
	count  int        // of the members read
	judged bool       // the library has found that no name comes twice
	names  [64]uint16 // where the names read so far begin
	marks  uint64     // a bit for the hash of each name, by which most new names are known to be new
}

// Open begins to read a text. It is called once.
func (o *Object) Open(text string) {
	o.scanner = newScanner(text)
	o.quick = o.mayBeQuick()
	o.broken = !o.skip('{')
}

// Next reads the next member. It returns false after the last one, and at whatever is not valid.
//
// Here it reads what most members are: of plain text, without white space before the value. Positions stay in registers. Of anything else,
// and of what is not valid, it reads nothing, and leaves the whole member to nextAny. Name and value are returned, not kept in o, where
// each string would cost a write barrier while the garbage collector is at work.
func (o *Object) Next() (name string, v Value, ok bool) {
	text, at := o.text, o.at
	if !o.quick || o.broken {
		return o.nextAny()
	}
	if o.count > 0 {
		if at >= len(text) || text[at] != ',' {
			return o.nextAny()
		}
		at++
	}
	if at >= len(text) || text[at] != '"' {
		return o.nextAny()
	}
	begin := at + 1
	end := indexQuote(text, begin)
	at = end + 2
	if at >= len(text) || text[end+1] != ':' || text[at] == ' ' {
		return o.nextAny()
	}
	name = text[begin:end]
	mark := markOf(name) // as isNew does; a call of it would take 2 % of the instructions of a request, the hash apart
	if o.count >= len(o.names) || o.marks&mark != 0 && o.isRepeated(name) {
		return o.nextAny()
	}
	o.marks |= mark
	o.names[o.count] = uint16(begin)
	switch c := text[at]; {
	case c == '"':
		first := at + 1
		last := indexQuote(text, first)
		if last == len(text) {
			return o.nextAny()
		}
		o.begin, o.at = at, last+1
		o.count++
		return name, Value{String, true, text[first:last]}, true
	case '1' <= c && c <= '9':
		end := at
		if end+8 <= len(text) && areDigits(load64(text[end:])) { // most numbers are dates, of ten digits
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
		return o.nextAny()
	}
	o.begin, o.at = at, s.at
	o.count++
	o.mustRead(v)
	return name, v, true
}

// Raw returns the value read last as it stands.
func (o *Object) Raw() string { return o.text[o.begin:o.at] }

// Accept says that the value read last has been found to be valid by whoever read it, so that it need not be checked again.
func (o *Object) Accept() {
	o.unread = false
	o.quick = o.mayBeQuick()
}

// Strings returns the elements of v, the value read last, if it is an array of strings, and false if it is anything else.
func (o *Object) Strings(v Value) ([]string, bool) {
	list, ok := v.Strings()
	if ok {
		o.Accept()
	}
	return list, ok
}

// Valid reads what is left, and reports whether the whole text is valid.
func (o *Object) Valid() bool {
	for ok := !o.ended; ok; {
		_, _, ok = o.Next()
	}
	return !o.broken
}

// mayBeQuick reports whether Next can read texts like this one by itself.
func (o *Object) mayBeQuick() bool { return o.plain && len(o.text) <= math.MaxUint16 }

// mustRead notes that v is still to be checked, if it is an array or object. It leaves the next member to nextAny, which checks it: Next
// need not ask.
func (o *Object) mustRead(v Value) {
	if v.Kind == Array || v.Kind == Nested {
		o.unread, o.quick = true, false
	}
}

// nextAny is Next for members of any kind.
func (o *Object) nextAny() (name string, v Value, ok bool) {
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
	o.broken = true // until the whole member has been read
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

// isNew reports whether a name, which begins at begin, has not come before. It compares up to 64 names itself. Beyond that, in huge texts,
// and where a name has escapes, the library, which builds a set, checks the whole text once.
func (o *Object) isNew(name string, begin int, isEscaped bool) bool {
	if o.judged {
		return true
	}
	if isEscaped || o.count >= len(o.names) || len(o.text) > math.MaxUint16 {
		o.judged = jsontext.Value(o.text).IsValid()
		return o.judged
	}
	mark := markOf(name)
	if o.marks&mark != 0 && o.isRepeated(name) {
		return false
	}
	o.marks |= mark
	o.names[o.count] = uint16(begin)
	return true
}

// isRepeated reports whether one of the names read so far is the same.
func (o *Object) isRepeated(name string) bool {
	return slices.ContainsFunc(o.names[:o.count], func(begin uint16) bool {
		end := int(begin) + len(name)
		return o.text[end] == '"' && o.text[begin:end] == name
	})
}

// markOf returns one of 64 bits, the same for the same name.
func markOf(name string) uint64 {
	hash := uint(len(name))
	if name != "" {
		hash += uint(name[0])*5 + uint(name[len(name)-1])*3
	}
	return 1 << (hash % 64)
}
