package mcpgo_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/examples/recipes/apis/internal/authserver"
	"github.com/go-usher/usher/examples/recipes/apis/internal/drive"
	"github.com/go-usher/usher/examples/recipes/apis/internal/people"
	"github.com/go-usher/usher/examples/recipes/apis/mcpgo"
)

var secret = []byte(strings.Repeat("0123456789abcdef", 2))

// serve returns the URL of an MCP endpoint whose tokens are issuer's, and a log of what clients ask for.
func serve(t *testing.T, issuer string) (endpoint string, log *drive.Log) {
	t.Helper()
	log = new(drive.Log)
	base := drive.Serve(t, func(base string) http.Handler {
		resource := mcpgo.Resource{URL: base + "/mcp", Issuer: issuer, Scopes: []string{"greet"}}
		auth, err := mcpgo.NewAuth(resource, people.Find, usher.MiddlewareOptions{Observe: func(*http.Request, *usher.Rejection) {}})
		if err != nil {
			t.Fatal(err)
		}
		mux := http.NewServeMux()
		mux.Handle("/.well-known/oauth-protected-resource/mcp", resource.Metadata())
		mux.Handle("/mcp", mcpgo.NewHandler(mcpgo.NewServer(auth), auth, secret))
		return log.Around(mux)
	})
	return base + "/mcp", log
}

// start starts c. If it needs a token, the user agrees, and the client starts again.
func start(t *testing.T, issuer *authserver.Server, c *client.Client, user string) error {
	t.Helper()
	initialize := func() error {
		_, err := c.Initialize(t.Context(), mcp.InitializeRequest{Params: mcp.InitializeParams{
			ProtocolVersion: mcp.ProtocolVersion20250618, ClientInfo: mcp.Implementation{Name: "test", Version: "1.0.0"},
		}})
		return err
	}
	if err := c.Start(t.Context()); err != nil {
		return err
	}
	err := initialize()
	oauth := client.GetOAuthHandler(err)
	if oauth == nil {
		return err
	}
	verifier, err := client.GenerateCodeVerifier()
	if err != nil {
		return err
	}
	authorization, err := oauth.GetAuthorizationURL(t.Context(), "state", client.GenerateCodeChallenge(verifier))
	if err != nil {
		return err
	}
	code, state, err := issuer.Approve(t.Context(), authorization, user)
	if err != nil {
		return err
	}
	if err := oauth.ProcessAuthorizationResponse(t.Context(), code, state, verifier); err != nil {
		return err
	}
	return initialize()
}

func newClient(t *testing.T, endpoint string, scopes ...string) *client.Client {
	t.Helper()
	c, err := client.NewOAuthStreamableHttpClient(endpoint, client.OAuthConfig{
		ClientID: authserver.Client, RedirectURI: authserver.Redirect, Scopes: scopes, PKCEEnabled: true,
		TokenStore: client.NewMemoryTokenStore(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func callTool(t *testing.T, c *client.Client, name string) (string, error) {
	t.Helper()
	result, err := c.CallTool(t.Context(), mcp.CallToolRequest{Params: mcp.CallToolParams{Name: name}})
	if err != nil || len(result.Content) != 1 {
		return "", err
	}
	content, _ := mcp.AsTextContent(result.Content[0])
	return content.Text, nil
}

func TestAClientThatKnowsOnlyTheURLReachesATool(t *testing.T) {
	issuer := authserver.New(t)
	endpoint, log := serve(t, issuer.URL)
	c := newClient(t, endpoint, "greet")
	if err := start(t, issuer, c, "1"); err != nil {
		t.Fatal(err)
	}
	if text, err := callTool(t, c, "greet"); err != nil || text != "Hello, Ann" {
		t.Errorf("the tool says %q, %v", text, err)
	}
	if text, err := callTool(t, c, "publish"); err == nil || !strings.Contains(err.Error(), "The access token lacks a scope.") {
		t.Errorf("without the scope, the tool says %q, %v", text, err)
	}
	first := []string{"GET /.well-known/oauth-protected-resource/mcp 200", "POST /mcp 200"} // this client needs no 401
	if got := log.Lines(); len(got) < 2 || !slices.Equal(got[:2], first) {
		t.Errorf("the client asked for %q, want %q first", got, first)
	}
}

func TestAClientWithoutATokenIsToldWhereTheMetadataAre(t *testing.T) {
	issuer := authserver.New(t)
	endpoint, _ := serve(t, issuer.URL)
	c, err := client.NewStreamableHttpClient(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	err = start(t, issuer, c, "1")
	want := strings.TrimSuffix(endpoint, "/mcp") + "/.well-known/oauth-protected-resource/mcp"
	if got := client.GetResourceMetadataURL(err); got != want {
		t.Errorf("the client learns %q (%v), want %s", got, err, want)
	}
}

func TestAScopeLetsIntoATool(t *testing.T) {
	issuer := authserver.New(t)
	endpoint, _ := serve(t, issuer.URL)
	c := newClient(t, endpoint, "greet", "posts:write")
	if err := start(t, issuer, c, "2"); err != nil {
		t.Fatal(err)
	}
	if text, err := callTool(t, c, "publish"); err != nil || text != "Hello, Bob" {
		t.Errorf("the tool says %q, %v", text, err)
	}
	if text, err := callTool(t, c, "administer"); err == nil || !strings.Contains(err.Error(), "This is not allowed.") {
		t.Errorf("without the role, the tool says %q, %v", text, err)
	}
}

func TestASessionIsRefusedToAnotherUser(t *testing.T) {
	issuer := authserver.New(t)
	endpoint, _ := serve(t, issuer.URL)
	ann, bob := issuer.Token(t, "1", endpoint, "greet"), issuer.Token(t, "2", endpoint, "greet")
	id := drive.InitializeMCP(t, endpoint, ann)
	tests := []struct {
		name, method, token, session, body string
		want                               int
	}{
		{"a call", "POST", bob, id, drive.CallTool("greet"), http.StatusNotFound},
		{"the stream", "GET", bob, id, "", http.StatusNotFound},
		{"the end", "DELETE", bob, id, "", http.StatusNotFound},
		{"an invented session", "POST", ann, "mcp-session-6ba7b810-9dad-11d1-80b4-00c04fd430c8", drive.CallTool("greet"), http.StatusNotFound},
		{"a call without a session", "POST", ann, "", drive.CallTool("greet"), http.StatusNotFound},
		{"a call without a token", "POST", "", id, drive.CallTool("greet"), http.StatusUnauthorized},
		{"a call of its own user, with another token", "POST", issuer.Token(t, "1", endpoint, ""), id, drive.CallTool("greet"), http.StatusOK},
		{"its own user's stream", "GET", ann, id, "", http.StatusOK},
		{"its own user's end", "DELETE", ann, id, "", http.StatusOK},
	}
	for _, test := range tests { // in this order
		t.Run(test.name, func(t *testing.T) {
			resp := drive.SendMCP(t, test.method, endpoint, test.token, test.session, test.body)
			if resp.Status != test.want {
				t.Errorf("the status is %d, want %d: %s", resp.Status, test.want, resp.Body)
			}
			if test.method == "POST" && test.want == http.StatusOK && !strings.Contains(resp.Body, "Hello, Ann") {
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
	var metadata server.ProtectedResourceMetadataConfig
	if err := json.Unmarshal([]byte(resp.Body), &metadata); err != nil {
		t.Fatal(err)
	}
	if metadata.Resource != endpoint || !slices.Equal(metadata.AuthorizationServers, []string{issuer.URL}) || !slices.Equal(metadata.ScopesSupported, []string{"greet"}) {
		t.Errorf("the metadata are %s", resp.Body)
	}
}

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
	if err := start(t, issuer, newClient(t, endpoint, "greet"), "1"); err == nil {
		t.Error("a client starts although nobody can check its token")
	}
	if got := log.Lines(); !slices.Contains(got, "POST /mcp 503") || slices.Contains(got, "POST /mcp 200") || slices.Contains(got, "POST /mcp 500") {
		t.Errorf("the client asked for %q", got)
	}
}

func TestTheServiceAnswersAsTheMiddlewareDecides(t *testing.T) {
	kit := drive.New(t, usher.MiddlewareOptions{})
	s := mcpgo.NewServer(kit.Auth)
	s.AddTool(mcp.NewTool("crash"), func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		panic("secret detail of a bug")
	})
	// Without sessions, as the protocol is since 2026-07-28.
	handler := mcpgo.NewHandler(s, kit.Auth, secret)
	modern := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set("Mcp-Protocol-Version", mcp.ProtocolVersion20260728)
		r.Header.Set("Mcp-Method", "tools/call")
		r.Header.Set("Mcp-Name", strings.TrimPrefix(r.URL.Path, "/"))
		handler.ServeHTTP(w, r)
	})
	drive.Run(t, drive.Service{
		Kit:      kit,
		Handler:  modern,
		Required: modernCall("greet"),
		Scoped:   modernCall("publish"),
		Admins:   modernCall("administer"),
		Panics:   modernCall("crash"),
		Soft:     true,
		Status: func(t *testing.T, resp drive.Response) int {
			t.Helper()
			switch {
			case resp.Status != http.StatusOK || !strings.Contains(resp.Body, `"error"`):
				return resp.Status
			case strings.Contains(resp.Body, "The access token lacks a scope.") || strings.Contains(resp.Body, "This is not allowed."):
				return http.StatusForbidden
			}
			return http.StatusInternalServerError
		},
		Refusal: func(t *testing.T, resp drive.Response, want drive.Refusal) {
			t.Helper()
			if resp.Status == http.StatusOK { // a guard's, in an error of JSON-RPC
				if !strings.Contains(resp.Body, want.Text) {
					t.Errorf("the answer is %s, want %q in it", resp.Body, want.Text)
				}
				return
			}
			drive.IsProblem(t, resp, want)
		},
	})
}

func modernCall(tool string) drive.Request {
	request := drive.ToolRequest(tool)
	request.Path = "/" + tool
	request.Body = strings.Replace(request.Body, `"params":{`, `"params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",`+
		`"io.modelcontextprotocol/clientInfo":{"name":"test","version":"1.0.0"},"io.modelcontextprotocol/clientCapabilities":{}},`, 1)
	return request
}

// What auth.Require alone does, and why NewHandler has more: Bob listens to Ann's session.
func TestRequireAloneLetsAUserListenToAnothersSession(t *testing.T) {
	kit := drive.New(t, usher.MiddlewareOptions{})
	s := mcpgo.NewServer(kit.Auth)
	endpoint := drive.Serve(t, func(string) http.Handler { return kit.Auth.Require(server.NewStreamableHTTPServer(s)) })
	id := drive.InitializeMCP(t, endpoint, kit.Ann(t))
	for _, session := range []string{id, "an invented one"} {
		resp := drive.SendMCP(t, "GET", endpoint, kit.Bob(t), session, "")
		if resp.Status != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
			t.Errorf("the answer is %d: %s; if mcp-go does better now, so can the recipe", resp.Status, resp.Body)
		}
	}
}

func TestAMessageHasALimit(t *testing.T) {
	issuer := authserver.New(t)
	endpoint, _ := serve(t, issuer.URL)
	token := issuer.Token(t, "1", endpoint, "greet")
	id := drive.InitializeMCP(t, endpoint, token)
	call := drive.CallTool("greet")
	for size, greets := range map[int]bool{1 << 10: true, 1<<20 - len(call): true, 1 << 20: false} {
		resp := drive.SendMCP(t, "POST", endpoint, token, id, call+strings.Repeat(" ", size))
		if strings.Contains(resp.Body, "Hello") != greets {
			t.Errorf("%d bytes: %d %.200s", len(call)+size, resp.Status, resp.Body)
		}
	}
}
