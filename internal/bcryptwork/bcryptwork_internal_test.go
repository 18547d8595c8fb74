package bcryptwork

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// fakeBcrypt takes perRound for each round, in synctest's time, and counts the rounds.
type fakeBcrypt struct {
	perRound time.Duration
	done     Work
}

func (f *fakeBcrypt) do(w Work) {
	f.done += w
	<-time.After(time.Duration(w) * f.perRound)
}

func TestMeasureReturnsTheMedianOfThreeResults(t *testing.T) {
	for name, test := range map[string]struct {
		checks []time.Duration // the times of successive checks
		want   Work
		calls  int
		done   Work
	}{
		"as long as one chunk": {[]time.Duration{64, 64, 64}, 64, 3, 3 * 64},
		"a little longer":      {[]time.Duration{65, 65, 65}, 65, 3, 3 * 128},
		"shorter":              {[]time.Duration{10, 10, 10}, 10, 3, 3 * 64},
		"different":            {[]time.Duration{300, 100, 200}, 200, 3, 320 + 128 + 256},
		"no time at all":       {[]time.Duration{0, 0, 0}, 0, 3, 3 * 64},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls, bcrypt := 0, fakeBcrypt{perRound: 1}
				work, ok := measure(func(password string) bool {
					if password == "" {
						t.Error("there is no password")
					}
					<-time.After(test.checks[calls])
					calls++
					return true
				}, bcrypt.do)
				if !ok || work != test.want || calls != test.calls || bcrypt.done != test.done {
					t.Errorf("%d, %v, after %d calls and %d rounds", work, ok, calls, bcrypt.done)
				}
			})
		})
	}
}

func TestMeasureTakesAboutASecondForASlowCheck(t *testing.T) {
	for name, test := range map[string]struct {
		check time.Duration
		calls int
	}{
		"a second in the first round":      {500 * time.Millisecond, 1},
		"a little less in the first round": {499 * time.Millisecond, 2},
		"a second in two rounds":           {250 * time.Millisecond, 2},
		"a little less in two rounds":      {249 * time.Millisecond, 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls, bcrypt := 0, fakeBcrypt{perRound: time.Millisecond / 64}
				work, ok := measure(func(string) bool {
					<-time.After(test.check)
					calls++
					return true
				}, bcrypt.do)
				if want := Work(test.check.Milliseconds()) * 64; !ok || work != want || calls != test.calls {
					t.Errorf("%d, %v, after %d calls; want %d", work, ok, calls, want)
				}
			})
		})
	}
}

// A clock that does not advance during the work must not make it endless.
func TestMeasureEndsIfBcryptTakesNoTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bcrypt := fakeBcrypt{}
		work, ok := measure(func(string) bool { <-time.After(time.Millisecond); return true }, bcrypt.do)
		if work != 0 || !ok || bcrypt.done != 3*64 {
			t.Errorf("%d, %v, after %d rounds", work, ok, bcrypt.done)
		}
	})
}

func TestMeasureEndsIfTheCheckFails(t *testing.T) {
	calls := 0
	work, ok := Measure(func(string) bool { calls++; return calls < 2 })
	if work != 0 || ok || calls != 2 {
		t.Errorf("%d, %v, after %d calls", work, ok, calls)
	}
}

func TestEstimateIncludesItsOwnWork(t *testing.T) {
	for _, test := range []struct {
		total, probe Work
	}{
		{0, 16}, {16, 16}, {1 << 9, 16}, {1<<10 - 1, 16}, {1 << 10, 32}, {1<<10 + 1, 32}, {1 << 12, 128},
	} {
		synctest.Test(t, func(t *testing.T) {
			bcrypt := fakeBcrypt{perRound: 2 * time.Microsecond}
			work := estimate(time.Millisecond, test.total, bcrypt.do)
			if bcrypt.done != test.probe || work != test.probe+500 {
				t.Errorf("of %d: %d, after %d rounds", test.total, work, bcrypt.done)
			}
		})
	}
}

func TestScaledWork(t *testing.T) {
	for _, test := range []struct {
		work         Work
		t, reference time.Duration
		want         Work
	}{
		{64, 10, 20, 32}, {64, 20, 10, 128}, {64, 0, 10, 0}, {64, 10, 1, 640}, {64, 10, 0, 0}, {64, 10, -1, 0},
		{1 << 31, time.Hour, time.Minute, 60 << 31}, // beyond the integers that a product would fit in
	} {
		if got := test.work.scaled(test.t, test.reference); got != test.want {
			t.Errorf("%d in %v, when %v: %d, want %d", test.work, test.reference, test.t, got, test.want)
		}
	}
}

func TestCostsAddUpToTheWork(t *testing.T) {
	for work, want := range map[Work][]int{
		0: nil, 7: nil, 8: {4}, 16: {4}, 23: {4}, 24: {5}, 32: {5}, 48: {5, 4}, 1<<12 + 1<<6 + 1: {12, 6}, 1<<31 + 16: {31, 4},
	} {
		if got := work.costs(); !slices.Equal(got, want) {
			t.Errorf("%d: %v, want %v", work, got, want)
		}
	}
}

// Real bcrypt is measured with a tolerance of a half, because the machine may be busy.
func TestMeasureAndEstimateRecognizeRealWork(t *testing.T) {
	const work = Work(1 << 6)
	near := func(w Work) bool { return w > work/2 && w < work*2 }
	var measured, estimated Work
	for range 10 {
		measured, _ = Measure(func(string) bool { work.Do(); return true })
		elapsed := timeOf(work.Do)
		estimated = Estimate(elapsed, work) - OfCost(4)
		if near(measured) && near(estimated) {
			return
		}
	}
	t.Errorf("work of %d is measured as %d and estimated as %d", work, measured, estimated)
}
