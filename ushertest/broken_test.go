package ushertest_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/ushertest"
)

func TestBrokenTokensAreRefusedForTheReasonThatTheyName(t *testing.T) {
	for name, opts := range optionSets(t) {
		t.Run(name, func(t *testing.T) {
			kit := ushertest.New[myClaims](t, opts)
			protected := newMiddleware(t, kit.Decoder).RequireFunc(sayHello)
			for _, broken := range kit.BrokenTokens(t, alice()) {
				_, err := kit.Decoder.Decode(t.Context(), broken.Token)
				if !errors.Is(err, broken.Err) || !errors.Is(err, usher.ErrInvalidToken) {
					t.Errorf("%s: the error is %v, want %v", broken.Name, err, broken.Err)
				}
				r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
				r.Header.Set("Authorization", "Bearer "+broken.Token)
				if got := status(protected, r); got != 401 {
					t.Errorf("%s: the middleware answers %d", broken.Name, got)
				}
			}
		})
	}
}

func TestBrokenTokensAreOfEveryKindThatTheDecoderRefuses(t *testing.T) {
	all := []string{"expired", "forged", "malformed", "not yet valid", "unknown kid", "unsigned", "wrong audience",
		"wrong issuer", "wrong type"}
	for name, opts := range optionSets(t) {
		t.Run(name, func(t *testing.T) {
			want := slices.Clone(all)
			if opts != nil && opts.Decoder != nil && opts.Decoder.Issuer == "" {
				want = slices.DeleteFunc(want, func(name string) bool { return name == "wrong issuer" })
			}
			if opts != nil && opts.Decoder != nil && opts.Decoder.DangerouslyAllowAnyAudience {
				want = slices.DeleteFunc(want, func(name string) bool { return name == "wrong audience" })
			}
			var got []string
			for _, broken := range ushertest.New[myClaims](t, opts).BrokenTokens(t, alice()) {
				got = append(got, broken.Name)
			}
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("they are %q, want %q", got, want)
			}
		})
	}
}

// A service that fails to make one check lets the token for that check in, and no other: each has one fault only.
func TestBrokenTokensHaveOneFaultEach(t *testing.T) {
	kit := ushertest.New[myClaims](t, nil)
	lenient := usher.Must(usher.NewDecoder[myClaims](
		usher.Keys{kit.Key, kit.Key.WithID("another")},
		&usher.DecoderOptions{Now: kit.Clock.Now, DangerouslyAllowAnyAudience: true},
	))
	accepted := []string{}
	for _, broken := range kit.BrokenTokens(t, alice()) {
		if claims, err := lenient.Decode(t.Context(), broken.Token); err == nil {
			accepted = append(accepted, broken.Name)
			if claims.Subject != "alice" || claims.Role != "editor" {
				t.Errorf("%s: the claims are %+v", broken.Name, claims)
			}
		}
	}
	if want := []string{"wrong issuer", "wrong audience"}; !slices.Equal(accepted, want) {
		t.Errorf("a decoder that asks for neither issuer nor audience accepts %q, want %q", accepted, want)
	}
}

// A claims type may have a field of its own for sid. That must not make a forged token good.
func TestForgedTokenIsForgedWhateverTheClaimsType(t *testing.T) {
	type ownSession struct {
		usher.Claims
		SID string `json:"sid"`
	}
	kit := ushertest.New[ownSession](t, nil)
	for _, broken := range kit.BrokenTokens(t, ownSession{Claims: usher.Claims{Subject: "alice"}, SID: "same"}) {
		if _, err := kit.Decoder.Decode(t.Context(), broken.Token); !errors.Is(err, broken.Err) {
			t.Errorf("%s: the error is %v, want %v", broken.Name, err, broken.Err)
		}
	}
}
