//go:build !alone

package main

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/go-usher/usher/bench/internal/rounds"
)

// program is a running program of these sources in which one library is alone, as it is in the service that uses it: the
// collector looks at all that the packages of a program keep, and each measurement would pay for those of all libraries.
type program struct {
	tag    string
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	ask    *gob.Encoder
	answer *gob.Decoder
}

// startPrograms builds and starts the programs that the sets need, and has the cells measured there until end is called.
func startPrograms(ctx context.Context, sets []rounds.Set, m materials, progress io.Writer) (end func() error, err error) {
	folder, err := os.MkdirTemp("", "usher-bench")
	if err != nil {
		return nil, err
	}
	running := make(map[string]*program)
	end = func() error {
		var failed []error
		for _, p := range running {
			failed = append(failed, p.stdin.Close(), p.cmd.Wait())
		}
		return errors.Join(append(failed, os.RemoveAll(folder))...)
	}
	for _, s := range sets {
		for i, c := range s.Cells {
			if c.Absent != "" {
				continue
			}
			tag := programOf(c.Name)
			if running[tag] == nil {
				fmt.Fprintln(progress, "building the program of", tag)
				p, err := startProgram(ctx, folder, tag, progress)
				if err == nil {
					running[tag] = p // for end, whatever comes
					err = p.ask.Encode(m)
				}
				if err != nil {
					return nil, errors.Join(fmt.Errorf("the program of %s: %w", tag, err), end())
				}
			}
			s.Cells[i].Elsewhere = &remote{running[tag], question{Set: s.ID, Name: c.Name, Procs: c.Procs}}
		}
	}
	return end, nil
}

func startProgram(ctx context.Context, folder, tag string, stderr io.Writer) (*program, error) {
	path := filepath.Join(folder, tag)
	build := exec.CommandContext(ctx, "go", "build", "-tags", "alone,"+tag, "-o", path, usherModule+"/bench") //nolint:gosec // tags of this package
	build.Stderr = stderr
	if err := build.Run(); err != nil {
		return nil, fmt.Errorf("go build: %w", err)
	}
	p := &program{tag: tag, cmd: exec.CommandContext(ctx, path)} //nolint:gosec // which has just been built
	p.cmd.Stderr = stderr
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.stdin, p.ask, p.answer = stdin, gob.NewEncoder(stdin), gob.NewDecoder(stdout)
	return p, p.cmd.Start()
}

// remote is a cell that such a program measures.
type remote struct {
	program *program
	question
}

func (r *remote) Start(each time.Duration) error {
	q := r.question
	q.Each = each
	_, err := r.program.put(q)
	return err
}

func (r *remote) Sample() (rounds.Sample, error) { return r.program.put(r.question) }

func (p *program) put(q question) (rounds.Sample, error) {
	var a answer
	if err := p.ask.Encode(q); err != nil {
		return a.Sample, err
	}
	if err := p.answer.Decode(&a); err != nil {
		return a.Sample, fmt.Errorf("the program of %s: %w", p.tag, err)
	}
	if a.Err != "" {
		return a.Sample, errors.New(a.Err)
	}
	return a.Sample, nil
}
