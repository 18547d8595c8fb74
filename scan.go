package usher

import (
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// object reads the members of one JSON object (RFC 8259), which is all that its text may hold. Like I-JSON
// (RFC 7493 §2) it allows no name twice and nothing but UTF-8. Use:
//
//	var o object
//	o.open(text)
//	for name, v, ok := o.next(); ok; name, v, ok = o.next() {
//		…
//	}
//	if o.broken { … }
type object struct {
	scanner
	broken bool

	quick  bool       // next may read by itself
	begin  int        // of the value
	count  int        // of the members read
	judged bool       // the library has found that no name comes twice
	names  [64]uint16 // where the names read so far begin
	marks  uint64     // a bit for the hash of each of them, by which most new names are known to be new
}

// value is one JSON value. A string, number or literal is valid; of an array or object only the end is known, and it is
// still to be checked by strings, by valid, or by the JSON library. It has few fields: the compiler keeps no struct of
// more than four words in registers.
type value struct {
	kind  byte   // its first byte, but '0' for all numbers
	plain bool   // see scanner
	text  string // what a string says; any other value as it stands
}

// open takes the text; o must be new.
func (o *object) open(text string) {
	o.scanner = newScanner(text)
	o.quick = o.plain && len(text) <= math.MaxUint16
	o.broken = !o.skip('{')
}

// next reads the next member, and returns false after the last, and at whatever is not valid. It returns name and value
// instead of keeping them in o, where each string would cost a write barrier while the collector is at work.
//
// It reads what most members of a plain text are, without white space before the value, with positions of strings and
// positive integers in registers. Of anything else, and of what is not valid, it reads nothing: nextAny looks at the member
// from its beginning, the name once more.
func (o *object) next() (name string, v value, ok bool) {
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
	mark := markOf(name) // what isNew does, whose call takes 2 % of the instructions of a request beside the hash
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
		return name, value{'"', true, text[first:last]}, true
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
			return name, value{'0', true, text[at:end]}, true
		}
	}
	s := scanner{text, at, true}
	if v, ok = s.scan(); !ok {
		return o.nextAny()
	}
	o.begin, o.at = at, s.at
	o.count++
	return name, v, true
}

// nextAny is next for members of any kind.
func (o *object) nextAny() (name string, v value, ok bool) {
	if o.broken {
		return "", value{}, false
	}
	if o.count > 0 && !o.skip(',') || o.count == 0 && o.peek() == '}' {
		o.broken = !o.skip('}') || o.peek() != 0 || o.at < len(o.text)
		return "", value{}, false
	}
	o.broken = true // until the whole member has been read
	if o.peek() != '"' {
		return "", value{}, false
	}
	begin := o.at + 1
	name, ok = o.string()
	if isEscaped := o.at != begin+len(name)+1; !ok || !o.isNew(name, begin, isEscaped) || !o.skip(':') {
		return "", value{}, false
	}
	_ = o.peek()
	o.begin = o.at
	if v, ok = o.scan(); !ok {
		return "", value{}, false
	}
	o.broken = false
	o.count++
	return name, v, true
}

// isNew reports whether a name, which begins at begin, has not come before. It compares up to 64 names itself; from
// there on, in huge texts, and where a name holds escapes, the library, which builds a set, judges the whole text once.
func (o *object) isNew(name string, begin int, isEscaped bool) bool {
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
func (o *object) isRepeated(name string) bool {
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

// rest reports whether v, the value read last, and what is left to read are valid.
func (o *object) rest(v value) bool {
	for ok := true; ok; _, v, ok = o.next() {
		o.broken = o.broken || !v.valid()
	}
	return !o.broken
}

// raw returns the value that has been read last as it stands.
func (o *object) raw() string { return o.text[o.begin:o.at] }

// string returns what a string says, and "" for any other value.
func (v value) string() string {
	if v.kind != '"' {
		return ""
	}
	return v.text
}

// number returns a number as it stands, and "" for any other value.
func (v value) number() string {
	if v.kind != '0' {
		return ""
	}
	return v.text
}

// strings returns the elements of an array of strings, and false for any other value.
func (v value) strings() ([]string, bool) {
	if v.kind != '[' {
		return nil, false
	}
	s := scanner{text: v.text, at: 1, plain: v.plain}
	if s.skip(']') {
		return []string{}, s.at == len(s.text)
	}
	list := make([]string, 0, strings.Count(v.text, `"`)/2) // commas may be in the strings, any number of them
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
			return list, s.at == len(s.text)
		}
		if !s.skip(',') {
			return nil, false
		}
	}
}

// valid reports whether the value is valid all the way down: no name twice, nothing but UTF-8.
func (v value) valid() bool {
	return v.kind != '[' && v.kind != '{' || jsontext.Value(v.text).IsValid()
}

// scanner reads JSON tokens.
type scanner struct {
	text  string
	at    int  // what lies before has been read
	plain bool // text is ASCII without backslashes and bytes below the blank
}

func newScanner(text string) scanner { return scanner{text: text, plain: isPlain(text)} }

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

// scanAlone reads the one value that text is.
func scanAlone(text string) (value, bool) {
	s := newScanner(text)
	v, ok := s.scan()
	_ = s.peek()
	return v, ok && s.at == len(text)
}

// scan skips white space and reads the value after it.
func (s *scanner) scan() (value, bool) {
	kind := s.peek()
	start := s.at
	var ok bool
	switch kind {
	case '"':
		text, ok := s.string()
		return value{kind, s.plain, text}, ok
	case '{', '[':
		ok = s.composite()
	case 't', 'f', 'n':
		ok = s.word("true") || s.word("false") || s.word("null")
	default:
		kind, ok = '0', s.number()
	}
	return value{kind, s.plain, s.text[start:s.at]}, ok
}

func (s *scanner) word(word string) bool {
	if !strings.HasPrefix(s.text[s.at:], word) {
		return false
	}
	s.at += len(word)
	return true
}

// string reads a string (RFC 8259 §7) and returns what it says; the first quotation mark is there.
func (s *scanner) string() (string, bool) {
	if !s.plain {
		return s.anyString()
	}
	start := s.at + 1
	end := indexQuote(s.text, start)
	if end == len(s.text) {
		return "", false
	}
	s.at = end + 1
	return s.text[start:end], true
}

// anyString is string for a text that is not plain.
func (s *scanner) anyString() (string, bool) {
	start := s.at + 1
	isEscaped, isASCII := false, true
	for i := start; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case c == '"':
			s.at = i + 1
			if isEscaped {
				text, err := jsontext.AppendUnquote(nil, s.text[start-1:s.at])
				return string(text), err == nil
			}
			text := s.text[start:i]
			return text, isASCII || utf8.ValidString(text)
		case c == '\\':
			isEscaped = true
			i++
		case c < ' ':
			return "", false
		case c >= utf8.RuneSelf:
			isASCII = false
		}
	}
	return "", false
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
