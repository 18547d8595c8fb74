package pages_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/onetime"
	"github.com/go-usher/usher/session"
)

// A reason's row in a table of the page: in the section on tokens, where every status is 401, it has no status.
var reasonRow = regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|([^|]*)\\|")

// The reasons of the packages that bring their own, as their code has them.
var ownReason = regexp.MustCompile(`(?:reasonError\{"[^"]*", |reason: )"([a-z_]+)"`)

// TestTroubleshootingListsEveryReason holds the page to what Rejection.Reason documents and what packages session and onetime
// add, in both directions.
func TestTroubleshootingListsEveryReason(t *testing.T) {
	source, err := os.ReadFile(filepath.Join(root, "rejection.go"))
	if err != nil {
		t.Fatal(err)
	}
	comment := regexp.MustCompile(`(?s)// Reason returns one word.*?\nfunc \(rej \*Rejection\) Reason\(\)`).Find(source)
	var documented []string
	for _, match := range regexp.MustCompile(`(?m)^//\t([a-z_]+) `).FindAllSubmatch(comment, -1) {
		documented = append(documented, string(match[1]))
	}
	if len(documented) < 20 {
		t.Fatalf("the comment of Rejection.Reason lists %q, which can't be all", documented)
	}
	own := 0
	for _, dir := range []string{"session", "onetime"} {
		walk(t, filepath.Join(root, dir), ".go", func(path, text string) {
			for _, match := range ownReason.FindAllStringSubmatch(text, -1) {
				if !strings.HasSuffix(path, "_test.go") {
					documented = append(documented, match[1])
					own++
				}
			}
		})
	}
	if own < 8 {
		t.Fatalf("the code has %d reasons of its own, which can't be all", own)
	}
	listed := reasons(t)
	for _, reason := range documented {
		if _, ok := listed[reason]; !ok {
			t.Errorf("the page has no row for %s", reason)
		}
	}
	for reason := range listed {
		if !slices.Contains(documented, reason) {
			t.Errorf("the page has a row for %s, which neither Rejection.Reason documents nor the code has", reason)
		}
	}
}

// TestTroubleshootingStatusesAreTheMiddlewares compares each row with the middleware's own mapping.
func TestTroubleshootingStatusesAreTheMiddlewares(t *testing.T) {
	key := usher.Must(usher.GenerateKey(usher.HS256))
	decoder := usher.Must(usher.NewDecoder[usher.Claims](key, nil))
	auth := usher.Must(usher.NewMiddleware(decoder, usher.ClaimsAsUser[usher.Claims], nil))
	listed := reasons(t)
	for _, test := range []struct {
		err    error
		reason string
	}{
		{context.Canceled, "canceled"},
		{context.DeadlineExceeded, "timeout"},
		{usher.ErrUnavailable, "unavailable"},
		{usher.ErrNoToken, "no_token"},
		{usher.ErrManyTokens, "many_tokens"},
		{usher.ErrTokenExpired, "expired"},
		{usher.ErrTokenNotYetValid, "not_yet_valid"},
		{usher.ErrTokenIssuer, "issuer"},
		{usher.ErrTokenAudience, "audience"},
		{usher.ErrTokenType, "type"},
		{usher.ErrTokenTooLarge, "too_large"},
		{usher.ErrTokenRevoked, "revoked"},
		{usher.ErrUnknownKey, "unknown_key"},
		{usher.ErrTokenSignature, "signature"},
		{usher.ErrTokenMalformed, "malformed"},
		{usher.ErrTokenClaims, "claims"},
		{usher.ErrInvalidToken, "token"},
		{usher.ErrNoUser, "no_user"},
		{usher.ErrPasswordUnfit, "password"},
		{usher.ErrForbidden, "forbidden"},
		{errors.New("an error that usher does not know"), "error"},
	} {
		rej := auth.Rejection(fmt.Errorf("wrapped: %w", test.err))
		if got := rej.Reason(); got != test.reason {
			t.Errorf("%v has the reason %s, want %s", test.err, got, test.reason)
		}
		if status := fmt.Sprint(rej.Status); !strings.Contains(listed[test.reason], status) {
			t.Errorf("%v is answered with %s, but the page says %q for %s", test.err, status, listed[test.reason], test.reason)
		}
	}
}

// TestTroubleshootingStatusesAreTheSessionHandlers compares each row with the mapping of the handlers of package session.
func TestTroubleshootingStatusesAreTheSessionHandlers(t *testing.T) {
	encoder := usher.Must(usher.NewEncoder[usher.Claims](usher.Must(usher.GenerateKey(usher.HS256)), nil))
	tokens := usher.Must(session.NewAccessTokens(encoder, func(context.Context, session.Grant) (c usher.Claims, err error) { return c, nil }))
	var seen *usher.Rejection
	login := usher.Must(session.NewLogin(tokens, nil, &session.HandlerOptions{
		Observe: func(_ *http.Request, rej *usher.Rejection) { seen = rej },
	}))
	listed := reasons(t)
	for _, test := range []struct {
		err    error
		reason string
	}{
		{session.ErrSessionEnded, "session_ended"},
		{session.ErrReused, "token_reused"},
		{session.ErrRefreshToken, "refresh_token"},
		{session.ErrTicket, "ticket"},
		{session.ErrTaken, "taken"},
		{session.ErrChanged, "changed"},
		{onetime.ErrToken, "onetime_token"},
		{onetime.ErrExpired, "onetime_expired"},
	} {
		w := httptest.NewRecorder()
		login.Deny(w, httptest.NewRequest(http.MethodPost, "/", http.NoBody), fmt.Errorf("wrapped: %w", test.err))
		if got := seen.Reason(); got != test.reason {
			t.Errorf("%v has the reason %s, want %s", test.err, got, test.reason)
		}
		if status := strconv.Itoa(w.Code); !strings.Contains(listed[test.reason], status) {
			t.Errorf("%v is answered with %s, but the page says %q for %s", test.err, status, listed[test.reason], test.reason)
		}
	}
}

// reasons returns the statuses that the page lists for each reason.
func reasons(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs", "troubleshooting.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, page, found := strings.Cut(string(text), "## From the reason\n")
	if !found {
		t.Fatal("docs/troubleshooting.md has no section “From the reason”")
	}
	listed := make(map[string]string)
	for section := range strings.SplitSeq(page, "\n### ") {
		for _, match := range reasonRow.FindAllStringSubmatch(section, -1) {
			listed[match[1]] = match[2]
			if strings.HasPrefix(section, "The token\n") {
				listed[match[1]] = "401"
			}
		}
	}
	return listed
}
