package session

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/go-usher/usher"
)

// maxBody is the most bytes that a request may have.
const maxBody = 64 << 10

// fields are the text fields of a request.
type fields map[string]string

// readFields reads the named fields of a body: of one JSON object of type application/json, or of a form of type
// application/x-www-form-urlencoded. Other fields are ignored. HTML forms of other origins can't send the
// former, and CrossOriginProtection stops the latter.
func readFields(w http.ResponseWriter, r *http.Request, names ...string) (fields, error) {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		mediaType = ""
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	switch mediaType {
	case "application/json":
		return readJSON(r.Body, names)
	case "application/x-www-form-urlencoded":
		return readForm(r, names)
	}
	return nil, refused(http.StatusUnsupportedMediaType, "Send application/json or application/x-www-form-urlencoded.")
}

func readJSON(body io.Reader, names []string) (fields, error) {
	var members map[string]jsontext.Value
	if err := json.UnmarshalRead(body, &members); err != nil {
		return nil, unreadable(err, "The body must be one JSON object.")
	}
	if members == nil {
		return nil, refused(http.StatusBadRequest, "The body must be one JSON object.")
	}
	f := fields{}
	for _, name := range names {
		value, ok := members[name]
		if !ok || value.Kind() == 'n' {
			continue
		}
		var text string
		if err := json.Unmarshal(value, &text); err != nil {
			return nil, refused(http.StatusUnprocessableEntity, fmt.Sprintf("%q must be a string.", name))
		}
		f[name] = text
	}
	return f, nil
}

func readForm(r *http.Request, names []string) (fields, error) {
	if err := r.ParseForm(); err != nil {
		return nil, unreadable(err, "The form can't be read.")
	}
	f := fields{}
	for _, name := range names {
		switch values := r.PostForm[name]; len(values) {
		case 0:
		case 1:
			f[name] = values[0]
		default:
			return nil, refused(http.StatusBadRequest, fmt.Sprintf("%q came more than once.", name))
		}
	}
	return f, nil
}

func unreadable(err error, description string) error {
	status := http.StatusBadRequest
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		status, description = http.StatusRequestEntityTooLarge, "The body is too large."
	}
	return &usher.Rejection{Status: status, Description: description, Err: err}
}

// require refuses a request in which one of the fields is empty, and names them all.
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
		return refused(http.StatusUnprocessableEntity, empty[0]+" is required.")
	default:
		return refused(http.StatusUnprocessableEntity, strings.Join(empty, " and ")+" are required.")
	}
}

func writeJSON(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	// The status line is out by the time that writing fails, and the client gone.
	_ = json.MarshalEncode(jsontext.NewEncoder(w), body) // with a line break at the end, for terminals
}

// handOut answers with the tokens. In cookie mode the body says only when to refresh.
func (e *endpoint) handOut(w http.ResponseWriter, t Tokens) {
	if !e.opts.Cookies {
		writeJSON(w, t)
		return
	}
	for _, c := range e.cookies(t) {
		http.SetCookie(w, c)
	}
	writeJSON(w, struct {
		ExpiresIn int64 `json:"expires_in"`
	}{t.ExpiresIn})
}
