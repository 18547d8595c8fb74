package session

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/go-usher/usher"
	"github.com/go-usher/usher/internal/mediatype"
)

// maxBody is the maximum size of a request body in bytes.
const maxBody = 64 << 10

// fields are the text fields of a request.
type fields map[string]string

// maxMembers is the maximum number of members of a JSON object, or of fields of a form. Each takes memory, however
// short it is.
const maxMembers = 100

// readFields reads the named fields of the body, which is a JSON object (application/json) or a form
// (application/x-www-form-urlencoded). It ignores other fields. HTML forms of other origins cannot send JSON, and
// CrossOriginProtection refuses what they send.
func readFields(w http.ResponseWriter, r *http.Request, names ...string) (fields, error) {
	const types = "Send application/json or application/x-www-form-urlencoded."
	if r.Body == nil { // servers set it, but adapters and tests may not
		r.Body = http.NoBody
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	switch mediatype.Of(r.Header) {
	case "application/json":
		return readJSON(r.Body, names)
	case "application/x-www-form-urlencoded":
		return readForm(r, names)
	}
	if r.Header.Get("Content-Type") == "" {
		return nil, newRejection(http.StatusUnsupportedMediaType, "The request has no Content-Type. "+types)
	}
	return nil, newRejection(http.StatusUnsupportedMediaType, types)
}

func readJSON(body io.Reader, names []string) (fields, error) {
	f := fields{}
	d := jsontext.NewDecoder(body)
	if start, err := d.ReadToken(); err != nil || start.Kind() != '{' {
		return nil, unreadableBody(err, "The body must be one JSON object.")
	}
	for n := 0; d.PeekKind() == '"'; n++ {
		if n == maxMembers {
			return nil, tooManyFields()
		}
		if err := readMember(d, f, names); err != nil {
			return nil, err
		}
	}
	_, err := d.ReadToken() // '}'
	if err == nil {
		if _, err = d.ReadToken(); errors.Is(err, io.EOF) {
			return f, nil
		}
	}
	return nil, unreadableBody(err, "The body must be one JSON object.")
}

// readMember reads one member of an object into f if it is one of those named and not null.
func readMember(d *jsontext.Decoder, f fields, names []string) error {
	token, err := d.ReadToken()
	if err != nil {
		return unreadableBody(err, "The body must be one JSON object.")
	}
	name := token.String()
	kind := d.PeekKind()
	if !slices.Contains(names, name) || kind == 'n' {
		if err := d.SkipValue(); err != nil {
			return unreadableBody(err, "The body must be one JSON object.")
		}
		return nil
	}
	value, err := d.ReadToken()
	switch {
	case err != nil:
		return unreadableBody(err, "The body must be one JSON object.")
	case kind != '"':
		return newRejection(http.StatusUnprocessableEntity, fmt.Sprintf("%q must be a string.", name))
	}
	f[name] = value.String()
	return nil
}

// readForm reads a form without url.ParseQuery, which takes much memory for many fields.
func readForm(r *http.Request, names []string) (fields, error) {
	if r.PostForm != nil { // a middleware has parsed the form
		return formFields(r.PostForm, names)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, unreadableBody(err, "The form cannot be read.")
	}
	form := url.Values{}
	n := 0
	for pair := range strings.SplitSeq(string(body), "&") {
		if pair == "" {
			continue
		}
		if n++; n > maxMembers {
			return nil, tooManyFields()
		}
		name, value, err := unescapePair(pair)
		if err != nil {
			return nil, unreadableBody(err, "The form cannot be read.")
		}
		if slices.Contains(names, name) {
			form[name] = append(form[name], value)
		}
	}
	if len(form) == 0 && bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) {
		return nil, newRejection(http.StatusUnsupportedMediaType, "The body looks like JSON, but its Content-Type is application/x-www-form-urlencoded. Send Content-Type: application/json.")
	}
	return formFields(form, names)
}

func unescapePair(pair string) (name, value string, err error) {
	if strings.Contains(pair, ";") {
		return "", "", errors.New("session: a form field contains a semicolon that is not escaped")
	}
	name, value, _ = strings.Cut(pair, "=")
	if name, err = url.QueryUnescape(name); err != nil {
		return "", "", err
	}
	value, err = url.QueryUnescape(value)
	return name, value, err
}

func formFields(form url.Values, names []string) (fields, error) {
	f := fields{}
	for _, name := range names {
		switch values := form[name]; len(values) {
		case 0:
		case 1:
			f[name] = values[0]
		default:
			return nil, newRejection(http.StatusBadRequest, fmt.Sprintf("%q appears more than once.", name))
		}
	}
	return f, nil
}

func tooManyFields() error {
	return newRejection(http.StatusBadRequest, fmt.Sprintf("The body has more than %d fields.", maxMembers))
}

func unreadableBody(err error, description string) error {
	status := http.StatusBadRequest
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		status, description = http.StatusRequestEntityTooLarge, "The body is too large."
	}
	if err == nil {
		return newRejection(status, description)
	}
	return &usher.Rejection{Status: status, Description: description, Err: err}
}

// require returns an error that names all of these fields that are empty.
func (f fields) require(names ...string) error {
	var empty []string
	for _, name := range names {
		if f[name] == "" {
			empty = append(empty, fmt.Sprintf("%q", name))
		}
	}
	switch len(empty) {
	case 0:
		return nil
	case 1:
		return newRejection(http.StatusUnprocessableEntity, empty[0]+" is required.")
	default:
		return newRejection(http.StatusUnprocessableEntity, strings.Join(empty, " and ")+" are required.")
	}
}

func writeJSON(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	// If writing fails, the status line has been sent and the client has gone.
	_ = json.MarshalEncode(jsontext.NewEncoder(w), body) // ends with a line break, for terminals
}

// writeTokens writes the tokens. With cookies, the body has only the lifetime of the access token.
func (e *endpoint) writeTokens(w http.ResponseWriter, r *http.Request, t Tokens) {
	w.Header().Set("Cache-Control", "no-store")
	if e.opts.Cookies {
		for _, c := range e.cookies(t) {
			http.SetCookie(w, c)
		}
		t.AccessToken, t.RefreshToken = "", ""
	}
	switch {
	case e.opts.Respond != nil:
		e.opts.Respond(w, r, t)
	case e.opts.Cookies:
		writeJSON(w, struct {
			ExpiresIn int64 `json:"expires_in"`
		}{t.ExpiresIn})
	default:
		writeJSON(w, t)
	}
}
