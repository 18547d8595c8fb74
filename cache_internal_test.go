package usher

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"weak"
)

func TestTokensAreRememberedAsAWhole(t *testing.T) {
	c := newCache(10, 100)
	const one, other = "one.token.of-12345678", "two.token.of-12345678"
	c.put(one, new(header), Key{}, "one's", 0)
	for _, token := range []string{other, one[1:], "x" + one, one[:20], one[13:], "2345678", ""} {
		if r := c.get(token); r != nil {
			t.Errorf("%q found %q", token, r.token)
		}
	}
	c.put(other, new(header), Key{}, "other's", 0)
	for token, claims := range map[string]string{one: "one's", other: "other's"} {
		if r := c.get(token); r == nil || r.claims != claims {
			t.Errorf("%q: got %+v", token, r)
		}
	}
}

// cacheToken is a token that takes one place.
func cacheToken(kind string, n int) string { return fmt.Sprintf("%s-%08d", kind, n) }

func cachePut(c *cache, token string) { c.put(token, new(header), Key{}, token, 0) }

// cacheCheck reports what does not add up.
func cacheCheck(t *testing.T, c *cache) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	found, bytes := 0, 0
	for _, q := range []*queue{&c.waiting, &c.staying} {
		count, sum := 0, 0
		for r := q.first; r != nil; r = r.inQueue {
			count++
			sum += r.bytes
			if c.tokens.get(r.token) == r {
				found++
			}
			if r.inQueue == nil && q.last != r {
				t.Error("the last one is another")
			}
		}
		if count != q.count || sum != q.bytes {
			t.Errorf("%d tokens of %d bytes in a queue that says %d of %d", count, sum, q.count, q.bytes)
		}
		bytes += sum
	}
	linked := 0
	chains := *c.tokens.chains.Load()
	for i := range chains {
		for r := chains[i].Load(); r != nil; r = r.inTable.Load() {
			linked++
		}
	}
	if linked != c.tokens.count || found != linked {
		t.Errorf("%d tokens in the table, which says %d, and %d of them in queues", linked, c.tokens.count, found)
	}
	if bytes > c.most {
		t.Errorf("%d bytes, and %d are allowed", bytes, c.most)
	}
	if len(chains) < linked {
		t.Errorf("%d tokens share %d places", linked, len(chains))
	}
	if slots := c.most / slotSize; len(chains) > 2*slots || len(c.dropped) > 4*slots {
		t.Errorf("%d places for tokens and %d for those that were dropped are too many for %d", len(chains), len(c.dropped), slots)
	}
}

// Streams do not push out five tokens that are asked for once in so many tokens of the stream. Only in the beginning, when
// the cache gets full for the first time, anything may go.
func TestStreamsPassBy(t *testing.T) {
	const size = 1000
	for name, test := range map[string]struct {
		every  int
		stream func(c *cache, n int)
	}{
		"tokens that come once": {10 * size, func(c *cache, n int) { cachePut(c, cacheToken("once", n)) }},
		"tokens that come twice at once": {size / 2, func(c *cache, n int) {
			cachePut(c, cacheToken("twice", n))
			c.get(cacheToken("twice", n))
		}},
		"tokens that come again later": {size / 2, func(c *cache, n int) {
			cachePut(c, cacheToken("again", n))
			cachePut(c, cacheToken("again", n-size))
		}},
		"tokens whose key has changed": {10 * size, func(c *cache, n int) {
			c.put(cacheToken("keys", n%10), new(header), Key{&keyState{}}, nil, 0)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCache(size, 100)
			var regulars []string
			for i := range 5 {
				regulars = append(regulars, cacheToken("regular", i))
				cachePut(c, regulars[i])
				c.get(regulars[i])
			}
			misses := 0
			for n := range 100 * size {
				test.stream(c, n)
				if (n+1)%test.every != 0 {
					continue
				}
				for _, token := range regulars {
					if c.get(token) == nil {
						cachePut(c, token)
						if n > 20*size {
							misses++
						}
					}
				}
			}
			if misses > 0 {
				t.Errorf("%d times one of them was not remembered", misses)
			}
			cacheCheck(t, c)
		})
	}
}

// In the middle of a stream a token that is asked for gets in, if it comes again before it has been forgotten.
func TestNewcomersGetIn(t *testing.T) {
	const size = 1000
	for _, every := range []int{size / 20, size / 2, 2 * size} {
		c := newCache(size, 100)
		n := 0
		stream := func(tokens int) {
			for range tokens {
				n++
				cachePut(c, cacheToken("once", n))
			}
		}
		stream(3 * size)
		hits := 0
		const tokens, uses = 20, 10
		for i := range tokens {
			token := cacheToken("new", i)
			for use := range uses {
				if c.get(token) != nil {
					hits++
				} else {
					cachePut(c, token)
				}
				if use < uses-1 {
					stream(every)
				}
			}
		}
		// The first use can't be a hit, and the second only if it comes soon. A token that is forgotten, since another
		// had its place, is a newcomer once more.
		if least := tokens * (uses - 2) / 2; hits < least {
			t.Errorf("once in %d: %d hits, want %d of %d", every, hits, least, tokens*uses)
		}
		cacheCheck(t, c)
	}
}

func TestTokensThatNobodyAsksForMakeRoom(t *testing.T) {
	const size = 100
	c := newCache(size, 100)
	for _, kind := range []string{"old", "new"} {
		for range 2 { // all of them become regulars
			for i := range size {
				if token := cacheToken(kind, i); c.get(token) == nil {
					cachePut(c, token)
				}
			}
		}
		for i := range 5 * size {
			cachePut(c, cacheToken("pass", i))
			c.get(cacheToken("pass", i)) // so that they need places among the regulars
		}
	}
	for i := range size {
		if c.get(cacheToken("old", i)) != nil {
			t.Fatal("a token that nobody asked for is still there")
		}
	}
	cacheCheck(t, c)
}

// A tenth of the cache is for tokens that wait, however many stay.
func TestATenthIsForTokensThatWait(t *testing.T) {
	const size = 1000
	c := newCache(size, 100)
	for i := range size {
		cachePut(c, cacheToken("regular", i))
		c.get(cacheToken("regular", i))
	}
	for n := range 3 * size {
		cachePut(c, cacheToken("once", size+n)) // not the tail of a regular one
		if c.waiting.count != size/10 || c.staying.count != size-size/10 {
			t.Fatalf("%d wait and %d stay after %d of the stream", c.waiting.count, c.staying.count, n+1)
		}
	}
	cacheCheck(t, c)
}

// When all are busy, the first one goes when its turn comes again, though readers go on asking for it meanwhile: a writer
// gets through.
func TestTheCircleIsGoneRoundOnce(t *testing.T) {
	const size = 10
	c := newCache(size, 100)
	var tokens []*remembered
	add := func(r *remembered) {
		c.staying.push(r)
		c.tokens.put(r)
	}
	for i := range size {
		tokens = append(tokens, &remembered{token: cacheToken("busy", i), bytes: slotSize})
		add(tokens[i])
	}
	var done atomic.Bool
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for !done.Load() {
				for _, r := range tokens {
					r.used.Store(true)
				}
			}
		})
	}
	n := 0
	for end := time.Now().Add(100 * time.Millisecond); time.Now().Before(end); n++ {
		for _, r := range tokens {
			r.used.Store(true)
		}
		c.makeRoom(slotSize)
		first := tokens[n%size]
		if c.tokens.get(first.token) != nil || c.staying.count != size-1 {
			t.Errorf("another one than the first was dropped, or not one of %d, in turn %d", size, n)
			break
		}
		add(first)
	}
	done.Store(true)
	readers.Wait()
	cacheCheck(t, c)
}

// A token counts as one place at least, and else as what it takes: an entry, its claims and what they lead to, and its
// text and payload.
func TestTokensCountAsWhatTheyTake(t *testing.T) {
	for _, test := range []struct{ claims, length, beside, want int }{
		{100, 20, 0, 2048},
		{100, 846, 0, 256 + 100 + 2*846},
		{100, 846, 1, 256 + 100 + 2*846 + 1},
		{100, 20, 3000, 256 + 100 + 2*20 + 3000},
		{2000, 20, 0, 256 + 2000 + 2*20},
	} {
		c := newCache(4, test.claims)
		c.put(fmt.Sprintf("%0*d", test.length, 1), new(header), Key{}, nil, test.beside)
		if c.waiting.count != 1 || c.waiting.bytes != test.want {
			t.Errorf("%+v: %d of %d bytes", test, c.waiting.count, c.waiting.bytes)
		}
	}
	for size, most := range map[int]int{1: slotSize, 2: slotSize, 4: 2 * slotSize, 5: 5 * slotSize / 2} {
		c := newCache(size, 100)
		c.put(fmt.Sprintf("%020d", 1), new(header), Key{}, nil, most-256-100-40+1)
		if c.waiting.count != 0 {
			t.Errorf("CacheSize %d: it takes more than one place and half of all, and is remembered", size)
		}
		c.put(fmt.Sprintf("%020d", 1), new(header), Key{}, nil, most-256-100-40)
		if c.waiting.count != 1 {
			t.Errorf("CacheSize %d: it takes no more than it may, and is not remembered", size)
		}
	}
	c := newCache(4, 100)
	c.put(fmt.Sprintf("%0846d", 1), &header{segment: "123456789"}, Key{}, nil, 0)
	if want := 256 + 100 + 2*846 + 2*9; c.waiting.bytes != want {
		t.Errorf("%d bytes, want %d: the header counts too", c.waiting.bytes, want)
	}
}

// What was dropped, or replaced, is nobody's memory any more, although it was the last of its queue.
func TestDroppedTokensAreGone(t *testing.T) {
	c := newCache(1, 100)
	token := func(i int) string { return cacheToken("token", i) }
	cachePut(c, token(0))
	first := weak.Make(c.get(token(0)))
	cachePut(c, token(1)) // in place of the first
	second := weak.Make(c.get(token(1)))
	cachePut(c, token(0)) // which came back soon, and stays
	runtime.GC()
	if first.Value() != nil || second.Value() != nil {
		t.Errorf("the first is in memory: %v; the second: %v", first.Value() != nil, second.Value() != nil)
	}
	if c.get(token(0)) == nil || c.staying.count != 1 {
		t.Error("the third is not")
	}
	runtime.KeepAlive(c)
}

// Tokens of all sizes, verified with the same key or another one, never take more than they may.
func TestTokensOfAllSizesAreRemembered(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	keys := []Key{{&keyState{}}, {&keyState{}}}
	for _, size := range []int{1, 2, 9, 10, 11, 50} {
		c := newCache(size, 100)
		for range 5000 {
			token := cacheToken("token", random.IntN(5*size))
			if random.IntN(2) == 0 {
				c.get(token)
				continue
			}
			c.put(token, new(header), keys[random.IntN(2)], nil, random.IntN(size*slotSize)>>random.IntN(8))
			cacheCheck(t, c)
		}
	}
}

// Whoever has verified a token again, with another key, takes the old one's place; the same is not remembered twice.
func TestTokensAreRememberedOnce(t *testing.T) {
	c := newCache(10, 100)
	token := cacheToken("token", 0)
	a, b := Key{&keyState{}}, Key{&keyState{}}
	for _, step := range []struct {
		key   Key
		count int
	}{{a, 1}, {a, 1}, {b, 2}, {b, 2}, {a, 3}} {
		c.put(token, new(header), step.key, step.key, 0)
		if r := c.get(token); r == nil || r.key != step.key || r.claims != step.key {
			t.Errorf("got %+v", r)
		}
		if c.tokens.count != 1 || c.waiting.count != step.count {
			t.Errorf("%d in the table, %d in the queue, want 1 and %d", c.tokens.count, c.waiting.count, step.count)
		}
	}
	for i := range 20 { // what is not in the table any more leaves its queue in its turn
		cachePut(c, cacheToken("once", i))
	}
	cacheCheck(t, c)
	for i := range 100 {
		c.put(token, new(header), []Key{a, b}[i%2], nil, 0)
	}
	cacheCheck(t, c)
}

// A token is remembered for as long as the source has a key of the material that verified it, though it makes keys anew.
func TestTokensAreRememberedForTheirKeysMaterial(t *testing.T) {
	secret := func(fill, id string) Key { return Must(NewKey(HS256, []byte(strings.Repeat(fill, 32)))).WithID(id) }
	r := &remembered{header: &header{alg: HS256, kid: "id"}, key: secret("s", "id")}
	others := slices.Repeat([]Key{secret("o", "id")}, maxTries)
	for name, test := range map[string]struct {
		keys []Key
		want bool
	}{
		"the very key":          {[]Key{r.key}, true},
		"one made anew":         {[]Key{secret("s", "id")}, true},
		"one made anew is last": {append(slices.Clone(others[1:]), secret("s", "id")), true},
		"one made anew is late": {append(slices.Clone(others), secret("s", "id")), false},
		"the very key is late":  {append(slices.Clone(others), r.key), false},
		"another secret":        {others, false},
		"another ID":            {[]Key{secret("s", "other")}, false},
		"no key":                {nil, false},
		"the zero Key":          {[]Key{{}}, false},
	} {
		if got := r.verifiedBy(test.keys); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// The table does what a map does, also where tokens share places, and while it grows.
func TestTableIsAMap(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var table table
	table.init()
	held := map[string]*remembered{}
	most := 1
	for range 20_000 {
		// Few tails: up to ten tokens share one.
		token := fmt.Sprintf("%d-%08d", random.IntN(10), random.IntN(50))
		switch r := table.get(token); {
		case r != held[token]:
			t.Fatalf("%q: found %+v, want %+v", token, r, held[token])
		case r == nil:
			held[token] = &remembered{token: token}
			table.put(held[token])
		case random.IntN(2) == 0:
			if !table.delete(r) || table.delete(r) {
				t.Fatal("deleted never, or twice")
			}
			delete(held, token)
		}
		if table.count != len(held) {
			t.Fatalf("%d tokens, want %d", table.count, len(held))
		}
		most = max(most, len(held))
		if places := len(*table.chains.Load()); places < len(held) || places > 2*most {
			t.Fatalf("%d places for %d tokens, and %d at most", places, len(held), most)
		}
	}
}

// Whoever is looking at a token while it is taken out finds the way on to those behind it.
func TestTableLeadsOn(t *testing.T) {
	var table table
	table.init()
	first, second := &remembered{token: cacheToken("first", 1)}, &remembered{token: cacheToken("second", 1)} // of one place
	table.put(first)
	table.put(second)
	if !table.delete(second) || second.inTable.Load() != first {
		t.Error("the way ends")
	}
}

// A table that does not grow is never without what is in it, whatever comes and goes beside that.
func TestTableIsReadWhileItIsWritten(t *testing.T) {
	const size = 30
	var table table
	table.init()
	put := func(kind string) {
		for i := range size { // the same tails, and so the same places, for each kind
			table.put(&remembered{token: cacheToken(kind, i)})
		}
	}
	remove := func(kind string) {
		for i := range size {
			table.delete(table.get(cacheToken(kind, i)))
		}
	}
	put("stays")
	put("passes") // the table grows here
	remove("passes")
	var done atomic.Bool
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for !done.Load() && !t.Failed() {
				for i := range size {
					if token := cacheToken("stays", i); table.get(token) == nil {
						t.Errorf("%q is missing", token)
					}
				}
			}
		})
	}
	for end := time.Now().Add(200 * time.Millisecond); time.Now().Before(end); {
		put("passes")
		remove("passes")
	}
	done.Store(true)
	readers.Wait()
}

// Readers find nothing but what they look for, whatever writers do; and a writer gets through however busy they are.
func TestCacheIsReadWhileItIsWritten(t *testing.T) {
	for _, size := range []int{1, 3, 100, 10_000} {
		c := newCache(size, 100)
		var done atomic.Bool
		var readers sync.WaitGroup
		for range 4 {
			readers.Go(func() {
				for !done.Load() {
					for n := range 200 {
						token := cacheToken("token", n)
						if r := c.get(token); r != nil && (r.token != token || r.claims != token) {
							t.Errorf("%q found %q with %q", token, r.token, r.claims)
						}
					}
				}
			})
		}
		var writers sync.WaitGroup
		for w := range 2 {
			writers.Go(func() {
				for end := time.Now().Add(100 * time.Millisecond); time.Now().Before(end); {
					for n := range 200 {
						cachePut(c, cacheToken("token", n))
						cachePut(c, cacheToken(fmt.Sprint("of ", w), rand.Int()))
					}
				}
			})
		}
		writers.Wait()
		done.Store(true)
		readers.Wait()
		cacheCheck(t, c)
	}
}
