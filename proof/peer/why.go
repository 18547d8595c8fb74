package peer

import (
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/golang-jwt/jwt/v5"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/proof/attack"
)

// Reason is a class of tokens that usher refuses and others need not.
type Reason string

// Why usher is stricter than other libraries may be.
const (
	TooLarge      Reason = "larger than usher's limit"
	NotCanonical  Reason = "base64url that is not canonical"
	NotCompact    Reason = "not in the compact serialization, or empty segments"
	HeaderJSON    Reason = "a header that is not one JSON object with unique names in UTF-8"
	Critical      Reason = "a crit header"
	KeyID         Reason = "a kid that is no name, or not the key's"
	AnySalt       Reason = "PSS with a salt of another length"
	KindOfToken   Reason = "a typ of another kind of token"
	PayloadJSON   Reason = "a payload that is not one JSON object with unique names in UTF-8"
	ClaimType     Reason = "a registered claim of the wrong type, null included"
	DateRange     Reason = "a date outside of 1970 to 9999"
	NoSubject     Reason = "no subject"
	ForeignAud    Reason = "an audience that nobody asked for"
	PrivateType   Reason = "a private claim of the wrong type"
	OwnValidation Reason = "the claims type's own Validate"
	ExactInstant  Reason = "exp or nbf within the second that it is now"
	Age           Reason = "iat and MaxAge"
	HouseOption   Reason = "an option that only usher has"
)

// Reasons returns why usher may refuse a token that other libraries accept at this house. It is written apart from
// usher, on the standard library and a strict JSON reader, so that no fault of usher's can excuse itself.
func Reasons(token string, h *attack.House) []Reason {
	var why []Reason
	note := func(reason Reason, so bool) {
		if so && !slices.Contains(why, reason) {
			why = append(why, reason)
		}
	}
	size := h.Options.MaxSize
	if size == 0 {
		size = 8 << 10
	}
	note(TooLarge, len(token) > size)
	note(Age, h.Options.MaxAge != 0)
	note(HouseOption, h.Options.Type != "" || h.Material == nil)

	segments := strings.Split(token, ".")
	if len(segments) != 3 || slices.Contains(segments, "") {
		return append(why, NotCompact)
	}
	var texts [3][]byte
	for i, segment := range segments {
		var err error
		texts[i], err = base64.RawURLEncoding.DecodeString(segment)
		note(NotCanonical, err != nil || base64.RawURLEncoding.EncodeToString(texts[i]) != segment)
		if err != nil {
			texts[i], _ = base64.RawURLEncoding.DecodeString(strings.TrimRight(segment, "="))
		}
	}
	header, ok := object(texts[0])
	note(HeaderJSON, !ok)
	if ok {
		why = headerReasons(why, header, h, segments, texts[2])
	}
	payload, ok := object(texts[1])
	note(PayloadJSON, !ok)
	if ok {
		why = claimReasons(why, payload, h)
	}
	return why
}

// object returns the members of a JSON object, and false for all else.
func object(data []byte) (map[string]jsontext.Value, bool) {
	value := jsontext.Value(data)
	if value.Kind() != '{' || !value.IsValid() {
		return nil, false
	}
	members := map[string]jsontext.Value{}
	return members, json.Unmarshal(data, &members) == nil
}

func isText(v jsontext.Value) (string, bool) {
	var s string
	err := json.Unmarshal(v, &s)
	return s, err == nil && v.Kind() == '"'
}

func headerReasons(why []Reason, header map[string]jsontext.Value, h *attack.House, segments []string, signature []byte) []Reason {
	if header["crit"] != nil {
		why = append(why, Critical)
	}
	alg, _ := isText(header["alg"])
	if header["kid"] != nil {
		kid, ok := isText(header["kid"])
		known := slices.ContainsFunc(h.Keys, func(key usher.Key) bool { return key.ID() == kid && string(key.Algorithm()) == alg })
		if !ok || kid == "" || len(kid) > 256 || !known {
			why = append(why, KeyID)
		}
	}
	if header["typ"] != nil {
		typ, ok := isText(header["typ"])
		typ = strings.ToLower(typ)
		if len(typ) > len("application/") {
			typ = strings.TrimPrefix(typ, "application/")
		}
		if !ok || typ != "jwt" && typ != "at+jwt" {
			why = append(why, KindOfToken)
		}
	}
	if key, ok := h.Material[usher.Algorithm(alg)].(*rsa.PublicKey); ok && strings.HasPrefix(alg, "PS") {
		method, ok := jwt.GetSigningMethod(alg).(*jwt.SigningMethodRSAPSS)
		if ok {
			hash := method.Hash.New()
			hash.Write([]byte(segments[0] + "." + segments[1]))
			exact := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
			if rsa.VerifyPSS(key, method.Hash, hash.Sum(nil), signature, exact) != nil {
				why = append(why, AnySalt)
			}
		}
	}
	return why
}

func claimReasons(why []Reason, payload map[string]jsontext.Value, h *attack.House) []Reason {
	note := func(reason Reason, so bool) {
		if so && !slices.Contains(why, reason) {
			why = append(why, reason)
		}
	}
	for _, name := range []string{"iss", "sub", "jti", "sid", "scope"} {
		_, ok := isText(payload[name])
		note(ClaimType, payload[name] != nil && !ok)
	}
	sub, _ := isText(payload["sub"])
	note(NoSubject, sub == "")
	if aud := payload["aud"]; aud != nil {
		var list []*string
		_, isOne := isText(aud)
		isList := aud.Kind() == '[' && json.Unmarshal(aud, &list) == nil && !slices.Contains(list, nil)
		note(ClaimType, !isOne && !isList)
		note(ForeignAud, len(h.Options.Audience) == 0 && (isOne || len(list) > 0))
	}
	now := new(big.Rat).SetInt64(attack.Now().Unix())
	second := big.NewRat(1, 1)
	for _, name := range []string{"exp", "nbf", "iat", "auth_time"} {
		value := payload[name]
		if value == nil {
			continue
		}
		if value.Kind() != '0' {
			note(ClaimType, true)
			continue
		}
		if len(value) > 300 { // a Rat of a million digits takes its time
			note(DateRange, true)
			continue
		}
		var date *big.Rat
		ok := false
		if i := strings.IndexAny(string(value), "eE"); i < 0 || len(value)-i <= 4 { // a Rat of 10⁹⁹⁹⁹⁹ takes its time
			date, ok = new(big.Rat).SetString(string(value))
		}
		if !ok || date.Sign() < 0 || value[0] == '-' || date.Cmp(big.NewRat(253402300799, 1)) > 0 {
			note(DateRange, true)
			continue
		}
		for _, leeway := range []int64{0, int64(h.Options.Leeway.Seconds()), -int64(h.Options.Leeway.Seconds())} {
			distance := new(big.Rat).Sub(date, now)
			distance.Sub(distance, new(big.Rat).SetInt64(leeway))
			note(ExactInstant, (name == "exp" || name == "nbf") && distance.Abs(distance).Cmp(second) <= 0)
		}
	}
	var own struct {
		Role  string
		Level int
		Teams []string
	}
	for name, target := range map[string]any{"role": &own.Role, "level": &own.Level, "teams": &own.Teams} {
		note(PrivateType, payload[name] != nil && json.Unmarshal(payload[name], target) != nil)
	}
	note(OwnValidation, own.Role == "barred")
	return why
}
