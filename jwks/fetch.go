package jwks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/internal/origin"
	"github.com/go-usher/usher/internal/quote"
)

const (
	fetchLimit    = 10 * time.Second
	maxHeaderSize = 64 << 10 // bytes
	maxRedirects  = 5
	minFreshness  = time.Minute
	maxFreshness  = 24 * time.Hour
)

// response is the content of a response with the status 200.
type response struct {
	header http.Header
	body   []byte
}

// parseRemote parses another issuer's set.
func parseRemote(body []byte, defaults []usher.Algorithm) (parsedSet, error) {
	texts, err := split(body, false)
	if err != nil {
		return parsedSet{}, fmt.Errorf("the response %w", err)
	}
	s := readAll(reader{defaults: defaults, public: true}, texts)
	if len(s.keys) == 0 {
		reasons := slices.Concat(s.wrong, s.irrelevant)
		if len(reasons) == 0 {
			return s, errors.New("the set is empty")
		}
		return s, fmt.Errorf("the set has no usable key, for example because of %w", reasons[0])
	}
	return s, nil
}

// newClient returns the client that fetches, and the time limit of a fetch.
func newClient(client *http.Client) (*http.Client, time.Duration) {
	if client == nil {
		client = &http.Client{Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DisableKeepAlives:      true, // connections are closed after each fetch
			ForceAttemptHTTP2:      true,
			MaxResponseHeaderBytes: maxHeaderSize,
		}}
	}
	own := *client
	if own.CheckRedirect == nil {
		own.CheckRedirect = sameOrigin
	}
	limit := own.Timeout
	if limit == 0 {
		limit = fetchLimit
	}
	return &own, limit
}

// sameOrigin follows redirects only within one origin. If a set moves to another one, its URL must be configured.
func sameOrigin(next *http.Request, via []*http.Request) error {
	first := via[0].URL
	if next.URL.Scheme != first.Scheme || next.URL.Host != first.Host {
		return fmt.Errorf("redirected to another origin: %s", next.URL.Redacted())
	}
	if len(via) > maxRedirects {
		return fmt.Errorf("redirected more than %d times", maxRedirects)
	}
	return nil
}

// get returns the body of a response with the status 200 and at most 1 MiB.
func (s *source) get(ctx context.Context, target string) (response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return response{}, err
	}
	req.Header.Set("Accept", "application/json, application/jwk-set+json")
	resp, err := s.client.Do(req)
	if err != nil {
		return response{}, err
	}
	defer resp.Body.Close()
	from := req.URL
	if resp.Request != nil { // some RoundTrippers don't set it
		from = resp.Request.URL
	}
	if !isAllowed(from, s.allowHTTP) { // the client's CheckRedirect followed a redirect
		return response{}, fmt.Errorf("redirected to %s, which is not https", from.Redacted())
	}
	if resp.StatusCode != http.StatusOK {
		return response{}, &statusError{resp.StatusCode, from.Redacted()}
	}
	if resp.ContentLength > maxSetSize {
		return response{}, fmt.Errorf("%s has %d bytes, but at most %d are allowed", from.Redacted(), resp.ContentLength, maxSetSize)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxSetSize+1))
	if err != nil {
		return response{}, fmt.Errorf("reading %s: %w", from.Redacted(), err)
	}
	if len(body) > maxSetSize {
		return response{}, fmt.Errorf("%s has more than %d bytes", from.Redacted(), maxSetSize)
	}
	return response{resp.Header, body}, nil
}

type statusError struct {
	code int
	url  string
}

func (e *statusError) Error() string {
	return fmt.Sprintf("%s responds with the status %d", e.url, e.code)
}

// freshness returns how long a response is fresh (RFC 9111 §4.2 and §5.2.2), within the limits of a Remote.
func freshness(header http.Header, standard time.Duration) time.Duration {
	least := min(minFreshness, standard)
	age, found := time.Duration(0), false
	for directive := range strings.SplitSeq(strings.Join(header.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch strings.ToLower(name) {
		case "no-cache", "no-store":
			return least
		case "max-age":
			if seconds, ok := parseSeconds(strings.Trim(value, `"`)); ok && !found {
				age, found = seconds, true
			}
		}
	}
	if !found {
		return standard
	}
	if past, ok := parseSeconds(header.Get("Age")); ok {
		age -= past
	}
	return min(max(age, least), maxFreshness)
}

// parseSeconds reads a number of seconds. More than a year counts as a year.
func parseSeconds(text string) (time.Duration, bool) {
	const year = 365 * 24 * time.Hour
	seconds, err := strconv.ParseUint(text, 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, false
	}
	return time.Duration(min(seconds, uint64(year/time.Second))) * time.Second, true
}

// checkURL reports a URL that a set or metadata may not be fetched from.
func checkURL(field, text string, allowHTTP bool) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return configErrorf(field, "is %s, which is not an absolute URL", quote.Text(text))
	case u.User != nil:
		return configError(field, "has user information; set an Authorization header in a RoundTripper of RemoteOptions.Client")
	case u.Fragment != "":
		return configErrorf(field, "is %s, which has a fragment", quote.Text(text))
	case isAllowed(u, allowHTTP):
		return nil
	case u.Scheme == "http":
		return configErrorf(field, "is %s, which is plain http: an attacker in the network could replace the keys; "+
			"use https, or RemoteOptions.DangerouslyAllowHTTP", quote.Text(text))
	}
	return configErrorf(field, "is %s, which is not https", quote.Text(text))
}

func isAllowed(u *url.URL, allowHTTP bool) bool {
	return u.Scheme == "https" || u.Scheme == "http" && (allowHTTP || origin.IsLoopback(u.Hostname()))
}
