// Package browser_test shows in a real Chromium that sessions in cookies work, and that other origins' pages get
// nowhere with them.
package browser_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// patience is how long a test waits for what should take milliseconds: the machine may be busy.
const patience = 30 * time.Second

// chromium starts the browser that all tests share, each with cookies of its own. stopChromium ends it.
var (
	chromium     = sync.OnceValues(startChromium)
	stopChromium = func() {}
)

var errNoChromium = errors.New("there is no Chromium: apt-get install chromium, or set USHER_TEST_CHROMIUM to its path")

func TestMain(m *testing.M) {
	code := m.Run()
	stopChromium()
	os.Exit(code)
}

func startChromium() (context.Context, error) {
	path := os.Getenv("USHER_TEST_CHROMIUM")
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path == "" {
			path, _ = exec.LookPath(name)
		}
	}
	if path == "" {
		return nil, errNoChromium
	}
	home, err := os.MkdirTemp("", "usher-browser-")
	if err != nil {
		return nil, err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.Env("HOME="+home),
		chromedp.UserDataDir(filepath.Join(home, "profile")),
		chromedp.Flag("no-sandbox", os.Geteuid() == 0), // which root can't have
		chromedp.Flag("disable-gpu", true),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		// Nothing leaves the machine, and names that are nobody's lead to the tests' servers.
		chromedp.Flag("no-proxy-server", true),
		chromedp.Flag("host-resolver-rules", "MAP *.example 127.0.0.1, MAP * ~NOTFOUND"),
		// httptest's certificate is good, for this browser alone.
		chromedp.Flag("ignore-certificate-errors-spki-list", publicKeyPin()),
	)
	allocator, release := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	stop := func() {
		end, done := context.WithTimeout(ctx, patience)
		defer done()
		_ = chromedp.Cancel(end) // if it fails, what follows kills it
		cancel()
		release()
		_ = os.RemoveAll(home)
	}
	// The browser lives as long as the context of this call, which therefore has no time limit.
	started := make(chan error, 1)
	go func() { started <- chromedp.Do(ctx) }()
	select {
	case err = <-started:
	case <-time.After(patience):
		err = context.DeadlineExceeded
	}
	if err != nil {
		stop()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	stopChromium = stop
	return ctx, nil
}

// publicKeyPin is the SHA-256 of the public key of httptest's servers.
func publicKeyPin() string {
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	sum := sha256.Sum256(server.Certificate().RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// tab is a tab of the browser.
type tab struct {
	t   *testing.T
	ctx context.Context
}

// newTab opens a tab that shares its cookies with no other. Without a browser the test is skipped.
func newTab(t *testing.T) tab {
	t.Helper()
	ctx, err := chromium()
	if errors.Is(err, errNoChromium) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return openTab(ctx, t, chromedp.WithNewBrowserContext())
}

// another opens a tab that shares its cookies with b.
func (b tab) another() tab {
	b.t.Helper()
	return openTab(b.ctx, b.t)
}

func openTab(parent context.Context, t *testing.T, options ...chromedp.ContextOption) tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(parent, options...)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil { // without a time limit, which would be the tab's
		t.Fatal(err)
	}
	return tab{t, ctx}
}

// do runs an action in a tab, and fails the test if it fails.
func do[T any](b tab, what string, action chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, action)
	if err != nil {
		b.t.Fatalf("%s: %v", what, err)
	}
	return value
}

// open goes to a URL, as if it had been typed, and waits until it is loaded.
func (b tab) open(url string) {
	b.t.Helper()
	do(b, "open "+url, chromedp.Navigate(url))
}

func (b tab) reload() {
	b.t.Helper()
	do(b, "reload", chromedp.Reload())
}

// eval runs a script in the page, and returns the text that it results in, once its promise is kept.
func (b tab) eval(format string, args ...any) string {
	b.t.Helper()
	script := fmt.Sprintf(format, args...)
	return do(b, script, chromedp.Evaluate[string](script, chromedp.EvalAwaitPromise))
}

// start runs a script in the page, and waits for nothing.
func (b tab) start(format string, args ...any) {
	b.t.Helper()
	script := fmt.Sprintf(format, args...)
	do(b, script, chromedp.Evaluate[chromedp.Void](script+"; undefined"))
}

// wait waits until an expression is true in the page, whichever that is by then.
func (b tab) wait(format string, args ...any) {
	b.t.Helper()
	condition := fmt.Sprintf(format, args...)
	var last error
	await(b.t, condition, func() bool {
		ctx, cancel := context.WithTimeout(b.ctx, patience)
		defer cancel()
		var holds bool
		holds, last = chromedp.Run(ctx, chromedp.Evaluate[bool](condition)) // fails while the page changes
		return last == nil && holds
	})
}

// await waits until a condition holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain for: %s", what)
		}
	}
}

// cookies returns the cookies that the browser would send to a URL, by their names.
func (b tab) cookies(url string) map[string]*network.Cookie {
	b.t.Helper()
	all := call(b, network.GetCookies, network.GetCookiesParams{URLs: []string{url}})
	byName := make(map[string]*network.Cookie)
	for _, cookie := range all.Cookies {
		byName[cookie.Name] = cookie
	}
	return byName
}

// dropCookie makes the browser forget a cookie, as it does at the end of its Max-Age.
func (b tab) dropCookie(url, name string) {
	b.t.Helper()
	call(b, network.DeleteCookies, network.DeleteCookiesParams{Name: name, URL: url})
}

// call has the browser run a command of the DevTools protocol.
func call[P, R any](b tab, command cdp.Command[P, R], params P) R {
	b.t.Helper()
	return do(b, command.Method, func(ctx context.Context, target *chromedp.Target) (R, error) {
		return cdp.Call(ctx, target, command, params)
	})
}
