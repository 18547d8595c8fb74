package jwks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-usher/usher/internal/quote"
)

// maxMetadataAge is how long metadata is used before it is read again.
const maxMetadataAge = 24 * time.Hour

// source is the URL of a set, configured or from an issuer's metadata. It is used by one fetch at a time.
type source struct {
	client    *http.Client
	limit     time.Duration // the time limit of a fetch, including metadata
	allowHTTP bool

	issuer       string   // "" if setURL is configured
	metadataURLs []string // tried in order

	setURL string    // configured, or from metadata
	readAt time.Time // when the metadata was read
}

// String returns the text for errors.
func (s *source) String() string {
	if s.issuer != "" {
		return quote.Text(s.issuer)
	}
	return quote.Text(s.setURL)
}

// fetch returns the response with the set.
func (s *source) fetch(ctx context.Context, now time.Time) (response, error) {
	if s.issuer != "" && (s.setURL == "" || !now.Before(s.readAt.Add(maxMetadataAge))) {
		setURL, err := s.discover(ctx)
		if err != nil {
			return response{}, err
		}
		s.setURL, s.readAt = setURL, now
	}
	return s.get(ctx, s.setURL)
}

// failed makes the next fetch read the metadata again, because the set may have moved.
func (s *source) failed() {
	if s.issuer != "" {
		s.setURL = ""
	}
}

// discover returns the set's URL from the issuer's metadata.
func (s *source) discover(ctx context.Context) (string, error) {
	var problems []error
	for _, metadataURL := range s.metadataURLs {
		resp, err := s.get(ctx, metadataURL)
		if err == nil {
			return s.readMetadata(resp.body, metadataURL)
		}
		problems = append(problems, err)
		if status, ok := errors.AsType[*statusError](err); !ok || status.code >= http.StatusInternalServerError {
			break // the metadata may be there, so the next URL is not tried
		}
	}
	return "", errors.Join(problems...)
}

// readMetadata returns the jwks_uri of metadata (OpenID Connect Discovery 1.0 §4.3, RFC 8414 §3.3).
func (s *source) readMetadata(text []byte, from string) (string, error) {
	var metadata struct {
		Issuer string `json:"issuer"`
		SetURL string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(bytes.TrimPrefix(text, byteOrderMark), &metadata); err != nil {
		return "", fmt.Errorf("the metadata at %s %w", from, notAnObject(err))
	}
	if metadata.Issuer != s.issuer {
		return "", fmt.Errorf("the metadata at %s is for the issuer %s", from, quote.Text(metadata.Issuer))
	}
	if err := checkURL("jwks_uri", metadata.SetURL, s.allowHTTP); err != nil {
		return "", fmt.Errorf("the metadata at %s is refused: %w", from, err)
	}
	return metadata.SetURL, nil
}

// wellKnown returns the URLs where an issuer's metadata may be.
func wellKnown(issuer string) []string {
	const openID, oauth = "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"
	u, err := url.Parse(issuer)
	if err != nil {
		return nil // checkIssuer reports it
	}
	origin, path := u.Scheme+"://"+u.Host, strings.TrimSuffix(u.EscapedPath(), "/")
	return []string{origin + path + openID, origin + oauth + path}
}

// checkIssuer reports an issuer that can't have metadata at a well-known path (RFC 8414 §2).
func checkIssuer(field, issuer string, allowHTTP bool) error {
	if strings.Contains(issuer, "?") {
		return configErrorf(field, "is %s, which has a query; set RemoteOptions.MetadataURL", quote.Text(issuer))
	}
	return checkURL(field, issuer, allowHTTP)
}
