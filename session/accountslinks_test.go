package session_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/onetime"
	"github.com/go-usher/usher/session"
)

func TestForgotAnswersAlikeForKnownAndUnknownNames(t *testing.T) {
	o := newOffice(t)
	var answers []string
	for _, name := range []string{ada, eve} {
		for range 3 {
			a := o.post(t, "/forgot", "email", name).want(t, http.StatusAccepted, "")
			answers = append(answers, fmt.Sprint(a.StatusCode, a.Header, a.body))
		}
		o.post(t, "/forgot", "email", strings.ToUpper(name)).want(t, http.StatusTooManyRequests, "Too many")
	}
	for _, a := range answers {
		if a != answers[0] {
			t.Errorf("%s\n%s", a, answers[0])
		}
	}
	o.login(t, ada, firstPassword).tokens(t) // forgotten passwords are counted apart from logins
	if mails := o.close(t); len(mails) != 3 || mails[0].Email != ada || mails[0].Kind != session.MailReset || mails[0].Subject != subject {
		t.Errorf("mails %v", mails)
	}
}

// Whoever asks, from wherever and under whatever name, an account gets three mails an hour.
func TestMailsToAnAccountAreCounted(t *testing.T) {
	o := newOffice(t)
	for i := range 10 {
		o.send(t, "POST", "/signup", body("email", ada), from(fmt.Sprintf("203.0.113.%d:1", i))).want(t, http.StatusAccepted, "")
	}
	o.post(t, "/forgot", "email", ada).want(t, http.StatusAccepted, "")
	if mails := o.close(t); len(mails) != 3 {
		t.Errorf("%d mails; want 3", len(mails))
	}
}

func TestResetEndsAllSessionsAndTheLinkWorksOnce(t *testing.T) {
	o := newOffice(t)
	thief := o.login(t, ada, firstPassword).tokens(t)
	token, second := o.link(t, "/forgot", ada, session.MailReset), o.link(t, "/forgot", ada, session.MailReset)
	o.post(t, "/reset", "token", token, "password", "short").want(t, http.StatusUnprocessableEntity, "too short")
	o.wantSessions(t, 1)
	o.post(t, "/reset", "token", token, "password", secondPassword).want(t, http.StatusNoContent, "")
	o.wantSessions(t, 0)
	o.send(t, "POST", "/refresh", refreshBody(thief)).want(t, http.StatusUnauthorized, "Log in again")
	mine := o.login(t, ada, secondPassword).tokens(t)
	for _, dead := range []string{token, second} {
		o.post(t, "/reset", "token", dead, "password", firstPassword).want(t, http.StatusBadRequest, "not valid, or it has been used")
	}
	if reason := o.seen[len(o.seen)-1].Reason(); reason != "onetime_token" {
		t.Errorf("reason %q", reason)
	}
	o.send(t, "POST", "/refresh", refreshBody(mine)).tokens(t)
}

func TestLinksBecomeInvalid(t *testing.T) {
	for name, test := range map[string]struct {
		change func(o *office)
		text   string
	}{
		"after their time":               {func(o *office) { o.clock.Advance(24 * time.Hour) }, "expired"},
		"after a change of the address":  {func(o *office) { o.table.change(ada, func(u *session.User) { u.Email = eve }) }, "not valid"},
		"after a change of the password": {func(o *office) { o.table.change(ada, func(u *session.User) { u.Hash = "x" }) }, "not valid"},
		"with the account":               {func(o *office) { o.table.change(ada, func(u *session.User) { u.Subject = "x" }) }, "not valid"},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			token := o.link(t, "/forgot", ada, session.MailReset)
			test.change(o)
			o.post(t, "/reset", "token", token, "password", secondPassword).want(t, http.StatusBadRequest, test.text)
		})
	}
}

func TestALinkOfOnePurposeIsNotAcceptedForAnother(t *testing.T) {
	o := newOffice(t)
	reset, verify := o.link(t, "/forgot", bob, session.MailReset), o.link(t, "/signup", bob, session.MailVerify)
	o.post(t, "/verify", "token", reset, "password", firstPassword).want(t, http.StatusBadRequest, "not valid")
	o.post(t, "/reset", "token", verify, "password", firstPassword).want(t, http.StatusBadRequest, "not valid")
	o.post(t, "/verify", "token", verify, "password", firstPassword).want(t, http.StatusNoContent, "")
	o.post(t, "/verify", "token", verify, "password", firstPassword).want(t, http.StatusBadRequest, "used")
}

func TestForgedLinksNeverReachTheUsers(t *testing.T) {
	o := newOffice(t)
	token := o.link(t, "/forgot", ada, session.MailReset)
	before := o.table.calls
	foreign := usher.Must(usher.Must(onetime.New(secret, "password reset", nil)).Issue(subject, "x"))
	for _, forged := range []string{foreign, token[:len(token)-1], token + "a", "z" + token[1:], strings.ToUpper(token), "x", strings.Repeat("a", 60_000)} {
		for _, path := range []string{"/reset", "/verify"} {
			o.post(t, path, "token", forged, "password", secondPassword).want(t, http.StatusBadRequest, "not valid")
		}
	}
	if o.table.calls != before {
		t.Errorf("%d calls of Users", o.table.calls-before)
	}
}

func TestOldSecretsOfLinksAreAccepted(t *testing.T) {
	o := newOffice(t)
	token := o.link(t, "/forgot", ada, session.MailReset)
	o.options.Secret, o.options.OldSecrets = secret, [][]byte{other}
	o.open(t)
	o.post(t, "/reset", "token", token, "password", secondPassword).want(t, http.StatusNoContent, "")
}

// A login with the old password begins before the reset and finishes after it.
func TestALoginThatBeganBeforeAResetStartsNoSession(t *testing.T) {
	o := newOffice(t)
	token := o.link(t, "/forgot", ada, session.MailReset)
	o.user = func(context.Context, session.Grant) (claims, error) { // the password has been checked
		o.clock.Advance(time.Second)
		o.post(t, "/reset", "token", token, "password", secondPassword).want(t, http.StatusNoContent, "")
		return claims{}, nil
	}
	o.login(t, ada, firstPassword).want(t, http.StatusUnauthorized, "Log in again")
	o.wantSessions(t, 0)
}

// Of two uses of a link at once, the one that loses must not end the session of the winner.
func TestAResetThatLosesEndsNoSession(t *testing.T) {
	o := newOffice(t)
	token := o.link(t, "/forgot", ada, session.MailReset)
	var winner session.Tokens
	loads := 0
	o.table.before = func(call, _ string) error {
		if call == "Load" {
			if loads++; loads == 2 { // the loser has hashed its password
				o.post(t, "/reset", "token", token, "password", secondPassword).want(t, http.StatusNoContent, "")
				winner = o.login(t, ada, secondPassword).tokens(t)
			}
		}
		return nil
	}
	o.post(t, "/reset", "token", token, "password", "a third password").want(t, http.StatusBadRequest, "used")
	o.send(t, "POST", "/refresh", refreshBody(winner)).tokens(t)
}

// Strangers use up all attempts at the account. Its owner resets the password and logs in.
func TestAResetLetsTheOwnerInAgain(t *testing.T) {
	o := newOffice(t)
	for i := range 31 {
		o.send(t, "POST", "/login", wrong(ada), from(fmt.Sprintf("203.0.113.%d:1", i)))
	}
	o.login(t, ada, firstPassword).want(t, http.StatusTooManyRequests, "Too many")
	token := o.link(t, "/forgot", ada, session.MailReset)
	o.post(t, "/reset", "token", token, "password", secondPassword).want(t, http.StatusNoContent, "")
	o.login(t, ada, secondPassword).tokens(t)
}

// Whichever call of Users fails, before or after its work: a link never works twice, the thief has no session when a reset
// has succeeded, and the user gets in by trying again or by asking for another link.
func TestAFailureOfUsersLosesAndDoublesNothing(t *testing.T) {
	for _, after := range []bool{false, true} {
		for n := 1; n <= 6; n++ { // no request makes more calls
			t.Run(fmt.Sprintf("call %d, after its work %t", n, after), func(t *testing.T) {
				o := newOffice(t)
				o.post(t, "/signup", "email", eve).want(t, http.StatusAccepted, "")
				verify := o.nextMail(t).Token
				o.table.fail(n, after)
				until(t, func() int { return o.post(t, "/verify", "token", verify, "password", firstPassword).StatusCode }, http.StatusNoContent)
				o.table.fail(0, false)
				o.post(t, "/verify", "token", verify, "password", "a third password").want(t, http.StatusBadRequest, "used")

				thief := o.login(t, eve, firstPassword).tokens(t)
				reset := o.link(t, "/forgot", eve, session.MailReset)
				o.table.fail(n, after)
				until(t, func() int { return o.post(t, "/reset", "token", reset, "password", secondPassword).StatusCode }, http.StatusNoContent)
				o.table.fail(0, false)
				o.post(t, "/reset", "token", reset, "password", "a third password").want(t, http.StatusBadRequest, "used")
				o.send(t, "POST", "/refresh", refreshBody(thief)).want(t, http.StatusUnauthorized, "Log in again")
				o.login(t, eve, secondPassword).tokens(t)
				o.login(t, eve, firstPassword).want(t, http.StatusUnauthorized, "Wrong")
			})
		}
	}
}

// until tries again after a failure, as a user would.
func until(t *testing.T, try func() int, want int) {
	t.Helper()
	for range 3 {
		switch status := try(); status {
		case want:
			return
		case http.StatusInternalServerError, http.StatusServiceUnavailable:
		default:
			t.Fatalf("%d; want %d", status, want)
		}
	}
	t.Fatal("it fails again and again")
}

// Whichever step of the store of sessions fails, a reset that was answered with 204 has ended the thief's session.
func TestAFailureOfTheSessionStoreLeavesTheLinkOrSaysSo(t *testing.T) {
	for n := 1; n <= 2; n++ {
		store := &failingEndAll{Store: session.NewMemoryStore()}
		o := newOfficeWith(t, store)
		thief := o.login(t, ada, firstPassword).tokens(t)
		token := o.link(t, "/forgot", ada, session.MailReset)
		store.failAt = n
		a := o.post(t, "/reset", "token", token, "password", secondPassword)
		if n == 1 {
			a.want(t, http.StatusServiceUnavailable, "Try again")
			o.login(t, ada, firstPassword).tokens(t)
			o.post(t, "/reset", "token", token, "password", secondPassword).want(t, http.StatusNoContent, "")
		} else {
			a.want(t, http.StatusServiceUnavailable, "The password has been set")
			o.login(t, ada, secondPassword).tokens(t)
		}
		o.send(t, "POST", "/refresh", refreshBody(thief)).want(t, http.StatusUnauthorized, "Log in again")
	}
}

// failingEndAll fails at one call of EndAll.
type failingEndAll struct {
	session.Store
	calls, failAt int
}

func (s *failingEndAll) EndAll(ctx context.Context, subject, keep string, now, until time.Time) ([]string, error) {
	if s.calls++; s.calls == s.failAt {
		return nil, usher.ErrUnavailable
	}
	return s.Store.EndAll(ctx, subject, keep, now, until)
}
