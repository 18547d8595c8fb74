package usher

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// decode reads the payload text into c, whose embedded claims are claims. Strings in c are parts of text. It returns
// about how many bytes c leads to beside text.
func (s *schema) decode(text string, claims *Claims, c reflect.Value, opts *DecoderOptions) (beside int, err error) {
	next := 0 // the field after the last one: most issuers keep an order
	var o object
	o.open(text)
	for name, v, ok := o.next(); ok; name, v, ok = o.next() {
		isKnown := false
		if len(s.owned) == 0 || !s.owned[name] {
			isKnown, err = claims.set(name, v, opts)
		}
		if !isKnown {
			if next == len(s.fields) || s.fields[next].name != name {
				next = s.find(name)
			}
			if next < len(s.fields) {
				var more int
				more, err = s.set(&s.fields[next], c, v, &o)
				isKnown, beside = true, beside+more
				next++
			}
		}
		if err != nil && o.rest(v) { // that the payload is not valid at all has precedence
			return 0, err
		}
		if !isKnown {
			o.broken = !v.valid()
		}
	}
	if o.broken {
		return 0, errPayload
	}
	return beside + cap(claims.Audience)*elementBytes, nil
}

// About what values take beside the payload: an element of a list of strings, whose text may have been unescaped;
// each byte of what the JSON library reads; and each map that it makes of an object, small as the object may be.
const elementBytes, foreignFactor, mapBytes = 32, 16, 320

// find returns the index of the field of this name, or one more than the last.
func (s *schema) find(name string) int {
	if i, ok := s.byName[name]; ok {
		return i
	}
	return len(s.fields)
}

var errPayload = fmt.Errorf("%w: its payload is not one JSON object with unique names", ErrTokenMalformed)

// append writes c, whose embedded claims are claims, as a JSON object.
func (s *schema) append(dst []byte, claims *Claims, c reflect.Value) ([]byte, error) {
	dst = append(dst, '{')
	dst, err := claims.without(s.owned).append(dst)
	for i := 0; i < len(s.fields) && err == nil; i++ {
		dst, err = s.appendField(dst, &s.fields[i], c)
	}
	if err != nil {
		return dst, fmt.Errorf("%w: %w", ErrTokenClaims, err)
	}
	if dst[len(dst)-1] == ',' {
		dst = dst[:len(dst)-1]
	}
	return append(dst, '}'), nil
}

// set reads one registered claim, if name is one.
func (c *Claims) set(name string, v value, opts *DecoderOptions) (known bool, err error) {
	var ok bool
	var want string
	switch name {
	case "iss":
		c.Issuer, ok, want = v.text, v.kind == '"', "a string"
	case "sub":
		c.Subject, ok, want = v.text, v.kind == '"', "a string"
		if opts.AllowNumericSubject && v.kind == '0' {
			c.Subject, ok, want = v.text, canonicalInteger(v.text), "a string or an integer of at most 20 digits"
		}
	case "aud":
		c.Audience, ok = v.audience()
		want = "a string or an array of strings"
	case "exp":
		c.ExpiresAt, ok, want = v.date()
	case "nbf":
		c.NotBefore, ok, want = v.date()
	case "iat":
		c.IssuedAt, ok, want = v.date()
	case "jti":
		c.ID, ok, want = v.text, v.kind == '"', "a string"
	case "sid":
		c.SessionID, ok, want = v.text, v.kind == '"', "a string"
	case "scope":
		c.Scope, ok, want = v.text, v.kind == '"', "a string"
	case "auth_time":
		c.AuthTime, ok, want = v.date()
	case "cnf":
		c.Confirmation, want = v.confirmation()
		ok = want == ""
	default:
		return false, nil
	}
	if !ok {
		return true, fmt.Errorf("%w: %s is not %s", ErrTokenClaims, name, want)
	}
	return true, nil
}

func (v value) date() (date NumericDate, ok bool, want string) {
	if v.kind == '0' {
		date, ok = parseDate(v.text)
	}
	return date, ok, dateRange
}

// confirmation returns what the cnf claim says (RFC 7800 §3.1), or what it should have been. A method of confirmation that usher does
// not know can't be left out: the token would pass without the proof that it asks for.
func (v value) confirmation() (c *Confirmation, want string) {
	const methods = "an object with jkt or x5t#S256, each a string, and nothing else"
	if v.kind != '{' {
		return nil, methods
	}
	c = new(Confirmation)
	var o object
	o.open(v.text)
	for name, member, ok := o.next(); ok; name, member, ok = o.next() {
		text := member.string()
		switch name {
		case "jkt":
			c.KeyThumbprint = text
		case "x5t#S256":
			c.CertificateThumbprint = text
		default:
			text = ""
		}
		if text == "" {
			return nil, methods
		}
	}
	if o.broken || *c == (Confirmation{}) {
		return nil, methods
	}
	return c, ""
}

func (c *Confirmation) append(dst []byte) ([]byte, error) {
	if *c == (Confirmation{}) {
		return dst, errors.New("cnf names no key; set a thumbprint, or leave Confirmation nil")
	}
	dst = append(dst, '{')
	var err error
	for _, method := range []struct{ label, thumbprint string }{
		{`"jkt":`, c.KeyThumbprint}, {`"x5t#S256":`, c.CertificateThumbprint},
	} {
		if method.thumbprint != "" && err == nil {
			dst, err = appendString(append(dst, method.label...), method.thumbprint)
			dst = append(dst, ',')
		}
	}
	dst[len(dst)-1] = '}'
	return dst, err
}

// canonicalInteger reports whether s is 0 or an integer without superfluous sign or zeros, of at most
// 20 digits.
func canonicalInteger(s string) bool {
	s, negative := strings.CutPrefix(s, "-")
	if s == "0" {
		return !negative
	}
	if s == "" || len(s) > 20 || s[0] == '0' {
		return false
	}
	return strings.Trim(s, "0123456789") == ""
}

// append writes the registered claims that are there, each followed by a comma.
func (c *Claims) append(dst []byte) ([]byte, error) {
	var err error
	text := func(label, s string) {
		if s != "" && err == nil {
			dst, err = appendString(append(dst, label...), s)
			dst = append(dst, ',')
		}
	}
	date := func(label string, d NumericDate) {
		if !d.IsZero() && err == nil {
			dst, err = d.append(append(dst, label...))
			dst = append(dst, ',')
		}
	}
	text(`"iss":`, c.Issuer)
	text(`"sub":`, c.Subject)
	if len(c.Audience) > 0 && err == nil {
		dst = append(dst, `"aud":`...)
		if len(c.Audience) == 1 {
			dst, err = appendString(dst, c.Audience[0])
		} else {
			dst, err = appendStrings(dst, c.Audience)
		}
		dst = append(dst, ',')
	}
	date(`"exp":`, c.ExpiresAt)
	date(`"nbf":`, c.NotBefore)
	date(`"iat":`, c.IssuedAt)
	text(`"jti":`, c.ID)
	text(`"sid":`, c.SessionID)
	text(`"scope":`, c.Scope)
	date(`"auth_time":`, c.AuthTime)
	if c.Confirmation != nil && err == nil {
		dst, err = c.Confirmation.append(append(dst, `"cnf":`...))
		dst = append(dst, ',')
	}
	return dst, err
}

// without returns c, or a copy without the claims that C has its own fields for.
func (c *Claims) without(owned map[string]bool) *Claims {
	if len(owned) == 0 {
		return c
	}
	rest := *c
	if owned["jti"] {
		rest.ID = ""
	}
	if owned["sid"] {
		rest.SessionID = ""
	}
	if owned["scope"] {
		rest.Scope = ""
	}
	if owned["auth_time"] {
		rest.AuthTime = NumericDate{}
	}
	return &rest
}

// set reads v, which o is at, into the field f of c, and returns about how many bytes it takes beside the text.
func (s *schema) set(f *field, c reflect.Value, v value, o *object) (beside int, err error) {
	target := c
	for _, i := range f.index {
		if target.Kind() == reflect.Pointer { // an embedded pointer
			if target.IsNil() {
				target.Set(reflect.New(target.Type().Elem()))
			}
			target = target.Elem()
		}
		target = target.Field(i)
	}
	if f.kind.set(target, v) {
		if f.kind == kindStrings {
			return target.Cap() * elementBytes, nil
		}
		return 0, nil
	}
	if f.kind == kindNumber {
		return 0, fmt.Errorf("%w: %s is not a number", ErrTokenClaims, f.name)
	}
	raw, alone := o.raw(), reflect.New(f.alone)
	if err := json.Unmarshal([]byte(`{"v":`+raw+`}`), alone.Interface(), s.json); err != nil {
		return 0, fmt.Errorf("%w: %s is not a %s", ErrTokenClaims, f.name, target.Type())
	}
	target.Set(alone.Elem().Field(0))
	return len(raw)*foreignFactor + strings.Count(raw, "{")*mapBytes, nil
}

// set reads v into target, which is of this kind, and returns false if usher does not know how.
func (k fieldKind) set(target reflect.Value, v value) bool {
	switch k {
	case kindString:
		if v.kind == '"' {
			target.SetString(v.text)
			return true
		}
	case kindBool:
		if v.kind == 't' || v.kind == 'f' {
			target.SetBool(v.kind == 't')
			return true
		}
	case kindInt:
		if n, err := strconv.ParseInt(v.number(), 10, target.Type().Bits()); err == nil {
			target.SetInt(n)
			return true
		}
	case kindUint:
		if n, err := strconv.ParseUint(v.number(), 10, target.Type().Bits()); err == nil {
			target.SetUint(n)
			return true
		}
	case kindFloat:
		if n, err := strconv.ParseFloat(v.number(), target.Type().Bits()); err == nil {
			target.SetFloat(n)
			return true
		}
	case kindStrings:
		if list, ok := v.strings(); ok {
			field, _ := reflect.TypeAssert[*[]string](target.Addr())
			*field = list
			return true
		}
	case kindNumber:
		if v.kind == '0' || v.kind == '"' && isNumber(v.text) {
			target.SetString(v.text)
			return true
		}
		return v.kind == 'n' // which changes nothing
	}
	return false
}

// appendField writes the field f of c, if it is not to be omitted, and a comma.
func (s *schema) appendField(dst []byte, f *field, c reflect.Value) ([]byte, error) {
	source := c
	for _, i := range f.index {
		if source.Kind() == reflect.Pointer {
			if source.IsNil() {
				return dst, nil
			}
			source = source.Elem()
		}
		source = source.Field(i)
	}
	if f.kind == kindOther || f.kind == kindFloat || f.kind == kindStrings && source.IsNil() {
		alone := reflect.New(f.alone)
		alone.Elem().Field(0).Set(source)
		text, err := json.Marshal(alone.Interface(), s.json)
		if err != nil {
			return dst, fmt.Errorf("%s can't be written as JSON: %w", f.name, err)
		}
		if value, ok := strings.CutPrefix(string(text), `{"v":`); ok {
			dst = append(append(dst, f.label...), value[:len(value)-1]...)
			dst = append(dst, ',')
		}
		return dst, nil
	}
	if f.omitEmpty && (source.IsZero() || f.kind == kindStrings && source.Len() == 0) {
		return dst, nil
	}
	dst = append(dst, f.label...)
	var err error
	switch f.kind {
	case kindString:
		dst, err = appendString(dst, source.String())
	case kindBool:
		dst = strconv.AppendBool(dst, source.Bool())
	case kindInt:
		dst = strconv.AppendInt(dst, source.Int(), 10)
	case kindUint:
		dst = strconv.AppendUint(dst, source.Uint(), 10)
	case kindNumber:
		number := cmp.Or(source.String(), "0") // as encoding/json does
		if !isNumber(number) {
			return dst, fmt.Errorf("%s is no number", f.name)
		}
		dst = append(dst, number...)
	case kindStrings:
		list, _ := reflect.TypeAssert[[]string](source)
		dst, err = appendStrings(dst, list)
	}
	return append(dst, ','), err
}

// appendString writes s as a JSON string; the library writes those that need escapes or are not ASCII.
func appendString(dst []byte, s string) ([]byte, error) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return jsontext.AppendQuote(dst, s)
		}
	}
	return append(append(append(dst, '"'), s...), '"'), nil
}

func appendStrings(dst []byte, list []string) ([]byte, error) {
	dst = append(dst, '[')
	var err error
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = appendString(dst, s); err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), nil
}
