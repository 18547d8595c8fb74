package observability_test

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metricsql"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"github.com/go-usher/usher/session"
)

// sample is a value with its labels: of a counter, or the sum of a histogram.
type sample struct {
	labels map[string]string
	value  float64
}

// samples are those of a scrape, by metric. The metrics of a histogram are three, of which the buckets have the label le.
type samples map[string][]sample

func (s samples) count(metric string, labels map[string]string) float64 {
	if _, ok := s[metric]; !ok {
		metric += "_sum"
	}
	for _, one := range s[metric] {
		same := true
		for name, value := range labels {
			same = same && one.labels[name] == value
		}
		if same {
			return one.value
		}
	}
	return 0
}

// labels returns the names of a metric's labels.
func (s samples) labels(metric string) map[string]bool {
	names := make(map[string]bool)
	for _, one := range s[metric] {
		for name := range one.labels {
			names[name] = true
		}
	}
	return names
}

func (s samples) add(family *dto.MetricFamily) {
	for _, metric := range family.GetMetric() {
		labels := make(map[string]string)
		for _, label := range metric.GetLabel() {
			labels[label.GetName()] = label.GetValue()
		}
		name, histogram := family.GetName(), metric.GetHistogram()
		if histogram == nil {
			s[name] = append(s[name], sample{labels, metric.GetCounter().GetValue()})
			continue
		}
		s[name+"_sum"] = append(s[name+"_sum"], sample{labels, histogram.GetSampleSum()})
		s[name+"_count"] = append(s[name+"_count"], sample{labels, float64(histogram.GetSampleCount())})
		bucket := map[string]string{"le": "+Inf"}
		maps.Copy(bucket, labels)
		s[name+"_bucket"] = append(s[name+"_bucket"], sample{bucket, float64(histogram.GetSampleCount())})
	}
}

// scrape asks the running service, as Prometheus does.
func (s *service) scrape(t *testing.T) samples {
	t.Helper()
	status, text := s.get(t, "/metrics", "")
	if status != http.StatusOK {
		t.Fatalf("/metrics is a %d", status)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	all := make(samples)
	for _, family := range families {
		all.add(family)
	}
	return all
}

func gather(t *testing.T, registry *prometheus.Registry) samples {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := make(samples)
	for _, family := range families {
		all.add(family)
	}
	return all
}

// query is an expression, and the text that is printed with its labels.
type query struct{ where, expr, legend string }

func dashboard(t *testing.T) []query {
	t.Helper()
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr, LegendFormat string }
		}
	}
	if err := json.Unmarshal(read(t, "dashboard.json"), &board); err != nil {
		t.Fatal(err)
	}
	var queries []query
	for _, panel := range board.Panels {
		for _, target := range panel.Targets {
			queries = append(queries, query{panel.Title, target.Expr, target.LegendFormat})
		}
	}
	return queries
}

func alerts(t *testing.T) []query {
	t.Helper()
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Annotations struct{ Summary string }
			}
		}
	}
	decoder := yaml.NewDecoder(strings.NewReader(string(read(t, "alerts.yml"))))
	if err := decoder.Decode(&file); err != nil {
		t.Fatal(err)
	}
	if err := decoder.Decode(&file); !errors.Is(err, io.EOF) {
		t.Fatalf("the file goes on: %v", err)
	}
	var queries []query
	for _, rule := range file.Groups[0].Rules {
		queries = append(queries, query{rule.Alert, rule.Expr, rule.Annotations.Summary})
	}
	return queries
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// use is a metric in an expression, with the labels that the expression names for it.
type use struct {
	metric  string
	labels  []string
	filters []metricsql.LabelFilter
}

// uses returns the metrics of an expression, and the labels by which it groups its result.
func uses(t *testing.T, q query) (found []use, groups []string) {
	t.Helper()
	grafana := regexp.MustCompile(`\$__(rate_interval|range)`) // is a duration
	expr, err := metricsql.Parse(grafana.ReplaceAllString(q.expr, "5m"))
	if err != nil {
		t.Fatalf("%s: %v", q.where, err)
	}
	metricsql.VisitAll(expr, func(e metricsql.Expr) {
		if metric, ok := e.(*metricsql.MetricExpr); ok {
			var one use
			for _, filter := range slices.Concat(metric.LabelFilterss...) {
				if filter.Label == "__name__" {
					one.metric = filter.Value
					continue
				}
				one.labels = append(one.labels, filter.Label)
				one.filters = append(one.filters, filter)
			}
			found = append(found, one)
		}
		if group, ok := e.(*metricsql.AggrFuncExpr); ok {
			groups = append(groups, group.Modifier.Args...)
		}
	})
	if len(found) == 0 {
		t.Fatalf("%s: there is no metric in %s", q.where, q.expr)
	}
	return found, groups
}

func TestWhatTheDashboardShowsIsWhatAServiceHas(t *testing.T) {
	s := newService(t)
	s.use(t)
	scraped := s.scrape(t)
	shown := make(map[string][]string) // labels by metric
	for _, q := range dashboard(t) {
		found, groups := uses(t, q)
		for _, one := range found {
			labels := slices.Concat(one.labels, groups)
			shown[one.metric] = append(shown[one.metric], labels...)
			exists(t, q, scraped, one.metric, labels)
			matches(t, q, one)
		}
		legend := regexp.MustCompile(`{{(\w+)}}`).FindAllStringSubmatch(q.legend, -1)
		for _, label := range legend {
			if !slices.Contains(groups, label[1]) {
				t.Errorf("%s: the legend names %s, by which nothing is grouped", q.where, label[1])
			}
		}
	}
	for metric := range scraped {
		for label := range scraped.labels(metric) {
			if !slices.Contains(shown[metric], label) && !grouped(shown, metric, label) {
				t.Errorf("the dashboard does not show the label %s of %s", label, metric)
			}
		}
		if _, ok := shown[metric]; !ok {
			t.Errorf("the dashboard does not show %s", metric)
		}
	}
}

// grouped tells whether another metric of the same histogram shows the label.
func grouped(shown map[string][]string, metric, label string) bool {
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		family, ok := strings.CutSuffix(metric, suffix)
		if ok && slices.Contains(shown[family+"_count"], label) {
			return true
		}
	}
	return false
}

func TestAlertsAreAboutWhatAServiceHas(t *testing.T) {
	s := newService(t)
	s.use(t)
	scraped := s.scrape(t)
	queries := alerts(t)
	if len(queries) < 5 {
		t.Fatalf("there are %d alerts", len(queries))
	}
	for _, q := range queries {
		found, groups := uses(t, q)
		for _, one := range found {
			exists(t, q, scraped, one.metric, slices.Concat(one.labels, groups))
			matches(t, q, one)
		}
		if q.where == "" || q.legend == "" {
			t.Errorf("%+v has no name or summary", q)
		}
		for _, label := range regexp.MustCompile(`\$labels\.(\w+)`).FindAllStringSubmatch(q.legend, -1) {
			if !slices.Contains(groups, label[1]) {
				t.Errorf("%s: the summary names %s, by which nothing is grouped", q.where, label[1])
			}
		}
	}
}

// exists checks that the service has the metric, with these labels.
func exists(t *testing.T, q query, scraped samples, metric string, labels []string) {
	t.Helper()
	if len(scraped[metric]) == 0 {
		t.Errorf("%s: the service has no %s", q.where, metric)
	}
	for _, label := range labels {
		if !scraped.labels(metric)[label] {
			t.Errorf("%s: %s has no label %s", q.where, metric, label)
		}
	}
}

// matches checks that labels can have the values that an expression looks for.
func matches(t *testing.T, q query, one use) {
	t.Helper()
	known := map[string][]string{
		"reason": reasons(t),
		"result": append(reasons(t), "ok"),
		"kind":   {string(session.EventReused), string(session.EventStarted), string(session.EventRefused)},
	}
	for _, filter := range one.filters {
		values := []string{filter.Value}
		if filter.IsRegexp {
			values = strings.Split(filter.Value, "|")
		}
		for _, value := range values {
			if !slices.Contains(known[filter.Label], value) {
				t.Errorf("%s: %s is never %q", q.where, filter.Label, value)
			}
		}
	}
}

// reasons returns those that Rejection.Reason documents.
func reasons(t *testing.T) []string {
	t.Helper()
	comment := regexp.MustCompile(`(?s)// Reason returns one word.*?\nfunc \(rej \*Rejection\) Reason\(\)`).Find(read(t, "../../../rejection.go"))
	var found []string
	for _, match := range regexp.MustCompile(`(?m)^//\t([a-z_]+) `).FindAllSubmatch(comment, -1) {
		found = append(found, string(match[1]))
	}
	if len(found) < 20 {
		t.Fatalf("the comment of Rejection.Reason lists %q, which can't be all", found)
	}
	return found
}
