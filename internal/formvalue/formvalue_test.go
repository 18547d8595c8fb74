package formvalue_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/go-usher/usher/internal/formvalue"
)

func TestInQueryCountsTheParameter(t *testing.T) {
	for query, want := range map[string]struct {
		value string
		count int
	}{
		"":                             {"", 0},
		"a=b":                          {"", 0},
		"name=value":                   {"value", 1},
		"a=b&name=value&c":             {"value", 1},
		"%6eame=a+b%20c":               {"a b c", 1},
		"name":                         {"", 1},
		"name=":                        {"", 1},
		"name=a=b":                     {"a=b", 1},
		"Name=value":                   {"", 0},
		"name=a&name=b":                {"", 2},
		"name=&name=":                  {"", 2},
		"name=a&name=%zz&name=c":       {"", 2},
		"name=a&name=b&a=b;name=value": {"", 2},
	} {
		if value, count, err := formvalue.InQuery(query, "name"); value != want.value || count != want.count || err != nil {
			t.Errorf("%q: %q, %d, %v, want %q, %d", query, value, count, err, want.value, want.count)
		}
	}
}

func TestInQueryRefusesWhatCannotBeRead(t *testing.T) {
	for query, text := range map[string]string{
		"name=%zz": "%zz", "%zz=a": "%zz", "name=a&%zz": "%zz", "a;name=b": "semicolon", "name=a;b": "semicolon",
	} {
		if value, count, err := formvalue.InQuery(query, "name"); value != "" || count != 0 || err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%q: %q, %d, %v", query, value, count, err)
		}
	}
}

func form(body io.Reader) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", body)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.ContentLength = -1
	return r
}

func TestParseBodyParsesFormsWithinTheLimits(t *testing.T) {
	for _, body := range []string{"", "a=b", "a=bcdefghijk", "a&b&c&d"} {
		for _, length := range []int64{-1, int64(len(body))} {
			r := form(strings.NewReader(body))
			r.ContentLength = length
			if parsed, err := formvalue.ParseBody(r, 12, 4); !parsed || err != nil || r.PostForm == nil {
				t.Errorf("%q, with the Content-Length %d: %v, %v", body, length, parsed, err)
			}
		}
	}
	r := form(strings.NewReader("a=b"))
	if _, err := formvalue.ParseBody(r, 12, 4); err != nil || r.PostForm.Get("a") != "b" {
		t.Errorf("the form is %v, %v", r.PostForm, err)
	}
	r = form(nil)
	r.Body = nil
	if parsed, err := formvalue.ParseBody(r, 12, 4); !parsed || err == nil {
		t.Errorf("without a body: %v, %v, want the error of ParseForm", parsed, err)
	}
	if parsed, err := formvalue.ParseBody(form(strings.NewReader("a=%zz")), 12, 4); !parsed || err == nil {
		t.Errorf("a malformed form: %v, %v", parsed, err)
	}
}

func TestParseBodyRestoresOtherBodies(t *testing.T) {
	broken := errors.New("broken")
	var tooLarge *http.MaxBytesError
	for name, test := range map[string]struct {
		body   io.Reader
		length int64
		want   func(error) bool
		rest   string
	}{
		"a Content-Length that is too large": {strings.NewReader("a=b"), 13, func(err error) bool { return errors.As(err, &tooLarge) }, "a=b"},
		"too many bytes":                     {strings.NewReader("a=bcdefghijk"), -1, func(err error) bool { return errors.As(err, &tooLarge) }, "a=bcdefghijk"},
		"too many fields":                    {strings.NewReader("a&b&c&d&e"), -1, func(err error) bool { return err != nil && strings.Contains(err.Error(), "more than 4 fields") }, "a&b&c&d&e"},
		"a body that breaks off":             {io.MultiReader(strings.NewReader("a=b"), iotest.ErrReader(broken)), -1, func(err error) bool { return errors.Is(err, broken) }, "a=b"},
	} {
		closed := false
		r := form(nil)
		r.Body = closer{test.body, &closed}
		r.ContentLength = test.length
		limit := int64(12)
		if name == "too many bytes" {
			limit = 11
		}
		parsed, err := formvalue.ParseBody(r, limit, 4)
		if parsed || !test.want(err) || r.PostForm != nil {
			t.Errorf("%s: %v, %v, %v", name, parsed, err, r.PostForm)
		}
		if rest, _ := io.ReadAll(r.Body); string(rest) != test.rest {
			t.Errorf("%s: the body is now %q, want %q", name, rest, test.rest)
		}
		if _ = r.Body.Close(); !closed {
			t.Errorf("%s: Close does not reach the body", name)
		}
	}
}

type closer struct {
	io.Reader
	closed *bool
}

func (c closer) Close() error {
	*c.closed = true
	return nil
}

// net/http keeps the readable part of a form. A second call must not find it.
func TestParseBodyReturnsTheSameErrorEachTime(t *testing.T) {
	for _, test := range []struct{ target, form string }{
		{"/", "name=value&title=%zz"},
		{"/", "name=value&a;b"},
		{"/?title=%zz", "name=value"},
	} {
		r := httptest.NewRequest(http.MethodPost, test.target, strings.NewReader(test.form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for range 2 {
			if parsed, err := formvalue.ParseBody(r, 100, 10); !parsed || err == nil || r.Form != nil || r.PostForm != nil {
				t.Errorf("%s with %s: parsed %v, %v, forms %v and %v", test.target, test.form, parsed, err, r.Form, r.PostForm)
			}
		}
		if body, err := io.ReadAll(r.Body); err != nil || string(body) != test.form {
			t.Errorf("%s with %s: the body is %q, %v", test.target, test.form, body, err)
		}
	}
}
