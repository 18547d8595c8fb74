// Command attack shows every case of the attack corpus to usher, by every way, and to other libraries set up as
// strictly as they can be, and prints how that went by class. Key sets are the last class.
//
//	go run ./proof/cmd/attack
//
// It exits with 1 if usher did one thing other than it should.
package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"text/tabwriter"

	"github.com/go-usher/usher/proof/attack"
	"github.com/go-usher/usher/proof/peer"
)

func main() {
	failures, err := run(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, "attack:", err)
	}
	if err != nil || failures > 0 {
		os.Exit(1)
	}
}

// tally counts what happened to the cases of a class.
type tally struct {
	refuse, accept, failed int
	wronglyAccepted        []int // by library
}

func run(ctx context.Context) (failures int, err error) {
	cases, err := attack.Generate()
	if err != nil {
		return 0, err
	}
	judge := attack.NewJudge()
	defer judge.Close()

	libraries := peer.Libraries()
	classes := map[attack.Class]*tally{}
	reasons := make([]map[peer.Reason]int, len(libraries))
	for i := range reasons {
		reasons[i] = map[peer.Reason]int{}
	}
	for _, c := range cases {
		t := classes[c.Class]
		if t == nil {
			t = &tally{wronglyAccepted: make([]int, len(libraries))}
			classes[c.Class] = t
		}
		if c.Want == nil {
			t.accept++
		} else {
			t.refuse++
		}
		for _, show := range []func(context.Context, attack.Case) error{judge.Decode, judge.HTTP} {
			if err := show(ctx, c); err != nil {
				t.failed++
				fmt.Fprintln(os.Stderr, err)
			}
		}
		if c.House.Material == nil || c.Want == nil {
			continue // nothing that other libraries could be asked in the same way
		}
		for i, library := range libraries {
			if _, err := library.Verify(c.Token, c.House); err == nil {
				t.wronglyAccepted[i]++
				for _, reason := range peer.Reasons(c.Token, c.House) {
					reasons[i][reason]++
				}
			}
		}
	}
	if classes[attack.KeySets], err = judgeKeySets(ctx, libraries); err != nil {
		return 0, err
	}
	failures = report(classes, libraries)
	fmt.Fprintln(os.Stdout)
	reportReasons(reasons, libraries)
	return failures, nil
}

// judgeKeySets shows the key sets to usher. A library wrongly accepts a set of which it reads more keys than are to be used.
func judgeKeySets(ctx context.Context, libraries []peer.Library) (*tally, error) {
	cases, err := attack.KeySetCases()
	if err != nil {
		return nil, err
	}
	judge, err := attack.NewSetJudge()
	if err != nil {
		return nil, err
	}
	defer judge.Close()
	t := &tally{wronglyAccepted: make([]int, len(libraries))}
	for _, c := range cases {
		if err := judge.Judge(ctx, c); err != nil {
			t.failed++
			fmt.Fprintln(os.Stderr, err)
		}
		if c.Want == attack.SetAccepted {
			t.accept++
			continue
		}
		t.refuse++
		for i, library := range libraries {
			if c.Page != nil || library.CountKeys == nil {
				continue
			}
			if n, err := library.CountKeys(c.Text); err == nil && n > c.Keys {
				t.wronglyAccepted[i]++
			}
		}
	}
	return t, nil
}

func report(classes map[attack.Class]*tally, libraries []peer.Library) (failures int) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "class\tcases\tto refuse\tto accept\tusher failed\t")
	for _, library := range libraries {
		fmt.Fprintf(w, "%s accepts\t", library.Name)
	}
	fmt.Fprintln(w)
	line := func(name string, t *tally) {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t", name, t.refuse+t.accept, t.refuse, t.accept, t.failed)
		for _, n := range t.wronglyAccepted {
			fmt.Fprintf(w, "%d\t", n)
		}
		fmt.Fprintln(w)
	}
	all := tally{wronglyAccepted: make([]int, len(libraries))}
	for _, class := range append(attack.Classes(), attack.KeySets) {
		t := classes[class]
		line(string(class), t)
		all.refuse += t.refuse
		all.accept += t.accept
		all.failed += t.failed
		for i, n := range t.wronglyAccepted {
			all.wronglyAccepted[i] += n
		}
	}
	line("all", &all)
	_ = w.Flush()
	return all.failed
}

// reportReasons says of what kind the tokens are that others accept; one token may be of several.
func reportReasons(reasons []map[peer.Reason]int, libraries []peer.Library) {
	var all []peer.Reason
	for _, counts := range reasons {
		for reason := range counts {
			if !slices.Contains(all, reason) {
				all = append(all, reason)
			}
		}
	}
	slices.SortFunc(all, func(a, b peer.Reason) int {
		for _, counts := range reasons {
			if n := counts[b] - counts[a]; n != 0 {
				return n
			}
		}
		return cmp.Compare(a, b)
	})
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "accepted, though")
	for _, library := range libraries {
		fmt.Fprintf(w, "\t%s", library.Name)
	}
	fmt.Fprintln(w)
	for _, reason := range all {
		fmt.Fprint(w, reason)
		for _, counts := range reasons {
			fmt.Fprintf(w, "\t%d", counts[reason])
		}
		fmt.Fprintln(w)
	}
	_ = w.Flush()
}
