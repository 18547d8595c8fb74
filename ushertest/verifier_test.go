package ushertest_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/ushertest"
)

var _ usher.Verifier[myClaims] = ushertest.Verifier[myClaims]{}

func TestVerifierReturnsTheListedClaimsAndErrors(t *testing.T) {
	protected := newMiddleware(t, ushertest.Verifier[myClaims]{
		Claims: map[string]myClaims{"alices": alice(), "ended": alice()},
		Errors: map[string]error{
			"ended": usher.ErrTokenRevoked,
			"down":  usher.ErrUnavailable,
			"late":  context.DeadlineExceeded,
			"buggy": errors.New("a bug"),
			"fine":  nil,
		},
	}).RequireFunc(sayHello)
	for token, want := range map[string]int{
		"alices": 200, "ended": 401, "down": 503, "late": 503, "buggy": 500, "fine": 401, "strange": 401,
	} {
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.Header.Set("Authorization", "Bearer "+token)
		if got := status(protected, r); got != want {
			t.Errorf("the token %q is answered with %d, want %d", token, got, want)
		}
	}
}

func TestVerifierGivesEveryCallerItsOwnClaims(t *testing.T) {
	v := ushertest.Verifier[myClaims]{Claims: map[string]myClaims{"alices": alice()}}
	first := usher.Must(v.Decode(t.Context(), "alices"))
	first.Role = "changed"
	if second := usher.Must(v.Decode(t.Context(), "alices")); second.Role != "editor" {
		t.Errorf("the second caller sees what the first did: %+v", second)
	}
}

func TestZeroVerifierRefusesEveryToken(t *testing.T) {
	var v ushertest.Verifier[myClaims]
	for _, token := range []string{"", "x"} {
		if claims, err := v.Decode(t.Context(), token); claims != nil || !errors.Is(err, usher.ErrInvalidToken) {
			t.Errorf("%q is answered with %+v, %v", token, claims, err)
		}
	}
}
