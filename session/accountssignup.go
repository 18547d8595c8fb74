package session

import (
	"context"
	"errors"
	"net/http"
	"strings"
)

func (a *accounts) signup(w http.ResponseWriter, r *http.Request) error {
	began := a.sessions.now()
	f, err := a.readSignup(w, r)
	if err != nil {
		return err
	}
	username := f[a.opts.UsernameField]
	var job func(ctx context.Context) error
	if err := a.mails.reserve(); err != nil {
		return err
	}
	defer func() { a.queueMail(r, job) }() // after the response has been written
	var user User
	err = a.endpoint.attemptCounted(r.Context(), Attempt{Kind: KindSignup, Client: a.clientNetwork(r)}, func(ctx context.Context) (err error) {
		user, err = a.create(ctx, username, f)
		return err
	})
	taken := errors.Is(err, ErrTaken) && !isOutage(err)
	if err != nil && (a.tellApart || !taken) {
		return err
	}
	job = func(ctx context.Context) error {
		u := user
		if taken {
			var err error
			if u, err = findUser(ctx, a.users.Find, username); err != nil {
				return err
			}
		}
		return a.sendMail(ctx, signupMailKind(u), u)
	}
	if a.tellApart {
		about := a.login.aboutClient(r, About{AuthTime: began, Label: f[labelField]})
		return a.login.finish(w, r, user.Subject, about)
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// readSignup reads the fields of a signup. The username is in canonical form.
func (a *accounts) readSignup(w http.ResponseWriter, r *http.Request) (fields, error) {
	f, err := readFields(w, r, append([]string{a.opts.UsernameField, a.opts.PasswordField, labelField}, a.fields...)...)
	if err != nil {
		return nil, err
	}
	username := a.opts.Canonical(f[a.opts.UsernameField])
	if username != "" && !isSubject(username) {
		return nil, newRejection(http.StatusUnprocessableEntity, "The "+a.opts.UsernameField+" is too long, or has a character that is not allowed.")
	}
	f[a.opts.UsernameField] = username
	required := []string{a.opts.UsernameField}
	if a.tellApart {
		required = append(required, a.opts.PasswordField)
	}
	return f, f.require(required...)
}

// create creates an account. Its name is converted to lower case, so that a login finds it in any case. If an account
// has the name as it was typed, create returns ErrTaken.
//
// Without TellApart, the account is created without a password. A working login would reveal that the name was free,
// and the owner of the address would get an account whose password somebody else knows. The password is checked and
// hashed nevertheless, so the response time does not reveal whether the name was free.
func (a *accounts) create(ctx context.Context, username string, f fields) (User, error) {
	hash, err := a.hashForSignup(ctx, f[a.opts.PasswordField])
	if err != nil {
		return User{}, err
	}
	lower := strings.ToLower(username)
	if lower != username {
		switch _, err := a.users.Find(ctx, username); {
		case err == nil:
			return User{}, ErrTaken
		case !isNoUser(err):
			return User{}, err
		}
	}
	if !a.tellApart {
		hash = ""
	}
	extra := make(map[string]string, len(a.fields))
	for _, name := range a.fields {
		if value, ok := f[name]; ok {
			extra[name] = value
		}
	}
	return a.users.Create(ctx, lower, hash, extra)
}

// hashForSignup hashes the password. Without a password it takes as long.
func (a *accounts) hashForSignup(ctx context.Context, password string) (string, error) {
	if password != "" {
		return a.passwords.Hash(ctx, password)
	}
	if _, err := a.passwords.Check(ctx, "", ""); isOutage(err) {
		return "", err
	}
	return "", nil
}

// signupMailKind returns the kind of mail that a signup sends to the account's address.
func signupMailKind(u User) string {
	switch {
	case !u.Verified:
		return MailVerify
	case u.Hash == "":
		return MailReset // the address is verified, but there is no password to log in with
	}
	return MailTaken
}
