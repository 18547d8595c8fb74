package jwks

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-usher/usher"
)

// RemoteOptions are the options of [NewRemote] and [NewIssuer]; nil means the defaults.
type RemoteOptions struct {
	// Client is the HTTP client. The time limit of a fetch is its Timeout, or 10 seconds if it has none. Without
	// CheckRedirect, it follows redirects only within one origin. The default client closes its connections after every
	// fetch and uses the proxy of the environment. If the client panics, the fetch fails.
	Client *http.Client
	// DefaultAlgorithms are the algorithms of keys without alg. Such a key becomes one usher.Key for each of these that
	// its type allows. The default is RS256 for RSA keys, EdDSA for Ed25519 keys, and the curve's algorithm for EC
	// keys.
	DefaultAlgorithms []usher.Algorithm
	// MetadataURL is the URL of the issuer's metadata, for NewIssuer only. The default is the well-known path of the
	// issuer's URL. The metadata must contain the issuer in any case.
	MetadataURL string
	// MaxAge is how long a set is fresh if the response has no Cache-Control. If it has, the set is fresh for max-age
	// less the Age header, but at least for a minute (or MaxAge, if that is less) and at most for a day. The default is
	// 15 minutes, the minimum a second.
	MaxAge time.Duration
	// MaxStale is how long keys are used after the set is no longer fresh, while the issuer can't be reached. After
	// that, the error is ErrUnavailable. The default is 24 hours, the minimum a second.
	MaxStale time.Duration
	// MinInterval is the minimum time between attempts to fetch, including failed ones and those of Refresh. The
	// default is 10 seconds, the minimum a second.
	MinInterval time.Duration
	// OnFetch is called after every attempt, before waiting calls continue. Calls of OnFetch do not overlap, and no
	// fetch begins before it returns. So it should return soon, and must not call Refresh, or VerificationKeys with a
	// kid that may be unknown: such a call would wait for OnFetch itself. A panic of OnFetch is logged to slog.Default
	// and changes nothing else. If nil, failures are reported only by VerificationKeys.
	OnFetch func(Fetch)
	// DangerouslyAllowHTTP allows plain http to hosts other than loopback. An attacker in the network can then replace
	// the keys.
	DangerouslyAllowHTTP bool
	// Now is the clock, for tests. If nil, a timer ends the freshness of a set, which makes lookups faster.
	Now func() time.Time
}

// Fetch is the outcome of one attempt to fetch a set.
type Fetch struct {
	// Err is the reason why the attempt failed. It is nil if the set was replaced.
	Err error
	// Skipped has the reasons why keys of the set are not used. Many issuers also publish keys for encryption, which
	// are among them.
	Skipped []error
	// Keys is the number of keys after the attempt.
	Keys int
}

// Remote is the key set of another issuer. It is a [usher.KeySource]. It fetches the set at first use and refreshes it
// while it is in use. It has a goroutine only during a fetch and need not be closed. It is safe for concurrent use.
//
// The set must be strict JSON with at most 1 MiB and 256 keys. Keys that are not for verifying signatures are skipped:
// those with an unknown kty or crv, an alg that is not a supported signature algorithm, a use other than sig, or
// key_ops without verify. Also skipped are private and symmetric keys, different keys with the same kid and alg, keys
// that usher.NewKey refuses, and keys whose x5c has another key. A key without a kid verifies only tokens without a
// kid.
//
// Only a response with the status 200 and at least one usable key replaces the set. To withdraw all its keys, an issuer
// has to publish a new one.
type Remote struct {
	source  *source
	opts    RemoteOptions
	now     func() time.Time
	born    time.Time
	current atomic.Pointer[snapshot]

	mu              sync.Mutex // guards the fields below
	running         *attempt   // nil if no fetch is running
	last            *attempt   // the last attempt that ended
	backgroundUntil time.Time  // until then a set that is no longer fresh is used without waiting
	waiting         int        // the number of calls that wait for a fetch
}

// NewRemote returns the set at a URL. It does not fetch it yet. The URL must be https, or http on a loopback host.
// Mistakes are reported as [usher.ConfigError], all at once.
func NewRemote(url string, opts *RemoteOptions) (*Remote, error) {
	o := withDefaults(opts)
	problems := o.check()
	if o.MetadataURL != "" {
		problems = append(problems, configError("RemoteOptions.MetadataURL", "is set, but a set's URL needs no metadata; use NewIssuer"))
	}
	problems = append(problems, checkURL("url", url, o.DangerouslyAllowHTTP))
	return newRemote(&source{setURL: url}, o, problems)
}

// NewIssuer returns the set of an issuer, whose metadata contains the set's URL. The metadata is read at first use,
// again after a failed fetch, and once a day. It is read from /.well-known/openid-configuration below the issuer's URL
// (OpenID Connect Discovery 1.0 §4), and if it is not there from /.well-known/oauth-authorization-server (RFC 8414 §3);
// or from RemoteOptions.MetadataURL.
//
// The metadata's issuer must be the same, byte for byte, and its jwks_uri must be https, or http on a loopback host.
// Mistakes in the arguments are reported as [usher.ConfigError], all at once.
func NewIssuer(issuer string, opts *RemoteOptions) (*Remote, error) {
	o := withDefaults(opts)
	problems := o.check()
	s := &source{issuer: issuer}
	if o.MetadataURL == "" {
		problems = append(problems, checkIssuer("issuer", issuer, o.DangerouslyAllowHTTP))
		s.metadataURLs = wellKnown(issuer)
	} else {
		if issuer == "" {
			problems = append(problems, configError("issuer", "is empty"))
		}
		problems = append(problems, checkURL("RemoteOptions.MetadataURL", o.MetadataURL, o.DangerouslyAllowHTTP))
		s.metadataURLs = []string{o.MetadataURL}
	}
	return newRemote(s, o, problems)
}

func newRemote(s *source, o RemoteOptions, problems []error) (*Remote, error) {
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	r := &Remote{source: s, opts: o, now: o.Now}
	if r.now == nil {
		r.now = time.Now
	}
	r.born = r.now()
	s.client, s.limit = newClient(o.Client)
	s.allowHTTP = o.DangerouslyAllowHTTP
	return r, nil
}

func withDefaults(opts *RemoteOptions) RemoteOptions {
	var o RemoteOptions
	if opts != nil {
		o = *opts
	}
	o.DefaultAlgorithms = slices.Clone(o.DefaultAlgorithms)
	setDefault(&o.MaxAge, 15*time.Minute)
	setDefault(&o.MaxStale, 24*time.Hour)
	setDefault(&o.MinInterval, 10*time.Second)
	return o
}

func setDefault(d *time.Duration, value time.Duration) {
	if *d == 0 {
		*d = value
	}
}

func (o *RemoteOptions) check() []error {
	publicOnly := slices.DeleteFunc(slices.Clone(supported), func(alg usher.Algorithm) bool { return alg[0] == 'H' })
	problems := []error{checkAlgorithms("RemoteOptions.DefaultAlgorithms", o.DefaultAlgorithms, publicOnly)}
	for _, d := range []struct {
		field string
		value time.Duration
	}{
		{"MaxAge", o.MaxAge}, {"MaxStale", o.MaxStale}, {"MinInterval", o.MinInterval},
	} {
		switch {
		case d.value < 0:
			problems = append(problems, configErrorf("RemoteOptions."+d.field, "is %v, but must not be negative", d.value))
		case d.value < time.Second:
			problems = append(problems, configErrorf("RemoteOptions."+d.field, "is %v, but must be a second or more; durations have a unit, as in 10*time.Second", d.value))
		}
	}
	if o.Client != nil && o.Client.Timeout < 0 {
		problems = append(problems, configErrorf("RemoteOptions.Client", "has the negative Timeout %v", o.Client.Timeout))
	}
	return problems
}

// VerificationKeys returns the keys that a token with this kid may be verified with, or all keys if kid is "".
//
// While the set is fresh, the call returns at once, without a lock. When the set is no longer fresh, the call still
// returns at once and a fetch starts in the background. This ends when the set's lifetime, or MaxAge if that is less,
// has passed again since the last attempt; from then on, calls wait for a fetch. If the set has no key with this kid,
// the call waits for a fetch that begins after the call. Within MinInterval of the last attempt none begins. The error
// is then ErrUnknownKey if that attempt succeeded, and ErrUnavailable if it failed.
//
// The error is ErrUnknownKey if the issuer has no such key. It is ErrUnavailable if the issuer can't be reached and
// there are no keys, or only keys older than MaxStale; if 1,000 calls are already waiting; or if ctx ends while the
// call waits. In the last case it also wraps ctx's error. The end of ctx does not end the fetch.
func (r *Remote) VerificationKeys(ctx context.Context, kid string) ([]usher.Key, error) {
	if r == nil || r.source == nil {
		return nil, configError("Remote", "was not made by NewRemote or NewIssuer")
	}
	if set := r.current.Load(); set != nil {
		if keys := set.find(kid); keys != nil && (set.fresh.Load() || r.lockFree(set)) {
			return keys, nil
		}
	}
	return r.waitForKeys(ctx, kid)
}

// Refresh fetches the set, or joins a running fetch, and returns when it has ended. Within MinInterval of the last
// attempt it first waits until the interval has passed. The error is ErrUnavailable with the reason; if ctx ends first,
// it also wraps ctx's error. Call it at the start of a service that should fail early, or when an operator can't wait
// for MaxAge.
func (r *Remote) Refresh(ctx context.Context) error {
	if r == nil || r.source == nil {
		return configError("Remote", "was not made by NewRemote or NewIssuer")
	}
	return r.refresh(ctx)
}

// Keys returns a copy of the current keys. A service is ready for tokens of the issuer if there are any. If there are
// none, Keys starts a fetch but does not wait for it. So a readiness check that calls Keys succeeds eventually, even
// without requests.
func (r *Remote) Keys() usher.Keys {
	if r == nil || r.source == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	set := r.current.Load()
	if set == nil || r.expired(set, now) {
		r.startIfDue(now)
		return nil
	}
	return slices.Clone(set.all)
}
