package tokencache

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"weak"
)

func TestKeysAreComparedAsAWhole(t *testing.T) {
	c := newCache(10)
	const one, other = "one.token.of-12345678", "two.token.of-12345678"
	c.Put(one, item{text: "one's"}, 0)
	for _, token := range []string{other, one[1:], "x" + one, one[:20], one[13:], "2345678", ""} {
		if r := c.Get(token); r != nil {
			t.Errorf("%q found %q", token, r.text)
		}
	}
	c.Put(other, item{text: "other's"}, 0)
	for token, claims := range map[string]string{one: "one's", other: "other's"} {
		if r := c.Get(token); r == nil || r.text != claims {
			t.Errorf("%q: got %+v", token, r)
		}
	}
}

// cacheToken is a token that takes one place.
func cacheToken(kind string, n int) string { return fmt.Sprintf("%s-%08d", kind, n) }

// item is a value. Two of the same origin are the same.
type item struct {
	origin int
	text   string
}

func sameOrigin(a, b *item) bool { return a.origin == b.origin }

const slotSize = 2 << 10

func newCache(size int) *Cache[item] { return New(size, slotSize, sameOrigin) }

func cachePut(c *Cache[item], token string) { c.Put(token, item{text: token}, 0) }

// cacheCheck checks the cache's invariants.
func cacheCheck(t *testing.T, c *Cache[item]) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	found, bytes := 0, 0
	for _, q := range []*queue[item]{&c.incoming, &c.retained} {
		count, sum := 0, 0
		for r := q.first; r != nil; r = r.inQueue {
			count++
			sum += r.bytes
			if c.entries.get(r.key) == r {
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
	chains := *c.entries.chains.Load()
	for i := range chains {
		for r := chains[i].Load(); r != nil; r = r.inTable.Load() {
			linked++
		}
	}
	if linked != c.entries.count || found != linked {
		t.Errorf("%d tokens in the table, which says %d, and %d of them in queues", linked, c.entries.count, found)
	}
	if bytes > c.limit {
		t.Errorf("%d bytes, and %d are allowed", bytes, c.limit)
	}
	if len(chains) < linked {
		t.Errorf("%d tokens share %d places", linked, len(chains))
	}
	if slots := c.limit / slotSize; len(chains) > 2*slots || len(c.dropped) > 4*slots {
		t.Errorf("%d places for tokens and %d for those that were dropped are too many for %d", len(chains), len(c.dropped), slots)
	}
}

// Streams of new tokens do not evict five tokens that are used at intervals. Only when the cache gets full for the
// first time, any token may be dropped.
func TestAStreamOfNewKeysDoesNotEvictUsedOnes(t *testing.T) {
	const size = 1000
	for name, test := range map[string]struct {
		every  int
		stream func(c *Cache[item], n int)
	}{
		"tokens that come once": {10 * size, func(c *Cache[item], n int) { cachePut(c, cacheToken("once", n)) }},
		"tokens that come twice at once": {size / 2, func(c *Cache[item], n int) {
			cachePut(c, cacheToken("twice", n))
			c.Get(cacheToken("twice", n))
		}},
		"tokens that come again later": {size / 2, func(c *Cache[item], n int) {
			cachePut(c, cacheToken("again", n))
			cachePut(c, cacheToken("again", n-size))
		}},
		"tokens whose key has changed": {10 * size, func(c *Cache[item], n int) {
			c.Put(cacheToken("keys", n%10), item{origin: n}, 0)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCache(size)
			var regulars []string
			for i := range 5 {
				regulars = append(regulars, cacheToken("regular", i))
				cachePut(c, regulars[i])
				c.Get(regulars[i])
			}
			misses := 0
			for n := range 100 * size {
				test.stream(c, n)
				if (n+1)%test.every != 0 {
					continue
				}
				for _, token := range regulars {
					if c.Get(token) == nil {
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

// During a stream, a new token that is used again soon is cached.
func TestNewEntriesAreCached(t *testing.T) {
	const size = 1000
	for _, every := range []int{size / 20, size / 2, 2 * size} {
		c := newCache(size)
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
				if c.Get(token) != nil {
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

func TestUnusedEntriesAreDropped(t *testing.T) {
	const size = 100
	c := newCache(size)
	for _, kind := range []string{"old", "new"} {
		for range 2 { // all of them become regulars
			for i := range size {
				if token := cacheToken(kind, i); c.Get(token) == nil {
					cachePut(c, token)
				}
			}
		}
		for i := range 5 * size {
			cachePut(c, cacheToken("pass", i))
			c.Get(cacheToken("pass", i)) // so that they need places among the regulars
		}
	}
	for i := range size {
		if c.Get(cacheToken("old", i)) != nil {
			t.Fatal("a token that nobody asked for is still there")
		}
	}
	cacheCheck(t, c)
}

// A tenth of the cache is for new tokens, however many are retained.
func TestATenthIsForNewEntries(t *testing.T) {
	const size = 1000
	c := newCache(size)
	for i := range size {
		cachePut(c, cacheToken("regular", i))
		c.Get(cacheToken("regular", i))
	}
	for n := range 3 * size {
		cachePut(c, cacheToken("once", size+n)) // not the tail of a regular one
		if c.incoming.count != size/10 || c.retained.count != size-size/10 {
			t.Fatalf("%d wait and %d stay after %d of the stream", c.incoming.count, c.retained.count, n+1)
		}
	}
	cacheCheck(t, c)
}

// If all tokens are in constant use, the first one is dropped when it reaches the front again. So writers always succeed.
func TestEachEntryIsSparedOnce(t *testing.T) {
	const size = 10
	c := newCache(size)
	var tokens []*entry[item]
	add := func(r *entry[item]) {
		c.retained.push(r)
		c.entries.put(r)
	}
	for i := range size {
		tokens = append(tokens, &entry[item]{key: cacheToken("busy", i), bytes: slotSize})
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
		c.free(slotSize)
		first := tokens[n%size]
		if c.entries.get(first.key) != nil || c.retained.count != size-1 {
			t.Errorf("another one than the first was dropped, or not one of %d, in turn %d", size, n)
			break
		}
		add(first)
	}
	done.Store(true)
	readers.Wait()
	cacheCheck(t, c)
}

func TestEntriesCountAsWhatTheyTake(t *testing.T) {
	for _, test := range []struct{ length, bytes, want int }{
		{20, 0, slotSize},
		{1000, slotSize - EntryBytes - 1000, slotSize},
		{1000, slotSize - EntryBytes - 1000 + 1, slotSize + 1},
		{20, 3000, EntryBytes + 20 + 3000},
	} {
		c := newCache(4)
		c.Put(fmt.Sprintf("%0*d", test.length, 1), item{}, test.bytes)
		if c.incoming.count != 1 || c.incoming.bytes != test.want {
			t.Errorf("%+v: %d of %d bytes", test, c.incoming.count, c.incoming.bytes)
		}
	}
	for size, limit := range map[int]int{1: slotSize, 2: slotSize, 4: 2 * slotSize, 5: 5 * slotSize / 2} {
		c := newCache(size)
		c.Put(fmt.Sprintf("%020d", 1), item{}, limit-EntryBytes-20+1)
		if c.incoming.count != 0 {
			t.Errorf("%d slots: an entry that takes more than one slot and half of all is cached", size)
		}
		c.Put(fmt.Sprintf("%020d", 1), item{}, limit-EntryBytes-20)
		if c.incoming.count != 1 {
			t.Errorf("%d slots: an entry that takes no more than it may is not cached", size)
		}
	}
}

func TestShortKeysAreNotCached(t *testing.T) {
	c := newCache(4)
	c.Put("1234567", item{}, 0)
	if c.entries.count != 0 || c.Get("1234567") != nil {
		t.Error("a key without a tail is cached")
	}
	var none *Cache[item]
	if none.Get("a key of some length") != nil {
		t.Error("found in a nil cache")
	}
	const shortest = "12345678"
	c.Put(shortest, item{text: shortest}, 0)
	if r := c.Get(shortest); r == nil || r.text != shortest {
		t.Errorf("a key of eight bytes: %+v", r)
	}
}

// A dropped or replaced entry is not retained, even if it was the last of its queue.
func TestDroppedEntriesAreGone(t *testing.T) {
	c := newCache(1)
	token := func(i int) string { return cacheToken("token", i) }
	cachePut(c, token(0))
	first := weak.Make(c.Get(token(0)))
	cachePut(c, token(1)) // in place of the first
	second := weak.Make(c.Get(token(1)))
	cachePut(c, token(0)) // which came back soon, and stays
	runtime.GC()
	if first.Value() != nil || second.Value() != nil {
		t.Errorf("the first is in memory: %v; the second: %v", first.Value() != nil, second.Value() != nil)
	}
	if c.Get(token(0)) == nil || c.retained.count != 1 {
		t.Error("the third is not")
	}
	runtime.KeepAlive(c)
}

// Entries of all sizes, under keys that are put again with the same value or another one, never take more than they may.
func TestTheBoundHoldsForEntriesOfAllSizes(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, size := range []int{1, 2, 9, 10, 11, 50} {
		c := newCache(size)
		for range 5000 {
			token := cacheToken("token", random.IntN(5*size))
			if random.IntN(2) == 0 {
				c.Get(token)
				continue
			}
			c.Put(token, item{origin: random.IntN(2)}, random.IntN(size*slotSize)>>random.IntN(8))
			cacheCheck(t, c)
		}
	}
}

// Each operation is three bytes: what to do, the key, and the size. The cache returns only what was put last under a key,
// and keeps its invariants.
func FuzzCache(f *testing.F) {
	f.Add(byte(2), []byte("\x00a\x00\x01a\x00\x00b\x20\x01a\x00\x03a\x01\x01a\x00"))
	f.Add(byte(20), bytes.Repeat([]byte("\x00a\xff\x01b\x00\x02c\x10"), 30))
	f.Fuzz(func(t *testing.T, slots byte, operations []byte) {
		c := newCache(1 + int(slots))
		last := make(map[string]item)
		for op := range slices.Chunk(operations, 3) {
			if len(op) < 3 {
				break
			}
			key := cacheToken("token", int(op[1]))
			if op[0]%2 == 1 {
				if v := c.Get(key); v != nil && *v != last[key] {
					t.Fatalf("%q: got %+v, want %+v", key, *v, last[key])
				}
				continue
			}
			v := item{origin: int(op[0])}
			size := int(op[2]) << (op[2] % 8)
			c.Put(key, v, size)
			if got := c.Get(key); got != nil && *got == v {
				last[key] = v
			} else if size+EntryBytes+len(key) <= slotSize {
				t.Fatalf("%q of %d bytes: got %+v after Put", key, size, got)
			}
			cacheCheck(t, c)
		}
	})
}

// A value of another origin takes the place of the old one; the same is not cached twice.
func TestAKeyIsCachedOnce(t *testing.T) {
	c := newCache(10)
	token := cacheToken("token", 0)
	for _, step := range []struct{ origin, count int }{{1, 1}, {1, 1}, {2, 2}, {2, 2}, {1, 3}} {
		c.Put(token, item{origin: step.origin}, 0)
		if r := c.Get(token); r == nil || r.origin != step.origin {
			t.Errorf("got %+v", r)
		}
		if c.entries.count != 1 || c.incoming.count != step.count {
			t.Errorf("%d in the table, %d in the queue, want 1 and %d", c.entries.count, c.incoming.count, step.count)
		}
	}
	for i := range 20 { // what is not in the table any more leaves its queue in its turn
		cachePut(c, cacheToken("once", i))
	}
	cacheCheck(t, c)
	for i := range 100 {
		c.Put(token, item{origin: i % 2}, 0)
	}
	cacheCheck(t, c)
}

// The table behaves like a map, also if tokens share places, and while it grows.
func TestTableIsAMap(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var table table[item]
	table.init()
	held := map[string]*entry[item]{}
	most := 1
	for range 20_000 {
		// Few tails: up to ten tokens share one.
		token := fmt.Sprintf("%d-%08d", random.IntN(10), random.IntN(50))
		switch r := table.get(token); {
		case r != held[token]:
			t.Fatalf("%q: found %+v, want %+v", token, r, held[token])
		case r == nil:
			held[token] = &entry[item]{key: token}
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

// A reader that has reached a token while it is deleted can continue to those behind it.
func TestReadersOfADeletedEntryContinue(t *testing.T) {
	var table table[item]
	table.init()
	first, second := &entry[item]{key: cacheToken("first", 1)}, &entry[item]{key: cacheToken("second", 1)} // of one place
	table.put(first)
	table.put(second)
	if !table.delete(second) || second.inTable.Load() != first {
		t.Error("the way ends")
	}
}

// A table that does not grow always finds its entries, whatever else is added and deleted.
func TestTableIsReadWhileItIsWritten(t *testing.T) {
	const size = 30
	var table table[item]
	table.init()
	put := func(kind string) {
		for i := range size { // the same tails, and so the same places, for each kind
			table.put(&entry[item]{key: cacheToken(kind, i)})
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

// Readers find only what they look for, whatever writers do, and readers do not block writers.
func TestCacheIsReadWhileItIsWritten(t *testing.T) {
	for _, size := range []int{1, 3, 100, 10_000} {
		c := newCache(size)
		var done atomic.Bool
		var readers sync.WaitGroup
		for range 4 {
			readers.Go(func() {
				for !done.Load() {
					for n := range 200 {
						token := cacheToken("token", n)
						if r := c.Get(token); r != nil && r.text != token {
							t.Errorf("%q found %q", token, r.text)
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
