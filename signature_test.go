package usher_test

import (
	"testing"

	"github.com/go-usher/usher"
)

// Ed25519 and EdDSA are two names of one algorithm (RFC 9864 §2.2).
func TestEitherNameOfEd25519VerifiesBoth(t *testing.T) {
	names := []usher.Algorithm{usher.Ed25519, usher.EdDSA}
	for _, signs := range names {
		token := usher.Must(tokEncoder[usher.Claims](t, tokKey(t, signs), usher.EncoderOptions{}).Encode(t.Context(), usher.Claims{Subject: "42"}))
		header, _ := tokOpen(t, token)
		if got := tokMembers(t, header)["alg"]; got != string(signs) {
			t.Errorf("a key for %s writes alg %v", signs, got)
		}
		for _, verifies := range names {
			key := tokKey(t, verifies)
			for _, cacheSize := range []int{0, 4} {
				d := tokDecoder[usher.Claims](t, usher.Keys{tokKey(t, usher.ES256), key}, usher.DecoderOptions{CacheSize: cacheSize})
				for range 2 {
					tokCheckDecode(t, d, token, nil)
				}
			}
			other := usher.Must(usher.GenerateKey(verifies)).WithID(key.ID())
			tokCheckDecode(t, tokDecoder[usher.Claims](t, other, usher.DecoderOptions{}), token, usher.ErrTokenSignature)
		}
		if a, b := tokKey(t, names[0]).ID(), tokKey(t, names[1]).ID(); a != b {
			t.Errorf("one key has the IDs %s and %s", a, b)
		}
	}
}
