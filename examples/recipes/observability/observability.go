// Package observability adds metrics for Prometheus, spans for OpenTelemetry, and lines for log/slog with the trace's ID to a
// service that uses usher. dashboard.json is a dashboard for Grafana, and alerts.yml has rules for Prometheus.
//
//	metrics, err := observability.NewMetrics(prometheus.DefaultRegisterer)
//	…
//	auth, err := usher.NewMiddleware(decoder, observability.User(metrics, loadUser), &usher.MiddlewareOptions{
//		Check:   metrics.Check(sessions.Check),
//		Observe: metrics.Observe(log),
//	})
package observability

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric/noop"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

// Metrics are the metrics of a service. Create them with NewMetrics. They are safe for concurrent use.
type Metrics struct {
	rejections *prometheus.CounterVec
	checks     *prometheus.HistogramVec
	users      *prometheus.HistogramVec
	events     *prometheus.CounterVec
}

// NewMetrics registers the metrics. The values of their labels are words and routes of the program. Clients can't choose them.
func NewMetrics(registerer prometheus.Registerer) (*Metrics, error) {
	buckets := prometheus.ExponentialBuckets(0.000_1, 4, 9) // 0.1 ms to 6.6 s
	m := &Metrics{
		rejections: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "usher_rejections_total", Help: "Requests that were refused, by Rejection.Reason.",
		}, []string{"reason", "route"}),
		checks: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "usher_check_duration_seconds", Help: "How long Check took, by its result: ok or a reason.", Buckets: buckets,
		}, []string{"result"}),
		users: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "usher_user_duration_seconds", Help: "How long it took to find the user, by the result: ok or a reason.", Buckets: buckets,
		}, []string{"result"}),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "usher_session_events_total", Help: "What happened to sessions, by session.EventKind.",
		}, []string{"kind"}),
	}
	var errs []error
	for _, metric := range []prometheus.Collector{m.rejections, m.checks, m.users, m.events} {
		errs = append(errs, registerer.Register(metric))
	}
	// If a counter begins with its first event, Prometheus sees no increase, and the alert for a stolen token would miss the event.
	for _, kind := range []session.EventKind{
		session.EventStarted, session.EventRefreshed, session.EventRetried, session.EventReused, session.EventEnded, session.EventRefused,
	} {
		m.events.WithLabelValues(string(kind))
	}
	return m, errors.Join(errs...)
}

// Observe returns a function for MiddlewareOptions.Observe and session.HandlerOptions.Observe. It logs the refusal, counts it
// by reason and route, and writes the reason and the token's user to the request's span. If log is nil, it uses slog.Default.
func (m *Metrics) Observe(log *slog.Logger) func(r *http.Request, rej *usher.Rejection) {
	logged := usher.LogRejections(log)
	return func(r *http.Request, rej *usher.Rejection) {
		logged(r, rej)
		m.rejections.WithLabelValues(rej.Reason(), route(r)).Inc()
		span := trace.SpanFromContext(r.Context())
		span.SetAttributes(attribute.String("usher.reason", rej.Reason()))
		if token, ok := errors.AsType[*usher.TokenError](rej.Err); ok {
			span.SetAttributes(semconv.EnduserID(token.Claims.Subject))
		}
		if rej.Status >= http.StatusInternalServerError && rej.Err != nil {
			span.RecordError(rej.Err)
		}
	}
}

// route returns the pattern that matched the request. It is "none" if no pattern matched, or if the middleware is outside the
// router. It is never the path, which a client can choose.
func route(r *http.Request) string {
	if r.Pattern == "" {
		return "none"
	}
	return r.Pattern
}

// Check returns a function for MiddlewareOptions.Check that measures check, which may be nil, and writes the user's ID to the
// request's span.
func (m *Metrics) Check(check func(context.Context, *usher.Claims) error) func(context.Context, *usher.Claims) error {
	return func(ctx context.Context, c *usher.Claims) error {
		trace.SpanFromContext(ctx).SetAttributes(semconv.EnduserID(c.Subject))
		if check == nil {
			return nil
		}
		start := time.Now()
		err := check(ctx, c)
		m.checks.WithLabelValues(result(err)).Observe(time.Since(start).Seconds())
		return err
	}
}

// User returns a user function for usher.NewMiddleware that measures user.
func User[C, U any](m *Metrics, user func(context.Context, *C) (U, error)) func(context.Context, *C) (U, error) {
	return func(ctx context.Context, c *C) (U, error) {
		start := time.Now()
		u, err := user(ctx, c)
		m.users.WithLabelValues(result(err)).Observe(time.Since(start).Seconds())
		return u, err
	}
}

// result is ok, or the reason of an error.
func result(err error) string {
	if err == nil {
		return "ok"
	}
	rej, ok := errors.AsType[*usher.Rejection](err)
	if !ok {
		rej = &usher.Rejection{Err: err}
	}
	return rej.Reason()
}

// OnEvent returns a function for session.Config.OnEvent. It counts the event, logs it, and writes it to the request's span. The
// level is Warn for a reused refresh token, Info for the start and the end of a session, and Debug for all other events. If log
// is nil, it uses slog.Default.
func (m *Metrics) OnEvent(log *slog.Logger) func(ctx context.Context, e session.Event) {
	if log == nil {
		log = slog.Default()
	}
	return func(ctx context.Context, e session.Event) {
		m.events.WithLabelValues(string(e.Kind)).Inc()
		trace.SpanFromContext(ctx).AddEvent("usher.session", trace.WithAttributes(attribute.String("usher.session.kind", string(e.Kind))))
		level := slog.LevelDebug
		switch e.Kind {
		case session.EventReused:
			level = slog.LevelWarn
		case session.EventStarted, session.EventEnded:
			level = slog.LevelInfo
		}
		log.Log(ctx, level, "usher: session "+string(e.Kind),
			"sub", e.Subject, "sid", e.SessionID, "address", e.Address, "agent", e.UserAgent, "error", e.Err)
	}
}

// Spans returns a handler that makes a span for each request, named after the route. Make it the outermost handler, around the
// router. If strangers can reach the service, pass otelhttp.WithPublicEndpointFn, so that their requests don't continue their own
// traces. It turns the metrics of otelhttp off, unless opts set a meter provider, because one of their labels is the Host header,
// which clients can choose.
func Spans(next http.Handler, opts ...otelhttp.Option) http.Handler {
	return otelhttp.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		span, returned := trace.SpanFromContext(r.Context()), false
		defer func() {
			// The router has set the pattern by now. The host and the method before its path are other attributes.
			if i := strings.IndexByte(r.Pattern, '/'); i >= 0 {
				span.SetAttributes(semconv.HTTPRoute(r.Pattern[i:]))
			}
			if !returned {
				span.SetStatus(codes.Error, "panic")
			}
		}()
		next.ServeHTTP(w, r)
		returned = true
	}), "", append([]otelhttp.Option{otelhttp.WithMeterProvider(noop.NewMeterProvider())}, opts...)...)
}

// LogTraces returns a handler for slog.New that adds trace_id and span_id to the lines of a request.
func LogTraces(next slog.Handler) slog.Handler { return tracedLog{next} }

type tracedLog struct{ slog.Handler }

func (t tracedLog) Handle(ctx context.Context, record slog.Record) error {
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		record.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return t.Handler.Handle(ctx, record)
}

func (t tracedLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return tracedLog{t.Handler.WithAttrs(attrs)}
}

func (t tracedLog) WithGroup(name string) slog.Handler { return tracedLog{t.Handler.WithGroup(name)} }
