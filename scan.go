package usher

import (
	"math"
	"math/bits"
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

	begin  int        // of the value
	count  int        // of the members read
	judged bool       // the library has found that no name comes twice
	names  [64]uint16 // where the names read so far begin
	marks  uint64     // a bit for the hash of each of them, by which most new names are known to be new
}

// value is one JSON value. A string, number or literal is valid; of an array or object only the end is known,
// and it is still to be checked by strings, by valid, or by the JSON library. It has few fields, since the
// compiler keeps only structs of up to four in registers: with six, reading a payload took half as long again.
type value struct {
	kind  byte   // its first byte, but '0' for all numbers
	plain bool   // see scanner
	text  string // what a string says; any other value as it stands
}

// open takes the text; o must be new.
func (o *object) open(text string) {
	o.scanner = newScanner(text)
	o.broken = !o.skip('{')
}

// next reads the next member, and returns false after the last, and at whatever is not valid. It returns name and value
// rather than keep them in o, where every string costs a write barrier while the collector is at work.
func (o *object) next() (name string, v value, ok bool) {
	if o.broken {
		return "", value{}, false
	}
	if o.plain {
		if name, v, ok = o.nextPlain(); ok {
			return name, v, true
		}
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

// nextPlain is next for what most members of a plain text are: without white space before the value. Of anything else,
// and of what is not valid, it reads nothing and returns false. Positions of strings and positive integers stay in
// registers here, for which reading a payload takes 0.88 of the time.
func (o *object) nextPlain() (name string, v value, ok bool) {
	text, at := o.text, o.at
	if o.count > 0 {
		if at >= len(text) || text[at] != ',' {
			return "", value{}, false
		}
		at++
	}
	if at >= len(text) || text[at] != '"' {
		return "", value{}, false
	}
	begin := at + 1
	end := begin + indexQuote(text[begin:])
	at = end + 2
	if at >= len(text) || text[end+1] != ':' || !o.isNew(text[begin:end], begin, false) {
		return "", value{}, false
	}
	name, o.begin = text[begin:end], at
	switch c := text[at]; {
	case c <= ' ':
		return "", value{}, false
	case c == '"':
		at++
		size := indexQuote(text[at:])
		if at+size == len(text) {
			return "", value{}, false
		}
		o.at = at + size + 1
		o.count++
		return name, value{'"', true, text[at : at+size]}, true
	case '1' <= c && c <= '9':
		if at+8 <= len(text) && areDigits(load64(text[at:])) {
			at += 8
		}
		for at < len(text) && '0' <= text[at] && text[at] <= '9' {
			at++
		}
		if at < len(text) && (text[at] == ',' || text[at] == '}') {
			o.at = at
			o.count++
			return name, value{'0', true, text[o.begin:at]}, true
		}
	}
	s := scanner{text, o.begin, true}
	if v, ok = s.scan(); ok {
		o.at = s.at
		o.count++
	}
	return name, v, ok
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
	hash := uint(len(name))
	if name != "" {
		hash += uint(name[0])*5 + uint(name[len(name)-1])*3
	}
	mark := uint64(1) << (hash % 64)
	if o.marks&mark != 0 {
		for _, other := range o.names[:o.count] {
			if rest := o.text[int(other):]; strings.HasPrefix(rest, name) && rest[len(name)] == '"' {
				return false
			}
		}
	}
	o.marks |= mark
	o.names[o.count] = uint16(begin)
	return true
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

// strings returns the elements of an array of strings, and false for any other value. A single one gets into room, if
// there is any.
func (v value) strings(room *[1]string) ([]string, bool) {
	if v.kind != '[' {
		return nil, false
	}
	s := scanner{text: v.text, at: 1, plain: v.plain}
	if s.skip(']') {
		return []string{}, s.at == len(s.text)
	}
	list := roomFor(strings.Count(v.text, `"`)/2, room) // commas may be in the strings, any number of them
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

// roomFor returns an empty list with room for this many strings.
func roomFor(size int, room *[1]string) []string {
	if size == 1 && room != nil {
		return room[:0]
	}
	return make([]string, 0, size)
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

// isPlain reports whether a text is ASCII without backslashes and bytes below the blank, as most payloads are: there
// a string ends at the next quotation mark, whatever it says. It looks at sixteen bytes at a time.
func isPlain(text string) bool {
	var odd uint64
	for ; len(text) >= 16; text = text[16:] {
		odd |= oddities(load64(text)) | oddities(load64(text[8:]))
	}
	for i := range len(text) {
		if c := text[i]; c < ' ' || c >= utf8.RuneSelf || c == '\\' {
			return false
		}
	}
	return odd&tops == 0
}

// oddities sets the top bits of those of eight bytes that are not plain, and maybe of those after them.
func oddities(x uint64) uint64 {
	// The top bit is set in the first term if the byte is not ASCII. A borrow sets it in the second if the byte is below
	// the blank, and in the third if it is a backslash.
	return x | (x - ' '*ones) | ((x ^ '\\'*ones) - ones)
}

// ones and tops have the lowest and the highest bit of each of eight bytes.
const ones, tops = 0x0101010101010101, 0x8080808080808080

// load64 returns the first eight bytes of text, the first one lowest: one instruction, as the compiler sees it.
func load64(text string) uint64 {
	t := text[:8]
	return uint64(t[0]) | uint64(t[1])<<8 | uint64(t[2])<<16 | uint64(t[3])<<24 |
		uint64(t[4])<<32 | uint64(t[5])<<40 | uint64(t[6])<<48 | uint64(t[7])<<56
}

// areDigits reports whether eight bytes are decimal digits: 0x30 to 0x39, which are still below 0x40 with 6 more.
func areDigits(x uint64) bool {
	const highs = 0xf0 * ones
	return x&highs == '0'*ones && (x+6*ones)&highs == '0'*ones
}

// eightDigits returns the number that eight digits are.
func eightDigits(x uint64) uint64 {
	x -= '0' * ones
	x = x*10 + x>>8 // a number of two digits in each second byte
	const first, third = 0x000000ff, 0x000000ff << 32
	return (x&(first|third)*(1e6<<32+100) + x>>16&(first|third)*(1e4<<32+1)) >> 32
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
	rest := s.text[s.at+1:]
	end := indexQuote(rest)
	if end == len(rest) {
		return "", false
	}
	s.at += end + 2
	return rest[:end], true
}

// indexQuote returns where in an ASCII text the first quotation mark is; its length if there is none. It looks
// at eight bytes at a time: strings.IndexByte takes twice as long for what names and most values have.
func indexQuote(text string) int {
	i := 0
	for ; i+8 <= len(text); i += 8 {
		// The top bit of a byte is set where x-1 borrows from it, so where x is 0: at the first such, and maybe
		// right after it.
		x := load64(text[i:]) ^ ('"' * ones)
		if found := (x - ones) & tops; found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for i < len(text) && text[i] != '"' {
		i++
	}
	return i
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
