package jwks_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/jwks"
)

func TestMarshalWritesPublicHalvesThatParseReads(t *testing.T) {
	var keys usher.Keys
	for _, alg := range []usher.Algorithm{
		usher.RS256, usher.RS384, usher.RS512, usher.PS256, usher.PS384, usher.PS512, usher.ES256, usher.ES384, usher.ES512, usher.EdDSA,
	} {
		switch alg[:2] {
		case "RS", "PS":
			keys = append(keys, usher.Must(usher.NewKey(alg, rsaKey())))
		default:
			keys = append(keys, usher.Must(usher.GenerateKey(alg)))
		}
	}
	keys = append(keys, keys[6].WithID("named"), keys[7].WithID(""))
	text := marshal(t, keys...)
	read, err := jwks.Parse(text, nil)
	if err != nil || len(read) != len(keys) {
		t.Fatalf("%v, %v", read, err)
	}
	for i, key := range read {
		if key.Algorithm() != keys[i].Algorithm() || key.ID() != keys[i].ID() || key.CanSign() {
			t.Errorf("%v became %v", keys[i], key)
		}
		token := usher.Must(usher.Must(usher.NewEncoder[usher.Claims](keys[i], nil)).Encode(t.Context(), usher.Claims{Subject: "ada"}))
		if _, err := usher.Must(usher.NewDecoder[usher.Claims](key, nil)).Decode(t.Context(), token); err != nil {
			t.Errorf("%v: %v", key, err)
		}
	}
	if again := marshal(t, read...); !bytes.Equal(again, text) {
		t.Errorf("%s became %s", text, again)
	}
	for _, private := range []string{`"d"`, `"p"`, `"q"`, `"k"`} {
		if bytes.Contains(text, []byte(private+":")) {
			t.Errorf("the set has %s: %s", private, text)
		}
	}
}

// The key of RFC 8037 A.2, whose thumbprint A.3 prints.
func TestMarshalWritesTheKeyOfRFC8037(t *testing.T) {
	x := usher.Must(base64.RawURLEncoding.DecodeString("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"))
	key := usher.Must(usher.NewKey(usher.EdDSA, ed25519.PublicKey(x)))
	const want = `{"keys":[{"kty":"OKP","use":"sig","alg":"EdDSA","kid":"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",` +
		`"crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`
	if got := string(marshal(t, key)); got != want {
		t.Errorf("%s instead of %s", got, want)
	}
}

func TestMarshalRefusesSecretsAndAmbiguousKeys(t *testing.T) {
	secret := usher.Must(usher.NewKey(usher.HS256, []byte(strings.Repeat("secret ", 5))))
	a, b := newKey(t, usher.ES256, "a"), newKey(t, usher.ES256, "a")
	set, err := jwks.Marshal(secret, usher.Key{}, a, b)
	wantConfigErrors(t, err, "keys[0]", "keys[1]", "keys[3]")
	if text := err.Error(); !strings.Contains(text, "is a secret for HS256") || !strings.Contains(text, "is the zero Key") {
		t.Error(err)
	}
	if set != nil || strings.Contains(err.Error(), "secret secret") {
		t.Errorf("%s, %v", set, err)
	}
	public, _ := a.Public()
	if got, want := marshal(t, a, public, a), marshal(t, a); !bytes.Equal(got, want) {
		t.Errorf("a key that occurs three times is %s", got)
	}
	if got := string(marshal(t)); got != `{"keys":[]}` {
		t.Errorf("no keys are %s", got)
	}
}
