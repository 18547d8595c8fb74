package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

// Losses counts acknowledged operations, and those that a failover lost.
type Losses struct {
	Endings, LostEndings int // ended sessions, and those that are still alive
	Cutoffs, LostCutoffs int // calls of EndAll, and those after which an older login still started a session
	Refreshes, LoggedOut int // refreshes, and those whose session was lost although it was not ended
	Unavailable          int // operations that were not acknowledged
}

// String returns the counts in one line.
func (l Losses) String() string {
	return fmt.Sprintf("%d of %d endings lost, %d of %d cut-offs lost, %d of %d refreshes logged out, %d operations unavailable",
		l.LostEndings, l.Endings, l.LostCutoffs, l.Cutoffs, l.LoggedOut, l.Refreshes, l.Unavailable)
}

// RunFailover runs clients that repeatedly log in, refresh, and log out or end all their sessions. Meanwhile it calls
// failover, which for example stops one server and starts another. The clients continue for a while after failover has
// returned. RunFailover then looks up all acknowledged operations and returns those that were lost. A store that must
// lose nothing has no LostEndings and no LostCutoffs. The caller decides whether the test has failed.
func RunFailover(t *testing.T, store session.Store, clients int, failover func()) Losses {
	t.Helper()
	f := &failoverRun{manager: newManager(t, store, time.Now), store: store}
	stop := make(chan struct{})
	var running sync.WaitGroup
	for i := range clients {
		running.Go(func() {
			for round := 0; ; round++ {
				select {
				case <-stop:
					return
				default:
					f.runSession(t, fmt.Sprintf("client-%d-%d", i, round), round%2 == 0)
				}
			}
		})
	}
	<-time.After(time.Second)
	failover()
	<-time.After(2 * time.Second)
	close(stop)
	running.Wait()
	f.countLosses(t)
	return f.losses
}

type failoverRun struct {
	manager *manager
	store   session.Store

	mu      sync.Mutex
	losses  Losses
	ended   []endedSession
	cutoffs []string
}

type endedSession struct{ subject, id string }

// runSession logs in, refreshes twice, and logs out or ends all sessions.
func (f *failoverRun) runSession(t *testing.T, subject string, logout bool) {
	tokens, err := f.manager.Start(t.Context(), subject, session.About{})
	for range 2 {
		if err != nil {
			break
		}
		var next session.Tokens
		if next, err = f.manager.Refresh(t.Context(), tokens.RefreshToken); err == nil {
			tokens = next
			f.update(func() { f.losses.Refreshes++ })
		}
	}
	if err == nil {
		if logout {
			err = f.manager.End(t.Context(), tokens.RefreshToken)
		} else {
			err = f.manager.EndAll(t.Context(), subject)
		}
	}
	f.update(func() {
		switch {
		case err == nil:
			f.ended = append(f.ended, endedSession{subject, tokens.SessionID})
			if !logout {
				f.cutoffs = append(f.cutoffs, subject)
			}
		case errors.Is(err, usher.ErrUnavailable):
			f.losses.Unavailable++
		default:
			f.losses.LoggedOut++
		}
	})
	if errors.Is(err, usher.ErrUnavailable) {
		<-time.After(10 * time.Millisecond)
	}
}

func (f *failoverRun) update(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// countLosses looks up all acknowledged operations.
func (f *failoverRun) countLosses(t *testing.T) {
	t.Helper()
	now := time.Now()
	for _, s := range f.ended {
		f.losses.Endings++
		if acceptedAfterwards(t, "Lookup", func() error {
			_, err := f.store.Lookup(t.Context(), s.subject, s.id, now)
			return err
		}) {
			f.losses.LostEndings++
		}
	}
	for _, subject := range f.cutoffs {
		r := record(subject, 0)
		r.AuthTime = now.Add(-time.Hour) // before each cut-off
		r.StartedAt, r.LastUsedAt, r.ExpiresAt, r.EndsAt = now, now, now.Add(idle), now.Add(maxAge)
		f.losses.Cutoffs++
		if acceptedAfterwards(t, "Start", func() error {
			_, err := f.store.Start(t.Context(), r, 0, now)
			return err
		}) {
			f.losses.LostCutoffs++
		}
	}
}

// acceptedAfterwards reports whether a call that should return ErrSessionEnded succeeds after the failover.
func acceptedAfterwards(t *testing.T, what string, call func() error) bool {
	t.Helper()
	return untilAnswered(t, what+" afterwards", func() (bool, error) {
		err := call()
		if errors.Is(err, session.ErrSessionEnded) {
			return false, nil
		}
		return err == nil, err
	})
}
