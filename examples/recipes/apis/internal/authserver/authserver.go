// Package authserver is a small authorization server for the tests of MCP servers: metadata (RFC 8414), keys, and the
// authorization code flow with PKCE (RFC 7636) and resource indicators (RFC 8707). It asks nobody for a password.
package authserver

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/jwks"
)

// The one client that the server knows.
const (
	Client   = "mcp-client"
	Redirect = "http://localhost/callback"
)

// Server is an authorization server that listens.
type Server struct {
	URL string // the issuer

	encoder *usher.Encoder[usher.Claims]
	keys    http.Handler
	down    atomic.Bool

	mu    sync.Mutex
	codes map[string]url.Values // the requests that were granted, by code
}

// New starts a server for the time of the test.
func New(t *testing.T) *Server {
	t.Helper()
	key, err := usher.GenerateKey(usher.ES256)
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{codes: make(map[string]url.Values)}
	if s.keys, err = jwks.Handler(func() usher.Keys { return usher.Keys{key} }, nil); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/oauth-authorization-server", s.metadata)
	mux.HandleFunc("GET /keys", s.publish)
	mux.HandleFunc("GET /authorize", s.authorize)
	mux.HandleFunc("POST /token", s.token)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	s.URL = server.URL
	if s.encoder, err = usher.NewEncoder[usher.Claims](key, &usher.EncoderOptions{Issuer: s.URL, Type: "at+jwt"}); err != nil {
		t.Fatal(err)
	}
	return s
}

// SetDown says whether the keys are out of reach.
func (s *Server) SetDown(down bool) { s.down.Store(down) }

// Token returns a token without the flow.
func (s *Server) Token(t *testing.T, user, resource, scope string) string {
	t.Helper()
	return s.encode(t, usher.Claims{Subject: user, Audience: usher.Audience{resource}, Scope: scope})
}

// ShortToken returns a token that expires in two seconds at most.
func (s *Server) ShortToken(t *testing.T, user, resource string) string {
	t.Helper()
	expiry := usher.NewNumericDate(time.Now().Add(2 * time.Second))
	return s.encode(t, usher.Claims{Subject: user, Audience: usher.Audience{resource}, ExpiresAt: expiry})
}

func (s *Server) encode(t *testing.T, claims usher.Claims) string {
	t.Helper()
	token, err := s.encoder.Encode(t.Context(), claims)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// Approve does what a browser does in which this user agrees: it opens the URL, and returns what the redirect says.
func (s *Server) Approve(ctx context.Context, authorizationURL, user string) (code, state string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, authorizationURL+"&user="+url.QueryEscape(user), nil)
	if err != nil {
		return "", "", err
	}
	resp, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(req)
	if err != nil {
		return "", "", err
	}
	defer resp.Body.Close()
	location, err := resp.Location()
	if err != nil {
		return "", "", fmt.Errorf("the authorization server answers %s: %w", resp.Status, err)
	}
	return location.Query().Get("code"), location.Query().Get("state"), nil
}

func (s *Server) metadata(w http.ResponseWriter, _ *http.Request) {
	respond(w, http.StatusOK, map[string]any{
		"issuer":                                s.URL,
		"authorization_endpoint":                s.URL + "/authorize",
		"token_endpoint":                        s.URL + "/token",
		"jwks_uri":                              s.URL + "/keys",
		"response_types_supported":              []string{"code"},
		"grant_types_supported":                 []string{"authorization_code"},
		"code_challenge_methods_supported":      []string{"S256"},
		"token_endpoint_auth_methods_supported": []string{"none"},
	})
}

func (s *Server) publish(w http.ResponseWriter, r *http.Request) {
	if s.down.Load() {
		http.Error(w, "down", http.StatusServiceUnavailable)
		return
	}
	s.keys.ServeHTTP(w, r)
}

func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	asked := r.URL.Query()
	if asked.Get("response_type") != "code" || asked.Get("client_id") != Client || asked.Get("redirect_uri") != Redirect ||
		asked.Get("code_challenge_method") != "S256" || asked.Get("resource") == "" || asked.Get("user") == "" {
		http.Error(w, "invalid_request", http.StatusBadRequest)
		return
	}
	code := rand.Text()
	s.mu.Lock()
	s.codes[code] = asked
	s.mu.Unlock()
	http.Redirect(w, r, Redirect+"?"+url.Values{"code": {code}, "state": {asked.Get("state")}}.Encode(), http.StatusFound)
}

func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	granted, err := s.redeem(r)
	if err != nil {
		respond(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant", "error_description": err.Error()})
		return
	}
	token, err := s.encoder.Encode(r.Context(), usher.Claims{
		Subject: granted.Get("user"), Audience: usher.Audience{granted.Get("resource")}, Scope: granted.Get("scope"),
	})
	if err != nil {
		http.Error(w, "server_error", http.StatusInternalServerError)
		return
	}
	respond(w, http.StatusOK, map[string]any{
		"access_token": token, "token_type": "Bearer", "expires_in": int(s.encoder.TTL().Seconds()), "scope": granted.Get("scope"),
	})
}

// redeem returns the request that the code was granted for. A code is good once, for who can show the verifier.
func (s *Server) redeem(r *http.Request) (url.Values, error) {
	r.Body = http.MaxBytesReader(nil, r.Body, 1<<16)
	if err := r.ParseForm(); err != nil {
		return nil, err
	}
	code := r.PostForm.Get("code")
	s.mu.Lock()
	granted, ok := s.codes[code]
	delete(s.codes, code)
	s.mu.Unlock()
	challenge := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
	switch {
	case r.PostForm.Get("grant_type") != "authorization_code" || !ok:
		return nil, errors.New("there is no such code")
	case base64.RawURLEncoding.EncodeToString(challenge[:]) != granted.Get("code_challenge"):
		return nil, errors.New("the verifier is another one's")
	case r.PostForm.Get("resource") != granted.Get("resource"):
		return nil, errors.New("the code is for another resource")
	}
	return granted, nil
}

func respond(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
