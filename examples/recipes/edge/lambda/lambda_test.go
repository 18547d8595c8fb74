package lambda_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	awslambda "github.com/aws/aws-lambda-go/lambda"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/examples/recipes/edge/internal/site"
	"github.com/go-usher/usher/examples/recipes/edge/lambda"
)

const cookie = "__Host-access"

type (
	event    = lambda.Event
	response = lambda.Response
)

// TestMain is the function itself in the process that the tests start.
func TestMain(m *testing.M) {
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") == "" {
		os.Exit(m.Run())
	}
	s := usher.Must(site.New())
	auth := usher.Must(s.Auth(usher.MiddlewareOptions{
		Sources: []usher.TokenSource{usher.FromBearer(), usher.FromCookie(cookie), usher.FromForm("token")},
		Observe: func(*http.Request, *usher.Rejection) {},
	}))
	ended := usher.Must(s.Login(context.Background(), "1", time.Hour))
	_ = ended.End(context.Background())
	_ = json.NewEncoder(os.Stdout).Encode(map[string]string{
		"ann":     usher.Must(s.Login(context.Background(), "1", time.Hour)).Token,
		"bob":     usher.Must(s.Login(context.Background(), "2", time.Hour)).Token,
		"expired": usher.Must(s.Login(context.Background(), "1", -time.Minute)).Token,
		"ended":   ended.Token,
	})
	awslambda.Start(routes(s, auth))
}

// routes is a function with a route of each kind.
func routes(s *site.Site, auth *site.Auth) lambda.Handler {
	hello := func(_ context.Context, e event, user *site.User) (response, error) {
		if e.RawPath == "/panic" {
			panic("on purpose")
		}
		return response{StatusCode: 200, Body: "Hello, " + user.Name + "!", Headers: map[string]string{"vary": "Accept"}, Cookies: []string{"a=1", "b=2"}}, nil
	}
	required := lambda.Require(auth, hello)
	admins := lambda.Require(auth.Allow(func(u *site.User) bool { return u.Admin }), hello)
	optional := lambda.Optional(auth, func(ctx context.Context, _ event) (response, error) {
		user, ok := auth.User(ctx)
		return response{StatusCode: 200, Body: fmt.Sprint(ok, user != nil)}, nil
	})
	return func(ctx context.Context, e event) (response, error) {
		s.Down.Store(e.Headers["x-test"] == "down")
		switch e.RawPath {
		case "/open":
			return optional(ctx, e)
		case "/admin":
			return admins(ctx, e)
		}
		return required(ctx, e)
	}
}

// read returns the event of testdata, changed.
func read(t *testing.T, change func(e *event)) event {
	t.Helper()
	text, err := os.ReadFile("testdata/event.json")
	if err != nil {
		t.Fatal(err)
	}
	var e event
	if err := json.Unmarshal(text, &e); err != nil {
		t.Fatal(err)
	}
	change(&e)
	return e
}

func bearer(token string) func(e *event) {
	return func(e *event) { e.Headers["authorization"] = "Bearer " + token }
}

func TestEventsAreRefusedAsRequests(t *testing.T) {
	f := start(t)
	inCookie := func(e *event) { e.Cookies = append(e.Cookies, cookie+"="+f.tokens["ann"]) }
	for _, test := range []struct {
		name      string
		change    func(e *event)
		status    int
		challenge string
	}{
		{"no token", func(*event) {}, 401, `Bearer realm=""`},
		{"another scheme", func(e *event) {
			e.Headers["authorization"] = "AWS4-HMAC-SHA256 Credential=a, SignedHeaders=b, Signature=c"
		}, 401, `Bearer realm=""`},
		{"a forged token", bearer(f.tokens["ann"][:100] + "AAAA"), 401, "invalid_token"},
		{"an expired token", bearer(f.tokens["expired"]), 401, "has expired"},
		{"a token whose session has ended", bearer(f.tokens["ended"]), 401, "invalid_token"},
		{"two headers", func(e *event) {
			e.Headers["authorization"] = "Bearer " + f.tokens["ann"] + ",Bearer " + f.tokens["bob"]
		}, 400, "invalid_request"},
		{"two cookies", func(e *event) { inCookie(e); inCookie(e) }, 400, "invalid_request"},
		{"a header and a cookie", func(e *event) { inCookie(e); bearer(f.tokens["ann"])(e) }, 400, "invalid_request"},
		{"another role", func(e *event) { e.RawPath = "/admin"; bearer(f.tokens["bob"])(e) }, 403, "insufficient_scope"},
		{"a cookie that another site sends", func(e *event) {
			inCookie(e)
			e.RequestContext.HTTP.Method, e.Headers["sec-fetch-site"] = "POST", "cross-site"
		}, 403, ""},
		{"an outage", func(e *event) { bearer(f.tokens["ann"])(e); e.Headers["x-test"] = "down" }, 503, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := f.invoke(t, read(t, test.change))
			challenge := got.Headers["Www-Authenticate"]
			if got.StatusCode != test.status || !strings.Contains(challenge, test.challenge) || (challenge == "") != (test.challenge == "") {
				t.Errorf("the response is %d with the challenge %q", got.StatusCode, challenge)
			}
			var problem struct {
				Status int
				Detail string
			}
			if err := json.Unmarshal([]byte(got.Body), &problem); err != nil || problem.Status != test.status || problem.Detail == "" {
				t.Errorf("the body is %q, %v", got.Body, err)
			}
			if got.Headers["Cache-Control"] != "no-store" || got.Headers["Content-Type"] != "application/problem+json" ||
				(got.Headers["Retry-After"] != "") != (test.status == 503) || !strings.Contains(got.Headers["Vary"], "Cookie") {
				t.Errorf("the headers are %v", got.Headers)
			}
		})
	}
}

func TestAUserGetsThroughWithATokenAnywhere(t *testing.T) {
	f := start(t)
	for name, change := range map[string]func(e *event){
		"header": bearer(f.tokens["ann"]),
		"cookie": func(e *event) { e.Cookies = append(e.Cookies, cookie+"="+f.tokens["ann"]) },
		"form": func(e *event) {
			e.RequestContext.HTTP.Method, e.Headers["content-type"] = "POST", "application/x-www-form-urlencoded"
			e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString([]byte("token="+f.tokens["ann"])), true
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := f.invoke(t, read(t, func(e *event) { change(e); e.RawPath = "/admin" }))
			if got.StatusCode != http.StatusOK || got.Body != "Hello, Ann!" || len(got.Cookies) != 2 {
				t.Errorf("the response is %+v", got)
			}
			if got.Headers["Vary"] != "Authorization, Cookie, Accept" || (got.Headers["Cache-Control"] == "private") != (name != "header") {
				t.Errorf("the headers are %v", got.Headers)
			}
		})
	}
}

func TestStrangersGetThroughOptional(t *testing.T) {
	f := start(t)
	open := func(change func(e *event)) event { return read(t, func(e *event) { e.RawPath = "/open"; change(e) }) }
	if got := f.invoke(t, open(func(*event) {})); got.StatusCode != http.StatusOK || got.Body != "false false" {
		t.Errorf("a stranger gets %+v", got)
	}
	if got := f.invoke(t, open(bearer(f.tokens["bob"]))); got.StatusCode != http.StatusOK || got.Body != "true true" {
		t.Errorf("Bob gets %+v", got)
	}
	if got := f.invoke(t, open(bearer("bad"))); got.StatusCode != http.StatusUnauthorized {
		t.Errorf("a bad token gets %+v", got)
	}
}

func TestAPanicIsLambdasOwnError(t *testing.T) {
	f := start(t)
	f.pass(t, read(t, func(e *event) { e.RawPath = "/panic"; bearer(f.tokens["ann"])(e) }))
	if failure := f.failure(t); !strings.Contains(failure, "on purpose") {
		t.Errorf("the function reported %s", failure)
	}
}
