package keyfile_test

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/keyfile"
)

const goodSecret = "Zq7hT0pk4GmWs9bXe2RfYc6VnJ3uLd8AaQ5"

func body(t *testing.T, text []byte) []byte {
	t.Helper()
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatal("no PEM")
	}
	return block.Bytes
}

func utf16LE(text string) []byte {
	content := []byte{0xff, 0xfe}
	for _, unit := range utf16.Encode([]rune(text)) {
		content = append(content, byte(unit), byte(unit>>8))
	}
	return content
}

// Anybody who knows a secret can sign tokens, so public text must not become one.
func TestOpenRefusesPublicTextAsASecret(t *testing.T) {
	key := ed(t)
	ecPublic, certificate := body(t, publicPEM(t, p256(t))), body(t, certificatePEM(t, key))
	rsaPublic := x509.MarshalPKCS1PublicKey(&rsaKey().PublicKey)
	std := base64.StdEncoding
	jwt := usher.Must(usher.Must(usher.NewEncoder[usher.Claims](usher.Must(usher.NewKey(usher.EdDSA, key)), nil)).Encode(t.Context(), usher.Claims{Subject: "ada"}))
	for name, c := range map[string]struct {
		content string
		remedy  string
		base64  bool
	}{
		"a URL":                          {content: "https://auth.example.com/realms/main", remedy: "Options.Base64"},
		"a connection string":            {content: "postgres://app@db.example.com:5432/app", remedy: "Options.Base64"},
		"an assignment":                  {content: "JWT_SECRET=" + goodSecret + "\n", remedy: "only the value"},
		"an assignment in another case":  {content: "secret=" + goodSecret, remedy: "only the value"},
		"an assignment that is exported": {content: "export SECRET=" + goodSecret, remedy: "only the value"},
		"an assignment of make":          {content: "SECRET:=" + goodSecret, remedy: "only the value"},
		"a placeholder of a shell":       {content: "${JWT_SECRET_FROM_THE_ENVIRONMENT}", remedy: "Options.Base64"},
		"a placeholder of a manual":      {content: "<put-32-random-bytes-in-this-place>", remedy: "Options.Base64"},
		"a signed token":                 {content: jwt, remedy: "Options.Base64"},
		"a token without signature":      {content: strings.Join(strings.Split(jwt, ".")[:2], ".") + ".", remedy: "Options.Base64"},
		"an encrypted token":             {content: "eyJhbGciOiJkaXIifQ..aXY.Y2lwaGVydGV4dA.dGFn", remedy: "Options.Base64"},
		"a public key's base64":          {content: std.EncodeToString(ecPublic), remedy: "PEM"},
		"a PKCS #1 key's base64":         {content: std.EncodeToString(rsaPublic), remedy: "PEM"},
		"a certificate's base64":         {content: std.EncodeToString(certificate), remedy: "PEM"},
		"a certificate's DER":            {content: string(certificate), remedy: "PEM"},
		"a public key's DER":             {content: string(ecPublic)},
		"base64: a public key":           {content: std.EncodeToString(ecPublic), base64: true},
		"base64: PEM":                    {content: std.EncodeToString(publicPEM(t, key)), base64: true},
		"base64: a certificate":          {content: std.EncodeToString(certificate), base64: true, remedy: "PEM"},
		"base64: prose":                  {content: strings.Repeat("these are keys ", 4), base64: true},
		"base64: a URL":                  {content: "https://auth.example.com/realms/main", base64: true},
		"base64: an assignment":          {content: "JWT_SECRET=" + goodSecret, base64: true},
		"base64: a token":                {content: jwt, base64: true},
	} {
		wantRefused(t, name, []byte(c.content), c.remedy, &keyfile.Options{Base64: c.base64})
	}
}

// Such a secret would differ from the one that another program reads from the same place.
func TestOpenRefusesTextAroundASecret(t *testing.T) {
	for name, c := range map[string]struct{ content, remedy string }{
		"a byte order mark":             {"\ufeff" + goodSecret, "without one"},
		"a byte order mark and a break": {"\ufeff" + goodSecret + "\r\n", "without one"},
		"UTF-16":                        {string(utf16LE(goodSecret)), "without one"},
		"UTF-16, a quarter zeros":       {string(utf16LE("abcdefghij" + strings.Repeat("日", 9))), "without one"},
		"a blank before":                {" " + goodSecret, "remove them"},
		"a blank after":                 {goodSecret + " \n", "remove them"},
		"a tab":                         {goodSecret + "\t", "remove them"},
		"a carriage return":             {goodSecret + "\r\r", "remove them"},
		"a line break too many":         {goodSecret + "\n\n", "base64"},
		"double quotes":                 {`"` + goodSecret + `"`, "remove them"},
		"single quotes":                 {"'" + goodSecret + "'\n", "remove them"},
		"backquotes":                    {"`" + goodSecret + "`", "remove them"},
	} {
		wantRefused(t, name, []byte(c.content), c.remedy, nil)
	}
	wantRefused(t, "base64 after a byte order mark", []byte("\ufeff"+goodSecret), "without one", &keyfile.Options{Base64: true})
}

func wantRefused(t *testing.T, name string, content []byte, remedy string, opts *keyfile.Options) {
	t.Helper()
	f := newFolder(t)
	f.write("key", content)
	keys, err := keyfile.Open(filepath.Join(f.path, "key"), opts)
	var config *usher.ConfigError
	switch {
	case keys != nil || !errors.As(err, &config):
		t.Errorf("%s: %v, %v", name, keys, err)
	case !strings.Contains(err.Error(), remedy):
		t.Errorf("%s: the error names no remedy: %v", name, err)
	case strings.Contains(err.Error(), goodSecret):
		t.Errorf("%s: the error has the secret: %v", name, err)
	}
}

func TestOpenAcceptsWhatGeneratorsOfSecretsWrite(t *testing.T) {
	random := []byte("\x8f \x01=\xff://\xfe\n\x00\"\x9c\xd3 \x07\xee\xa1\x10\xb5\xc4\x83\x92 \xf0\xe7\x1b\xa9\xda\xbe\xcf\x88\xf9")
	for name, c := range map[string]struct {
		content string
		base64  bool
	}{
		"text":                        {goodSecret, false},
		"text and a line break":       {goodSecret + "\r\n", false},
		"punctuation":                 {`9=k;"'<$%(` + goodSecret + `:/.{&`, false},
		"text that is base64":         {base64.StdEncoding.EncodeToString(random), false},
		"hexadecimal":                 {strings.Repeat("0123456789abcdef", 4), false},
		"two segments":                {"eyJ" + goodSecret + ".x", false},
		"random bytes":                {string(random), false},
		"base64 of prose":             {base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("any bytes! "), 4)), true},
		"base64 with blanks around":   {" " + strings.Repeat("Zq7hT0pk", 6) + "\n\n", true},
		"base64 in lines of Windows":  {goodSecret + "\r\n" + goodSecret + "AA\r\n", true},
		"base64 of an assignment too": {base64.StdEncoding.EncodeToString([]byte("SECRET=" + goodSecret)), true},
	} {
		f := newFolder(t)
		f.write("key", []byte(c.content))
		if _, err := keyfile.Open(f.path, &keyfile.Options{Base64: c.base64}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A file that is the path itself may be text with spaces. In a folder, such a file may be a note about the keys.
func TestTextWithBlanksIsASecretOnlyIfItsFileWasNamed(t *testing.T) {
	for name, text := range map[string]string{
		"prose":                    "These are the keys of the production servers.\n",
		"Latin-1":                  "Die Schl\xfcssel f\xfcr die Server der Produktion",
		"an eighth of other bytes": "~ " + goodSecret[:33] + "\xfc\xfc\xfc\xfc\xfc",
		"a tab":                    goodSecret + "\tkeep this safe",
		"a no-break space":         goodSecret + "\u00a0safe",
	} {
		path := filepath.Join(t.TempDir(), "README")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := keyfile.Open(path, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if keys, err := keyfile.Open(filepath.Dir(path), nil); err == nil || !strings.Contains(err.Error(), "Options.Base64") {
			t.Errorf("%s: %v, %v", name, keys, err)
		}
	}
}
