package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

func TestNewAccountsReportsEveryMistake(t *testing.T) {
	_, err := session.NewAccounts[claims](nil, nil, nil, nil)
	for _, text := range []string{"NewAccounts Manager", "NewAccounts passwords", "NewAccounts users", "AccountOptions.Secret", "AccountOptions.Mail"} {
		wantConfigError(t, err, text)
	}
	o := newOffice(t)
	mail := func(context.Context, session.Mail) error { return nil }
	for text, opts := range map[string]*session.AccountOptions{
		"AccountOptions.OldSecrets[0]":       {Secret: other, Mail: mail, OldSecrets: [][]byte{[]byte("short")}},
		"AccountOptions.Fields[0]":           {Secret: other, Mail: mail, Fields: []string{"username"}},
		"AccountOptions.Fields[1]":           {Secret: other, Mail: mail, Fields: []string{"name", "name"}},
		"AccountOptions.Fields has":          {Secret: other, Mail: mail, Fields: make([]string, 100)},
		"HandlerOptions.PasswordField":       {Secret: other, Mail: mail, HandlerOptions: &session.HandlerOptions{PasswordField: "token"}},
		"HandlerOptions.SameSite":            {Secret: other, Mail: mail, HandlerOptions: &session.HandlerOptions{SameSite: http.SameSiteNoneMode}},
		"AccountOptions.Secret has 5 bytes ": {Secret: []byte("short"), Mail: mail},
	} {
		_, err := session.NewAccounts(o.Manager, o.passwords, o.table, opts)
		wantConfigError(t, err, text)
	}
	wantConfigError(t, new(session.Accounts).Close(t.Context()), "Accounts")
}

func TestAccountTypesPrintNoSecrets(t *testing.T) {
	for _, v := range []any{
		session.AccountOptions{Secret: []byte("TOPSECRET")},
		session.User{Subject: "7", Hash: "TOPSECRET"},
		session.Mail{Kind: session.MailReset, Token: "TOPSECRET"},
	} {
		var log strings.Builder
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
		for _, text := range []string{fmt.Sprintf("%v %+v %#v %s", v, v, v, v), log.String()} {
			if strings.Contains(text, "TOPSECRET") || strings.Contains(text, "84 79 80") || strings.Contains(text, "PANIC") {
				t.Errorf("%T prints %s", v, text)
			}
		}
	}
}

func TestAccountHandlersAcceptOnlyPOSTOfTheSameOrigin(t *testing.T) {
	o := newOffice(t)
	token := o.link(t, "/forgot", ada, session.MailReset)
	tokens := o.login(t, ada, firstPassword).tokens(t)
	before := o.table.calls
	for _, path := range []string{"/login", "/signup", "/password", "/forgot", "/reset", "/verify"} {
		for _, method := range []string{"GET", "PUT"} {
			o.send(t, method, path+"?token="+token+"&password=x", "", bearer(tokens)).want(t, http.StatusMethodNotAllowed, "Use POST")
		}
		o.send(t, "POST", path, body("email", ada, "token", token, "password", secondPassword), bearer(tokens),
			header("Sec-Fetch-Site", "cross-site")).want(t, http.StatusForbidden, "Cross-origin")
	}
	if o.table.calls != before {
		t.Errorf("%d calls of Users", o.table.calls-before)
	}
	o.post(t, "/reset", "token", token, "password", secondPassword).want(t, http.StatusNoContent, "")
}

func TestAccountHandlersNameMissingFields(t *testing.T) {
	o := newOffice(t, func(a *session.AccountOptions) { a.TellApart = true })
	tokens := o.login(t, ada, firstPassword).tokens(t)
	for path, text := range map[string]string{
		"/signup":   `\"email\" and \"password\" are required.`,
		"/password": `\"old_password\" and \"new_password\" are required.`,
		"/forgot":   `\"email\" is required.`,
		"/reset":    `\"token\" and \"password\" are required.`,
		"/verify":   `\"token\" and \"password\" are required.`,
	} {
		o.send(t, "POST", path, `{"x":"y"}`, bearer(tokens)).want(t, http.StatusUnprocessableEntity, text)
	}
}

// A client that has all of its places in the queue of passwords gets no more, whichever handler it uses. Others do.
func TestAccountsNameTheClientInTheQueueOfPasswords(t *testing.T) {
	o := newOffice(t)
	started, release := make(chan struct{}, 100), make(chan struct{})
	o.passwords = usher.Must(usher.NewPasswords(&usher.PasswordOptions{Cost: 4, Concurrency: 1, Legacy: []usher.PasswordVerifier{
		func(hash, _ string) (bool, bool) {
			if hash == "slow" {
				started <- struct{}{}
				<-release
			}
			return hash == "slow", false
		},
	}}))
	o.open(t)
	reset := o.link(t, "/forgot", ada, session.MailReset)
	verify := o.link(t, "/signup", bob, session.MailVerify)
	tokens := o.mustStart(t)

	// Of 65 places, a client may have 17.
	ctx, cancel := context.WithCancel(usher.ContextWithClient(t.Context(), "203.0.113.7"))
	var queue sync.WaitGroup
	for range 17 {
		queue.Go(func() {
			for ctx.Err() == nil { // the loop below may have had the place
				_, _ = o.passwords.Check(ctx, "slow", "x")
			}
		})
	}
	<-started // so that the checks below wait, and don't run
	for {
		short, stop := context.WithTimeout(ctx, time.Millisecond)
		_, err := o.passwords.Check(short, "slow", "x")
		stop()
		if strings.Contains(err.Error(), "this client") {
			break
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("%v; want too many calls of this client", err)
		}
	}
	for path, text := range map[string]string{
		"/login":    body("email", ada, "password", firstPassword),
		"/signup":   body("email", eve, "password", firstPassword),
		"/password": body("old_password", firstPassword, "new_password", secondPassword),
		"/reset":    body("token", reset, "password", secondPassword),
		"/verify":   body("token", verify, "password", secondPassword),
	} {
		o.send(t, "POST", path, text, from("203.0.113.7:1"), bearer(tokens)).want(t, http.StatusServiceUnavailable, "Try again")
	}
	cancel()
	close(release)
	queue.Wait()
	o.send(t, "POST", "/reset", body("token", reset, "password", secondPassword), from("203.0.113.7:1")).want(t, http.StatusNoContent, "")
}

func TestAccountsAuthenticateChecksAsLoginDoes(t *testing.T) {
	o := newOffice(t)
	if got, err := o.accounts.Authenticate(t.Context(), ada, firstPassword); got != subject || err != nil {
		t.Errorf("the right password: %q, %v", got, err)
	}
	for name, password := range map[string]string{ada: secondPassword, eve: firstPassword} {
		if got, err := o.accounts.Authenticate(t.Context(), name, password); got != "" || !errors.Is(err, usher.ErrPasswordMismatch) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if _, err := session.NewLogin(o.Manager, o.accounts.Authenticate, o.options.HandlerOptions); err != nil {
		t.Error(err)
	}
}

// An application's Mail may be kept as JSON in an outbox. A User may end up in a response.
func TestUsersHaveNoHashInJSON(t *testing.T) {
	text, err := json.Marshal(session.User{Subject: "7", Hash: "TOPSECRET"})
	if err != nil || strings.Contains(string(text), "TOPSECRET") {
		t.Errorf("%s, %v", text, err)
	}
	if text, err := json.Marshal(session.Mail{Token: "the-token"}); err != nil || !strings.Contains(string(text), "the-token") {
		t.Errorf("%s, %v", text, err)
	}
}

func TestNewAccountsReportsItsFieldsTogetherWithTheRest(t *testing.T) {
	_, err := session.NewAccounts[claims](nil, nil, nil, &session.AccountOptions{Fields: []string{"", "username"}})
	for _, text := range []string{"NewAccounts Manager", "AccountOptions.Mail", "AccountOptions.Fields[0]"} {
		wantConfigError(t, err, text)
	}
}
