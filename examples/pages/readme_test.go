// Package pages_test holds README.md and the pages of docs to what they say.
package pages_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestReadmeHasAtMost900Words(t *testing.T) {
	if words := len(strings.Fields(readme(t))); words > 900 {
		t.Errorf("README.md has %d words, and 900 is the most", words)
	}
}

// TestReadmeProgramLogsInAndGreets builds the README's program as it is printed, but for the port, and does what the
// commands below it do.
func TestReadmeProgramLogsInAndGreets(t *testing.T) {
	const printed = "127.0.0.1:8080"
	address := freeAddress(t)
	program := section(t, readme(t), "```go\n", "```\n")
	if lines := strings.Count(strings.ReplaceAll(program, "\n\n", "\n"), "\n"); lines > 30 {
		t.Errorf("the program has %d lines that aren't blank, and 30 is the most", lines)
	}
	if strings.Count(program, printed) != 1 {
		t.Fatalf("the program does not listen on %s", printed)
	}
	start(t, strings.Replace(program, printed, address, 1))

	status, token := await(t, "http://"+address+"/login", url.Values{"password": {"correct horse battery"}})
	if status != http.StatusOK {
		t.Fatalf("the login answered %d: %s", status, token)
	}
	for _, test := range []struct {
		name, token string
		status      int
		body        string
	}{
		{"with the token", token, http.StatusOK, "Hello, Alice!"},
		{"without a token", "", http.StatusUnauthorized, ""},
		{"with a changed token", "x" + token, http.StatusUnauthorized, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/me", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			if test.token != "" {
				r.Header.Set("Authorization", "Bearer "+test.token)
			}
			status, body := do(t, r)
			if status != test.status || test.body != "" && body != test.body {
				t.Errorf("GET /me answered %d %q, want %d %q", status, body, test.status, test.body)
			}
		})
	}
	if status, _ := await(t, "http://"+address+"/login", url.Values{"password": {"a wrong guess"}}); status != http.StatusUnauthorized {
		t.Errorf("a login with a wrong password answered %d, want 401", status)
	}
}

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// section returns what stands between two texts, the first time.
func section(t *testing.T, text, from, to string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, from)
	found, _, closed := strings.Cut(rest, to)
	if !ok || !closed {
		t.Fatalf("README.md has no %q … %q", from, to)
	}
	return found
}

// freeAddress returns a loopback address on which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// start builds a program and runs it until the test ends.
func start(t *testing.T, program string) {
	t.Helper()
	dir := t.TempDir()
	source, binary := filepath.Join(dir, "main.go"), filepath.Join(dir, "program")
	if err := os.WriteFile(source, []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, source).CombinedOutput(); err != nil {
		t.Fatalf("the program does not compile: %v\n%s", err, out)
	}
	ctx, stop := context.WithCancel(context.Background())
	command := exec.CommandContext(ctx, binary)
	command.Stdout, command.Stderr = t.Output(), t.Output()
	if err := command.Start(); err != nil {
		stop()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		_ = command.Wait()
	})
}

// await posts a form, and tries again until somebody listens.
func await(t *testing.T, to string, form url.Values) (status int, body string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ticks := time.NewTicker(50 * time.Millisecond)
	defer ticks.Stop()
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		response, err := new(http.Client).Do(r)
		if err == nil {
			return read(t, response)
		}
		select {
		case <-ctx.Done():
			t.Fatal(fmt.Errorf("nobody listens: %w", err))
		case <-ticks.C:
		}
	}
}

func do(t *testing.T, r *http.Request) (status int, body string) {
	t.Helper()
	response, err := new(http.Client).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return read(t, response)
}

func read(t *testing.T, response *http.Response) (status int, body string) {
	t.Helper()
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, strings.TrimSpace(string(text))
}
