package session_test

import (
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

func TestSignupAnswersAlikeForKnownAndUnknownNames(t *testing.T) {
	o := newOffice(t)
	var answers []string
	for _, name := range []string{ada, bob, eve, "Ada@Example.org"} {
		a := o.post(t, "/signup", "email", name, "password", secondPassword).want(t, http.StatusAccepted, "")
		answers = append(answers, fmt.Sprint(a.StatusCode, a.Header, a.body))
		// Nor does a login with the chosen password tell.
		o.login(t, name, secondPassword).want(t, http.StatusUnauthorized, "Wrong email or password.")
	}
	for _, a := range answers {
		if a != answers[0] {
			t.Errorf("%s\n%s", a, answers[0])
		}
	}
	kinds := map[string]string{}
	for _, m := range o.close(t) {
		kinds[m.Email] += m.Kind + " "
		if (m.Kind == session.MailTaken) != (m.Token == "") {
			t.Errorf("a mail of kind %s has a token of %d bytes", m.Kind, len(m.Token))
		}
	}
	if want := map[string]string{ada: "taken taken ", bob: "verify ", eve: "verify "}; !reflect.DeepEqual(kinds, want) {
		t.Errorf("mails %v; want %v", kinds, want)
	}
	if o.table.row(t, eve).Hash != "" {
		t.Error("a password is stored before the address is verified")
	}
}

func TestSignupThenVerifyThenLogin(t *testing.T) {
	o := newOffice(t, func(a *session.AccountOptions) { a.Fields = []string{"name", "plan"} })
	o.post(t, "/signup", "email", " Eve@Example.org ", "name", "Eve", "admin", "yes").want(t, http.StatusAccepted, "")
	if want := map[string]string{"name": "Eve"}; !reflect.DeepEqual(o.table.fields, want) {
		t.Errorf("fields %v; want %v", o.table.fields, want)
	}
	m := o.nextMail(t)
	o.post(t, "/verify", "token", m.Token, "password", "short").want(t, http.StatusUnprocessableEntity, "too short")
	o.post(t, "/verify", "token", m.Token, "password", secondPassword).want(t, http.StatusNoContent, "")
	if !o.table.row(t, eve).Verified {
		t.Error("the address is not verified")
	}
	for _, name := range []string{eve, "Eve@Example.org", "EVE@EXAMPLE.ORG"} {
		o.login(t, name, secondPassword).tokens(t)
	}
}

func TestSignupThatTellsApartLogsInOrSaysTaken(t *testing.T) {
	o := newOffice(t, func(a *session.AccountOptions) { a.TellApart = true })
	for _, name := range []string{ada, bob, "ADA@example.org"} {
		o.post(t, "/signup", "email", name, "password", secondPassword).want(t, http.StatusConflict, "The email is taken.")
	}
	tokens := o.post(t, "/signup", "email", eve, "password", secondPassword, "label", "phone").tokens(t)
	if c := o.mustDecode(t, tokens); c.Subject != "user-3" || c.AuthTime.IsZero() {
		t.Errorf("claims %+v", c)
	}
	o.wantEvents(t, session.EventStarted)
	o.login(t, eve, secondPassword).tokens(t)
	mails := o.close(t)
	if len(mails) != 1 || mails[0].Kind != session.MailVerify || mails[0].Email != eve || mails[0].Subject != "user-3" {
		t.Errorf("mails %v", mails)
	}
}

// Somebody signs up with another person's address, and even has a session. The owner of the address verifies it.
func TestAPasswordOfAStrangerDoesNotSurviveTheVerification(t *testing.T) {
	o := newOffice(t, func(a *session.AccountOptions) { a.TellApart = true })
	stranger := o.post(t, "/signup", "email", eve, "password", firstPassword).tokens(t)
	m := o.nextMail(t)
	o.post(t, "/verify", "token", m.Token).want(t, http.StatusUnprocessableEntity, "password")
	o.post(t, "/verify", "token", m.Token, "password", secondPassword).want(t, http.StatusNoContent, "")
	o.login(t, eve, firstPassword).want(t, http.StatusUnauthorized, "Wrong")
	o.send(t, "POST", "/refresh", refreshBody(stranger)).want(t, http.StatusUnauthorized, "Log in again")
	o.changePassword(t, stranger, firstPassword, firstPassword+"!").want(t, http.StatusUnauthorized, "")
	o.login(t, eve, secondPassword).tokens(t)
}

func TestAVerificationWithTheSamePasswordKeepsTheSession(t *testing.T) {
	o := newOffice(t, func(a *session.AccountOptions) { a.TellApart = true })
	tokens := o.post(t, "/signup", "email", eve, "password", firstPassword).tokens(t)
	hash := o.table.row(t, eve).Hash
	o.post(t, "/verify", "token", o.nextMail(t).Token, "password", firstPassword).want(t, http.StatusNoContent, "")
	o.send(t, "POST", "/refresh", refreshBody(tokens)).tokens(t)
	if u := o.table.row(t, eve); u.Hash != hash || !u.Verified {
		t.Errorf("verified %t, hash replaced %t", u.Verified, u.Hash != hash)
	}
}

func TestSignupRefusesWhatNoAccountCanHave(t *testing.T) {
	o := newOffice(t)
	for password, text := range map[string]string{"short": "too short", strings.Repeat("x", 73): "too long"} {
		for _, name := range []string{ada, eve} {
			o.post(t, "/signup", "email", name, "password", password).want(t, http.StatusUnprocessableEntity, text)
		}
	}
	for _, name := range []string{"a\\u0000b", strings.Repeat("x", 256)} {
		o.send(t, "POST", "/signup", `{"email":"`+name+`"}`).want(t, http.StatusUnprocessableEntity, "not allowed")
	}
	if mails := o.close(t); len(mails) > 0 {
		t.Errorf("mails %v", mails)
	}
}

func TestSignupsOfAClientAreCounted(t *testing.T) {
	o := newOffice(t, func(a *session.AccountOptions) { a.TellApart = true })
	for i := range 20 {
		name, status := fmt.Sprintf("user%d@example.org", i), http.StatusOK
		if i%2 == 0 {
			name, status = ada, http.StatusConflict
		}
		o.post(t, "/signup", "email", name, "password", secondPassword).want(t, status, "")
	}
	o.post(t, "/signup", "email", eve, "password", secondPassword).want(t, http.StatusTooManyRequests, "Too many")
	o.send(t, "POST", "/signup", body("email", eve, "password", secondPassword), from("203.0.113.9:1")).want(t, http.StatusOK, "")
}

func TestSignupSendsARejectionOfTheApplication(t *testing.T) {
	o := newOffice(t)
	o.table.before = func(call, _ string) error {
		if call == "Create" {
			return &usher.Rejection{Status: 422, Description: "Not from this domain."}
		}
		return nil
	}
	o.post(t, "/signup", "email", eve).want(t, 422, "Not from this domain.")
}
