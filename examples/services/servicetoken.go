package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-usher/usher"
)

// serviceToken is a response of the token endpoint (RFC 6749 §5.1).
type serviceToken struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int    `json:"expires_in"` // seconds
	Scope       string `json:"scope,omitempty"`
}

// serviceTokens holds a service's own access token. It gets a new one at half of its life, so that the issuer may be
// away for the other half.
type serviceTokens struct {
	endpoint, id, secret string
	client               *http.Client // with a Timeout

	current atomic.Pointer[heldToken]
	mu      sync.Mutex // held while a token is fetched
}

// heldToken is a token, or the reason why there is none.
type heldToken struct {
	text             string
	err              error
	renewAt, expires time.Time
}

// get returns a token that has not expired, or usher.ErrUnavailable. While the current token serves, one caller renews it and
// the others don't wait. After a failure, nobody tries again for a second.
func (s *serviceTokens) get(ctx context.Context) (string, error) {
	held := s.current.Load()
	switch now := time.Now(); {
	case held != nil && now.Before(held.renewAt):
		return held.text, held.err
	case held != nil && now.Before(held.expires):
		if !s.mu.TryLock() {
			return held.text, nil
		}
	default:
		s.mu.Lock()
	}
	defer s.mu.Unlock()
	if newer := s.current.Load(); newer != held { // another caller has renewed it
		return newer.text, newer.err
	}
	next, err := s.fetch(context.WithoutCancel(ctx)) // the token is not for this request alone
	if err != nil {
		now := time.Now()
		next = &heldToken{renewAt: now.Add(time.Second), err: fmt.Errorf("%w: no token of the issuer: %w", usher.ErrUnavailable, err)}
		if held != nil && now.Before(held.expires) {
			next.text, next.err, next.expires = held.text, nil, held.expires
		}
	}
	s.current.Store(next)
	return next.text, next.err
}

func (s *serviceTokens) fetch(ctx context.Context) (*heldToken, error) {
	form := url.Values{"grant_type": {"client_credentials"}}.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.endpoint, strings.NewReader(form))
	if err != nil {
		return nil, err
	}
	r.SetBasicAuth(s.id, s.secret)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	began := time.Now()
	resp, err := s.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the issuer responds with %s", resp.Status)
	}
	var token serviceToken
	if err := json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&token); err != nil {
		return nil, err
	}
	life := time.Duration(token.ExpiresIn) * time.Second
	if token.AccessToken == "" || life <= 0 {
		return nil, errors.New("the issuer's response has no token, or one that has expired")
	}
	return &heldToken{text: token.AccessToken, renewAt: began.Add(life / 2), expires: began.Add(life)}, nil
}
