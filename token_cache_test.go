package usher_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"weak"

	"github.com/go-usher/usher"
)

// testTeams are the payload of a token by which hits can be told: slices are shared among them.
func testTeams() jsonObject { return goodPayload().with("teams", `["x","y"]`) }

// testHit decodes twice and reports whether the second time was a hit.
func testHit(tb testing.TB, d *usher.Decoder[userClaims], token string) bool {
	tb.Helper()
	a, b := checkDecode(tb, d, token, nil), checkDecode(tb, d, token, nil)
	if a == b {
		tb.Error("two callers got the same claims")
	}
	return a != nil && b != nil && &a.Teams[0] == &b.Teams[0]
}

func TestCacheRemembersVerifiedTokens(t *testing.T) {
	for _, alg := range allAlgorithms {
		key := testKey(t, alg).WithID("key")
		header := goodHeader().with("alg", `"`+string(alg)+`"`).with("kid", `"key"`).String()
		token := signToken(string(alg), materialOf(alg), header, testTeams().String())
		if testHit(t, newDecoder[userClaims](t, key, usher.DecoderOptions{}), token) {
			t.Errorf("%s: a hit without a cache", alg)
		}
		if !testHit(t, newDecoder[userClaims](t, key, usher.DecoderOptions{CacheSize: 1}), token) {
			t.Errorf("%s: no hit", alg)
		}
	}
}

// A hit succeeds only where a miss would: whatever changes between two calls has the effect that it has
// without a cache.
func TestCacheAnswersAsIfThereWereNone(t *testing.T) {
	type world struct {
		keys  []usher.Key
		err   error
		clock *settableClock
	}
	a, other := hmacKey(t, testSecret, "a"), hmacKey(t, otherSecret, "a")
	var eight []usher.Key
	for i := range 8 {
		eight = append(eight, hmacKey(t, numberedSecret(i), fmt.Sprint(i)))
	}
	payload := testTeams().with("iat", secondsFromNow(0)).with("nbf", secondsFromNow(-time.Minute))
	withKid := signToken("HS256", testSecret, goodHeader().with("kid", `"a"`).String(), payload.String())
	without := signToken("HS256", testSecret, goodHeader().String(), payload.String())
	rsaToken := signToken("RS256", rsaKey2048(), `{"alg":"RS256","kid":"a"}`, payload.String())
	rs, ps := testKey(t, usher.RS256).WithID("a"), testKey(t, usher.PS256).WithID("a")
	rsPublic, _ := rs.Public()
	unavailable := fmt.Errorf("the key server: %w", usher.ErrUnavailable)
	own := errors.New("the source's own error")
	for name, test := range map[string]struct {
		token  string
		keys   []usher.Key
		opts   usher.DecoderOptions
		change func(*world)
		want   error
	}{
		"nothing":                              {withKid, []usher.Key{a}, usher.DecoderOptions{}, func(*world) {}, nil},
		"the key made again":                   {withKid, []usher.Key{a}, usher.DecoderOptions{}, func(w *world) { w.keys = []usher.Key{hmacKey(t, testSecret, "a")} }, nil},
		"other keys beside it":                 {withKid, []usher.Key{a}, usher.DecoderOptions{}, func(w *world) { w.keys = []usher.Key{other, a} }, nil},
		"the public half instead":              {rsaToken, []usher.Key{rs}, usher.DecoderOptions{}, func(w *world) { w.keys = []usher.Key{rsPublic} }, nil},
		"the key replaced under its ID":        {withKid, []usher.Key{a}, usher.DecoderOptions{}, func(w *world) { w.keys = []usher.Key{other} }, usher.ErrTokenSignature},
		"a shorter secret under its ID":        {withKid, []usher.Key{a}, usher.DecoderOptions{}, func(w *world) { w.keys = []usher.Key{hmacKey(t, testSecret[:40], "a")} }, usher.ErrTokenSignature},
		"the key under another ID":             {withKid, []usher.Key{a}, usher.DecoderOptions{}, func(w *world) { w.keys = []usher.Key{a.WithID("b")} }, usher.ErrUnknownKey},
		"the key without ID":                   {withKid, []usher.Key{a}, usher.DecoderOptions{}, func(w *world) { w.keys = []usher.Key{a.WithID("")} }, usher.ErrUnknownKey},
		"the secret under another algorithm":   {withKid, []usher.Key{a}, usher.DecoderOptions{}, func(w *world) { w.keys = []usher.Key{testKey(t, usher.HS512).WithID("a")} }, usher.ErrUnknownKey},
		"the key pair under another algorithm": {rsaToken, []usher.Key{rs}, usher.DecoderOptions{}, func(w *world) { w.keys = []usher.Key{ps} }, usher.ErrUnknownKey},
		"no keys":                              {withKid, []usher.Key{a}, usher.DecoderOptions{}, func(w *world) { w.keys = nil }, usher.ErrUnknownKey},
		"the zero Key":                         {withKid, []usher.Key{a}, usher.DecoderOptions{}, func(w *world) { w.keys = []usher.Key{{}} }, usher.ErrUnknownKey},
		"the key is retired":                   {withKid, []usher.Key{a}, usher.DecoderOptions{}, func(w *world) { w.err = usher.ErrUnknownKey }, usher.ErrUnknownKey},
		"the source is out of reach":           {withKid, []usher.Key{a}, usher.DecoderOptions{}, func(w *world) { w.err = unavailable }, unavailable},
		"the source fails":                     {withKid, []usher.Key{a}, usher.DecoderOptions{}, func(w *world) { w.err = own }, own},
		"the context has ended":                {withKid, []usher.Key{a}, usher.DecoderOptions{}, func(w *world) { w.err = context.Canceled }, context.Canceled},
		"no kid, the key replaced":             {without, []usher.Key{a}, usher.DecoderOptions{}, func(w *world) { w.keys = []usher.Key{other} }, usher.ErrTokenSignature},
		"no kid, the key renamed":              {without, []usher.Key{a}, usher.DecoderOptions{}, func(w *world) { w.keys = []usher.Key{a.WithID("b")} }, nil},
		"no kid, the key becomes the eighth":   {without, []usher.Key{a}, usher.DecoderOptions{}, func(w *world) { w.keys = append(slices.Clone(eight[1:]), a) }, nil},
		"no kid, the key becomes the ninth":    {without, []usher.Key{a}, usher.DecoderOptions{}, func(w *world) { w.keys = append(slices.Clone(eight), a) }, usher.ErrTokenSignature},
		"a moment before exp":                  {withKid, []usher.Key{a}, usher.DecoderOptions{}, func(w *world) { w.clock.set(testNow.Add(time.Hour - 1)) }, nil},
		"exp":                                  {withKid, []usher.Key{a}, usher.DecoderOptions{}, func(w *world) { w.clock.set(testNow.Add(time.Hour)) }, usher.ErrTokenExpired},
		"exp and leeway":                       {withKid, []usher.Key{a}, usher.DecoderOptions{Leeway: time.Second}, func(w *world) { w.clock.set(testNow.Add(time.Hour + time.Second)) }, usher.ErrTokenExpired},
		"within the leeway":                    {withKid, []usher.Key{a}, usher.DecoderOptions{Leeway: time.Second}, func(w *world) { w.clock.set(testNow.Add(time.Hour)) }, nil},
		"a clock set back before nbf":          {withKid, []usher.Key{a}, usher.DecoderOptions{}, func(w *world) { w.clock.set(testNow.Add(-61 * time.Second)) }, usher.ErrTokenNotYetValid},
		"as old as MaxAge":                     {withKid, []usher.Key{a}, usher.DecoderOptions{MaxAge: time.Minute}, func(w *world) { w.clock.set(testNow.Add(time.Minute)) }, nil},
		"older than MaxAge":                    {withKid, []usher.Key{a}, usher.DecoderOptions{MaxAge: time.Minute}, func(w *world) { w.clock.set(testNow.Add(time.Minute + 1)) }, usher.ErrTokenExpired},
		"a clock set back before iat":          {withKid, []usher.Key{a}, usher.DecoderOptions{MaxAge: time.Minute}, func(w *world) { w.clock.set(testNow.Add(-time.Second)) }, usher.ErrTokenNotYetValid},
		"expired, and the source out of reach": {withKid, []usher.Key{a}, usher.DecoderOptions{}, func(w *world) { w.clock.set(testNow.Add(time.Hour)); w.err = unavailable }, unavailable},
		"expired, and the key replaced":        {withKid, []usher.Key{a}, usher.DecoderOptions{}, func(w *world) { w.clock.set(testNow.Add(time.Hour)); w.keys = []usher.Key{other} }, usher.ErrTokenSignature},
	} {
		t.Run(name, func(t *testing.T) {
			for _, cacheSize := range []int{0, 1, 100} {
				w := world{keys: test.keys, clock: clockAt(testNow)}
				source := &fakeKeySource{keys: func(context.Context, string) ([]usher.Key, error) { return w.keys, w.err }}
				test.opts.CacheSize, test.opts.Now = cacheSize, w.clock.now
				d := newDecoder[userClaims](t, source, test.opts)
				if hit := testHit(t, d, test.token); hit != (cacheSize > 0) {
					t.Errorf("cache of %d: hit %v", cacheSize, hit)
				}
				test.change(&w)
				for range 2 {
					c, err := d.Decode(t.Context(), test.token)
					if (c == nil) != (err != nil) {
						t.Errorf("cache of %d: %v with %v", cacheSize, c, err)
					}
					if errors.Is(test.want, usher.ErrInvalidToken) || test.want == nil {
						checkKind(t, err, test.want)
					} else if !errors.Is(err, test.want) || errors.Is(err, usher.ErrInvalidToken) {
						t.Errorf("cache of %d: %v, want %v", cacheSize, err, test.want)
					}
				}
				// What was refused for a while is accepted again.
				w.keys, w.err = test.keys, nil
				w.clock.set(testNow)
				checkDecode(t, d, test.token, nil)
			}
		})
	}
}

// testMoody asks the world in Validate, and changes itself.
type testMoody struct {
	usher.Claims
	Times int `json:"times"`
}

var errMood = errors.New("bad mood")

// moods says by subject who is in a bad mood; only TestCacheRunsValidateEachTime writes it.
var moods = map[string]bool{}

func (c *testMoody) Validate() error {
	c.Times++
	if moods[c.Subject] {
		return errMood
	}
	return nil
}

func TestCacheRunsValidateEachTime(t *testing.T) {
	d := newDecoder[testMoody](t, hmacKey(t, testSecret, ""), usher.DecoderOptions{CacheSize: 10})
	token := signHS256(goodPayload().with("sub", `"moody"`))
	for _, bad := range []bool{true, false, false, true, true, false} {
		moods["moody"] = bad
		if bad {
			checkDecode(t, d, token, usher.ErrTokenClaims)
			if _, err := d.Decode(t.Context(), token); !errors.Is(err, errMood) {
				t.Errorf("%v", err)
			}
			continue
		}
		if c := checkDecode(t, d, token, nil); c != nil && c.Times != 1 {
			t.Errorf("the claims were validated %d times: what Validate changes is the caller's alone", c.Times)
		}
	}
}

func TestCacheAsksTheSourceForEveryToken(t *testing.T) {
	source := fixedKeys(hmacKey(t, testSecret, ""))
	d := newDecoder[userClaims](t, source, usher.DecoderOptions{CacheSize: 10})
	for range 5 {
		checkDecode(t, d, signHS256(testTeams()), nil)
	}
	if n := source.calls.Load(); n != 5 {
		t.Errorf("%d look-ups for 5 tokens", n)
	}
}

// Every caller gets a copy: shallow, so what slices lead to is shared.
func TestCacheGivesEveryCallerACopy(t *testing.T) {
	d := newDecoder[userClaims](t, hmacKey(t, testSecret, ""), usher.DecoderOptions{CacheSize: 10})
	token := signHS256(testTeams().with("role", `"admin"`))
	for range 3 {
		c := checkDecode(t, d, token, nil)
		if c.Subject != "42" || c.Role != "admin" || fmt.Sprint(c.Teams) != "[x y]" || !c.ExpiresAt.Equal(testNow.Add(time.Hour)) {
			t.Errorf("%+v", c)
		}
		c.Subject, c.Role, c.ExpiresAt = "0", "guest", usher.NumericDate{}
		c.Teams = append(c.Teams[:0:0], "z")
		c.Audience = usher.Audience{"z"}
	}
}

func TestCacheKnowsTheWholeToken(t *testing.T) {
	// An ECDSA signature can be changed into another good one, so the same payload may come as two tokens.
	d := newDecoder[userClaims](t, testKey(t, usher.ES256), usher.DecoderOptions{CacheSize: 10})
	one := signToken("ES256", p256Key(), `{"alg":"ES256"}`, testTeams().String())
	two := signToken("ES256", p256Key(), `{"alg":"ES256"}`, testTeams().String())
	a, b := checkDecode(t, d, one, nil), checkDecode(t, d, two, nil)
	if one == two || &a.Teams[0] == &b.Teams[0] {
		t.Error("two tokens taken for one")
	}
	at := strings.LastIndexByte(one, '.')
	for _, forged := range []string{one[:at] + two[at:at+20] + one[at+20:], one[:len(one)-4] + "AAAA", one[:at+1] + base64Of(make([]byte, 64))} {
		if forged != one && forged != two {
			checkDecode(t, d, forged, usher.ErrTokenSignature)
		}
	}
	checkDecode(t, d, one+"=", usher.ErrTokenMalformed)
	checkDecode(t, d, one+" ", usher.ErrTokenMalformed)
	if !testHit(t, d, one) || !testHit(t, d, two) {
		t.Error("no hits")
	}
}

func TestCacheRemembersNoRefusals(t *testing.T) {
	keys := []usher.Key{hmacKey(t, otherSecret, "")}
	source := &fakeKeySource{keys: func(context.Context, string) ([]usher.Key, error) { return keys, nil }}
	clock := clockAt(testNow.Add(2 * time.Hour))
	d := newDecoder[userClaims](t, source, usher.DecoderOptions{CacheSize: 10, Now: clock.now})
	token := signHS256(testTeams())
	checkDecode(t, d, token, usher.ErrTokenSignature)
	keys = []usher.Key{hmacKey(t, testSecret, "")}
	checkDecode(t, d, token, usher.ErrTokenExpired)
	clock.set(testNow)
	if !testHit(t, d, token) {
		t.Error("no hit")
	}
}

// numbered returns a token of about size bytes.
func numbered(i, size int) string {
	padding := max(0, size*3/4-140)
	return signHS256(testTeams().with("jti", fmt.Sprintf(`"%06d%s"`, i, strings.Repeat("p", padding))))
}

// testSeen are tokens and what they were first decoded to.
type testSeen struct {
	tokens []string
	claims []*userClaims
}

func (s *testSeen) decode(tb testing.TB, d *usher.Decoder[userClaims], token string) {
	tb.Helper()
	s.tokens = append(s.tokens, token)
	s.claims = append(s.claims, checkDecode(tb, d, token, nil))
}

// hits returns how many of the tokens are remembered. It asks for the youngest first: what is not remembered
// takes the place of what is.
func (s *testSeen) hits(tb testing.TB, d *usher.Decoder[userClaims]) int {
	tb.Helper()
	hits := 0
	for i, token := range slices.Backward(s.tokens) {
		if now := checkDecode(tb, d, token, nil); &now.Teams[0] == &s.claims[i].Teams[0] {
			hits++
		}
	}
	return hits
}

func TestCacheIsBounded(t *testing.T) {
	for _, test := range []struct{ cacheSize, tokens, size, atLeast, most int }{
		{1, 10, 300, 0, 1}, // which of those that come once are worth it is the cache's to say
		{10, 10, 300, 10, 10},
		{10, 100, 300, 0, 10},
		{4, 20, 3000, 0, 2}, // 2 KiB each: the bytes bound it
		{1, 5, 3000, 0, 0},  // more than all of it may take
		{100, 500, 300, 0, 100},
		{50, 100, 5000, 0, 20},
	} {
		t.Run(fmt.Sprint(test), func(t *testing.T) {
			d := newDecoder[userClaims](t, hmacKey(t, testSecret, ""), usher.DecoderOptions{CacheSize: test.cacheSize})
			var seen testSeen
			for i := range test.tokens {
				seen.decode(t, d, numbered(i, test.size))
			}
			if hits := seen.hits(t, d); hits < test.atLeast || hits > test.most {
				t.Errorf("%d of %d remembered, want %d to %d", hits, test.tokens, test.atLeast, test.most)
			}
		})
	}
}

// A stream of tokens that come once does not push out those that come again and again.
func TestCacheKeepsWhatIsAskedFor(t *testing.T) {
	d := newDecoder[userClaims](t, hmacKey(t, testSecret, ""), usher.DecoderOptions{CacheSize: 20})
	var regular testSeen
	for i := range 5 {
		regular.decode(t, d, numbered(i, 300))
	}
	for i := range 200 {
		for _, token := range regular.tokens {
			checkDecode(t, d, token, nil)
		}
		checkDecode(t, d, numbered(1000+i, 300), nil)
	}
	if hits := regular.hits(t, d); hits != len(regular.tokens) {
		t.Errorf("%d of %d are still remembered", hits, len(regular.tokens))
	}
}

// heap returns the bytes that are in use.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// What it takes is bounded by CacheSize × 2 KiB, and what tokens are parts of is not held on to.
func TestCacheBoundsItsMemory(t *testing.T) {
	if testRace {
		t.Skip("the race detector needs memory of its own")
	}
	for _, test := range []struct{ cacheSize, tokens, size, header int }{
		{1000, 3000, 8000, 0},
		{1000, 3000, 300, 0},
		{1000, 3000, 1500, 0},
		{1000, 3000, 5000, 3000}, // a header of its own for each
	} {
		d := newDecoder[userClaims](t, hmacKey(t, testSecret, ""), usher.DecoderOptions{CacheSize: test.cacheSize})
		before := heap()
		for i := range test.tokens {
			token := numbered(i, test.size-test.header)
			if test.header > 0 {
				header := goodHeader().with("x5c", fmt.Sprintf(`"%0*d"`, test.header*3/4, i)).String()
				token = signToken("HS256", testSecret, header, testTeams().with("jti", strconv.Quote(strings.Repeat("p", test.size-test.header-140))).String())
			}
			checkDecode(t, d, token, nil)
		}
		if used, most := heap()-before, uint64(test.cacheSize*2<<10+64<<10); used < 1<<62 && used > most {
			t.Errorf("%v: %d bytes, want %d at most", test, used, most)
		}
		runtime.KeepAlive(d)
	}
	d := newDecoder[userClaims](t, hmacKey(t, testSecret, ""), usher.DecoderOptions{CacheSize: 100})
	before := heap()
	for i := range 100 {
		token := numbered(i, 300)
		large := strings.Repeat("x", 1<<20) + token // as if it were part of a large request
		checkDecode(t, d, large[1<<20:], nil)
	}
	if used := heap() - before; used < 1<<62 && used > 1<<20 {
		t.Errorf("%d bytes: it holds on to what the tokens were parts of", used)
	}
	runtime.KeepAlive(d)
}

// testLarge are claims of which each copy takes a kilobyte.
type testLarge struct {
	usher.Claims
	Room [1024]byte     `json:"-"`
	Data map[string]int `json:"data"`
}

// What an entry takes is counted in full: the claims, the token twice, the elements of lists, and many times what
// becomes values of types that usher doesn't know.
func TestCacheCountsWhatAnEntryTakes(t *testing.T) {
	for _, test := range []struct {
		cacheSize, tokenSize, members, audiences int
		remembered                               bool
	}{
		{4, 900, 1, 1, true}, // half of the room
		{4, 1400, 1, 1, false},
		{1, 300, 1, 1, false},
		{100, 5000, 300, 1, true},
		{20, 5000, 300, 1, false},
		{20, 3000, 1, 300, true},
		{5, 3000, 1, 300, false},
		{10, 3000, 1, 300, false},
	} {
		d := newDecoder[testLarge](t, hmacKey(t, testSecret, ""), usher.DecoderOptions{
			CacheSize: test.cacheSize, DangerouslyAllowAnyAudience: true,
		})
		var data []string
		for i := range test.members {
			data = append(data, fmt.Sprintf(`"%d":1`, i))
		}
		audience := strings.Repeat(`"api",`, test.audiences-1) + `"api"`
		payload := goodPayload().with("data", "{"+strings.Join(data, ",")+"}").with("aud", "["+audience+"]")
		padding := max(0, test.tokenSize-len(signHS256(payload))) * 3 / 4
		token := signHS256(payload.with("pad", `"`+strings.Repeat("x", padding)+`"`))
		a, b := checkDecode(t, d, token, nil), checkDecode(t, d, token, nil)
		hit := reflect.ValueOf(a.Data).Pointer() == reflect.ValueOf(b.Data).Pointer()
		if hit != test.remembered {
			t.Errorf("%+v: %d bytes of token, remembered: %v", test, len(token), hit)
		}
	}
}

// So it is for claims that take many times their JSON.
func TestCacheBoundsTheMemoryOfClaims(t *testing.T) {
	if testRace {
		t.Skip("the race detector needs memory of its own")
	}
	type entry struct {
		Name string   `json:"name"`
		Tags []string `json:"tags"`
	}
	type claims struct {
		userClaims
		Any     any       `json:"any"`
		Rows    [][64]int `json:"rows"`
		Entries []entry   `json:"entries"`
		Codes   []int16   `json:"codes"`
	}
	const cacheSize = 500
	list := func(element string) string {
		return "[" + strings.Repeat(element+",", 4000/(len(element)+1)) + element + "]"
	}
	for name, payload := range map[string]jsonObject{
		"commas in an audience":  goodPayload().with("aud", `["`+strings.Repeat(",", 4000)+`"]`),
		"commas in a list":       goodPayload().with("teams", `["`+strings.Repeat(",", 4000)+`"]`),
		"empty strings":          goodPayload().with("teams", list(`""`)),
		"escapes":                goodPayload().with("teams", list(`"\n\n"`)),
		"quotes":                 goodPayload().with("teams", `["`+strings.Repeat(`\"`, 2000)+`"]`),
		"empty objects":          goodPayload().with("any", list("{}")),
		"objects in each other":  goodPayload().with("any", strings.Repeat(`{"":`, 800)+"0"+strings.Repeat("}", 800)),
		"numbers":                goodPayload().with("any", list("0")),
		"arrays in an interface": goodPayload().with("any", list("[]")),
		"arrays of fixed length": goodPayload().with("rows", list("[]")),
		"some such arrays":       goodPayload().with("rows", "[[],[],[],[],[]]"),
		"structs":                goodPayload().with("entries", list("{}")),
		"structs with lists":     goodPayload().with("entries", list(`{"tags":["a"]}`)),
		"small numbers":          goodPayload().with("codes", list("1")),
		"escapes in one string":  goodPayload().with("jti", `"`+strings.Repeat(`\u0061`, 600)+`"`),
		"escapes everywhere":     goodPayload().with("jti", `"\u0061"`).with("iss", `"\u0061"`).with("sid", `"\u0061"`),
	} {
		t.Run(name, func(t *testing.T) {
			d := newDecoder[claims](t, hmacKey(t, testSecret, ""), usher.DecoderOptions{
				CacheSize: cacheSize, DangerouslyAllowAnyAudience: true,
			})
			before := heap()
			for i := range 2 * cacheSize {
				checkDecode(t, d, signHS256(payload.with("sub", fmt.Sprintf(`"%d"`, i))), nil)
			}
			if used, most := heap()-before, uint64(cacheSize*2<<10+128<<10); used < 1<<62 && used > most {
				t.Errorf("%d bytes, want %d at most", used, most)
			}
			runtime.KeepAlive(d)
		})
	}
}

// Claims live in the memory of the request that brought them; what is remembered of them, or copied, does not.
func TestCopiesOfClaimsKeepNoRequestInMemory(t *testing.T) {
	for _, size := range []int{0, 100} {
		decoder := newDecoder[userClaims](t, hmacKey(t, testSecret, ""), usher.DecoderOptions{
			CacheSize: size, Audience: usher.Audience{"api"},
		})
		var copies []userClaims
		handler := usher.Must(usher.NewMiddleware(decoder, usher.ClaimsAsUser[userClaims], nil)).RequireFunc(
			func(_ http.ResponseWriter, _ *http.Request, user *userClaims) { copies = append(copies, *user) })
		token := signHS256(testTeams().with("aud", `"api"`))
		type key struct{}
		serve := func() weak.Pointer[http.Header] {
			carried := new(http.Header)
			r := httptest.NewRequestWithContext(context.WithValue(t.Context(), key{}, carried), http.MethodGet, "/", nil)
			r.Header.Set("Authorization", "Bearer "+token)
			handler.ServeHTTP(httptest.NewRecorder(), r)
			return weak.Make(carried)
		}
		for i := range 2 { // verified, and remembered
			carried := serve()
			for range 2 { // pools keep what they have through the first
				runtime.GC()
			}
			if carried.Value() != nil {
				t.Errorf("CacheSize %d: request %d is over and still in memory", size, i)
			}
		}
		if len(copies) != 2 {
			t.Errorf("CacheSize %d: %d requests were served", size, len(copies))
		}
		runtime.KeepAlive(handler)
	}
}

func TestCacheMayBeOfAnySize(t *testing.T) {
	for _, size := range []int{1, 2, 1 << 30, math.MaxInt>>11 + 1, math.MaxInt>>11 + 2, math.MaxInt>>10 + 1, math.MaxInt>>1 + 2, math.MaxInt} {
		d, err := usher.NewDecoder[userClaims](hmacKey(t, testSecret, ""), &usher.DecoderOptions{CacheSize: size, Now: testClock})
		if err != nil || !testHit(t, d, signHS256(testTeams())) {
			t.Errorf("%d: no hit; %v", size, err)
		}
	}
}

// A decoder that is not needed any more leaves nothing behind.
func TestCacheHasNoGoroutines(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 10 {
		d := newDecoder[userClaims](t, hmacKey(t, testSecret, ""), usher.DecoderOptions{CacheSize: 4})
		for i := range 20 {
			checkDecode(t, d, numbered(i, 300), nil)
		}
	}
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines more", after-before)
	}
}
