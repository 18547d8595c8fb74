package jwks_test

import (
	"fmt"
	"runtime"
	"testing"

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

// A stranger chooses the kid: a million of them leave nothing behind.
func TestUnknownKidsLeaveNothingBehind(t *testing.T) {
	remote := benchmarkRemote(t)
	count := 1_000_000
	if testing.Short() {
		count = 100_000
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for i := range count {
		if _, err := remote.VerificationKeys(t.Context(), fmt.Sprint("unknown ", i)); err == nil {
			t.Fatal("it is known")
		}
	}
	if after := heap(); after > before+1<<20 {
		t.Errorf("the heap grew from %d to %d bytes", before, after)
	}
	runtime.KeepAlive(remote)
}
