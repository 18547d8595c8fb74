package session_test

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
	"github.com/go-usher/usher/ushertest"
)

// simulation runs clients against a throttle with the default options, in the order of their clocks.
type simulation struct {
	*session.MemoryThrottle
	clock *ushertest.Clock
	queue turns
}

func newSimulation() *simulation {
	c := ushertest.NewClock(epoch)
	return &simulation{usher.Must(session.NewMemoryThrottle(&session.ThrottleOptions{Now: c.Now})), c, nil}
}

// at calls do after a time, and again after each duration that do returns; 0 ends it.
func (s *simulation) at(after time.Duration, do func() time.Duration) {
	heap.Push(&s.queue, turn{s.clock.Now().Add(after), do})
}

func (s *simulation) run(length time.Duration) {
	end := s.clock.Now().Add(length)
	for len(s.queue) > 0 && s.queue[0].when.Before(end) {
		next := heap.Pop(&s.queue).(turn)
		s.clock.Advance(next.when.Sub(s.clock.Now()))
		if again := next.do(); again > 0 {
			s.at(again, next.do)
		}
	}
}

// attempt returns how long the attempt has to wait.
func (s *simulation) attempt(t *testing.T, a session.Attempt, o session.Outcome) time.Duration {
	taken, wait, err := s.Reserve(t.Context(), a)
	if err == nil && wait <= 0 {
		err = s.Settle(t.Context(), taken, o)
	}
	if err != nil {
		t.Fatal(err)
	}
	return max(wait, 0)
}

type turn struct {
	when time.Time
	do   func() time.Duration
}

type turns []turn

func (q turns) Len() int           { return len(q) }
func (q turns) Less(i, j int) bool { return q[i].when.Before(q[j].when) }
func (q turns) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *turns) Push(x any)        { *q = append(*q, x.(turn)) }
func (q *turns) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

// For a day, attackers from several networks use every attempt at an account that they can get. Its owner logs in once
// an hour from home, and from a new address with a password that was just reset there.
func TestOwnersLogInWhileTheirAccountIsAttackedForADay(t *testing.T) {
	for _, networks := range []int{1, 8, 64} {
		if testing.Short() && networks > 1 {
			continue
		}
		t.Run(fmt.Sprint(networks), func(t *testing.T) {
			s := newSimulation()
			random := rand.New(rand.NewPCG(1, 2))
			s.attempt(t, loginAttempt("ada", "home"), session.Right)
			guesses := 0
			for i := range networks {
				s.at(0, func() time.Duration {
					wait := s.attempt(t, loginAttempt("ada", fmt.Sprint("evil ", i)), session.Counted)
					if wait == 0 {
						guesses++
					}
					return wait + time.Duration(1+random.IntN(1000))*time.Millisecond
				})
			}
			home, stranger, reset := 0, 0, 0
			for hour := range 24 {
				s.at(time.Duration(hour)*time.Hour+30*time.Minute+7*time.Second, func() time.Duration {
					if s.attempt(t, loginAttempt("ada", "home"), session.Right) == 0 {
						home++
					}
					address := fmt.Sprint("new ", hour)
					if s.attempt(t, loginAttempt("ada", address), session.Undecided) == 0 {
						stranger++
					}
					s.attempt(t, session.Attempt{Kind: session.KindReset, Account: "ada", Client: address}, session.Right)
					if s.attempt(t, loginAttempt("ada", address), session.Right) == 0 {
						reset++
					}
					return 0
				})
			}
			s.run(24 * time.Hour)
			t.Logf("%d guesses; the owner got in from home %d, from a new address %d, and after a reset there %d of 24 times", guesses, home, stranger, reset)
			if home != 24 || reset != 24 || networks == 1 && stranger != 24 {
				t.Errorf("the owner got in from home %d, from a new address %d and after a reset %d times; want 24", home, stranger, reset)
			}
			if most := 30 + 24*3600/15 + 1; guesses > most {
				t.Errorf("%d guesses; want %d at most", guesses, most)
			}
			if networks == 1 && stranger != 24 {
				t.Errorf("one network keeps the owner out of a new address: %d of 24", stranger)
			}
		})
	}
}

// 500 people behind one address log in at nine, within five minutes; every tenth mistypes the password first.
func TestManyPeopleBehindOneAddressLogIn(t *testing.T) {
	s := newSimulation()
	random := rand.New(rand.NewPCG(3, 4))
	served, refused := 0, 0
	for person := range 500 {
		account, tries := fmt.Sprint("person ", person), 0
		s.at(time.Duration(random.Int64N(int64(5*time.Minute))), func() time.Duration {
			o := session.Right
			if tries++; tries == 1 && person%10 == 0 {
				o = session.Counted
			}
			switch wait := s.attempt(t, loginAttempt(account, "office"), o); {
			case wait > 0:
				refused++
				return wait
			case o == session.Counted:
				return 3 * time.Second
			}
			served++
			return 0
		})
	}
	s.run(time.Hour)
	if served != 500 || refused != 0 {
		t.Errorf("%d people logged in, %d attempts were refused; want 500 and none", served, refused)
	}
}

// One client makes 100 requests a second, each with a new name. Others are not concerned.
func TestOneClientWithManyNamesIsLimited(t *testing.T) {
	minutes := 20
	if testing.Short() {
		minutes = 2
	}
	for _, test := range []struct {
		kind string
		most int
	}{
		{session.KindLogin, 100 + minutes*60},
		{session.KindSignup, 20 + minutes},
	} {
		s := newSimulation()
		n, passed, neighbours := 0, 0, 0
		s.at(0, func() time.Duration {
			n++
			if s.attempt(t, session.Attempt{Kind: test.kind, Account: fmt.Sprint(n), Client: "evil"}, session.Counted) == 0 {
				passed++
			}
			return 10 * time.Millisecond
		})
		for minute := range minutes {
			s.at(time.Duration(minute)*time.Minute, func() time.Duration {
				if s.attempt(t, session.Attempt{Kind: test.kind, Account: "ada", Client: "home"}, session.Right) == 0 {
					neighbours++
				}
				return 0
			})
		}
		s.run(time.Duration(minutes) * time.Minute)
		if passed > test.most || neighbours != minutes {
			t.Errorf("%s: %d of %d passed; want %d at most; another client got in %d of %d times", test.kind, passed, n, test.most, neighbours, minutes)
		}
		t.Logf("%s: %d of %d passed", test.kind, passed, n)
	}
}
