package ushertest_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/ushertest"
)

type myClaims struct {
	usher.Claims
	Role string `json:"role,omitempty"`
}

func (c *myClaims) Validate() error {
	if c.Role == "impossible" {
		return errors.New("the role is impossible")
	}
	return nil
}

func alice() myClaims { return myClaims{Claims: usher.Claims{Subject: "alice"}, Role: "editor"} }

// newMiddleware is what a service would make of a verifier.
func newMiddleware(t testing.TB, v usher.Verifier[myClaims]) *usher.Middleware[myClaims, *myClaims] {
	t.Helper()
	m, err := usher.NewMiddleware(v, usher.ClaimsAsUser[myClaims], nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func sayHello(w http.ResponseWriter, _ *http.Request, user *myClaims) {
	_, _ = w.Write([]byte("hello " + user.Subject + ", " + user.Role))
}

func status(h http.Handler, r *http.Request) int {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

func TestDecoderAcceptsTheKitsTokens(t *testing.T) {
	for name, opts := range optionSets(t) {
		t.Run(name, func(t *testing.T) {
			kit := ushertest.New[myClaims](t, opts)
			claims, err := kit.Decoder.Decode(t.Context(), kit.Token(t, alice()))
			if err != nil {
				t.Fatal(err)
			}
			if claims.Subject != "alice" || claims.Role != "editor" {
				t.Errorf("decoded %+v", claims)
			}
			if want := usher.NewNumericDate(kit.Clock.Now().Add(kit.Encoder.TTL() + time.Second - 1)); !claims.ExpiresAt.Equal(want.Time) {
				t.Errorf("expires at %v, want %v", claims.ExpiresAt, want)
			}
		})
	}
}

// optionSets are options of all sorts.
func optionSets(t testing.TB) map[string]*ushertest.Options {
	t.Helper()
	ecdsa := usher.Must(usher.GenerateKey(usher.ES256))
	named := usher.Must(usher.GenerateKey(usher.HS512)).WithID("2026-11")
	return map[string]*ushertest.Options{
		"none": nil,
		"zero": {},
		"key and clock": {
			Key:   ecdsa,
			Clock: ushertest.NewClock(time.Date(2031, 2, 3, 4, 5, 6, 7, time.UTC)),
		},
		"decoder": {Key: named, Decoder: &usher.DecoderOptions{
			Issuer: "me", Audience: usher.Audience{"you", "them"}, Type: "at+jwt", MaxAge: time.Minute, CacheSize: 9,
			Leeway: 5 * time.Minute,
		}},
		"encoder": {Encoder: &usher.EncoderOptions{
			Issuer: "me", Audience: usher.Audience{"you", "them"}, Type: "secevent+jwt", NotBefore: true, TTL: time.Hour,
		}},
		"plain decoder": {Decoder: &usher.DecoderOptions{}},
		"lenient decoder": {Decoder: &usher.DecoderOptions{
			DangerouslyAllowAnyAudience: true, DangerouslyAllowNoExpiry: true, AllowNoSubject: true, AllowNumericSubject: true,
		}},
		"both": {
			Encoder: &usher.EncoderOptions{Issuer: "me", Audience: usher.Audience{"you"}},
			Decoder: &usher.DecoderOptions{Audience: usher.Audience{"them", "you"}},
		},
	}
}

func TestTokensExpireByTheClock(t *testing.T) {
	kit := ushertest.New[myClaims](t, nil)
	token := kit.Token(t, alice())
	for _, step := range []struct {
		move func()
		want error
	}{
		{func() { kit.Clock.Advance(kit.Encoder.TTL() - time.Second) }, nil},
		{func() { kit.Clock.Advance(time.Second) }, usher.ErrTokenExpired},
		{func() { kit.Clock.Advance(-time.Second) }, nil},
		{func() { kit.Clock.Set(kit.Clock.Now().AddDate(1, 0, 0)) }, usher.ErrTokenExpired},
	} {
		step.move()
		if _, err := kit.Decoder.Decode(t.Context(), token); !errors.Is(err, step.want) {
			t.Errorf("at %v the error is %v, want %v", kit.Clock.Now(), err, step.want)
		}
	}
}

func TestKitsClockReplacesThoseOfTheOptions(t *testing.T) {
	wrong := func() time.Time { return time.Unix(0, 0) }
	clock := ushertest.NewClock(time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC))
	kit := ushertest.New[myClaims](t, &ushertest.Options{
		Clock:   clock,
		Encoder: &usher.EncoderOptions{Now: wrong},
		Decoder: &usher.DecoderOptions{Now: wrong, MaxAge: time.Minute},
	})
	if kit.Clock != clock {
		t.Error("the kit has another clock than it was given")
	}
	claims, err := kit.Decoder.Decode(t.Context(), kit.Token(t, alice()))
	if err != nil || !claims.IssuedAt.Equal(clock.Now()) {
		t.Errorf("decoded %+v, %v", claims, err)
	}
}

func TestDefaultClockAgreesWithTheRealOne(t *testing.T) {
	kit := ushertest.New[myClaims](t, nil)
	services := usher.Must(usher.NewDecoder[myClaims](kit.Key, &usher.DecoderOptions{DangerouslyAllowAnyAudience: true}))
	if _, err := services.Decode(t.Context(), kit.Token(t, alice())); err != nil {
		t.Errorf("a decoder with the real clock refuses the kit's token: %v", err)
	}
	if now := kit.Clock.Now(); now.Nanosecond() != 0 || now.Location() != time.UTC {
		t.Errorf("the clock stands at %v, not at a whole second of UTC", now)
	}
}

func TestKitsDoNotAcceptEachOthersTokens(t *testing.T) {
	one, other := ushertest.New[myClaims](t, nil), ushertest.New[myClaims](t, nil)
	if _, err := one.Decoder.Decode(t.Context(), other.Token(t, alice())); !errors.Is(err, usher.ErrTokenSignature) {
		t.Errorf("the error is %v", err)
	}
}

func TestClaimsThatAreSetStayAsTheyAre(t *testing.T) {
	kit := ushertest.New[myClaims](t, nil)
	for want, claims := range map[error]usher.Claims{
		usher.ErrTokenIssuer:   {Subject: "alice", Issuer: "somebody"},
		usher.ErrTokenAudience: {Subject: "alice", Audience: usher.Audience{"somebody"}},
		usher.ErrTokenExpired:  {Subject: "alice", ExpiresAt: usher.NewNumericDate(kit.Clock.Now())},
	} {
		if _, err := kit.Decoder.Decode(t.Context(), kit.Token(t, myClaims{Claims: claims})); !errors.Is(err, want) {
			t.Errorf("the error is %v, want %v", err, want)
		}
	}
}

func TestNewRequestCarriesTheToken(t *testing.T) {
	kit := ushertest.New[myClaims](t, nil)
	r := kit.NewRequest(t, "PUT", "/posts/7?draft=1", alice())
	if r.Method != http.MethodPut || r.URL.Path != "/posts/7" || r.FormValue("draft") != "1" || r.Context() != t.Context() {
		t.Errorf("the request is %s %s", r.Method, r.URL)
	}
	w := httptest.NewRecorder()
	newMiddleware(t, kit.Decoder).RequireFunc(sayHello).ServeHTTP(w, r)
	if w.Body.String() != "hello alice, editor" {
		t.Errorf("the answer is %d %s", w.Code, w.Body)
	}
}

func TestTestEndsWhenTheKitCannotDoItsWork(t *testing.T) {
	type notEmbedded struct {
		usher.Claims `json:"claims"`
	}
	kit := ushertest.New[myClaims](t, nil)
	public, _ := usher.Must(usher.GenerateKey(usher.EdDSA)).Public()
	broken := ushertest.New[myClaims](t, nil)
	broken.Key = public
	for name, test := range map[string]struct {
		run  func(t testing.TB)
		want string
	}{
		"claims type": {func(t testing.TB) { ushertest.New[notEmbedded](t, nil) }, "must embed usher.Claims"},
		"key that can't sign": {func(t testing.TB) {
			ushertest.New[myClaims](t, &ushertest.Options{Key: public})
		}, "private key"},
		"decoder's options": {func(t testing.TB) {
			ushertest.New[myClaims](t, &ushertest.Options{Decoder: &usher.DecoderOptions{Leeway: time.Hour}})
		}, "DecoderOptions.Leeway"},
		"no subject":       {func(t testing.TB) { kit.Token(t, myClaims{}) }, "sub is missing"},
		"Validate":         {func(t testing.TB) { kit.Token(t, myClaims{usher.Claims{Subject: "a"}, "impossible"}) }, "impossible"},
		"request's claims": {func(t testing.TB) { kit.NewRequest(t, "GET", "/", myClaims{}) }, "sub is missing"},
		"request's target": {func(t testing.TB) { kit.NewRequest(t, "GET", "/ /", alice()) }, "no request GET / /"},
		"request's method": {func(t testing.TB) { kit.NewRequest(t, "G\nT", "/", alice()) }, "no request"},
		"expired already": {func(t testing.TB) {
			kit.BrokenTokens(t, myClaims{Claims: usher.Claims{Subject: "alice", ExpiresAt: usher.NewNumericDate(time.Unix(1, 0))}})
		}, "the token of these claims is not valid"},
		"a key changed to one that can't sign": {func(t testing.TB) { broken.BrokenTokens(t, alice()) }, "no encoder"},
	} {
		t.Run(name, func(t *testing.T) {
			got := record(t, test.run)
			if !strings.HasPrefix(got.fatal, "ushertest: ") || !strings.Contains(got.fatal, test.want) {
				t.Errorf("the test ended with %q, want %q in it", got.fatal, test.want)
			}
		})
	}
}

func TestKitIsSafeForConcurrentUse(t *testing.T) {
	kit := ushertest.New[myClaims](t, nil)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			kit.Clock.Advance(time.Second)
			if _, err := kit.Decoder.Decode(t.Context(), kit.Token(t, alice())); err != nil {
				t.Error(err)
			}
			kit.Clock.Set(kit.Clock.Now())
		})
	}
	group.Wait()
}
