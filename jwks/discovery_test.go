package jwks_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/jwks"
)

// issuerSite answers by URL, and notes what was asked for.
type issuerSite struct {
	mu    sync.Mutex
	pages map[string]string // a text, or a status of three digits
	asked []string
}

func (s *issuerSite) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r.URL.String())
	page, ok := s.pages[r.URL.String()]
	var status int
	switch {
	case !ok:
		return answer(http.StatusNotFound, nil), nil
	case len(page) == 3:
		fmt.Sscan(page, &status)
		return answer(status, nil), nil
	}
	return answer(http.StatusOK, []byte(page)), nil
}

func (s *issuerSite) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

func (s *issuerSite) put(url, page string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pages[url] = page
}

func metadata(issuer, setURL string) string {
	return fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q,"scopes_supported":["openid"]}`, issuer, setURL)
}

func TestMetadataIsWhereTheIssuersURLPutsIt(t *testing.T) {
	const keys = "https://keys.example/set"
	for _, c := range []struct {
		name, issuer, metadataURL string
		pages                     map[string]string
		asked                     []string // "" stands for the set's URL
		fails                     bool
	}{
		{
			name: "OpenID Connect", issuer: "https://i.example",
			pages: map[string]string{"https://i.example/.well-known/openid-configuration": metadata("https://i.example", keys)},
			asked: []string{"https://i.example/.well-known/openid-configuration", keys},
		},
		{
			name: "a slash at the end", issuer: "https://i.example/",
			pages: map[string]string{"https://i.example/.well-known/openid-configuration": metadata("https://i.example/", keys)},
			asked: []string{"https://i.example/.well-known/openid-configuration", keys},
		},
		{
			name: "a path", issuer: "https://i.example/realms/one",
			pages: map[string]string{"https://i.example/realms/one/.well-known/openid-configuration": metadata("https://i.example/realms/one", keys)},
			asked: []string{"https://i.example/realms/one/.well-known/openid-configuration", keys},
		},
		{
			name: "RFC 8414", issuer: "https://i.example/realms/one",
			pages: map[string]string{"https://i.example/.well-known/oauth-authorization-server/realms/one": metadata("https://i.example/realms/one", keys)},
			asked: []string{
				"https://i.example/realms/one/.well-known/openid-configuration",
				"https://i.example/.well-known/oauth-authorization-server/realms/one", keys,
			},
		},
		{
			name: "a URL of its own", issuer: "kubernetes/serviceaccount", metadataURL: "https://i.example/meta?appid=1",
			pages: map[string]string{"https://i.example/meta?appid=1": metadata("kubernetes/serviceaccount", keys)},
			asked: []string{"https://i.example/meta?appid=1", keys},
		},
		{
			name: "the other form of the issuer's name", issuer: "https://i.example",
			pages: map[string]string{"https://i.example/.well-known/openid-configuration": metadata("https://i.example/", keys)},
			asked: []string{"https://i.example/.well-known/openid-configuration"}, fails: true,
		},
		{
			name: "an outage is no reason to look elsewhere", issuer: "https://i.example",
			pages: map[string]string{
				"https://i.example/.well-known/openid-configuration":       "503",
				"https://i.example/.well-known/oauth-authorization-server": metadata("https://i.example", keys),
			},
			asked: []string{"https://i.example/.well-known/openid-configuration"}, fails: true,
		},
		{
			name: "nor is an internal error", issuer: "https://i.example",
			pages: map[string]string{
				"https://i.example/.well-known/openid-configuration":       "500",
				"https://i.example/.well-known/oauth-authorization-server": metadata("https://i.example", keys),
			},
			asked: []string{"https://i.example/.well-known/openid-configuration"}, fails: true,
		},
		{
			name: "neither", issuer: "https://i.example", pages: map[string]string{},
			asked: []string{
				"https://i.example/.well-known/openid-configuration",
				"https://i.example/.well-known/oauth-authorization-server",
			}, fails: true,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				site := &issuerSite{pages: c.pages}
				site.put(keys, string(marshal(t, newKey(t, usher.ES256, "a"))))
				remote := usher.Must(jwks.NewIssuer(c.issuer, &jwks.RemoteOptions{Client: &http.Client{Transport: site}, MetadataURL: c.metadataURL}))
				if asked := site.take(); asked != nil {
					t.Errorf("the constructor asks for %v", asked)
				}
				if c.fails {
					wantError(t, remote, "a", usher.ErrUnavailable)
				} else {
					wantKey(t, remote, "a")
				}
				if asked := site.take(); !slices.Equal(asked, c.asked) {
					t.Errorf("it asks for %v instead of %v", asked, c.asked)
				}
			})
		})
	}
}

func TestMetadataIsReadAgainAfterAFailureAndOnceADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const issuer, meta = "https://i.example", "https://i.example/.well-known/openid-configuration"
		site := &issuerSite{pages: map[string]string{
			meta:                  metadata(issuer, "https://i.example/1"),
			"https://i.example/1": string(marshal(t, newKey(t, usher.ES256, "a"))),
			"https://i.example/2": string(marshal(t, newKey(t, usher.ES256, "b"))),
		}}
		remote := usher.Must(jwks.NewIssuer(issuer, &jwks.RemoteOptions{Client: &http.Client{Transport: site}}))
		refresh := func(want ...string) {
			t.Helper()
			_ = remote.Refresh(t.Context())
			if asked := site.take(); !slices.Equal(asked, want) {
				t.Errorf("it asks for %v instead of %v", asked, want)
			}
		}
		refresh(meta, "https://i.example/1")
		refresh("https://i.example/1")
		site.put(meta, metadata(issuer, "https://i.example/2"))
		site.put("https://i.example/1", "410")
		refresh("https://i.example/1")       // fails
		refresh(meta, "https://i.example/2") // finds the new place
		refresh("https://i.example/2")
		wantKey(t, remote, "b")
		advance(24 * time.Hour)
		refresh(meta, "https://i.example/2")
	})
}

func TestErrorsOfMetadataShowLittleOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		site := &issuerSite{pages: map[string]string{
			"https://i.example/.well-known/openid-configuration": metadata(strings.Repeat("x", 10000), "https://i.example/1"),
		}}
		remote := usher.Must(jwks.NewIssuer("https://i.example", &jwks.RemoteOptions{Client: &http.Client{Transport: site}}))
		if err := remote.Refresh(t.Context()); err == nil || len(err.Error()) > 500 || !strings.Contains(err.Error(), `"https://i.example"`) {
			t.Errorf("the error is %v", err)
		}
	})
}
