package session

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-usher/usher"
)

// About describes the login that starts a session. UserAgent, Address and Label come from clients, so they are
// truncated to 256 bytes and their control characters are removed.
type About struct {
	UserAgent string // the User-Agent header
	Address   string // the client's address
	Label     string // the user's name for the device
	// AuthTime is when the authentication began, before the password was checked. It becomes auth_time. If EndAll or
	// EndOthers has been called at that time or later, Start returns ErrSessionEnded. The zero value means the time of
	// Start.
	AuthTime time.Time
	// Data is passed to Config.Claims for every access token of the session (see Grant). It is at most 255 bytes
	// of UTF-8.
	Data string
	// UntilBrowserCloses sends cookies without Max-Age, also after refreshes, so browsers delete them when they close.
	// Use it if the user did not tick "remember me".
	UntilBrowserCloses bool
	// Replaces is the ID of a session of the subject that ends when this one starts, for example when the user
	// authenticates again for a sensitive action.
	Replaces string
}

const maxAboutBytes = 256

// Start starts a session for a subject who has just authenticated, and returns its first tokens. The subject must be 1
// to 255 bytes of UTF-8 without control characters.
//
// It returns ErrSessionEnded if EndAll or EndOthers was called at about.AuthTime or later, or if the authentication is
// older than MaxAge. It returns usher.ErrUnavailable if the store does not respond; no usable session then remains.
// Errors of the claims callback and of the encoder are returned unchanged.
func (m *Manager[C]) Start(ctx context.Context, subject string, about About) (Tokens, error) {
	return m.start(ctx, subject, about, acceptAny)
}

func (m *Manager[C]) start(ctx context.Context, subject string, about About, check tokensCheck) (Tokens, error) {
	if err := m.usable(); err != nil {
		return Tokens{}, err
	}
	if err := checkLogin(subject, about); err != nil {
		return Tokens{}, err
	}
	now := m.now()
	authTime := about.AuthTime.UTC().Truncate(time.Microsecond)
	if about.AuthTime.IsZero() || authTime.After(now) {
		authTime = now
	}
	if !authTime.After(now.Add(-m.maxAge)) {
		return Tokens{}, fmt.Errorf("%w: the authentication is older than %s", ErrSessionEnded, m.maxAge)
	}
	token := newRefreshToken(subject, authTime, about)
	tokens, err := m.issue(ctx, token)
	if err != nil {
		return Tokens{}, err
	}
	tokens.RefreshToken = m.keys[0].seal(token)
	if err := check(tokens); err != nil {
		return Tokens{}, err
	}
	about.AuthTime = authTime
	record := m.newRecord(tokens, subject, about, now)
	ended, err := m.storeStart(ctx, record)
	if err != nil {
		return Tokens{}, err
	}
	m.recent.forget(subject, ended...)
	ctx = contextWithClient(ctx, client{record.Address, record.UserAgent}.or(clientFromContext(ctx)))
	m.report(ctx, Event{Kind: EventStarted, Time: now, Subject: subject, SessionID: record.ID})
	m.reportEnded(ctx, now, subject, ended)
	if err := m.endReplaced(ctx, subject, about.Replaces, record.ID); err != nil {
		return Tokens{}, err
	}
	return tokens, nil
}

// newRecord returns the record of a session that starts now.
func (m *Manager[C]) newRecord(tokens Tokens, subject string, about About, now time.Time) Record {
	return Record{
		Session: Session{
			ID:         tokens.SessionID,
			Subject:    subject,
			UserAgent:  sanitize(about.UserAgent),
			Address:    sanitize(about.Address),
			Label:      sanitize(about.Label),
			AuthTime:   about.AuthTime,
			StartedAt:  now,
			LastUsedAt: now,
			ExpiresAt:  now.Add(min(m.idleTTL, m.maxAge)),
		},
		EndsAt: now.Add(m.maxAge),
		Token:  hashToken(tokens.RefreshToken),
	}
}

// endReplaced ends the session old, which the session started replaces. If that fails, it ends started instead: the
// caller gets no tokens and can try again.
func (m *Manager[C]) endReplaced(ctx context.Context, subject, old, started string) error {
	if !isSessionID(old) || old == started {
		return nil
	}
	_, err := m.end(context.WithoutCancel(ctx), subject, old)
	if err != nil {
		_, _ = m.end(context.WithoutCancel(ctx), subject, started)
	}
	return err
}

func (m *Manager[C]) storeStart(ctx context.Context, record Record) (ended []string, err error) {
	err = completeChange(ctx, detachedTimeout, func(ctx context.Context) (err error) {
		ended, err = m.store.Start(ctx, record, m.maxPerSubject, record.StartedAt)
		return err
	})
	if errors.Is(err, usher.ErrUnavailable) {
		// The session may have been stored, but nobody has its token. End it, even if the client has closed the
		// connection. Other sessions may have been ended to stay within MaxPerSubject.
		_ = completeChange(context.WithoutCancel(ctx), detachedTimeout, func(ctx context.Context) error {
			_, err := m.store.End(ctx, record.Subject, record.ID, record.StartedAt)
			return err
		})
		if m.maxPerSubject > 0 {
			m.recent.forgetSubject(record.Subject)
		}
	} else if errors.Is(err, ErrSessionEnded) {
		err = fmt.Errorf("%w: EndAll or EndOthers was called for this subject at or after %s, when the login began", err, record.AuthTime.Format(time.RFC3339Nano))
	}
	return ended, err
}

// sanitize returns a copy of s that is safe to store. A substring would keep all of the request's headers in memory.
func sanitize(s string) string {
	if len(s) > 4*maxAboutBytes {
		s = s[:4*maxAboutBytes] // bounds the work for large headers
	}
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if len(s) > maxAboutBytes {
		cut := maxAboutBytes
		for !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut]
	}
	return strings.Clone(s)
}

var (
	errSubject = errors.New("session: a subject must be 1 to 255 bytes of UTF-8 without control characters")
	errData    = errors.New("session: About.Data must be at most 255 bytes of UTF-8")
)

// checkLogin returns an error if subject or about.Data is invalid.
func checkLogin(subject string, about About) error {
	if !isSubject(subject) {
		return errSubject
	}
	if len(about.Data) > maxData || !utf8.ValidString(about.Data) {
		return errData
	}
	return nil
}

// isSubject reports whether s can be a subject, which every store must be able to keep unchanged.
func isSubject(s string) bool {
	return s != "" && len(s) <= maxSubject && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}
