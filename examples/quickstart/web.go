package main

import (
	_ "embed"
	"log/slog"
	"net/http"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/go-usher/usher"
)

//go:embed link.html
var linkPage []byte

// servePage serves the page to which the links in mails lead. It sends the token and a password by POST.
func servePage(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; connect-src 'self'; script-src 'unsafe-inline'; form-action 'none'; frame-ancestors 'none'")
	_, _ = w.Write(linkPage)
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
