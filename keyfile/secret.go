package keyfile

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/internal/keytext"
)

func (o *Options) parseSecret(name string, content []byte, inFolder bool) ([]usher.Key, error) {
	if isCertificateDER(content) { // its last byte may look like a line break
		return nil, errCertificate
	}
	secret := content
	if keytext.Format(content) == "" { // otherwise the last byte may be part of a key, which usher.NewKey refuses
		secret = bytes.TrimSuffix(bytes.TrimSuffix(content, []byte("\n")), []byte("\r"))
	}
	if err := o.checkSecret(secret, inFolder); err != nil {
		return nil, err
	}
	if o.Base64 {
		var err error
		if secret, err = decodeBase64(string(content)); err != nil {
			return nil, err
		}
		if isCertificateDER(secret) {
			return nil, errCertificate
		}
	}
	alg := o.Algorithm
	if alg == "" {
		alg = usher.HS256
	}
	key, err := usher.NewKey(alg, secret)
	if err != nil {
		return nil, err
	}
	return []usher.Key{key.WithID(name)}, nil
}

// checkSecret returns an error for content that has more than the secret, and for content that is probably not secret.
func (o *Options) checkSecret(content []byte, inFolder bool) error {
	switch {
	case bytes.HasPrefix(content, []byte("\ufeff")) || isUTF16(content):
		return errors.New("begins with a byte order mark, which would be part of the secret; save the file as UTF-8 without one")
	case o.Base64:
		return nil // all base64 is accepted; other text does not decode
	case !isText(content):
		return nil
	}
	return checkText(string(content), inFolder)
}

var (
	assignment  = regexp.MustCompile(`^(export )?[A-Za-z_][A-Za-z0-9_]*:?=[^=]`) // but not the padding of base64
	placeholder = regexp.MustCompile(`^(\$\{.*\}|\$\(.*\)|<.*>|%.*%)$`)
	compactJOSE = regexp.MustCompile(`^eyJ[A-Za-z0-9_-]*(\.[A-Za-z0-9_-]*){2,4}$`) // a JWT, signed or encrypted
)

// checkText returns an error for text that does not look like a generated secret. In a folder, text with spaces is
// refused too, because it may be documentation.
func checkText(text string, inFolder bool) error {
	const encode = "; if it is a secret, write it as base64 and set Options.Base64"
	switch {
	case strings.ContainsRune(text, '\n'):
		return errors.New("is text of several lines, which is not a secret; write a secret with line breaks as base64 and set Options.Base64")
	case text != strings.TrimSpace(text):
		return errors.New("has spaces around its text, which would be part of the secret; remove them" + encode)
	case inFolder && strings.ContainsFunc(text, unicode.IsSpace):
		return errors.New("is text with spaces in a folder of keys, which others may know" + encode)
	case strings.ContainsRune("\"'`", rune(text[0])) && text[0] == text[len(text)-1]:
		return errors.New("has quotes around its text, which would be part of the secret; remove them" + encode)
	case strings.Contains(text, "://"):
		return errors.New("contains a URL, which others may know" + encode)
	case assignment.MatchString(text):
		return errors.New("assigns a value to a name; keep only the value" + encode)
	case placeholder.MatchString(text):
		return errors.New("is a placeholder that was not filled in" + encode)
	case compactJOSE.MatchString(text):
		return errors.New("is a token, which others know; use a random secret" + encode)
	}
	if decoded, err := decodeBase64(text); err == nil && (keytext.Format(decoded) != "" || isCertificateDER(decoded)) {
		return errors.New("is a key or a certificate in base64, which is not a secret; convert it to PEM")
	}
	return nil
}

// isText reports whether content is text: it is UTF-8, or nearly all of it is printable ASCII, as in older encodings.
// Random bytes are neither.
func isText(content []byte) bool {
	if utf8.Valid(content) {
		return true
	}
	printable := 0
	for _, c := range content {
		if c >= ' ' && c <= '~' {
			printable++
		}
	}
	return printable*8 >= len(content)*7
}

// isUTF16 reports whether content is UTF-16 text, as Windows tools write it: a byte order mark, and a zero in most
// pairs of bytes.
func isUTF16(content []byte) bool {
	if !bytes.HasPrefix(content, []byte{0xff, 0xfe}) && !bytes.HasPrefix(content, []byte{0xfe, 0xff}) {
		return false
	}
	return bytes.Count(content, []byte{0})*4 >= len(content)
}

var errCertificate = errors.New("is a certificate in DER, which is not a secret; convert it to PEM")

// isCertificateDER reports whether content is a certificate in DER. usher.NewKey refuses all other encodings of keys as
// secrets.
func isCertificateDER(content []byte) bool {
	_, err := x509.ParseCertificate(content)
	return err == nil
}

// decodeBase64 reads base64 of either alphabet, with or without padding and line breaks. Spaces within a line are an
// error, because plain words can be base64 too.
func decodeBase64(text string) ([]byte, error) {
	text = strings.NewReplacer("\n", "", "\r", "", "+", "-", "/", "_").Replace(strings.TrimSpace(text))
	encoding := base64.RawURLEncoding
	if strings.HasSuffix(text, "=") {
		encoding = base64.URLEncoding
	}
	secret, err := encoding.Strict().DecodeString(text)
	if err != nil {
		return nil, errors.New("is not base64")
	}
	return secret, nil
}
