package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// The probes, by the names that the table of checks has for them. The first seven are what every contender
// is set up to refuse; the others are what the RFCs ask for beyond that.
const (
	probeForged    = "forged"
	probeAlg       = "other `alg`"
	probeNone      = "`alg: none`"
	probeExpired   = "expired"
	probeEarly     = "`nbf` ahead"
	probeIssuer    = "other `iss`"
	probeAudience  = "other `aud`"
	probeNoExpiry  = "no `exp`"
	probeCrit      = "unknown `crit`"
	probeDuplicate = "`exp` twice"
	probeFolded    = "`EXP` beside `exp`"
	probeSpare     = "spare bits in base64"
)

// basicProbes are the first seven.
var basicProbes = [...]string{probeForged, probeAlg, probeNone, probeExpired, probeEarly, probeIssuer, probeAudience}

// probe is a token that a contender should refuse.
type probe struct {
	name  string
	token string
}

// probes returns a good token for contenders of this setup, and bad ones that differ from it in the one thing
// that their name says.
func (s setup) probes() (good string, bad []probe, err error) {
	past, future := s.born.Add(-time.Hour).Unix(), s.born.Add(24*time.Hour).Unix()
	rest := fmt.Sprintf(`"iss":%q,"sub":"user-00000","aud":%q,"iat":%d,"jti":"probe","tenant":"tenant-0","roles":["reader"]`,
		issuer, audience, s.born.Unix())
	claims := fmt.Sprintf(`{"exp":%d,%s}`, future, rest)

	var failed []error
	add := func(name, token string, err error) {
		bad = append(bad, probe{name, token})
		failed = append(failed, err)
	}
	mint := func(name, header, payload string) {
		token, failure := s.keys.mint(s.alg, header, []byte(payload))
		add(name, token, failure)
	}

	good, err = s.keys.mint(s.alg, s.header(), []byte(claims))
	failed = append(failed, err)
	forged, err := s.forge([]string{good})
	add(probeForged, strings.Join(forged, ""), err)
	confused, err := s.otherAlg(claims)
	add(probeAlg, confused, err)
	unsigned, err := s.keys.mint("none", `{"alg":"none","typ":"JWT"}`, []byte(claims))
	add(probeNone, unsigned, err)
	mint(probeExpired, s.header(), fmt.Sprintf(`{"exp":%d,%s}`, past, rest))
	mint(probeEarly, s.header(), fmt.Sprintf(`{"exp":%d,"nbf":%d,%s}`, future, s.born.Add(time.Hour).Unix(), rest))
	mint(probeIssuer, s.header(), strings.Replace(claims, issuer, "https://other.example.com", 1))
	mint(probeAudience, s.header(), strings.Replace(claims, audience, "https://other.example.com", 1))

	mint(probeNoExpiry, s.header(), "{"+rest+"}")
	mint(probeCrit, `{"alg":"`+s.alg+`","typ":"JWT","crit":["x"],"x":1}`, claims)
	mint(probeDuplicate, s.header(), fmt.Sprintf(`{"exp":%d,%s,"exp":%d}`, past, rest, future))
	mint(probeFolded, s.header(), fmt.Sprintf(`{"exp":%d,%s,"EXP":%d}`, past, rest, future))
	add(probeSpare, spareBits(good), nil)
	return good, bad, errors.Join(failed...)
}

// otherAlg is a token that fits the key, but under an algorithm that nobody asked for. For ECDSA and Ed25519
// it is the classic: an HMAC whose secret is the public key.
func (s setup) otherAlg(payload string) (string, error) {
	switch s.alg {
	case "HS256":
		return s.keys.mint("HS512", `{"alg":"HS512","typ":"JWT"}`, []byte(payload))
	case "RS256":
		return s.keys.mint("PS256", `{"alg":"PS256","typ":"JWT"}`, []byte(payload))
	}
	public, err := x509.MarshalPKIXPublicKey(s.verifyKey())
	if err != nil {
		return "", err
	}
	return (&keys{secret: public}).mint("HS256", `{"alg":"HS256","typ":"JWT"}`, []byte(payload))
}

// spareBits spells the signature with other bits where base64 has bits to spare; it decodes to the same bytes
// for whoever doesn't look.
func spareBits(token string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := len(token) - 1
	return token[:last] + string(alphabet[strings.IndexByte(alphabet, token[last])|1])
}

// verdict is what a contender's middleware did with one probe.
type verdict struct {
	Contender string `json:"contender"`
	Probe     string `json:"probe"`
	Refused   bool   `json:"refused"`
	Status    int    `json:"status"`
}

// check sends the good token and all probes through the contender's middleware.
func (c *contender) check(s setup) ([]verdict, error) {
	reached := false
	handler, err := c.middleware(s, greeter{saw: func(string, string) { reached = true }})
	if err != nil {
		return nil, fmt.Errorf("%s, %s: %w", c.name, s.alg, err)
	}
	send := func(token string) int {
		reached = false
		w := newResponse()
		handler.ServeHTTP(w, newRequest(token))
		return w.status
	}
	good, bad, err := s.probes()
	if err != nil {
		return nil, err
	}
	if status := send(good); !reached || status != http.StatusNoContent {
		return nil, fmt.Errorf("%s, %s: answered a good token with %d", c.name, s.alg, status)
	}
	verdicts := make([]verdict, len(bad))
	for i, p := range bad {
		status := send(p.token)
		verdicts[i] = verdict{c.name, p.name, !reached, status}
	}
	return verdicts, nil
}
