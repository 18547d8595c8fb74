package structfields

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

	"github.com/go-usher/usher/internal/strictjson"
)

// field is one field of a struct, or of a struct that it embeds.
type field struct {
	name      string
	label     string // the name as JSON, and a colon
	index     []int  // the path to it, for reflect
	kind      kind
	omitEmpty bool
	// wrapper is a struct with only this field. If kind is kindOther, the JSON library reads and writes it, so every
	// type, method and tag has its usual meaning.
	wrapper reflect.Type
}

// kind is the kind of a field, which tells whether it needs the JSON library.
type kind byte

const (
	kindOther kind = iota
	kindString
	kindBool
	kindInt
	kindUint
	kindFloat // read here, but written by the library
	kindStrings
	kindNumber
)

// walker finds the fields of a struct by the rules of encoding/json.
type walker struct {
	base      reflect.Type
	found     []foundField
	path      []reflect.Type // the embedding structs, down to the current one
	bases     int            // the number of times that base is embedded
	misplaced bool           // base is embedded by pointer, with a tag, or too deep
	mistakes  []string
}

type foundField struct {
	field
	tagged bool
	ofBase bool
}

// rank is lower for fields that hide others of their name.
func (f foundField) rank() int {
	if f.tagged {
		return 2*len(f.index) - 1
	}
	return 2 * len(f.index)
}

func (w *walker) mistake(format string, args ...any) {
	w.mistakes = append(w.mistakes, fmt.Sprintf(format, args...))
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
	embedded := f.Type
	isPointer := f.Anonymous && embedded.Kind() == reflect.Pointer
	if isPointer {
		embedded = embedded.Elem()
	}
	switch {
	case f.Anonymous && embedded == w.base:
		w.bases++
		w.misplaced = w.misplaced || hasTag || embedded != f.Type || len(index) > 2
		if w.bases == 1 {
			w.walk(embedded, index)
		}
	case isPointer:
		w.mistake("embeds the pointer %s, whose target would be shared between values; embed %s by value", f.Type, embedded)
		if tag != "-" && name == "" && embedded.Kind() == reflect.Struct {
			w.walk(embedded, index) // to report further mistakes
		}
	case tag == "-":
	case f.Anonymous && name == "" && embedded.Kind() == reflect.Struct:
		w.walk(embedded, index)
	case f.IsExported():
		w.visitField(f, name, options, index)
	case hasTag:
		w.mistake("has the unexported field %s with the tag json:%q: JSON ignores it", f.Name, tag)
	}
}

func (w *walker) visitField(f reflect.StructField, name, options string, index []int) {
	if strings.ContainsFunc(name, invalidInTag) {
		w.mistake("has the tag json:%q, whose name encoding/json would not accept", f.Tag.Get("json"))
		return
	}
	if t := withoutJSON(f.Type, nil); t != nil {
		w.mistake("has the field %s of type %s, and JSON has no form for a %s", f.Name, f.Type, t)
		return
	}
	found := foundField{tagged: name != "", ofBase: w.path[len(w.path)-1] == w.base}
	if name == "" {
		name = f.Name
	}
	found.field = newField(f, name, options, index)
	w.found = append(w.found, found)
}

// withoutJSON returns the first type within t that has no JSON form, or nil.
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
	label, _ := strictjson.AppendString(nil, name)
	list := slices.DeleteFunc(strings.Split(options, ","), func(option string) bool {
		return option != "omitempty" && option != "omitzero" && option != "string" // encoding/json ignores other options
	})
	return field{
		name:      name,
		label:     string(label) + ":",
		index:     index,
		kind:      kindOf(f.Type, list),
		omitEmpty: slices.Contains(list, "omitempty") || slices.Contains(list, "omitzero"),
		wrapper: reflect.StructOf([]reflect.StructField{{
			Name: "V", Type: f.Type, Tag: reflect.StructTag("json:" + strconv.Quote("v,"+strings.Join(list, ","))),
		}}),
	}
}

// kindOf returns the kind of a field. It is kindOther if the type's methods or the tag's options require the JSON library.
func kindOf(t reflect.Type, options []string) kind {
	switch {
	case slices.Contains(options, "string"):
		return kindOther
	case t == reflect.TypeFor[stdjson.Number]():
		return kindNumber // the JSON library does not support it
	case reflect.PointerTo(t).NumMethod() > 0:
		return kindOther
	case t == reflect.TypeFor[[]string]() && !slices.Contains(options, "omitzero"): // an empty list is not zero
		return kindStrings
	}
	switch t.Kind() {
	case reflect.String:
		return kindString
	case reflect.Bool:
		return kindBool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return kindInt
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return kindUint
	case reflect.Float32, reflect.Float64:
		return kindFloat
	}
	return kindOther
}

// codecs are the interfaces of types that marshal or unmarshal themselves. The names of their methods are written here,
// because getting them by reflection would make the linker keep every exported method of the whole program.
var codecs = []struct {
	method string
	by     reflect.Type
}{
	{"MarshalJSON", reflect.TypeFor[json.Marshaler]()},
	{"MarshalJSONTo", reflect.TypeFor[json.MarshalerTo]()},
	{"UnmarshalJSON", reflect.TypeFor[json.Unmarshaler]()},
	{"UnmarshalJSONFrom", reflect.TypeFor[json.UnmarshalerFrom]()},
	{"MarshalText", reflect.TypeFor[encoding.TextMarshaler]()},
	{"AppendText", reflect.TypeFor[encoding.TextAppender]()},
	{"UnmarshalText", reflect.TypeFor[encoding.TextUnmarshaler]()},
}

// codecMethod returns the name of the first method by which t, or a pointer to it, marshals or unmarshals itself. If
// there is none, it returns "".
func codecMethod(t reflect.Type) string {
	for _, codec := range codecs {
		if reflect.PointerTo(t).Implements(codec.by) {
			return codec.method
		}
	}
	return ""
}

// invalidInTag reports whether encoding/json does not accept r in a name: quotes, backslashes and commas.
func invalidInTag(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("!#$%&()*+-./:;<=>?@[]^_{|}~ ", r)
}
