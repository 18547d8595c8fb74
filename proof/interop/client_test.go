package interop_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/go-usher/usher"
)

// client is another implementation of JWT.
type client interface {
	// sign returns a token with these claims.
	sign(k keyPair, kid string, claims map[string]any) (string, error)
	// verify returns the claims of a good token. It asks for exp, sub, and the issuer and audience of these tests.
	verify(k keyPair, token string) (map[string]any, error)
	// supports reports whether the client knows the algorithm.
	supports(alg usher.Algorithm) bool
}

// command is what a client in another language is told.
type command struct {
	Do       string         `json:"do"`
	Alg      string         `json:"alg,omitempty"`
	Kid      string         `json:"kid,omitempty"`
	Secret   string         `json:"secret,omitempty"` // in hex
	Private  string         `json:"private,omitempty"`
	Public   string         `json:"public,omitempty"`
	Claims   map[string]any `json:"claims,omitempty"`
	Token    string         `json:"token,omitempty"`
	Issuer   string         `json:"issuer,omitempty"`
	Audience string         `json:"audience,omitempty"`
	Password string         `json:"password"`
	Prefix   string         `json:"prefix,omitempty"`
	Hash     string         `json:"hash,omitempty"`
}

type answer struct {
	Text   string         `json:"text"`
	Claims map[string]any `json:"claims"`
	OK     bool           `json:"ok"`
	Error  string         `json:"error"`
}

// process is a client in another language.
type process struct {
	mu      sync.Mutex // guards the conversation
	in      io.WriteCloser
	out     *bufio.Scanner
	unknown []usher.Algorithm
}

// start starts a program that speaks the tests' protocol. If it does not run, the test is skipped with the way to
// get what is missing; with USHER_TEST_INTEROP=1 it fails.
func start(t *testing.T, missing string, programs ...[]string) *process {
	t.Helper()
	var tried error
	for _, program := range programs {
		p, about, err := launch(t, program)
		if err == nil {
			t.Log(about)
			return p
		}
		tried = errors.Join(tried, fmt.Errorf("%s: %w", program[0], err))
	}
	if os.Getenv("USHER_TEST_INTEROP") == "1" {
		t.Fatalf("%s: %v", missing, tried)
	}
	t.Skip(missing)
	return nil
}

func launch(t *testing.T, program []string) (p *process, about string, err error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background()) // t's own ends before its cleanup
	cmd := exec.CommandContext(ctx, program[0], program[1:]...)
	in, errIn := cmd.StdinPipe()
	out, errOut := cmd.StdoutPipe()
	if err := errors.Join(errIn, errOut, cmd.Start()); err != nil {
		cancel()
		return nil, "", err
	}
	t.Cleanup(func() {
		_ = in.Close() // on which it ends by itself
		_ = cmd.Wait()
		cancel()
	})
	p = &process{in: in, out: bufio.NewScanner(out)}
	p.out.Buffer(nil, 1<<20)
	a, err := p.ask(command{Do: "about"})
	return p, a.Text, err
}

func (p *process) ask(c command) (answer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	line, err := json.Marshal(c)
	if err != nil {
		return answer{}, err
	}
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		return answer{}, err
	}
	if !p.out.Scan() {
		return answer{}, errors.Join(errors.New("it has ended"), p.out.Err())
	}
	var a answer
	if err := json.Unmarshal(p.out.Bytes(), &a); err != nil {
		return answer{}, err
	}
	if a.Error != "" {
		return answer{}, errors.New(a.Error)
	}
	return a, nil
}

func (p *process) sign(k keyPair, kid string, claims map[string]any) (string, error) {
	a, err := p.ask(command{Do: "sign", Alg: string(k.alg), Kid: kid, Secret: k.hex(), Private: k.privatePEM, Claims: claims})
	return a.Text, err
}

func (p *process) verify(k keyPair, token string) (map[string]any, error) {
	a, err := p.ask(command{
		Do: "verify", Alg: string(k.alg), Secret: k.hex(), Public: k.publicPEM, Token: token, Issuer: issuer, Audience: audience,
	})
	return a.Claims, err
}

func (p *process) supports(alg usher.Algorithm) bool {
	return !slices.Contains(p.unknown, alg)
}

// python is the first interpreter that has the libraries: Debian's is not always the first in the path.
func python(t *testing.T) *process {
	t.Helper()
	p := start(t, "PyJWT and bcrypt for Python 3 are missing: apt-get install python3-jwt python3-bcrypt python3-cryptography",
		[]string{"python3", "client.py"}, []string{"/usr/bin/python3", "client.py"})
	p.unknown = []usher.Algorithm{usher.Ed25519}
	return p
}

func php(t *testing.T) *process {
	t.Helper()
	return start(t, "PHP is missing: apt-get install php-cli", []string{"php", "client.php"})
}

// node runs one of the libraries of package.json. With USHER_TEST_INTEROP=1 it installs them first if they are not
// there.
func node(t *testing.T, library string, unknown ...usher.Algorithm) *process {
	t.Helper()
	if _, err := os.Stat(filepath.Join("node_modules", library)); err != nil && os.Getenv("USHER_TEST_INTEROP") == "1" {
		install := exec.CommandContext(t.Context(), "npm", "ci", "--no-audit", "--no-fund")
		if out, err := install.CombinedOutput(); err != nil {
			t.Fatalf("npm ci: %v\n%s", err, out)
		}
	}
	p := start(t, library+" is missing: in proof/interop, with Node, npm ci", []string{"node", "client.mjs", library})
	p.unknown = unknown
	return p
}
