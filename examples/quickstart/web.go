package main

import (
	"errors"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/go-usher/usher"
)

const maxBody = 64 << 10 // bytes

// readTexts reads two strings from the body of a request, which must be one JSON object in UTF-8 with unique names. Its
// refusals have the texts of usher's own handlers.
func readTexts(w http.ResponseWriter, r *http.Request, first, second string) (one, two string, err error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return "", "", problem(http.StatusUnsupportedMediaType, "Send application/json.")
	}
	var members map[string]any
	err = json.UnmarshalRead(http.MaxBytesReader(w, r.Body, maxBody), &members)
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return "", "", problem(http.StatusRequestEntityTooLarge, "The body is too large.")
	}
	if err != nil || members == nil {
		return "", "", problem(http.StatusBadRequest, "The body must be one JSON object.")
	}
	var texts, missing []string
	for _, name := range []string{first, second} {
		text, ok := members[name].(string)
		if !ok && members[name] != nil {
			return "", "", problem(http.StatusUnprocessableEntity, strconv.Quote(name)+" must be a string.")
		}
		if text == "" {
			missing = append(missing, strconv.Quote(name))
		}
		texts = append(texts, text)
	}
	switch len(missing) {
	case 0:
		return texts[0], texts[1], nil
	case 1:
		return "", "", problem(http.StatusUnprocessableEntity, missing[0]+" is required.")
	default:
		return "", "", problem(http.StatusUnprocessableEntity, strings.Join(missing, " and ")+" are required.")
	}
}

// answer writes v as JSON.
func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.MarshalEncode(jsontext.NewEncoder(w), v) // with a line break at the end
}

// problem returns an error that becomes a response with this status and description.
func problem(status int, description string) error {
	return &usher.Rejection{Status: status, Description: description}
}

// handle is for handlers that return errors. The middleware maps these to responses as it does its own.
func (s *service) handle(h func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			s.auth.Deny(w, r, err)
		}
	})
}

// handleUser is handle for handlers that need a user.
func (s *service) handleUser(h func(http.ResponseWriter, *http.Request, *User) error) func(http.ResponseWriter, *http.Request, *User) {
	return func(w http.ResponseWriter, r *http.Request, user *User) {
		if err := h(w, r, user); err != nil {
			s.auth.Deny(w, r, err)
		}
	}
}

// withProblems turns the mux's own 404 and 405 into the same kind of response.
func (s *service) withProblems(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h, pattern := mux.Handler(r); pattern == "" {
			own := unsent{header: http.Header{}}
			h.ServeHTTP(&own, r)
			if allow := own.header.Get("Allow"); allow != "" {
				w.Header().Set("Allow", allow)
			}
			if own.status >= 400 {
				s.auth.Deny(w, r, problem(own.status, http.StatusText(own.status)+"."))
				return
			}
		}
		mux.ServeHTTP(w, r)
	})
}

// unsent is a response that is discarded.
type unsent struct {
	header http.Header
	status int
}

func (u *unsent) Header() http.Header         { return u.header }
func (u *unsent) WriteHeader(status int)      { u.status = status }
func (u *unsent) Write(p []byte) (int, error) { return len(p), nil }

// logRefusal returns a function that logs why a request was refused. It logs neither the URL nor a header, because they may
// contain a token.
func logRefusal(log *slog.Logger) func(*http.Request, *usher.Rejection) {
	return func(r *http.Request, rej *usher.Rejection) {
		level := slog.LevelInfo
		if rej.Status >= 500 {
			level = slog.LevelError
		}
		reason := rej.Err
		if reason == nil {
			reason = rej
		}
		log.Log(r.Context(), level, "request refused", "status", rej.Status, "reason", reason, "route", r.Pattern, "from", r.RemoteAddr)
	}
}
