package origin_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-usher/usher/internal/origin"
)

func TestOnlySchemeHostAndPortArePlain(t *testing.T) {
	for text, want := range map[string]bool{
		"https://app.example":         true,
		"https://app.example:8443":    true,
		"http://localhost:8080":       true,
		"http://127.0.0.1":            true,
		"http://[::1]:8080":           true,
		"https://xn--bcher-kva.de":    true,
		"https://under_score.example": true,
		"app+custom://page":           true,

		"":                            false,
		"*":                           false,
		"null":                        false,
		"app.example":                 false,
		"//app.example":               false,
		"https:":                      false,
		"https://":                    false,
		"https://:8443":               false,
		"https://*.app.example":       false,
		"HTTPS://app.example":         false,
		"https://App.example":         false,
		"https://bücher.de":           false,
		"https://user@app.example":    false,
		"https://app.example:":        false,
		"https://app.example:port":    false,
		"https://app.example:99999":   false,
		"https://app.example:-1":      false,
		"https://app.example/":        false,
		"https://app.example/path":    false,
		"https://app.example?":        false,
		"https://app.example?a=b":     false,
		"https://app.example#":        false,
		"https://app.example#a":       false,
		" https://app.example":        false,
		"https://app.example ":        false,
		"https://app example":         false,
		"https://a.example,b.example": false,
		"https://app.example\n":       false,
	} {
		if got := origin.IsPlain(text); got != want {
			t.Errorf("IsPlain(%q) = %v", text, got)
		}
	}
}

func TestCheckDecidesAsTheProtectionDoes(t *testing.T) {
	protection := http.NewCrossOriginProtection()
	if err := protection.AddTrustedOrigin("https://app.example"); err != nil {
		t.Fatal(err)
	}
	for from, allowed := range map[string]bool{
		"":                     true, // no browser
		"https://app.example":  true,
		"https://api.example":  true, // the host itself
		"https://evil.example": false,
		"null":                 false,
	} {
		r := httptest.NewRequest(http.MethodPost, "https://api.example/", nil)
		if from != "" {
			r.Header.Set("Origin", from)
		}
		err := origin.Check(protection, r)
		if (err == nil) != allowed || !errors.Is(err, protection.Check(r)) {
			t.Errorf("Origin %q: %v; want allowed %v", from, err, allowed)
		}
	}
}

func TestCheckRefusesAnOriginLongerThanAnyIs(t *testing.T) {
	protection := http.NewCrossOriginProtection()
	r := httptest.NewRequest(http.MethodPost, "https://api.example/", nil)
	r.Header.Set("Origin", "https://api.example"+strings.Repeat(":", 1024))
	if err := origin.Check(protection, r); err == nil || !strings.Contains(err.Error(), "1,024 bytes") {
		t.Errorf("%v; want a refusal that names the limit", err)
	}
	r.Header.Set("Origin", "https://"+strings.Repeat("a", 1024-len("https://")))
	if err := origin.Check(protection, r); !errors.Is(err, protection.Check(r)) {
		t.Errorf("1,024 bytes: %v; want the protection's error", err)
	}
}

// net/http accepts every plain origin, and requests from it.
func FuzzIsPlain(f *testing.F) {
	for _, text := range []string{"https://app.example", "http://[::1]:8080", "app+custom://page", "https://app.example/", "HTTPS://app.example", "https://app.example:99999"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !origin.IsPlain(text) {
			return
		}
		if text != strings.ToLower(text) || strings.ContainsAny(text, "?#@ \n") {
			t.Errorf("%q is plain", text)
		}
		var protection http.CrossOriginProtection
		if err := protection.AddTrustedOrigin(text); err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodPost, "https://other.example/", nil)
		r.Header.Set("Origin", text)
		if err := origin.Check(&protection, r); err != nil && len(text) <= 1024 {
			t.Errorf("%q is trusted: %v", text, err)
		}
	})
}

func TestLoopbackHostsNameThisMachine(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "LocalHost": true, "127.0.0.1": true, "127.1.2.3": true, "::1": true,
		"": false, "localhost.example": false, "128.0.0.1": false, "0.0.0.0": false, "::2": false, "[::1]": false,
	} {
		if got := origin.IsLoopback(host); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}
