package main

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-usher/usher/bench/internal/rounds"
)

var algorithms = []string{"HS256", "RS256", "ES256", "EdDSA"}

var sizes = []int{3, 8, 40}

// plan is everything that is measured, except the flood of flood.go. Sizes are compared under HS256 only: what
// claims cost does not depend on the algorithm.
func plan(k *keys) ([]rounds.Set, error) {
	p := planner{keys: k, born: time.Now().Add(-time.Minute).Truncate(time.Second)}
	for _, alg := range algorithms {
		for _, size := range sizes {
			if size != 8 && alg != "HS256" {
				continue
			}
			s := setup{alg: alg, size: size, keys: k, born: p.born}
			p.middleware("middleware", s, 1)
			p.verify("verify", s)
			if size != 3 { // usher always issues iat and jti, so it has no 3
				p.encode("encode", s)
			}
		}
		s := setup{alg: alg, size: 8, keys: k, born: p.born}
		p.middleware("two-cores", s, 2)
		p.forged("forged", s)
	}
	hs256 := setup{alg: "HS256", size: 8, keys: k, born: p.born}
	p.foreign("foreign-header", hs256)
	p.forgedVerify("forged-verify", hs256)
	p.scaling("scaling", hs256)
	return p.sets, errors.Join(p.failed...)
}

// planner collects sets. An operation that a library doesn't have becomes an absent cell; any other failure
// ends the run.
type planner struct {
	keys   *keys
	born   time.Time
	sets   []rounds.Set
	failed []error
}

func (p *planner) add(kind string, s setup, cells ...rounds.Cell) {
	p.sets = append(p.sets, rounds.Set{ID: setID(kind, s.alg, s.size), Cells: cells})
}

func setID(kind, alg string, size int) string { return fmt.Sprintf("%s/%s/%d", kind, alg, size) }

// tokens are the setup's tokens, good and forged.
func (p *planner) tokens(s setup, header string) (good, forged []string) {
	good, err := s.tokens(header)
	p.failed = append(p.failed, err)
	forged, err = s.forge(good)
	p.failed = append(p.failed, err)
	return good, forged
}

// fixedCell is a cell of what keeps next to nothing in memory, and so is not set up anew.
func fixedCell(name string, procs int, ops rounds.Ops) rounds.Cell {
	return rounds.Cell{Name: name, Procs: procs, Setup: ops.Setup}
}

// handlerCell is one request after the other to a handler that has no library in it.
func handlerCell(name string, handler http.Handler, procs int, tokens []string) rounds.Cell {
	return fixedCell(name, procs, func() (rounds.Op, error) { return requestOp(handler, tokens, http.StatusNoContent), nil })
}

// contenderCell is a cell of a contender, absent if prepare says that the library can't.
func (p *planner) contenderCell(name string, prepare func() (rounds.Ops, error)) rounds.Cell {
	_, err := prepare()
	if errors.Is(err, errors.ErrUnsupported) {
		return rounds.Cell{Name: name, Absent: err.Error()}
	}
	if err != nil {
		p.failed = append(p.failed, fmt.Errorf("%s: %w", name, err))
	}
	return rounds.Cell{Name: name, Procs: 1, Setup: prepare}
}

func (p *planner) middlewareCell(c *contender, s setup, procs int, tokens []string, want int) rounds.Cell {
	made := p.contenderCell(c.name, func() (rounds.Ops, error) {
		handler, err := c.middleware(s, greeter{})
		return func() (rounds.Op, error) { return requestOp(handler, tokens, want), nil }, err
	})
	made.Procs = procs
	return made
}

func (p *planner) verifyCell(c *contender, s setup, tokens []string, bad bool) rounds.Cell {
	return p.contenderCell(c.name, func() (rounds.Ops, error) {
		if c.verify == nil {
			return nil, fmt.Errorf("verifies only within its middleware: %w", errors.ErrUnsupported)
		}
		verify, err := c.verify(s)
		return func() (rounds.Op, error) { return verifyOp(verify, tokens, bad), nil }, err
	})
}

func (p *planner) encodeCell(c *contender, s setup) rounds.Cell {
	return p.contenderCell(c.name, func() (rounds.Ops, error) {
		if c.encode == nil {
			return nil, fmt.Errorf("issues no tokens: %w", errors.ErrUnsupported)
		}
		encode, err := c.encode(s)
		return func() (rounds.Op, error) { return encodeOp(encode), nil }, err
	})
}

func (p *planner) middleware(kind string, s setup, procs int) {
	tokens, _ := p.tokens(s, s.header())
	cells := []rounds.Cell{
		handlerCell(nameNoAuth, noAuth(greeter{}), procs, tokens),
		handlerCell(nameNoEcho, noAuthEcho(greeter{}), procs, tokens),
		handlerCell(nameNoGin, noAuthGin(greeter{}), procs, tokens),
		handlerCell(nameFloor, floorOf(s, greeter{}), procs, tokens),
		fixedCell(nameRaw, procs, func() (rounds.Op, error) { return rawVerifyOp(s, tokens) }),
	}
	for _, c := range contenders() {
		cells = append(cells, p.middlewareCell(c, s, procs, tokens, http.StatusNoContent))
	}
	p.add(kind, s, cells...)
}

func (p *planner) verify(kind string, s setup) {
	tokens, _ := p.tokens(s, s.header())
	cells := []rounds.Cell{fixedCell(nameRaw, 1, func() (rounds.Op, error) { return rawVerifyOp(s, tokens) })}
	for _, c := range contenders() {
		cells = append(cells, p.verifyCell(c, s, tokens, false))
	}
	p.add(kind, s, cells...)
}

func (p *planner) encode(kind string, s setup) {
	tokens, _ := p.tokens(s, s.header())
	cells := []rounds.Cell{fixedCell(nameSign, 1, func() (rounds.Op, error) { return rawSignOp(s, tokens) })}
	for _, c := range contenders() {
		if !c.warm {
			cells = append(cells, p.encodeCell(c, s))
		}
	}
	cells = append(cells, p.encodeCell(usherFilling(), s))
	p.add(kind, s, cells...)
}

func (p *planner) forged(kind string, s setup) {
	tokens, forged := p.tokens(s, s.header())
	cells := []rounds.Cell{fixedCell(nameRaw, 1, func() (rounds.Op, error) { return rawVerifyOp(s, tokens) })}
	for _, c := range contenders() {
		if !c.warm {
			cells = append(cells, p.middlewareCell(c, s, 1, forged, http.StatusUnauthorized))
		}
	}
	p.add(kind, s, cells...)
}

// forgedVerify is the same without HTTP, and usher on the valid tokens beside it.
func (p *planner) forgedVerify(kind string, s setup) {
	tokens, forged := p.tokens(s, s.header())
	valid := usherCold()
	valid.name = nameUsherValid // the rest of the set is about forged ones
	cells := []rounds.Cell{p.verifyCell(valid, s, tokens, false)}
	for _, c := range contenders() {
		if !c.warm {
			cells = append(cells, p.verifyCell(c, s, forged, true))
		}
	}
	p.add(kind, s, cells...)
}

// foreign is the whole middleware with tokens whose header somebody else has written.
func (p *planner) foreign(kind string, s setup) {
	tokens, _ := p.tokens(s, s.foreignHeader())
	var cells []rounds.Cell
	for _, c := range contenders() {
		if c.ownHeaderOnly {
			cells = append(cells, rounds.Cell{Name: c.name, Absent: "refuses headers that it would not have written"})
			continue
		}
		cells = append(cells, p.middlewareCell(c, s, 1, tokens, http.StatusNoContent))
	}
	p.add(kind, s, cells...)
}

// scaling is how a second core helps the warm path, and how it helps the floor. The collector runs seldom, so
// that it isn't the collector that is measured.
func (p *planner) scaling(kind string, s setup) {
	tokens, _ := p.tokens(s, s.header())
	var cells []rounds.Cell
	for procs := 1; procs <= 2; procs++ {
		bottom := handlerCell(nameFloor, floorOf(s, greeter{}), procs, tokens)
		warm := p.middlewareCell(usherWarm(), s, procs, tokens, http.StatusNoContent)
		bottom.GCPercent, warm.GCPercent = 800, 800
		cells = append(cells, bottom, warm)
	}
	p.add(kind, s, cells...)
}
