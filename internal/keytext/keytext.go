// Package keytext parses keys from text and explains why a text can't be parsed. Its errors continue a sentence that
// begins with the text: "has no PEM block".
package keytext

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// ParsePEM returns the key in the first PEM block that has one: a private key, a public key, or the public key of a
// certificate. Its type is that of crypto/x509. A certificate may be followed by others, as in a chain. Any other
// second key is an error, because the choice would be ambiguous.
func ParsePEM(text []byte) (any, error) {
	block, rest := pem.Decode(text)
	for block != nil && block.Type == "EC PARAMETERS" { // OpenSSL writes it before an EC key
		block, rest = pem.Decode(rest)
	}
	if block == nil {
		return nil, errors.New(whyNotPEM(text))
	}
	for next, rest := pem.Decode(rest); next != nil; next, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" || next.Type != "CERTIFICATE" {
			return nil, errors.New("holds more than one key; keep the one that is meant")
		}
	}
	switch {
	case block.Type == "ENCRYPTED PRIVATE KEY", block.Headers["DEK-Info"] != "":
		return nil, errors.New("is encrypted; decrypt it first, for example with: openssl pkey -in FILE")
	case block.Type == "OPENSSH PRIVATE KEY":
		return nil, errors.New("is an OpenSSH private key; convert a copy of it with: ssh-keygen -p -m PKCS8 -f FILE. " +
			ed25519Remedy)
	case block.Type == "CERTIFICATE":
		return parseCertificate(block.Bytes)
	}
	key, err := parseDER(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("holds a %+.64q block that %s", block.Type, whyNotKey(block.Bytes))
	}
	return key, nil
}

const ed25519Remedy = "ssh-keygen does not convert Ed25519 keys; instead of such a key make a new one: openssl genpkey -algorithm ed25519"

func parseCertificate(der []byte) (any, error) {
	certificate, err := x509.ParseCertificate(der)
	if err != nil && strings.Contains(err.Error(), "unsupported elliptic curve") {
		return nil, errors.New("holds a certificate with a key on an elliptic curve that is not supported; " + otherCurves)
	}
	if err != nil {
		return nil, fmt.Errorf("holds an invalid certificate: %w", err)
	}
	if certificate.PublicKey == nil {
		return nil, fmt.Errorf("holds a certificate whose key %s", whyNotKey(certificate.RawSubjectPublicKeyInfo))
	}
	return certificate.PublicKey, nil
}

// parseDER parses a key in any of the encodings of PEM blocks.
func parseDER(der []byte) (any, error) {
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParsePKIXPublicKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParsePKCS1PublicKey(der); err == nil {
		return key, nil
	}
	return x509.ParseECPrivateKey(der)
}

// Format returns the format of data if it looks like a key: "PEM", "an SSH key", "a JWK" or "a DER-encoded key". It
// returns "" for anything else.
func Format(data []byte) string {
	text := strings.TrimSpace(strings.TrimPrefix(string(data), byteOrderMark))
	switch {
	case strings.Contains(text, "-----BEGIN"):
		return "PEM"
	case isSSH(text):
		return "an SSH key"
	case isJWK(text):
		return "a JWK"
	}
	if _, err := parseDER(data); err == nil {
		return "a DER-encoded key"
	}
	return ""
}

const byteOrderMark = "\ufeff"

func isSSH(text string) bool {
	for _, prefix := range []string{"ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-", "PuTTY-User-Key-File", "---- BEGIN SSH2"} {
		if strings.HasPrefix(text, prefix) {
			return true
		}
	}
	return false
}

func isJWK(text string) bool {
	var jwk map[string]jsontext.Value
	err := json.Unmarshal([]byte(text), &jwk, jsontext.AllowDuplicateNames(true))
	return err == nil && (jwk["kty"] != nil || jwk["keys"] != nil)
}

// whyNotPEM returns the reason why no PEM block was found in text, and a remedy.
func whyNotPEM(text []byte) string {
	trimmed := strings.TrimSpace(strings.TrimPrefix(string(text), byteOrderMark))
	switch {
	case trimmed == "":
		return "is empty"
	case bytes.HasPrefix(text, []byte{0xff, 0xfe}), bytes.HasPrefix(text, []byte{0xfe, 0xff}):
		return "is UTF-16 text; save it as UTF-8"
	case strings.Contains(trimmed, "-----BEGIN"):
		return whyBroken(string(text))
	case isJWK(trimmed):
		return "is a JWK, not PEM; read it with jwks.Parse of usher's package jwks"
	case isSSH(trimmed):
		return "is an SSH key, not PEM; convert a public key with: ssh-keygen -e -m PKCS8 -f FILE. " + ed25519Remedy
	case isFileName(trimmed):
		return "is the name of a file, it seems; pass what os.ReadFile returns for it"
	case isBase64Key(trimmed):
		return "is the base64 of a key or certificate without the lines -----BEGIN ...----- and -----END ...----- around it; add them"
	}
	if _, err := parseDER(text); err == nil {
		return "is DER, not PEM; convert it, for example with: openssl pkey -inform DER -in FILE, and for a public key -pubin"
	}
	return "has no PEM block, that is, no line that begins with -----BEGIN"
}

// whyBroken is whyNotPEM for a text that has a BEGIN line.
func whyBroken(text string) string {
	body := strings.TrimSpace(text)
	switch {
	case strings.HasPrefix(body, "{"):
		return "is JSON with PEM inside; decode the JSON, and pass the string that begins with -----BEGIN"
	case strings.Contains(text, `\n`):
		return `has \n, two characters, where line breaks should be; replace them: strings.ReplaceAll(text, "\\n", "\n")`
	case strings.HasPrefix(body, byteOrderMark):
		return "begins with a byte order mark; save the file as UTF-8 without one"
	case strings.Trim(body[:1], "\"'`") == "":
		return "is in quotation marks; remove them"
	case !strings.Contains(body, "\n") && strings.Contains(body, "\r"):
		return `has line breaks of \r alone; save it with \n or \r\n`
	case !strings.Contains(body, "\n"):
		return "is in one line; restore the line breaks, at least those after the BEGIN line and before the END line"
	case strings.Contains(text, " -----") || strings.Contains(text, "\t-----"):
		return "is indented; remove the blanks before its lines, those of -----BEGIN and -----END above all"
	case !strings.Contains(text, "-----END"):
		return "has no END line; the text is incomplete"
	}
	return "has a BEGIN line, but no valid base64 and END line of the same type follow it"
}

func isFileName(text string) bool {
	if len(text) > 1024 || strings.ContainsAny(text, "\n{}\"=+") {
		return false
	}
	for _, extension := range []string{".pem", ".key", ".pub", ".crt", ".cer", ".der", ".p8", ".txt", ".json"} {
		if strings.HasSuffix(strings.ToLower(text), extension) {
			return true
		}
	}
	return strings.HasPrefix(text, "/") || strings.HasPrefix(text, "./") || strings.HasPrefix(text, "~/") || strings.HasPrefix(text, "file:")
}

// isBase64Key reports whether text is the DER of a key or certificate in base64, with or without line breaks.
func isBase64Key(text string) bool {
	block, _ := pem.Decode([]byte("-----BEGIN KEY-----\n" + text + "\n-----END KEY-----\n"))
	if block == nil {
		return false
	}
	if _, err := x509.ParseCertificate(block.Bytes); err == nil {
		return true
	}
	_, err := parseDER(block.Bytes)
	return err == nil
}
