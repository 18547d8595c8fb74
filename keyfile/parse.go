package keyfile

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/jwks"
)

var algorithms = []usher.Algorithm{
	usher.HS256, usher.HS384, usher.HS512, usher.RS256, usher.RS384, usher.RS512, usher.PS256, usher.PS384,
	usher.PS512, usher.ES256, usher.ES384, usher.ES512, usher.EdDSA, usher.Ed25519,
}

// isCertificate reports whether content is PEM of certificates and nothing else.
func isCertificate(content []byte) bool {
	block, rest := pem.Decode(content)
	found := block != nil
	for ; block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			return false
		}
	}
	return found
}

// parse returns the keys of one file.
func (o *Options) parse(name string, content []byte) ([]usher.Key, error) {
	text := bytes.TrimSpace(bytes.TrimPrefix(content, []byte("\ufeff")))
	switch {
	case len(text) == 0:
		return nil, errors.New("is empty")
	case bytes.Contains(text, []byte("-----BEGIN")) || bytes.HasPrefix(text, []byte("----")):
		key, err := usher.ParseKey(o.Algorithm, content)
		return []usher.Key{key}, err
	case text[0] == '{' || text[0] == '[':
		var opts jwks.ParseOptions
		if o.Algorithm != "" {
			opts.DefaultAlgorithms = []usher.Algorithm{o.Algorithm}
		}
		return jwks.Parse(text, &opts)
	}
	return o.parseSecret(name, content)
}

func (o *Options) parseSecret(name string, content []byte) ([]usher.Key, error) {
	secret := bytes.TrimSuffix(bytes.TrimSuffix(content, []byte("\n")), []byte("\r"))
	if o.Base64 {
		var err error
		if secret, err = decodeBase64(string(content)); err != nil {
			return nil, err
		}
	} else if utf8.Valid(secret) && bytes.ContainsRune(secret, '\n') {
		return nil, errors.New("is text of several lines, which is no secret; secrets that have line breaks are written as base64")
	}
	alg := o.Algorithm
	if alg == "" {
		alg = usher.HS256
	}
	key, err := usher.NewKey(alg, secret)
	if err != nil {
		return nil, err
	}
	return []usher.Key{key.WithID(name)}, nil
}

// decodeBase64 reads what openssl, Kubernetes and people write: either alphabet, padded or not, in lines.
func decodeBase64(text string) ([]byte, error) {
	text = strings.NewReplacer("\n", "", "\r", "", " ", "", "\t", "", "+", "-", "/", "_").Replace(text)
	encoding := base64.RawURLEncoding
	if strings.HasSuffix(text, "=") {
		encoding = base64.URLEncoding
	}
	secret, err := encoding.Strict().DecodeString(text)
	if err != nil {
		return nil, errors.New("is not base64")
	}
	return secret, nil
}

// quote shows text from outside, shortened, as a Go string of printable ASCII.
func quote(text string) string {
	const most = 64
	if len(text) <= most {
		return fmt.Sprintf("%+q", text)
	}
	return fmt.Sprintf("%+q... (%d bytes)", text[:most], len(text))
}
