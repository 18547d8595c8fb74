package main_test

import (
	"database/sql"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	main "github.com/go-usher/usher/examples/logins"
)

func TestRegisterLogInAndGreet(t *testing.T) {
	handler := newHandler(t)
	alice := url.Values{"email": {"Alice@example.com"}, "password": {"correct horse battery"}}
	wrong := url.Values{"email": {"alice@example.com"}, "password": {"a wrong guess"}}
	short := url.Values{"email": {"bob@example.com"}, "password": {"short"}}

	expect(t, "registering", post(handler, "/register", alice), http.StatusCreated)
	expect(t, "registering again", post(handler, "/register", alice), http.StatusConflict)
	expect(t, "registering with a short password", post(handler, "/register", short), http.StatusUnprocessableEntity)
	expect(t, "a wrong password", post(handler, "/login", wrong), http.StatusUnauthorized)
	expect(t, "an unknown user", post(handler, "/login", short), http.StatusUnauthorized)

	login := post(handler, "/login", alice)
	expect(t, "logging in", login, http.StatusOK)
	var tokens struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(login.Body.Bytes(), &tokens); err != nil {
		t.Fatal(err)
	}

	me := get(handler, "/me", tokens.AccessToken)
	expect(t, "GET /me", me, http.StatusOK)
	if body := me.Body.String(); body != "Hello, alice@example.com!\n" {
		t.Errorf("GET /me answered %q", body)
	}
	expect(t, "GET /me without a token", get(handler, "/me", ""), http.StatusUnauthorized)
}

func TestASecretThatIsTooShortIsRefused(t *testing.T) {
	if _, err := main.NewHandler(openDatabase(t), []byte("secret")); err == nil || !strings.Contains(err.Error(), "SECRET_KEY") {
		t.Errorf("the error is %v, want one that names SECRET_KEY", err)
	}
}

// TestPageShowsTheProgram holds docs/logins.md to the program.
func TestPageShowsTheProgram(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "logins.md"))
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), "```go\n"+string(program)+"```\n") {
		t.Error("docs/logins.md does not show main.go as it is")
	}
	if lines := strings.Count(string(program), "\n"); lines > 120 {
		t.Errorf("main.go has %d lines, and 120 is the most", lines)
	}
}

func newHandler(t *testing.T) http.Handler {
	t.Helper()
	handler, err := main.NewHandler(openDatabase(t), []byte("example secret with more than 32 bytes"))
	if err != nil {
		t.Fatal(err)
	}
	return handler
}

func openDatabase(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "logins.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func post(handler http.Handler, path string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w
}

func get(handler http.Handler, path, token string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, http.NoBody)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w
}

func expect(t *testing.T, what string, w *httptest.ResponseRecorder, status int) {
	t.Helper()
	if w.Code != status {
		t.Errorf("%s answered %d %s, want %d", what, w.Code, w.Body, status)
	}
}
