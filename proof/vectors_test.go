package proof_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-usher/usher"
)

// The keys and tokens that the documents print.
const (
	rfc7515Payload = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
	rfc7515Secret  = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"
	rfc7520KeyID   = "bilbo.baggins@hobbiton.example"
	ed25519Public  = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
	rfc7515RSA     = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1" +
		"W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQ" +
		"Y4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"
	rfc7515RS256 = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcA" +
		"cQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHW" +
		"EsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
	rfc7638RSA = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn6" +
		"4tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n9" +
		"1CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
	rfc7520RSA = "n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYO" +
		"YL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8" +
		"lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw"
	rfc7520Payload = "SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kIGlmIH" +
		"lvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4"
	rfc7520RS256 = "MRjdkly7_-oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQx996ivp83xuglII7PNDi84wnB-BDkoBwA78185h" +
		"X-Es4JIwmDLJK3lfWRa-XtL0RnltuYv746iYTh_qHRD68BNt1uSNCrUCTJDt5aAE6x8wW1Kt9eRo4QPocSadnHXFxnt8Is9UzpERV0ePPQdLuW3IS_de3x" +
		"yIrDaLGdjluPxUAhb6L2aXic1U12podGU0KLUQSE_oI-ZnmKJ3F4uOZDnd6QZWJushZ41Axf_fcIe8u9ipH84ogoree7vjbU5y18kDquDg"
	rfc7520PS384 = "cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHCdP6O8TTB5dDDItllVo6_1OLPpcbUrhiUS" +
		"MxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqiVJRmBqrYRXe8P_ijQ7p8Vdz0TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2M" +
		"lp8cBE5awDzT0qI0n6uiP1aCN_2_jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJUAfmWjwZ6oD4ifKo8DYM-X72Eaw"
	rfc7520ES512 = "AE_R_YZCChjn4791jSQCrdPZCNYqHXCTZH0-JZGYNlaAjP2kqaluUIIUnC9qvbu9Plon7KRTzoNEuT4Va2cmL1eJAQy3mtPBu_u_sDDyYjnAMDxXPn7XrT" +
		"0lw-kvAD890jl8e2puQens_IEKBpHABlsbEPX6sFY8OcGDqoRuBomu9xQ2"
)

// exampleClaims are the claims of the examples in RFC 7515 and RFC 7519.
type exampleClaims struct {
	usher.Claims
	IsRoot bool `json:"http://example.com/is_root"`
}

type vector struct {
	name  string
	key   usher.Key
	token string
	// isClaims says that the payload is a claims set, else it is a text that only serves as one to sign.
	isClaims bool
}

func vectors(t *testing.T) []vector {
	t.Helper()
	curve := func(alg usher.Algorithm, curve elliptic.Curve, x, y string) usher.Key {
		t.Helper()
		point := slices.Concat([]byte{4}, bytesOf(t, x), bytesOf(t, y))
		public, err := ecdsa.ParseUncompressedPublicKey(curve, point)
		if err != nil {
			t.Fatal(err)
		}
		return usher.Must(usher.NewKey(alg, public))
	}
	modulus := func(alg usher.Algorithm, n string) usher.Key {
		t.Helper()
		return usher.Must(usher.NewKey(alg, &rsa.PublicKey{N: new(big.Int).SetBytes(bytesOf(t, n)), E: 65537}))
	}
	secret := func(k string) usher.Key {
		t.Helper()
		return usher.Must(usher.NewKey(usher.HS256, bytesOf(t, k)))
	}
	return []vector{
		{
			"RFC 7515 A.1, RFC 7519 §3.1: HS256", secret(rfc7515Secret),
			"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." + rfc7515Payload + ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", true,
		},
		{"RFC 7515 A.2: RS256", modulus(usher.RS256, rfc7515RSA), "eyJhbGciOiJSUzI1NiJ9." + rfc7515Payload + "." + rfc7515RS256, true},
		{
			"RFC 7515 A.3: ES256",
			curve(usher.ES256, elliptic.P256(), "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"),
			"eyJhbGciOiJFUzI1NiJ9." + rfc7515Payload + ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q", true,
		},
		{
			"RFC 7515 A.4: ES512",
			curve(usher.ES512, elliptic.P521(), "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
				"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"),
			"eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7Xdt" +
				"AG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn", false,
		},
		{
			"RFC 7520 §4.1: RS256", modulus(usher.RS256, rfc7520RSA).WithID(rfc7520KeyID),
			"eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9." + rfc7520Payload + "." + rfc7520RS256, false,
		},
		{
			"RFC 7520 §4.2: PS384", modulus(usher.PS384, rfc7520RSA).WithID(rfc7520KeyID),
			"eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9." + rfc7520Payload + "." + rfc7520PS384, false,
		},
		{
			"RFC 7520 §4.3: ES512",
			curve(usher.ES512, elliptic.P521(), "AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt",
				"AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1").WithID(rfc7520KeyID),
			"eyJhbGciOiJFUzUxMiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9." + rfc7520Payload + "." + rfc7520ES512, false,
		},
		{
			"RFC 7520 §4.4: HS256", secret("hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg").WithID("018c0ae5-4d9b-471b-bfd6-eef314bc7037"),
			"eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2LWVlZjMxNGJjNzAzNyJ9." + rfc7520Payload + ".s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0", false,
		},
		{
			"RFC 8037 A.4: EdDSA", usher.Must(usher.NewKey(usher.EdDSA, ed25519.PublicKey(bytesOf(t, ed25519Public)))),
			"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc." +
				"hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg", false,
		},
	}
}

func bytesOf(t *testing.T, segment string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(segment)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func at(seconds int64) func() time.Time { return func() time.Time { return time.Unix(seconds, 0) } }

func TestPublishedTokensGetTheirVerdicts(t *testing.T) {
	const expiry = 1300819380
	for _, v := range vectors(t) {
		t.Run(v.name, func(t *testing.T) {
			before := usher.Must(usher.NewDecoder[exampleClaims](v.key, &usher.DecoderOptions{AllowNoSubject: true, Now: at(expiry - 1)}))
			claims, err := before.Decode(t.Context(), v.token)
			if v.isClaims {
				if err != nil {
					t.Fatal(err)
				}
				if claims.Issuer != "joe" || claims.ExpiresAt.Unix() != expiry || !claims.IsRoot {
					t.Errorf("the claims are %+v", claims)
				}
			} else if !errors.Is(err, usher.ErrTokenMalformed) {
				// Whether a payload is claims is only asked once the signature is right.
				t.Errorf("the signed text is no claims set, but the error is %v", err)
			}
			for i := strings.LastIndexByte(v.token, '.') + 1; i < len(v.token)-1; i += 7 {
				forged := []byte(v.token)
				forged[i] ^= 1 // another letter, digit, or underscore …
				if !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", rune(forged[i])) {
					continue
				}
				if _, err := before.Decode(t.Context(), string(forged)); !errors.Is(err, usher.ErrTokenSignature) {
					t.Fatalf("with character %d changed: %v", i, err)
				}
			}
			if !v.isClaims {
				return
			}
			after := usher.Must(usher.NewDecoder[exampleClaims](v.key, &usher.DecoderOptions{AllowNoSubject: true, Now: at(expiry)}))
			if _, err := after.Decode(t.Context(), v.token); !errors.Is(err, usher.ErrTokenExpired) {
				t.Errorf("at exp: %v", err)
			}
			strict := usher.Must(usher.NewDecoder[exampleClaims](v.key, &usher.DecoderOptions{Now: at(expiry - 1)}))
			if _, err := strict.Decode(t.Context(), v.token); !errors.Is(err, usher.ErrTokenClaims) {
				t.Errorf("without sub: %v", err)
			}
		})
	}
}

// RFC 7515 A.5 and RFC 7519 §6.1 print the same token, which nobody has signed.
func TestTheUnsecuredTokenIsRefusedByEveryKey(t *testing.T) {
	for _, v := range vectors(t) {
		d := usher.Must(usher.NewDecoder[exampleClaims](v.key, &usher.DecoderOptions{AllowNoSubject: true, Now: at(0)}))
		if _, err := d.Decode(t.Context(), "eyJhbGciOiJub25lIn0."+rfc7515Payload+"."); !errors.Is(err, usher.ErrTokenMalformed) {
			t.Errorf("%s: %v", v.name, err)
		}
		if _, err := d.Decode(t.Context(), "eyJhbGciOiJub25lIn0."+rfc7515Payload+".AAAA"); !errors.Is(err, usher.ErrTokenSignature) {
			t.Errorf("%s, with a signature: %v", v.name, err)
		}
	}
}

func TestThumbprintsAreThePublishedOnes(t *testing.T) {
	rsaKey := &rsa.PublicKey{N: new(big.Int).SetBytes(bytesOf(t, rfc7638RSA)), E: 65537}
	for _, c := range []struct {
		name string
		key  usher.Key
		want string
	}{
		{"RFC 7638 §3.1", usher.Must(usher.NewKey(usher.RS256, rsaKey)), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"},
		{"RFC 8037 A.3", usher.Must(usher.NewKey(usher.EdDSA, ed25519.PublicKey(bytesOf(t, ed25519Public)))), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"},
		{
			"RFC 8037 A.1, of the private key",
			usher.Must(usher.NewKey(usher.EdDSA, ed25519.NewKeyFromSeed(bytesOf(t, "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")))),
			"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
		},
	} {
		if got := c.key.ID(); got != c.want {
			t.Errorf("%s: %s instead of %s", c.name, got, c.want)
		}
	}
}
