package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a program that runs.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // once ended is closed
}

// start starts a program with the environment that it needs, and no more.
func (d *demo) start(ctx context.Context, name string) error {
	p := &process{cmd: exec.CommandContext(ctx, d.program, name), ended: make(chan struct{})} //nolint:gosec // it is this program itself
	p.cmd.Stderr = d.out
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = 15 * time.Second
	needs := []string{"ISSUER", "KEYS_MAX_AGE"}
	switch name {
	case "issuer":
		needs = append(needs, "KEYS", "SESSIONS", "SESSION_SECRET", "PASSWORD", "ORDERS_SECRET", "TOKEN_TTL", "KEYS_INTERVAL")
	case "orders":
		needs = append(needs, "STOCK", "ORDERS_SECRET")
	}
	p.cmd.Env = []string{"ADDR=" + strings.TrimPrefix(d.env[strings.ToUpper(name)], "http://")}
	for _, variable := range needs {
		p.cmd.Env = append(p.cmd.Env, variable+"="+d.env[variable])
	}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	d.running[name] = p
	return nil
}

// stop ends a program as an operator would, and waits until it has finished its requests.
func (d *demo) stop(name string) error {
	p := d.running[name]
	delete(d.running, name)
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	<-p.ended
	if p.err != nil {
		return fmt.Errorf("%s: %w", name, p.err)
	}
	return nil
}

func (d *demo) stopAll() error {
	var problems []error
	for name := range d.running {
		problems = append(problems, d.stop(name))
	}
	return errors.Join(problems...)
}

// awaitOK asks until the response is 200.
func (d *demo) awaitOK(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		status, _, err := d.load.do(ctx, http.MethodGet, url, "", nil)
		if status == http.StatusOK && err == nil {
			return nil
		}
		if sleep(ctx, 50*time.Millisecond) != nil {
			return fmt.Errorf("%s does not respond with 200: %d %w", url, status, err)
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// lines is where several processes write whole lines.
type lines struct {
	mu  sync.Mutex
	out io.Writer
}

func (l *lines) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Write(text)
}
