package session_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

func TestHandlerConstructorsReportAllMistakes(t *testing.T) {
	opts := &session.HandlerOptions{
		UsernameField: "password", AccessCookie: "access", RefreshCookie: "__Host- bad", TrustedOrigins: []string{"https://a/b", "https://*.x", "HTTPS://x", "https://bücher.example", "https://x:99999"},
	}
	_, err := session.LoginHandler(nil, nil, opts)
	for _, field := range []string{"Starter", "Authenticator", "PasswordField", "AccessCookie", "RefreshCookie", "https://a/b", "https://*.x", "HTTPS://x", "https://bücher.example", "https://x:99999"} {
		wantConfigError(t, err, field)
	}
	_, err = session.RefreshHandler[claims](nil, &session.HandlerOptions{AccessCookie: "__Host-x", RefreshCookie: "__Host-x"})
	wantConfigError(t, err, "Manager")
	wantConfigError(t, err, "RefreshCookie")
	_, err = session.LogoutHandler[claims](nil, nil)
	wantConfigError(t, err, "Manager")
	_, err = session.SessionsHandler[claims](nil, nil)
	wantConfigError(t, err, "Manager")
	_, err = session.EndOthersHandler[claims](nil, nil)
	wantConfigError(t, err, "Manager")
	_, err = session.LoginHandler((*session.Manager[claims])(nil), func(context.Context, string, string) (string, error) { return "", nil }, nil)
	wantConfigError(t, err, "Starter")
}

func TestRespondWritesTheResponse(t *testing.T) {
	for _, cookies := range []bool{false, true} {
		s := newSite(t, session.NewMemoryStore(), func(o *session.HandlerOptions) {
			o.Cookies = cookies
			o.Respond = func(w http.ResponseWriter, r *http.Request, tokens session.Tokens) {
				fmt.Fprintf(w, "{%q:%q,%q:%q,%q:%d}\n", "at", tokens.AccessToken, "rt", tokens.RefreshToken, "ttl", tokens.ExpiresIn)
			}
		})
		a := s.send(t, "POST", "/login", login).want(t, 200, `"ttl":900`)
		jar := cookieJar{}
		jar.keep(t, a)
		if blank := strings.HasPrefix(a.body, `{"at":"","rt":""`); blank != cookies || len(jar) > 0 != cookies {
			t.Errorf("cookies %v: body %s, jar %v", cookies, a.body, jar)
		}
		if cookies {
			s.send(t, "POST", "/refresh", "", jar.send).want(t, 200, `{"at":"","rt":"","ttl":900}`)
		}
	}
}

func TestRejectWritesRefusals(t *testing.T) {
	s := newSite(t, session.NewMemoryStore(), func(o *session.HandlerOptions) {
		o.Reject = func(w http.ResponseWriter, _ *http.Request, rej *usher.Rejection) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(rej.Status)
			fmt.Fprintf(w, "{%q:%q}\n", "error", rej.Reason())
		}
	})
	s.send(t, "POST", "/login", wrong("ada@example.org")).want(t, 401, `{"error":"password"}`)
	s.send(t, "POST", "/refresh", `{"refresh_token":"forged"}`).want(t, 401, `{"error":"refresh_token"}`)
	s.send(t, "POST", "/login", login, header("Sec-Fetch-Site", "cross-site")).want(t, 403, `{"error":"cross_origin"}`)
	tokens := s.send(t, "POST", "/login", login).tokens(t)
	if err := s.EndAll(t.Context(), subject); err != nil {
		t.Fatal(err)
	}
	s.send(t, "POST", "/refresh", refreshBody(tokens)).want(t, 401, `{"error":"session_ended"}`)
	for range 5 {
		s.send(t, "POST", "/login", wrong("ada@example.org"))
	}
	a := s.send(t, "POST", "/login", login).want(t, 429, `{"error":"too_many"}`)
	if a.Header.Get("Retry-After") != "30" {
		t.Errorf("Retry-After %q", a.Header.Get("Retry-After"))
	}
}

func TestSessionErrorsHaveReasons(t *testing.T) {
	for err, want := range map[error]string{
		session.ErrSessionEnded: "session_ended", session.ErrReused: "token_reused", session.ErrRefreshToken: "refresh_token", session.ErrTicket: "ticket",
	} {
		if got := (&usher.Rejection{Status: 401, Err: fmt.Errorf("wrapped: %w", err)}).Reason(); got != want {
			t.Errorf("%v: reason %q; want %q", err, got, want)
		}
	}
}

func TestRefusalsWithoutObserveAreLoggedAsTheMiddlewares(t *testing.T) {
	var log strings.Builder
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(before)
	s := newSite(t, session.NewMemoryStore(), func(o *session.HandlerOptions) { o.Observe = nil })
	s.send(t, "POST", "/login", wrong("ada@example.org")).want(t, 401, "")
	if log.Len() > 0 {
		t.Errorf("a 401 is logged: %s", log.String())
	}
	s.auth = func(context.Context, string, string) (string, error) { return "", errors.New("database on fire") }
	s.send(t, "POST", "/login", login).want(t, 500, "")
	if !strings.Contains(log.String(), "database on fire") {
		t.Errorf("the log says %q", log.String())
	}
}

func TestCookieAttributes(t *testing.T) {
	origins := []string{"https://app.example"}
	for name, test := range map[string]struct {
		opts session.HandlerOptions
		want string
	}{
		"default":  {session.HandlerOptions{}, "__Host-access=; Path=/; Max-Age=900; HttpOnly; Secure; SameSite=Lax"},
		"strict":   {session.HandlerOptions{SameSite: http.SameSiteStrictMode}, "__Host-access=; Path=/; Max-Age=900; HttpOnly; Secure; SameSite=Strict"},
		"none":     {session.HandlerOptions{SameSite: http.SameSiteNoneMode, TrustedOrigins: origins}, "__Host-access=; Path=/; Max-Age=900; HttpOnly; Secure; SameSite=None"},
		"insecure": {session.HandlerOptions{DangerouslyInsecureCookies: true}, "access=; Path=/; Max-Age=900; HttpOnly; SameSite=Lax"},
		"named":    {session.HandlerOptions{DangerouslyInsecureCookies: true, AccessCookie: "at"}, "at=; Path=/; Max-Age=900; HttpOnly; SameSite=Lax"},
	} {
		s := newSite(t, session.NewMemoryStore(), func(o *session.HandlerOptions) {
			*o = test.opts
			o.Cookies, o.UsernameField = true, "email"
		})
		got := s.send(t, "POST", "/login", login).want(t, 200, "").Header["Set-Cookie"][0]
		got = regexp.MustCompile(`^([^=;]+=)[^;]*`).ReplaceAllString(got, "$1") // without the token
		if got != test.want {
			t.Errorf("%s: %s; want %s", name, got, test.want)
		}
	}
}

func TestCookieMistakesAreReported(t *testing.T) {
	for want, opts := range map[string]session.HandlerOptions{
		"SameSite must not be None without":  {SameSite: http.SameSiteNoneMode},
		"SameSite must not be None with Dan": {SameSite: http.SameSiteNoneMode, TrustedOrigins: []string{"https://a.example"}, DangerouslyInsecureCookies: true},
		"SameSite must be http":              {SameSite: http.SameSiteDefaultMode},
		"AccessCookie must be a cookie":      {DangerouslyInsecureCookies: true, AccessCookie: "__Host-access"},
		"RefreshCookie must be a cookie":     {DangerouslyInsecureCookies: true, RefreshCookie: "__secure-refresh"},
		"RefreshCookie must differ from Ac":  {DangerouslyInsecureCookies: true, RefreshCookie: "access"},
	} {
		_, err := session.NewLogin(newWorld(t, session.NewMemoryStore()).Manager, nil, &opts)
		wantConfigError(t, err, want)
	}
}

func TestHandlerOptionsPrintWithoutTheirSecret(t *testing.T) {
	opts := session.HandlerOptions{TicketSecret: secret}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "opts", opts)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		fmt.Fprintf(&log, verb+verb, opts, &opts)
	}
	if strings.Contains(log.String(), string(secret)) || strings.Contains(log.String(), fmt.Sprintf("%x", secret)) {
		t.Errorf("printed: %s", log.String())
	}
}

// fmt prints unexported fields without the methods of their types.
func TestHandlersPrintWithoutTheTicketSecret(t *testing.T) {
	o := newOffice(t, func(a *session.AccountOptions) { a.TicketSecret = other })
	login := usher.Must(session.NewLogin(o.Manager, nil, o.opts))
	for name, v := range map[string]any{
		"NewLogin":         login,
		"Login.Attempts":   login.Attempts(),
		"RefreshHandler":   usher.Must(session.RefreshHandler(o.Manager, o.opts)),
		"LogoutHandler":    usher.Must(session.LogoutHandler(o.Manager, o.opts)),
		"SessionsHandler":  usher.Must(session.SessionsHandler(o.Manager, o.opts)),
		"EndOthersHandler": usher.Must(session.EndOthersHandler(o.Manager, o.opts)),
		"NewAttempts":      usher.Must(session.NewAttempts(o.opts)),
		"NewAccounts":      o.accounts,
		"Accounts.Signup":  o.accounts.Signup,
		"Accounts.Login":   o.accounts.Login,
	} {
		for _, verb := range []string{"%v", "%+v", "%s", "%d"} {
			if text := fmt.Sprintf(verb, v); strings.Contains(text, string(other)) || strings.Contains(text, "97 110 111 116 104 101 114") {
				t.Errorf("%s prints its secret with %s: %s", name, verb, text)
			}
		}
	}
	accountsLogin, _ := o.accounts.Login.(*session.Login)
	accept := func(context.Context, string) error { return nil }
	ticket := usher.Must(login.Pause(subject, session.About{}))
	if _, _, err := accountsLogin.Resume(httptest.NewRequest(http.MethodPost, "/", nil), ticket, accept); err != nil {
		t.Errorf("the login of accounts does not use TicketSecret: %v", err)
	}
}
