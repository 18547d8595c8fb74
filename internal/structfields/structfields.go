// Package structfields reads and writes the fields of a struct as members of a JSON object. It treats tags, types and
// methods as encoding/json does, except that names are case-sensitive. Structs that encoding/json would handle badly or
// not at all are reported when the type is analyzed, not when a value is read or written.
package structfields

import (
	"cmp"
	stdjson "encoding/json"
	"reflect"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"
)

// Struct describes the fields of a struct type.
type Struct struct {
	fields  []field
	byName  map[string]int
	options json.Options
}

// Of returns the fields of the struct type t except those of base, and the mistakes in t. t must embed the struct base
// exactly once, by value and without a tag: directly, or through one struct that it embeds by value. The caller reads
// and writes the fields of base. No other field may have a reserved name. Each mistake continues a sentence that begins
// with t's name.
func Of(t, base reflect.Type, reserved ...string) (*Struct, []string) {
	s := &Struct{
		byName: map[string]int{},
		options: json.JoinOptions(
			jsonv1.DefaultOptionsV1(),
			json.MatchCaseInsensitiveNames(false),
			jsontext.AllowDuplicateNames(false),
			jsontext.AllowInvalidUTF8(false),
			numbers(),
		),
	}
	if t == base {
		return s, nil
	}
	w := walker{base: base}
	if method := codecMethod(t); method != "" {
		w.mistake("has the method %s, which may be promoted from an embedded type and would hide the fields of %s", method, base)
	}
	w.walk(t, nil)
	if w.bases != 1 || w.misplaced {
		w.mistake("must embed %s exactly once, by value and without a tag, directly or in one struct that it embeds in the same way", base)
	}
	for _, f := range w.dominantFields(reserved) {
		s.byName[f.name] = len(s.fields)
		s.fields = append(s.fields, f.field)
	}
	return s, w.mistakes
}

// Has reports whether a field has this name.
func (s *Struct) Has(name string) bool {
	_, ok := s.byName[name]
	return ok
}

// Index returns the path to the field with this name, for reflect's FieldByIndex. The field must exist.
func (s *Struct) Index(name string) []int { return s.fields[s.byName[name]].index }

// Find returns the index of the field with this name, or -1 if there is none. It tries guess first, because most
// writers keep the order of members.
func (s *Struct) Find(name string, guess int) int {
	if guess < len(s.fields) && s.fields[guess].name == name {
		return guess
	}
	if i, ok := s.byName[name]; ok {
		return i
	}
	return -1
}

// numbers makes the JSON library treat encoding/json's Number like its own, which is the same type from Go 1.27 on.
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

// dominantFields returns the fields outside base by the rules of encoding/json: of fields with the same name, the least
// nested one is used, and among these the tagged one. If two are left, encoding/json drops both; here it is a mistake.
func (w *walker) dominantFields(reserved []string) []foundField {
	found := slices.Clone(w.found)
	slices.SortStableFunc(found, func(a, b foundField) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.rank(), b.rank()))
	})
	var dominant []foundField
	for len(found) > 0 {
		first, same := found[0], 1
		for same < len(found) && found[same].name == first.name {
			same++
		}
		isTie := same > 1 && found[1].rank() == first.rank()
		isReserved := slices.Contains(reserved, first.name)
		switch {
		case isReserved && slices.ContainsFunc(found[:same], func(f foundField) bool { return !f.ofBase }):
			w.mistake("has its own field for %s, which only %s may have", first.name, w.base)
		case isReserved:
		case isTie:
			w.mistake("has two fields for %q, neither of which hides the other", first.name)
		case !first.ofBase:
			dominant = append(dominant, first)
		}
		found = found[same:]
	}
	// As above: another sort function or type would add 30 KB to every program.
	slices.SortStableFunc(dominant, func(a, b foundField) int { return slices.Compare(a.index, b.index) })
	return dominant
}
