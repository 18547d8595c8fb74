package tutorials_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/examples/tutorials"
)

const (
	email    = "ada@example.com"
	password = "correct horse"
	secret   = "a secret of thirty-two bytes or more"
)

func service(t *testing.T, build func(usher.Key, *tutorials.Users) http.Handler) *client {
	t.Helper()
	users := tutorials.NewUsers(usher.Must(usher.NewPasswords(&usher.PasswordOptions{Cost: 4})))
	if err := users.Add(t.Context(), email, password); err != nil {
		t.Fatal(err)
	}
	return &client{build(usher.Must(usher.NewKey(usher.HS256, []byte(secret))), users), map[string]string{}}
}

// client keeps cookies like a browser.
type client struct {
	handler http.Handler
	cookies map[string]string
}

type answer struct {
	*httptest.ResponseRecorder
	what string
}

// send sends a form, or JSON if body begins with a brace.
func (c *client) send(method, path, body string, headers ...string) answer {
	r := httptest.NewRequest(method, "https://example.org"+path, strings.NewReader(body))
	switch {
	case strings.HasPrefix(body, "{"):
		r.Header.Set("Content-Type", "application/json")
	case body != "":
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	for name, value := range c.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	c.handler.ServeHTTP(w, r)
	for _, cookie := range w.Result().Cookies() {
		if c.cookies[cookie.Name] = cookie.Value; cookie.MaxAge < 0 {
			delete(c.cookies, cookie.Name)
		}
	}
	return answer{w, method + " " + path}
}

// want compares status and body. A body that is JSON is compared as JSON; an empty one is not compared.
func (a answer) want(t *testing.T, status int, body string) answer {
	t.Helper()
	var got, want map[string]any
	same := body == "" || strings.TrimSpace(a.Body.String()) == body
	if json.Unmarshal([]byte(body), &want) == nil && json.Unmarshal(a.Body.Bytes(), &got) == nil {
		same = maps.EqualFunc(got, want, func(a, b any) bool { return fmt.Sprint(a) == fmt.Sprint(b) })
	}
	if a.Code != status || !same {
		t.Errorf("%s: %d %s, want %d %s", a.what, a.Code, a.Body, status, body)
	}
	return a
}

// members wants these members in a JSON body, no others, and returns their values.
func (a answer) members(t *testing.T, status int, names ...string) []string {
	t.Helper()
	var got map[string]string
	if err := json.Unmarshal(a.Body.Bytes(), &got); err != nil || a.Code != status || len(got) != len(names) {
		t.Fatalf("%s: %d %s, want %d with %q", a.what, a.Code, a.Body, status, names)
	}
	var values []string
	for _, name := range names {
		if got[name] == "" {
			t.Fatalf("%s has no %s: %s", a.what, name, a.Body)
		}
		values = append(values, got[name])
	}
	return values
}

func form(pairs ...string) string {
	values := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		values.Set(pairs[i], pairs[i+1])
	}
	return values.Encode()
}

// payload returns the claims of a token, as its verifier in Python sees them.
func payload(t *testing.T, token string) jwt.MapClaims {
	t.Helper()
	claims := jwt.MapClaims{}
	if _, err := jwt.ParseWithClaims(token, claims, func(*jwt.Token) (any, error) { return []byte(secret), nil }); err != nil {
		t.Fatal(err)
	}
	return claims
}

// python returns a token as the tutorial makes it.
func python(t *testing.T, claims jwt.MapClaims) string {
	t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestPyJWT(t *testing.T) {
	c := service(t, tutorials.PyJWT)
	c.send("POST", "/signup", form("email", "bob@example.com", "password", password)).want(t, 201, "Successfully registered.")
	c.send("POST", "/signup", form("email", email, "password", password)).want(t, 202, "User already exists. Please Log in.")
	c.send("POST", "/login", form("email", email)).want(t, 401, "Could not verify")
	c.send("POST", "/login", form("email", email, "password", "wrong")).want(t, 403, "Could not verify")
	c.send("POST", "/login", form("email", "nobody@example.com", "password", "wrong")).want(t, 403, "Could not verify")
	token := c.send("POST", "/login", form("email", email, "password", password)).members(t, 201, "token")[0]
	if got := payload(t, token); got["public_id"] != "1" || got["sub"] != nil {
		t.Errorf("the claims are %v", got)
	}
	const list = `{"users":[{"email":"ada@example.com","public_id":"1"},{"email":"bob@example.com","public_id":"2"}]}`
	c.send("GET", "/user", "", "x-access-token", token).want(t, 200, list)
	c.send("GET", "/user", "").want(t, 401, `{"message":"Token is missing !!"}`)
	c.send("GET", "/user", "", "x-access-token", token+"x").want(t, 401, `{"message":"Token is invalid !!"}`)
	later := time.Now().Add(time.Minute).Unix()
	c.send("GET", "/user", "", "x-access-token", python(t, jwt.MapClaims{"public_id": "2", "exp": later})).want(t, 200, list)
	c.send("GET", "/user", "", "x-access-token", python(t, jwt.MapClaims{"public_id": "9", "exp": later})).want(t, 401, `{"message":"Token is invalid !!"}`)
}

func TestFlaskJWT(t *testing.T) {
	c := service(t, tutorials.FlaskJWT)
	const refused = `{"status_code":401,"error":"Bad Request","description":"Invalid credentials"}`
	c.send("POST", "/auth", `{"username":"ada@example.com","password":"wrong"}`).want(t, 401, refused)
	c.send("POST", "/auth", `{"username":"ada@example.com"}`).want(t, 401, refused)
	token := c.send("POST", "/auth", `{"username":"ada@example.com","password":"correct horse"}`).members(t, 200, "access_token")[0]
	claims := payload(t, token)
	for _, name := range []string{"identity", "exp", "iat", "nbf"} { // which Flask-JWT requires
		if claims[name] == nil {
			t.Errorf("the token has no %s: %v", name, claims)
		}
	}
	c.send("GET", "/protected", "", "Authorization", "JWT "+token).want(t, 200, "User(id='1')")
	now := time.Now().Unix()
	old := python(t, jwt.MapClaims{"identity": 1, "iat": now, "nbf": now, "exp": now + 300})
	c.send("GET", "/protected", "", "Authorization", "JWT "+old).want(t, 200, "User(id='1')")
	missing := c.send("GET", "/protected", "").want(t, 401,
		`{"status_code":401,"error":"Authorization Required","description":"Request does not contain an access token"}`)
	if challenge := missing.Header().Get("WWW-Authenticate"); challenge != `JWT realm="Login Required"` {
		t.Errorf("the challenge is %s", challenge)
	}
	c.send("GET", "/protected", "", "Authorization", "JWT "+token+"x").want(t, 401,
		`{"status_code":401,"error":"Invalid token","description":"The access token is not valid."}`)
}

func TestFlaskJWTExtended(t *testing.T) {
	c := service(t, func(key usher.Key, users *tutorials.Users) http.Handler { return tutorials.Extended(key, users, false) })
	const login = `{"username":"ada@example.com","password":"correct horse"}`
	c.send("POST", "/login", `{"username":"ada@example.com","password":"wrong"}`).want(t, 401, `{"msg":"Bad username or password"}`)
	tokens := c.send("POST", "/login", login).members(t, 200, "access_token", "refresh_token")
	c.send("GET", "/protected", "", "Authorization", "Bearer "+tokens[0]).want(t, 200, `{"logged_in_as":"ada@example.com"}`)
	c.send("GET", "/protected", "").want(t, 401, `{"msg":"Missing Authorization Header"}`)
	c.send("GET", "/protected", "", "Authorization", "Bearer "+tokens[0]+"x").want(t, 422, `{"msg":"Signature verification failed"}`)
	c.send("GET", "/protected", "", "Authorization", "Bearer "+tokens[1]).want(t, 422, `{"msg":"Signature verification failed"}`)
	past := time.Now().Add(-time.Hour).Unix()
	c.send("GET", "/protected", "", "Authorization", "Bearer "+python(t, jwt.MapClaims{"sub": "1", "exp": past})).want(t, 401, `{"msg":"Token has expired"}`)

	next := c.send("POST", "/refresh", "", "Authorization", "Bearer "+tokens[1]).members(t, 200, "access_token", "refresh_token")
	c.send("DELETE", "/logout", "", "Authorization", "Bearer "+next[0]).want(t, 200, `{"msg":"Access token revoked"}`)
	for _, access := range []string{tokens[0], next[0]} {
		c.send("GET", "/protected", "", "Authorization", "Bearer "+access).want(t, 401, `{"msg":"Token has been revoked"}`)
	}
	c.send("POST", "/refresh", "", "Authorization", "Bearer "+next[1]).want(t, 401, `{"msg":"Token has been revoked"}`)
	c.send("POST", "/logout", form("refresh_token", next[1])).want(t, 200, `{"msg":"logout successful"}`)
}

func TestFlaskJWTExtendedWithCookies(t *testing.T) {
	c := service(t, func(key usher.Key, users *tutorials.Users) http.Handler { return tutorials.Extended(key, users, true) })
	const login = `{"username":"ada@example.com","password":"correct horse"}`
	c.send("GET", "/protected", "").want(t, 401, `{"msg":"Missing cookie \"__Host-access\""}`)
	c.send("POST", "/login", login, "Sec-Fetch-Site", "cross-site").want(t, 403, `{"msg":"Cross-origin request."}`)
	c.send("POST", "/login", login, "Sec-Fetch-Site", "same-origin").want(t, 200, `{"msg":"login successful"}`)
	c.send("GET", "/protected", "").want(t, 200, `{"logged_in_as":"ada@example.com"}`)
	before := c.cookies["__Host-access"]
	c.send("POST", "/refresh", "", "Sec-Fetch-Site", "cross-site").want(t, 403, `{"msg":"Cross-origin request."}`)
	c.send("POST", "/refresh", "").want(t, 200, "")
	if c.cookies["__Host-access"] == before {
		t.Error("a refresh leaves the old cookie")
	}
	c.send("DELETE", "/logout", "", "Sec-Fetch-Site", "cross-site").want(t, 403, "")
	c.send("POST", "/logout", "").want(t, 200, `{"msg":"logout successful"}`)
	if len(c.cookies) != 0 {
		t.Errorf("after the logout there are the cookies %v", c.cookies)
	}
	c.send("GET", "/protected", "", "Cookie", "__Host-access="+before).want(t, 401, `{"msg":"Token has been revoked"}`)
}

func TestAiohttp(t *testing.T) {
	c := service(t, tutorials.Aiohttp)
	c.send("POST", "/login", form("email", email, "password", "wrong")).want(t, 400, `{"message":"Wrong credentials"}`)
	token := c.send("POST", "/login", form("email", email, "password", password)).members(t, 200, "token")[0]
	if got := payload(t, token); got["user_id"] != "1" || got["sub"] != nil {
		t.Errorf("the claims are %v", got)
	}
	c.send("GET", "/get-user", "", "Authorization", token).want(t, 200, `{"user":"ada@example.com"}`)
	old := python(t, jwt.MapClaims{"user_id": 1, "exp": time.Now().Add(20 * time.Second).Unix()})
	c.send("GET", "/get-user", "", "Authorization", old).want(t, 200, `{"user":"ada@example.com"}`)
	c.send("GET", "/get-user", "").want(t, 401, `{"message":"Auth required"}`)
	c.send("GET", "/get-user", "", "Authorization", token+"x").want(t, 400, `{"message":"Token is invalid"}`)
}

func TestLoginForm(t *testing.T) {
	c := service(t, tutorials.LoginForm)
	redirected := func(a answer, to string) {
		t.Helper()
		if a.want(t, 302, ""); a.Header().Get("Location") != to {
			t.Errorf("%s redirects to %q, want %s", a.what, a.Header().Get("Location"), to)
		}
	}
	page := func(a answer, status int, says string) {
		t.Helper()
		if a.Code != status || !strings.Contains(a.Body.String(), `<form method="post">`) || !strings.Contains(a.Body.String(), says) ||
			!strings.HasPrefix(a.Header().Get("Content-Type"), "text/html") {
			t.Errorf("%s: %d %v %s", a.what, a.Code, a.Header(), a.Body)
		}
	}
	redirected(c.send("GET", "/", ""), "/login")
	page(c.send("GET", "/login", ""), 200, "Log In")
	page(c.send("POST", "/login", form("username", email, "password", "wrong")), 200, "Wrong username or password.")
	page(c.send("POST", "/login", form("username", email, "password", password), "Sec-Fetch-Site", "cross-site"), 403, "Cross-origin")
	redirected(c.send("POST", "/login", form("username", email, "password", password)), "/")
	c.send("GET", "/", "").want(t, 200, "Hello, ada@example.com!")
	kept := c.cookies["__Host-access"]
	redirected(c.send("POST", "/logout", ""), "/")
	if len(c.cookies) != 0 {
		t.Errorf("after the logout there are the cookies %v", c.cookies)
	}
	redirected(c.send("GET", "/", "", "Cookie", "__Host-access="+kept), "/login")
}

// TestPageCountsTheLines holds the table of docs/from-flask.md to the files.
func TestPageCountsTheLines(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "from-flask.md"))
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]int{}
	row := regexp.MustCompile(`\[(\w+\.go)\]\(\.\./examples/tutorials/\w+\.go\) *\| *(\d+) *\|`)
	for _, match := range row.FindAllStringSubmatch(string(page), -1) {
		listed[match[1]], _ = strconv.Atoi(match[2])
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	counted := map[string]int{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if file != "shared.go" && !strings.HasSuffix(file, "_test.go") {
			counted[file] = strings.Count(string(text), "\n")
		}
	}
	if !maps.Equal(listed, counted) {
		t.Errorf("docs/from-flask.md says %v, and the files have %v", listed, counted)
	}
}
