package usher

import (
	"encoding"
	stdjson "encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"
)

// schema is how the claims type C is read and written: the registered claims by hand, C's own fields by their
// tags, which mean what they mean to encoding/json, except that names match exactly.
type schema struct {
	fields []field
	byName map[string]int
	owned  map[string]bool // the names among jti, sid, scope and auth_time that C has its own field for
	json   json.Options
}

// field is one of C's own fields.
type field struct {
	name      string
	label     string // the name as JSON, and a colon
	index     []int  // the way to it from C
	kind      fieldKind
	omitEmpty bool
	// alone is a struct of only this field. The JSON library reads and writes it wherever kind is not enough,
	// so that every type, method and tag means what it means there.
	alone reflect.Type
}

type fieldKind byte

const (
	kindOther fieldKind = iota
	kindString
	kindBool
	kindInt
	kindUint
	kindFloat // the JSON library writes them
	kindStrings
	kindNumber
)

// newSchema returns the schema of C, and adds to wrong what is wrong with C's shape: nothing in C may hide a
// registered claim from the checks.
func newSchema[C any](wrong *misconfigured) *schema {
	t := reflect.TypeFor[C]()
	s := &schema{
		byName: map[string]int{},
		json: json.JoinOptions(
			jsonv1.DefaultOptionsV1(),
			json.MatchCaseInsensitiveNames(false),
			jsontext.AllowDuplicateNames(false),
			jsontext.AllowInvalidUTF8(false),
			numbers(),
		),
	}
	if t == reflect.TypeFor[Claims]() || t.Kind() != reflect.Struct { // what is no struct embeds nothing
		return s
	}
	subject := "claims type " + t.String()
	if method := codecMethod(t); method != "" {
		wrong.add(subject, "has the method %s, maybe promoted from a type that it embeds: it would hide the registered claims", method)
	}
	var w walker
	w.walk(t, nil)
	if w.embedded != 1 || w.misplaced {
		wrong.add(subject, "must embed usher.Claims by value, without a tag, once, directly or in one struct that it embeds likewise")
	}
	for _, f := range w.visible() {
		switch f.name {
		case "jti", "sid", "scope", "auth_time":
			if s.owned == nil {
				s.owned = map[string]bool{}
			}
			s.owned[f.name] = true
		}
		s.byName[f.name] = len(s.fields)
		s.fields = append(s.fields, f)
	}
	for _, reason := range w.wrong {
		wrong.add(subject, "%s", reason)
	}
	return s
}

// numbers makes the JSON library read and write encoding/json's Number as the one of its own, which is the same type
// from Go 1.27 on.
func numbers() json.Options {
	if reflect.TypeFor[stdjson.Number]() == reflect.TypeFor[jsonv1.Number]() {
		return json.JoinOptions()
	}
	return json.JoinOptions(
		json.WithMarshalers(json.MarshalToFunc(func(enc *jsontext.Encoder, n stdjson.Number) error {
			return json.MarshalEncode(enc, jsonv1.Number(n))
		})),
		json.WithUnmarshalers(json.UnmarshalFromFunc(func(dec *jsontext.Decoder, n *stdjson.Number) error {
			return json.UnmarshalDecode(dec, (*jsonv1.Number)(n))
		})),
	)
}

// walker finds the fields of a claims type, as encoding/json would.
type walker struct {
	found     []foundField
	path      []reflect.Type // the structs that embed each other, from C on
	pointers  int            // how many of them are embedded by pointer
	embedded  int            // how often Claims is
	misplaced bool           // by pointer, with a tag, or too deep
	wrong     []string
}

type foundField struct {
	field
	tagged     bool
	registered bool // one of Claims' own
}

func (f foundField) rank() int {
	if f.tagged {
		return 2*len(f.index) - 1
	}
	return 2 * len(f.index)
}

func (w *walker) walk(t reflect.Type, index []int) {
	if slices.Contains(w.path, t) {
		return
	}
	w.path = append(w.path, t)
	defer func() { w.path = w.path[:len(w.path)-1] }()
	for i := range t.NumField() {
		w.visit(t.Field(i), append(slices.Clone(index), i))
	}
}

func (w *walker) visit(f reflect.StructField, index []int) {
	tag, hasTag := f.Tag.Lookup("json")
	name, options, _ := strings.Cut(tag, ",")
	target := f.Type
	if f.Anonymous && target.Kind() == reflect.Pointer {
		target = target.Elem()
	}
	if f.Anonymous && target == reflect.TypeFor[Claims]() {
		w.embedded++
		w.misplaced = w.misplaced || hasTag || target != f.Type || w.pointers > 0 || len(index) > 2
		if w.embedded == 1 {
			w.walk(target, index)
		}
		return
	}
	if tag == "-" {
		return
	}
	if f.Anonymous && name == "" && target.Kind() == reflect.Struct {
		if target != f.Type && !f.IsExported() {
			w.wrong = append(w.wrong, "embeds a pointer to the unexported struct "+target.String()+", which can't be set")
			return
		}
		if target != f.Type {
			w.pointers++
			defer func() { w.pointers-- }()
		}
		w.walk(target, index)
		return
	}
	if !f.IsExported() {
		return
	}
	if strings.ContainsFunc(name, invalidInTag) {
		w.wrong = append(w.wrong, fmt.Sprintf("has the tag json:%q, whose name encoding/json would not accept", tag))
		return
	}
	if t := withoutJSON(f.Type, nil); t != nil {
		w.wrong = append(w.wrong, "has the field "+f.Name+" of type "+f.Type.String()+", and JSON has no form for a "+t.String())
		return
	}
	found := foundField{
		tagged:     name != "",
		registered: w.path[len(w.path)-1] == reflect.TypeFor[Claims](),
	}
	if name == "" {
		name = f.Name
	}
	found.field = newField(f, name, options, index)
	w.found = append(w.found, found)
}

// withoutJSON returns the first type that t leads to for which JSON has no form, or nil.
func withoutJSON(t reflect.Type, path []reflect.Type) reflect.Type {
	if slices.Contains(path, t) || codecMethod(t) != "" {
		return nil
	}
	path = append(path, t)
	switch t.Kind() {
	case reflect.Func, reflect.Chan, reflect.Complex64, reflect.Complex128, reflect.UnsafePointer:
		return t
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return withoutJSON(t.Elem(), path)
	case reflect.Struct:
		for f := range t.Fields() {
			if f.IsExported() && f.Tag.Get("json") != "-" {
				if found := withoutJSON(f.Type, path); found != nil {
					return found
				}
			}
		}
	}
	return nil
}

func newField(f reflect.StructField, name, options string, index []int) field {
	label, _ := appendString(nil, name)
	list := slices.DeleteFunc(strings.Split(options, ","), func(option string) bool {
		return option != "omitempty" && option != "omitzero" && option != "string" // as encoding/json ignores the others
	})
	kind := kindOther
	if reflect.PointerTo(f.Type).NumMethod() == 0 && !slices.Contains(list, "string") {
		switch f.Type.Kind() {
		case reflect.String:
			kind = kindString
		case reflect.Bool:
			kind = kindBool
		case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
			kind = kindInt
		case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
			kind = kindUint
		case reflect.Float32, reflect.Float64:
			kind = kindFloat
		case reflect.Slice:
			if f.Type == reflect.TypeFor[[]string]() {
				kind = kindStrings
			}
		}
	}
	if f.Type == reflect.TypeFor[stdjson.Number]() && !slices.Contains(list, "string") {
		kind = kindNumber // which the JSON library doesn't know
	}
	if kind == kindStrings && slices.Contains(list, "omitzero") {
		kind = kindOther // empty is not zero
	}
	return field{
		name:      name,
		label:     string(label) + ":",
		index:     index,
		kind:      kind,
		omitEmpty: slices.Contains(list, "omitempty") || slices.Contains(list, "omitzero"),
		alone: reflect.StructOf([]reflect.StructField{{
			Name: "V", Type: f.Type, Tag: reflect.StructTag("json:" + strconv.Quote("v,"+strings.Join(list, ","))),
		}}),
	}
}

// visible returns C's own fields by the rules of encoding/json: of fields with one name the least nested
// counts, and among these the tagged one. Where that leaves two, encoding/json drops both; here it is wrong.
func (w *walker) visible() []field {
	var fields []field
	for i, f := range w.found {
		switch f.name {
		case "iss", "sub", "aud", "exp", "nbf", "iat", "cnf":
			if !f.registered {
				w.wrong = append(w.wrong, "has a field of its own for "+f.name+", which is usher's to check")
			}
			continue
		}
		hidden, rival := false, -1
		for j, other := range w.found {
			if other.name == f.name && i != j {
				hidden = hidden || other.rank() < f.rank()
				if other.rank() == f.rank() {
					rival = j
				}
			}
		}
		switch {
		case hidden || rival < 0 && f.registered:
		case rival < 0:
			fields = append(fields, f.field)
		case rival > i:
			w.wrong = append(w.wrong, "has two fields for "+strconv.Quote(f.name)+", neither of which hides the other")
		}
	}
	return fields
}

func codecMethod(t reflect.Type) string {
	for _, codec := range []reflect.Type{
		reflect.TypeFor[json.Marshaler](), reflect.TypeFor[json.MarshalerTo](),
		reflect.TypeFor[json.Unmarshaler](), reflect.TypeFor[json.UnmarshalerFrom](),
		reflect.TypeFor[encoding.TextMarshaler](), reflect.TypeFor[encoding.TextAppender](),
		reflect.TypeFor[encoding.TextUnmarshaler](),
	} {
		if reflect.PointerTo(t).Implements(codec) {
			return codec.Method(0).Name
		}
	}
	return ""
}

// invalidInTag is true for what encoding/json does not take in a name: quotes, backslashes and commas.
func invalidInTag(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("!#$%&()*+-./:;<=>?@[]^_{|}~ ", r)
}
