package usher

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/go-usher/usher/internal/embedding"
	"github.com/go-usher/usher/internal/strictjson"
	"github.com/go-usher/usher/internal/structfields"
	"github.com/golang-jwt/jwt/v5"
)

// payloadFormat is how claims of a type C are read and written: the registered claims here, so that nothing in C can hide one from the checks,
// and C's own fields by their tags.
type payloadFormat struct {
	fields *structfields.Struct
	owned  map[string]bool // the names among jti, sid, scope and auth_time that C has a field of its own for
}

// newPayloadFormat returns the format of C, and adds to wrong what is wrong with C's shape.
func newPayloadFormat[C any](wrong *misconfigured) *payloadFormat {
	t := reflect.TypeFor[C]()
	fields, mistakes := structfields.Of(t, reflect.TypeFor[Claims](), "iss", "sub", "aud", "exp", "nbf", "iat", "cnf")
	for _, mistake := range mistakes {
		wrong.add("claims type "+t.String(), "%s", mistake)
	}
	checkMethods(t, wrong)
	f := &payloadFormat{fields: fields}
	checkHasScope(t, fields, wrong)
	for _, name := range []string{"jti", "sid", "scope", "auth_time"} {
		if fields.Has(name) {
			if f.owned == nil {
				f.owned = map[string]bool{}
			}
			f.owned[name] = true
		}
	}
	return f
}

// checkMethods adds to wrong the methods of a claims type that look like checks and would not be called: a check that never runs is worse than none.
func checkMethods(t reflect.Type, wrong *misconfigured) {
	subject := "claims type " + t.String()
	validates := embedding.Declarations(t, "Validate", func(t reflect.Type) (reflect.Method, bool) { return t.MethodByName("Validate") })
	isOwn := len(validates) > 0 && len(validates[0].Index) == 0 && !validates[0].IsField
	isCallable := implements[interface{ Validate() error }](reflect.PointerTo(t))
	switch {
	case len(validates) == 0 || isOwn && isCallable:
	case isOwn || len(validates) == 1 && !validates[0].IsField && !isCallable:
		wrong.add(subject, "has a method Validate that is not func() error, and so would not be called")
	case validates[0].IsField:
		wrong.add(subject, "has a field named Validate in %s, which looks like a check and hides those of embedded types; rename it", validates[0].Type)
	case len(validates) > 1:
		wrong.add(subject, "embeds %s, which both have Validate: Go promotes one at most; declare Validate() error on the claims type, and call them there",
			validates[0].Type.String()+" and "+validates[1].Type.String())
	case validates[0].IsInterface() || validates[0].ByPointer:
		wrong.add(subject, "has Validate from %s, which is embedded as an interface or pointer, and may be nil", validates[0].Type)
	}
	// Older versions of golang-jwt called Valid() error. A Valid with another signature is meant as a check as well.
	valids := embedding.Declarations(t, "Valid", func(t reflect.Type) (reflect.Method, bool) { return t.MethodByName("Valid") })
	for _, d := range valids {
		if !d.IsField && (len(d.Index) == 0 || !isOwn) {
			wrong.add(subject, "has a method Valid in %s, which looks like a check and would not be called; name it Validate() error, or rename it if it is no check", d.Type)
		}
	}
}

func implements[I any](t reflect.Type) bool { return t.Implements(reflect.TypeFor[I]()) }

// checkHasScope adds to wrong that RequireScope would refuse everybody, because C hides HasScope, or because HasScope does not know C's own field
// for scope: it has to be declared by the struct that has the field, or by one around it.
func checkHasScope(t reflect.Type, fields *structfields.Struct, wrong *misconfigured) {
	subject := "claims type " + t.String()
	scopes := embedding.Declarations(t, "HasScope", func(t reflect.Type) (reflect.Method, bool) { return t.MethodByName("HasScope") })
	if len(scopes) == 0 { // it does not embed Claims as it should
		return
	}
	if !implements[interface{ HasScope(scope string) bool }](reflect.PointerTo(t)) {
		wrong.add(subject, "hides the method HasScope(scope string) bool of Claims by something of that name: RequireScope would refuse everybody")
		return
	}
	promoted := slices.MinFunc(scopes, func(a, b embedding.Declaration) int { return len(a.Index) - len(b.Index) })
	if promoted.IsInterface() {
		wrong.add(subject, "has HasScope from the interface %s, which may be nil", promoted.Type)
	}
	if !fields.Has("scope") {
		return
	}
	field := fields.Index("scope")
	if promoted.Type == reflect.TypeFor[Claims]() || len(promoted.Index) >= len(field) || !slices.Equal(promoted.Index, field[:len(promoted.Index)]) {
		wrong.add(subject, "has a field of its own for scope, and no method HasScope(scope string) bool beside it: RequireScope would refuse everybody")
	}
}

// decode reads the payload text into c, whose embedded claims are claims. Strings in c are parts of text. It returns
// about how many bytes c leads to, text apart.
func (f *payloadFormat) decode(text string, claims *Claims, c reflect.Value, opts *DecoderOptions) (bytes int, err error) {
	next := 0 // the field after the last one
	var o strictjson.Object
	o.Open(text)
	for name, v, ok := o.Next(); ok; name, v, ok = o.Next() {
		known := false
		if len(f.owned) == 0 || !f.owned[name] {
			if known, err = claims.set(name, v, opts); known && err == nil {
				o.Accept()
			}
		}
		if !known {
			if i := f.fields.Find(name, next); i >= 0 {
				var more int
				if more, err = f.fields.Read(i, c, &o, v); err != nil {
					err = matching(fmt.Errorf("%w: %w", ErrTokenClaims, err), jwt.ErrInvalidType)
				}
				bytes += more
				next = i + 1
			}
		}
		if err != nil {
			break
		}
	}
	if !o.Valid() { // which has precedence
		return 0, errPayload
	}
	return bytes + len(claims.Audience)*stringBytes, err
}

// stringBytes is what a string in a list takes beside its text, with what the allocator adds.
const stringBytes = 16 + 4

var errPayload = fmt.Errorf("%w: its payload is not one JSON object with unique names", ErrTokenMalformed)

// append appends c, whose embedded claims are claims, to dst as a JSON object. The subject is a member with this label.
func (f *payloadFormat) append(dst []byte, claims *Claims, c reflect.Value, subjectLabel string) ([]byte, error) {
	dst, err := claims.without(f.owned).append(append(dst, '{'), subjectLabel)
	if err == nil {
		dst, err = f.fields.Append(dst, c)
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
func (c *Claims) set(name string, v strictjson.Value, opts *DecoderOptions) (known bool, err error) {
	var ok bool
	var want string
	switch name {
	case "iss":
		c.Issuer, ok, want = v.Text, v.Kind == strictjson.String, "a string"
	case "sub":
		var subject string
		if subject, ok, want = readSubject(v, opts); opts.SubjectClaim == "sub" {
			c.Subject = subject
		}
	case "aud":
		c.Audience, ok = readAudience(v)
		want = "a string or an array of strings"
	case "exp":
		c.ExpiresAt, ok, want = readDate(v)
	case "nbf":
		c.NotBefore, ok, want = readDate(v)
	case "iat":
		c.IssuedAt, ok, want = readDate(v)
	case "jti":
		c.ID, ok, want = v.Text, v.Kind == strictjson.String, "a string"
	case "sid":
		c.SessionID, ok, want = v.Text, v.Kind == strictjson.String, "a string"
	case "scope":
		c.Scope, ok, want = v.Text, v.Kind == strictjson.String, "a string"
	case "auth_time":
		c.AuthTime, ok, want = readDate(v)
	case "cnf":
		c.Confirmation, want = readConfirmation(v)
		ok = want == ""
	case opts.SubjectClaim: // where another claim than sub says who it is
		c.Subject, ok, want = readSubject(v, opts)
	default:
		return false, nil
	}
	if !ok {
		return true, wrongType(name, want, want == dateRange && v.Kind == strictjson.Number)
	}
	return true, nil
}

func readSubject(v strictjson.Value, opts *DecoderOptions) (subject string, ok bool, want string) {
	if !opts.AllowNumericSubject {
		return v.Text, v.Kind == strictjson.String, "a string"
	}
	ok = v.Kind == strictjson.String || v.Kind == strictjson.Number && canonicalInteger(v.Text)
	return v.Text, ok, "a string or an integer of at most 20 digits"
}

// wrongType is the error for a claim that is not what it has to be, a number that is out of range among them.
func wrongType(name, want string, outOfRange bool) error {
	err := fmt.Errorf("%w: %s is not %s", ErrTokenClaims, name, want)
	if outOfRange {
		return err
	}
	return matching(err, jwt.ErrInvalidType)
}

func readDate(v strictjson.Value) (date NumericDate, ok bool, want string) {
	if v.Kind == strictjson.Number {
		date, ok = parseDate(v.Text)
	}
	return date, ok, dateRange
}

// readAudience returns the audience that a string or an array of strings says.
func readAudience(v strictjson.Value) (Audience, bool) {
	if v.Kind == strictjson.String {
		return Audience{v.Text}, true
	}
	list, ok := v.Strings()
	return list, ok
}

// readConfirmation returns what the cnf claim says (RFC 7800 §3.1), or what it should have been. A method of confirmation that usher does
// not know can't be left out: the token would pass without the proof that it asks for.
func readConfirmation(v strictjson.Value) (c *Confirmation, want string) {
	const methods = "an object with jkt or x5t#S256, each a string, and nothing else"
	if v.Kind != strictjson.Nested {
		return nil, methods
	}
	c = new(Confirmation)
	var o strictjson.Object
	o.Open(v.Text)
	for name, member, ok := o.Next(); ok; name, member, ok = o.Next() {
		text := member.StringText()
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
	if !o.Valid() || *c == (Confirmation{}) {
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
			dst, err = strictjson.AppendString(append(dst, method.label...), method.thumbprint)
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
func (c *Claims) append(dst []byte, subjectLabel string) ([]byte, error) {
	var err error
	text := func(label, s string) {
		if s != "" && err == nil {
			dst, err = strictjson.AppendString(append(dst, label...), s)
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
	text(subjectLabel, c.Subject)
	if len(c.Audience) > 0 && err == nil {
		dst = append(dst, `"aud":`...)
		if len(c.Audience) == 1 {
			dst, err = strictjson.AppendString(dst, c.Audience[0])
		} else {
			dst, err = strictjson.AppendStrings(dst, c.Audience)
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
