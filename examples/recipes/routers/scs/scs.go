// Package scsrecipe keeps flash messages in the sessions of scs, while usher has the login.
package scsrecipe

import (
	"fmt"
	"net/http"

	"github.com/alexedwards/scs/v2"

	"github.com/go-usher/usher/examples/recipes/routers/internal/users"
)

// glue:

// Flash keeps a message for the user's next page. The key has the user's ID: a browser's scs session outlives a logout, and the
// next user of the browser must not see the message.
func Flash(pages *scs.SessionManager, r *http.Request, user *users.User, message string) {
	pages.Put(r.Context(), "flash:"+user.ID, message)
}

// TakeFlash returns the user's message and forgets it.
func TakeFlash(pages *scs.SessionManager, r *http.Request, user *users.User) string {
	return pages.PopString(r.Context(), "flash:"+user.ID)
}

// end of glue

// New returns the routes of a service. LoadAndSave goes around everything, so that it can set its cookie.
func New(auth *users.Auth, pages *scs.SessionManager) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /posts", auth.RequireFunc(func(w http.ResponseWriter, r *http.Request, user *users.User) {
		Flash(pages, r, user, "Saved.")
		http.Redirect(w, r, "/me", http.StatusSeeOther)
	}))
	mux.Handle("GET /me", auth.RequireFunc(func(w http.ResponseWriter, r *http.Request, user *users.User) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprint(w, user.Name, " ", TakeFlash(pages, r, user)) //nolint:gosec // it is no HTML
	}))
	return pages.LoadAndSave(mux)
}
