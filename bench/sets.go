package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-usher/usher/bench/internal/rounds"
)

var algorithms = []string{"HS256", "RS256", "ES256", "EdDSA"}

var sizes = []int{3, 8, 40}

// plan is everything that is measured, except the flood of flood.go. Sizes are compared under HS256 only: what
// claims cost does not depend on the algorithm. Claims are issued a minute before born.
func plan(k *keys, born time.Time) ([]rounds.Set, error) {
	born = born.Add(-time.Minute).Truncate(time.Second)
	var p planner
	for _, alg := range algorithms {
		for _, size := range sizes {
			if size != 8 && alg != "HS256" {
				continue
			}
			s := setup{alg: alg, size: size, keys: k, born: born}
			p.middleware("middleware", s, 1, 1)
			p.verify("verify", s)
			if size != 3 { // usher always issues iat and jti, so it has no 3
				p.encode("encode", s)
			}
		}
		s := setup{alg: alg, size: 8, keys: k, born: born}
		p.middleware("one-client", s, 1, 2)
		p.middleware("two-cores", s, 2, 2)
		p.forged("forged", s)
	}
	hs256 := setup{alg: "HS256", size: 8, keys: k, born: born}
	p.foreign("foreign-header", hs256)
	p.forgedVerify("forged-verify", hs256)
	p.scaling("scaling", hs256)
	return p.sets, errors.Join(p.failed...)
}

// planner collects sets. An operation that a library doesn't have becomes an absent cell; any other failure
// ends the run.
type planner struct {
	sets   []rounds.Set
	failed []error
}

// add adds a set; cells that don't say otherwise are for one core.
func (p *planner) add(kind string, s setup, cells ...rounds.Cell) {
	for i := range cells {
		cells[i].Procs = cmp.Or(cells[i].Procs, 1)
	}
	p.sets = append(p.sets, rounds.Set{ID: setID(kind, s.alg, s.size), Cells: cells})
}

func setID(kind, alg string, size int) string { return fmt.Sprintf("%s/%s/%d", kind, alg, size) }

// mint makes the tokens of a measurement: anew for each, so that nobody pays for what the others would keep in memory.
type mint func() ([]string, error)

// good makes the setup's tokens, as most libraries write them.
func good(s setup) mint { return func() ([]string, error) { return s.tokens(s.header()) } }

// foreign makes those with a header that somebody else has written.
func foreign(s setup) mint { return func() ([]string, error) { return s.tokens(s.foreignHeader()) } }

// forged makes forged ones.
func forged(s setup) mint {
	return func() ([]string, error) {
		tokens, err := s.tokens(s.header())
		if err != nil {
			return nil, err
		}
		return s.forge(tokens)
	}
}

// operation is what is done with a contender, for one goroutine.
type operation func(tokens []string) (rounds.Op, error)

// newCell is a cell of an operation that prepare makes, absent if it says that the library can't.
func (p *planner) newCell(name string, tokens mint, prepare func() (operation, error)) rounds.Cell {
	_, err := prepare()
	if errors.Is(err, errors.ErrUnsupported) {
		return rounds.Cell{Name: name, Absent: err.Error()}
	}
	if err != nil {
		p.failed = append(p.failed, fmt.Errorf("%s: %w", name, err))
	}
	return rounds.Cell{Name: name, Setup: func() (rounds.Ops, error) {
		do, err := prepare()
		if err != nil {
			return nil, err
		}
		list, err := tokens()
		return func() (rounds.Op, error) { return do(list) }, err
	}}
}

// rawCell is a cell of the standard library alone.
func (p *planner) rawCell(name string, s setup, raw func(setup, []string) (rounds.Op, error)) rounds.Cell {
	return p.newCell(name, good(s), func() (operation, error) {
		return func(tokens []string) (rounds.Op, error) { return raw(s, tokens) }, nil
	})
}

// limitCell is one request after the other to a handler without a guard.
func (p *planner) limitCell(l limit, s setup) rounds.Cell {
	return p.requestCell(l.name, good(s), http.StatusNoContent, func() (http.Handler, error) { return l.handler(s, greeter{}), nil })
}

// middlewareCell is one request after the other to the contender's middleware, which answers want.
func (p *planner) middlewareCell(c *contender, s setup, tokens mint, want int) rounds.Cell {
	return p.requestCell(c.name, tokens, want, func() (http.Handler, error) { return c.middleware(s, greeter{}) })
}

func (p *planner) requestCell(name string, tokens mint, want int, handler func() (http.Handler, error)) rounds.Cell {
	return p.newCell(name, tokens, func() (operation, error) {
		h, err := handler()
		return func(tokens []string) (rounds.Op, error) { return requestOp(h, tokens, want), nil }, err
	})
}

func (p *planner) verifyCell(c *contender, s setup, tokens mint, bad bool) rounds.Cell {
	return p.newCell(c.name, tokens, func() (operation, error) {
		if c.verify == nil {
			return nil, fmt.Errorf("verifies only within its middleware: %w", errors.ErrUnsupported)
		}
		verify, err := c.verify(s)
		return func(tokens []string) (rounds.Op, error) { return verifyOp(verify, tokens, bad), nil }, err
	})
}

func (p *planner) encodeCell(c *contender, s setup) rounds.Cell {
	return p.newCell(c.name, good(s), func() (operation, error) {
		if c.encode == nil {
			return nil, fmt.Errorf("issues no tokens: %w", errors.ErrUnsupported)
		}
		encode, err := c.encode(s)
		return func([]string) (rounds.Op, error) { return encodeOp(encode), nil }, err
	})
}

// middleware is the whole middleware, for so many clients on so many cores.
func (p *planner) middleware(kind string, s setup, clients, procs int) {
	var cells []rounds.Cell
	for _, l := range limits() {
		cells = append(cells, p.limitCell(l, s))
	}
	cells = append(cells, p.rawCell(nameRaw, s, rawVerifyOp))
	for _, c := range contenders() {
		cells = append(cells, p.middlewareCell(c, s, good(s), http.StatusNoContent))
	}
	for i := range cells {
		cells[i].Workers, cells[i].Procs = clients, procs
	}
	p.add(kind, s, cells...)
}

func (p *planner) verify(kind string, s setup) {
	cells := []rounds.Cell{p.rawCell(nameRaw, s, rawVerifyOp)}
	for _, c := range contenders() {
		cells = append(cells, p.verifyCell(c, s, good(s), false))
	}
	p.add(kind, s, cells...)
}

func (p *planner) encode(kind string, s setup) {
	cells := []rounds.Cell{p.rawCell(nameSign, s, rawSignOp)}
	for _, c := range entrants() {
		if !c.warm {
			cells = append(cells, p.encodeCell(c, s))
		}
	}
	p.add(kind, s, cells...)
}

func (p *planner) forged(kind string, s setup) {
	cells := []rounds.Cell{p.rawCell(nameRaw, s, rawVerifyOp)}
	for _, c := range contenders() {
		if !c.warm {
			cells = append(cells, p.middlewareCell(c, s, forged(s), http.StatusUnauthorized))
		}
	}
	p.add(kind, s, cells...)
}

// forgedVerify is the same without HTTP, and usher on the valid tokens beside it.
func (p *planner) forgedVerify(kind string, s setup) {
	var cells []rounds.Cell
	for _, c := range contenders() {
		if c.name == nameUsher {
			valid := *c
			valid.name = nameUsherValid // the rest of the set is about forged ones
			cells = append(cells, p.verifyCell(&valid, s, good(s), false))
		}
		if !c.warm {
			cells = append(cells, p.verifyCell(c, s, forged(s), true))
		}
	}
	p.add(kind, s, cells...)
}

// foreign is the whole middleware with tokens whose header somebody else has written.
func (p *planner) foreign(kind string, s setup) {
	var cells []rounds.Cell
	for _, c := range contenders() {
		if c.ownHeaderOnly {
			cells = append(cells, rounds.Cell{Name: c.name, Absent: "refuses headers that it would not have written"})
			continue
		}
		cells = append(cells, p.middlewareCell(c, s, foreign(s), http.StatusNoContent))
	}
	p.add(kind, s, cells...)
}

// scaling is how a second core helps the warm path, and how it helps the floor. The collector runs seldom, so
// that it isn't the collector that is measured.
func (p *planner) scaling(kind string, s setup) {
	var cells []rounds.Cell
	for procs := 1; procs <= 2; procs++ {
		for _, l := range limits() {
			if l.name == nameFloor {
				cells = append(cells, p.limitCell(l, s))
			}
		}
		for _, c := range contenders() {
			if c.warm {
				cells = append(cells, p.middlewareCell(c, s, good(s), http.StatusNoContent))
			}
		}
		for i := range cells {
			cells[i].Procs = cmp.Or(cells[i].Procs, procs)
		}
	}
	for i := range cells {
		cells[i].GCPercent = 800
	}
	p.add(kind, s, cells...)
}
