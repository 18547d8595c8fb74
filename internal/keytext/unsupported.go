package keytext

import (
	"cmp"
	"crypto/x509/pkix"
	"encoding/asn1"
)

// whyNotKey returns the reason why a key in DER could not be parsed.
func whyNotKey(der []byte) string {
	oid, curve := algorithmOf(der)
	if oid == nil {
		return "is not a key"
	}
	if reason := unsupported(oid.String()); reason != "" {
		return reason
	}
	if oid.String() == ecPublicKey {
		return cmp.Or(unsupported(curve.String()), "is a key on an elliptic curve that is not supported; "+otherCurves)
	}
	return "is a broken key, or one of an algorithm that is not supported (" + oid.String() + ")"
}

const ecPublicKey = "1.2.840.10045.2.1" // RFC 5480 §2.1.1

// unsupported returns the reason why a key whose algorithm or curve has this object identifier can't be used. For other
// identifiers it returns "".
func unsupported(oid string) string {
	switch oid {
	case "1.2.840.113549.1.1.10":
		return "is restricted to RSA-PSS, a format that Go does not read; convert a private key with: " +
			"openssl rsa -traditional -in FILE, and a public key with: openssl rsa -pubin -RSAPublicKey_out -in FILE"
	case "1.3.132.0.10":
		return "is a key on secp256k1 (ES256K), which is not supported; " + otherCurves
	case "1.3.101.111":
		return "is an X448 key, which can't sign; use an Ed25519 key"
	case "1.3.101.113":
		return "is an Ed448 key, which is not supported; use an Ed25519 key"
	case "1.2.840.10040.4.1":
		return "is a DSA key, which is not supported; use an Ed25519 key"
	}
	return ""
}

const otherCurves = "use P-256, P-384, P-521 or Ed25519"

// algorithmOf returns the object identifiers of a key's algorithm and of its named curve, if it has one. It returns nil
// if der is neither PKCS #8 nor PKIX nor SEC 1.
func algorithmOf(der []byte) (oid, curve asn1.ObjectIdentifier) {
	var pkcs8 struct {
		Version    int
		Algorithm  pkix.AlgorithmIdentifier
		PrivateKey []byte
	}
	var spki struct {
		Algorithm pkix.AlgorithmIdentifier
		PublicKey asn1.BitString
	}
	var sec1 struct {
		Version    int
		PrivateKey []byte
		Curve      asn1.ObjectIdentifier `asn1:"optional,explicit,tag:0"`
	}
	algorithm := &pkcs8.Algorithm
	if _, err := asn1.Unmarshal(der, &pkcs8); err != nil {
		algorithm = &spki.Algorithm
		if _, err := asn1.Unmarshal(der, &spki); err != nil {
			if _, err := asn1.Unmarshal(der, &sec1); err != nil {
				return nil, nil
			}
			return asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}, sec1.Curve
		}
	}
	_, _ = asn1.Unmarshal(algorithm.Parameters.FullBytes, &curve) // not every algorithm has a curve
	return algorithm.Algorithm, curve
}
