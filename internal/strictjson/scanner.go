package strictjson

import (
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// scanner reads JSON tokens.
type scanner struct {
	text  string
	at    int  // the position of the next byte
	plain bool // text is ASCII without backslashes and control characters
}

func newScanner(text string) scanner { return scanner{text: text, plain: isPlain(text)} }

// peek skips white space (RFC 8259 §2) and returns the next byte, or 0 at the end.
func (s *scanner) peek() byte {
	if s.at < len(s.text) && s.text[s.at] > ' ' {
		return s.text[s.at]
	}
	return s.peekSlow()
}

func (s *scanner) peekSlow() byte {
	for ; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// skip skips white space and then c. It returns false if the next byte is not c.
func (s *scanner) skip(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.at++
	return true
}

// scan skips white space and reads a value.
func (s *scanner) scan() (Value, bool) {
	kind := Kind(s.peek())
	start := s.at
	var ok bool
	switch kind {
	case String:
		text, ok := s.string()
		return Value{String, s.plain, text}, ok
	case Nested, Array:
		ok = s.composite()
	case True, False, Null:
		ok = s.word("true") || s.word("false") || s.word("null")
	default:
		kind, ok = Number, s.number()
	}
	return Value{kind, s.plain, s.text[start:s.at]}, ok
}

func (s *scanner) word(word string) bool {
	if !strings.HasPrefix(s.text[s.at:], word) {
		return false
	}
	s.at += len(word)
	return true
}

// string reads a string (RFC 8259 §7), whose first quotation mark is the next byte, and returns it unescaped.
func (s *scanner) string() (string, bool) {
	if !s.plain {
		return s.stringSlow()
	}
	start := s.at + 1
	end := indexQuote(s.text, start)
	if end == len(s.text) {
		return "", false
	}
	s.at = end + 1
	return s.text[start:end], true
}

// stringSlow is string for a text that is not plain.
func (s *scanner) stringSlow() (string, bool) {
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

// number reads a number (RFC 8259 §6): without a plus sign or leading zeros, with digits on both sides of the decimal
// point.
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

func (s *scanner) digits() bool {
	start := s.at
	for s.at < len(s.text) && '0' <= s.text[s.at] && s.text[s.at] <= '9' {
		s.at++
	}
	return s.at > start
}

// composite skips an array or object without checking it.
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
