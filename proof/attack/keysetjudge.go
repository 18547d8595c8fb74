package attack

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/jwks"
)

// SetJudge shows key sets to package jwks: as a server's, and as one's own.
type SetJudge struct {
	server *httptest.Server
	before usher.Key
	shown  atomic.Pointer[SetCase] // nil while the server is honest
}

// NewSetJudge returns a judge. It must be closed.
func NewSetJudge() (*SetJudge, error) {
	key, err := usher.GenerateKey(usher.EdDSA)
	if err != nil {
		return nil, err
	}
	j := &SetJudge{before: key.WithID("before")}
	j.server = httptest.NewUnstartedServer(http.HandlerFunc(j.serve))
	j.server.Config.ErrorLog = nil
	j.server.Start()
	return j, nil
}

// Close stops the judge's server.
func (j *SetJudge) Close() { j.server.Close() }

func (j *SetJudge) serve(w http.ResponseWriter, r *http.Request) {
	c := j.shown.Load()
	isMetadata := strings.HasPrefix(r.URL.Path, "/.well-known/")
	switch {
	case c != nil && c.Page != nil && isMetadata == (c.Path == MetadataPath):
		c.Page(w, r, j.server.URL)
	case isMetadata:
		metadata, err := jwks.MetadataHandler(j.server.URL, j.server.URL+"/keys")
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		metadata.ServeHTTP(w, r)
	case c != nil && c.Page == nil:
		_, _ = w.Write(c.Text)
	default:
		set, err := jwks.Marshal(j.before)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = w.Write(set)
	}
}

// Judge shows the case to usher and returns what was not as it should be.
func (j *SetJudge) Judge(ctx context.Context, c SetCase) error {
	judge := j.remote
	if c.Own {
		judge = j.own
	}
	if err := judge(ctx, c); err != nil {
		return fmt.Errorf("%s: %w", c, err)
	}
	return nil
}

// own reads the set as one's own.
func (*SetJudge) own(_ context.Context, c SetCase) error {
	keys, err := jwks.Parse(c.Text, nil)
	if err := c.discreet(err); err != nil {
		return err
	}
	if c.Want != SetRefused {
		if err != nil || len(keys) != c.Keys {
			return fmt.Errorf("%d keys instead of %d: %w", len(keys), c.Keys, err)
		}
		return nil
	}
	var mistake *usher.ConfigError
	switch {
	case err == nil || keys != nil:
		return fmt.Errorf("%d keys are accepted, error %w", len(keys), err)
	case !errors.As(err, &mistake):
		return fmt.Errorf("the error is no ConfigError: %w", err)
	case !strings.Contains(err.Error(), c.Reason):
		return fmt.Errorf("the error does not say %q: %w", c.Reason, err)
	}
	return nil
}

// remote fetches a good set first, and then the case, which replaces it or changes nothing.
func (j *SetJudge) remote(ctx context.Context, c SetCase) error {
	var fetch jwks.Fetch
	clock := time.Unix(now, 0)
	remote, err := jwks.NewIssuer(j.server.URL, &jwks.RemoteOptions{
		MinInterval: time.Second, OnFetch: func(f jwks.Fetch) { fetch = f }, Now: func() time.Time { return clock },
	})
	if err != nil {
		return err
	}
	j.shown.Store(nil)
	if err := remote.Refresh(ctx); err != nil {
		return err
	}
	before := remote.Keys()
	clock = clock.Add(25 * time.Hour) // so that metadata is read again
	remoteErr := func() error {
		j.shown.Store(&c)
		defer j.shown.Store(nil)
		return remote.Refresh(ctx)
	}()
	clock = clock.Add(-25*time.Hour + time.Minute) // so that the keys before are not too old
	if err := c.discreet(errors.Join(append(fetch.Skipped, remoteErr, fetch.Err)...)); err != nil {
		return err
	}
	if c.Want == SetRefused {
		return c.unchanged(ctx, remote, before, remoteErr, fetch)
	}
	return c.replaced(ctx, remote, remoteErr, fetch)
}

// unchanged returns what is wrong after a set was refused.
func (c SetCase) unchanged(ctx context.Context, remote *jwks.Remote, before usher.Keys, err error, fetch jwks.Fetch) error {
	if !errors.Is(err, usher.ErrUnavailable) || !errors.Is(fetch.Err, usher.ErrUnavailable) || fetch.Keys != len(before) {
		return fmt.Errorf("the error is no ErrUnavailable, or the report is wrong: %d keys, %w, %w", fetch.Keys, err, fetch.Err)
	}
	if !strings.Contains(fetch.Err.Error(), c.Reason) {
		return fmt.Errorf("the report does not say %q: %w", c.Reason, fetch.Err)
	}
	if !slices.Equal(remote.Keys(), before) {
		return fmt.Errorf("the keys have changed: %v", remote.Keys())
	}
	_, err = remote.VerificationKeys(ctx, "before")
	return err
}

// replaced returns what is wrong after a set was used.
func (c SetCase) replaced(ctx context.Context, remote *jwks.Remote, err error, fetch jwks.Fetch) error {
	if err != nil || fetch.Err != nil {
		return fmt.Errorf("refused: %w", fetch.Err)
	}
	if got := len(remote.Keys()); got != c.Keys || fetch.Keys != c.Keys {
		return fmt.Errorf("%d keys instead of %d, skipped: %w", got, c.Keys, errors.Join(fetch.Skipped...))
	}
	if keys, err := remote.VerificationKeys(ctx, "good"); err != nil || len(keys) != 1 {
		return fmt.Errorf("the good key is not used: %w", err)
	}
	if _, err := remote.VerificationKeys(ctx, "before"); !errors.Is(err, usher.ErrUnknownKey) {
		return fmt.Errorf("the key before is still used: %w", err)
	}
	skipped := errors.Join(fetch.Skipped...)
	if c.Want == SetAccepted {
		return skipped
	}
	if _, err := remote.VerificationKeys(ctx, "case"); !errors.Is(err, usher.ErrUnknownKey) {
		return fmt.Errorf("the key is used: %w", err)
	}
	if skipped == nil || !strings.Contains(skipped.Error(), c.Reason) {
		return fmt.Errorf("the report does not say %q: %w", c.Reason, skipped)
	}
	return nil
}

// discreet returns an error if a text from usher is long, or shows a secret.
func (c SetCase) discreet(err error) error {
	switch text := fmt.Sprint(err); {
	case len(text) > 4096:
		return fmt.Errorf("the text has %d bytes", len(text))
	case len(c.Secret) > 8 && strings.Contains(text, c.Secret):
		return errors.New("the text shows the secret")
	}
	return nil
}
