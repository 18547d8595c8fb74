package hashcheck

import (
	"testing"

	"github.com/go-usher/usher/internal/bcrypthash"
	"github.com/go-usher/usher/internal/bcryptwork"
)

func TestEveryRefusalDoesTheSameWork(t *testing.T) {
	hashes := map[int]string{}
	for cost := 4; cost <= 7; cost++ {
		hash, err := bcrypthash.New("right", cost)
		if err != nil {
			t.Fatal(err)
		}
		hashes[cost] = hash
	}
	for _, test := range []struct {
		name, costliest, hash, password string
		want                            bcryptwork.Work // what Check adds to the work of the comparison
	}{
		{"no user", "", "", "wrong", 64},
		{"an unreadable hash", "", "unreadable", "wrong", 64},
		{"a cost that is not accepted", "", "$2a$31" + hashes[4][6:], "wrong", 64},
		{"two below the cost", "", hashes[4], "wrong", 48},
		{"one below the cost", "", hashes[5], "wrong", 32},
		{"the cost", "", hashes[6], "wrong", 0},
		{"above the cost", "", hashes[7], "wrong", 0},
		{"a match", "", hashes[4], "right", 0},
		{"no user, and a higher cost in use", hashes[7], "", "wrong", 128},
		{"the configured cost, and a higher one in use", hashes[7], hashes[6], "wrong", 64},
		{"no user, and only a lower cost in use", hashes[4], "", "wrong", 64},
	} {
		unrecognized := func(string, string) (recognized, match bool) { return false, false }
		c, err := New(6, unrecognized, test.costliest)
		if err != nil {
			t.Fatal(err)
		}
		var done bcryptwork.Work
		c.do = func(w bcryptwork.Work) { done += w }
		if _, err := c.Check(test.hash, test.password); (err == nil) != (test.password == "right") || done != test.want {
			t.Errorf("%s: %v, %d rounds were added, want %d", test.name, err, done, test.want)
		}
	}
}
