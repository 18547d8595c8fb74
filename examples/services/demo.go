package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// demo is the three programs, and what they are told.
type demo struct {
	program string // this executable
	out     io.Writer
	log     *slog.Logger
	folder  string            // of keys and sessions, for this run
	env     map[string]string // for all programs
	running map[string]*process
	load    *load
}

// demonstrate starts the programs, sends requests, rotates the key, and stops and starts the issuer, each for a phase. It
// returns an error if a request was refused that should not have been, or the other way round.
func demonstrate(ctx context.Context, program string, phase time.Duration, out io.Writer) (err error) {
	d := &demo{program: program, out: &lines{out: out}, running: map[string]*process{}}
	d.log = slog.New(slog.NewTextHandler(d.out, nil)).With("program", "demo")
	if d.folder, err = os.MkdirTemp("", "services"); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(d.folder) }()
	if err := d.configure(ctx, phase); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stopAll()) }()
	for _, name := range []string{"stock", "orders", "issuer"} { // the services start without the issuer
		if err := d.start(ctx, name); err != nil {
			return err
		}
	}
	for _, url := range []string{d.env["STOCK"] + "/ready", d.env["ORDERS"] + "/ready"} {
		if err := d.awaitOK(ctx, url); err != nil {
			return err
		}
	}
	if err := d.tell(ctx, phase); err != nil {
		return err
	}
	return d.report(ctx)
}

// tell runs the phases under load.
func (d *demo) tell(ctx context.Context, phase time.Duration) error {
	if err := d.load.login(ctx); err != nil {
		return err
	}
	d.begin("undisturbed")
	stop := d.load.start(ctx)
	defer stop()
	if err := sleep(ctx, phase); err != nil {
		return err
	}
	old, err := d.load.awaitKey(ctx, "")
	if err != nil {
		return err
	}
	d.begin("key rotated")
	if err := d.rotateKey(); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, phase+time.Minute)
	defer cancel()
	next, err := d.load.awaitKey(limited, old)
	if err != nil {
		return err
	}
	d.log.Info("a token of the new key was accepted", "key", next, "old", old)
	if err := sleep(ctx, phase); err != nil {
		return err
	}
	d.begin("issuer stopped")
	if err := d.stop("issuer"); err != nil {
		return err
	}
	if err := sleep(ctx, phase); err != nil {
		return err
	}
	d.begin("issuer back")
	if err := d.start(ctx, "issuer"); err != nil {
		return err
	}
	if err := d.awaitOK(ctx, d.env["ISSUER"]+"/keys"); err != nil {
		return err
	}
	return sleep(ctx, phase)
}

func (d *demo) begin(name string) {
	d.log.Info("phase", "name", name)
	d.load.begin(name)
}

// configure makes the first key, and chooses addresses and secrets.
func (d *demo) configure(ctx context.Context, phase time.Duration) error {
	keys := filepath.Join(d.folder, "keys")
	if err := os.Mkdir(keys, 0o700); err != nil {
		return err
	}
	d.env = map[string]string{
		"KEYS": keys, "SESSIONS": filepath.Join(d.folder, "sessions.db"),
		"SESSION_SECRET": rand.Text() + rand.Text(), "ORDERS_SECRET": rand.Text(), "PASSWORD": rand.Text(),
		"KEYS_MAX_AGE": "1s", "KEYS_INTERVAL": "1s",
		// A service's token serves for half of its life while the issuer is away.
		"TOKEN_TTL": max(30*time.Second, 8*phase).Round(time.Second).String(),
	}
	for _, name := range []string{"ISSUER", "ORDERS", "STOCK"} {
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		d.env[name] = "http://" + listener.Addr().String()
		if err := listener.Close(); err != nil {
			return err
		}
	}
	d.load = &load{
		issuer: d.env["ISSUER"], orders: d.env["ORDERS"], password: d.env["PASSWORD"],
		keys: map[string]time.Time{}, heard: make(chan struct{}),
		http: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: clients}},
	}
	return writeKey(filepath.Join(keys, "current.pem"))
}

// rotateKey does what an operator does: the old key stays under another name, so that its tokens verify even after a restart,
// and a new one takes its place at once. The issuer publishes the new key for a while before it signs with it.
func (d *demo) rotateKey() error {
	current, previous := filepath.Join(d.env["KEYS"], "current.pem"), filepath.Join(d.env["KEYS"], "previous.pem")
	if err := os.Link(current, previous); err != nil {
		return err
	}
	return writeKey(current)
}

// writeKey makes an Ed25519 key and puts it into a file, which never exists in part.
func writeKey(path string) error {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	hidden := filepath.Join(filepath.Dir(path), ".new")
	if err := os.WriteFile(hidden, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		return err
	}
	return os.Rename(hidden, path)
}
