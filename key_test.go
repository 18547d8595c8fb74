package usher_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/go-usher/usher"
)

func TestDangerouslyShortKeyOnlyVerifies(t *testing.T) {
	secret := []byte("secret")
	key, err := usher.DangerouslyShortKey(usher.HS256, secret)
	if err != nil {
		t.Fatal(err)
	}
	secret[0] = 'S'
	d := newDecoder[usher.Claims](t, key, usher.DecoderOptions{})
	checkDecode(t, d, signToken("HS256", []byte("secret"), goodHeader().String(), goodPayload().String()), nil)
	checkDecode(t, d, signToken("HS256", []byte("Secret"), goodHeader().String(), goodPayload().String()), usher.ErrTokenSignature)
	if _, ok := key.Public(); ok || key.CanSign() || key.WithID("x").CanSign() || key.ID() != "" || key.Algorithm() != usher.HS256 {
		t.Errorf("%v: signs, or has a public half", key)
	}
	_, err = usher.NewEncoder[usher.Claims](key, nil)
	wantConfigError(t, err, "keys")
	if !strings.Contains(err.Error(), "because DangerouslyShortKey made it") {
		t.Errorf("%v; want the reason", err)
	}
	if _, err := usher.NewKeyRing(key); err == nil {
		t.Error("it signs in a ring")
	}
	if _, err := usher.NewKeyRing(hmacKey(t, testSecret, "new"), key); err != nil {
		t.Errorf("it does not verify in a ring: %v", err)
	}
	long, err := usher.DangerouslyShortKey(usher.HS512, testSecret)
	if err != nil || long.CanSign() {
		t.Errorf("of a long secret: %v, %v", long, err)
	}
	for name, test := range map[string]struct {
		alg    usher.Algorithm
		secret string
		field  string
	}{
		"an empty secret":    {usher.HS256, "", "secret"},
		"an RSA algorithm":   {usher.RS256, "secret", "alg"},
		"an EdDSA algorithm": {usher.EdDSA, "secret", "alg"},
		"none":               {"none", "secret", "alg"},
		"no algorithm":       {"", "secret", "alg"},
	} {
		t.Run(name, func(t *testing.T) {
			key, err := usher.DangerouslyShortKey(test.alg, []byte(test.secret))
			if key != (usher.Key{}) {
				t.Error("there is a key")
			}
			wantConfigError(t, err, test.field)
		})
	}
	_, err = usher.DangerouslyShortKey("none", nil)
	if n := len(configErrors(t, err)); n != 2 {
		t.Errorf("%d of 2 mistakes: %v", n, err)
	}
}

func TestNewKeyCopiesItsMaterial(t *testing.T) {
	secret := slices.Clone(testSecret)
	private := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: new(big.Int).Set(rsaKey2048().N), E: rsaKey2048().E},
		D:         new(big.Int).Set(rsaKey2048().D),
	}
	for _, prime := range rsaKey2048().Primes {
		private.Primes = append(private.Primes, new(big.Int).Set(prime))
	}
	public := &rsa.PublicKey{N: new(big.Int).Set(rsaKey2048().N), E: rsaKey2048().E}
	ec := usher.Must(ecdsa.ParseRawPrivateKey(elliptic.P256(), usher.Must(p256Key().Bytes())))
	ecPublic := usher.Must(ecdsa.ParseUncompressedPublicKey(elliptic.P256(), usher.Must(p256Key().PublicKey.Bytes())))
	ed := slices.Clone(ed25519Key())
	edPublic := slices.Clone(ed25519Key().Public().(ed25519.PublicKey))
	keys := []usher.Key{
		usher.Must(usher.NewKey(usher.HS256, secret)),
		usher.Must(usher.NewKey(usher.RS256, private)),
		usher.Must(usher.NewKey(usher.PS256, public)),
		usher.Must(usher.NewKey(usher.ES256, ec)),
		usher.Must(usher.NewKey(usher.ES256, ecPublic)),
		usher.Must(usher.NewKey(usher.EdDSA, ed)),
		usher.Must(usher.NewKey(usher.EdDSA, edPublic)),
	}
	clear(secret)
	for _, n := range []*big.Int{private.N, private.D, private.Primes[0], public.N, ec.D, ec.X, ecPublic.X} {
		n.SetInt64(1)
	}
	private.E, public.E = 3, 3
	clear(ed)
	clear(edPublic)
	for _, key := range keys {
		alg := key.Algorithm()
		header := goodHeader().with("alg", `"`+string(alg)+`"`).String()
		d := newDecoder[usher.Claims](t, key, usher.DecoderOptions{})
		checkDecode(t, d, signToken(string(alg), materialOf(alg), header, goodPayload().String()), nil)
		if !key.CanSign() {
			continue
		}
		token, err := newEncoder[usher.Claims](t, key, usher.EncoderOptions{}).Encode(t.Context(), usher.Claims{Subject: "1"})
		if err != nil {
			t.Errorf("%s: %v", alg, err)
		}
		checkDecode(t, newDecoder[usher.Claims](t, testKey(t, alg), usher.DecoderOptions{}), token, nil)
	}
}

func TestGenerateKeyMakesANewKeyForEveryAlgorithm(t *testing.T) {
	for _, alg := range allAlgorithms {
		a, err := usher.GenerateKey(alg)
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		if a.Algorithm() != alg || !a.CanSign() || (a.ID() == "") != strings.HasPrefix(string(alg), "HS") {
			t.Errorf("%s: %v", alg, a)
		}
		token, err := newEncoder[usher.Claims](t, a, usher.EncoderOptions{}).Encode(t.Context(), usher.Claims{Subject: "1"})
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		checkDecode(t, newDecoder[usher.Claims](t, a, usher.DecoderOptions{}), token, nil)
		b := usher.Must(usher.GenerateKey(alg)).WithID(a.ID())
		checkDecode(t, newDecoder[usher.Claims](t, b, usher.DecoderOptions{}), token, usher.ErrTokenSignature)
	}
	for _, alg := range []usher.Algorithm{"", "none", "RS255", "hs256"} {
		key, err := usher.GenerateKey(alg)
		if key != (usher.Key{}) {
			t.Errorf("%q: there is a key", alg)
		}
		wantConfigError(t, err, "alg", fmt.Sprintf("%q", alg))
	}
}

func TestKeyKnowsItsIDAndItsPublicHalf(t *testing.T) {
	for _, alg := range allAlgorithms {
		key := testKey(t, alg)
		named := key.WithID("name")
		if named.ID() != "name" || named.Algorithm() != alg || !named.CanSign() || key.ID() == "name" {
			t.Errorf("%v: WithID gives %v", key, named)
		}
		if renamed := named.WithID(""); renamed.ID() != "" || named.ID() != "name" {
			t.Errorf("%v: WithID gives %v", named, renamed)
		}
		public, ok := named.Public()
		if ok == strings.HasPrefix(string(alg), "HS") {
			t.Errorf("%s has a public half: %v", alg, ok)
		}
		if !ok {
			if public != (usher.Key{}) {
				t.Errorf("%s: %v without ok", alg, public)
			}
			continue
		}
		if public.CanSign() || public.ID() != "name" || public.Algorithm() != alg || !named.CanSign() {
			t.Errorf("%s: the public half is %v", alg, public)
		}
		again, ok := public.Public()
		if !ok || again.CanSign() || again.ID() != "name" {
			t.Errorf("%s: the public half of %v is %v", alg, public, again)
		}
		if key, err := public.SigningKey(t.Context()); err == nil || key != (usher.Key{}) {
			t.Errorf("%s: the public half signs", alg)
		}
		if whole, half := key.ID(), usher.Must(public.WithID(key.ID()).VerificationKeys(t.Context(), key.ID()))[0].ID(); whole != half {
			t.Errorf("%s: IDs %s and %s", alg, whole, half)
		}
	}
}

func TestPublicKeyReturnsACopy(t *testing.T) {
	type publicKey interface{ Equal(crypto.PublicKey) bool }
	for _, alg := range allAlgorithms {
		t.Run(string(alg), func(t *testing.T) {
			key := testKey(t, alg)
			signer, ok := materialOf(alg).(crypto.Signer)
			if !ok {
				if public := key.PublicKey(); public != nil {
					t.Fatalf("an HMAC secret has the public key %T", public)
				}
				return
			}
			half, _ := key.Public()
			for _, key := range []usher.Key{key, half, key.WithID("x")} {
				public, ok := key.PublicKey().(publicKey)
				if !ok || !public.Equal(signer.Public()) {
					t.Fatalf("%v: PublicKey is %v, want %v", key, public, signer.Public())
				}
				switch public := public.(type) {
				case *rsa.PublicKey:
					public.N.SetInt64(1)
				case *ecdsa.PublicKey:
					public.X.SetInt64(1)
					public.Y.SetInt64(1)
				case ed25519.PublicKey:
					clear(public)
				}
				if again, _ := key.PublicKey().(publicKey); !again.Equal(signer.Public()) {
					t.Errorf("%v: changing what PublicKey returned changed the key", key)
				}
			}
		})
	}
}

func TestZeroKeyDoesNothing(t *testing.T) {
	var zero usher.Key
	if zero.ID() != "" || zero.Algorithm() != "" || zero.CanSign() || zero.PublicKey() != nil || zero.WithID("x") != zero {
		t.Errorf("%v is something", zero)
	}
	if public, ok := zero.Public(); ok || public != zero {
		t.Error("it has a public half")
	}
	if _, err := zero.SigningKey(t.Context()); err == nil {
		t.Error("it signs")
	}
	for _, kid := range []string{"", "x"} {
		keys, err := zero.VerificationKeys(t.Context(), kid)
		if keys != nil {
			t.Errorf("it verifies with %v", keys)
		}
		checkKind(t, err, usher.ErrUnknownKey)
	}
	if text := fmt.Sprintf("%v %+v %#v %s %d", zero, zero, zero, zero, zero); strings.Contains(text, "PANIC") {
		t.Error(text)
	}
}

// However a key, or something that holds one, is printed: its secret isn't.
func TestKeysNeverPrintSecrets(t *testing.T) {
	type holder struct {
		Exported   usher.Key
		unexported usher.Key
		Pointer    *usher.Key
		List       []usher.Key
		Set        usher.Keys
		Map        map[string]usher.Key
		Any        any
		Ring       *usher.KeyRing
		Source     usher.KeySource
		ring       *usher.KeyRing
	}
	for _, alg := range allAlgorithms {
		key := testKey(t, alg).WithID("the-id")
		var secret []byte
		switch material := materialOf(alg).(type) {
		case []byte:
			secret = material
		case *rsa.PrivateKey:
			secret = material.D.Bytes()
		case *ecdsa.PrivateKey:
			secret = usher.Must(material.Bytes())
		case ed25519.PrivateKey:
			secret = material.Seed()
		}
		ring := usher.Must(usher.NewKeyRing(key))
		h := holder{
			Exported: key, unexported: key, Pointer: &key, List: []usher.Key{key}, Set: usher.Keys{key},
			Map: map[string]usher.Key{"a": key}, Any: key, Ring: ring, Source: key, ring: ring,
		}
		encoder := newEncoder[usher.Claims](t, key, usher.EncoderOptions{})
		decoder := newDecoder[usher.Claims](t, ring, usher.DecoderOptions{CacheSize: 4})
		checkDecode(t, decoder, usher.Must(encoder.Encode(t.Context(), usher.Claims{Subject: "1"})), nil)
		var out bytes.Buffer
		things := []any{key, &key, h, &h, ring, ring.Keys(), encoder, decoder, []any{key}}
		if signer, ok := materialOf(alg).(crypto.Signer); ok {
			remote := usher.Must(usher.NewSignerKey(alg, signer))
			things = append(things, remote, holder{unexported: remote, Pointer: &remote, Source: remote}, usher.Must(usher.NewKeyRing(remote)))
		}
		for _, thing := range things {
			for _, verb := range "vsdxXqTtbcoOUeEfFgGpw" {
				for _, flag := range []string{"", "+", "#", " ", "0", "-9", "+#", "200.100"} {
					fmt.Fprintf(&out, "%"+flag+string(verb)+"\n", thing)
				}
			}
			fmt.Fprint(&out, thing)
			fmt.Fprintln(&out, thing)
			for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
				slog.New(handler).With("with", thing).Info("message", "thing", thing, slog.Group("group", "thing", thing))
			}
			if text, err := json.Marshal(thing); err == nil {
				out.Write(text)
			}
			if text, err := json.MarshalIndent(map[string]any{"k": thing}, "", " "); err == nil {
				out.Write(text)
			}
		}
		hasNoSecret(t, out.String(), secret)
	}
}

// hasNoSecret fails if text holds a part of secret in any usual form.
func hasNoSecret(tb testing.TB, text string, secret []byte) {
	tb.Helper()
	part := secret[3:15] // and so not what a prefix that is cut short shows
	decimals := strings.Trim(fmt.Sprint(part), "[]")
	for _, form := range []string{
		string(part), decimals, strings.ReplaceAll(decimals, " ", ","), strings.ReplaceAll(decimals, " ", ", "),
		hex.EncodeToString(part), strings.ToUpper(hex.EncodeToString(part)), fmt.Sprintf("% x", part),
		strings.Trim(fmt.Sprintf("%#v", part), "[]byte{}"), strings.Trim(fmt.Sprintf("%o", part), "[]"),
		base64.StdEncoding.EncodeToString(part), base64.RawURLEncoding.EncodeToString(part),
		new(big.Int).SetBytes(secret).String(), new(big.Int).SetBytes(secret).Text(16), new(big.Int).SetBytes(secret).Text(8),
	} {
		if strings.Contains(text, form) {
			at := strings.Index(text, form)
			tb.Fatalf("shows %q: %q", form, text[max(0, at-100):at+50])
		}
	}
}

func TestKeysPrintAlgorithmAndID(t *testing.T) {
	key := hmacKey(t, testSecret, "the-id")
	want := key.String()
	if !strings.Contains(want, "HS256") || !strings.Contains(want, "the-id") {
		t.Error(want)
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if got := fmt.Sprintf(format, key); got != want {
			t.Errorf("%s: %s, want %s", format, got, want)
		}
	}
	if got := key.LogValue().String(); got != want || key.GoString() != want {
		t.Errorf("LogValue %s, GoString %s, want %s", got, key.GoString(), want)
	}
	odd := key.WithID("new\nline \x1b[31m" + strings.Repeat("x", 1000)).String()
	if strings.ContainsAny(odd, "\n\x1b") || len(odd) > 200 {
		t.Errorf("%q", odd)
	}
	if text := hmacKey(t, testSecret, "").String(); !strings.Contains(text, "HS256") {
		t.Error(text)
	}
}

// An error about material says what is wrong with it, and not what it is.
func TestKeyErrorsNeverPrintMaterial(t *testing.T) {
	secret := []byte("short private secret")
	for _, alg := range append([]usher.Algorithm{"none"}, allAlgorithms...) {
		_, err := usher.NewKey(alg, secret)
		hasNoSecret(t, err.Error(), secret)
		_, err = usher.ParseKey(alg, secret)
		hasNoSecret(t, err.Error(), secret)
		jwk := `{"kty":"oct","k":"` + string(secret) + `"}`
		_, err = usher.NewKey(alg, []byte(jwk))
		hasNoSecret(t, err.Error(), secret)
	}
}
