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

// Options change how files are read. A nil *Options means the defaults.
type Options struct {
	// Algorithm is for keys that name none, which only JWKs do. The default is RS256 for RSA keys, EdDSA for Ed25519
	// keys, HS256 for secrets, and the curve's algorithm for EC keys.
	Algorithm usher.Algorithm
	// Base64 says that secrets are base64, with or without padding, of either alphabet, in one line or several.
	// Otherwise a secret is the content of its file without a line break at the end. Set it for a secret that would
	// be refused as text (see Open).
	Base64 bool
	// Signer is the name of the file whose key signs. By default it is the only file with a key that can sign; if
	// there are several, Open returns an error that lists them.
	Signer string
	// Retain is how long a key still verifies after its file has gone or changed. The default is 1 hour, which should
	// be more than the lifetime of tokens. If negative, such a key is dropped at once. The least is a second.
	Retain time.Duration
	// Interval is the time between two looks at the files. The default is 10 seconds, and the least is a second.
	Interval time.Duration
	// Overlap is how long a new signing key only verifies, while the one before it signs, so that every process
	// and every client of a published set knows it before it signs. The default is 0: a new key signs at once.
	// Otherwise it is at least a second.
	Overlap time.Duration
	// OnReload is called with nil when the keys have changed, or can be read again after a failure, and with the
	// reason when files can't be used; then the keys before stay in use. The same reason is reported once. Calls
	// don't overlap. It must not call Reload. If nil, only Reload tells.
	OnReload func(err error)
	// Now is the clock, for tests. The default is time.Now.
	Now func() time.Time
}

// Keys are the keys in a file, or in the files of a folder. They are [usher.SigningKeys] and a [usher.KeySource].
//
// While keys are asked for, the files are looked at once in Options.Interval, in the background; who asks
// after a longer pause waits for that look. There is no goroutine while nobody asks, and nothing to close. Changes are
// noticed by content. Safe for concurrent use.
type Keys struct {
	path    string
	opts    Options
	now     func() time.Time
	current atomic.Pointer[view]

	mu       sync.Mutex // guards what follows
	state    state
	running  *look     // nil if none runs
	lookedAt time.Time // when the last look ended
	problem  string    // the reason that was reported last, "" after a success
}

// Open reads the keys at path: one file, or all files of a folder whose names don't begin with a dot. Folders in the
// folder are ignored. Symbolic links are followed.
//
// A file has a key in PEM (as usher.ParseKey reads it), a JWK or JWK Set (as jwks.Parse reads it), or else
// a secret. A secret's ID is the file's name. In a folder, files of certificates are ignored, as they
// usually belong to authorities; a path that is itself a certificate stands for its public key. Files that begin like
// PEM or a JWK, SSH keys, and text of several lines are never taken for secrets. A file has at most 1 MiB, a
// folder at most 256 files.
//
// Open refuses what is more likely public than secret, because whoever knows a secret can sign tokens. Text is not a
// secret if it contains "://", if it is an assignment (NAME=value), a placeholder (${NAME}) or a token, or if it stands in
// quotes or after a byte order mark. In a folder, text with blanks is no secret either. Neither is a public key or a
// certificate, in DER or in base64.
// A folder has either secrets or key pairs.
//
// All mistakes are reported together, each as a [usher.ConfigError] with the file's path as its field.
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
		problems = append(problems, configError("Options.Algorithm", "is "+quote.Text(string(o.Algorithm))+", which is no supported algorithm"))
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
		{"Options.Retain", max(o.Retain, 0)}, // a negative one retains nothing
		{"Options.Overlap", o.Overlap},
	} {
		switch {
		case d.value < 0:
			problems = append(problems, configError(d.field, "is negative: "+d.value.String()))
		case d.value > 0 && d.value < time.Second:
			problems = append(problems, configError(d.field, "is "+d.value.String()+", but must be at least 1s: is its unit missing, as in 10*time.Second?"))
		}
	}
	return problems
}

// SigningKey returns the key that signs now, or a [usher.ConfigError] if no file has one.
func (k *Keys) SigningKey(ctx context.Context) (usher.Key, error) {
	v, err := k.view(ctx)
	if err != nil {
		return usher.Key{}, err
	}
	if !v.signs {
		return usher.Key{}, configError(k.path, "has only keys that verify; signing needs a private key or a secret")
	}
	return v.keys[0].SigningKey(ctx)
}

// VerificationKeys returns the keys whose ID is kid, or all for "". If there are none, the files are looked at again
// before the error is ErrUnknownKey, at most once a second: another process may have seen a new key first. If ctx ends
// while the call waits for the files, the error is ErrUnavailable and ctx's.
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

// Keys returns a copy of the keys as they are now. The first one signs, if any can. It is for jwks.Handler.
func (k *Keys) Keys() usher.Keys {
	v, err := k.view(context.Background())
	if err != nil {
		return nil
	}
	return slices.Clone(v.keys)
}

// Reload reads the files now. The error says why they can't be used, in which case the keys before stay in use, and
// is a [usher.ConfigError]; or it is ErrUnavailable and ctx's error, if ctx ends first.
func (k *Keys) Reload(ctx context.Context) error {
	if k == nil || k.now == nil {
		return notOpened()
	}
	for {
		k.mu.Lock()
		l, mine := k.running, false
		if l == nil {
			l, mine = k.start(), true
		}
		k.mu.Unlock()
		if err := l.wait(ctx); err != nil {
			return err
		}
		if mine { // another's may have begun before the files changed
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
