package drive

import (
	"encoding/json"
	"net/http"
	"testing"
)

// IsProblem is a Service.Refusal for services that refuse with a problem (RFC 9457), as usher and huma do.
func IsProblem(t *testing.T, resp Response, want Refusal) {
	t.Helper()
	var problem struct {
		Title, Detail string
		Status        int
	}
	if err := json.Unmarshal([]byte(resp.Body), &problem); err != nil {
		t.Fatalf("%s: %v", resp.Body, err)
	}
	if got := resp.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type is %q", got)
	}
	if problem.Status != want.Status || problem.Title != http.StatusText(want.Status) || problem.Detail != want.Text {
		t.Errorf("the problem is %+v, want %+v", problem, want)
	}
}
