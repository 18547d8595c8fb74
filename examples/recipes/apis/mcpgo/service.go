package mcpgo

import (
	"context"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/examples/recipes/apis/internal/people"
)

// NewServer returns an MCP server whose tools greet the user.
func NewServer(auth *people.Auth) *server.MCPServer {
	s := server.NewMCPServer("greetings", "1.0.0", server.WithToolHandlerMiddleware(Guard(auth, map[string]usher.Guard{
		"publish": people.Guard("posts:write"), "administer": people.Guard("admin"),
	})))
	for _, name := range []string{"greet", "publish", "administer"} {
		s.AddTool(mcp.NewTool(name, mcp.WithDescription("Greets the user.")),
			func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
				return mcp.NewToolResultText("Hello, " + people.Name(ctx, auth)), nil
			})
	}
	return s
}
