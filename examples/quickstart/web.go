package main

import (
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/go-usher/usher"
)

const maxBody = 64 << 10 // bytes

// credentials are the body of a registration and of a login.
type credentials struct {
	Email    string `json:"email"`
	Password string `json:"password"`
}

// readCredentials reads the body of a request, which is one JSON object in UTF-8 with unique names.
func readCredentials(w http.ResponseWriter, r *http.Request) (credentials, error) {
	var in credentials
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return in, problem(http.StatusUnsupportedMediaType, "The body is JSON; say so with Content-Type: application/json.")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return in, problem(http.StatusRequestEntityTooLarge, "The body has more than 64 KiB.")
	}
	if value := jsontext.Value(body); err != nil || value.Kind() != '{' || !value.IsValid() {
		return in, problem(http.StatusBadRequest, "The body is not one JSON object.")
	}
	switch err := json.Unmarshal(body, &in); {
	case err != nil:
		return in, problem(http.StatusUnprocessableEntity, "The email and the password are strings.")
	case in.Email == "" && in.Password == "":
		return in, problem(http.StatusUnprocessableEntity, "The email and the password are missing.")
	case in.Email == "":
		return in, problem(http.StatusUnprocessableEntity, "The email is missing.")
	case in.Password == "":
		return in, problem(http.StatusUnprocessableEntity, "The password is missing.")
	}
	return in, nil
}

// answer writes v as JSON.
func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.MarshalEncode(jsontext.NewEncoder(w), v) // with a line break at the end
}

// problem returns an error that is answered with this status and description.
func problem(status int, description string) error {
	return &usher.Rejection{Status: status, Description: description}
}

// handle is for handlers that return errors. The middleware answers these as it answers its own.
func (s *service) handle(h func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			s.auth.Deny(w, r, err)
		}
	})
}

// withProblems answers the mux's own 404 and 405 in the same way.
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

// unsent is a response that nobody is going to see.
type unsent struct {
	header http.Header
	status int
}

func (u *unsent) Header() http.Header         { return u.header }
func (u *unsent) WriteHeader(status int)      { u.status = status }
func (u *unsent) Write(p []byte) (int, error) { return len(p), nil }

// logRefusal returns a function that logs why a request was refused. Neither the URL nor a header is logged, since
// they may hold a token.
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
