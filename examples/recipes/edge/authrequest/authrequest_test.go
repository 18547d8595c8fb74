package authrequest_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/go-usher/usher/examples/recipes/edge/authrequest"
	"github.com/go-usher/usher/examples/recipes/edge/internal/site"
	"github.com/go-usher/usher/examples/recipes/edge/internal/sitetest"
)

// verifier is the service that a proxy asks.
func verifier(auth *site.Auth) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/_verify/user", auth.Require(authrequest.Verified()))
	mux.Handle("/_verify/admin", auth.Allow(func(u *site.User) bool { return u.Admin }).Require(authrequest.Verified()))
	mux.Handle("/_verify/anyone", auth.Optional(authrequest.Verified()))
	return mux
}

// world is an application behind nginx.
type world struct {
	site  *site.Site
	front sitetest.Server
	asked atomic.Int32 // requests that came to the application
}

func newWorld(t *testing.T, edit func(config string) string) *world {
	t.Helper()
	w := &world{site: sitetest.New(t)}
	checks := sitetest.Serve(t, verifier(sitetest.Auth(t, w.site)))
	w.front = nginx(t, checks.URL, sitetest.Serve(t, w.application()).URL, edit)
	return w
}

// application tells what it was sent.
func (w *world) application() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(out http.ResponseWriter, r *http.Request) {
		w.asked.Add(1)
		out.Header().Set("Asked-For", r.RequestURI)
		_ = json.NewEncoder(out).Encode(r.Header)
	})
	mux.HandleFunc("/wrong", func(out http.ResponseWriter, _ *http.Request) {
		http.Error(out, "the application's own page", http.StatusInternalServerError)
	})
	mux.HandleFunc("/echo", func(out http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(out, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		_ = conn.Write(r.Context(), websocket.MessageText, []byte("Hello, "+r.Header.Get("X-User")))
	})
	mux.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic("on purpose") })
	return mux
}

// seen returns what the application was sent.
func seen(t *testing.T, response sitetest.Response) http.Header {
	t.Helper()
	var header http.Header
	if err := json.NewDecoder(response.Body).Decode(&header); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("the response is %d, %v", response.StatusCode, err)
	}
	return header
}

func asItIs(config string) string { return config }

func TestNginxPassesOnTheVerifiersRefusals(t *testing.T) {
	w := newWorld(t, asItIs)
	sitetest.Refusals(t, w.site, w.front, "/", nil)
	bob := sitetest.Login(t, w.site, "2", time.Hour)
	response := sitetest.Get(t, w.front, "/admin/", sitetest.Bearer(bob.Token))
	challenges := response.Header.Values("WWW-Authenticate")
	if response.StatusCode != http.StatusForbidden || len(challenges) != 1 || !strings.Contains(challenges[0], "insufficient_scope") {
		t.Errorf("Bob gets %d with %q for an admin's page", response.StatusCode, challenges)
	}
	if got := sitetest.Get(t, w.front, "/", http.Header{}).Header.Values("WWW-Authenticate"); len(got) != 1 {
		t.Errorf("the challenges to a stranger are %q", got)
	}
	if asked := w.asked.Load(); asked != 0 {
		t.Errorf("the application was asked %d times", asked)
	}
}

func TestTheApplicationGetsTheVerifiedUserAndNoToken(t *testing.T) {
	w := newWorld(t, asItIs)
	ann := sitetest.Login(t, w.site, "1", time.Hour)
	lies := http.Header{}
	for _, name := range []string{"X-User", "x-user", "X_User", "X.User", "X-Scope", "Connection"} {
		lies[name] = []string{"X-User"}
	}
	for _, test := range []struct {
		name, path string
		header     http.Header
		user       []string
		cookies    string
	}{
		{"bearer", "/admin/", sitetest.Bearer(ann.Token), []string{"1"}, ""},
		{"a cookie alone", "/", sitetest.InCookie(ann.Token), []string{"1"}, ""},
		{"the first cookie", "/", http.Header{"Cookie": {sitetest.Cookie + "=" + ann.Token + "; a=1; b=2"}}, []string{"1"}, "a=1; b=2"},
		{"the last cookie", "/", http.Header{"Cookie": {"a=1; b=2; " + sitetest.Cookie + "=" + ann.Token}}, []string{"1"}, "a=1; b=2;"},
		{"a cookie between", "/", http.Header{"Cookie": {"a=1; " + sitetest.Cookie + "=" + ann.Token + "; b=2"}}, []string{"1"}, "a=1; b=2"},
		{"a cookie of a longer name", "/open/", http.Header{"Cookie": {"x" + sitetest.Cookie + "=1"}}, nil, "x" + sitetest.Cookie + "=1"},
		{"a stranger", "/open/", http.Header{}, nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := seen(t, sitetest.Get(t, w.front, test.path, sitetest.With(test.header, lies)))
			for name := range got {
				if strings.Contains(strings.ToLower(name), "user") && name != "User-Agent" && name != "X-User" {
					t.Errorf("the application got %s: %q", name, got[name])
				}
			}
			if !slices.Equal(got["X-User"], test.user) || (got.Get("X-Scope") == "read write") != (test.user != nil) {
				t.Errorf("X-User is %q, X-Scope %q", got["X-User"], got["X-Scope"])
			}
			if got.Get("Cookie") != test.cookies || strings.Contains(fmt.Sprint(got), ann.Token) {
				t.Errorf("the application got %v, want the cookies %q and no token", got, test.cookies)
			}
		})
	}
}

// Otherwise the application's route could be another than the one that the verifier was asked about.
func TestTheApplicationGetsThePathThatTheLocationMatched(t *testing.T) {
	w := newWorld(t, asItIs)
	for target, want := range map[string]string{
		"/open/x":                       "/open/x",
		"/admin/..%2fopen/x":            "/open/x",
		"/admin/%2e%2e/open/x":          "/open/x",
		"/admin/../open/x":              "/open/x",
		"/admin/x/..%2f..%2Fopen/x":     "/open/x",
		"/admin%2f..%2fopen/x":          "/open/x",
		"/admin//../open/x":             "/open/x",
		"http://example.com/open/../":   "", // 401
		"/open/..%2fadmin/x":            "",
		"/open/%2e%2e%2fadmin/x":        "",
		"//admin/x":                     "",
		"/open/a%3fb%23c%20d%0d%0ae?f=": "/open/a%3Fb%23c%20d%0D%0Ae?f=",
	} {
		if got := rawly(t, w.front, target).Get("Asked-For"); got != want {
			t.Errorf("of %s the application sees %q, want %q", target, got, want)
		}
	}
}

// rawly asks for a target as it is, which no client does, and returns the headers of the response.
func rawly(t *testing.T, front sitetest.Server, target string) http.Header {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(front.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n", target)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	return response.Header
}

func TestAWebSocketPasses(t *testing.T) {
	w := newWorld(t, asItIs)
	ann := sitetest.Login(t, w.site, "1", time.Hour)
	header := http.Header{"Cookie": {sitetest.Cookie + "=" + ann.Token}, "Origin": {w.front.URL}}
	conn, _, err := websocket.Dial(t.Context(), w.front.URL+"/echo", &websocket.DialOptions{HTTPHeader: header}) //nolint:bodyclose // Dial closes it
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if _, message, err := conn.Read(t.Context()); err != nil || string(message) != "Hello, 1" {
		t.Errorf("the message is %q, %v", message, err)
	}
}

func TestAnErrorOfTheApplicationStaysItsOwn(t *testing.T) {
	w := newWorld(t, asItIs)
	ann := sitetest.Login(t, w.site, "1", time.Hour)
	for path, status := range map[string]int{"/wrong": http.StatusInternalServerError, "/panic": http.StatusBadGateway} {
		if got := sitetest.Get(t, w.front, path, sitetest.Bearer(ann.Token)).StatusCode; got != status {
			t.Errorf("%s is a %d, want %d", path, got, status)
		}
	}
}

func TestNobodyElseCanAskTheVerifier(t *testing.T) {
	w := newWorld(t, asItIs)
	ann := sitetest.Login(t, w.site, "1", time.Hour)
	if got := sitetest.Get(t, w.front, "/_verify/user", sitetest.Bearer(ann.Token)).StatusCode; got != http.StatusNotFound {
		t.Errorf("a client's own question is a %d", got)
	}
}

func TestWithoutAVerifierEverythingIsA503(t *testing.T) {
	w := &world{site: sitetest.New(t)}
	front := nginx(t, "http://127.0.0.1:1", sitetest.Serve(t, w.application()).URL, asItIs)
	for _, path := range []string{"/", "/open/", "/admin/"} {
		if got := sitetest.Get(t, front, path, http.Header{}).StatusCode; got != http.StatusServiceUnavailable {
			t.Errorf("%s is a %d", path, got)
		}
	}
}

func TestAnErrorOfTheVerifierIsA500(t *testing.T) {
	w := &world{site: sitetest.New(t)}
	broken := sitetest.Serve(t, http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) { out.WriteHeader(http.StatusInternalServerError) }))
	front := nginx(t, broken.URL, sitetest.Serve(t, w.application()).URL, asItIs)
	if got := sitetest.Get(t, front, "/", http.Header{}).StatusCode; got != http.StatusInternalServerError || w.asked.Load() > 0 {
		t.Errorf("the status is %d, and the application was asked %d times", got, w.asked.Load())
	}
}

// Without these lines nginx works as well, until it matters.
func TestEachLineOfTheConfigurationIsNeeded(t *testing.T) {
	for _, test := range []struct {
		line, path string
		method     string
		header     func(token string) http.Header
		down       bool
		right      int
		without    int
	}{
		{"proxy_method ", "/", http.MethodPost, func(token string) http.Header {
			return http.Header{"Cookie": {sitetest.Cookie + "=" + token}, "Origin": {"https://evil.example"}}
		}, false, http.StatusForbidden, http.StatusOK},
		{"proxy_set_header        Upgrade ", "/", http.MethodGet, func(token string) http.Header {
			return http.Header{"Cookie": {sitetest.Cookie + "=" + token}, "Origin": {"https://evil.example"},
				"Upgrade": {"websocket"}, "Connection": {"Upgrade"}}
		}, false, http.StatusForbidden, http.StatusOK},
		{"error_page 500 ", "/", http.MethodGet, sitetest.Bearer, true, http.StatusServiceUnavailable, http.StatusInternalServerError},
	} {
		t.Run(strings.Join(strings.Fields(test.line), "_"), func(t *testing.T) {
			for _, way := range []struct {
				edit func(string) string
				want int
			}{
				{asItIs, test.right},
				{func(config string) string { return without(t, config, test.line) }, test.without},
			} {
				w := newWorld(t, way.edit)
				ann := sitetest.Login(t, w.site, "1", time.Hour)
				w.site.Down.Store(test.down)
				if got := sitetest.Do(t, w.front, test.method, test.path, test.header(ann.Token)).StatusCode; got != way.want {
					t.Errorf("the status is %d, want %d", got, way.want)
				}
			}
		})
	}
}

// without returns a configuration without the lines that begin with this text, if it has any.
func without(t *testing.T, config, line string) string {
	t.Helper()
	lines := strings.Split(config, "\n")
	return strings.Join(slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(strings.TrimSpace(l), line) }), "\n")
}
