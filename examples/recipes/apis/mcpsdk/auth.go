// Package mcpsdk protects an MCP server of the official Go SDK with access tokens, as the MCP specification requires: the server
// is a protected resource (RFC 9728), and the tokens are those of an authorization server.
package mcpsdk

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"time"

	sdkauth "github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"

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

// Metadata returns the handler of the metadata document. Mount it outside the middleware, because it is for strangers.
func (r Resource) Metadata() http.Handler {
	return sdkauth.ProtectedResourceMetadataHandler(&oauthex.ProtectedResourceMetadata{
		Resource: r.URL, AuthorizationServers: []string{r.Issuer}, ScopesSupported: r.Scopes,
		BearerMethodsSupported: []string{"header"},
	})
}

// NewHandler returns the handler of an MCP endpoint. Every request requires a token. A session belongs to the user who started
// it. guards maps names of tools to the guards that are called before them. In tools, auth.User(ctx) is the user. Unless opts
// set another time, unused sessions end after half an hour. The SDK would keep them for ever.
func NewHandler[C, U any](
	server *mcp.Server, auth *usher.Middleware[C, U], guards map[string]usher.Guard, opts *mcp.StreamableHTTPOptions,
) http.Handler {
	server.AddReceivingMiddleware(receive(auth, guards))
	var own mcp.StreamableHTTPOptions
	if opts != nil {
		own = *opts
	}
	own.SessionTimeout = cmp.Or(own.SessionTimeout, 30*time.Minute)
	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, &own)
	bind := sdkauth.RequireBearerToken(tokenInfo, &sdkauth.RequireBearerTokenOptions{AllowMissingExpiration: true})
	return auth.Require(untilExpiry(stepUp(auth, guards, bind(handler))))
}

// untilExpiry ends streams and long calls when the token of their request expires.
func untilExpiry(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if claims, ok := usher.ClaimsFromContext[usher.Claims](r.Context()); ok {
			ctx, cancel := context.WithDeadline(r.Context(), claims.ExpiresAt.Time)
			defer cancel()
			r = r.WithContext(ctx)
		}
		next.ServeHTTP(w, r)
	})
}

// tokenInfo tells the SDK the user of a request, so that it binds sessions to users. Only a TokenInfo reaches the handler of a
// message, because the context of that handler is the context of the request that started the session.
func tokenInfo(ctx context.Context, _ string, _ *http.Request) (*sdkauth.TokenInfo, error) {
	claims, ok := usher.ClaimsFromContext[usher.Claims](ctx)
	if !ok {
		return nil, sdkauth.ErrInvalidToken
	}
	return &sdkauth.TokenInfo{UserID: claims.Issuer + " " + claims.Subject, Extra: map[string]any{"usher": ctx}}, nil
}

// stepUp responds with a 403 that names the scopes if a guard refuses a call, so that clients request them and call again. It
// does not protect tools: receive calls the guards again, for the message that the SDK has read.
func stepUp[C, U any](auth *usher.Middleware[C, U], guards map[string]usher.Guard, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var call struct {
			Method string
			Params struct{ Name string }
		}
		start, _ := io.ReadAll(io.LimitReader(r.Body, 64<<10)) // next gets the same error
		r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(start), r.Body))
		if json.Unmarshal(start, &call) == nil && call.Method == "tools/call" && guards[call.Params.Name] != nil {
			if err := guards[call.Params.Name](r.Context()); err != nil {
				auth.Deny(w, r, err)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// receive puts the user of the request into the context, and calls the guard of the tool. It also recovers panics: in the SDK, a
// panic of a tool ends the process.
func receive[C, U any](auth *usher.Middleware[C, U], guards map[string]usher.Guard) mcp.Middleware {
	return func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (result mcp.Result, err error) {
			defer func() {
				if cause := recover(); cause != nil {
					slog.ErrorContext(ctx, "panic in an MCP method", "method", method, "cause", cause, "stack", string(debug.Stack()))
					result, err = nil, asError(auth.Rejection(errPanic))
				}
			}()
			ctx, err = withUser(ctx, auth, req.GetExtra())
			if call, ok := req.(*mcp.CallToolRequest); ok && err == nil && guards[call.Params.Name] != nil {
				err = guards[call.Params.Name](ctx)
			}
			if err != nil {
				return nil, asError(auth.Rejection(err))
			}
			return next(ctx, method, req)
		}
	}
}

var errPanic = errors.New("panic in an MCP method")

func withUser[C, U any](ctx context.Context, auth *usher.Middleware[C, U], extra *mcp.RequestExtra) (context.Context, error) {
	if extra == nil || extra.TokenInfo == nil {
		return ctx, usher.ErrNoToken
	}
	request, ok := extra.TokenInfo.Extra["usher"].(context.Context)
	if !ok {
		return ctx, usher.ErrNoToken
	}
	user, known := auth.User(request)
	claims, _ := auth.Claims(request)
	if !known {
		return ctx, usher.ErrNoToken
	}
	return usher.ContextWithUser(usher.ContextWithClaims(ctx, claims), user), nil
}

func asError(rej *usher.Rejection) error {
	data, err := json.Marshal(map[string]any{"status": rej.Status, "reason": rej.Reason(), "scope": rej.Scope})
	if err != nil {
		return err
	}
	code := jsonrpc.CodeInvalidRequest
	if rej.Status >= http.StatusInternalServerError {
		code = jsonrpc.CodeInternalError
	}
	return &jsonrpc.Error{Code: int64(code), Message: rej.Error(), Data: data}
}
