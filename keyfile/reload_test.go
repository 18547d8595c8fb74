package keyfile_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/keyfile"
)

// wantKeys checks the IDs, the one that signs first.
func wantKeys(t *testing.T, keys *keyfile.Keys, ids ...string) {
	t.Helper()
	var got []string
	for _, key := range keys.Keys() {
		got = append(got, key.ID())
	}
	if strings.Join(got, " ") != strings.Join(ids, " ") {
		t.Errorf("the keys are %q instead of %q", got, ids)
	}
}

// settle lets the background look that the next call begins happen.
func settle(keys *keyfile.Keys) {
	keys.Keys()
	synctest.Wait()
}

func secretOf(c string) []byte { return bytes.Repeat([]byte("secret-"+c), 8) }

func TestAChangedFileIsNoticedInTheBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t)
		a, b := ed(t), ed(t)
		f.write("key.pem", privatePEM(t, a))
		keys := f.open(nil)
		before := keys.Keys()[0]
		f.write("key.pem", privatePEM(t, b))
		advance(10*time.Second - 1)
		settle(keys)
		wantKeys(t, keys, idOf(t, a))
		advance(1)
		wantKeys(t, keys, idOf(t, a)) // which begins the look
		synctest.Wait()
		wantKeys(t, keys, idOf(t, b), idOf(t, a))
		if signer, err := keys.SigningKey(t.Context()); err != nil || signer.ID() != idOf(t, b) {
			t.Errorf("%v signs, %v", signer, err)
		}
		if found, err := keys.VerificationKeys(t.Context(), idOf(t, a)); err != nil || found[0] != before {
			t.Errorf("the key before is another value: %v, %v", found, err)
		}
	})
}

func TestTheFirstCallAfterAPauseWaitsForTheCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t)
		a, b := ed(t), ed(t)
		f.write("key.pem", privatePEM(t, a))
		keys := f.open(&keyfile.Options{Retain: -1})
		f.write("key.pem", privatePEM(t, b))
		advance(time.Hour)
		if _, err := keys.VerificationKeys(t.Context(), idOf(t, a)); !errors.Is(err, usher.ErrUnknownKey) {
			t.Errorf("a key that has gone: %v", err)
		}
		wantKeys(t, keys, idOf(t, b))
	})
}

func TestAnUnknownKidChecksTheFilesAtMostOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t)
		a, b, c := ed(t), ed(t), ed(t)
		f.write("key.pem", privatePEM(t, a))
		keys := f.open(nil)
		advance(time.Second)
		f.write("key.pem", privatePEM(t, b))
		if _, err := keys.VerificationKeys(t.Context(), idOf(t, b)); err != nil {
			t.Error(err)
		}
		f.write("key.pem", privatePEM(t, c))
		if _, err := keys.VerificationKeys(t.Context(), idOf(t, c)); !errors.Is(err, usher.ErrUnknownKey) {
			t.Errorf("less than a second later: %v", err)
		}
		advance(time.Second)
		if _, err := keys.VerificationKeys(t.Context(), idOf(t, c)); err != nil {
			t.Error(err)
		}
	})
}

func TestKeysWhoseFilesHaveGoneAreRetained(t *testing.T) {
	for _, c := range []struct{ retain, want time.Duration }{
		{0, time.Hour}, {5 * time.Minute, 5 * time.Minute}, {-1, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFolder(t)
			f.write("a", secretOf("a"))
			f.write("b", secretOf("b"))
			keys := f.open(&keyfile.Options{Retain: c.retain, Signer: "a"})
			wantKeys(t, keys, "a", "b")
			f.remove("b")
			if err := keys.Reload(t.Context()); err != nil {
				t.Fatal(err)
			}
			if c.want > 0 {
				wantKeys(t, keys, "a", "b")
				advance(c.want - 1)
				wantKeys(t, keys, "a", "b")
				advance(1)
			}
			wantKeys(t, keys, "a")
			f.write("b", secretOf("b"))
			if err := keys.Reload(t.Context()); err != nil {
				t.Fatal(err)
			}
			wantKeys(t, keys, "a", "b")
			synctest.Wait()
		})
	}
}

func TestDuringTheOverlapANewKeyOnlyVerifies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t)
		a, b, c := ed(t), ed(t), ed(t)
		idA, idB, idC := idOf(t, a), idOf(t, b), idOf(t, c)
		reload := func(keys *keyfile.Keys, key ed25519.PrivateKey) {
			t.Helper()
			f.write("key.pem", privatePEM(t, key))
			if err := keys.Reload(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		f.write("key.pem", privatePEM(t, a))
		keys := f.open(&keyfile.Options{Overlap: time.Minute, Retain: time.Hour})
		wantKeys(t, keys, idA) // the first one signs at once
		reload(keys, b)
		wantKeys(t, keys, idA, idB)
		advance(time.Minute - 1)
		wantKeys(t, keys, idA, idB)
		advance(1)
		wantKeys(t, keys, idB, idA)
		// It is retained since it signed last, not since its file changed.
		advance(time.Hour - 1)
		wantKeys(t, keys, idB, idA)
		advance(1)
		wantKeys(t, keys, idB)

		reload(keys, c)
		wantKeys(t, keys, idB, idC)
		reload(keys, b) // taken back
		wantKeys(t, keys, idB, idC)
		advance(time.Minute)
		wantKeys(t, keys, idB, idC)
		advance(time.Hour)
		wantKeys(t, keys, idB)

		reload(keys, a)
		advance(30 * time.Second)
		reload(keys, c) // instead of a, which may have signed elsewhere
		wantKeys(t, keys, idB, idC, idA)
		advance(time.Minute - 1)
		wantKeys(t, keys, idB, idC, idA)
		advance(1)
		wantKeys(t, keys, idC, idA, idB)
		synctest.Wait()
	})
}

func TestOtherFilesDoNotRestartTheOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t)
		a, b, c := ed(t), ed(t), ed(t)
		f.write("key.pem", privatePEM(t, a))
		keys := f.open(&keyfile.Options{Overlap: time.Minute, Retain: time.Hour})
		f.write("key.pem", privatePEM(t, b))
		if err := keys.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		advance(30 * time.Second)
		f.write("other.pem", publicPEM(t, c))
		if err := keys.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		advance(30*time.Second - 1)
		wantKeys(t, keys, idOf(t, a), idOf(t, b), idOf(t, c))
		advance(1)
		wantKeys(t, keys, idOf(t, b), idOf(t, c), idOf(t, a))
		synctest.Wait()
	})
}

func TestWrongFilesLeaveTheKeysAsTheyWereAndAreReportedOnce(t *testing.T) {
	good := privatePEM(t, ed(t))
	for _, c := range []struct {
		name   string
		damage func(t *testing.T, f folder)
	}{
		{"an empty file", func(_ *testing.T, f folder) { f.write("key.pem", nil) }},
		{"half a file", func(_ *testing.T, f folder) { f.write("key.pem", good[:len(good)/2]) }},
		{"another file's content", func(_ *testing.T, f folder) { f.write("key.pem", []byte("# Keys\n\nSee the manual.\n")) }},
		{"no file", func(_ *testing.T, f folder) { f.remove("key.pem") }},
		{"no folder", func(t *testing.T, f folder) {
			f.remove("key.pem")
			if err := os.Remove(f.path); err != nil {
				t.Fatal(err)
			}
		}},
		{"a folder in its place", func(t *testing.T, f folder) {
			f.remove("key.pem")
			if err := os.Mkdir(filepath.Join(f.path, "key.pem"), 0o700); err != nil {
				t.Fatal(err)
			}
		}},
		{"the public half", func(t *testing.T, f folder) { f.write("key.pem", publicPEM(t, ed(t))) }},
		{"a second key that can sign", func(t *testing.T, f folder) { f.write("other.pem", privatePEM(t, ed(t))) }},
		{"a wrong file among good ones", func(_ *testing.T, f folder) { f.write("other.pem", []byte("-----BEGIN")) }},
		{"a file without permission", func(t *testing.T, f folder) {
			if os.Getuid() == 0 {
				f.remove("key.pem") // nothing is forbidden: a link that leads nowhere can't be read either
				if err := os.Symlink("nowhere", filepath.Join(f.path, "key.pem")); err != nil {
					t.Skip(err)
				}
				return
			}
			if err := os.Chmod(filepath.Join(f.path, "key.pem"), 0); err != nil {
				t.Fatal(err)
			}
		}},
		{"a pipe", func(t *testing.T, f folder) {
			f.remove("key.pem")
			if err := syscall.Mkfifo(filepath.Join(f.path, "key.pem"), 0o600); err != nil {
				t.Skip(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFolder(t)
				a, b := ed(t), ed(t)
				f.write("key.pem", privatePEM(t, a))
				var reports []error
				keys := f.open(&keyfile.Options{OnReload: func(err error) { reports = append(reports, err) }})
				c.damage(t, f)
				for range 5 {
					advance(10 * time.Second)
					settle(keys)
					wantKeys(t, keys, idOf(t, a))
				}
				if len(reports) != 1 || !errors.As(reports[0], new(*usher.ConfigError)) {
					t.Errorf("the reports are %v", reports)
				}
				if err := keys.Reload(t.Context()); !errors.As(err, new(*usher.ConfigError)) {
					t.Errorf("Reload: %v", err)
				}
				_ = os.RemoveAll(f.path)
				if err := os.Mkdir(f.path, 0o700); err != nil {
					t.Fatal(err)
				}
				f.write("key.pem", privatePEM(t, b))
				advance(10 * time.Second)
				settle(keys)
				wantKeys(t, keys, idOf(t, b), idOf(t, a))
				if len(reports) != 2 || reports[1] != nil {
					t.Errorf("the reports are %v", reports)
				}
			})
		})
	}
}

func TestReloadReportsTheRecoveryOfUnchangedKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t)
		content := privatePEM(t, ed(t))
		f.write("key.pem", content)
		var reports []error
		keys := f.open(&keyfile.Options{OnReload: func(err error) { reports = append(reports, err) }})
		for _, content := range [][]byte{content, nil, content, content} {
			f.write("key.pem", content)
			_ = keys.Reload(t.Context())
		}
		if len(reports) != 2 || reports[0] == nil || reports[1] != nil {
			t.Errorf("the reports are %v", reports)
		}
	})
}

func TestWaitingForFilesEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t)
		f.write("key", secretOf("a"))
		release := make(chan struct{})
		var block atomic.Bool
		keys := f.open(&keyfile.Options{OnReload: func(error) {
			if block.Load() {
				<-release // a slow callback, as a slow disk would be
			}
		}})
		block.Store(true)
		f.write("key", secretOf("b"))
		advance(time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := keys.VerificationKeys(ctx, "key"); !errors.Is(err, usher.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("VerificationKeys: %v", err)
		}
		if err := keys.Reload(ctx); !errors.Is(err, usher.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Reload: %v", err)
		}
		if _, err := keys.SigningKey(ctx); err != nil {
			t.Errorf("SigningKey, which need not wait: %v", err)
		}
		block.Store(false)
		close(release)
		if err := keys.Reload(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// kubernetes is a folder as a mounted Secret is: the files are links into ..data, which is a link that is swapped.
type kubernetes struct {
	folder
	version int
}

func (k *kubernetes) update(files map[string][]byte) {
	k.t.Helper()
	k.version++
	check := func(err error) {
		k.t.Helper()
		if err != nil {
			k.t.Fatal(err)
		}
	}
	version := fmt.Sprintf("..version_%d", k.version)
	check(os.Mkdir(filepath.Join(k.path, version), 0o700))
	for name, content := range files {
		check(os.WriteFile(filepath.Join(k.path, version, name), content, 0o600))
	}
	check(os.Symlink(version, filepath.Join(k.path, "..data_tmp")))
	check(os.Rename(filepath.Join(k.path, "..data_tmp"), filepath.Join(k.path, "..data")))
	for name := range files {
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(k.path, name)); err != nil && !os.IsExist(err) {
			check(err)
		}
	}
	if k.version > 2 {
		check(os.RemoveAll(filepath.Join(k.path, fmt.Sprintf("..version_%d", k.version-2))))
	}
}

func TestASecretOfKubernetesIsSwapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &kubernetes{folder: newFolder(t)}
		a, b := ed(t), ed(t)
		k.update(map[string][]byte{"tls.key": privatePEM(t, a), "tls.crt": certificatePEM(t, a)})
		keys := k.open(nil)
		single := usher.Must(keyfile.Open(filepath.Join(k.path, "tls.key"), nil))
		k.update(map[string][]byte{"tls.key": privatePEM(t, b), "tls.crt": certificatePEM(t, b)})
		for _, keys := range []*keyfile.Keys{keys, single} {
			wantKeys(t, keys, idOf(t, a))
			if err := keys.Reload(t.Context()); err != nil {
				t.Error(err)
			}
			wantKeys(t, keys, idOf(t, b), idOf(t, a))
		}
	})
}

// Two processes read one mounted Secret and one of them signs. No token is refused, whichever reads a new key first.
func TestARotationUnderLoadRefusesNothing(t *testing.T) {
	duration := 3 * time.Second
	if testing.Short() {
		duration = time.Second
	}
	k := &kubernetes{folder: newFolder(t)}
	k.update(map[string][]byte{"key.pem": privatePEM(t, ed(t))})
	const faster = 200 // a second of the clock of the keys is 5 ms
	start := time.Now()
	opts := &keyfile.Options{
		Interval: time.Second, Overlap: 6 * time.Second, Retain: 2000 * time.Second,
		Now: func() time.Time { return start.Add(faster * time.Since(start)) },
	}
	issuer, service := k.open(opts), k.open(opts)
	encoder := usher.Must(usher.NewEncoder[usher.Claims](issuer, nil))
	decoder := usher.Must(usher.NewDecoder[usher.Claims](service, &usher.DecoderOptions{CacheSize: 100}))
	stop := make(chan struct{})
	var accepted atomic.Int64
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				token, err := encoder.Encode(t.Context(), usher.Claims{Subject: "ada"})
				if err != nil {
					t.Error(err)
					return
				}
				for range 3 {
					if _, err := decoder.Decode(t.Context(), token); err != nil {
						t.Error(err)
						return
					}
					accepted.Add(1)
				}
			}
		})
	}
	rotations := 0
	for start := time.Now(); time.Since(start) < duration; rotations++ {
		k.update(map[string][]byte{"key.pem": privatePEM(t, ed(t))})
		<-time.After(80 * time.Millisecond)
	}
	close(stop)
	clients.Wait()
	t.Logf("%d rotations, %d tokens accepted", rotations, accepted.Load())
	if rotations < 5 || accepted.Load() < 100 {
		t.Errorf("only %d rotations and %d tokens", rotations, accepted.Load())
	}
}

// failures are the ways in which a callback doesn't return, with what errors say about them.
var failures = []struct {
	name, text string
	fail       func()
}{
	{"a panic", "the check panicked: broken callback", func() { panic("broken callback") }},
	{"Goexit", "the check ended without a result", runtime.Goexit},
}

func TestAPanicInACheckIsAFailedCheck(t *testing.T) {
	for _, c := range failures {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFolder(t)
				f.write("a", secretOf("a"))
				var reports []error
				looks := -1 // until the clock fails; none if negative
				keys := f.open(&keyfile.Options{
					Signer:   "a",
					OnReload: func(err error) { reports = append(reports, err) },
					Now: func() time.Time {
						if looks--; looks == 0 {
							c.fail()
						}
						return time.Now()
					},
				})
				f.write("b", secretOf("b"))
				advance(5 * time.Second)
				wantFailed := func(err error) {
					t.Helper()
					if config := (*usher.ConfigError)(nil); !errors.As(err, &config) || config.Field != f.path || !strings.Contains(config.Reason, c.text) {
						t.Errorf("the error is %v", err)
					}
				}
				for range 2 {
					looks = 2 // the first one is that of Reload itself
					wantFailed(keys.Reload(t.Context()))
					wantKeys(t, keys, "a")
				}
				if len(reports) != 1 {
					t.Fatalf("the reports are %v", reports)
				}
				wantFailed(reports[0])

				advance(10*time.Second - 1)
				settle(keys)
				wantKeys(t, keys, "a") // the failed check counts for Interval
				advance(1)
				looks = 2
				settle(keys)
				wantKeys(t, keys, "a")
				advance(time.Second) // an unknown kid checks again
				if _, err := keys.VerificationKeys(t.Context(), "b"); err != nil {
					t.Error(err)
				}
				wantKeys(t, keys, "a", "b")
				if len(reports) != 2 || reports[1] != nil {
					t.Errorf("the reports are %v", reports)
				}
			})
		})
	}
}

func TestAPanicOfOnReloadIsLoggedAndChangesNothingElse(t *testing.T) {
	for _, c := range failures {
		t.Run(c.name, func(t *testing.T) {
			var log bytes.Buffer
			standard := slog.Default()
			slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
			defer slog.SetDefault(standard)
			synctest.Test(t, func(t *testing.T) {
				f := newFolder(t)
				f.write("a", secretOf("a"))
				looks := -1
				keys := f.open(&keyfile.Options{Signer: "a", OnReload: func(error) { c.fail() }, Now: func() time.Time {
					if looks--; looks == 0 {
						c.fail()
					}
					return time.Now()
				}})
				f.write("b", secretOf("b"))
				if err := keys.Reload(t.Context()); err != nil {
					t.Error(err)
				}
				wantKeys(t, keys, "a", "b")
				looks = 2
				if err := keys.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), c.text) {
					t.Errorf("the error is %v", err)
				}
				f.write("c", secretOf("c"))
				advance(time.Hour)
				if _, err := keys.VerificationKeys(t.Context(), "c"); err != nil {
					t.Error(err)
				}
			})
			value, panicked := strings.CutPrefix(c.text, "the check panicked: ")
			if got := strings.Count(log.String(), `level=ERROR msg="keyfile: OnReload panicked" panic="`+value+`" stack=`); got != 3 && panicked {
				t.Errorf("%d panics are logged: %s", got, &log)
			}
			if !panicked && log.Len() > 0 {
				t.Errorf("the log has %s", &log)
			}
		})
	}
}

func TestAClockThatPanicsInACallLeavesNoLock(t *testing.T) {
	for name, call := range map[string]func(keys *keyfile.Keys){
		"VerificationKeys": func(keys *keyfile.Keys) { _, _ = keys.VerificationKeys(context.Background(), "unknown") },
		"SigningKey":       func(keys *keyfile.Keys) { _, _ = keys.SigningKey(context.Background()) },
		"Reload":           func(keys *keyfile.Keys) { _ = keys.Reload(context.Background()) },
	} {
		for _, c := range failures {
			for look := 1; look <= 2; look++ {
				if look == 2 && name != "VerificationKeys" { // which looks at the clock twice
					continue
				}
				t.Run(fmt.Sprintf("%s, %s, look %d", name, c.name, look), func(t *testing.T) {
					f := newFolder(t)
					f.write("a", secretOf("a"))
					looks := -1
					keys := f.open(&keyfile.Options{Now: func() time.Time {
						if looks--; looks == 0 {
							c.fail()
						}
						return time.Time{}
					}})
					looks = look
					inGoroutine(t, func() {
						defer func() { _ = recover() }()
						call(keys)
						t.Error("the call returned")
					})
					inGoroutine(t, func() { call(keys) })
					inGoroutine(t, func() {
						if err := keys.Reload(context.Background()); err != nil {
							t.Error(err)
						}
					})
				})
			}
		}
	}
}

// inGoroutine calls f, which may end its goroutine. The test fails if f does not end.
func inGoroutine(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("the call does not end")
	}
}
