package keyfile

import (
	"bytes"
	"encoding/pem"
	"errors"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/jwks"
)

var algorithms = []usher.Algorithm{
	usher.HS256, usher.HS384, usher.HS512, usher.RS256, usher.RS384, usher.RS512, usher.PS256, usher.PS384,
	usher.PS512, usher.ES256, usher.ES384, usher.ES512, usher.EdDSA, usher.Ed25519,
}

// isCertificate reports whether content is PEM that contains only certificates.
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

// parse returns the keys of one file. If inFolder is false, the file is the path itself.
func (o *Options) parse(name string, content []byte, inFolder bool) ([]usher.Key, error) {
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
	return o.parseSecret(name, content, inFolder)
}
