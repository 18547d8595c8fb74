package storetest_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-usher/usher/session"
	"github.com/go-usher/usher/session/storetest"
)

// wrongStores are stores that are wrong in one way each, and the test that must find out.
var wrongStores = map[string]struct {
	caughtBy string
	newStore func() (session.Store, storetest.Network)
}{
	"it ignores contexts": {"Calls_end_with_their_context_while_the_server_hangs", func() (session.Store, storetest.Network) {
		f := storetest.NewFaulty(session.NewMemoryStore())
		return deaf{f}, f
	}},
	"it takes a repeated rotation for theft": {"A_request_that_arrives_twice_counts_once", func() (session.Store, storetest.Network) {
		f := storetest.NewFaulty(forgetful{session.NewMemoryStore()})
		return f, f
	}},
	"it takes a retry for theft": {"A_retry_after_a_lost_answer_succeeds", func() (session.Store, storetest.Network) {
		f := storetest.NewFaulty(forgetful{session.NewMemoryStore()})
		return f, f
	}},
	"it answers before the server does": {"An_ending_that_arrives_late_stays_an_ending", func() (session.Store, storetest.Network) {
		f := storetest.NewFaulty(session.NewMemoryStore())
		return optimist{f}, f
	}},
	"it fails when many use it at first": {"Race:_many_clients_of_a_new_store", plain(&crowded{Store: session.NewMemoryStore()})},
	"its logins deadlock":                {"Race:_logins_of_different_subjects", plain(&deadlocking{Store: session.NewMemoryStore()})},
	"it reads from a replica":            {"Changes_are_visible_when_a_method_has_returned", plain(&stale{Store: session.NewMemoryStore(), seen: map[string]sighting{}})},
	"it ends nothing":                    {"Changes_are_visible_when_a_method_has_returned", plain(liar{session.NewMemoryStore()})},
	"its Prune holds everybody up":       {"Refreshes_continue_during_Prune", plain(&blocking{Store: session.NewMemoryStore()})},
	"it looks at its own clock":          {"Lookup_and_List_see_live_sessions_of_the_subject_only", plain(ownClock{session.NewMemoryStore()})},
	"it drops cut-offs":                  {"Start_respects_the_cut-off", plain(evicting{session.NewMemoryStore()})},
}

func plain(store session.Store) func() (session.Store, storetest.Network) {
	return func() (session.Store, storetest.Network) { return store, nil }
}

const wrongStore = "USHER_TEST_WRONG_STORE"

// TestWrongStore fails on purpose. It is run by the next test alone.
func TestWrongStore(t *testing.T) {
	wrong, ok := wrongStores[os.Getenv(wrongStore)]
	if !ok {
		return
	}
	if store, network := wrong.newStore(); network == nil {
		storetest.Run(t, func(*testing.T) session.Store { return store })
		return
	}
	storetest.RunFaults(t, func(*testing.T) (session.Store, storetest.Network) { return wrong.newStore() })
}

func TestTheSuiteCatchesWrongStores(t *testing.T) {
	for name, wrong := range wrongStores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestWrongStore$/^"+wrong.caughtBy+"$", "-test.short", "-test.timeout=1m")
			cmd.Env = append(os.Environ(), wrongStore+"="+name)
			out, err := cmd.CombinedOutput()
			if failed := new(exec.ExitError); !errors.As(err, &failed) || !strings.Contains(string(out), "--- FAIL: TestWrongStore/"+wrong.caughtBy) {
				t.Errorf("%v; want a failure of %s\n%s", err, wrong.caughtBy, out)
			}
		})
	}
}

// deaf doesn't heed contexts.
type deaf struct{ session.Store }

func (s deaf) Lookup(ctx context.Context, subject, id string, now time.Time) (session.Session, error) {
	return s.Store.Lookup(context.WithoutCancel(ctx), subject, id, now)
}

// forgetful doesn't remember the nonce of a rotation, and knows no grace period.
type forgetful struct{ session.Store }

var nonces atomic.Int64

func (s forgetful) Rotate(ctx context.Context, r session.Rotation) (session.Rotated, error) {
	r.Nonce[0], r.Nonce[1], r.Grace = byte(nonces.Add(1)), r.Nonce[0], 0
	return s.Store.Rotate(ctx, r)
}

// optimist takes an ending that has no answer yet for done.
type optimist struct{ session.Store }

func (s optimist) End(ctx context.Context, subject, id string, now time.Time) (bool, error) {
	ended, err := s.Store.End(ctx, subject, id, now)
	if errors.Is(err, context.DeadlineExceeded) {
		return true, nil
	}
	return ended, err
}

// crowded prepares something at its first use, and can't be used meanwhile.
type crowded struct {
	session.Store
	first sync.Once
	ready atomic.Bool
}

func (s *crowded) Start(ctx context.Context, r session.Record, limit int, now time.Time) ([]string, error) {
	mine := false
	s.first.Do(func() { mine = true })
	if mine {
		<-time.After(20 * time.Millisecond)
		s.ready.Store(true)
	}
	if !s.ready.Load() {
		return nil, errors.New("the statement is being prepared")
	}
	return s.Store.Start(ctx, r, limit, now)
}

// deadlocking rolls back one of two logins at once.
type deadlocking struct {
	session.Store
	mu sync.Mutex
}

func (s *deadlocking) Start(ctx context.Context, r session.Record, limit int, now time.Time) ([]string, error) {
	if !s.mu.TryLock() {
		return nil, errors.New("deadlock found")
	}
	defer s.mu.Unlock()
	<-time.After(time.Millisecond)
	return s.Store.Start(ctx, r, limit, now)
}

// stale answers a Lookup with what it knew a moment ago.
type stale struct {
	session.Store
	mu   sync.Mutex
	seen map[string]sighting
}

type sighting struct {
	s  session.Session
	at time.Time
}

func (s *stale) Lookup(ctx context.Context, subject, id string, now time.Time) (session.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if seen, ok := s.seen[id]; ok && time.Since(seen.at) < 50*time.Millisecond {
		return seen.s, nil
	}
	found, err := s.Store.Lookup(ctx, subject, id, now)
	if err == nil {
		s.seen[id] = sighting{found, time.Now()}
	}
	return found, err
}

// liar acknowledges endings that it doesn't commit.
type liar struct{ session.Store }

func (liar) End(context.Context, string, string, time.Time) (bool, error) { return true, nil }

// blocking blocks all other calls while it prunes.
type blocking struct {
	session.Store
	mu sync.RWMutex
}

func (s *blocking) Prune(ctx context.Context, now time.Time) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	<-time.After(1500 * time.Millisecond)
	return s.Store.Prune(ctx, now)
}

func (s *blocking) Rotate(ctx context.Context, r session.Rotation) (session.Rotated, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.Store.Rotate(ctx, r)
}

// ownClock prefers its own clock to its caller's.
type ownClock struct{ session.Store }

func (s ownClock) Lookup(ctx context.Context, subject, id string, _ time.Time) (session.Session, error) {
	return s.Store.Lookup(ctx, subject, id, time.Now())
}

// evicting has removed the cut-off by the time that it would matter.
type evicting struct{ session.Store }

func (s evicting) EndAll(ctx context.Context, subject, keep string, now, forget time.Time) ([]string, error) {
	return s.Store.EndAll(ctx, subject, keep, time.Unix(0, 0), forget)
}

// lagging copies what starts and rotates sessions to a replica at once, and what ends them some endings later. At a
// failover it loses the endings that it has not copied.
type lagging struct {
	session.Store // the master
	replica       session.Store
	mu            sync.Mutex
	endings       []func()
	failed        bool
}

// current returns the master.
func (l *lagging) current() session.Store {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed {
		return l.replica
	}
	return l.Store
}

func (l *lagging) copied(step func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.failed {
		step()
	}
}

// copiedLater keeps the last 20 endings back. Each client ends one session and cuts off another by turns, so with at most
// eight clients there are some of both among the 20.
func (l *lagging) copiedLater(step func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed {
		return
	}
	l.endings = append(l.endings, step)
	if len(l.endings) > 20 {
		l.endings[0]()
		l.endings = l.endings[1:]
	}
}

func (l *lagging) Start(ctx context.Context, r session.Record, limit int, now time.Time) ([]string, error) {
	defer l.copied(func() { _, _ = l.replica.Start(context.WithoutCancel(ctx), r, limit, now) })
	return l.current().Start(ctx, r, limit, now)
}

func (l *lagging) Rotate(ctx context.Context, r session.Rotation) (session.Rotated, error) {
	defer l.copied(func() { _, _ = l.replica.Rotate(context.WithoutCancel(ctx), r) })
	return l.current().Rotate(ctx, r)
}

func (l *lagging) Lookup(ctx context.Context, subject, id string, now time.Time) (session.Session, error) {
	return l.current().Lookup(ctx, subject, id, now)
}

func (l *lagging) End(ctx context.Context, subject, id string, now time.Time) (bool, error) {
	defer l.copiedLater(func() { _, _ = l.replica.End(context.WithoutCancel(ctx), subject, id, now) })
	return l.current().End(ctx, subject, id, now)
}

func (l *lagging) EndAll(ctx context.Context, subject, keep string, now, forget time.Time) ([]string, error) {
	defer l.copiedLater(func() { _, _ = l.replica.EndAll(context.WithoutCancel(ctx), subject, keep, now, forget) })
	return l.current().EndAll(ctx, subject, keep, now, forget)
}

func TestAFailoverThatLosesEndingsIsCounted(t *testing.T) {
	l := &lagging{Store: session.NewMemoryStore(), replica: session.NewMemoryStore()}
	losses := storetest.RunFailover(t, l, 8, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.failed, l.endings = true, nil
	})
	if losses.LostEndings == 0 || losses.LostCutoffs == 0 || losses.Endings < 100 {
		t.Errorf("%s; want lost endings and cut-offs", losses)
	}
	memory := storetest.RunFailover(t, session.NewMemoryStore(), 8, func() {})
	if memory.LostEndings+memory.LostCutoffs+memory.LoggedOut+memory.Unavailable != 0 {
		t.Errorf("%s; want no loss without a failover", memory)
	}
}
