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

// RemoteOptions change how a [Remote] fetches and keeps its set. A nil *RemoteOptions means the defaults.
type RemoteOptions struct {
	// Client fetches. Each fetch has a time limit: the client's Timeout, or 10 seconds if it has none. A client
	// without CheckRedirect follows redirects only within one origin. The default client closes its
	// connections after every fetch, and uses the proxy that the environment names.
	Client *http.Client
	// DefaultAlgorithms are for keys that name no algorithm: such a key becomes one usher.Key for each of
	// these that its type allows. The default is RS256 for RSA keys, EdDSA for Ed25519 keys, and the curve's
	// algorithm for EC keys.
	DefaultAlgorithms []usher.Algorithm
	// MetadataURL is where an issuer's metadata is, if not at the well-known path of the issuer's URL. It is
	// for NewIssuer only. The metadata must name the issuer all the same.
	MetadataURL string
	// MaxAge is how long a set is fresh if the response has no Cache-Control. With Cache-Control, its max-age
	// less the Age header counts, but at least a minute (MaxAge, if that is less) and at most a day. The
	// default is 15 minutes, and the least is a second.
	MaxAge time.Duration
	// MaxStale is how long keys are used after the set's freshness ended, while the issuer can't be reached.
	// After that, they are ErrUnavailable. The default is 24 hours, and the least is a second.
	MaxStale time.Duration
	// MinInterval is the least time between attempts to fetch, failed ones included, whatever asks for them.
	// The default is 10 seconds, and the least is a second.
	MinInterval time.Duration
	// OnFetch is called after every attempt, one call at a time, and before callers that wait for the attempt
	// continue. It must not call Refresh. If nil, the outcome is only in the errors of VerificationKeys.
	OnFetch func(Fetch)
	// DangerouslyAllowHTTP allows plain http to hosts other than loopback: whoever can change the traffic then
	// chooses the keys.
	DangerouslyAllowHTTP bool
	// Now is the clock, for tests. If nil, freshness is ended by a timer, which makes look-ups faster.
	Now func() time.Time
}

// Fetch is the outcome of one attempt to fetch a set.
type Fetch struct {
	// Err says why the attempt failed, and is nil if it replaced the set.
	Err error
	// Skipped says why keys of the set are not used. Keys for encryption are among them, which many issuers
	// publish.
	Skipped []error
	// Keys is how many keys are known after the attempt.
	Keys int
}

// Remote is the key set of another issuer. It is a [usher.KeySource], fetches the set at first use, and
// refreshes it while it is in use. It has no goroutine while no fetch runs, needs no closing, and is safe for
// concurrent use.
//
// The set is strict JSON of at most 1 MiB and 256 keys. Keys for another purpose than verifying signatures are
// skipped: an unknown kty or crv, an alg that is no supported signature algorithm, a use other than sig, key_ops
// without verify. So are private and symmetric keys, keys that differ under one kid and alg, keys that
// usher.NewKey refuses, and keys whose x5c is another key's. A key without kid verifies only tokens without kid.
// Only a response with the status 200 and at least one usable key replaces a set: an issuer that has to
// withdraw all its keys publishes a new one.
type Remote struct {
	source  *source
	opts    RemoteOptions
	now     func() time.Time
	born    time.Time
	current atomic.Pointer[snapshot]

	mu      sync.Mutex // guards what follows
	running *attempt   // nil if no fetch runs
	last    *attempt   // the last one that ended
	lazy    time.Time  // until then an ageing set answers without waiting
	waiting int        // callers that wait for a fetch
}

// NewRemote returns the set at a URL. It fetches nothing yet. The URL is https, or http on a loopback host.
// What is wrong is reported as [usher.ConfigError].
func NewRemote(url string, opts *RemoteOptions) (*Remote, error) {
	o := withDefaults(opts)
	problems := o.check()
	if o.MetadataURL != "" {
		problems = append(problems, configError("RemoteOptions.MetadataURL", "is set, but a set's URL needs no metadata; use NewIssuer"))
	}
	problems = append(problems, checkURL("url", url, o.DangerouslyAllowHTTP))
	return newRemote(&source{setURL: url}, o, problems)
}

// NewIssuer returns the set of an issuer whose metadata names the set's URL. The metadata is read at first use,
// from the issuer's URL with /.well-known/openid-configuration (OpenID Connect Discovery 1.0 §4), else from
// /.well-known/oauth-authorization-server (RFC 8414 §3), or from RemoteOptions.MetadataURL. Its issuer must equal
// the one asked for, byte for byte, and its jwks_uri must be https, or http on a loopback host. Metadata is read
// again after a failed fetch and once a day. What is wrong is reported as [usher.ConfigError].
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
			problems = append(problems, configErrorf("RemoteOptions."+d.field, "is negative: %v", d.value))
		case d.value < time.Second:
			problems = append(problems, configErrorf("RemoteOptions."+d.field, "is %v, but must be at least 1s: is its unit missing, as in 10*time.Second?", d.value))
		}
	}
	if o.Client != nil && o.Client.Timeout < 0 {
		problems = append(problems, configErrorf("RemoteOptions.Client", "has the negative Timeout %v", o.Client.Timeout))
	}
	return problems
}

// VerificationKeys returns the keys that a token with this kid may be verified with, or all for "".
//
// A fresh set answers at once, without a lock. A set that is no longer fresh answers too, and is refreshed
// meanwhile, until as much time again has passed since the last attempt (MaxAge, at most); after that, the call
// waits for the fetch. A kid that the set does not have waits for a fetch that began after the call. Within
// MinInterval of the last attempt there is none: the error is then ErrUnknownKey if that attempt succeeded, and
// ErrUnavailable if it failed.
//
// The error is ErrUnknownKey if the issuer has no such key, and ErrUnavailable if there are no keys, or only
// keys older than MaxStale, because the issuer can't be reached; if 1,000 calls wait already; and if ctx ends
// while the call waits, when it is also ctx's error. The end of ctx does not end the fetch.
func (r *Remote) VerificationKeys(ctx context.Context, kid string) ([]usher.Key, error) {
	if r == nil || r.source == nil {
		return nil, configError("Remote", "was not made by NewRemote or NewIssuer")
	}
	if set := r.current.Load(); set != nil {
		if keys := set.find(kid); keys != nil && (set.fresh.Load() || r.isSettled(set)) {
			return keys, nil
		}
	}
	return r.refreshed(ctx, kid)
}

// Refresh fetches the set, or joins a fetch that runs, and returns when it is over. Within MinInterval of the last
// attempt it first waits until that has passed. The error is ErrUnavailable, with the reason; it is also ctx's
// error if ctx ends first. It is for a start that should fail early, and for an operator who can't wait for MaxAge.
func (r *Remote) Refresh(ctx context.Context) error {
	if r == nil || r.source == nil {
		return configError("Remote", "was not made by NewRemote or NewIssuer")
	}
	return r.refresh(ctx)
}

// Keys returns a copy of the keys that are known now. A service is ready for tokens of the issuer if there are
// any. If there are none, a fetch starts and Keys does not wait for it, so that a service whose readiness depends on Keys
// becomes ready without a request.
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
