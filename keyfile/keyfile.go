package keyfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/internal/quote"
)

// Options are the options of [Open]; nil means the defaults.
type Options struct {
	// Algorithm is the algorithm of keys that don't specify one. Only JWKs do. The default is RS256 for RSA keys, EdDSA for
	// Ed25519 keys, HS256 for secrets, and the curve's algorithm for EC keys.
	Algorithm usher.Algorithm
	// Base64 decodes secrets from base64 of either alphabet, with or without padding and line breaks. If it is false, a
	// secret is the content of its file without a line break at the end. Set it for secrets that would be refused as
	// text (see Open).
	Base64 bool
	// Signer is the name of the file with the signing key. The default is the only file with a key that can sign. If
	// there are several, Open returns an error that lists them.
	Signer string
	// Retain is how long a key still verifies after its file was removed or changed: a second or more. It should be
	// longer than the lifetime of tokens. The default is 1 hour. If negative, such a key is dropped at once. A process
	// that starts later does not know such a key; if processes may restart in this time, keep its file.
	Retain time.Duration
	// Interval is the time between checks of the files: a second or more, 10 seconds by default.
	Interval time.Duration
	// Overlap is how long a new signing key only verifies while the previous one still signs. In this time all
	// processes, and all clients of a published set, get the new key. It is a second or more. The default is 0: a new
	// key signs at once. A process that starts in this time does not know which key was the previous one, and signs
	// with the new one.
	Overlap time.Duration
	// OnReload is called with nil when the keys have changed, or when the files can be read again after a failure. It
	// is called with an error when the files can't be used; the previous keys then stay in use. The same error is
	// reported only once. Calls do not overlap, and no check of the files begins before OnReload returns. So OnReload
	// should return soon, and must not call Reload, or VerificationKeys with a kid that may be unknown: such a call
	// would wait for OnReload itself. A panic of OnReload is logged to slog.Default and changes nothing else. If nil,
	// errors are reported only by Reload.
	OnReload func(err error)
	// Now is the clock, for tests. The default is time.Now.
	Now func() time.Time
}

// Keys are the keys in a file, or in the files of a folder. They are [usher.SigningKeys] and a [usher.KeySource]. They
// are safe for concurrent use.
//
// While the keys are in use, the files are checked every Options.Interval, in the background. After a longer pause, the
// next call waits for the check. Changes are detected by content. There is a goroutine only during a check, and Keys
// need not be closed.
type Keys struct {
	path    string
	opts    Options
	now     func() time.Time
	current atomic.Pointer[view]

	mu       sync.Mutex // guards the fields below
	state    state
	running  *look     // nil if no check is running
	lookedAt time.Time // when the last check ended
	problem  string    // the last reported error, "" after a success
}

// Open reads the keys at path, which is a file or a folder. In a folder it reads all files whose names don't begin with
// a dot, and ignores folders. It follows symbolic links. A file may have at most 1 MiB, a folder at most 256 files.
//
// A file contains a key in PEM (see usher.ParseKey), a JWK or JWK Set (see jwks.Parse), or a secret. A secret's ID is
// the file's name. If path itself is a file with a certificate, the key is its public key. In a folder, files with
// certificates are ignored, because they usually belong to certificate authorities.
//
// Anybody who knows a secret can sign tokens, so Open refuses files that are probably not secret: text of several
// lines, SSH keys, files that begin like PEM or a JWK, and public keys or certificates in DER or base64. It also
// refuses text that contains "://", is in quotes, begins with a byte order mark, or is an assignment (NAME=value), a
// placeholder (${NAME}) or a token. In a folder it refuses text with spaces, and secrets together with key pairs.
//
// All mistakes are reported at once, each as a [usher.ConfigError] with the file's path as its field.
func Open(path string, opts *Options) (*Keys, error) {
	k := &Keys{path: path}
	if opts != nil {
		k.opts = *opts
	}
	if err := k.opts.complete(); err != nil {
		return nil, err
	}
	if path == "" {
		return nil, configError("path", "is empty")
	}
	k.now = k.opts.Now
	files, err := k.read(nil)
	if err != nil {
		return nil, err
	}
	now := k.now()
	k.lookedAt = now
	k.state.change(files, now, &k.opts)
	k.show(now)
	return k, nil
}

// complete checks the options and fills in the defaults.
func (o *Options) complete() error {
	problems := o.checkDurations()
	if o.Signer != "" && o.Signer != filepath.Base(o.Signer) {
		problems = append(problems, configError("Options.Signer", "is "+quote.Text(o.Signer)+", which is not the name of a file"))
	}
	if o.Algorithm != "" && !slices.Contains(algorithms, o.Algorithm) {
		problems = append(problems, configError("Options.Algorithm", "is "+quote.Text(string(o.Algorithm))+", which is not a supported algorithm"))
	}
	if o.Retain == 0 {
		o.Retain = time.Hour
	}
	if o.Interval == 0 {
		o.Interval = 10 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return errors.Join(problems...)
}

func (o *Options) checkDurations() []error {
	var problems []error
	for _, d := range []struct {
		field string
		value time.Duration
	}{
		{"Options.Interval", o.Interval},
		{"Options.Retain", max(o.Retain, 0)}, // negative means that nothing is retained
		{"Options.Overlap", o.Overlap},
	} {
		switch {
		case d.value < 0:
			problems = append(problems, configError(d.field, "is "+d.value.String()+", but must not be negative"))
		case d.value > 0 && d.value < time.Second:
			problems = append(problems, configError(d.field, "is "+d.value.String()+", but must be a second or more; durations have a unit, as in 10*time.Second"))
		}
	}
	return problems
}

// SigningKey returns the current signing key, or a [usher.ConfigError] if no file has a key that can sign.
func (k *Keys) SigningKey(ctx context.Context) (usher.Key, error) {
	v, err := k.view(ctx)
	if err != nil {
		return usher.Key{}, err
	}
	if !v.signs {
		return usher.Key{}, configError(k.path, "has only public keys; signing needs a private key or a secret")
	}
	return v.keys[0].SigningKey(ctx)
}

// VerificationKeys returns the keys whose ID is kid, or all keys if kid is "". If there are none, it checks the files
// again, at most once a second, because another process may have read a new key first. If there are still none, the
// error is ErrUnknownKey. If ctx ends while the call waits for the files, the error is ErrUnavailable and also wraps
// ctx's error.
func (k *Keys) VerificationKeys(ctx context.Context, kid string) ([]usher.Key, error) {
	v, err := k.view(ctx)
	if err != nil {
		return nil, err
	}
	found, unknown := v.keys.VerificationKeys(ctx, kid)
	if unknown == nil {
		return found, nil
	}
	if err := k.lookAgain(ctx, time.Second); err != nil {
		return nil, err
	}
	return k.current.Load().keys.VerificationKeys(ctx, kid)
}

// Keys returns a copy of the current keys. If any can sign, the first one is the signing key. Pass Keys to jwks.Handler.
func (k *Keys) Keys() usher.Keys {
	v, err := k.view(context.Background())
	if err != nil {
		return nil
	}
	return slices.Clone(v.keys)
}

// Reload reads the files now. If they can't be used, it returns a [usher.ConfigError] with the reason, and the previous
// keys stay in use. If ctx ends first, the error is ErrUnavailable and also wraps ctx's error.
func (k *Keys) Reload(ctx context.Context) error {
	if k == nil || k.now == nil {
		return notOpened()
	}
	for {
		now := k.now()
		k.mu.Lock()
		l, mine := k.running, false
		if l == nil {
			l, mine = k.start(now), true
		}
		k.mu.Unlock()
		if err := l.wait(ctx); err != nil {
			return err
		}
		if mine { // a check that another call started may have begun before the files changed
			return l.err
		}
	}
}

// String returns the path, without the keys.
func (k *Keys) String() string {
	if k == nil {
		return "keyfile.Keys()"
	}
	return "keyfile.Keys(" + quote.Text(k.path) + ")"
}

// GoString returns the same as String.
func (k *Keys) GoString() string { return k.String() }

// Format writes the same as String, for every verb.
func (k *Keys) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// LogValue returns the same as String, for log/slog.
func (k *Keys) LogValue() slog.Value { return slog.StringValue(k.String()) }

func notOpened() error { return configError("Keys", "were not made by Open") }

func configError(field, reason string) error {
	return &usher.ConfigError{Field: field, Reason: reason}
}
