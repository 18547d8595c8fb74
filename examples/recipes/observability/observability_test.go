package observability_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/examples/recipes/observability"
)

func TestARefusalIsCountedLoggedAndInItsSpan(t *testing.T) {
	s := newService(t)
	ann, _ := s.login(t, "1")
	bob, _ := s.login(t, "2")
	ghost, _ := s.login(t, "3")
	buggy, _ := s.login(t, "4")
	for _, test := range []struct {
		name, path, route, reason, token, user string
		header                                 http.Header
		down                                   bool
		status                                 int
	}{
		{name: "no token", path: "/users/1", route: "GET /users/{id}", reason: "no_token", status: 401},
		{name: "a bad token", path: "/open", route: "GET /open", token: "bad", reason: "malformed", status: 401},
		{name: "another role", path: "/admin", route: "GET /admin", token: bob, user: "2", reason: "forbidden", status: 403},
		{name: "no user", path: "/admin", route: "GET /admin", token: ghost, user: "3", reason: "no_user", status: 401},
		{name: "two tokens", path: "/admin", route: "GET /admin", token: ann, reason: "many_tokens", status: 400,
			header: http.Header{"Cookie": {"__Host-access=" + ann}}},
		{name: "an outage", path: "/users/7", route: "GET /users/{id}", token: ann, user: "1", reason: "unavailable", down: true, status: 503},
		{name: "a bug", path: "/users/7", route: "GET /users/{id}", token: buggy, user: "4", reason: "error", status: 500},
		{name: "before the router", path: "/inner/7", route: "/inner/", reason: "no_token", status: 401},
	} {
		t.Run(test.name, func(t *testing.T) {
			s.spans.Reset()
			s.down.Store(test.down)
			defer s.down.Store(false)
			counted := s.scrape(t).count("usher_rejections_total", map[string]string{"reason": test.reason, "route": test.route})
			header := test.header.Clone()
			if header == nil {
				header = http.Header{}
			}
			if test.token != "" {
				header.Set("Authorization", "Bearer "+test.token)
			}
			s.spans.Reset()
			if status, _ := s.send(t, http.MethodGet, test.path, header, ""); status != test.status {
				t.Errorf("the status is %d, want %d", status, test.status)
			}
			span := s.span(t)
			if got := s.scrape(t).count("usher_rejections_total", map[string]string{"reason": test.reason, "route": test.route}); got != counted+1 {
				t.Errorf("the count went from %v to %v", counted, got)
			}
			if got := attributes(span); got["usher.reason"] != test.reason || got["enduser.id"] != test.user {
				t.Errorf("the span has %v", got)
			}
			if (len(span.Events) > 0) != (test.status >= 500) {
				t.Errorf("the span has the events %v", span.Events)
			}
			line := "reason=" + test.reason
			if lines := s.log.String(); !strings.Contains(lastLine(lines), line) ||
				!strings.Contains(lastLine(lines), "trace_id="+span.SpanContext.TraceID().String()) {
				t.Errorf("the last line of the log is %s", lastLine(lines))
			}
		})
	}
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

func attributes(span tracetest.SpanStub) map[string]string {
	all := make(map[string]string)
	for _, attribute := range span.Attributes {
		all[string(attribute.Key)] = attribute.Value.String()
	}
	return all
}

// span waits for the span of the only request since the last reset: it ends after the client has the response.
func (s *service) span(t *testing.T) tracetest.SpanStub {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for {
		if spans := s.spans.GetSpans(); len(spans) > 0 {
			return spans[0]
		}
		select {
		case <-ctx.Done():
			t.Fatal("there is no span")
		case <-again.C:
		}
	}
}

func TestASpanHasItsRouteAndItsUser(t *testing.T) {
	s := newService(t)
	ann, _ := s.login(t, "1")
	for _, test := range []struct{ path, token, name, route, user string }{
		{"/users/42", ann, "GET /users/{id}", "/users/{id}", "1"},
		{"/inner/42", ann, "GET /inner/{id}", "/inner/{id}", "1"}, // the pattern of a router inside the middleware
		{"/open", "", "GET /open", "/open", ""},
		{"/no/such/page", ann, "GET", "", ""},
	} {
		t.Run(test.path, func(t *testing.T) {
			s.spans.Reset()
			s.get(t, test.path, test.token)
			span := s.span(t)
			got := attributes(span)
			if span.Name != test.name || got["http.route"] != test.route || got["enduser.id"] != test.user {
				t.Errorf("the span is %q with %v", span.Name, got)
			}
		})
	}
}

func TestASpanTellsOfAPanic(t *testing.T) {
	s := newService(t)
	ann, _ := s.login(t, "1")
	s.spans.Reset()
	if status, _ := s.get(t, "/panic", ann); status != 0 {
		t.Errorf("the status is %d, want none", status)
	}
	span := s.span(t)
	if got := attributes(span); span.Status.Code != codes.Error || got["http.route"] != "/panic" || got["enduser.id"] != "1" {
		t.Errorf("the span has the status %v and %v", span.Status, got)
	}
}

func TestASpanTellsOfItsSession(t *testing.T) {
	s := newService(t)
	s.spans.Reset()
	s.login(t, "1")
	if span := s.span(t); len(span.Events) != 1 || span.Events[0].Name != "usher.session" {
		t.Errorf("the events of a login's span are %v", span.Events)
	}
}

func TestAStolenRefreshTokenIsAWarningWithItsUserAndAddress(t *testing.T) {
	s := newService(t)
	s.use(t)
	var warnings []string
	for line := range strings.Lines(s.log.String()) {
		if strings.Contains(line, "level=WARN") {
			warnings = append(warnings, line)
		}
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0], `"usher: session reused" sub=1 `) ||
		!strings.Contains(warnings[0], "address=127.0.0.1") || !strings.Contains(warnings[0], "trace_id=") {
		t.Errorf("the warnings are %q", warnings)
	}
	if got := s.scrape(t).count("usher_session_events_total", map[string]string{"kind": "reused"}); got != 1 {
		t.Errorf("the count is %v", got)
	}
}

func TestAStrangersPathNeverBecomesALabel(t *testing.T) {
	s := newService(t)
	s.use(t)
	for _, path := range []string{"/inner/a", "/inner/b/c", "/users/x", "/users/y", "/nothing", "/admin/else", "/%2e%2e/metrics"} {
		s.get(t, path, "")
		s.get(t, path, "not.a.token")
		s.send(t, "STRANGE", path, nil, "")
	}
	routes := []string{"none", "GET /users/{id}", "GET /admin", "GET /open", "/inner/", "POST /login", "POST /refresh"}
	for _, labels := range s.scrape(t)["usher_rejections_total"] {
		if !slices.Contains(routes, labels.labels["route"]) {
			t.Errorf("a label is %q", labels.labels["route"])
		}
	}
}

// meters are a provider of metrics that notes whether it is asked for any.
type meters struct {
	noop.MeterProvider
	asked bool
}

func (m *meters) Meter(name string, opts ...metric.MeterOption) metric.Meter {
	m.asked = true
	return m.MeterProvider.Meter(name, opts...)
}

// The Host header would be one of their labels.
func TestSpansHaveNoMetricsUnlessTheyAreAskedFor(t *testing.T) {
	before := otel.GetMeterProvider()
	defer otel.SetMeterProvider(before)
	everybodys, own := &meters{}, &meters{}
	otel.SetMeterProvider(everybodys)
	observability.Spans(http.NotFoundHandler())
	if everybodys.asked {
		t.Error("the program's provider is asked for metrics")
	}
	observability.Spans(http.NotFoundHandler(), otelhttp.WithMeterProvider(own))
	if !own.asked {
		t.Error("a provider of the options is not asked")
	}
}

func TestARequestBeforeAnyRouterHasNoRoute(t *testing.T) {
	registry := prometheus.NewRegistry()
	metrics, err := observability.NewMetrics(registry)
	if err != nil {
		t.Fatal(err)
	}
	decoder := usher.Must(usher.NewDecoder[usher.Claims](usher.Must(usher.GenerateKey(usher.HS256)), nil))
	auth := usher.Must(usher.NewMiddleware(decoder, usher.ClaimsAsUser[usher.Claims], &usher.MiddlewareOptions{
		Check: metrics.Check(nil), Observe: metrics.Observe(slog.New(slog.DiscardHandler)),
	}))
	r := httptest.NewRequest(http.MethodGet, "/a/strangers/path", nil)
	auth.Require(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), r)
	if got := gather(t, registry).count("usher_rejections_total", map[string]string{"reason": "no_token", "route": "none"}); got != 1 {
		t.Errorf("the count is %v", got)
	}
}

func TestCheckAndTheUserLookupAreMeasured(t *testing.T) {
	revoked := errors.New("a text")
	for name, test := range map[string]struct {
		err    error
		result string
	}{
		"ok":          {nil, "ok"},
		"a refusal":   {&usher.Rejection{Status: http.StatusTooManyRequests}, "too_many"},
		"an outage":   {errors.Join(usher.ErrUnavailable, revoked), "unavailable"},
		"a revoked":   {usher.ErrTokenRevoked, "revoked"},
		"any trouble": {revoked, "error"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				registry := prometheus.NewRegistry()
				metrics, err := observability.NewMetrics(registry)
				if err != nil {
					t.Fatal(err)
				}
				slow := func() error { <-time.After(time.Second / 4); return test.err }
				check := metrics.Check(func(context.Context, *usher.Claims) error { return slow() })
				load := observability.User(metrics, func(context.Context, *usher.Claims) (string, error) { return "Ann", slow() })
				if err := check(t.Context(), &usher.Claims{}); !errors.Is(err, test.err) {
					t.Errorf("Check returns %v", err)
				}
				if user, err := load(t.Context(), &usher.Claims{}); user != "Ann" || !errors.Is(err, test.err) {
					t.Errorf("the user is %q, %v", user, err)
				}
				for _, metric := range []string{"usher_check_duration_seconds", "usher_user_duration_seconds"} {
					if got := gather(t, registry).count(metric, map[string]string{"result": test.result}); got != 0.25 {
						t.Errorf("the sum of %s is %v", metric, got)
					}
				}
			})
		})
	}
}

func TestMetricsCanBeRegisteredOnce(t *testing.T) {
	registry := prometheus.NewRegistry()
	if _, err := observability.NewMetrics(registry); err != nil {
		t.Fatal(err)
	}
	if _, err := observability.NewMetrics(registry); err == nil {
		t.Error("the second registration is no error")
	}
}

func TestALogKeepsItsTraceInGroupsAndWithAttributes(t *testing.T) {
	s := newService(t)
	log := slog.New(observability.LogTraces(slog.NewTextHandler(s.log, nil))).With("a", 1).WithGroup("g")
	log.Info("outside a request", "b", 2)
	if line := lastLine(s.log.String()); strings.Contains(line, "trace_id") || !strings.Contains(line, "a=1 g.b=2") {
		t.Errorf("the line is %s", line)
	}
}
