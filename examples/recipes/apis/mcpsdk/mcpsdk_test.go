package mcpsdk_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sdkauth "github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/examples/recipes/apis/internal/authserver"
	"github.com/go-usher/usher/examples/recipes/apis/internal/drive"
	"github.com/go-usher/usher/examples/recipes/apis/internal/people"
	"github.com/go-usher/usher/examples/recipes/apis/mcpsdk"
)

// serve returns the URL of an MCP endpoint whose tokens are issuer's, and a log of what clients ask for.
func serve(t *testing.T, issuer string) (endpoint string, log *drive.Log) {
	t.Helper()
	log = new(drive.Log)
	base := drive.Serve(t, func(base string) http.Handler {
		resource := mcpsdk.Resource{URL: base + "/mcp", Issuer: issuer, Scopes: []string{"greet"}}
		auth, err := mcpsdk.NewAuth(resource, people.Find, usher.MiddlewareOptions{Observe: func(*http.Request, *usher.Rejection) {}})
		if err != nil {
			t.Fatal(err)
		}
		mux := http.NewServeMux()
		mux.Handle("/.well-known/oauth-protected-resource/mcp", resource.Metadata())
		mux.Handle("/mcp", mcpsdk.NewHandler(mcpsdk.NewServer(auth), auth, mcpsdk.Guards(), nil))
		return log.Around(mux)
	})
	return base + "/mcp", log
}

// connect connects a client of the SDK for a user who agrees to whatever it asks for.
func connect(t *testing.T, issuer *authserver.Server, endpoint, user string) (*mcp.ClientSession, error) {
	t.Helper()
	oauth, err := sdkauth.NewAuthorizationCodeHandler(&sdkauth.AuthorizationCodeHandlerConfig{
		PreregisteredClient: &oauthex.ClientCredentials{ClientID: authserver.Client},
		RedirectURL:         authserver.Redirect,
		AuthorizationCodeFetcher: func(ctx context.Context, args *sdkauth.AuthorizationArgs) (*sdkauth.AuthorizationResult, error) {
			code, state, err := issuer.Approve(ctx, args.URL, user)
			return &sdkauth.AuthorizationResult{Code: code, State: state}, err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1.0.0"}, nil)
	return client.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: endpoint, OAuthHandler: oauth, MaxRetries: -1}, nil)
}

func text(result *mcp.CallToolResult) string {
	if result == nil || len(result.Content) != 1 {
		return ""
	}
	if content, ok := result.Content[0].(*mcp.TextContent); ok {
		return content.Text
	}
	return ""
}

func TestAClientThatKnowsOnlyTheURLReachesATool(t *testing.T) {
	issuer := authserver.New(t)
	endpoint, log := serve(t, issuer.URL)
	session, err := connect(t, issuer, endpoint, "1")
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "greet"})
	if err != nil || text(result) != "Hello, Ann" {
		t.Errorf("the tool says %q, %v", text(result), err)
	}
	first := []string{"POST /mcp 401", "GET /.well-known/oauth-protected-resource/mcp 200", "POST /mcp 200"}
	if got := log.Lines(); len(got) < 3 || !slices.Equal(got[:3], first) {
		t.Errorf("the client asked for %q, want %q first", got, first)
	}
}

// The session began with a token that lacks the scope. The tool sees the token of its own call.
func TestAClientAsksForTheScopeThatAToolLacks(t *testing.T) {
	issuer := authserver.New(t)
	endpoint, log := serve(t, issuer.URL)
	session, err := connect(t, issuer, endpoint, "1")
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	before := len(log.Lines())
	result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "publish"})
	if err != nil || text(result) != "Hello, Ann" {
		t.Errorf("the tool says %q, %v", text(result), err)
	}
	want := []string{"POST /mcp 403", "GET /.well-known/oauth-protected-resource/mcp 200", "POST /mcp 200"}
	if got := log.Lines()[before:]; !slices.Equal(got, want) {
		t.Errorf("the client asked for %q, want %q", got, want)
	}
}

func TestAClientIsToldThatARoleIsMissing(t *testing.T) {
	issuer := authserver.New(t)
	endpoint, _ := serve(t, issuer.URL)
	session, err := connect(t, issuer, endpoint, "2")
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	if result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "administer"}); err == nil {
		t.Errorf("the tool says %q to a user without the role", text(result))
	}
}

func TestASessionIsRefusedToAnotherUser(t *testing.T) {
	issuer := authserver.New(t)
	endpoint, _ := serve(t, issuer.URL)
	ann, bob := issuer.Token(t, "1", endpoint, "greet"), issuer.Token(t, "2", endpoint, "greet")
	id := drive.InitializeMCP(t, endpoint, ann)
	tests := []struct {
		name, method, token, body string
		want                      int
	}{
		{"a call", "POST", bob, drive.CallTool("greet"), http.StatusForbidden},
		{"the stream", "GET", bob, "", http.StatusForbidden},
		{"the end", "DELETE", bob, "", http.StatusForbidden},
		{"a call without a token", "POST", "", drive.CallTool("greet"), http.StatusUnauthorized},
		{"a call of its own user, with another token", "POST", issuer.Token(t, "1", endpoint, ""), drive.CallTool("greet"), http.StatusOK},
		{"its own user's end", "DELETE", ann, "", http.StatusNoContent},
	}
	for _, test := range tests { // in this order
		t.Run(test.name, func(t *testing.T) {
			resp := drive.SendMCP(t, test.method, endpoint, test.token, id, test.body)
			if resp.Status != test.want {
				t.Errorf("the status is %d, want %d: %s", resp.Status, test.want, resp.Body)
			}
			if test.want == http.StatusOK && !strings.Contains(resp.Body, "Hello, Ann") {
				t.Errorf("the tool says %s", resp.Body)
			}
		})
	}
}

func TestAStreamEndsWithItsToken(t *testing.T) {
	issuer := authserver.New(t)
	endpoint, _ := serve(t, issuer.URL)
	token := issuer.ShortToken(t, "1", endpoint)
	id := drive.InitializeMCP(t, endpoint, token)
	if resp := drive.ReadStreamMCP(t, endpoint, token, id); resp.Status != http.StatusOK { // returns when the stream ends
		t.Errorf("the stream is answered with %d: %s", resp.Status, resp.Body)
	}
	if resp := drive.SendMCP(t, "GET", endpoint, token, id, ""); resp.Status != http.StatusUnauthorized {
		t.Errorf("afterwards, the token is answered with %d", resp.Status)
	}
}

func TestStrangersLearnWhereToGetAToken(t *testing.T) {
	issuer := authserver.New(t)
	endpoint, _ := serve(t, issuer.URL)
	document := strings.TrimSuffix(endpoint, "/mcp") + "/.well-known/oauth-protected-resource/mcp"
	resp := drive.SendMCP(t, "POST", endpoint, "", "", drive.CallTool("greet"))
	want := `Bearer scope="greet", resource_metadata="` + document + `"`
	if got := resp.Header.Get("WWW-Authenticate"); resp.Status != http.StatusUnauthorized || got != want {
		t.Errorf("the answer is %d, %s, want %s", resp.Status, got, want)
	}
	resp = drive.SendMCP(t, "GET", document, "", "", "")
	var metadata oauthex.ProtectedResourceMetadata
	if err := json.Unmarshal([]byte(resp.Body), &metadata); err != nil {
		t.Fatal(err)
	}
	if metadata.Resource != endpoint || !slices.Equal(metadata.AuthorizationServers, []string{issuer.URL}) || !slices.Equal(metadata.ScopesSupported, []string{"greet"}) {
		t.Errorf("the metadata are %s", resp.Body)
	}
}

// A server that accepts the tokens of another one is a confused deputy: the audience is compared as it stands.
func TestATokenForAnotherResourceIsRefused(t *testing.T) {
	issuer := authserver.New(t)
	endpoint, _ := serve(t, issuer.URL)
	for _, audience := range []string{"https://other.example.com/mcp", strings.TrimSuffix(endpoint, "/mcp"), endpoint + "/"} {
		resp := drive.SendMCP(t, "POST", endpoint, issuer.Token(t, "1", audience, "greet"), "", drive.CallTool("greet"))
		if resp.Status != http.StatusUnauthorized || !strings.Contains(resp.Header.Get("WWW-Authenticate"), `error="invalid_token"`) {
			t.Errorf("a token for %s is answered with %d", audience, resp.Status)
		}
	}
}

// A 401 would send the client to the authorization server, which is what is down.
func TestAnOutageOfTheKeysStaysA503(t *testing.T) {
	issuer := authserver.New(t)
	issuer.SetDown(true)
	endpoint, log := serve(t, issuer.URL)
	resp := drive.SendMCP(t, "POST", endpoint, issuer.Token(t, "1", endpoint, "greet"), "", drive.CallTool("greet"))
	if resp.Status != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" || resp.Header.Get("WWW-Authenticate") != "" {
		t.Errorf("the answer is %d, %v", resp.Status, resp.Header)
	}
	if session, err := connect(t, issuer, endpoint, "1"); err == nil {
		session.Close()
		t.Error("a client connects although nobody can check its token")
	}
	if got := log.Lines(); !slices.Contains(got, "POST /mcp 503") || slices.Contains(got, "POST /mcp 200") || slices.Contains(got, "POST /mcp 500") {
		t.Errorf("the client asked for %q", got)
	}
}

func TestTheServiceAnswersAsTheMiddlewareDecides(t *testing.T) {
	drive.Quiet(t)
	kit := drive.New(t, usher.MiddlewareOptions{})
	server := mcpsdk.NewServer(kit.Auth)
	mcp.AddTool(server, &mcp.Tool{Name: "crash"}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
		panic("secret detail of a bug")
	})
	options := &mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: true}
	drive.Run(t, drive.Service{
		Kit:      kit,
		Handler:  mcpsdk.NewHandler(server, kit.Auth, mcpsdk.Guards(), options),
		Required: drive.ToolRequest("greet"),
		Scoped:   drive.ToolRequest("publish"),
		Admins:   drive.ToolRequest("administer"),
		Panics:   drive.ToolRequest("crash"),
		Refusal:  drive.IsProblem,
		Status:   drive.StatusMCP,
	})
}

// stepUp reads a body as encoding/json does, which takes "Method" for "method". What counts is what the SDK reads.
func TestABodyThatTwoParsersReadDifferentlyIsNoWayAroundAGuard(t *testing.T) {
	kit := drive.New(t, usher.MiddlewareOptions{})
	options := &mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: true}
	endpoint := drive.Serve(t, func(string) http.Handler {
		return mcpsdk.NewHandler(mcpsdk.NewServer(kit.Auth), kit.Auth, mcpsdk.Guards(), options)
	})
	body := strings.Replace(drive.CallTool("publish"), `{`, `{"Method":"ping",`, 1)
	body = strings.TrimSuffix(body, `}`) + `,"Method":"ping"}`
	resp := drive.SendMCP(t, "POST", endpoint, kit.Bob(t), "", body)
	if drive.StatusMCP(t, resp) != http.StatusForbidden || strings.Contains(resp.Body, "Hello") {
		t.Errorf("the answer is %d: %s", resp.Status, resp.Body)
	}
}

// What auth.Require alone does, and why NewHandler has more: Bob joins Ann's session, and is Ann.
func TestRequireAloneLetsAUserActAsTheOneWhoBeganTheSession(t *testing.T) {
	kit := drive.New(t, usher.MiddlewareOptions{})
	server := mcpsdk.NewServer(kit.Auth)
	endpoint := drive.Serve(t, func(string) http.Handler {
		return kit.Auth.Require(mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil))
	})
	id := drive.InitializeMCP(t, endpoint, kit.Ann(t))
	resp := drive.SendMCP(t, "POST", endpoint, kit.Bob(t), id, drive.CallTool("greet"))
	if resp.Status != http.StatusOK || !strings.Contains(resp.Body, "Hello, Ann") {
		t.Errorf("the answer is %d: %s; if the SDK does better now, so can the recipe", resp.Status, resp.Body)
	}
}

// Otherwise the sessions of clients that do not end theirs would add up.
func TestASessionThatNobodyUsesEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit := drive.New(t, usher.MiddlewareOptions{})
		handler := mcpsdk.NewHandler(mcpsdk.NewServer(kit.Auth), kit.Auth, nil, nil)
		send := func(id, body string) *httptest.ResponseRecorder {
			r := httptest.NewRequest(http.MethodPost, "http://example.com/mcp", strings.NewReader(body))
			r.Header = http.Header{
				"Authorization": {"Bearer " + kit.Ann(t)}, "Content-Type": {"application/json"},
				"Accept": {"application/json, text/event-stream"},
			}
			if id != "" {
				r.Header.Set("Mcp-Session-Id", id)
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			return w
		}
		began := send("", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":`+
			`{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"test","version":"1.0.0"}}}`)
		id := began.Header().Get("Mcp-Session-Id")
		for _, test := range []struct {
			idle   time.Duration
			status int
		}{{0, http.StatusOK}, {29 * time.Minute, http.StatusOK}, {31 * time.Minute, http.StatusNotFound}} {
			<-time.After(test.idle)
			if got := send(id, drive.CallTool("greet")); got.Code != test.status {
				t.Errorf("after %v: %d %s", test.idle, got.Code, got.Body)
			}
		}
	})
}
