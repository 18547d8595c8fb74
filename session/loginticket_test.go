package session_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

// twoSteps is a site whose login asks for a code after the password.
type twoSteps struct {
	*site
	login *session.Login
	about session.About // what the application adds after the first step
	codes map[string]bool
}

func newTwoSteps(t *testing.T, change ...func(*session.HandlerOptions)) *twoSteps {
	t.Helper()
	s := &twoSteps{site: newSite(t, session.NewMemoryStore(), change...), codes: map[string]bool{"123456": true}}
	s.login = usher.Must(session.NewLogin(s.Manager, s.site.authenticate, s.opts))
	s.mux = http.NewServeMux()
	s.mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Email, Password string }
		_ = json.NewDecoder(r.Body).Decode(&body)
		subject, about, err := s.login.Authenticate(r, body.Email, body.Password)
		if err != nil {
			s.login.Deny(w, r, err)
			return
		}
		about.Data, about.Label, about.Replaces = s.about.Data, s.about.Label, s.about.Replaces
		about.UntilBrowserCloses = s.about.UntilBrowserCloses
		ticket, err := s.login.Pause(subject, about)
		if err != nil {
			s.login.Deny(w, r, err)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		fmt.Fprintf(w, "{%q:%q}\n", "ticket", ticket)
	})
	s.mux.HandleFunc("POST /code", func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Ticket, Code string }
		_ = json.NewDecoder(r.Body).Decode(&body)
		subject, about, err := s.login.Resume(r, body.Ticket, func(_ context.Context, subject string) error {
			if subject != "user-7" || !s.codes[body.Code] {
				return usher.ErrPasswordMismatch
			}
			delete(s.codes, body.Code)
			return nil
		})
		if err == nil {
			err = s.login.Finish(w, r, subject, about)
		}
		if err != nil {
			s.login.Deny(w, r, err)
		}
	})
	return s
}

func (s *twoSteps) ticket(t *testing.T) string {
	t.Helper()
	var body struct{ Ticket string }
	a := s.send(t, "POST", "/login", login).want(t, 200, "ticket")
	if err := json.Unmarshal([]byte(a.body), &body); err != nil {
		t.Fatal(err)
	}
	return body.Ticket
}

func codeBody(ticket, code string) string {
	return fmt.Sprintf(`{"ticket":%q,"code":%q}`, ticket, code)
}

func TestALoginWithTwoSteps(t *testing.T) {
	s := newTwoSteps(t)
	s.about = session.About{Data: "amr=pwd,otp", Label: "phone", UntilBrowserCloses: true}
	got := grants(s.world)
	ticket := s.ticket(t)
	s.wantSessions(t, 0)
	s.clock.Advance(9 * time.Minute)
	s.send(t, "POST", "/code", codeBody(ticket, "000000")).want(t, 401, "Wrong code.")
	tokens := s.send(t, "POST", "/code", codeBody(ticket, "123456"), header("User-Agent", "UA")).tokens(t)
	s.send(t, "POST", "/code", codeBody(ticket, "123456")).want(t, 401, "Wrong code.") // the code counts once

	list := s.wantSessions(t, 1)
	if list[0].Label != "phone" || list[0].UserAgent != "UA" || list[0].Address != "192.0.2.1" || !list[0].AuthTime.Equal(epoch.Truncate(time.Microsecond)) {
		t.Errorf("session %+v; want the label and the time of the first step", list[0])
	}
	want := session.Grant{Subject: subject, SessionID: tokens.SessionID, Data: "amr=pwd,otp", AuthTime: epoch.Truncate(time.Second)}
	want.SessionID = list[0].ID
	if len(*got) != 1 || (*got)[0] != want {
		t.Errorf("grants %+v; want %+v", *got, want)
	}
}

func TestTheTicketCarriesTheFlags(t *testing.T) {
	s := newTwoSteps(t, withCookies)
	old := s.mustStart(t)
	s.about = session.About{UntilBrowserCloses: true, Replaces: old.SessionID}
	a := s.send(t, "POST", "/code", codeBody(s.ticket(t), "123456")).want(t, 200, "expires_in")
	for _, line := range a.Header["Set-Cookie"] {
		if strings.Contains(line, "Max-Age") {
			t.Errorf("cookie outlives the browser: %s", line)
		}
	}
	if list := s.wantSessions(t, 1); list[0].ID == old.SessionID {
		t.Error("the replaced session is alive")
	}
}

func TestTicketsAreRefusedUnlessAuthenticAndFresh(t *testing.T) {
	s := newTwoSteps(t)
	ticket := s.ticket(t)
	refuse := func(name, ticket string) {
		t.Helper()
		s.send(t, "POST", "/code", codeBody(ticket, "123456")).want(t, 401, "The login has expired.")
		if cause := s.seen[len(s.seen)-1]; !errors.Is(cause, session.ErrTicket) {
			t.Errorf("%s: %v; want ErrTicket", name, cause.Err)
		}
	}
	b, err := base64.RawURLEncoding.DecodeString(ticket)
	if err != nil {
		t.Fatal(err)
	}
	for i := range b {
		refuse(fmt.Sprint("bit of byte ", i), flipped(ticket, i))
	}
	refuse("nothing", "")
	refuse("cut", ticket[:len(ticket)-4])
	refuse("more", ticket+"AAAA")
	refuse("too long", strings.Repeat("A", 1<<16))
	refuse("a refresh token", s.mustStart(t).RefreshToken)
	elsewhere := newWorld(t, session.NewMemoryStore(), func(c *session.Config[claims]) { c.Secret = other })
	foreign, err := usher.Must(session.NewLogin(elsewhere.Manager, s.site.authenticate, nil)).Pause(subject, session.About{})
	if err != nil {
		t.Fatal(err)
	}
	refuse("another secret", foreign)
	s.clock.Advance(10*time.Minute - time.Microsecond)
	s.send(t, "POST", "/code", codeBody(ticket, "wrong")).want(t, 401, "Wrong code.")
	s.clock.Advance(time.Microsecond)
	refuse("expired", ticket)
	s.wantSessions(t, 1)
}

func TestTicketsSurviveAChangeOfTheSecret(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore())
	ticket, err := usher.Must(session.NewLogin(w.Manager, nil, nil)).Pause(subject, session.About{})
	if err != nil {
		t.Fatal(err)
	}
	replaced := w.with(func(c *session.Config[claims]) { c.Secret, c.OldSecrets = other, [][]byte{secret} })
	got, _, err := usher.Must(session.NewLogin(replaced, nil, nil)).Resume(httptest.NewRequest(http.MethodPost, "/", nil), ticket, pass)
	if got != subject || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func pass(context.Context, string) error { return nil }

func TestEndAllEndsALoginBetweenItsSteps(t *testing.T) {
	s := newTwoSteps(t)
	ticket := s.ticket(t)
	s.clock.Advance(time.Second)
	if err := s.EndAll(t.Context(), subject); err != nil {
		t.Fatal(err)
	}
	s.clock.Advance(time.Second)
	s.send(t, "POST", "/code", codeBody(ticket, "123456")).want(t, 401, "Log in again")
	s.wantSessions(t, 0)
}

// After one right password, 200 codes are guessed with new tickets from new addresses.
func TestSecondStepsAreLimitedPerSubject(t *testing.T) {
	s := newTwoSteps(t)
	checked := 0
	for i := range 200 {
		address := from(fmt.Sprintf("198.51.100.%d:1", i))
		a := s.send(t, "POST", "/code", codeBody(s.ticket(t), "wrong"), address)
		switch a.StatusCode {
		case http.StatusUnauthorized:
			checked++
		case http.StatusTooManyRequests:
			if a.Header.Get("Retry-After") != "600" {
				t.Fatalf("Retry-After %q", a.Header.Get("Retry-After"))
			}
		default:
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
	}
	if checked != 5 {
		t.Errorf("%d codes were checked; want 5", checked)
	}
}

func TestPauseAndResumeNeedASecret(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore())
	plain := usher.Must(session.NewAccessTokens(w.config.Encoder, w.config.Claims))
	l := usher.Must(session.NewLogin(plain, nil, nil))
	_, err := l.Pause(subject, session.About{})
	wantConfigError(t, err, "TicketSecret")
	_, _, err = l.Resume(httptest.NewRequest(http.MethodPost, "/", nil), "x", pass)
	wantConfigError(t, err, "TicketSecret")

	l = usher.Must(session.NewLogin(plain, nil, &session.HandlerOptions{TicketSecret: secret}))
	ticket, err := l.Pause(subject, session.About{Data: "x"})
	if err != nil {
		t.Fatal(err)
	}
	got, about, err := l.Resume(httptest.NewRequest(http.MethodPost, "/", nil), ticket, pass)
	if got != subject || about.Data != "x" || err != nil {
		t.Errorf("%q, %+v, %v", got, about, err)
	}
	for _, weak := range []string{"short", strings.Repeat("abcde", 10)} {
		_, err = session.NewLogin(plain, nil, &session.HandlerOptions{TicketSecret: []byte(weak)})
		wantConfigError(t, err, "TicketSecret")
	}
}

func TestPauseRefusesWhatStartRefuses(t *testing.T) {
	l := usher.Must(session.NewLogin(newWorld(t, session.NewMemoryStore()).Manager, nil, nil))
	for _, bad := range []struct{ subject, data string }{{"", ""}, {"a\nb", ""}, {subject, strings.Repeat("x", 256)}} {
		if ticket, err := l.Pause(bad.subject, session.About{Data: bad.data}); err == nil || ticket != "" {
			t.Errorf("Pause(%q, %q) = %q", bad.subject, bad.data, ticket)
		}
	}
	// The longest ticket is accepted.
	long := session.About{Data: strings.Repeat("d", 255), Label: strings.Repeat("l", 300), Replaces: strings.Repeat("A", 22)}
	ticket, err := l.Pause(strings.Repeat("s", 255), long)
	if err != nil {
		t.Fatal(err)
	}
	got, about, err := l.Resume(httptest.NewRequest(http.MethodPost, "/", nil), ticket, pass)
	if len(got) != 255 || about.Data != long.Data || len(about.Label) != 256 || about.Replaces != long.Replaces || err != nil {
		t.Errorf("%q, %+v, %v", got, about, err)
	}
}

func TestResumeKeepsTheApplicationsErrors(t *testing.T) {
	l := usher.Must(session.NewLogin(newWorld(t, session.NewMemoryStore()).Manager, nil, nil))
	ticket := usher.Must(l.Pause(subject, session.About{}))
	own := &usher.Rejection{Status: 401, Description: "No such key.", Err: usher.ErrPasswordMismatch}
	for _, want := range []error{own, usher.ErrForbidden, usher.ErrUnavailable, errBroken} {
		got, about, err := l.Resume(httptest.NewRequest(http.MethodPost, "/", nil), ticket, func(context.Context, string) error { return want })
		if err != want || got != "" || about != (session.About{}) { //nolint:errorlint // the very error
			t.Errorf("%q, %+v, %v; want %v", got, about, err, want)
		}
	}
}
