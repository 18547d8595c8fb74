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
	if isCertificateDER(content) { // whose last byte may be that of a line break
		return nil, errCertificate
	}
	secret := content
	if keytext.Format(content) == "" { // else the last byte may be the key's own, and usher.NewKey refuses it
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

// checkSecret refuses content that is not exactly the secret, and content that others probably know.
func (o *Options) checkSecret(content []byte, inFolder bool) error {
	switch {
	case bytes.HasPrefix(content, []byte("\ufeff")) || isUTF16(content):
		return errors.New("begins with a byte order mark, which would be part of the secret; save the file as UTF-8 without one")
	case o.Base64:
		return nil // base64 of anything is a secret; what else there is does not decode
	case !isText(content):
		return nil
	}
	return checkText(string(content), inFolder)
}

var (
	assignment  = regexp.MustCompile(`^(export )?[A-Za-z_][A-Za-z0-9_]*:?=[^=]`) // and not the padding of base64
	placeholder = regexp.MustCompile(`^(\$\{.*\}|\$\(.*\)|<.*>|%.*%)$`)
	compactJOSE = regexp.MustCompile(`^eyJ[A-Za-z0-9_-]*(\.[A-Za-z0-9_-]*){2,4}$`) // a JWT, signed or encrypted
)

// checkText refuses text that is not what a generator of secrets writes. Text with blanks is a secret only if its file was named
// itself: in a folder it may be a file that somebody put there for people to read.
func checkText(text string, inFolder bool) error {
	const encode = "; if it is a secret all the same, write it as base64 and set Options.Base64"
	switch {
	case strings.ContainsRune(text, '\n'):
		return errors.New("is text of several lines, which is no secret; secrets that have line breaks are written as base64")
	case text != strings.TrimSpace(text):
		return errors.New("has blanks around its text, which would be part of the secret; remove them" + encode)
	case inFolder && strings.ContainsFunc(text, unicode.IsSpace):
		return errors.New("is text with blanks in a folder of keys, which others may know" + encode)
	case strings.ContainsRune("\"'`", rune(text[0])) && text[0] == text[len(text)-1]:
		return errors.New("has quotes around its text, which would be part of the secret; remove them" + encode)
	case strings.Contains(text, "://"):
		return errors.New("contains a URL, which others may know" + encode)
	case assignment.MatchString(text):
		return errors.New("assigns a value to a name; keep only the value" + encode)
	case placeholder.MatchString(text):
		return errors.New("is a placeholder that was not filled in" + encode)
	case compactJOSE.MatchString(text):
		return errors.New("is a token, which others know; a token is not a secret to sign with" + encode)
	}
	if decoded, err := decodeBase64(text); err == nil && (keytext.Format(decoded) != "" || isCertificateDER(decoded)) {
		return errors.New("is a key or a certificate in base64, which is not a secret; convert it to PEM")
	}
	return nil
}

// isText reports whether people read content as text: it is UTF-8, or nearly all of it is printable ASCII, as text in
// an older encoding is. Random bytes are neither.
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

// isUTF16 reports whether content is text as Windows tools write it: a byte order mark, and a zero in most pairs of
// bytes.
func isUTF16(content []byte) bool {
	if !bytes.HasPrefix(content, []byte{0xff, 0xfe}) && !bytes.HasPrefix(content, []byte{0xfe, 0xff}) {
		return false
	}
	return bytes.Count(content, []byte{0})*4 >= len(content)
}

var errCertificate = errors.New("is a certificate in DER, which is not a secret; convert it to PEM")

// isCertificateDER finds what usher.NewKey does not: it refuses the other forms of keys as secrets.
func isCertificateDER(content []byte) bool {
	_, err := x509.ParseCertificate(content)
	return err == nil
}

// decodeBase64 reads what openssl, Kubernetes and people write: either alphabet, padded or not, in lines. Blanks in a
// line are an error, as words are base64 too.
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
