package gqlgen_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/transport"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/examples/recipes/apis/gqlgen"
	"github.com/go-usher/usher/examples/recipes/apis/internal/drive"
)

func query(text string) drive.Request {
	body, err := json.Marshal(map[string]string{"query": text})
	if err != nil {
		panic(err)
	}
	return drive.Request{Method: "POST", Path: "/", ContentType: "application/json", Body: string(body)}
}

// answer is a response of GraphQL.
type answer struct {
	Data   map[string]any
	Errors []struct {
		Message    string
		Path       []string
		Extensions struct{ Code, Reason string }
	}
}

func read(t *testing.T, body string) answer {
	t.Helper()
	var a answer
	if err := json.Unmarshal([]byte(body), &a); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return a
}

// A refusal by the directive is an error in a response with the status 200; a bad token is refused before GraphQL begins.
func TestTheServiceAnswersAsTheMiddlewareDecides(t *testing.T) {
	drive.Quiet(t)
	statuses := map[string]int{"BAD_REQUEST": 400, "UNAUTHENTICATED": 401, "FORBIDDEN": 403, "INTERNAL_SERVER_ERROR": 500, "UNAVAILABLE": 503}
	kit := drive.New(t, usher.MiddlewareOptions{Reject: gqlgen.Reject})
	drive.Run(t, drive.Service{
		Kit:      kit,
		Handler:  gqlgen.New(kit.Auth),
		Required: query(`{me}`),
		Optional: query(`{hello}`),
		Scoped:   query(`mutation{write(title:"A title")}`),
		Admins:   query(`{admin}`),
		Panics:   query(`{crash}`),
		Soft:     true,
		Status: func(t *testing.T, resp drive.Response) int {
			t.Helper()
			a := read(t, resp.Body)
			if len(a.Errors) == 0 {
				return resp.Status
			}
			status := statuses[a.Errors[0].Extensions.Code]
			if a.Errors[0].Message == "internal system error" { // gqlgen's words for a panic
				status = http.StatusInternalServerError
			}
			if resp.Status != http.StatusOK && resp.Status != status {
				t.Errorf("HTTP says %d, GraphQL %d", resp.Status, status)
			}
			return status
		},
		Refusal: func(t *testing.T, resp drive.Response, want drive.Refusal) {
			t.Helper()
			a := read(t, resp.Body)
			if len(a.Errors) != 1 || a.Errors[0].Message != want.Text || a.Errors[0].Extensions.Reason != want.Reason || a.Data["me"] != nil {
				t.Errorf("the answer is %+v, want %+v", a, want)
			}
			if resp.Status == http.StatusOK && len(a.Errors[0].Path) != 1 {
				t.Errorf("the path is %q, want the field's", a.Errors[0].Path)
			}
		},
	})
}

func TestResolversErrorsAreMappedAndDontLeak(t *testing.T) {
	kit := drive.New(t, usher.MiddlewareOptions{Reject: gqlgen.Reject})
	service := gqlgen.New(kit.Auth)
	tests := []struct{ name, query, code, message string }{
		{"a resolver's own refusal", `mutation{write(title:"foreign")}`, "FORBIDDEN", "This is not allowed."},
		{"a resolver's error", `mutation{write(title:"lost")}`, "INTERNAL_SERVER_ERROR", "The request can't be served."},
		{"a fault of the query", `{unknown}`, "GRAPHQL_VALIDATION_FAILED", `Cannot query field "unknown" on type "Query".`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			request := query(test.query)
			r := httptest.NewRequest(request.Method, request.Path, strings.NewReader(request.Body))
			r.Header.Set("Content-Type", request.ContentType)
			r.Header.Set("Authorization", "Bearer "+kit.Ann(t))
			w := httptest.NewRecorder()
			service.ServeHTTP(w, r)
			a := read(t, w.Body.String())
			if len(a.Errors) != 1 || a.Errors[0].Extensions.Code != test.code || a.Errors[0].Message != test.message {
				t.Errorf("the answer is %s, want %s: %s", w.Body, test.code, test.message)
			}
		})
	}
}

// A stranger gets the fields that are not refused. A refused field that can't be null would take its parents with it.
func TestAFieldIsRefusedByItself(t *testing.T) {
	kit := drive.New(t, usher.MiddlewareOptions{Reject: gqlgen.Reject})
	request := query(`{hello me}`)
	r := httptest.NewRequest(request.Method, request.Path, strings.NewReader(request.Body))
	r.Header.Set("Content-Type", request.ContentType)
	w := httptest.NewRecorder()
	gqlgen.New(kit.Auth).ServeHTTP(w, r)
	a := read(t, w.Body.String())
	if w.Code != http.StatusOK || a.Data["hello"] != "stranger" || len(a.Errors) != 1 || a.Errors[0].Extensions.Reason != "no_token" {
		t.Errorf("the answer is %d: %s", w.Code, w.Body)
	}
}

// What gqlgen does with a plain error, and why the recipe has a presenter.
func TestWithoutThePresenterAClientReadsTheCause(t *testing.T) {
	kit := drive.New(t, usher.MiddlewareOptions{})
	server := handler.New(gqlgen.NewExecutableSchema(gqlgen.Config{Directives: gqlgen.DirectiveRoot{
		Auth: gqlgen.Directive(kit.Auth, func(...string) usher.Guard {
			return func(context.Context) error { return fmt.Errorf("%w: a secret detail", usher.ErrUnavailable) }
		}),
	}}))
	server.AddTransport(transport.POST{})
	request := query(`mutation{write(title:"A title")}`)
	r := httptest.NewRequest(request.Method, request.Path, strings.NewReader(request.Body))
	r.Header.Set("Content-Type", request.ContentType)
	r.Header.Set("Authorization", "Bearer "+kit.Ann(t))
	w := httptest.NewRecorder()
	kit.Auth.Require(server).ServeHTTP(w, r)
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "a secret detail") {
		t.Errorf("the answer is %d: %s; if gqlgen does better now, so can the recipe", w.Code, w.Body)
	}
}

// Anybody may send a query. A short one that asks for much, and a long one, must not cost more than they are worth.
func TestAStrangersQueryHasLimits(t *testing.T) {
	kit := drive.New(t, usher.MiddlewareOptions{})
	endpoint := drive.Serve(t, func(string) http.Handler { return gqlgen.New(kit.Auth) })
	aliases := func(n int) string {
		var text strings.Builder
		for i := range n {
			fmt.Fprintf(&text, "a%d:me ", i)
		}
		return "{" + text.String() + "}"
	}
	for name, text := range map[string]string{
		"100 fields":     "{" + strings.Repeat("hello ", 100) + "}",
		"101 aliases":    aliases(101),
		"many tokens":    aliases(1_000),
		"a large body":   aliases(20_000),
		"a large string": `mutation{write(title:"` + strings.Repeat("x", 1<<20) + `")}`,
	} {
		response, err := http.Post(endpoint, "application/json", strings.NewReader(query(text).Body))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if got := read(t, string(body)); err != nil || len(body) > 1000 || (name != "100 fields") != (len(got.Errors) == 1 && got.Data == nil) {
			t.Errorf("%s: %d, %d bytes: %.200s", name, response.StatusCode, len(body), body)
		}
	}
}
