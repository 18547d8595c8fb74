// Package mcpgo protects an MCP server of mark3labs/mcp-go with access tokens, as the MCP specification requires: the server is
// a protected resource (RFC 9728), and the tokens are those of an authorization server.
package mcpgo

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/jwks"
)

// Resource is an MCP server as its clients see it.
type Resource struct {
	URL    string   // of the MCP endpoint, exactly as clients call it: the audience of the tokens
	Issuer string   // the authorization server
	Scopes []string // the scopes that a client requests first
}

// MetadataURL is where clients find the metadata document (RFC 9728 §3.1).
func (r Resource) MetadataURL() string {
	u, err := url.Parse(r.URL)
	if err != nil {
		return "" // NewAuth reports this
	}
	u.Path = "/.well-known/oauth-protected-resource" + u.Path
	return u.String()
}

// NewAuth returns the middleware of the resource. The user function is yours, and so are further options.
func NewAuth[U any](
	r Resource, user func(context.Context, *usher.Claims) (U, error), opts usher.MiddlewareOptions,
) (*usher.Middleware[usher.Claims, U], error) {
	keys, err := jwks.NewIssuer(r.Issuer, nil)
	if err != nil {
		return nil, err
	}
	decoder, err := usher.NewDecoder[usher.Claims](keys, &usher.DecoderOptions{
		Issuer: r.Issuer, Audience: usher.Audience{r.URL}, CacheSize: 10_000,
	})
	if err != nil {
		return nil, err
	}
	opts.ResourceMetadata, opts.Scopes = r.MetadataURL(), r.Scopes
	return usher.NewMiddleware(decoder, user, &opts)
}

// Metadata returns the handler of the metadata document. Mount it outside the middleware, because it is for strangers. mcp-go's
// option WithProtectedResourceMetadata would serve it inside.
func (r Resource) Metadata() http.Handler {
	return server.NewProtectedResourceMetadataHandler(server.ProtectedResourceMetadataConfig{
		Resource: r.URL, AuthorizationServers: []string{r.Issuer}, ScopesSupported: r.Scopes,
		BearerMethodsSupported: []string{"header"},
	})
}

// Guard returns a middleware for server.WithToolHandlerMiddleware. It calls the guards, by the names of the tools, before a tool.
func Guard[C, U any](auth *usher.Middleware[C, U], guards map[string]usher.Guard) server.ToolHandlerMiddleware {
	return func(next server.ToolHandlerFunc) server.ToolHandlerFunc {
		return func(ctx context.Context, call mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			if guard := guards[call.Params.Name]; guard != nil {
				if err := guard(ctx); err != nil {
					return nil, auth.Rejection(err) // its text is safe to show
				}
			}
			return next(ctx, call)
		}
	}
}

// mcp-go reads messages of any size into memory.
const maxMessage = 1 << 20 // bytes

// NewHandler returns the handler of an MCP endpoint. Every request requires a token, and a session belongs to the user who
// started it. In tools, auth.User(ctx) is the user. secret is 32 random bytes, the same in all processes that share sessions.
func NewHandler[C, U any](
	s *server.MCPServer, auth *usher.Middleware[C, U], secret []byte, opts ...server.StreamableHTTPOption,
) http.Handler {
	sessions := sessions{secret}
	opts = append(opts, server.WithSessionIdManagerResolver(sessions))
	return auth.Require(http.MaxBytesHandler(sessions.bind(server.NewStreamableHTTPServer(s, opts...)), maxMessage))
}

// sessions makes session IDs that contain a tag over the user. mcp-go's own IDs are valid for everybody, and for a GET the ID is
// not even checked: it gets the stream of the session.
type sessions struct{ secret []byte }

// bind refuses sessions of other users as unknown, so that a client starts its own. Streams and long calls end when the token of
// their request expires.
func (s sessions) bind(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(server.HeaderKeySessionID)
		claims, ok := usher.ClaimsFromContext[usher.Claims](r.Context())
		if id != "" && !s.of(r).owns(id) || !ok {
			http.Error(w, "session not found", http.StatusNotFound)
			return
		}
		ctx, cancel := context.WithDeadline(r.Context(), claims.ExpiresAt.Time)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// ResolveSessionIdManager is called by mcp-go for every request.
//
//nolint:revive,staticcheck // the name is mcp-go's
func (s sessions) ResolveSessionIdManager(r *http.Request) server.SessionIdManager { return s.of(r) }

func (s sessions) of(r *http.Request) sessionsOf {
	if r == nil {
		return sessionsOf{} // not called for a request: no sessions
	}
	claims, ok := usher.ClaimsFromContext[usher.Claims](r.Context())
	if !ok {
		return sessionsOf{}
	}
	return sessionsOf{secret: s.secret, user: claims.Issuer + " " + claims.Subject}
}

// sessionsOf are the sessions of one user.
type sessionsOf struct {
	secret []byte
	user   string
}

var errSession = errors.New("session not found")

// Generate returns a new session ID.
func (s sessionsOf) Generate() string {
	id := rand.Text()
	return id + "." + s.tag(id)
}

// Validate returns an error for a session that is not the user's.
func (s sessionsOf) Validate(id string) (bool, error) {
	if !s.owns(id) {
		return false, errSession
	}
	return false, nil
}

// Terminate returns an error for a session that is not the user's. mcp-go drops its data of the user's sessions.
func (s sessionsOf) Terminate(id string) (bool, error) { return s.Validate(id) }

func (s sessionsOf) owns(id string) bool {
	name, tag, _ := strings.Cut(id, ".")
	return s.user != "" && hmac.Equal([]byte(tag), []byte(s.tag(name)))
}

func (s sessionsOf) tag(id string) string {
	mac := hmac.New(sha256.New, s.secret)
	_, _ = mac.Write([]byte(id + " " + s.user))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
