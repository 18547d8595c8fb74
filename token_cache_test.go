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

// tokTeams are the payload of a token by which hits can be told: slices are shared among them.
func tokTeams() tokObject { return tokPayload().with("teams", `["x","y"]`) }

// tokHit decodes twice and reports whether the second time was a hit.
func tokHit(tb testing.TB, d *usher.Decoder[tokUser], token string) bool {
	tb.Helper()
	a, b := tokCheckDecode(tb, d, token, nil), tokCheckDecode(tb, d, token, nil)
	if a == b {
		tb.Error("two callers got the same claims")
	}
	return a != nil && b != nil && &a.Teams[0] == &b.Teams[0]
}

func TestCacheRemembersVerifiedTokens(t *testing.T) {
	for _, alg := range tokAlgorithms {
		key := tokKey(t, alg).WithID("key")
		header := tokHeader().with("alg", `"`+string(alg)+`"`).with("kid", `"key"`).String()
		token := tokJoin(string(alg), tokMaterial(alg), header, tokTeams().String())
		if tokHit(t, tokDecoder[tokUser](t, key, usher.DecoderOptions{}), token) {
			t.Errorf("%s: a hit without a cache", alg)
		}
		if !tokHit(t, tokDecoder[tokUser](t, key, usher.DecoderOptions{CacheSize: 1}), token) {
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
		clock *tokTime
	}
	a, other := tokHMAC(t, tokSecret, "a"), tokHMAC(t, tokOtherSecret, "a")
	var eight []usher.Key
	for i := range 8 {
		eight = append(eight, tokHMAC(t, tokNumberedSecret(i), fmt.Sprint(i)))
	}
	payload := tokTeams().with("iat", tokSeconds(0)).with("nbf", tokSeconds(-time.Minute))
	withKid := tokJoin("HS256", tokSecret, tokHeader().with("kid", `"a"`).String(), payload.String())
	without := tokJoin("HS256", tokSecret, tokHeader().String(), payload.String())
	rsaToken := tokJoin("RS256", tokRSA(), `{"alg":"RS256","kid":"a"}`, payload.String())
	rs, ps := tokKey(t, usher.RS256).WithID("a"), tokKey(t, usher.PS256).WithID("a")
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
		"the key made again":                   {withKid, []usher.Key{a}, usher.DecoderOptions{}, func(w *world) { w.keys = []usher.Key{tokHMAC(t, tokSecret, "a")} }, nil},
		"other keys beside it":                 {withKid, []usher.Key{a}, usher.DecoderOptions{}, func(w *world) { w.keys = []usher.Key{other, a} }, nil},
		"the public half instead":              {rsaToken, []usher.Key{rs}, usher.DecoderOptions{}, func(w *world) { w.keys = []usher.Key{rsPublic} }, nil},
		"the key replaced under its ID":        {withKid, []usher.Key{a}, usher.DecoderOptions{}, func(w *world) { w.keys = []usher.Key{other} }, usher.ErrTokenSignature},
		"a shorter secret under its ID":        {withKid, []usher.Key{a}, usher.DecoderOptions{}, func(w *world) { w.keys = []usher.Key{tokHMAC(t, tokSecret[:40], "a")} }, usher.ErrTokenSignature},
		"the key under another ID":             {withKid, []usher.Key{a}, usher.DecoderOptions{}, func(w *world) { w.keys = []usher.Key{a.WithID("b")} }, usher.ErrUnknownKey},
		"the key without ID":                   {withKid, []usher.Key{a}, usher.DecoderOptions{}, func(w *world) { w.keys = []usher.Key{a.WithID("")} }, usher.ErrUnknownKey},
		"the secret under another algorithm":   {withKid, []usher.Key{a}, usher.DecoderOptions{}, func(w *world) { w.keys = []usher.Key{tokKey(t, usher.HS512).WithID("a")} }, usher.ErrUnknownKey},
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
		"a moment before exp":                  {withKid, []usher.Key{a}, usher.DecoderOptions{}, func(w *world) { w.clock.set(tokNow.Add(time.Hour - 1)) }, nil},
		"exp":                                  {withKid, []usher.Key{a}, usher.DecoderOptions{}, func(w *world) { w.clock.set(tokNow.Add(time.Hour)) }, usher.ErrTokenExpired},
		"exp and leeway":                       {withKid, []usher.Key{a}, usher.DecoderOptions{Leeway: time.Second}, func(w *world) { w.clock.set(tokNow.Add(time.Hour + time.Second)) }, usher.ErrTokenExpired},
		"within the leeway":                    {withKid, []usher.Key{a}, usher.DecoderOptions{Leeway: time.Second}, func(w *world) { w.clock.set(tokNow.Add(time.Hour)) }, nil},
		"a clock set back before nbf":          {withKid, []usher.Key{a}, usher.DecoderOptions{}, func(w *world) { w.clock.set(tokNow.Add(-61 * time.Second)) }, usher.ErrTokenNotYetValid},
		"as old as MaxAge":                     {withKid, []usher.Key{a}, usher.DecoderOptions{MaxAge: time.Minute}, func(w *world) { w.clock.set(tokNow.Add(time.Minute)) }, nil},
		"older than MaxAge":                    {withKid, []usher.Key{a}, usher.DecoderOptions{MaxAge: time.Minute}, func(w *world) { w.clock.set(tokNow.Add(time.Minute + 1)) }, usher.ErrTokenExpired},
		"a clock set back before iat":          {withKid, []usher.Key{a}, usher.DecoderOptions{MaxAge: time.Minute}, func(w *world) { w.clock.set(tokNow.Add(-time.Second)) }, usher.ErrTokenNotYetValid},
		"expired, and the source out of reach": {withKid, []usher.Key{a}, usher.DecoderOptions{}, func(w *world) { w.clock.set(tokNow.Add(time.Hour)); w.err = unavailable }, unavailable},
		"expired, and the key replaced":        {withKid, []usher.Key{a}, usher.DecoderOptions{}, func(w *world) { w.clock.set(tokNow.Add(time.Hour)); w.keys = []usher.Key{other} }, usher.ErrTokenSignature},
	} {
		t.Run(name, func(t *testing.T) {
			for _, cacheSize := range []int{0, 1, 100} {
				w := world{keys: test.keys, clock: tokTimeAt(tokNow)}
				source := &tokSource{keys: func(context.Context, string) ([]usher.Key, error) { return w.keys, w.err }}
				test.opts.CacheSize, test.opts.Now = cacheSize, w.clock.now
				d := tokDecoder[tokUser](t, source, test.opts)
				if hit := tokHit(t, d, test.token); hit != (cacheSize > 0) {
					t.Errorf("cache of %d: hit %v", cacheSize, hit)
				}
				test.change(&w)
				for range 2 {
					c, err := d.Decode(t.Context(), test.token)
					if (c == nil) != (err != nil) {
						t.Errorf("cache of %d: %v with %v", cacheSize, c, err)
					}
					if errors.Is(test.want, usher.ErrInvalidToken) || test.want == nil {
						tokCheckKind(t, err, test.want)
					} else if !errors.Is(err, test.want) || errors.Is(err, usher.ErrInvalidToken) {
						t.Errorf("cache of %d: %v, want %v", cacheSize, err, test.want)
					}
				}
				// What was refused for a while is accepted again.
				w.keys, w.err = test.keys, nil
				w.clock.set(tokNow)
				tokCheckDecode(t, d, test.token, nil)
			}
		})
	}
}

// tokMoody asks the world in Validate, and changes itself.
type tokMoody struct {
	usher.Claims
	Times int `json:"times"`
}

var errMood = errors.New("bad mood")

// tokMoods says by subject who is in a bad mood; only TestCacheRunsValidateEachTime writes it.
var tokMoods = map[string]bool{}

func (c *tokMoody) Validate() error {
	c.Times++
	if tokMoods[c.Subject] {
		return errMood
	}
	return nil
}

func TestCacheRunsValidateEachTime(t *testing.T) {
	d := tokDecoder[tokMoody](t, tokHMAC(t, tokSecret, ""), usher.DecoderOptions{CacheSize: 10})
	token := tokHS256(tokPayload().with("sub", `"moody"`))
	for _, bad := range []bool{true, false, false, true, true, false} {
		tokMoods["moody"] = bad
		if bad {
			tokCheckDecode(t, d, token, usher.ErrTokenClaims)
			if _, err := d.Decode(t.Context(), token); !errors.Is(err, errMood) {
				t.Errorf("%v", err)
			}
			continue
		}
		if c := tokCheckDecode(t, d, token, nil); c != nil && c.Times != 1 {
			t.Errorf("the claims were validated %d times: what Validate changes is the caller's alone", c.Times)
		}
	}
}

func TestCacheAsksTheSourceForEveryToken(t *testing.T) {
	source := tokFixed(tokHMAC(t, tokSecret, ""))
	d := tokDecoder[tokUser](t, source, usher.DecoderOptions{CacheSize: 10})
	for range 5 {
		tokCheckDecode(t, d, tokHS256(tokTeams()), nil)
	}
	if n := source.calls.Load(); n != 5 {
		t.Errorf("%d look-ups for 5 tokens", n)
	}
}

// Every caller gets a copy: shallow, so what slices lead to is shared.
func TestCacheGivesEveryCallerACopy(t *testing.T) {
	d := tokDecoder[tokUser](t, tokHMAC(t, tokSecret, ""), usher.DecoderOptions{CacheSize: 10})
	token := tokHS256(tokTeams().with("role", `"admin"`))
	for range 3 {
		c := tokCheckDecode(t, d, token, nil)
		if c.Subject != "42" || c.Role != "admin" || fmt.Sprint(c.Teams) != "[x y]" || !c.ExpiresAt.Equal(tokNow.Add(time.Hour)) {
			t.Errorf("%+v", c)
		}
		c.Subject, c.Role, c.ExpiresAt = "0", "guest", usher.NumericDate{}
		c.Teams = append(c.Teams[:0:0], "z")
		c.Audience = usher.Audience{"z"}
	}
}

func TestCacheKnowsTheWholeToken(t *testing.T) {
	// An ECDSA signature can be changed into another good one, so the same payload may come as two tokens.
	d := tokDecoder[tokUser](t, tokKey(t, usher.ES256), usher.DecoderOptions{CacheSize: 10})
	one := tokJoin("ES256", tokP256(), `{"alg":"ES256"}`, tokTeams().String())
	two := tokJoin("ES256", tokP256(), `{"alg":"ES256"}`, tokTeams().String())
	a, b := tokCheckDecode(t, d, one, nil), tokCheckDecode(t, d, two, nil)
	if one == two || &a.Teams[0] == &b.Teams[0] {
		t.Error("two tokens taken for one")
	}
	at := strings.LastIndexByte(one, '.')
	for _, forged := range []string{one[:at] + two[at:at+20] + one[at+20:], one[:len(one)-4] + "AAAA", one[:at+1] + tokB64(make([]byte, 64))} {
		if forged != one && forged != two {
			tokCheckDecode(t, d, forged, usher.ErrTokenSignature)
		}
	}
	tokCheckDecode(t, d, one+"=", usher.ErrTokenMalformed)
	tokCheckDecode(t, d, one+" ", usher.ErrTokenMalformed)
	if !tokHit(t, d, one) || !tokHit(t, d, two) {
		t.Error("no hits")
	}
}

func TestCacheRemembersNoRefusals(t *testing.T) {
	keys := []usher.Key{tokHMAC(t, tokOtherSecret, "")}
	source := &tokSource{keys: func(context.Context, string) ([]usher.Key, error) { return keys, nil }}
	clock := tokTimeAt(tokNow.Add(2 * time.Hour))
	d := tokDecoder[tokUser](t, source, usher.DecoderOptions{CacheSize: 10, Now: clock.now})
	token := tokHS256(tokTeams())
	tokCheckDecode(t, d, token, usher.ErrTokenSignature)
	keys = []usher.Key{tokHMAC(t, tokSecret, "")}
	tokCheckDecode(t, d, token, usher.ErrTokenExpired)
	clock.set(tokNow)
	if !tokHit(t, d, token) {
		t.Error("no hit")
	}
}

// tokNumbered returns a token of about size bytes.
func tokNumbered(i, size int) string {
	padding := max(0, size*3/4-140)
	return tokHS256(tokTeams().with("jti", fmt.Sprintf(`"%06d%s"`, i, strings.Repeat("p", padding))))
}

// tokSeen are tokens and what they were first decoded to.
type tokSeen struct {
	tokens []string
	claims []*tokUser
}

func (s *tokSeen) decode(tb testing.TB, d *usher.Decoder[tokUser], token string) {
	tb.Helper()
	s.tokens = append(s.tokens, token)
	s.claims = append(s.claims, tokCheckDecode(tb, d, token, nil))
}

// hits returns how many of the tokens are remembered. It asks for the youngest first: what is not remembered
// takes the place of what is.
func (s *tokSeen) hits(tb testing.TB, d *usher.Decoder[tokUser]) int {
	tb.Helper()
	hits := 0
	for i, token := range slices.Backward(s.tokens) {
		if now := tokCheckDecode(tb, d, token, nil); &now.Teams[0] == &s.claims[i].Teams[0] {
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
			d := tokDecoder[tokUser](t, tokHMAC(t, tokSecret, ""), usher.DecoderOptions{CacheSize: test.cacheSize})
			var seen tokSeen
			for i := range test.tokens {
				seen.decode(t, d, tokNumbered(i, test.size))
			}
			if hits := seen.hits(t, d); hits < test.atLeast || hits > test.most {
				t.Errorf("%d of %d remembered, want %d to %d", hits, test.tokens, test.atLeast, test.most)
			}
		})
	}
}

// A stream of tokens that come once does not push out those that come again and again.
func TestCacheKeepsWhatIsAskedFor(t *testing.T) {
	d := tokDecoder[tokUser](t, tokHMAC(t, tokSecret, ""), usher.DecoderOptions{CacheSize: 20})
	var regular tokSeen
	for i := range 5 {
		regular.decode(t, d, tokNumbered(i, 300))
	}
	for i := range 200 {
		for _, token := range regular.tokens {
			tokCheckDecode(t, d, token, nil)
		}
		tokCheckDecode(t, d, tokNumbered(1000+i, 300), nil)
	}
	if hits := regular.hits(t, d); hits != len(regular.tokens) {
		t.Errorf("%d of %d are still remembered", hits, len(regular.tokens))
	}
}

// tokHeap returns the bytes that are in use.
func tokHeap() uint64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// What it takes is bounded by CacheSize × 2 KiB, and what tokens are parts of is not held on to.
func TestCacheBoundsItsMemory(t *testing.T) {
	if tokRace {
		t.Skip("the race detector needs memory of its own")
	}
	for _, test := range []struct{ cacheSize, tokens, size, header int }{
		{1000, 3000, 8000, 0},
		{1000, 3000, 300, 0},
		{1000, 3000, 1500, 0},
		{1000, 3000, 5000, 3000}, // a header of its own for each
	} {
		d := tokDecoder[tokUser](t, tokHMAC(t, tokSecret, ""), usher.DecoderOptions{CacheSize: test.cacheSize})
		before := tokHeap()
		for i := range test.tokens {
			token := tokNumbered(i, test.size-test.header)
			if test.header > 0 {
				header := tokHeader().with("x5c", fmt.Sprintf(`"%0*d"`, test.header*3/4, i)).String()
				token = tokJoin("HS256", tokSecret, header, tokTeams().with("jti", strconv.Quote(strings.Repeat("p", test.size-test.header-140))).String())
			}
			tokCheckDecode(t, d, token, nil)
		}
		if used, most := tokHeap()-before, uint64(test.cacheSize*2<<10+64<<10); used < 1<<62 && used > most {
			t.Errorf("%v: %d bytes, want %d at most", test, used, most)
		}
		runtime.KeepAlive(d)
	}
	d := tokDecoder[tokUser](t, tokHMAC(t, tokSecret, ""), usher.DecoderOptions{CacheSize: 100})
	before := tokHeap()
	for i := range 100 {
		token := tokNumbered(i, 300)
		large := strings.Repeat("x", 1<<20) + token // as if it were part of a large request
		tokCheckDecode(t, d, large[1<<20:], nil)
	}
	if used := tokHeap() - before; used < 1<<62 && used > 1<<20 {
		t.Errorf("%d bytes: it holds on to what the tokens were parts of", used)
	}
	runtime.KeepAlive(d)
}

// tokLarge are claims of which each copy takes a kilobyte.
type tokLarge struct {
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
		d := tokDecoder[tokLarge](t, tokHMAC(t, tokSecret, ""), usher.DecoderOptions{
			CacheSize: test.cacheSize, DangerouslyAllowAnyAudience: true,
		})
		var data []string
		for i := range test.members {
			data = append(data, fmt.Sprintf(`"%d":1`, i))
		}
		audience := strings.Repeat(`"api",`, test.audiences-1) + `"api"`
		payload := tokPayload().with("data", "{"+strings.Join(data, ",")+"}").with("aud", "["+audience+"]")
		padding := max(0, test.tokenSize-len(tokHS256(payload))) * 3 / 4
		token := tokHS256(payload.with("pad", `"`+strings.Repeat("x", padding)+`"`))
		a, b := tokCheckDecode(t, d, token, nil), tokCheckDecode(t, d, token, nil)
		hit := reflect.ValueOf(a.Data).Pointer() == reflect.ValueOf(b.Data).Pointer()
		if hit != test.remembered {
			t.Errorf("%+v: %d bytes of token, remembered: %v", test, len(token), hit)
		}
	}
}

// So it is for claims that take many times their JSON.
func TestCacheBoundsTheMemoryOfClaims(t *testing.T) {
	if tokRace {
		t.Skip("the race detector needs memory of its own")
	}
	type entry struct {
		Name string   `json:"name"`
		Tags []string `json:"tags"`
	}
	type claims struct {
		tokUser
		Any     any       `json:"any"`
		Rows    [][64]int `json:"rows"`
		Entries []entry   `json:"entries"`
		Codes   []int16   `json:"codes"`
	}
	const cacheSize = 500
	list := func(element string) string {
		return "[" + strings.Repeat(element+",", 4000/(len(element)+1)) + element + "]"
	}
	for name, payload := range map[string]tokObject{
		"commas in an audience":  tokPayload().with("aud", `["`+strings.Repeat(",", 4000)+`"]`),
		"commas in a list":       tokPayload().with("teams", `["`+strings.Repeat(",", 4000)+`"]`),
		"empty strings":          tokPayload().with("teams", list(`""`)),
		"escapes":                tokPayload().with("teams", list(`"\n\n"`)),
		"quotes":                 tokPayload().with("teams", `["`+strings.Repeat(`\"`, 2000)+`"]`),
		"empty objects":          tokPayload().with("any", list("{}")),
		"objects in each other":  tokPayload().with("any", strings.Repeat(`{"":`, 800)+"0"+strings.Repeat("}", 800)),
		"numbers":                tokPayload().with("any", list("0")),
		"arrays in an interface": tokPayload().with("any", list("[]")),
		"arrays of fixed length": tokPayload().with("rows", list("[]")),
		"some such arrays":       tokPayload().with("rows", "[[],[],[],[],[]]"),
		"structs":                tokPayload().with("entries", list("{}")),
		"structs with lists":     tokPayload().with("entries", list(`{"tags":["a"]}`)),
		"small numbers":          tokPayload().with("codes", list("1")),
		"escapes in one string":  tokPayload().with("jti", `"`+strings.Repeat(`\u0061`, 600)+`"`),
		"escapes everywhere":     tokPayload().with("jti", `"\u0061"`).with("iss", `"\u0061"`).with("sid", `"\u0061"`),
	} {
		t.Run(name, func(t *testing.T) {
			d := tokDecoder[claims](t, tokHMAC(t, tokSecret, ""), usher.DecoderOptions{
				CacheSize: cacheSize, DangerouslyAllowAnyAudience: true,
			})
			before := tokHeap()
			for i := range 2 * cacheSize {
				tokCheckDecode(t, d, tokHS256(payload.with("sub", fmt.Sprintf(`"%d"`, i))), nil)
			}
			if used, most := tokHeap()-before, uint64(cacheSize*2<<10+128<<10); used < 1<<62 && used > most {
				t.Errorf("%d bytes, want %d at most", used, most)
			}
			runtime.KeepAlive(d)
		})
	}
}

// Claims live in the memory of the request that brought them; what is remembered of them, or copied, does not.
func TestCopiesOfClaimsKeepNoRequestInMemory(t *testing.T) {
	for _, size := range []int{0, 100} {
		decoder := tokDecoder[tokUser](t, tokHMAC(t, tokSecret, ""), usher.DecoderOptions{
			CacheSize: size, Audience: usher.Audience{"api"},
		})
		var copies []tokUser
		handler := usher.Must(usher.NewMiddleware(decoder, usher.ClaimsAsUser[tokUser], nil)).RequireFunc(
			func(_ http.ResponseWriter, _ *http.Request, user *tokUser) { copies = append(copies, *user) })
		token := tokHS256(tokTeams().with("aud", `"api"`))
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
		d, err := usher.NewDecoder[tokUser](tokHMAC(t, tokSecret, ""), &usher.DecoderOptions{CacheSize: size, Now: tokClock})
		if err != nil || !tokHit(t, d, tokHS256(tokTeams())) {
			t.Errorf("%d: no hit; %v", size, err)
		}
	}
}

// A decoder that is not needed any more leaves nothing behind.
func TestCacheHasNoGoroutines(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 10 {
		d := tokDecoder[tokUser](t, tokHMAC(t, tokSecret, ""), usher.DecoderOptions{CacheSize: 4})
		for i := range 20 {
			tokCheckDecode(t, d, tokNumbered(i, 300), nil)
		}
	}
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines more", after-before)
	}
}
