package session_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

func TestChangePasswordEndsTheOtherSessions(t *testing.T) {
	o := newOffice(t)
	mine, thief := o.login(t, ada, firstPassword).tokens(t), o.login(t, ada, firstPassword).tokens(t)
	o.changePassword(t, mine, "wrong", secondPassword).want(t, http.StatusUnauthorized, "The old password is wrong.")
	o.changePassword(t, mine, firstPassword, "short").want(t, http.StatusUnprocessableEntity, "too short")
	o.wantSessions(t, 2)
	o.changePassword(t, mine, firstPassword, secondPassword).want(t, http.StatusNoContent, "")
	o.send(t, "POST", "/refresh", refreshBody(thief)).want(t, http.StatusUnauthorized, "Log in again")
	o.send(t, "POST", "/refresh", refreshBody(mine)).tokens(t)
	o.login(t, ada, firstPassword).want(t, http.StatusUnauthorized, "Wrong")
	o.login(t, ada, secondPassword).tokens(t)
}

// As at the login, the log tells whose password was wrong.
func TestChangePasswordReportsWhoseOldPasswordIsWrong(t *testing.T) {
	o := newOffice(t)
	tokens := o.mustStart(t)
	o.seen = nil
	o.changePassword(t, tokens, "wrong", secondPassword).want(t, http.StatusUnauthorized, "The old password is wrong.")
	if len(o.seen) != 1 || !strings.Contains(o.seen[0].Err.Error(), subject) || o.seen[0].Reason() != "password" {
		t.Errorf("Observe saw %v", o.seen)
	}
}

// Of two changes at once the one that loses must not end the session of the winner.
func TestAChangeThatLosesEndsNoSession(t *testing.T) {
	o := newOffice(t)
	winner, loser := o.login(t, ada, firstPassword).tokens(t), o.login(t, ada, firstPassword).tokens(t)
	once := true
	o.table.before = func(call, _ string) error {
		if call == "ReplaceHash" && once {
			once = false
			o.changePassword(t, winner, firstPassword, secondPassword).want(t, http.StatusNoContent, "")
		}
		return nil
	}
	o.changePassword(t, loser, firstPassword, "a third password").want(t, http.StatusConflict, "changed in the meantime")
	o.send(t, "POST", "/refresh", refreshBody(winner)).tokens(t)
	o.login(t, ada, secondPassword).tokens(t)
}

func TestChangePasswordCountsGuessesTogetherWithLogins(t *testing.T) {
	o := newOffice(t)
	tokens := o.mustStart(t)
	for range 3 {
		o.login(t, ada, "wrong").want(t, http.StatusUnauthorized, "Wrong")
	}
	for range 2 {
		o.changePassword(t, tokens, "wrong", secondPassword).want(t, http.StatusUnauthorized, "old password")
	}
	o.changePassword(t, tokens, firstPassword, secondPassword).want(t, http.StatusTooManyRequests, "Too many")
	o.login(t, ada, firstPassword).want(t, http.StatusTooManyRequests, "Too many")
}

func TestChangePasswordOfAUserWhoIsGone(t *testing.T) {
	o := newOffice(t)
	tokens := o.mustStart(t)
	o.table.change(ada, func(u *session.User) { u.Subject = "gone" })
	o.changePassword(t, tokens, firstPassword, secondPassword).want(t, http.StatusUnauthorized, "Log in again")
}

func TestChangePasswordWithoutMiddlewareIsA500(t *testing.T) {
	o := newOffice(t)
	o.mux.Handle("/bare", o.accounts.ChangePassword)
	o.post(t, "/bare", "old_password", firstPassword, "new_password", secondPassword).want(t, http.StatusInternalServerError, "")
}

// A login upgrades the hash of the password that it has checked. If the password has been replaced meanwhile, the upgrade
// must not bring the old one back, and the login must not start a session.
func TestALoginThatUpgradesTheHashDoesNotUndoAReset(t *testing.T) {
	o := newOffice(t)
	old := usher.Must(usher.NewPasswords(&usher.PasswordOptions{Cost: 4}))
	hash := usher.Must(old.Hash(t.Context(), firstPassword))
	o.table.change(ada, func(u *session.User) { u.Hash = hash })
	o.passwords = usher.Must(usher.NewPasswords(&usher.PasswordOptions{Cost: 5}))
	o.open(t)
	token := o.link(t, "/forgot", ada, session.MailReset)
	once := true
	o.table.before = func(call, _ string) error {
		if call == "ReplaceHash" && once { // the login has checked the password and is about to upgrade
			once = false
			o.post(t, "/reset", "token", token, "password", secondPassword).want(t, http.StatusNoContent, "")
		}
		return nil
	}
	o.login(t, ada, firstPassword).want(t, http.StatusUnauthorized, "Log in again")
	o.wantSessions(t, 0)
	o.login(t, ada, secondPassword).tokens(t)
	o.login(t, ada, firstPassword).want(t, http.StatusUnauthorized, "Wrong")
}
