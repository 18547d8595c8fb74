package usher

import (
	"math/bits"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// object reads the members of one JSON object (RFC 8259), which is all that its text may hold. Like I-JSON
// (RFC 7493 §2) it allows no name twice and nothing but UTF-8. Use:
//
//	o.open(text)
//	for o.next() {
//		… o.name, o.value …
//	}
//	if o.broken { … }
type object struct {
	scanner
	name   string
	value  value
	broken bool

	foreign int // bytes of values that the JSON library decoded, which users of object count

	count int
	names [64]string // read so far
	marks uint64     // a bit for the hash of each name read, by which most new names are known to be new
}

// value is one JSON value. A string, number or literal is valid; of an array or object only the end is known,
// and it is still to be checked by strings, by valid, or by the JSON library.
type value struct {
	kind byte   // its first byte, but '0' for all numbers
	raw  string // as it stands
	text string // what a string says; a part of raw, unless there were escapes
}

func (o *object) open(text string) {
	o.scanner = scanner{text: text}
	o.foreign, o.count, o.marks = 0, 0, 0
	o.broken = !o.skip('{')
}

// next reads the next member, and returns false after the last, and at whatever is not valid.
func (o *object) next() bool {
	if o.broken {
		return false
	}
	if o.count > 0 && !o.skip(',') || o.count == 0 && o.peek() == '}' {
		o.broken = !o.skip('}') || o.peek() != 0 || o.at < len(o.text)
		return false
	}
	o.broken = true // until the whole member has been read
	if o.peek() != '"' {
		return false
	}
	name, ok := o.string()
	if !ok || !o.skip(':') || !o.isNew(name.text) {
		return false
	}
	if o.value, ok = o.scan(); !ok {
		return false
	}
	o.name, o.broken = name.text, false
	o.count++
	return true
}

// isNew reports whether name has not come before. It compares up to 64 names itself; from there on the
// library, which builds a set, judges the whole text once.
func (o *object) isNew(name string) bool {
	if o.count >= len(o.names) {
		return o.count > len(o.names) || jsontext.Value(o.text).IsValid()
	}
	hash := len(name)
	if name != "" {
		hash += int(name[0])*5 + int(name[len(name)-1])*3
	}
	mark := uint64(1) << (hash % 64)
	if o.marks&mark != 0 && slices.Contains(o.names[:o.count], name) {
		return false
	}
	o.marks |= mark
	o.names[o.count] = name
	return true
}

// strings returns the elements of an array of strings, and false for any other value.
func (v value) strings() ([]string, bool) {
	if v.kind != '[' {
		return nil, false
	}
	s := scanner{text: v.raw, at: 1}
	if s.skip(']') {
		return []string{}, s.at == len(s.text)
	}
	list := make([]string, 0, 1+strings.Count(v.raw, ","))
	for {
		element, ok := s.scan()
		if !ok || element.kind != '"' {
			return nil, false
		}
		list = append(list, element.text)
		if s.skip(']') {
			return list, s.at == len(s.text)
		}
		if !s.skip(',') {
			return nil, false
		}
	}
}

// valid reports whether the value is valid all the way down: no name twice, nothing but UTF-8.
func (v value) valid() bool {
	return v.kind != '[' && v.kind != '{' || jsontext.Value(v.raw).IsValid()
}

// scanner reads JSON tokens.
type scanner struct {
	text string
	at   int // what lies before has been read
}

// peek skips white space (RFC 8259 §2) and returns the byte after it, 0 at the end.
func (s *scanner) peek() byte {
	if s.at < len(s.text) && s.text[s.at] > ' ' {
		return s.text[s.at]
	}
	return s.peekFar()
}

func (s *scanner) peekFar() byte {
	for ; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// skip skips white space and then c, and returns false if c is not what comes next.
func (s *scanner) skip(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.at++
	return true
}

// scan skips white space and reads the value after it.
func (s *scanner) scan() (value, bool) {
	kind := s.peek()
	start := s.at
	switch kind {
	case '"':
		return s.string()
	case '{', '[':
		if !s.composite() {
			return value{}, false
		}
	case 't', 'f', 'n':
		if !s.word("true") && !s.word("false") && !s.word("null") {
			return value{}, false
		}
	default:
		kind = '0'
		if !s.number() {
			return value{}, false
		}
	}
	return value{kind: kind, raw: s.text[start:s.at]}, true
}

func (s *scanner) word(word string) bool {
	if !strings.HasPrefix(s.text[s.at:], word) {
		return false
	}
	s.at += len(word)
	return true
}

// string reads a string (RFC 8259 §7); the first quotation mark is there.
func (s *scanner) string() (value, bool) {
	escaped, ascii := false, true
	for i := s.at + 1; ; i++ {
		i += plain(s.text[i:])
		if i >= len(s.text) {
			return value{}, false
		}
		switch c := s.text[i]; {
		case c == '"':
			v := value{kind: '"', raw: s.text[s.at : i+1], text: s.text[s.at+1 : i]}
			s.at = i + 1
			if escaped {
				return v.unescape()
			}
			return v, ascii || utf8.ValidString(v.text)
		case c == '\\':
			escaped = true
			if i++; i == len(s.text) {
				return value{}, false
			}
		case c < ' ':
			return value{}, false
		default:
			ascii = false
		}
	}
}

// plain returns how many bytes of text come before the first that a string may not hold just so: quotation
// marks, backslashes, control characters and what is not ASCII. It looks at eight bytes at a time, with which
// reading the strings of a payload takes three quarters of the instructions that a loop over bytes takes.
func plain(text string) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(text); i += 8 {
		t := text[i : i+8]
		eight := uint64(t[0]) | uint64(t[1])<<8 | uint64(t[2])<<16 | uint64(t[3])<<24 |
			uint64(t[4])<<32 | uint64(t[5])<<40 | uint64(t[6])<<48 | uint64(t[7])<<56
		quote, backslash := eight^('"'*ones), eight^('\\'*ones)
		// The top bit of a byte is set, or x-1 borrows from it, where x is 0 or is less than the blank.
		if found := (eight | (eight - ' '*ones) | (quote - ones) | (backslash - ones)) & tops; found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for ; i < len(text); i++ {
		if c := text[i]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			break
		}
	}
	return i
}

func (v value) unescape() (value, bool) {
	text, err := jsontext.AppendUnquote(nil, v.raw)
	v.text = string(text)
	return v, err == nil
}

// number reads a number (RFC 8259 §6): no plus sign, no leading zeros, digits around the point.
func (s *scanner) number() bool {
	_ = s.word("-")
	if !s.word("0") && !s.digits() {
		return false
	}
	if s.word(".") && !s.digits() {
		return false
	}
	if s.word("e") || s.word("E") {
		_ = s.word("+") || s.word("-")
		return s.digits()
	}
	return true
}

// isNumber reports whether text is a number and nothing else.
func isNumber(text string) bool {
	s := scanner{text: text}
	return s.number() && s.at == len(text)
}

func (s *scanner) digits() bool {
	start := s.at
	for s.at < len(s.text) && '0' <= s.text[s.at] && s.text[s.at] <= '9' {
		s.at++
	}
	return s.at > start
}

// composite finds the end of an array or object, which is valid or not: that is for others to see.
func (s *scanner) composite() bool {
	for depth := 0; s.at < len(s.text); {
		switch s.text[s.at] {
		case '"':
			if _, ok := s.string(); !ok {
				return false
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		s.at++
		if depth == 0 {
			return true
		}
	}
	return false
}
