package expiring_test

import (
	"testing"
	"time"

	"github.com/go-usher/usher/internal/expiring"
)

var start = time.Unix(1000, 0)

func TestEntriesEndAtTheirTime(t *testing.T) {
	m := expiring.New[string, int](10)
	m.Put("a", 1, start.Add(time.Minute))
	m.Put("b", 2, start.Add(time.Hour))
	m.Put("b", 3, start.Add(time.Minute))
	m.Extend("b", start.Add(time.Hour))
	m.Extend("c", start.Add(time.Hour))
	for _, test := range []struct {
		key   string
		after time.Duration
		want  int
		ok    bool
	}{
		{"a", 0, 1, true}, {"a", time.Minute - 1, 1, true}, {"a", time.Minute, 0, false}, {"a", 0, 0, false},
		{"b", time.Minute, 3, true}, {"b", time.Hour, 0, false}, {"c", 0, 0, false},
	} {
		if got, ok := m.Get(test.key, start.Add(test.after)); got != test.want || ok != test.ok {
			t.Errorf("%s after %v: %d, %v", test.key, test.after, got, ok)
		}
	}
	if m.Len() != 0 {
		t.Errorf("%d entries are left", m.Len())
	}
}

func TestTheLeastRecentlyUsedEntryGoesFirst(t *testing.T) {
	m := expiring.New[int, int](3)
	end := start.Add(time.Hour)
	for i := range 3 {
		m.Put(i, i, end)
	}
	m.Get(0, start)
	m.Put(3, 3, end)
	m.Put(2, 22, end) // which is there already
	m.Put(4, 4, end)
	for key, want := range map[int]bool{0: false, 1: false, 2: true, 3: true, 4: true} {
		if _, ok := m.Get(key, start); ok != want {
			t.Errorf("%d is there: %v", key, ok)
		}
	}
	if m.Len() != 3 {
		t.Errorf("%d entries", m.Len())
	}
}

func TestADeletedEntryIsGone(t *testing.T) {
	m := expiring.New[string, int](10)
	m.Put("a", 1, start.Add(time.Hour))
	m.Put("b", 2, start.Add(time.Hour))
	m.Delete("a")
	m.Delete("c")
	if _, ok := m.Get("a", start); ok || m.Len() != 1 {
		t.Errorf("a is there: %v, of %d entries", ok, m.Len())
	}
}
