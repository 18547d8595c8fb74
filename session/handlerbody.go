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

// maxBody is the maximum size of a request body in bytes.
const maxBody = 64 << 10

// fields are the text fields of a request.
type fields map[string]string

// readFields reads the named fields of the body, which is a JSON object (application/json) or a form
// (application/x-www-form-urlencoded). It ignores other fields. HTML forms of other origins cannot send JSON, and
// CrossOriginProtection stops their forms.
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
		return nil, unreadable(err, "The form cannot be read.")
	}
	f := fields{}
	for _, name := range names {
		switch values := r.PostForm[name]; len(values) {
		case 0:
		case 1:
			f[name] = values[0]
		default:
			return nil, refused(http.StatusBadRequest, fmt.Sprintf("%q appears more than once.", name))
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
		return refused(http.StatusUnprocessableEntity, empty[0]+" is required.")
	default:
		return refused(http.StatusUnprocessableEntity, strings.Join(empty, " and ")+" are required.")
	}
}

func writeJSON(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	// If writing fails, the status line has been sent and the client has gone.
	_ = json.MarshalEncode(jsontext.NewEncoder(w), body) // ends the line, for terminals
}

// handOut writes the tokens. With cookies the body only says when to refresh.
func (e *endpoint) handOut(w http.ResponseWriter, r *http.Request, t Tokens) {
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
