// Package structfields reads and writes the fields of a struct as members of a JSON object. Tags, and the types of fields with their methods,
// mean what they mean to encoding/json, except that names match exactly. What encoding/json would do badly or not at all is reported when the
// struct is looked at, and not when a value is read or written.
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

// Struct is what is known about the fields of a struct type.
type Struct struct {
	fields  []field
	byName  map[string]int
	options json.Options
}

// Of returns the fields of the struct type t that are not fields of base, and texts of what is wrong with t. Base is a struct that t has to
// embed by value, without a tag, once: directly, or through one struct that t embeds by value. Its fields are read and written by the
// caller, and names that are reserved are theirs alone. Each text continues a sentence that begins with t's name.
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
		w.mistake("has the method %s, perhaps promoted from a type that it embeds: it would hide the fields of %s", method, base)
	}
	w.walk(t, nil)
	if w.bases != 1 || w.misplaced {
		w.mistake("must embed %s by value, without a tag, once, directly or in one struct that it embeds likewise", base)
	}
	for _, f := range w.dominantFields(reserved) {
		s.byName[f.name] = len(s.fields)
		s.fields = append(s.fields, f)
	}
	return s, w.mistakes
}

// Has reports whether a field has this name.
func (s *Struct) Has(name string) bool {
	_, ok := s.byName[name]
	return ok
}

// Index returns the path, as reflect's FieldByIndex takes it, to the field of this name, which must be there.
func (s *Struct) Index(name string) []int { return s.fields[s.byName[name]].index }

// Find returns the index of the field of this name, and -1 if there is none. The guess is tried first: most writers keep an order.
func (s *Struct) Find(name string, guess int) int {
	if guess < len(s.fields) && s.fields[guess].name == name {
		return guess
	}
	if i, ok := s.byName[name]; ok {
		return i
	}
	return -1
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

// dominantFields returns the fields outside of base by the rules of encoding/json: of fields with one name the least nested
// counts, and among these the tagged one. Where that leaves two, encoding/json drops both; here it is a mistake.
func (w *walker) dominantFields(reserved []string) []field {
	found := slices.Clone(w.found)
	slices.SortStableFunc(found, func(a, b foundField) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.rank(), b.rank()))
	})
	var fields []field
	for len(found) > 0 {
		first, same := found[0], 1
		for same < len(found) && found[same].name == first.name {
			same++
		}
		isTie := same > 1 && found[1].rank() == first.rank()
		isReserved := slices.Contains(reserved, first.name)
		switch {
		case isReserved && slices.ContainsFunc(found[:same], func(f foundField) bool { return !f.ofBase }):
			w.mistake("has a field of its own for %s, which only %s may have", first.name, w.base)
		case isReserved:
		case isTie:
			w.mistake("has two fields for %q, neither of which hides the other", first.name)
		case !first.ofBase:
			fields = append(fields, first.field)
		}
		found = found[same:]
	}
	slices.SortFunc(fields, func(a, b field) int { return slices.Compare(a.index, b.index) })
	return fields
}
