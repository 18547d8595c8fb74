package tutorials

import (
	"html/template"
	"net/http"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

var loginPage = template.Must(template.New("").Parse(`<!doctype html><title>Log In</title>
{{with .}}<p>{{.}}</p>{{end}}
<form method="post"><input name="username" required><input name="password" type="password" required><button>Log In</button></form>`))

// LoginForm is the service of tutorials on Flask's session: a form, a cookie, and redirects. A wrong password shows the form
// again. Logging out is a POST, because a link of another site must not do it.
func LoginForm(key usher.Key, users *Users) http.Handler {
	manager := newManager(key, 14*24*time.Hour) // no script refreshes it, and Check sees at once that a session has ended
	auth := usher.Must(usher.NewMiddleware(usher.Must(usher.NewDecoder[usher.Claims](key, nil)), users.OfToken, &usher.MiddlewareOptions{
		Sources: []usher.TokenSource{usher.FromCookie("__Host-access")},
		Check:   manager.Check,
		Reject: func(w http.ResponseWriter, r *http.Request, rej *usher.Rejection) {
			if rej.Status != http.StatusUnauthorized {
				rej.ServeHTTP(w, r)
				return
			}
			http.Redirect(w, r, "/login", http.StatusFound)
		},
	}))
	home := func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) }
	opts := &session.HandlerOptions{
		Cookies: true,
		Respond: func(w http.ResponseWriter, r *http.Request, _ session.Tokens) { home(w, r) },
		Reject: func(w http.ResponseWriter, _ *http.Request, rej *usher.Rejection) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			if rej.Status != http.StatusUnauthorized { // the tutorials show the form with 200
				w.WriteHeader(rej.Status)
			}
			_ = loginPage.Execute(w, rej.Description)
		},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, _ *http.Request) { _ = loginPage.Execute(w, nil) })
	mux.Handle("POST /login", usher.Must(session.LoginHandler(manager, users.Authenticator(), opts)))
	mux.Handle("POST /logout", insteadOf204(usher.Must(session.LogoutHandler(manager, opts)), home))
	mux.Handle("GET /{$}", auth.RequireFunc(func(w http.ResponseWriter, _ *http.Request, u *User) {
		_, _ = w.Write([]byte("Hello, " + template.HTMLEscapeString(u.Email) + "!"))
	}))
	return mux
}
