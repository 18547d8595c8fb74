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
	"github.com/go-usher/usher/internal/unixtime"
	"github.com/golang-jwt/jwt/v5"
)

// payloadFormat reads and writes claims of a type C. The registered claims are handled here, so no field of C can hide
// them from the checks. C's own fields are handled by their tags.
type payloadFormat struct {
	fields *structfields.Struct
	owned  map[string]bool // those of jti, sid, scope and auth_time for which C has its own field
}

// newPayloadFormat returns the format of C, and adds mistakes in C to wrong.
func newPayloadFormat[C any](wrong *configErrors) *payloadFormat {
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

// checkMethods reports methods of a claims type that look like checks but would never be called.
func checkMethods(t reflect.Type, wrong *configErrors) {
	subject := "claims type " + t.String()
	validates := embedding.Declarations(t, "Validate", func(t reflect.Type) (reflect.Method, bool) { return t.MethodByName("Validate") })
	isOwn := len(validates) > 0 && len(validates[0].Index) == 0 && !validates[0].IsField
	isCallable := implements[interface{ Validate() error }](reflect.PointerTo(t))
	switch {
	case len(validates) == 0 || isOwn && isCallable:
	case isOwn || len(validates) == 1 && !validates[0].IsField && !isCallable:
		wrong.add(subject, "has a method Validate that would not be called; its signature must be func() error")
	case validates[0].IsField:
		wrong.add(subject, "has a field named Validate in %s, which hides the Validate methods of embedded types; rename it", validates[0].Type)
	case len(validates) > 1:
		wrong.add(subject, "embeds %s, which both have a method Validate, and Go promotes at most one; declare Validate() error on the claims type, and call both there",
			validates[0].Type.String()+" and "+validates[1].Type.String())
	case validates[0].IsInterface() || validates[0].ByPointer:
		wrong.add(subject, "gets Validate from %s, which is embedded as an interface or pointer and may be nil; embed a struct", validates[0].Type)
	}
	// Older versions of golang-jwt called Valid() error. A method Valid with another signature is probably meant as a
	// check too.
	valids := embedding.Declarations(t, "Valid", func(t reflect.Type) (reflect.Method, bool) { return t.MethodByName("Valid") })
	for _, d := range valids {
		if !d.IsField && (len(d.Index) == 0 || !isOwn) {
			wrong.add(subject, "has a method Valid in %s, which would not be called; name it Validate() error, or rename it if it is not a check", d.Type)
		}
	}
}

func implements[I any](t reflect.Type) bool { return t.Implements(reflect.TypeFor[I]()) }

func validator[C any]() func(*C) error {
	if _, ok := any((*C)(nil)).(interface{ Validate() error }); !ok {
		return func(*C) error { return nil }
	}
	return func(c *C) error {
		v, _ := any(c).(interface{ Validate() error })
		if err := v.Validate(); err != nil {
			return fmt.Errorf("%w: %w", ErrTokenClaims, err)
		}
		return nil
	}
}

// checkHasScope reports claims types for which RequireScope would refuse every request: C hides the method HasScope, or
// it has its own field for scope but HasScope does not read that field. The struct that declares the field, one that
// contains it, or the field's own type must also declare HasScope.
func checkHasScope(t reflect.Type, fields *structfields.Struct, wrong *configErrors) {
	subject := "claims type " + t.String()
	scopes := embedding.Declarations(t, "HasScope", func(t reflect.Type) (reflect.Method, bool) { return t.MethodByName("HasScope") })
	if len(scopes) == 0 { // C does not embed Claims correctly, which has been reported
		return
	}
	if !implements[interface{ HasScope(scope string) bool }](reflect.PointerTo(t)) {
		wrong.add(subject, "declares a HasScope that hides the method of Claims, so RequireScope would refuse every request; rename it, or declare HasScope(scope string) bool")
		return
	}
	promoted := slices.MinFunc(scopes, func(a, b embedding.Declaration) int { return len(a.Index) - len(b.Index) })
	if promoted.IsInterface() {
		wrong.add(subject, "gets HasScope from the interface %s, which may be nil; embed a struct", promoted.Type)
	}
	if !fields.Has("scope") {
		return
	}
	field := fields.Index("scope")
	if promoted.Type == reflect.TypeFor[Claims]() || len(promoted.Index) > len(field) || !slices.Equal(promoted.Index, field[:len(promoted.Index)]) {
		wrong.add(subject, "has its own field for scope, so RequireScope would refuse every request; declare HasScope(scope string) bool on the same struct")
	}
}

func checkSubjectClaim(wrong *configErrors, field, name string, format *payloadFormat) {
	switch {
	case name == defaultSubjectClaim:
	case slices.Contains([]string{"iss", "aud", "exp", "nbf", "iat", "jti", "sid", "scope", "auth_time", "cnf"}, name):
		wrong.add(field, "is %q, a registered claim with another meaning", name)
	case format.fields.Has(name):
		wrong.add(field, "is %q, but the claims type has a field for that claim", name)
	default:
		checkName(wrong, field, name)
	}
}

// decode reads the payload text into c, which embeds claims. Strings in c share the memory of text. It returns the
// approximate size of the data that c refers to, without text.
func (f *payloadFormat) decode(text string, claims *Claims, c reflect.Value, opts *DecoderOptions) (bytes int, _ error) {
	next := 0 // the index after the last field
	var o strictjson.Object
	o.Open(text)
	for name, v, ok := o.Next(); ok; name, v, ok = o.Next() {
		if len(f.owned) == 0 || !f.owned[name] {
			if registered, err := claims.set(&o, name, v, opts); err != nil {
				return 0, payloadError(&o, err)
			} else if registered {
				continue
			}
		}
		i := f.fields.Find(name, next)
		if i < 0 {
			continue
		}
		more, err := f.fields.Read(i, c, &o, v)
		if err != nil {
			return 0, payloadError(&o, matching(fmt.Errorf("%w: %w", ErrTokenClaims, err), jwt.ErrInvalidType))
		}
		bytes += more
		next = i + 1
	}
	if !o.Valid() {
		return 0, errPayload
	}
	return bytes + len(claims.Audience)*stringBytes, nil
}

// payloadError returns errPayload if the payload is not one valid object, which takes precedence over err.
func payloadError(o *strictjson.Object, err error) error {
	if !o.Valid() {
		return errPayload
	}
	return err
}

// stringBytes is the memory of a string in a list without its text, with the allocator's overhead.
const stringBytes = 16 + 4

// unescapedBytes returns the maximum memory of strings that had escapes and so were copied. Unescaped they are never
// longer.
func unescapedBytes(payload string) int {
	escapes := strings.Count(payload, "\\")
	if escapes == 0 {
		return 0
	}
	return len(payload) + len(payload)/4 + 16*escapes // the allocator rounds up by a quarter at most, small sizes to 16 bytes
}

var errPayload = fmt.Errorf("%w: its payload is not one JSON object with unique names", ErrTokenMalformed)

// append appends c, which embeds claims, to dst as a JSON object. subjectLabel is the subject's encoded name and colon.
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

// set reads one registered claim from the last member of o, if name is one.
func (c *Claims) set(o *strictjson.Object, name string, v strictjson.Value, opts *DecoderOptions) (registered bool, err error) {
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
		want = "a string or an array of strings"
		if c.Audience, ok = readAudience(v); ok {
			o.Accept()
		}
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
		if ok = want == ""; ok {
			o.Accept()
		}
	case opts.SubjectClaim: // if it is not sub
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
		return v.Text, v.Kind == strictjson.String, "a string; DecoderOptions.AllowNumericSubject also accepts integers"
	}
	ok = v.Kind == strictjson.String || v.Kind == strictjson.Number && canonicalInteger(v.Text)
	return v.Text, ok, "a string or an integer of at most 20 digits"
}

// wrongType returns the error for a claim that has the wrong type or is out of range.
func wrongType(name, want string, outOfRange bool) error {
	err := fmt.Errorf("%w: %s is not %s", ErrTokenClaims, name, want)
	if outOfRange {
		return err
	}
	return matching(err, jwt.ErrInvalidType)
}

func readDate(v strictjson.Value) (date NumericDate, ok bool, want string) {
	if v.Kind == strictjson.Number {
		date.Time, ok = unixtime.Parse(v.Text)
	}
	return date, ok, dateRange
}

// readAudience reads an audience from a string or an array of strings.
func readAudience(v strictjson.Value) (Audience, bool) {
	if v.Kind == strictjson.String {
		return Audience{v.Text}, true
	}
	list, ok := v.Strings()
	return list, ok
}

// readConfirmation reads the cnf claim (RFC 7800 §3.1). If the claim is not valid, want says what it must be. An unknown
// confirmation method is an error: without it, the token would be accepted without the required proof.
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
		return dst, errors.New("cnf has no thumbprint; set one, or set Confirmation to nil")
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

// canonicalInteger reports whether s is an integer of at most 20 digits without a plus sign, leading zeros or -0.
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

// append appends the registered claims that are present, each followed by a comma.
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

// without returns c, or a copy without the claims for which C has its own fields.
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
