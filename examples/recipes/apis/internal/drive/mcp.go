package drive

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

const acceptMCP = "application/json, text/event-stream"

// CallTool returns the message of MCP that calls a tool.
func CallTool(name string) string {
	return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"` + name + `"}}`
}

// ToolRequest returns the request that calls a tool, for a Service without sessions.
func ToolRequest(name string) Request {
	return Request{Method: "POST", Path: "/", ContentType: "application/json", Accept: acceptMCP, Body: CallTool(name)}
}

// StatusMCP returns the status of a response, or the one that an error of JSON-RPC in it has as data.
func StatusMCP(t *testing.T, resp Response) int {
	t.Helper()
	var message struct {
		Error struct{ Data struct{ Status int } }
	}
	if resp.Status == http.StatusOK && strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		if err := json.Unmarshal([]byte(resp.Body), &message); err != nil {
			t.Fatalf("%s: %v", resp.Body, err)
		}
	}
	if status := message.Error.Data.Status; status != 0 {
		return status
	}
	return resp.Status
}

// InitializeMCP begins a session and returns its ID.
func InitializeMCP(t *testing.T, endpoint, token string) string {
	t.Helper()
	resp := SendMCP(t, "POST", endpoint, token, "", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":`+
		`{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"test","version":"1.0.0"}}}`)
	id := resp.Header.Get("Mcp-Session-Id")
	if resp.Status != http.StatusOK || id == "" {
		t.Fatalf("initialize is answered with %d: %s", resp.Status, resp.Body)
	}
	resp = SendMCP(t, "POST", endpoint, token, id, `{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	if resp.Status != http.StatusAccepted {
		t.Fatalf("the client's notification is answered with %d: %s", resp.Status, resp.Body)
	}
	return id
}

// SendMCP sends a message within a session; the token, the session and the body may be "". Of the stream that a GET begins,
// it reads nothing.
func SendMCP(t *testing.T, method, endpoint, token, session, body string) Response {
	t.Helper()
	return send(t, method, endpoint, token, session, body, false)
}

// ReadStreamMCP begins a session's stream, and returns when it ends.
func ReadStreamMCP(t *testing.T, endpoint, token, session string) Response {
	t.Helper()
	return send(t, http.MethodGet, endpoint, token, session, "", true)
}

func send(t *testing.T, method, endpoint, token, session, body string, wholeStream bool) Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, endpoint, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", acceptMCP)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if session != "" {
		req.Header.Set("Mcp-Session-Id", session)
	}
	resp, err := (&http.Client{}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if method == http.MethodGet && !wholeStream && strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		return Response{resp.StatusCode, resp.Header, ""}
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return Response{resp.StatusCode, resp.Header, string(text)}
}
