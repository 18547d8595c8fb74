package fiber3recipe_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/adaptor"

	"github.com/go-usher/usher"
	fiber3recipe "github.com/go-usher/usher/examples/recipes/routers/fiber3"
	"github.com/go-usher/usher/examples/recipes/routers/internal/routertest"
)

func TestFiber3(t *testing.T) {
	routertest.Run(t, routertest.Recipe{
		Serve: func(t *testing.T, s *routertest.Service) string {
			return serve(t, usher.Must(fiber3recipe.New(s.Auth, s.Sessions, s.Ticks)))
		},
		Refusal:   func(_ int, description string) string { return fmt.Sprintf(`{"error":%q}`, description) },
		Head:      http.StatusOK, // fiber routes them to GET
		Preflight: http.StatusMethodNotAllowed,
		Route:     "/me",
	})
}

// serve serves an app until the test ends, and returns its URL.
func serve(t *testing.T, app *fiber.App) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() {
		if err := app.Listener(listener, fiber.ListenConfig{DisableStartupMessage: true}); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		if err := app.Shutdown(); err != nil {
			t.Error(err)
		}
		served.Wait()
	})
	return "http://" + listener.Addr().String()
}

// serving serves routes that a test adds to an app.
func serving(t *testing.T, add func(app *fiber.App)) *routertest.Client {
	t.Helper()
	app := fiber.New()
	add(app)
	return routertest.NewClient(t, serve(t, app))
}

func public(c fiber.Ctx) error { return c.SendString("public") }

func TestTheDefaultErrorHandlerKeepsStatusAndHeaders(t *testing.T) {
	s := routertest.NewService(t)
	c := serving(t, func(app *fiber.App) { app.Get("/me", fiber3recipe.Protect(s.Auth, false), public) })
	got := c.Do("GET /me")
	if got.Status != http.StatusUnauthorized || got.Body != "An access token is required." || got.Header.Get("WWW-Authenticate") == "" {
		t.Errorf("%d %q %v, want a 401 with a text and a challenge", got.Status, got.Body, got.Header)
	}
}

// TestTheAdaptorLosesTheUser is the wrong way: it copies the values of contexts that it knows the fields of.
func TestTheAdaptorLosesTheUser(t *testing.T) {
	s := routertest.NewService(t)
	c := serving(t, func(app *fiber.App) {
		app.Get("/me", adaptor.HTTPMiddleware(s.Auth.Require), func(c fiber.Ctx) error {
			_, inUsers := s.Auth.User(c.Context())
			_, inFasthttps := s.Auth.User(c.RequestCtx())
			return c.SendString(fmt.Sprint(inUsers, inFasthttps))
		})
	})
	alice, _ := s.Login(t, "1")
	if got := c.Do("GET /me", routertest.Bearer(alice)); got.Body != "false false" {
		t.Errorf("through adaptor.HTTPMiddleware, the user is found: %q", got.Body)
	}
}

// TestTheAdaptorsStringsChange is the wrong way: fiber v3 mounts handlers of net/http by its adaptor, and what they keep of a request is overwritten by the next one.
func TestTheAdaptorsStringsChange(t *testing.T) {
	s := routertest.NewService(t)
	var mu sync.Mutex
	var agents []string
	keep := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		agents = append(agents, r.UserAgent())
	})
	c := serving(t, func(app *fiber.App) { app.Get("/me", s.Auth.Require(keep)) })
	token, _ := s.Login(t, "1")
	sent := []string{"agent one", "agent two"}
	for _, agent := range sent {
		c.Do("GET /me", routertest.Bearer(token), routertest.Header("User-Agent", agent))
	}
	mu.Lock()
	defer mu.Unlock()
	if len(agents) != len(sent) || agents[0] == sent[0] {
		t.Errorf("the handler kept %q of %q: the adaptor copies them now", agents, sent)
	}
}

// TestUseProtectsOnlyTheRoutesBelowIt is why the recipe gives the middleware to each route.
func TestUseProtectsOnlyTheRoutesBelowIt(t *testing.T) {
	s := routertest.NewService(t)
	c := serving(t, func(app *fiber.App) {
		app.Get("/above", public)
		app.Use(fiber3recipe.Protect(s.Auth, false))
		app.Get("/below", public)
	})
	if above, below := c.Do("GET /above").Status, c.Do("GET /below").Status; above != http.StatusOK || below != http.StatusUnauthorized {
		t.Errorf("above Use: %d, below: %d, want 200 and 401", above, below)
	}
}

func TestHeadersOfOtherMiddlewaresStay(t *testing.T) {
	s := routertest.NewService(t)
	c := serving(t, func(app *fiber.App) {
		app.Use(func(c fiber.Ctx) error {
			c.Vary("Origin")
			return c.Next()
		}, fiber3recipe.Protect(s.Auth, false))
		app.Get("/me", public)
	})
	token, _ := s.Login(t, "1")
	for _, token := range []string{token, "bad"} {
		if got := c.Do("GET /me", routertest.Bearer(token)); len(got.Header.Values("Vary")) < 2 || got.Header.Get("Vary") != "Origin" {
			t.Errorf("%d with Vary %q, want Origin first and usher's after it", got.Status, got.Header.Values("Vary"))
		}
	}
}

// TestAMountedHandlerGetsTheWholeRequest: what DPoP, throttles and forms need is there, after Protect has read it once.
func TestAMountedHandlerGetsTheWholeRequest(t *testing.T) {
	s := routertest.NewService(t)
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		client, _, err := net.SplitHostPort(r.RemoteAddr)
		body, readErr := io.ReadAll(r.Body)
		user, known := s.Auth.User(r.Context())
		if err != nil || readErr != nil || !known {
			t.Error(err, readErr, known)
			return
		}
		fmt.Fprint(w, strings.Join([]string{
			r.Method, r.RequestURI, r.URL.Path, r.URL.Query().Get("q"), r.PathValue("id"), r.Pattern, r.Proto, client, string(body),
			fmt.Sprint(r.ContentLength), user.Name,
		}, " "))
		w.Header().Set("X-Host", r.Host)
	})
	c := serving(t, func(app *fiber.App) {
		app.Post("/posts/:id", fiber3recipe.Protect(s.Auth, false), fiber3recipe.Handler(echo))
	})
	token, _ := s.Login(t, "1")
	got := c.Do("POST /posts/4%202?q=a%26b", routertest.Bearer(token), routertest.Body("a body"))
	const want = "POST /posts/4%202?q=a%26b /posts/4 2 a&b 4%202 /posts/:id HTTP/1.1 127.0.0.1 a body 6 Alice"
	if got.Body != want || !strings.HasPrefix(got.Header.Get("X-Host"), "127.0.0.1:") {
		t.Errorf("the handler sees %q of %s, want %q", got.Body, got.Header.Get("X-Host"), want)
	}
}

// kept is what a service may keep beyond a request: in a log, in a table of sessions.
type kept struct {
	want                               string
	ctx                                context.Context
	token, agent, path, value, subject string
}

func (k *kept) changed(s *routertest.Service) error {
	user, _ := s.Auth.User(k.ctx)
	claims, _ := s.Auth.Claims(k.ctx)
	if user == nil || claims == nil || claims.Subject != k.subject {
		return errors.New("the context lost its user")
	}
	for what, pair := range map[string][2]string{
		"token": {k.token, "Bearer " + k.want}, "User-Agent": {k.agent, k.want}, "path": {k.path, "/keep/" + k.want}, "path value": {k.value, k.want},
	} {
		if pair[0] != pair[1] {
			return fmt.Errorf("a %s that was kept has changed from %q to %q", what, pair[1], pair[0])
		}
	}
	return nil
}

// TestWhatIsKeptOfARequestDoesNotChange: fasthttp reuses its buffers, and fiber its contexts, under load at once.
func TestWhatIsKeptOfARequestDoesNotChange(t *testing.T) {
	s := routertest.NewService(t)
	var mu sync.Mutex
	var all []*kept
	keep := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		claims, _ := s.Auth.Claims(r.Context())
		k := &kept{
			want: strings.Clone(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")), ctx: r.Context(),
			token: r.Header.Get("Authorization"), agent: r.UserAgent(), path: r.URL.Path, value: r.PathValue("id"), subject: claims.Subject,
		}
		mu.Lock()
		defer mu.Unlock()
		all = append(all, k)
	})
	app := fiber.New()
	app.Get("/keep/:id", fiber3recipe.Protect(s.Auth, false), fiber3recipe.Handler(keep))
	url := serve(t, app)

	const clients, requests = 4, 50
	var done sync.WaitGroup
	for i := range clients {
		subject := fmt.Sprint(i%2 + 1)
		c := routertest.NewClient(t, url)
		var tokens []string
		for range 5 {
			token, _ := s.Login(t, subject)
			tokens = append(tokens, token)
		}
		done.Go(func() {
			for n := range requests {
				token := tokens[n%len(tokens)]
				if got := c.Do("GET /keep/"+token, routertest.Bearer(token), routertest.Header("User-Agent", token)); got.Status != http.StatusOK {
					t.Errorf("GET /keep: %d %s", got.Status, got.Body)
				}
			}
		})
	}
	done.Wait()
	if len(all) != clients*requests {
		t.Fatalf("%d requests were kept, want %d", len(all), clients*requests)
	}
	for _, k := range all {
		if err := k.changed(s); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAStreamEndsWhenItsClientIsGone: at the next write, for fasthttp does not watch the connection.
func TestAStreamEndsWhenItsClientIsGone(t *testing.T) {
	s := routertest.NewService(t)
	app := usher.Must(fiber3recipe.New(s.Auth, s.Sessions, s.Ticks))
	c := routertest.NewClient(t, serve(t, app))
	token, _ := s.Login(t, "1")
	response := c.Open("GET /stream", routertest.Bearer(token))
	if _, err := response.Body.Read(make([]byte, len("tick\n"))); err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	ended := make(chan error, 1)
	go func() { ended <- app.Shutdown() }() // waits for the stream
	for {
		select {
		case s.Ticks <- struct{}{}:
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
			return
		}
	}
}
