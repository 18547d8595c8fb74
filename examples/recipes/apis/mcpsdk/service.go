package mcpsdk

import (
	"context"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/examples/recipes/apis/internal/people"
)

// Guards are the guards of tools, by name. Everybody with a token may call the other tools.
func Guards() map[string]usher.Guard {
	return map[string]usher.Guard{"publish": people.Guard("posts:write"), "administer": people.Guard("admin")}
}

// NewServer returns an MCP server whose tools greet the user.
func NewServer(auth *people.Auth) *mcp.Server {
	server := mcp.NewServer(&mcp.Implementation{Name: "greetings", Version: "1.0.0"}, nil)
	for _, name := range []string{"greet", "publish", "administer"} {
		mcp.AddTool(server, &mcp.Tool{Name: name, Description: "Greets the user."},
			func(ctx context.Context, _ *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
				return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "Hello, " + people.Name(ctx, auth)}}}, nil, nil
			})
	}
	return server
}
