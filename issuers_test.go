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

// tokVerifier is a Verifier that does what it is told.
type tokVerifier func(ctx context.Context, token string) (*tokUser, error)

func (v tokVerifier) Decode(ctx context.Context, token string) (*tokUser, error) {
	return v(ctx, token)
}

type tokVerifiers = map[string]usher.Verifier[tokUser]

func tokIssuer(issuer string) tokObject { return tokTeams().with("iss", `"`+issuer+`"`) }

func TestByIssuerSendsEachTokenToItsVerifier(t *testing.T) {
	here := tokDecoder[tokUser](t, tokHMAC(t, tokSecret, ""), usher.DecoderOptions{Issuer: "here", CacheSize: 4})
	there := tokDecoder[tokUser](t, tokKey(t, usher.ES256), usher.DecoderOptions{})
	verifiers := tokVerifiers{"here": here, "https://there.example/": there}
	v := usher.Must(usher.ByIssuer(verifiers))
	delete(verifiers, "here")
	fromHere := tokHS256(tokIssuer("here"))
	fromThere := tokJoin("ES256", tokP256(), `{"alg":"ES256"}`, tokIssuer("https://there.example/").String())
	for range 3 { // remembered from the second time on
		if c := tokCheckDecode(t, v, fromHere, nil); c == nil || c.Issuer != "here" || c.Subject != "42" {
			t.Errorf("%v", c)
		}
		if c := tokCheckDecode(t, v, fromThere, nil); c == nil || c.Issuer != "https://there.example/" {
			t.Errorf("%v", c)
		}
	}
	for name, test := range map[string]struct {
		token string
		want  error
	}{
		"another issuer":             {tokHS256(tokIssuer("elsewhere")), usher.ErrTokenIssuer},
		"an issuer in another case":  {tokHS256(tokIssuer("Here")), usher.ErrTokenIssuer},
		"an issuer with more":        {tokHS256(tokIssuer("https://there.example/x")), usher.ErrTokenIssuer},
		"no issuer":                  {tokHS256(tokTeams()), usher.ErrTokenIssuer},
		"an empty issuer":            {tokHS256(tokIssuer("")), usher.ErrTokenIssuer},
		"an issuer in capitals":      {tokHS256(tokTeams().with("ISS", `"here"`)), usher.ErrTokenIssuer},
		"an issuer that is a number": {tokHS256(tokTeams().with("iss", "1")), usher.ErrTokenClaims},
		"an issuer that is null":     {tokHS256(tokTeams().with("iss", "null")), usher.ErrTokenClaims},
		"a list of issuers":          {tokHS256(tokTeams().with("iss", `["here"]`)), usher.ErrTokenClaims},
		"an issuer twice":            {tokHS256(tokText(`{"iss":"here","iss":"here","sub":"1","exp":9999999999}`)), usher.ErrTokenMalformed},
		"an issuer twice, escaped":   {tokHS256(tokText(`{"iss":"elsewhere","\u0069ss":"here","sub":"1","exp":9999999999}`)), usher.ErrTokenMalformed},
		"the other's key":            {tokHS256(tokIssuer("https://there.example/")), usher.ErrUnknownKey},
		"forged":                     {tokJoin("HS256", tokOtherSecret, tokHeader().String(), tokIssuer("here").String()), usher.ErrTokenSignature},
		"forged, escaped":            {tokJoin("HS256", tokOtherSecret, tokHeader().String(), `{"iss":"h\u0065re"}`), usher.ErrTokenSignature},
		"escaped":                    {tokHS256(tokTeams().with("iss", `"h\u0065re"`)), nil},
		"no header":                  {"." + fromHere, usher.ErrTokenMalformed},
		"nothing":                    {"", usher.ErrTokenMalformed},
		"a segment more":             {fromHere + ".AA", usher.ErrTokenMalformed},
		"padding":                    {fromHere + "=", usher.ErrTokenMalformed},
		"padding in the payload":     {strings.Replace(fromHere, ".", "=.", 1), usher.ErrTokenMalformed},
		"too large":                  {tokHS256(tokIssuer(strings.Repeat("x", 8000))), usher.ErrTokenTooLarge},
	} {
		t.Run(name, func(t *testing.T) { tokCheckDecode(t, v, test.token, test.want) })
	}
	for name, payload := range tokNotJSON(`"iss":"here","sub":"42","exp":` + tokSeconds(1)) {
		t.Run(name, func(t *testing.T) {
			token := tokJoin("HS256", tokSecret, tokHeader().String(), payload)
			tokCheckDecode(t, v, token, usher.ErrTokenMalformed)
		})
	}
	for name, payload := range tokNotJSON(`"iss":"elsewhere","sub":"42","exp":` + tokSeconds(1)) {
		t.Run("another issuer, "+name, func(t *testing.T) {
			token := tokJoin("HS256", tokSecret, tokHeader().String(), payload)
			tokCheckDecode(t, v, token, usher.ErrTokenMalformed)
		})
	}
}

// An unlisted issuer is refused before any key is looked up.
func TestByIssuerAsksNoKeysForStrangers(t *testing.T) {
	source := tokFixed(tokHMAC(t, tokSecret, ""))
	v := usher.Must(usher.ByIssuer(tokVerifiers{
		"here": tokDecoder[tokUser](t, source, usher.DecoderOptions{CacheSize: 4}),
		"there": tokVerifier(func(context.Context, string) (*tokUser, error) {
			t.Error("it was asked")
			return nil, nil
		}),
	}))
	_, err := v.Decode(t.Context(), tokHS256(tokIssuer("a-stranger")))
	tokCheckKind(t, err, usher.ErrTokenIssuer)
	if !strings.Contains(err.Error(), "a-stranger") {
		t.Errorf("%v does not name the issuer", err)
	}
	tokCheckDecode(t, v, tokHS256(tokTeams()), usher.ErrTokenIssuer)
	if n := source.calls.Load(); n != 0 {
		t.Errorf("%d look-ups", n)
	}
	tokCheckDecode(t, v, tokHS256(tokIssuer("here")), nil)
	if n := source.calls.Load(); n != 1 {
		t.Errorf("%d look-ups", n)
	}
	_, err = v.Decode(t.Context(), tokHS256(tokIssuer(strings.Repeat("long", 1000))))
	if err == nil || len(err.Error()) > 512 {
		t.Errorf("a text of %d bytes", len(fmt.Sprint(err)))
	}
}

// After the verifier's work iss must be what it is listed under, whatever the verifier says.
func TestByIssuerChecksTheIssuerAfterwards(t *testing.T) {
	var answer *tokUser
	var failure error
	v := usher.Must(usher.ByIssuer(tokVerifiers{"here": tokVerifier(func(context.Context, string) (*tokUser, error) {
		return answer, failure
	})}))
	token := tokHS256(tokIssuer("here"))
	for issuer, want := range map[string]error{"here": nil, "": usher.ErrTokenIssuer, "there": usher.ErrTokenIssuer, "HERE": usher.ErrTokenIssuer} {
		answer = &tokUser{Claims: usher.Claims{Issuer: issuer}}
		tokCheckDecode(t, v, token, want)
	}
	answer = nil
	if c, err := v.Decode(t.Context(), token); c != nil || err == nil {
		t.Errorf("%v, %v", c, err)
	}
	own := errors.New("the verifier's own error")
	for _, failure = range []error{usher.ErrUnavailable, usher.ErrTokenRevoked, own} {
		answer = &tokUser{Claims: usher.Claims{Issuer: "here"}}
		if c, err := v.Decode(t.Context(), token); c != nil || !errors.Is(err, failure) {
			t.Errorf("%v, %v, want %v", c, err, failure)
		}
	}
}

func TestByIssuerPassesTheContext(t *testing.T) {
	type contextKey struct{}
	v := usher.Must(usher.ByIssuer(tokVerifiers{"here": tokVerifier(func(ctx context.Context, token string) (*tokUser, error) {
		if ctx.Value(contextKey{}) != "value" || token != tokHS256(tokIssuer("here")) {
			t.Error("another context or token")
		}
		return &tokUser{Claims: usher.Claims{Issuer: "here"}}, nil
	})}))
	if _, err := v.Decode(context.WithValue(t.Context(), contextKey{}, "value"), tokHS256(tokIssuer("here"))); err != nil {
		t.Error(err)
	}
}

func TestByIssuerReportsMistakes(t *testing.T) {
	key := tokHMAC(t, tokSecret, "")
	good := tokDecoder[tokUser](t, key, usher.DecoderOptions{})
	named := tokDecoder[tokUser](t, key, usher.DecoderOptions{Issuer: "there"})
	var none *usher.Decoder[tokUser]
	for name, test := range map[string]struct {
		verifiers tokVerifiers
		field     string
		text      string
	}{
		"nil":                            {nil, "verifiers", "empty"},
		"no verifiers":                   {tokVerifiers{}, "verifiers", "empty"},
		"a nil verifier":                 {tokVerifiers{"here": nil}, `verifiers["here"]`, "nil"},
		"a nil decoder":                  {tokVerifiers{"here": none}, `verifiers["here"]`, ""},
		"a decoder of nobody's making":   {tokVerifiers{"here": new(usher.Decoder[tokUser])}, `verifiers["here"]`, "NewDecoder"},
		"a nil verifier of a type":       {tokVerifiers{"here": tokVerifier(nil)}, `verifiers["here"]`, "nil"},
		"no issuer":                      {tokVerifiers{"": good}, `verifiers[""]`, ""},
		"a decoder for another issuer":   {tokVerifiers{"here": named}, `verifiers["here"]`, `"there"`},
		"one of two is for another":      {tokVerifiers{"here": named, "there": named}, `verifiers["here"]`, `"there"`},
		"another case of the same issue": {tokVerifiers{"There": named}, `verifiers["There"]`, `"there"`},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := usher.ByIssuer(test.verifiers)
			if v != nil {
				t.Error("there is a verifier")
			}
			tokWantConfig(t, err, test.field, test.text)
		})
	}
	_, err := usher.ByIssuer(tokVerifiers{"": nil, "a": none, "b": named, "c": good})
	if n := len(tokConfigErrors(t, err)); n != 4 {
		t.Errorf("%d of 4 mistakes: %v", n, err)
	}
	if _, err := usher.ByIssuer(tokVerifiers{"there": named, "here": good}); err != nil {
		t.Error(err)
	}
}

// The peek has the decoders' size cap: nothing larger than the largest of them is looked into.
func TestByIssuerLimitsTheSize(t *testing.T) {
	key := tokHMAC(t, tokSecret, "")
	sized := func(issuer string, size int) string {
		return tokHS256(tokIssuer(issuer).with("pad", `"`+strings.Repeat("x", size*3/4)+`"`))
	}
	v := usher.Must(usher.ByIssuer(tokVerifiers{
		"small": tokDecoder[tokUser](t, key, usher.DecoderOptions{MaxSize: 1000}),
		"large": tokDecoder[tokUser](t, key, usher.DecoderOptions{MaxSize: 20_000}),
	}))
	tokCheckDecode(t, v, sized("small", 100), nil)
	tokCheckDecode(t, v, sized("small", 2000), usher.ErrTokenTooLarge)
	tokCheckDecode(t, v, sized("large", 2000), nil)
	tokCheckDecode(t, v, sized("large", 15_000), nil)
	tokCheckDecode(t, v, sized("large", 21_000), usher.ErrTokenTooLarge)
	tokCheckDecode(t, v, sized("elsewhere", 21_000), usher.ErrTokenTooLarge)
	tokCheckDecode(t, v, strings.Repeat(".", 21_000), usher.ErrTokenTooLarge)

	small := usher.Must(usher.ByIssuer(tokVerifiers{"small": tokDecoder[tokUser](t, key, usher.DecoderOptions{MaxSize: 1000})}))
	tokCheckDecode(t, small, sized("elsewhere", 1500), usher.ErrTokenTooLarge)
	own := usher.Must(usher.ByIssuer(tokVerifiers{"own": tokVerifier(func(context.Context, string) (*tokUser, error) {
		return &tokUser{Claims: usher.Claims{Issuer: "own"}}, nil
	})}))
	tokCheckDecode(t, own, sized("own", 7000), nil)
	tokCheckDecode(t, own, sized("own", 9000), usher.ErrTokenTooLarge)

	token := tokHS256(tokIssuer("exact"))
	for size, want := range map[int]error{len(token): nil, len(token) - 1: usher.ErrTokenTooLarge} {
		exact := tokDecoder[tokUser](t, key, usher.DecoderOptions{MaxSize: size})
		tokCheckDecode(t, usher.Must(usher.ByIssuer(tokVerifiers{"exact": exact})), token, want)
	}
}

// A remembered token is still checked as if it were not.
func TestByIssuerDoesNotTrustTheCacheAlone(t *testing.T) {
	keys := []usher.Key{tokHMAC(t, tokSecret, "")}
	var failure error
	clock := tokTimeAt(tokNow)
	source := &tokSource{keys: func(context.Context, string) ([]usher.Key, error) { return keys, failure }}
	d := tokDecoder[tokUser](t, source, usher.DecoderOptions{CacheSize: 4, Now: clock.now})
	v := usher.Must(usher.ByIssuer(tokVerifiers{"here": d, "there": tokDecoder[tokUser](t, source, usher.DecoderOptions{CacheSize: 4})}))
	token, foreign := tokHS256(tokIssuer("here")), tokHS256(tokIssuer("elsewhere"))
	tokCheckDecode(t, v, token, nil)
	// The decoder alone knows no issuers, and remembers the foreign token; the router still refuses it.
	tokCheckDecode(t, d, foreign, nil)
	tokCheckDecode(t, d, foreign, nil)
	tokCheckDecode(t, v, foreign, usher.ErrTokenIssuer)
	// A token for the other decoder, remembered by this one, goes to the other.
	there := tokHS256(tokIssuer("there"))
	tokCheckDecode(t, d, there, nil)
	if c := tokCheckDecode(t, v, there, nil); c != nil && c.Issuer != "there" {
		t.Errorf("%v", c)
	}
	clock.set(tokNow.Add(tokYear))
	tokCheckDecode(t, v, token, usher.ErrTokenExpired)
	tokCheckDecode(t, v, there, nil) // the other decoder has another clock
	clock.set(tokNow)
	keys = []usher.Key{tokHMAC(t, tokOtherSecret, "")}
	tokCheckDecode(t, v, token, usher.ErrTokenSignature)
	failure = usher.ErrUnavailable
	if _, err := v.Decode(t.Context(), token); !errors.Is(err, usher.ErrUnavailable) || errors.Is(err, usher.ErrInvalidToken) {
		t.Errorf("%v", err)
	}
}

// tokFinder finds decoders for issuers whose name begins with "tenant", and counts.
type tokFinder struct {
	mu    sync.Mutex
	calls map[string]int
	busy  int // calls that run now
	most  int // calls that ran at the same time
	wait  time.Duration
	err   error // if set, the answer
	tb    testing.TB
}

func (f *tokFinder) find(ctx context.Context, issuer string) (usher.Verifier[tokUser], error) {
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
	return tokDecoder[tokUser](f.tb, tokHMAC(f.tb, tokSecret, ""), usher.DecoderOptions{Issuer: issuer}), nil
}

func (f *tokFinder) count(issuer string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[issuer]
}

func tokByFunc(tb testing.TB, f *tokFinder, opts *usher.ByIssuerOptions) usher.Verifier[tokUser] {
	tb.Helper()
	f.tb = tb
	return usher.Must(usher.ByIssuerFunc(f.find, opts))
}

func TestByIssuerFuncAsksOnceForAnIssuer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &tokFinder{wait: time.Second}
		v := tokByFunc(t, f, nil)
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() { tokCheckDecode(t, v, tokHS256(tokIssuer("tenant-1")), nil) })
			all.Go(func() { tokCheckDecode(t, v, tokHS256(tokIssuer("stranger")), usher.ErrTokenIssuer) })
		}
		all.Wait()
		for range 3 {
			tokCheckDecode(t, v, tokHS256(tokIssuer("tenant-1")), nil)
			tokCheckDecode(t, v, tokHS256(tokIssuer("stranger")), usher.ErrTokenIssuer)
		}
		if f.count("tenant-1") != 1 || f.count("stranger") != 1 {
			t.Errorf("calls: %v", f.calls)
		}
		forged := tokJoin("HS256", tokOtherSecret, tokHeader().String(), tokIssuer("tenant-1").String())
		tokCheckDecode(t, v, forged, usher.ErrTokenSignature)
		for _, none := range []tokObject{tokTeams(), tokIssuer("")} {
			tokCheckDecode(t, v, tokHS256(none), usher.ErrTokenIssuer)
		}
		tokCheckDecode(t, v, "a.b", usher.ErrTokenMalformed)
		if len(f.calls) != 2 {
			t.Errorf("calls: %v", f.calls)
		}
	})
}

func TestByIssuerFuncKeepsAnswersForAWhile(t *testing.T) {
	clock := tokTimeAt(tokNow)
	f := new(tokFinder)
	v := tokByFunc(t, f, &usher.ByIssuerOptions{KeepFor: time.Minute, Now: clock.now})
	for i := range 10 { // a verifier that is in use is kept
		clock.set(tokNow.Add(time.Duration(i) * 50 * time.Second))
		tokCheckDecode(t, v, tokHS256(tokIssuer("tenant")), nil)
		tokCheckDecode(t, v, tokHS256(tokIssuer("stranger")), usher.ErrTokenIssuer)
	}
	if f.count("tenant") != 1 || f.count("stranger") != 5 { // a refusal lasts for a minute, asked for or not
		t.Errorf("calls: %v", f.calls)
	}
	clock.set(tokNow.Add(9*50*time.Second + time.Minute))
	tokCheckDecode(t, v, tokHS256(tokIssuer("tenant")), nil)
	if f.count("tenant") != 2 {
		t.Errorf("calls: %v", f.calls)
	}
}

func TestByIssuerFuncDropsAnIssuerThatIsNoLongerTrusted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &tokFinder{wait: time.Second}
		v := tokByFunc(t, f, nil)
		token := tokHS256(tokIssuer("tenant"))
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
		tokCheckDecode(t, v, token, nil)
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
		tokCheckDecode(t, v, token, usher.ErrTokenIssuer)
	})
}

func TestByIssuerFuncForgedTokensAreNoUse(t *testing.T) {
	clock := tokTimeAt(tokNow)
	f := new(tokFinder)
	v := tokByFunc(t, f, &usher.ByIssuerOptions{KeepFor: time.Minute, Now: clock.now})
	token := tokHS256(tokIssuer("tenant"))
	tokCheckDecode(t, v, token, nil)
	forged := token[:strings.LastIndexByte(token, '.')+1] + strings.Repeat("A", 43)
	for i := range 3 {
		clock.set(tokNow.Add(time.Duration(i) * 25 * time.Second))
		tokCheckDecode(t, v, forged, usher.ErrTokenSignature)
	}
	clock.set(tokNow.Add(61 * time.Second))
	tokCheckDecode(t, v, token, nil)
	if f.count("tenant") != 2 {
		t.Errorf("calls: %v", f.calls)
	}
}

func TestByIssuerFuncKeepsNoOtherErrors(t *testing.T) {
	own := errors.New("the database is down")
	f := &tokFinder{err: own}
	v := tokByFunc(t, f, nil)
	for i := range 3 {
		if _, err := v.Decode(t.Context(), tokHS256(tokIssuer("tenant"))); !errors.Is(err, own) || errors.Is(err, usher.ErrInvalidToken) {
			t.Errorf("%v", err)
		}
		if f.count("tenant") != i+1 {
			t.Errorf("%d calls after %d", f.count("tenant"), i+1)
		}
	}
	f.err = nil
	tokCheckDecode(t, v, tokHS256(tokIssuer("tenant")), nil)
}

func TestByIssuerFuncHasTimeLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &tokFinder{wait: time.Hour}
		v := tokByFunc(t, f, nil)
		token, start := tokHS256(tokIssuer("tenant")), time.Now()
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

		deaf := usher.Must(usher.ByIssuerFunc(func(context.Context, string) (usher.Verifier[tokUser], error) {
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
		f := &tokFinder{wait: 10 * time.Millisecond}
		v := tokByFunc(t, f, &usher.ByIssuerOptions{MaxIssuers: 20})
		tokCheckDecode(t, v, tokHS256(tokIssuer("tenant")), nil)
		var flood sync.WaitGroup
		var unavailable, refused atomic.Int64
		for i := range 2000 {
			token := tokHS256(tokIssuer(fmt.Sprint("stranger-", i)))
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
		tokCheckDecode(t, v, tokHS256(tokIssuer("tenant")), nil) // at once, whatever waits
		flood.Wait()
		if f.most > 8 || f.count("tenant") != 1 {
			t.Errorf("%d finds at a time, %d for the tenant", f.most, f.count("tenant"))
		}
		if unavailable.Load() == 0 || refused.Load() < 200 || unavailable.Load()+refused.Load() != 2000 {
			t.Errorf("%d refused, %d unavailable", refused.Load(), unavailable.Load())
		}
		tokCheckDecode(t, v, tokHS256(tokIssuer("tenant")), nil)
		if f.count("tenant") != 1 {
			t.Error("the flood pushed out a verifier that is in use")
		}
	})
}

func TestByIssuerFuncKeepsABoundedNumber(t *testing.T) {
	f := new(tokFinder)
	v := tokByFunc(t, f, &usher.ByIssuerOptions{MaxIssuers: 2})
	decode := func(issuers ...string) {
		for _, issuer := range issuers {
			tokCheckDecode(t, v, tokHS256(tokIssuer(issuer)), nil)
		}
	}
	decode("tenant-1", "tenant-2", "tenant-1", "tenant-3", "tenant-1", "tenant-2")
	if got := fmt.Sprint(f.calls); got != "map[tenant-1:1 tenant-2:2 tenant-3:1]" {
		t.Error(got)
	}
}

func TestByIssuerFuncChecksWhatFindReturns(t *testing.T) {
	token := tokHS256(tokIssuer("tenant"))
	other := tokDecoder[tokUser](t, tokHMAC(t, tokSecret, ""), usher.DecoderOptions{Issuer: "another"})
	for name, test := range map[string]struct {
		verifier usher.Verifier[tokUser]
		want     string
	}{
		"nil":                           {nil, "neither"},
		"a nil Decoder":                 {(*usher.Decoder[tokUser])(nil), "neither"},
		"a Decoder for another issuer":  {other, `"another"`},
		"a Decoder that nobody made":    {new(usher.Decoder[tokUser]), "NewDecoder"},
		"a verifier that reads another": {tokVerifier(func(context.Context, string) (*tokUser, error) { return new(tokUser), nil }), "read another"},
	} {
		v := usher.Must(usher.ByIssuerFunc(func(context.Context, string) (usher.Verifier[tokUser], error) { return test.verifier, nil }, nil))
		if c, err := v.Decode(t.Context(), token); c != nil || err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, %v", name, c, err)
		}
	}
	v := usher.Must(usher.ByIssuerFunc(func(context.Context, string) (usher.Verifier[tokUser], error) { panic("oh") }, nil))
	if _, err := v.Decode(t.Context(), token); err == nil || !strings.Contains(err.Error(), "panicked") {
		t.Errorf("%v", err)
	}
}

func TestByIssuerFuncReportsMistakes(t *testing.T) {
	find := new(tokFinder).find
	_, err := usher.ByIssuerFunc[tokUser](nil, nil)
	tokWantConfig(t, err, "find")
	for field, opts := range map[string]usher.ByIssuerOptions{
		"KeepFor":    {KeepFor: 900},
		"MaxIssuers": {MaxIssuers: -1},
		"MaxSize":    {MaxSize: 8},
	} {
		_, err := usher.ByIssuerFunc(find, &opts)
		tokWantConfig(t, err, "ByIssuerOptions."+field)
	}
	_, err = usher.ByIssuerFunc(find, &usher.ByIssuerOptions{KeepFor: -1})
	tokWantConfig(t, err, "ByIssuerOptions.KeepFor")
	v := usher.Must(usher.ByIssuerFunc(find, &usher.ByIssuerOptions{MaxSize: 100}))
	if _, err := v.Decode(t.Context(), strings.Repeat("a", 101)); !errors.Is(err, usher.ErrTokenTooLarge) || !strings.Contains(err.Error(), "MaxSize") {
		t.Error(err)
	}
}
