package proof_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/proof/attack"
	"github.com/go-usher/usher/proof/peer"
)

// fuzzSecret is fixed: the fuzzer's workers are processes of their own, and have to agree.
var fuzzSecret = []byte("a secret that only the fuzzer's workers know")

// fuzzHouse is where the fuzzer knocks.
func fuzzHouse() *attack.House {
	key := usher.Must(usher.NewKey(usher.HS256, fuzzSecret)).WithID("k1")
	return &attack.House{
		Name: "the fuzzer's house", Keys: usher.Keys{key}, Options: usher.DecoderOptions{Now: attack.Now},
		Material: map[usher.Algorithm]any{usher.HS256: fuzzSecret},
	}
}

func encode(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// sealed signs two segments as they are.
func sealed(header, payload string) string {
	mac := hmac.New(sha256.New, fuzzSecret)
	mac.Write([]byte(header + "." + payload))
	return header + "." + payload + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// The oracle says what the verdict on a well-signed token has to be. It is written apart from usher, on the standard
// library and a strict JSON reader, slow and plain.

// verdictOnHeader returns the error that a header deserves before its key is used, and its typ.
func verdictOnHeader(header string) (typ *string, err error) {
	members, ok := objectOf(header)
	if !ok {
		return nil, usher.ErrTokenMalformed
	}
	if _, critical := members["crit"]; critical {
		return nil, usher.ErrTokenMalformed
	}
	kid, hasKid := members["kid"]
	name, isText := textOf(kid)
	if hasKid && (!isText || len(name) > 256) {
		return nil, usher.ErrTokenMalformed
	}
	hasKid = hasKid && name != "" // an empty one is none
	alg, _ := textOf(members["alg"])
	switch {
	case !slices.Contains([]string{
		"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519",
	}, alg):
		return nil, usher.ErrTokenSignature
	case alg != "HS256" || hasKid && name != "k1":
		return nil, usher.ErrUnknownKey
	}
	if value, hasType := members["typ"]; hasType {
		text, _ := textOf(value)
		typ = &text
	}
	return typ, nil
}

// verdictOnPayload returns the error that a payload deserves once its signature is right.
func verdictOnPayload(payload string, typ *string) (peer.Claims, error) {
	c := peer.Claims{Expiry: -1, Begin: -1, Made: -1}
	members, ok := objectOf(payload)
	if !ok {
		return c, usher.ErrTokenMalformed
	}
	fault := false
	text := func(name string, target *string) {
		if value, has := members[name]; has {
			var ok bool
			*target, ok = textOf(value)
			fault = fault || !ok
		}
	}
	var sid, scope string
	text("iss", &c.Issuer)
	text("sub", &c.Subject)
	text("jti", &c.ID)
	text("sid", &sid)
	text("scope", &scope)
	if aud, has := members["aud"]; has {
		c.Audience, ok = audienceOf(aud)
		fault = fault || !ok
	}
	dates := map[string]*time.Time{}
	for _, name := range []string{"exp", "nbf", "iat", "auth_time"} {
		if value, has := members[name]; has {
			date, ok := dateOf(value)
			fault = fault || !ok
			dates[name] = &date
		}
	}
	var own struct {
		Role  string
		Level int64
		Teams []string
	}
	for name, target := range map[string]any{"role": &own.Role, "level": &own.Level, "teams": &own.Teams} {
		if value, has := members[name]; has {
			fault = fault || json.Unmarshal(value, target) != nil
		}
	}
	if fault {
		return c, usher.ErrTokenClaims
	}
	c.Role, c.Level, c.Teams = own.Role, own.Level, own.Teams
	for name, target := range map[string]*int64{"exp": &c.Expiry, "nbf": &c.Begin, "iat": &c.Made} {
		if dates[name] != nil {
			*target = dates[name].Unix()
		}
	}
	now := attack.Now()
	switch {
	case dates["exp"] == nil:
		return c, usher.ErrTokenClaims
	case !dates["exp"].After(now):
		return c, usher.ErrTokenExpired
	case dates["nbf"] != nil && dates["nbf"].After(now):
		return c, usher.ErrTokenNotYetValid
	case len(c.Audience) > 0:
		return c, usher.ErrTokenAudience
	case typ != nil && !slices.Contains([]string{"jwt", "at+jwt", "application/jwt", "application/at+jwt"}, lower(*typ)):
		return c, usher.ErrTokenType
	case c.Subject == "", c.Role == "barred":
		return c, usher.ErrTokenClaims
	}
	return c, nil
}

// lower changes ASCII letters alone.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, s)
}

func objectOf(text string) (map[string]jsontext.Value, bool) {
	value := jsontext.Value(text)
	if !value.IsValid() || value.Kind() != '{' {
		return nil, false
	}
	members := map[string]jsontext.Value{}
	return members, json.Unmarshal([]byte(text), &members) == nil
}

func textOf(v jsontext.Value) (s string, ok bool) {
	ok = v.Kind() == '"' && json.Unmarshal(v, &s) == nil
	return s, ok
}

func audienceOf(v jsontext.Value) ([]string, bool) {
	if one, ok := textOf(v); ok {
		return []string{one}, true
	}
	var values []jsontext.Value
	if v.Kind() != '[' || json.Unmarshal(v, &values) != nil {
		return nil, false
	}
	var list []string
	for _, value := range values {
		one, ok := textOf(value)
		if !ok {
			return nil, false
		}
		list = append(list, one)
	}
	return list, true
}

// dateOf reads a number of seconds exactly, and drops what is less than a nanosecond.
func dateOf(v jsontext.Value) (time.Time, bool) {
	number := string(v)
	if v.Kind() != '0' || number[0] == '-' {
		return time.Time{}, false
	}
	if i := strings.IndexAny(number, "eE"); i >= 0 {
		const far = 10_000 // more digits than a token has; a Rat of 10⁹⁹⁹⁹⁹ takes its time
		switch exponent, _ := strconv.Atoi(number[i+1:]); {
		case strings.Trim(number[:i], "0.") == "" || exponent < -far:
			return time.Unix(0, 0), true
		case exponent > far:
			return time.Time{}, false
		}
	}
	seconds, ok := new(big.Rat).SetString(number)
	if !ok || seconds.Cmp(big.NewRat(253402300799, 1)) > 0 {
		return time.Time{}, false
	}
	nanos := new(big.Int).Mul(seconds.Num(), big.NewInt(1e9))
	nanos.Quo(nanos, seconds.Denom())
	whole, rest := new(big.Int).QuoRem(nanos, big.NewInt(1e9), new(big.Int))
	return time.Unix(whole.Int64(), rest.Int64()), true
}
