package authrequest_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-usher/usher/examples/recipes/edge/internal/sitetest"
)

// mainConfig is what Debian's /etc/nginx/nginx.conf does around conf.d, for a server without rights that a test starts.
const mainConfig = `
pid       nginx.pid;
error_log stderr notice;
events {}
http {
	access_log            off;
	client_body_temp_path body;
	proxy_temp_path       proxy;
	fastcgi_temp_path     fastcgi;
	uwsgi_temp_path       uwsgi;
	scgi_temp_path        scgi;
	include               conf.d/usher.conf;
}
`

// nginx starts an nginx with the configuration of this folder, edited, before a verifier and an application. It stops when the
// test ends.
func nginx(t *testing.T, verifier, application string, edit func(config string) string) sitetest.Server {
	t.Helper()
	bin := os.Getenv("USHER_TEST_NGINX")
	if bin == "" {
		t.Skip("USHER_TEST_NGINX is not set")
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "conf.d"), 0o700); err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	write(t, filepath.Join(dir, "nginx.conf"), mainConfig)
	write(t, filepath.Join(dir, "usher-application.conf"), edit(read(t, "usher-application.conf")))
	write(t, filepath.Join(dir, "conf.d", "usher.conf"), edit(replaced(t, read(t, "nginx.conf"), map[string]string{
		"listen 8080;":           "listen " + address + ";",
		"server 127.0.0.1:8081;": "server " + strings.TrimPrefix(verifier, "http://") + ";",
		"server 127.0.0.1:8082;": "server " + strings.TrimPrefix(application, "http://") + ";",
	})))
	var log bytes.Buffer
	command := exec.Command(bin, "-p", dir, "-c", "nginx.conf", "-e", "stderr", "-g", "daemon off; master_process off;")
	command.Stderr = &log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- command.Wait() }()
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(func() {
		client.CloseIdleConnections()
		_ = command.Process.Signal(syscall.SIGQUIT)
		select {
		case <-exited:
		case <-time.After(20 * time.Second):
			_ = command.Process.Kill()
			t.Errorf("nginx did not stop")
			<-exited
		}
		if t.Failed() {
			t.Logf("nginx said:\n%s", &log)
		}
	})
	if err := answers(t.Context(), address, exited); err != nil {
		t.Fatal(err)
	}
	return sitetest.Server{URL: "http://" + address, Client: client}
}

// answers waits until something answers at the address.
func answers(ctx context.Context, address string, exited chan error) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		if conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address); err == nil {
			return conn.Close()
		}
		select {
		case err := <-exited:
			exited <- err
			return fmt.Errorf("nginx exited: %w", err)
		case <-ctx.Done():
			return ctx.Err()
		case <-again.C:
		}
	}
}

// freeAddress returns an address of the loopback interface whose port was free: nginx does not take the port 0.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// replaced replaces texts that occur once each.
func replaced(t *testing.T, text string, by map[string]string) string {
	t.Helper()
	for old, replacement := range by {
		if strings.Count(text, old) != 1 {
			t.Fatalf("%q is in the configuration %d times, want once", old, strings.Count(text, old))
		}
		text = strings.Replace(text, old, replacement, 1)
	}
	return text
}
