package jwks_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/jwks"
)

// The ID has the length of an RFC 7638 thumbprint.
const benchmarkID = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"

func benchmarkRemote(t testing.TB) *jwks.Remote {
	t.Helper()
	remote := newRemote(t, serving(marshal(t, newKey(t, usher.ES256, "another"), newKey(t, usher.ES256, benchmarkID))), jwks.RemoteOptions{})
	if err := remote.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	return remote
}

func BenchmarkRemoteLookUp(b *testing.B) {
	remote, ctx := benchmarkRemote(b), b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if keys, err := remote.VerificationKeys(ctx, benchmarkID); err != nil || len(keys) != 1 {
			b.Fatal(keys, err)
		}
	}
}

func BenchmarkUnknownKid(b *testing.B) {
	remote, ctx := benchmarkRemote(b), b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := remote.VerificationKeys(ctx, "unknown"); err == nil {
			b.Fatal("known")
		}
	}
}

func BenchmarkRememberedToken(b *testing.B) {
	key := newKey(b, usher.ES256, benchmarkID)
	public, _ := key.Public()
	remote := newRemote(b, serving(marshal(b, key)), jwks.RemoteOptions{})
	token := usher.Must(usher.Must(usher.NewEncoder[usher.Claims](key, nil)).Encode(b.Context(), usher.Claims{Subject: "ada"}))
	for name, source := range map[string]usher.KeySource{"fixed": usher.Keys{public}, "remote": remote} {
		decoder := usher.Must(usher.NewDecoder[usher.Claims](source, &usher.DecoderOptions{CacheSize: 10}))
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := decoder.Decode(b.Context(), token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestALookUpInAFreshSetDoesNotAllocate(t *testing.T) {
	remote := benchmarkRemote(t)
	for _, kid := range []string{benchmarkID, ""} {
		if allocs := testing.AllocsPerRun(100, func() { _, _ = remote.VerificationKeys(t.Context(), kid) }); allocs > 0 {
			t.Errorf("kid %q: %v allocations", kid, allocs)
		}
	}
}

// A stranger chooses the kid: a million tokens with distinct ones cost a fetch an interval, no memory, and each less time than a
// token whose signature is wrong.
func TestUnknownKidsCostLittleAndLeaveNothingBehind(t *testing.T) {
	key := newKey(t, usher.ES256, benchmarkID)
	issuer := serving(marshal(t, key))
	remote := newRemote(t, issuer, jwks.RemoteOptions{})
	decoder := usher.Must(usher.NewDecoder[usher.Claims](remote, &usher.DecoderOptions{CacheSize: 100}))
	good := usher.Must(usher.Must(usher.NewEncoder[usher.Claims](key, nil)).Encode(t.Context(), usher.Claims{Subject: "ada"}))
	if _, err := decoder.Decode(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	refuse := func(token string, want error) {
		if _, err := decoder.Decode(t.Context(), token); !errors.Is(err, want) {
			t.Fatalf("%v instead of %v", err, want)
		}
	}
	count := 1_000_000
	if testing.Short() || raceEnabled {
		count = 50_000
	}
	const forgeries = 1000
	parts := strings.Split(good, ".")
	payload, signature := parts[1], parts[2]
	began := time.Now()
	for range forgeries {
		refuse(parts[0]+"."+payload+"."+flipped(signature), usher.ErrTokenSignature)
	}
	forged := time.Since(began) / forgeries

	before := heapInUse()
	began = time.Now()
	for i := range count {
		header := b64(fmt.Appendf(nil, `{"alg":"ES256","kid":"unknown %d","typ":"JWT"}`, i))
		refuse(header+"."+payload+"."+signature, usher.ErrUnknownKey)
	}
	elapsed := time.Since(began)
	if after := heapInUse(); after > before+1<<20 {
		t.Errorf("the heap grew from %d to %d bytes", before, after)
	}
	const interval = 10 * time.Second // RemoteOptions.MinInterval
	if fetches, most := issuer.fetches.Load(), 2+int64(elapsed/interval); fetches > most {
		t.Errorf("%d fetches in %v, more than %d", fetches, elapsed, most)
	}
	unknown := elapsed / time.Duration(count)
	if unknown > forged && !raceEnabled {
		t.Errorf("a token with an unknown kid takes %v, a forged one %v", unknown, forged)
	}
	t.Logf("%d tokens in %v, %d fetches: %v each; a forged one takes %v", count, elapsed, issuer.fetches.Load(), unknown, forged)
	runtime.KeepAlive(decoder)
}

// flipped returns a signature with another first character.
func flipped(signature string) string {
	if signature[0] == 'A' {
		return "B" + signature[1:]
	}
	return "A" + signature[1:]
}

func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
