package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	auth0jwks "github.com/auth0/go-jwt-middleware/v2/jwks"
	"github.com/auth0/go-jwt-middleware/v2/validator"
	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/golang-jwt/jwt/v5"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/jwks"
)

const audience = "https://api.example.com"

func algorithms() []usher.Algorithm { return []usher.Algorithm{usher.ES256, usher.RS256} }

// issuer is a server with metadata and a set of keys, which counts how often the set is fetched.
type issuer struct {
	server  *httptest.Server
	keys    map[usher.Algorithm]usher.Key
	tokens  map[usher.Algorithm]string
	fetches atomic.Int64
}

func newIssuer() (*issuer, error) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	pair, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	i := &issuer{tokens: map[usher.Algorithm]string{}, keys: map[usher.Algorithm]usher.Key{
		usher.ES256: usher.Must(usher.NewKey(usher.ES256, ec)), usher.RS256: usher.Must(usher.NewKey(usher.RS256, pair)),
	}}
	published, err := jwks.Handler(func() usher.Keys { return usher.Keys{i.keys[usher.ES256], i.keys[usher.RS256]} }, nil)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	i.server = httptest.NewServer(mux)
	metadata, err := jwks.MetadataHandler(i.server.URL, i.server.URL+"/keys")
	if err != nil {
		return nil, err
	}
	mux.Handle("/.well-known/openid-configuration", metadata)
	mux.HandleFunc("/keys", func(w http.ResponseWriter, r *http.Request) {
		i.fetches.Add(1)
		published.ServeHTTP(w, r)
	})
	for alg, key := range i.keys {
		encoder, err := usher.NewEncoder[usher.Claims](key, &usher.EncoderOptions{Issuer: i.server.URL, Audience: usher.Audience{audience}, TTL: time.Hour})
		if err != nil {
			return nil, err
		}
		if i.tokens[alg], err = encoder.Encode(context.Background(), usher.Claims{Subject: "ada"}); err != nil {
			return nil, err
		}
	}
	return i, nil
}

// forged returns the token with another signature.
func forged(token string) string {
	dot := strings.LastIndexByte(token, '.') + 1
	other := "A"
	if token[dot] == 'A' {
		other = "B"
	}
	return token[:dot] + other + token[dot+1:]
}

// contender is a library with the keys of an issuer, which it finds by the issuer's URL.
type contender struct {
	name string
	open func(ctx context.Context, i *issuer, alg usher.Algorithm) (verify func(token string) error, err error)
}

const nameRemote = "usher, `jwks.NewIssuer`"

// contenders are all of them. The first one is what the others are compared with.
func contenders() []contender {
	return []contender{
		{"usher, a fixed key", func(_ context.Context, i *issuer, alg usher.Algorithm) (func(string) error, error) {
			public, _ := i.keys[alg].Public()
			return openUsher(i, public, 0)
		}},
		{nameRemote, func(_ context.Context, i *issuer, _ usher.Algorithm) (func(string) error, error) {
			return openRemote(i, 0)
		}},
		{"usher, a fixed key, remembered", func(_ context.Context, i *issuer, alg usher.Algorithm) (func(string) error, error) {
			public, _ := i.keys[alg].Public()
			return openUsher(i, public, 100)
		}},
		{nameRemote + ", remembered", func(_ context.Context, i *issuer, _ usher.Algorithm) (func(string) error, error) {
			return openRemote(i, 100)
		}},
		{"auth0/go-jwt-middleware v2, `CachingProvider`", openAuth0},
		{"MicahParks/keyfunc v3, golang-jwt", openKeyfunc},
		{"coreos/go-oidc v3", openOIDC},
	}
}

func openUsher(i *issuer, keys usher.KeySource, cacheSize int) (func(string) error, error) {
	decoder, err := usher.NewDecoder[usher.Claims](keys, &usher.DecoderOptions{Issuer: i.server.URL, Audience: usher.Audience{audience}, CacheSize: cacheSize})
	return func(token string) error {
		_, err := decoder.Decode(context.Background(), token)
		return err
	}, err
}

func openRemote(i *issuer, cacheSize int) (func(string) error, error) {
	remote, err := jwks.NewIssuer(i.server.URL, nil)
	if err != nil {
		return nil, err
	}
	return openUsher(i, remote, cacheSize)
}

func openAuth0(_ context.Context, i *issuer, alg usher.Algorithm) (func(string) error, error) {
	issuerURL, err := url.Parse(i.server.URL)
	if err != nil {
		return nil, err
	}
	keys := auth0jwks.NewCachingProvider(issuerURL, 15*time.Minute)
	v, err := validator.New(keys.KeyFunc, validator.SignatureAlgorithm(alg), i.server.URL, []string{audience})
	return func(token string) error {
		_, err := v.ValidateToken(context.Background(), token)
		return err
	}, err
}

func openKeyfunc(ctx context.Context, i *issuer, alg usher.Algorithm) (func(string) error, error) {
	keys, err := keyfunc.NewDefaultCtx(ctx, []string{i.server.URL + "/keys"})
	if err != nil {
		return nil, err
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{string(alg)}), jwt.WithIssuer(i.server.URL), jwt.WithAudience(audience),
		jwt.WithExpirationRequired(), jwt.WithStrictDecoding())
	return func(token string) error {
		_, err := parser.ParseWithClaims(token, new(jwt.RegisteredClaims), keys.Keyfunc)
		return err
	}, nil
}

func openOIDC(ctx context.Context, i *issuer, alg usher.Algorithm) (func(string) error, error) {
	provider, err := oidc.NewProvider(ctx, i.server.URL)
	if err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	v := provider.VerifierContext(ctx, &oidc.Config{ClientID: audience, SupportedSigningAlgs: []string{string(alg)}})
	return func(token string) error {
		verified, err := v.Verify(ctx, token)
		if err != nil {
			return err
		}
		return verified.Claims(new(jwt.RegisteredClaims))
	}, nil
}
