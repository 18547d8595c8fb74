package main_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-usher/usher"
	services "github.com/go-usher/usher/examples/services"
)

// TestNothingIsRefusedWhileTheKeyRotatesAndTheIssuerRestarts runs the demonstration with its three processes.
func TestNothingIsRefusedWhileTheKeyRotatesAndTheIssuerRestarts(t *testing.T) {
	program := filepath.Join(t.TempDir(), "services")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var out bytes.Buffer
	if err := services.Demonstrate(t.Context(), program, time.Second, &out); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	for _, phase := range []string{"undisturbed", "key rotated", "issuer stopped", "issuer back"} {
		if row := regexp.MustCompile(` ` + phase + ` +[1-9][0-9]+ +0 `); !row.Match(out.Bytes()) {
			t.Errorf("the table has no requests, or refused ones, for %q", phase)
		}
	}
	for _, line := range []string{"a token of the new key was accepted", "the issuer's keys can't be fetched", "stock, with a user's token: 401"} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("the log does not have %q", line)
		}
	}
	if t.Failed() {
		t.Logf("%s", &out)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestAServicesTokenIsRenewedAtHalfOfItsLifeAndServesUntilItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fetches, down := 0, false
		get := services.NewServiceTokens("http://issuer.example/token", "orders", "s3cret", &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			fetches++
			if down {
				return nil, errors.New("the issuer is down")
			}
			if id, secret, _ := r.BasicAuth(); id != "orders" || secret != "s3cret" {
				t.Errorf("the service is %q with %q", id, secret)
			}
			body := fmt.Sprintf(`{"access_token":"token %d","token_type":"Bearer","expires_in":60}`, fetches)
			return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
		})})
		expect := func(want string, wantFetches int) {
			t.Helper()
			got, err := get(t.Context())
			if got != want || fetches != wantFetches || (want == "") != errors.Is(err, usher.ErrUnavailable) {
				t.Errorf("%q, %v after %d fetches; want %q after %d", got, err, fetches, want, wantFetches)
			}
		}
		expect("token 1", 1)
		<-time.After(30*time.Second - 1)
		expect("token 1", 1)
		<-time.After(1)
		expect("token 2", 2)
		down = true
		<-time.After(30 * time.Second)
		expect("token 2", 3)
		expect("token 2", 3) // not again within a second
		<-time.After(30*time.Second - 1)
		expect("token 2", 4)
		<-time.After(time.Second)
		expect("", 5)
		expect("", 5)
		down = false
		<-time.After(time.Second)
		expect("token 6", 6)
	})
}

func TestOnlyAServiceGetsAServicesToken(t *testing.T) {
	key := usher.Must(usher.GenerateKey(usher.EdDSA))
	encoder := usher.Must(usher.NewEncoder[usher.Claims](key, &usher.EncoderOptions{Audience: usher.Audience{"orders"}}))
	handler := services.NewServiceTokenHandler(encoder, "orders", sha256.Sum256([]byte("s3cret")), "stock", "reservations:read")
	for _, c := range []struct {
		name, id, secret, grant string
		status                  int
		body                    string
	}{
		{"the service", "orders", "s3cret", "client_credentials", 200, `"token_type":"Bearer","expires_in":900,"scope":"reservations:read"`},
		{"a wrong secret", "orders", "secret", "client_credentials", 401, `{"error":"invalid_client"}`},
		{"no secret", "orders", "", "client_credentials", 401, `{"error":"invalid_client"}`},
		{"an unknown service", "order", "s3cret", "client_credentials", 401, `{"error":"invalid_client"}`},
		{"nobody", "", "", "client_credentials", 401, `{"error":"invalid_client"}`},
		{"another grant", "orders", "s3cret", "password", 400, `{"error":"unsupported_grant_type"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/token", strings.NewReader(url.Values{"grant_type": {c.grant}}.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if c.id != "" {
				r.SetBasicAuth(c.id, c.secret)
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.body) || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if challenged := w.Header().Get("WWW-Authenticate") != ""; challenged != (c.status == 401) {
				t.Errorf("challenged: %t", challenged)
			}
		})
	}
}

// An empty secret would let everybody in.
func TestAnIssuerWithoutASecretOfTheServiceIsAnError(t *testing.T) {
	dir := t.TempDir()
	if err := services.WriteKey(filepath.Join(dir, "current.pem")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // it stops as soon as it serves
	for secret, want := range map[string]bool{"": true, "too short": true, "0123456789abcdef": false} {
		for name, value := range map[string]string{
			"ADDR": "127.0.0.1:0", "ISSUER": "http://127.0.0.1:1", "KEYS": dir, "SESSIONS": filepath.Join(t.TempDir(), "sessions.db"),
			"SESSION_SECRET": "a secret of thirty-two bytes or more", "PASSWORD": "a password", "ORDERS_SECRET": secret,
		} {
			t.Setenv(name, value)
		}
		err := services.Run(ctx, []string{"issuer"})
		if got := err != nil && strings.Contains(err.Error(), "ORDERS_SECRET"); got != want {
			t.Errorf("%q: %v", secret, err)
		}
	}
}

func TestMistakesOnTheCommandLineAreErrors(t *testing.T) {
	for _, args := range [][]string{{"-phase", "5"}, {"-phase", "0s"}, {"payments"}} {
		if err := services.Run(context.Background(), args); err == nil {
			t.Errorf("%q is no error", args)
		}
	}
	if _, err := services.ReadSettings(func(string) string { return "soon" }); err == nil {
		t.Error("TOKEN_TTL=soon is no error")
	}
}
