package embedding_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/go-usher/usher/internal/embedding"
)

func check(t reflect.Type) (reflect.Method, bool) { return t.MethodByName("Check") }

// Types that declare Check, in different ways.
type (
	ByValue   struct{ N int }
	ByPtr     struct{ N int }
	Inlined   struct{ N int }
	Large     struct{ Text [100]string }
	Number    int
	Interface interface{ Check() error }
	WithField struct{ Check bool }
	None      struct{}
)

var errCheck = errors.New("refused")

func (ByValue) Check() error  { return nil }
func (*ByPtr) Check() error   { return errCheck }
func (i Inlined) Check() bool { return i.N > 0 }
func (Number) Check() error   { return nil }
func (l Large) Check() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	for i := range l.Text {
		text := l.Text[i]
		if strings.Contains(text, "x") {
			return errCheck
		}
	}
	return nil
}

// Types that embed them, and declare none.
type (
	FromValue     struct{ ByValue }
	FromPtr       struct{ ByPtr }
	FromInlined   struct{ Inlined }
	FromLarge     struct{ Large }
	FromPointer   struct{ *ByValue }
	FromInterface struct{ Interface }
	FromNumber    struct{ Number }
	FromTwo       struct{ FromValue }
	Ambiguous     struct {
		ByValue
		ByPtr
	}
	HidesDeeper struct {
		ByPtr
		FromTwo
	}
	FieldHides struct {
		WithField
		FromValue
	}
	Unexported struct{ byValue }
	byValue    struct{ ByValue }
	Recursive  struct {
		*Recursive
		ByValue
	}
	NothingAtAll struct {
		None
		N int
	}
	DeepInterfaces struct{ FromInterface }
)

// Types that embed some, and declare their own.
type (
	OwnValue     struct{ ByValue }
	OwnPtr       struct{ ByPtr }
	OwnInlined   struct{ Inlined }
	OwnCalls     struct{ Large }
	OwnAmbiguous struct {
		ByValue
		ByPtr
	}
	FromOwn struct{ OwnValue }
)

func (OwnValue) Check() error        { return nil }
func (*OwnPtr) Check() error         { return nil }
func (o OwnInlined) Check() bool     { return o.Inlined.Check() }
func (o OwnCalls) Check() error      { return o.Large.Check() }
func (o *OwnAmbiguous) Check() error { return o.ByPtr.Check() }

func TestDeclarationsAreFoundWhereTheyAre(t *testing.T) {
	for _, test := range []struct {
		v    any
		want string
	}{
		{ByValue{}, "ByValue[]"},
		{ByPtr{}, "ByPtr[]"},
		{FromValue{}, "ByValue[0]"},
		{FromPtr{}, "ByPtr[0]"},
		{FromInlined{}, "Inlined[0]"},
		{FromLarge{}, "Large[0]"},
		{FromPointer{}, "ByValue[0]*"},
		{FromInterface{}, "Interface[0]i"},
		{DeepInterfaces{}, "Interface[0 0]i"},
		{FromNumber{}, "Number[0]"},
		{FromTwo{}, "ByValue[0 0]"},
		{Ambiguous{}, "ByValue[0] ByPtr[1]"},
		{HidesDeeper{}, "ByPtr[0] ByValue[1 0 0]"},
		{FieldHides{}, "WithField[0]f ByValue[1 0]"},
		{Unexported{}, "ByValue[0 0]"},
		{Recursive{}, "ByValue[1]"},
		{NothingAtAll{}, ""},
		{OwnValue{}, "OwnValue[] ByValue[0]"},
		{OwnPtr{}, "OwnPtr[] ByPtr[0]"},
		{OwnInlined{}, "OwnInlined[] Inlined[0]"},
		{OwnCalls{}, "OwnCalls[] Large[0]"},
		{OwnAmbiguous{}, "OwnAmbiguous[] ByValue[0] ByPtr[1]"},
		{FromOwn{}, "OwnValue[0] ByValue[0 0]"},
	} {
		var got []string
		for _, d := range embedding.Declarations(reflect.TypeOf(test.v), "Check", check) {
			text := d.Type.Name() + fmt.Sprint(d.Index)
			if d.IsField {
				text += "f"
			}
			if d.ByPointer {
				text += "*"
			}
			if d.IsInterface() {
				text += "i"
			}
			got = append(got, text)
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%T: %q, want %q", test.v, got, test.want)
		}
	}
}
