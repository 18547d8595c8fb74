package usher_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-usher/usher"
)

// fakeVerifier is a Verifier that does what it is told.
type fakeVerifier func(ctx context.Context, token string) (*userClaims, error)

func (v fakeVerifier) Decode(ctx context.Context, token string) (*userClaims, error) {
	return v(ctx, token)
}

type testVerifiers = map[string]usher.Verifier[userClaims]

func payloadOf(issuer string) jsonObject { return testTeams().with("iss", `"`+issuer+`"`) }

func TestByIssuerSendsEachTokenToItsVerifier(t *testing.T) {
	here := newDecoder[userClaims](t, hmacKey(t, testSecret, ""), usher.DecoderOptions{Issuer: "here", CacheSize: 4})
	there := newDecoder[userClaims](t, testKey(t, usher.ES256), usher.DecoderOptions{})
	verifiers := testVerifiers{"here": here, "https://there.example/": there}
	v := usher.Must(usher.ByIssuer(verifiers))
	delete(verifiers, "here")
	fromHere := signHS256(payloadOf("here"))
	fromThere := signToken("ES256", p256Key(), `{"alg":"ES256"}`, payloadOf("https://there.example/").String())
	for range 3 { // remembered from the second time on
		if c := checkDecode(t, v, fromHere, nil); c == nil || c.Issuer != "here" || c.Subject != "42" {
			t.Errorf("%v", c)
		}
		if c := checkDecode(t, v, fromThere, nil); c == nil || c.Issuer != "https://there.example/" {
			t.Errorf("%v", c)
		}
	}
	for name, test := range map[string]struct {
		token string
		want  error
	}{
		"another issuer":             {signHS256(payloadOf("elsewhere")), usher.ErrTokenIssuer},
		"an issuer in another case":  {signHS256(payloadOf("Here")), usher.ErrTokenIssuer},
		"an issuer with more":        {signHS256(payloadOf("https://there.example/x")), usher.ErrTokenIssuer},
		"no issuer":                  {signHS256(testTeams()), usher.ErrTokenIssuer},
		"an empty issuer":            {signHS256(payloadOf("")), usher.ErrTokenIssuer},
		"an issuer in capitals":      {signHS256(testTeams().with("ISS", `"here"`)), usher.ErrTokenIssuer},
		"an issuer that is a number": {signHS256(testTeams().with("iss", "1")), usher.ErrTokenClaims},
		"an issuer that is null":     {signHS256(testTeams().with("iss", "null")), usher.ErrTokenClaims},
		"a list of issuers":          {signHS256(testTeams().with("iss", `["here"]`)), usher.ErrTokenClaims},
		"an issuer twice":            {signHS256(jsonText(`{"iss":"here","iss":"here","sub":"1","exp":9999999999}`)), usher.ErrTokenMalformed},
		"an issuer twice, escaped":   {signHS256(jsonText(`{"iss":"elsewhere","\u0069ss":"here","sub":"1","exp":9999999999}`)), usher.ErrTokenMalformed},
		"the other's key":            {signHS256(payloadOf("https://there.example/")), usher.ErrUnknownKey},
		"forged":                     {signToken("HS256", otherSecret, goodHeader().String(), payloadOf("here").String()), usher.ErrTokenSignature},
		"forged, escaped":            {signToken("HS256", otherSecret, goodHeader().String(), `{"iss":"h\u0065re"}`), usher.ErrTokenSignature},
		"escaped":                    {signHS256(testTeams().with("iss", `"h\u0065re"`)), nil},
		"no header":                  {"." + fromHere, usher.ErrTokenMalformed},
		"nothing":                    {"", usher.ErrTokenMalformed},
		"a segment more":             {fromHere + ".AA", usher.ErrTokenMalformed},
		"padding":                    {fromHere + "=", usher.ErrTokenMalformed},
		"padding in the payload":     {strings.Replace(fromHere, ".", "=.", 1), usher.ErrTokenMalformed},
		"too large":                  {signHS256(payloadOf(strings.Repeat("x", 8000))), usher.ErrTokenTooLarge},
	} {
		t.Run(name, func(t *testing.T) { checkDecode(t, v, test.token, test.want) })
	}
	for name, payload := range notJSON(`"iss":"here","sub":"42","exp":` + secondsFromNow(1)) {
		t.Run(name, func(t *testing.T) {
			token := signToken("HS256", testSecret, goodHeader().String(), payload)
			checkDecode(t, v, token, usher.ErrTokenMalformed)
		})
	}
	for name, payload := range notJSON(`"iss":"elsewhere","sub":"42","exp":` + secondsFromNow(1)) {
		t.Run("another issuer, "+name, func(t *testing.T) {
			token := signToken("HS256", testSecret, goodHeader().String(), payload)
			checkDecode(t, v, token, usher.ErrTokenMalformed)
		})
	}
}

// An unlisted issuer is refused before any key is looked up.
func TestByIssuerAsksNoKeysForStrangers(t *testing.T) {
	source := fixedKeys(hmacKey(t, testSecret, ""))
	v := usher.Must(usher.ByIssuer(testVerifiers{
		"here": newDecoder[userClaims](t, source, usher.DecoderOptions{CacheSize: 4}),
		"there": fakeVerifier(func(context.Context, string) (*userClaims, error) {
			t.Error("it was asked")
			return nil, nil
		}),
	}))
	_, err := v.Decode(t.Context(), signHS256(payloadOf("a-stranger")))
	checkKind(t, err, usher.ErrTokenIssuer)
	if !strings.Contains(err.Error(), "a-stranger") {
		t.Errorf("%v does not name the issuer", err)
	}
	checkDecode(t, v, signHS256(testTeams()), usher.ErrTokenIssuer)
	if n := source.calls.Load(); n != 0 {
		t.Errorf("%d look-ups", n)
	}
	checkDecode(t, v, signHS256(payloadOf("here")), nil)
	if n := source.calls.Load(); n != 1 {
		t.Errorf("%d look-ups", n)
	}
	_, err = v.Decode(t.Context(), signHS256(payloadOf(strings.Repeat("long", 1000))))
	if err == nil || len(err.Error()) > 512 {
		t.Errorf("a text of %d bytes", len(fmt.Sprint(err)))
	}
}

// After the verifier's work iss must be what it is listed under, whatever the verifier says.
func TestByIssuerChecksTheIssuerAfterwards(t *testing.T) {
	var answer *userClaims
	var failure error
	v := usher.Must(usher.ByIssuer(testVerifiers{"here": fakeVerifier(func(context.Context, string) (*userClaims, error) {
		return answer, failure
	})}))
	token := signHS256(payloadOf("here"))
	for issuer, want := range map[string]error{"here": nil, "": usher.ErrTokenIssuer, "there": usher.ErrTokenIssuer, "HERE": usher.ErrTokenIssuer} {
		answer = &userClaims{Claims: usher.Claims{Issuer: issuer}}
		checkDecode(t, v, token, want)
	}
	answer = nil
	if c, err := v.Decode(t.Context(), token); c != nil || err == nil {
		t.Errorf("%v, %v", c, err)
	}
	own := errors.New("the verifier's own error")
	for _, failure = range []error{usher.ErrUnavailable, usher.ErrTokenRevoked, own} {
		answer = &userClaims{Claims: usher.Claims{Issuer: "here"}}
		if c, err := v.Decode(t.Context(), token); c != nil || !errors.Is(err, failure) {
			t.Errorf("%v, %v, want %v", c, err, failure)
		}
	}
}

func TestByIssuerPassesTheContext(t *testing.T) {
	type contextKey struct{}
	v := usher.Must(usher.ByIssuer(testVerifiers{"here": fakeVerifier(func(ctx context.Context, token string) (*userClaims, error) {
		if ctx.Value(contextKey{}) != "value" || token != signHS256(payloadOf("here")) {
			t.Error("another context or token")
		}
		return &userClaims{Claims: usher.Claims{Issuer: "here"}}, nil
	})}))
	if _, err := v.Decode(context.WithValue(t.Context(), contextKey{}, "value"), signHS256(payloadOf("here"))); err != nil {
		t.Error(err)
	}
}

func TestByIssuerReportsMistakes(t *testing.T) {
	key := hmacKey(t, testSecret, "")
	good := newDecoder[userClaims](t, key, usher.DecoderOptions{})
	named := newDecoder[userClaims](t, key, usher.DecoderOptions{Issuer: "there"})
	var none *usher.Decoder[userClaims]
	for name, test := range map[string]struct {
		verifiers testVerifiers
		field     string
		text      string
	}{
		"nil":                            {nil, "verifiers", "empty"},
		"no verifiers":                   {testVerifiers{}, "verifiers", "empty"},
		"a nil verifier":                 {testVerifiers{"here": nil}, `verifiers["here"]`, "nil"},
		"a nil decoder":                  {testVerifiers{"here": none}, `verifiers["here"]`, ""},
		"a decoder of nobody's making":   {testVerifiers{"here": new(usher.Decoder[userClaims])}, `verifiers["here"]`, "NewDecoder"},
		"a nil verifier of a type":       {testVerifiers{"here": fakeVerifier(nil)}, `verifiers["here"]`, "nil"},
		"no issuer":                      {testVerifiers{"": good}, `verifiers[""]`, ""},
		"a decoder for another issuer":   {testVerifiers{"here": named}, `verifiers["here"]`, `"there"`},
		"one of two is for another":      {testVerifiers{"here": named, "there": named}, `verifiers["here"]`, `"there"`},
		"another case of the same issue": {testVerifiers{"There": named}, `verifiers["There"]`, `"there"`},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := usher.ByIssuer(test.verifiers)
			if v != nil {
				t.Error("there is a verifier")
			}
			wantConfigError(t, err, test.field, test.text)
		})
	}
	_, err := usher.ByIssuer(testVerifiers{"": nil, "a": none, "b": named, "c": good})
	if n := len(configErrors(t, err)); n != 4 {
		t.Errorf("%d of 4 mistakes: %v", n, err)
	}
	if _, err := usher.ByIssuer(testVerifiers{"there": named, "here": good}); err != nil {
		t.Error(err)
	}
}

// The peek has the decoders' size cap: nothing larger than the largest of them is looked into.
func TestByIssuerLimitsTheSize(t *testing.T) {
	key := hmacKey(t, testSecret, "")
	sized := func(issuer string, size int) string {
		return signHS256(payloadOf(issuer).with("pad", `"`+strings.Repeat("x", size*3/4)+`"`))
	}
	v := usher.Must(usher.ByIssuer(testVerifiers{
		"small": newDecoder[userClaims](t, key, usher.DecoderOptions{MaxSize: 1000}),
		"large": newDecoder[userClaims](t, key, usher.DecoderOptions{MaxSize: 20_000}),
	}))
	checkDecode(t, v, sized("small", 100), nil)
	checkDecode(t, v, sized("small", 2000), usher.ErrTokenTooLarge)
	checkDecode(t, v, sized("large", 2000), nil)
	checkDecode(t, v, sized("large", 15_000), nil)
	checkDecode(t, v, sized("large", 21_000), usher.ErrTokenTooLarge)
	checkDecode(t, v, sized("elsewhere", 21_000), usher.ErrTokenTooLarge)
	checkDecode(t, v, strings.Repeat(".", 21_000), usher.ErrTokenTooLarge)

	small := usher.Must(usher.ByIssuer(testVerifiers{"small": newDecoder[userClaims](t, key, usher.DecoderOptions{MaxSize: 1000})}))
	checkDecode(t, small, sized("elsewhere", 1500), usher.ErrTokenTooLarge)
	own := usher.Must(usher.ByIssuer(testVerifiers{"own": fakeVerifier(func(context.Context, string) (*userClaims, error) {
		return &userClaims{Claims: usher.Claims{Issuer: "own"}}, nil
	})}))
	checkDecode(t, own, sized("own", 7000), nil)
	checkDecode(t, own, sized("own", 9000), usher.ErrTokenTooLarge)

	token := signHS256(payloadOf("exact"))
	for size, want := range map[int]error{len(token): nil, len(token) - 1: usher.ErrTokenTooLarge} {
		exact := newDecoder[userClaims](t, key, usher.DecoderOptions{MaxSize: size})
		checkDecode(t, usher.Must(usher.ByIssuer(testVerifiers{"exact": exact})), token, want)
	}
}

// A remembered token is still checked as if it were not.
func TestByIssuerDoesNotTrustTheCacheAlone(t *testing.T) {
	keys := []usher.Key{hmacKey(t, testSecret, "")}
	var failure error
	clock := clockAt(testNow)
	source := &fakeKeySource{keys: func(context.Context, string) ([]usher.Key, error) { return keys, failure }}
	d := newDecoder[userClaims](t, source, usher.DecoderOptions{CacheSize: 4, Now: clock.now})
	v := usher.Must(usher.ByIssuer(testVerifiers{"here": d, "there": newDecoder[userClaims](t, source, usher.DecoderOptions{CacheSize: 4})}))
	token, foreign := signHS256(payloadOf("here")), signHS256(payloadOf("elsewhere"))
	checkDecode(t, v, token, nil)
	// The decoder alone knows no issuers, and remembers the foreign token; the router still refuses it.
	checkDecode(t, d, foreign, nil)
	checkDecode(t, d, foreign, nil)
	checkDecode(t, v, foreign, usher.ErrTokenIssuer)
	// A token for the other decoder, remembered by this one, goes to the other.
	there := signHS256(payloadOf("there"))
	checkDecode(t, d, there, nil)
	if c := checkDecode(t, v, there, nil); c != nil && c.Issuer != "there" {
		t.Errorf("%v", c)
	}
	clock.set(testNow.Add(oneYear))
	checkDecode(t, v, token, usher.ErrTokenExpired)
	checkDecode(t, v, there, nil) // the other decoder has another clock
	clock.set(testNow)
	keys = []usher.Key{hmacKey(t, otherSecret, "")}
	checkDecode(t, v, token, usher.ErrTokenSignature)
	failure = usher.ErrUnavailable
	if _, err := v.Decode(t.Context(), token); !errors.Is(err, usher.ErrUnavailable) || errors.Is(err, usher.ErrInvalidToken) {
		t.Errorf("%v", err)
	}
}

// fakeFinder finds decoders for issuers whose name begins with "tenant", and counts.
type fakeFinder struct {
	mu    sync.Mutex
	calls map[string]int
	busy  int // calls that run now
	most  int // calls that ran at the same time
	wait  time.Duration
	err   error // if set, the answer
	tb    testing.TB
}

func (f *fakeFinder) find(ctx context.Context, issuer string) (usher.Verifier[userClaims], error) {
	f.mu.Lock()
	if f.calls == nil {
		f.calls = map[string]int{}
	}
	f.calls[issuer]++
	f.busy++
	f.most = max(f.most, f.busy)
	wait, err := f.wait, f.err
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.busy--
		f.mu.Unlock()
	}()
	select {
	case <-time.After(wait):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(issuer, "tenant") {
		return nil, usher.ErrTokenIssuer
	}
	return newDecoder[userClaims](f.tb, hmacKey(f.tb, testSecret, ""), usher.DecoderOptions{Issuer: issuer}), nil
}

func (f *fakeFinder) count(issuer string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[issuer]
}

func byFakeFinder(tb testing.TB, f *fakeFinder, opts *usher.ByIssuerOptions) usher.Verifier[userClaims] {
	tb.Helper()
	f.tb = tb
	return usher.Must(usher.ByIssuerFunc(f.find, opts))
}

func TestByIssuerFuncAsksOnceForAnIssuer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeFinder{wait: time.Second}
		v := byFakeFinder(t, f, nil)
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() { checkDecode(t, v, signHS256(payloadOf("tenant-1")), nil) })
			all.Go(func() { checkDecode(t, v, signHS256(payloadOf("stranger")), usher.ErrTokenIssuer) })
		}
		all.Wait()
		for range 3 {
			checkDecode(t, v, signHS256(payloadOf("tenant-1")), nil)
			checkDecode(t, v, signHS256(payloadOf("stranger")), usher.ErrTokenIssuer)
		}
		if f.count("tenant-1") != 1 || f.count("stranger") != 1 {
			t.Errorf("calls: %v", f.calls)
		}
		forged := signToken("HS256", otherSecret, goodHeader().String(), payloadOf("tenant-1").String())
		checkDecode(t, v, forged, usher.ErrTokenSignature)
		for _, none := range []jsonObject{testTeams(), payloadOf("")} {
			checkDecode(t, v, signHS256(none), usher.ErrTokenIssuer)
		}
		checkDecode(t, v, "a.b", usher.ErrTokenMalformed)
		if len(f.calls) != 2 {
			t.Errorf("calls: %v", f.calls)
		}
	})
}

func TestByIssuerFuncKeepsAnswersForAWhile(t *testing.T) {
	clock := clockAt(testNow)
	f := new(fakeFinder)
	v := byFakeFinder(t, f, &usher.ByIssuerOptions{KeepFor: time.Minute, Now: clock.now})
	for i := range 10 { // a verifier that is in use is kept
		clock.set(testNow.Add(time.Duration(i) * 50 * time.Second))
		checkDecode(t, v, signHS256(payloadOf("tenant")), nil)
		checkDecode(t, v, signHS256(payloadOf("stranger")), usher.ErrTokenIssuer)
	}
	if f.count("tenant") != 1 || f.count("stranger") != 5 { // a refusal lasts for a minute, asked for or not
		t.Errorf("calls: %v", f.calls)
	}
	clock.set(testNow.Add(9*50*time.Second + time.Minute))
	checkDecode(t, v, signHS256(payloadOf("tenant")), nil)
	if f.count("tenant") != 2 {
		t.Errorf("calls: %v", f.calls)
	}
}

func TestByIssuerFuncDropsAnIssuerThatIsNoLongerTrusted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeFinder{wait: time.Second}
		v := byFakeFinder(t, f, nil)
		token := signHS256(payloadOf("tenant"))
		useFor := func(d time.Duration) { // asks at the end of each ten minutes
			for end := time.Now().Add(d); time.Now().Before(end); {
				time.Sleep(10 * time.Minute) //nolint:forbidigo // in synctest's time
				start := time.Now()
				if _, err := v.Decode(t.Context(), token); err != nil || time.Since(start) != 0 {
					t.Fatalf("%v after %v", err, time.Since(start))
				}
			}
			synctest.Wait()
			time.Sleep(2 * time.Second) //nolint:forbidigo // until find has answered
		}
		checkDecode(t, v, token, nil)
		useFor(50 * time.Minute)
		if f.count("tenant") != 1 {
			t.Errorf("%d calls in less than an hour", f.count("tenant"))
		}
		f.err = errors.New("the database is down")
		useFor(time.Hour)
		if f.count("tenant") != 2 {
			t.Errorf("%d calls in an hour and 50 minutes", f.count("tenant"))
		}
		f.err = nil
		useFor(time.Hour)
		f.err = usher.ErrTokenIssuer
		useFor(10 * time.Minute)
		if f.count("tenant") != 4 {
			t.Errorf("%d calls in three hours", f.count("tenant"))
		}
		checkDecode(t, v, token, usher.ErrTokenIssuer)
	})
}

func TestByIssuerFuncForgedTokensAreNoUse(t *testing.T) {
	clock := clockAt(testNow)
	f := new(fakeFinder)
	v := byFakeFinder(t, f, &usher.ByIssuerOptions{KeepFor: time.Minute, Now: clock.now})
	token := signHS256(payloadOf("tenant"))
	checkDecode(t, v, token, nil)
	forged := token[:strings.LastIndexByte(token, '.')+1] + strings.Repeat("A", 43)
	for i := range 3 {
		clock.set(testNow.Add(time.Duration(i) * 25 * time.Second))
		checkDecode(t, v, forged, usher.ErrTokenSignature)
	}
	clock.set(testNow.Add(61 * time.Second))
	checkDecode(t, v, token, nil)
	if f.count("tenant") != 2 {
		t.Errorf("calls: %v", f.calls)
	}
}

func TestByIssuerFuncKeepsNoOtherErrors(t *testing.T) {
	own := errors.New("the database is down")
	f := &fakeFinder{err: own}
	v := byFakeFinder(t, f, nil)
	for i := range 3 {
		if _, err := v.Decode(t.Context(), signHS256(payloadOf("tenant"))); !errors.Is(err, own) || errors.Is(err, usher.ErrInvalidToken) {
			t.Errorf("%v", err)
		}
		if f.count("tenant") != i+1 {
			t.Errorf("%d calls after %d", f.count("tenant"), i+1)
		}
	}
	f.err = nil
	checkDecode(t, v, signHS256(payloadOf("tenant")), nil)
}

func TestByIssuerFuncHasTimeLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeFinder{wait: time.Hour}
		v := byFakeFinder(t, f, nil)
		token, start := signHS256(payloadOf("tenant")), time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := v.Decode(ctx, token)
		if !errors.Is(err, usher.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		_, err = v.Decode(t.Context(), token) // waits for the same call
		if !errors.Is(err, usher.ErrUnavailable) || errors.Is(err, usher.ErrInvalidToken) || time.Since(start) != 5*time.Second || f.count("tenant") != 1 {
			t.Errorf("%v after %v and %d calls", err, time.Since(start), f.count("tenant"))
		}

		deaf := usher.Must(usher.ByIssuerFunc(func(context.Context, string) (usher.Verifier[userClaims], error) {
			time.Sleep(time.Minute) //nolint:forbidigo // in synctest's time; it does not look at its context
			return nil, usher.ErrTokenIssuer
		}, nil))
		start = time.Now()
		if _, err := deaf.Decode(t.Context(), token); !errors.Is(err, usher.ErrUnavailable) || time.Since(start) != 5*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		time.Sleep(2 * time.Minute) //nolint:forbidigo // until it has returned
	})
}

// A flood of made-up issuers runs a few finds at a time, takes bounded memory, and pushes out no verifier that is kept.
func TestByIssuerFuncWithstandsAFloodOfIssuers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeFinder{wait: 10 * time.Millisecond}
		v := byFakeFinder(t, f, &usher.ByIssuerOptions{MaxIssuers: 20})
		checkDecode(t, v, signHS256(payloadOf("tenant")), nil)
		var flood sync.WaitGroup
		var unavailable, refused atomic.Int64
		for i := range 2000 {
			token := signHS256(payloadOf(fmt.Sprint("stranger-", i)))
			flood.Go(func() {
				switch _, err := v.Decode(t.Context(), token); {
				case errors.Is(err, usher.ErrUnavailable):
					unavailable.Add(1)
				case errors.Is(err, usher.ErrTokenIssuer):
					refused.Add(1)
				default:
					t.Errorf("%v", err)
				}
			})
		}
		synctest.Wait()
		checkDecode(t, v, signHS256(payloadOf("tenant")), nil) // at once, whatever waits
		flood.Wait()
		if f.most > 8 || f.count("tenant") != 1 {
			t.Errorf("%d finds at a time, %d for the tenant", f.most, f.count("tenant"))
		}
		if unavailable.Load() == 0 || refused.Load() < 200 || unavailable.Load()+refused.Load() != 2000 {
			t.Errorf("%d refused, %d unavailable", refused.Load(), unavailable.Load())
		}
		checkDecode(t, v, signHS256(payloadOf("tenant")), nil)
		if f.count("tenant") != 1 {
			t.Error("the flood pushed out a verifier that is in use")
		}
	})
}

func TestByIssuerFuncKeepsABoundedNumber(t *testing.T) {
	f := new(fakeFinder)
	v := byFakeFinder(t, f, &usher.ByIssuerOptions{MaxIssuers: 2})
	decode := func(issuers ...string) {
		for _, issuer := range issuers {
			checkDecode(t, v, signHS256(payloadOf(issuer)), nil)
		}
	}
	decode("tenant-1", "tenant-2", "tenant-1", "tenant-3", "tenant-1", "tenant-2")
	if got := fmt.Sprint(f.calls); got != "map[tenant-1:1 tenant-2:2 tenant-3:1]" {
		t.Error(got)
	}
}

func TestByIssuerFuncChecksWhatFindReturns(t *testing.T) {
	token := signHS256(payloadOf("tenant"))
	other := newDecoder[userClaims](t, hmacKey(t, testSecret, ""), usher.DecoderOptions{Issuer: "another"})
	for name, test := range map[string]struct {
		verifier usher.Verifier[userClaims]
		want     string
	}{
		"nil":                           {nil, "neither"},
		"a nil Decoder":                 {(*usher.Decoder[userClaims])(nil), "neither"},
		"a Decoder for another issuer":  {other, `"another"`},
		"a Decoder that nobody made":    {new(usher.Decoder[userClaims]), "NewDecoder"},
		"a verifier that reads another": {fakeVerifier(func(context.Context, string) (*userClaims, error) { return new(userClaims), nil }), "the verified iss is not"},
	} {
		v := usher.Must(usher.ByIssuerFunc(func(context.Context, string) (usher.Verifier[userClaims], error) { return test.verifier, nil }, nil))
		if c, err := v.Decode(t.Context(), token); c != nil || err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, %v", name, c, err)
		}
	}
	v := usher.Must(usher.ByIssuerFunc(func(context.Context, string) (usher.Verifier[userClaims], error) { panic("oh") }, nil))
	if _, err := v.Decode(t.Context(), token); err == nil || !strings.Contains(err.Error(), "panicked") {
		t.Errorf("%v", err)
	}
}

func TestByIssuerFuncReportsMistakes(t *testing.T) {
	find := new(fakeFinder).find
	_, err := usher.ByIssuerFunc[userClaims](nil, nil)
	wantConfigError(t, err, "find")
	for field, opts := range map[string]usher.ByIssuerOptions{
		"KeepFor":    {KeepFor: 900},
		"MaxIssuers": {MaxIssuers: -1},
		"MaxSize":    {MaxSize: 8},
	} {
		_, err := usher.ByIssuerFunc(find, &opts)
		wantConfigError(t, err, "ByIssuerOptions."+field)
	}
	_, err = usher.ByIssuerFunc(find, &usher.ByIssuerOptions{KeepFor: -1})
	wantConfigError(t, err, "ByIssuerOptions.KeepFor")
	v := usher.Must(usher.ByIssuerFunc(find, &usher.ByIssuerOptions{MaxSize: 100}))
	if _, err := v.Decode(t.Context(), strings.Repeat("a", 101)); !errors.Is(err, usher.ErrTokenTooLarge) || !strings.Contains(err.Error(), "MaxSize") {
		t.Error(err)
	}
}

// A find that ignores the end of its context must not keep removed issuers in use.
func TestByIssuerFuncAsksAgainThoughCallsForOthersNeverReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := usher.Must(usher.GenerateKey(usher.HS256))
		began, release := time.Now(), make(chan struct{})
		var calls atomic.Int64
		find := func(_ context.Context, issuer string) (usher.Verifier[usher.Claims], error) {
			calls.Add(1)
			switch removed := time.Since(began) > 30*time.Minute; {
			case removed && issuer == "gone":
				return nil, usher.ErrTokenIssuer
			case removed:
				<-release
			}
			return usher.NewDecoder[usher.Claims](key, &usher.DecoderOptions{Issuer: issuer})
		}
		v := usher.Must(usher.ByIssuerFunc(find, nil))
		issuers := []string{"1", "2", "3", "gone"}
		errs := map[string]error{}
		for range 20 { // for more than three hours
			for _, issuer := range issuers {
				encoder := usher.Must(usher.NewEncoder[usher.Claims](key, &usher.EncoderOptions{Issuer: issuer}))
				_, errs[issuer] = v.Decode(t.Context(), usher.Must(encoder.Encode(t.Context(), usher.Claims{Subject: "42"})))
				<-time.After(6 * time.Second)
			}
			<-time.After(10 * time.Minute)
		}
		for _, issuer := range issuers {
			if gone := issuer == "gone"; errors.Is(errs[issuer], usher.ErrTokenIssuer) != gone || (errs[issuer] == nil) == gone {
				t.Errorf("%s: %v", issuer, errs[issuer])
			}
		}
		if got := calls.Load(); got < 8 || got > 30 {
			t.Errorf("find was called %d times", got)
		}
		close(release)
	})
}
