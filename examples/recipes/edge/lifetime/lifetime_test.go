package lifetime_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/examples/recipes/edge/internal/site"
	"github.com/go-usher/usher/examples/recipes/edge/internal/sitetest"
	"github.com/go-usher/usher/examples/recipes/edge/lifetime"
)

// inside calls test with a request that auth let in, with a token that lasts ten minutes.
func inside(t *testing.T, auth *site.Auth, token string, test func(r *http.Request)) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/", nil).WithContext(t.Context())
	r.Header = sitetest.Bearer(token)
	called := false
	auth.Require(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		called = true
		test(r)
	})).ServeHTTP(httptest.NewRecorder(), r)
	if !called {
		t.Error("the request was refused")
	}
}

func TestAContextEndsWhen(t *testing.T) {
	for _, test := range []struct {
		name   string
		happen func(s *site.Site, login site.Login, cancel context.CancelFunc)
		after  time.Duration // when the context ends
		reason string
	}{
		{"the token expires", func(*site.Site, site.Login, context.CancelFunc) {}, 10 * time.Minute, "expired"},
		{"the session has ended", func(_ *site.Site, login site.Login, _ context.CancelFunc) {
			_ = login.End(context.Background())
		}, time.Minute, "session_ended"},
		{"the token expires in an outage", func(s *site.Site, _ site.Login, _ context.CancelFunc) {
			s.Down.Store(true)
		}, 10 * time.Minute, "expired"},
		{"its work is done", func(_ *site.Site, _ site.Login, cancel context.CancelFunc) { cancel() }, 0, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := sitetest.New(t)
				login := sitetest.Login(t, s, "1", 10*time.Minute)
				began := time.Now()
				inside(t, sitetest.Auth(t, s), login.Token, func(r *http.Request) {
					ctx, cancel := lifetime.Context(r, sitetest.Auth(t, s), time.Minute)
					defer cancel()
					if rej := lifetime.Refusal(ctx); rej != nil {
						t.Errorf("it begins with the refusal %v", rej)
					}
					test.happen(s, login, cancel)
					<-ctx.Done()
					if passed := time.Since(began); passed != test.after {
						t.Errorf("it ended after %v, want %v", passed, test.after)
					}
					rej := lifetime.Refusal(ctx)
					if (rej != nil) != (test.reason != "") || rej != nil && rej.Reason() != test.reason {
						t.Errorf("the refusal is %v, want %q", rej, test.reason)
					}
				})
			})
		})
	}
}

// The check runs beside the handler, where the server would not recover the panic.
func TestAPanicOfACheckEndsItsContextAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := slog.Default()
		slog.SetDefault(slog.New(slog.DiscardHandler))
		defer slog.SetDefault(log)
		s := sitetest.New(t)
		login := sitetest.Login(t, s, "1", 10*time.Minute)
		broken, err := s.Auth(usher.MiddlewareOptions{Confirm: func(*http.Request, string, *usher.Claims) (http.Header, error) { panic("on purpose") }})
		if err != nil {
			t.Fatal(err)
		}
		inside(t, sitetest.Auth(t, s), login.Token, func(r *http.Request) {
			began := time.Now()
			ctx, cancel := lifetime.Context(r, broken, time.Minute)
			defer cancel()
			<-ctx.Done()
			if rej := lifetime.Refusal(ctx); rej == nil || rej.Status != http.StatusInternalServerError || time.Since(began) != time.Minute {
				t.Errorf("it ended after %v with %v", time.Since(began), rej)
			}
		})
	})
}

func TestWithoutAnIntervalThereIsACheckEveryMinute(t *testing.T) {
	for _, every := range []time.Duration{0, -time.Second} {
		synctest.Test(t, func(t *testing.T) {
			s := sitetest.New(t)
			login := sitetest.Login(t, s, "1", 10*time.Minute)
			inside(t, sitetest.Auth(t, s), login.Token, func(r *http.Request) {
				began := time.Now()
				ctx, cancel := lifetime.Context(r, sitetest.Auth(t, s), every)
				defer cancel()
				_ = login.End(context.Background())
				<-ctx.Done()
				if passed := time.Since(began); passed != time.Minute {
					t.Errorf("it ended after %v", passed)
				}
			})
		})
	}
}
