package session

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-usher/usher"
)

// ErrTicket means that a ticket of [Login.Pause] is malformed, forged or older than 10 minutes. The user must start the
// login again. The response is a 401.
var ErrTicket error = &reasonError{"session: invalid ticket", "ticket"}

// ticketTTL is the lifetime of a ticket.
const ticketTTL = 10 * time.Minute

// Pause returns a ticket for a login whose first step succeeded. The client presents it with the second step, within 10
// minutes, for [Login.Resume]. The ticket is encrypted and authenticated, and is not stored. It contains the subject,
// and AuthTime, Data, Label, UntilBrowserCloses and Replaces of about. Because of AuthTime, a call of EndAll or
// EndOthers after the first step also makes this login fail.
//
// A ticket does not say which step comes next. If there are several, such as a code and the acceptance of new terms,
// note the step in Data, and compare it in the check of each.
//
// Pause returns a usher.ConfigError if the Starter is not a Manager and HandlerOptions.TicketSecret is not set.
func (l *Login) Pause(subject string, about About) (ticket string, err error) {
	l = l.orRefusing()
	if l.starter == nil {
		return "", errLoginNotMade
	}
	if len(l.sealers) == 0 {
		return "", errNoTicketSecret
	}
	if err := checkLogin(subject, about); err != nil {
		return "", err
	}
	now := l.starter.now()
	if about.AuthTime.IsZero() {
		about.AuthTime = now
	}
	plain := appendTicket(nil, now.Add(ticketTTL), subject, about)
	return encoding.EncodeToString(l.sealers[0].Seal(nil, nil, plain, ticketContext)), nil //nolint:gosec // the cipher adds a random nonce
}

var errNoTicketSecret = &usher.ConfigError{
	Field:  "HandlerOptions.TicketSecret",
	Reason: "is required for Pause and Resume, because the Starter is not a Manager with a Secret",
}

// Resume continues the login of a ticket. It calls check, which returns nil if the subject has passed the second step.
// Resume returns the subject and the About that were passed to Pause, with the client's address and user agent.
//
// The throttle counts second steps for each subject (see ThrottleOptions.Step), as [Attempts.Try] counts passwords. A
// ticket can be used again until it expires, so check must accept each code only once. If check returns
// usher.ErrPasswordMismatch, the response says that the code was wrong.
//
// Resume refuses cross-origin requests. It returns ErrTicket for an invalid ticket. Pass its errors to [Login.Deny].
func (l *Login) Resume(r *http.Request, ticket string, check func(ctx context.Context, subject string) error) (subject string, about About, err error) {
	l = l.orRefusing()
	if l.starter == nil {
		return "", About{}, errLoginNotMade
	}
	if err := l.checkOriginAsPOST(r); err != nil {
		return "", About{}, err
	}
	if len(l.sealers) == 0 {
		return "", About{}, errNoTicketSecret
	}
	subject, about, err = l.openTicket(ticket)
	if err != nil {
		return "", About{}, err
	}
	about = l.aboutClient(r, about)
	attempt := Attempt{Kind: KindStep, Account: subject, Client: network(about.Address)}
	err = l.attempt(r.Context(), attempt, func(ctx context.Context) error { return check(ctx, subject) })
	if isMismatch(err) && !errors.As(err, new(*usher.Rejection)) {
		err = &usher.Rejection{Status: http.StatusUnauthorized, Description: "Wrong code.", Err: err}
	}
	if err != nil {
		return "", About{}, err
	}
	return subject, about, nil
}

func (l *Login) openTicket(text string) (subject string, about About, err error) {
	if len(text) > maxTicketText {
		return "", About{}, fmt.Errorf("%w: it is too long", ErrTicket)
	}
	sealed, err := encoding.DecodeString(text)
	if err != nil || encoding.EncodedLen(len(sealed)) != len(text) {
		return "", About{}, fmt.Errorf("%w: it is malformed", ErrTicket)
	}
	for _, sealer := range l.sealers {
		plain, err := sealer.Open(nil, nil, sealed, ticketContext)
		if err != nil {
			continue
		}
		expires, subject, about, ok := parseTicket(plain)
		if !ok {
			return "", About{}, fmt.Errorf("%w: it has an unknown format", ErrTicket)
		}
		if now := l.starter.now(); !now.Before(expires) {
			return "", About{}, fmt.Errorf("%w: it expired %s ago", ErrTicket, now.Sub(expires))
		}
		return subject, about, nil
	}
	return "", About{}, fmt.Errorf("%w: it is not authentic", ErrTicket)
}

// A ticket is unpadded base64url of AES-256-GCM, with a random nonce, of
//
//	1 ‖ expiry (8) ‖ auth_time (8) ‖ flags (1) ‖ subject ‖ data ‖ label ‖ replaces
//
// where times are Unix microseconds, numbers are big-endian, and each text follows its length (2).
const (
	ticketVersion = 1
	ticketFixed   = 1 + 8 + 8 + 1
	maxTicketText = ((12+16+ticketFixed+4*2+maxSubject+maxData+maxAboutBytes+32)*8 + 5) / 6
)

// ticketContext is the associated data of tickets.
var ticketContext = []byte("usher session: login ticket, v1")

// newTicketSealer returns the cipher for tickets. Its key is derived from secret (RFC 5869 §3.2).
func newTicketSealer(secret []byte) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, secret, nil, "usher session: login ticket key, v1", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func appendTicket(b []byte, expires time.Time, subject string, about About) []byte {
	var flags tokenFlags
	if about.UntilBrowserCloses {
		flags |= flagUntilBrowserCloses
	}
	replaces := about.Replaces
	if !isSessionID(replaces) {
		replaces = ""
	}
	b = append(b, ticketVersion)
	b = binary.BigEndian.AppendUint64(b, uint64(expires.UnixMicro()))
	b = binary.BigEndian.AppendUint64(b, uint64(about.AuthTime.UnixMicro()))
	b = append(b, byte(flags))
	for _, text := range []string{subject, about.Data, sanitize(about.Label), replaces} {
		b = binary.BigEndian.AppendUint16(b, uint16(len(text))) // all are shorter than 300 bytes
		b = append(b, text...)
	}
	return b
}

// parseTicket parses an authentic ticket. It may have been written by a later version.
func parseTicket(b []byte) (expires time.Time, subject string, about About, ok bool) {
	if len(b) < ticketFixed || b[0] != ticketVersion || tokenFlags(b[17]) >= flagsEnd {
		return time.Time{}, "", About{}, false
	}
	expires = time.UnixMicro(int64(binary.BigEndian.Uint64(b[1:9]))).UTC()
	about.AuthTime = time.UnixMicro(int64(binary.BigEndian.Uint64(b[9:17]))).UTC()
	about.UntilBrowserCloses = tokenFlags(b[17])&flagUntilBrowserCloses != 0
	b = b[ticketFixed:]
	for _, text := range []*string{&subject, &about.Data, &about.Label, &about.Replaces} {
		if len(b) < 2 {
			return time.Time{}, "", About{}, false
		}
		size := int(binary.BigEndian.Uint16(b))
		if b = b[2:]; len(b) < size {
			return time.Time{}, "", About{}, false
		}
		*text, b = string(b[:size]), b[size:]
	}
	return expires, subject, about, len(b) == 0
}
