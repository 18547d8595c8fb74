package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/examples/recipes/edge/gateway"
	"github.com/go-usher/usher/examples/recipes/edge/internal/site"
	"github.com/go-usher/usher/examples/recipes/edge/internal/sitetest"
)

// world is a backend that tells what it was sent, and a gateway before it.
type world struct {
	site    *site.Site
	gateway sitetest.Server
	asked   atomic.Int32 // requests that came to the backend

	newProxy func(backend *url.URL) *httputil.ReverseProxy
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldWith(t, gateway.Proxy)
}

// newWorldWith returns a world with a proxy that is made otherwise.
func newWorldWith(t *testing.T, newProxy func(backend *url.URL) *httputil.ReverseProxy) *world {
	t.Helper()
	w := &world{site: sitetest.New(t), newProxy: newProxy}
	backend := http.NewServeMux()
	backend.HandleFunc("/", func(out http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_ = json.NewEncoder(out).Encode(map[string]any{"header": r.Header, "trailer": r.Trailer, "body": string(body)})
	})
	backend.HandleFunc("/hints", func(out http.ResponseWriter, _ *http.Request) {
		out.WriteHeader(http.StatusEarlyHints)
		out.WriteHeader(http.StatusOK)
	})
	backend.HandleFunc("/public", func(out http.ResponseWriter, _ *http.Request) { out.Header().Set("Cache-Control", "max-age=60") })
	backend.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic("on purpose") })
	backend.HandleFunc("/echo", echo)
	backend.HandleFunc("/forever", func(out http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(out, "begin")
		http.NewResponseController(out).Flush()
		<-r.Context().Done()
	})
	counted := http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		w.asked.Add(1)
		backend.ServeHTTP(out, r)
	})
	w.gateway = sitetest.Serve(t, w.handler(t, sitetest.Serve(t, counted).URL))
	return w
}

// handler is a gateway with a route of each kind.
func (w *world) handler(t *testing.T, backend string) http.Handler {
	t.Helper()
	auth, err := w.site.Auth(usher.MiddlewareOptions{Sources: gateway.Sources(), Observe: func(*http.Request, *usher.Rejection) {}})
	if err != nil {
		t.Fatal(err)
	}
	target, err := url.Parse(backend)
	if err != nil {
		t.Fatal(err)
	}
	proxy := w.newProxy(target)
	proxy.ErrorLog = sitetest.Discard()
	next := gateway.UntilRefused(auth, 20*time.Millisecond, proxy)
	mux := http.NewServeMux()
	mux.Handle("/", auth.Require(next))
	mux.Handle("/open/", auth.Optional(next))
	mux.Handle("/admin/", auth.Allow(func(u *site.User) bool { return u.Admin }).Require(next))
	return gateway.PlainPaths(mux)
}

// echo sends back each message, with the user before it.
func echo(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	for {
		kind, message, err := conn.Read(r.Context())
		if err != nil {
			return
		}
		text := fmt.Sprintf("%s, with %q: %s", r.Header.Get("X-User"), r.Header["Sec-Websocket-Protocol"], message)
		if conn.Write(r.Context(), kind, []byte(text)) != nil {
			return
		}
	}
}

type received struct {
	Header, Trailer http.Header
	Body            string
}

// seen returns what the backend was sent.
func seen(t *testing.T, response sitetest.Response) received {
	t.Helper()
	var got received
	if err := json.NewDecoder(response.Body).Decode(&got); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("the response is %d, %v", response.StatusCode, err)
	}
	return got
}

func TestTheGatewayAnswersRefusalsItself(t *testing.T) {
	w := newWorld(t)
	sitetest.Refusals(t, w.site, w.gateway, "/", nil)
	bob := sitetest.Login(t, w.site, "2", time.Hour)
	if status := sitetest.Get(t, w.gateway, "/admin/", sitetest.Bearer(bob.Token)).StatusCode; status != http.StatusForbidden {
		t.Errorf("Bob gets %d for an admin's page", status)
	}
	if asked := w.asked.Load(); asked != 0 {
		t.Errorf("the backend was asked %d times", asked)
	}
}

func TestTheBackendGetsTheVerifiedUserAndNoToken(t *testing.T) {
	w := newWorld(t)
	ann := sitetest.Login(t, w.site, "1", time.Hour)
	for name, header := range map[string]http.Header{
		"bearer": sitetest.Bearer(ann.Token),
		"cookie": sitetest.With(sitetest.InCookie(ann.Token), http.Header{"Cookie": {"theme=dark"}}),
	} {
		t.Run(name, func(t *testing.T) {
			got := seen(t, sitetest.Get(t, w.gateway, "/admin/", header))
			if user, scope := got.Header["X-User"], got.Header["X-Scope"]; !slices.Equal(user, []string{"1"}) || !slices.Equal(scope, []string{"read write"}) {
				t.Errorf("X-User is %q, X-Scope %q", user, scope)
			}
			if text := fmt.Sprint(got.Header); strings.Contains(text, ann.Token) {
				t.Errorf("the token is in %s", text)
			}
			if name == "cookie" && got.Header.Get("Cookie") != "theme=dark" {
				t.Errorf("the other cookies are %q", got.Header["Cookie"])
			}
		})
	}
}

func TestAClientCannotSayWhoItIs(t *testing.T) {
	w := newWorld(t)
	ann := sitetest.Login(t, w.site, "1", time.Hour)
	lies := http.Header{}
	for _, name := range []string{"X-User", "x-user", "X_User", "X-USER", "X_USER", "x.user", "X-User_", "Xuser", "X-Scope", "x_scope"} {
		lies[name] = []string{"2"}
	}
	for _, path := range []string{"/", "/open/"} {
		for _, connection := range []string{"", "X-User", "close, x-user, X_User, X-Scope", "keep-alive, Authorization, Cookie"} {
			for _, header := range []http.Header{sitetest.Bearer(ann.Token), {}} {
				wanted, stranger := []string{"1"}, header.Get("Authorization") == ""
				if stranger {
					wanted = nil
				}
				if stranger && path == "/" {
					continue
				}
				header = sitetest.With(header, lies)
				if connection != "" {
					header.Set("Connection", connection)
				}
				got := seen(t, sitetest.Get(t, w.gateway, path, header)).Header
				for name, values := range got {
					if strings.Contains(strings.ToLower(name), "user") && name != "User-Agent" && name != "X-User" {
						t.Errorf("%s, Connection: %s: the backend got %s: %q", path, connection, name, values)
					}
				}
				if !slices.Equal(got["X-User"], wanted) || stranger && len(got["X-Scope"]) > 0 {
					t.Errorf("%s, Connection: %s: X-User is %q, X-Scope %q", path, connection, got["X-User"], got["X-Scope"])
				}
			}
		}
	}
}

func TestAPathHasOneReading(t *testing.T) {
	w := newWorld(t)
	for path, want := range map[string]int{
		"/open/":                200,
		"/open/a.b/..c/...":     200,
		"/open/a;b=c/%61%20%25": 200,
		"/open/x?y=../..//%2f":  200,
		"/open/..%2fadmin/":     400,
		"/open/%2e%2e%2Fadmin/": 400,
		"/open/%2e%2e/admin/":   400,
		"/open/../admin/":       400,
		"/open/./x":             400,
		"/open//admin/":         400,
		"/open/..;/admin/":      400,
		"/open/..;x=y/admin/":   400,
		"/open/..%3b/admin/":    400,
		"/open/..%5cadmin/":     400,
	} {
		if got := sitetest.Get(t, w.gateway, path, http.Header{}).StatusCode; got != want {
			t.Errorf("%s is a %d, want %d", path, got, want)
		}
	}
}

func TestAClientCannotSayWhoItIsInATrailer(t *testing.T) {
	w := newWorld(t)
	ann := sitetest.Login(t, w.site, "1", time.Hour)
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, w.gateway.URL+"/", io.MultiReader(strings.NewReader("a body of unknown length")))
	r.Header = sitetest.Bearer(ann.Token)
	r.Trailer = http.Header{"X-User": {"2"}}
	response, err := w.gateway.Client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	got := seen(t, sitetest.Response{StatusCode: response.StatusCode, Body: response.Body})
	if got.Body != "a body of unknown length" || !slices.Equal(got.Header["X-User"], []string{"1"}) || len(got.Trailer["X-User"]) > 0 {
		t.Errorf("the backend got %+v", got)
	}
}

func TestResponsesToAUserStayOutOfSharedCaches(t *testing.T) {
	w := newWorld(t)
	ann := sitetest.Login(t, w.site, "1", time.Hour)
	for path, want := range map[string]string{"/": "private", "/hints": "private", "/public": "private"} {
		response := sitetest.Get(t, w.gateway, path, sitetest.InCookie(ann.Token))
		if got := response.Header.Values("Cache-Control"); !slices.Contains(got, want) {
			t.Errorf("%s: Cache-Control is %q", path, got)
		}
		if got := strings.Join(response.Header.Values("Vary"), ", "); !strings.Contains(got, "Cookie") {
			t.Errorf("%s: Vary is %q", path, got)
		}
	}
	if got := sitetest.Get(t, w.gateway, "/open/", http.Header{}).Header.Values("Cache-Control"); len(got) > 0 {
		t.Errorf("Cache-Control of a stranger's page is %q", got)
	}
}

// The next two show what happens otherwise.
func TestWithDirectorAClientCanTakeTheUserAway(t *testing.T) {
	w := newWorldWith(t, func(backend *url.URL) *httputil.ReverseProxy {
		return &httputil.ReverseProxy{Director: func(r *http.Request) {
			r.URL.Scheme, r.URL.Host = backend.Scheme, backend.Host
			claims, _ := usher.ClaimsFromContext[usher.Claims](r.Context())
			r.Header.Set("X-User", claims.Subject)
		}}
	})
	ann := sitetest.Login(t, w.site, "1", time.Hour)
	header := sitetest.With(sitetest.Bearer(ann.Token), http.Header{"Connection": {"X-User"}})
	if got := seen(t, sitetest.Get(t, w.gateway, "/", header)).Header["X-User"]; len(got) > 0 {
		t.Errorf("X-User is %q: Director is as good as Rewrite, and the page says otherwise", got)
	}
}

func TestAHintBeforeTheResponseDropsTheMiddlewaresHeaders(t *testing.T) {
	w := newWorldWith(t, func(backend *url.URL) *httputil.ReverseProxy {
		proxy := gateway.Proxy(backend)
		proxy.ModifyResponse = nil
		return proxy
	})
	ann := sitetest.Login(t, w.site, "1", time.Hour)
	if got := sitetest.Get(t, w.gateway, "/hints", sitetest.InCookie(ann.Token)).Header.Values("Cache-Control"); len(got) > 0 {
		t.Errorf("Cache-Control is %q: keepPrivate is not needed, and the page says otherwise", got)
	}
}

func TestAPanicOrALostBackendIsA502(t *testing.T) {
	w := newWorld(t)
	ann := sitetest.Login(t, w.site, "1", time.Hour)
	if status := sitetest.Get(t, w.gateway, "/panic", sitetest.Bearer(ann.Token)).StatusCode; status != http.StatusBadGateway {
		t.Errorf("the status is %d after a panic of the backend", status)
	}
	down := sitetest.Serve(t, w.handler(t, "http://127.0.0.1:1"))
	if status := sitetest.Get(t, down, "/", sitetest.Bearer(ann.Token)).StatusCode; status != http.StatusBadGateway {
		t.Errorf("the status is %d without a backend", status)
	}
}

func TestAWebSocketPassesUntilItsSessionEnds(t *testing.T) {
	w := newWorld(t)
	ann := sitetest.Login(t, w.site, "1", time.Hour)
	conn, response, err := websocket.Dial(t.Context(), w.gateway.URL+"/echo", &websocket.DialOptions{ //nolint:bodyclose // Dial closes it
		Subprotocols: []string{gateway.Marker, ann.Token},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if got := response.Header["Sec-Websocket-Protocol"]; !slices.Equal(got, []string{gateway.Marker}) {
		t.Errorf("the protocol is %q", got)
	}
	if err := conn.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, message, err := conn.Read(t.Context()); err != nil || string(message) != "1, with []: hello" {
		t.Errorf("the echo is %q, %v", message, err)
	}
	if err := ann.End(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := conn.Read(t.Context()); err == nil {
		t.Error("the connection goes on after the end of its session")
	}
}

func TestAWebSocketKeepsItsOwnProtocolBesideACookie(t *testing.T) {
	w := newWorld(t)
	ann := sitetest.Login(t, w.site, "1", time.Hour)
	conn, _, err := websocket.Dial(t.Context(), w.gateway.URL+"/echo", &websocket.DialOptions{ //nolint:bodyclose // Dial closes it
		Subprotocols: []string{"chat"}, HTTPHeader: http.Header{"Cookie": {gateway.Cookie + "=" + ann.Token}, "Origin": {w.gateway.URL}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	_ = conn.Write(t.Context(), websocket.MessageText, []byte("hello"))
	if _, message, err := conn.Read(t.Context()); err != nil || string(message) != `1, with ["chat"]: hello` {
		t.Errorf("the echo is %q, %v", message, err)
	}
}

func TestAStreamIsCutOffWhenItsTokenExpires(t *testing.T) {
	w := newWorld(t)
	ann := sitetest.Login(t, w.site, "1", time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, _ := http.NewRequestWithContext(ctx, http.MethodGet, w.gateway.URL+"/forever", nil)
	r.Header = sitetest.Bearer(ann.Token)
	response, err := w.gateway.Client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if string(text) != "begin\n" || err == nil || ctx.Err() != nil {
		t.Errorf("the response is %q, %v; a client has to see that it was cut off", text, err)
	}
}
