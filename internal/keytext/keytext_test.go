package keytext_test

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/go-usher/usher/internal/keytext"
)

// file returns a file of testdata.
func file(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func der(t *testing.T, name string) []byte {
	t.Helper()
	block, _ := pem.Decode([]byte(file(t, name)))
	return block.Bytes
}

func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// indent adds blanks before each line.
func indent(text, blanks string) string {
	return blanks + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n"+blanks) + "\n"
}

func TestParsePEMReadsKeysAndCertificates(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	key := file(t, "ed25519.pem")
	for name, text := range map[string]string{
		"PKCS #8":                 key,
		"a certificate":           file(t, "ed25519-certificate.pem"),
		"a chain":                 file(t, "ed25519-certificate.pem") + file(t, "ed25519-certificate.pem"),
		"PKCS #1":                 block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey)),
		"PKCS #1 public":          block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&rsaKey.PublicKey)),
		"what openssl rsa writes": block("RSA-PSS PUBLIC KEY", x509.MarshalPKCS1PublicKey(&rsaKey.PublicKey)),
		"text before and after":   "a comment\n" + key + "another\n",
		"Windows line breaks":     strings.ReplaceAll(key, "\n", "\r\n"),
		"no last line break":      strings.TrimSpace(key),
	} {
		if key, err := keytext.ParsePEM([]byte(text)); err != nil || key == nil {
			t.Errorf("%s: %v, %v", name, key, err)
		}
	}
}

// Each error names the cause and the remedy.
func TestParsePEMExplainsWhatItCantRead(t *testing.T) {
	key := file(t, "ed25519.pem")
	public := block("PUBLIC KEY", der(t, "rsapss-public.pem"))
	flat := strings.ReplaceAll(strings.TrimSpace(key), "\n", "")
	var utf16Text []byte
	for _, unit := range utf16.Encode([]rune("\ufeff" + key)) {
		utf16Text = append(utf16Text, byte(unit), byte(unit>>8))
	}
	for name, test := range map[string]struct {
		text  string
		wants []string
	}{
		"nothing":                     {"", []string{"is empty"}},
		"blanks":                      {" \n\t\n", []string{"is empty"}},
		"literal \\n":                 {strings.ReplaceAll(key, "\n", `\n`), []string{`\n`, "strings.ReplaceAll"}},
		"literal \\n, quoted":         {`"` + strings.ReplaceAll(key, "\n", `\n`) + `"`, []string{`\n`, "strings.ReplaceAll"}},
		"JSON":                        {`{"private_key":"` + strings.ReplaceAll(key, "\n", `\n`) + `"}`, []string{"JSON"}},
		"a byte order mark":           {"\ufeff" + key, []string{"byte order mark", "UTF-8"}},
		"UTF-16":                      {string(utf16Text), []string{"UTF-16", "UTF-8"}},
		"indented by spaces":          {indent(key, "  "), []string{"indented", "remove"}},
		"indented by a tab":           {indent(key, "\t"), []string{"indented", "remove"}},
		"one line":                    {flat, []string{"in one line", "line breaks"}},
		"one line with blanks":        {strings.ReplaceAll(strings.TrimSpace(key), "\n", " "), []string{"in one line", "line breaks"}},
		"old Mac line breaks":         {strings.ReplaceAll(key, "\n", "\r"), []string{`\r alone`}},
		"quotation marks":             {`"` + key + `"`, []string{"quotation marks"}},
		"cut off":                     {key[:len(key)-30], []string{"END"}},
		"broken base64":               {strings.Replace(key, "MC4", "M!4", 1), []string{"base64"}},
		"another END line":            {strings.Replace(key, "END PRIVATE", "END PUBLIC", 1), []string{"END line of the same type"}},
		"a JWK":                       {`{"kty":"OKP","crv":"Ed25519","x":"` + strings.Repeat("A", 43) + `"}`, []string{"JWK", "jwks.Parse"}},
		"a JWK Set":                   {`{"keys":[]}`, []string{"JWK", "jwks.Parse"}},
		"an SSH public key":           {file(t, "openssh.pub"), []string{"SSH", "ssh-keygen -e -m PKCS8", "openssl genpkey"}},
		"an SSH private key":          {file(t, "openssh"), []string{"OpenSSH", "ssh-keygen -p -m PKCS8", "openssl genpkey"}},
		"a file's name":               {"keys/issuer.pem", []string{"name of a file", "os.ReadFile"}},
		"a path":                      {"/run/secrets/issuer\n", []string{"name of a file", "os.ReadFile"}},
		"a path of 1,024 bytes":       {"/" + strings.Repeat("a", 1023), []string{"name of a file", "os.ReadFile"}},
		"a Windows path":              {`C:\keys\issuer.PEM`, []string{"name of a file", "os.ReadFile"}},
		"base64 alone":                {strings.Join(strings.Split(key, "\n")[1:2], ""), []string{"-----BEGIN", "add them"}},
		"base64 in one line":          {base64.StdEncoding.EncodeToString(der(t, "ed25519-certificate.pem")), []string{"-----BEGIN", "add them"}},
		"DER":                         {string(der(t, "ed25519.pem")), []string{"DER", "openssl pkey -inform DER"}},
		"any text":                    {"hello", []string{"no PEM block", "-----BEGIN"}},
		"bytes":                       {"\x00\x01\x02", []string{"no PEM block"}},
		"two keys":                    {key + key, []string{"more than one key"}},
		"a key after its certificate": {file(t, "ed25519-certificate.pem") + key, []string{"more than one key"}},
		"encrypted PKCS #8":           {file(t, "encrypted-pkcs8.pem"), []string{"encrypted", "openssl pkey"}},
		"encrypted PKCS #1":           {file(t, "encrypted-pkcs1.pem"), []string{"encrypted", "openssl pkey"}},

		"secp256k1, SEC 1":       {file(t, "secp256k1-sec1.pem"), []string{`"EC PRIVATE KEY"`, "secp256k1", "P-256"}},
		"secp256k1, PKCS #8":     {file(t, "secp256k1-pkcs8.pem"), []string{"secp256k1", "P-256"}},
		"secp256k1, public":      {file(t, "secp256k1-public.pem"), []string{"secp256k1", "P-256"}},
		"secp256k1, certificate": {file(t, "secp256k1-certificate.pem"), []string{"certificate", "elliptic curve", "P-256"}},
		"explicit curve":         {file(t, "explicit-curve.pem"), []string{"elliptic curve", "P-256"}},
		"RSA-PSS, private":       {file(t, "rsapss-private.pem"), []string{"RSA-PSS", "openssl rsa -traditional"}},
		"RSA-PSS, public":        {public, []string{"RSA-PSS", "openssl rsa -pubin -RSAPublicKey_out"}},
		"RSA-PSS, certificate":   {file(t, "rsapss-certificate.pem"), []string{"certificate", "RSA-PSS"}},
		"Ed448, private":         {file(t, "ed448-private.pem"), []string{"Ed448", "Ed25519"}},
		"Ed448, public":          {file(t, "ed448-public.pem"), []string{"Ed448", "Ed25519"}},
		"Ed448, certificate":     {file(t, "ed448-certificate.pem"), []string{"certificate", "Ed448"}},
		"DSA":                    {file(t, "dsa-private.pem"), []string{"DSA", "Ed25519"}},
		"an unknown algorithm":   {unknownAlgorithm(t), []string{"1.2.3.4"}},
		"a broken certificate":   {block("CERTIFICATE", []byte("garbage")), []string{"invalid certificate"}},
		"another block":          {block("DH PARAMETERS", []byte{0x30, 0}), []string{`"DH PARAMETERS"`, "not a key"}},
		"an odd type":            {block("A\x1bB", []byte{0x30, 0}), []string{`"A\x1bB"`}},
	} {
		t.Run(name, func(t *testing.T) {
			key, err := keytext.ParsePEM([]byte(test.text))
			if err == nil || key != nil {
				t.Fatalf("%T, %v", key, err)
			}
			for _, want := range test.wants {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v: does not mention %s", err, want)
				}
			}
		})
	}
}

// unknownAlgorithm returns a public key of an algorithm that does not exist.
func unknownAlgorithm(t *testing.T) string {
	t.Helper()
	type identifier struct{ OID asn1.ObjectIdentifier }
	der, err := asn1.Marshal(struct {
		Algorithm identifier
		Key       asn1.BitString
	}{identifier{asn1.ObjectIdentifier{1, 2, 3, 4}}, asn1.BitString{Bytes: []byte{1}, BitLength: 8}})
	if err != nil {
		t.Fatal(err)
	}
	return block("PUBLIC KEY", der)
}

// What the errors tell people to do helps.
func TestParsePEMNamesRemediesThatWork(t *testing.T) {
	key := file(t, "ed25519.pem")
	lines := strings.Split(strings.TrimSpace(key), "\n")
	for name, text := range map[string]string{
		"literal \\n": strings.ReplaceAll(strings.ReplaceAll(key, "\n", `\n`), "\\n", "\n"),
		"one line":    lines[0] + "\n" + strings.Join(lines[1:len(lines)-1], "") + "\n" + lines[len(lines)-1],
	} {
		parsed, err := keytext.ParsePEM([]byte(text))
		want, _ := keytext.ParsePEM([]byte(key))
		private, ok := parsed.(ed25519.PrivateKey)
		if err != nil || !ok || !private.Equal(want.(crypto.PrivateKey)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestErrorsNeverRepeatTheText(t *testing.T) {
	secret := "c2VjcmV0LXNlY3JldA"
	for _, text := range []string{
		secret, "/" + secret, secret + ".pem", `{"kty":"oct","k":"` + secret + `"}`, "ssh-rsa " + secret,
		"-----BEGIN PRIVATE KEY-----\n" + secret, "-----BEGIN PRIVATE KEY-----\n" + secret + "\n-----END PRIVATE KEY-----\n",
	} {
		_, err := keytext.ParsePEM([]byte(text))
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestFormatRecognizesKeys(t *testing.T) {
	for want, texts := range map[string][]string{
		"PEM":               {file(t, "ed25519.pem"), indent(file(t, "ed25519.pem"), "  "), "\ufeff" + file(t, "openssh"), "-----BEGIN"},
		"an SSH key":        {file(t, "openssh.pub"), "\n" + file(t, "openssh.pub"), "PuTTY-User-Key-File-3: ssh-ed25519", "---- BEGIN SSH2 PUBLIC KEY ----"},
		"a JWK":             {`{"kty":"oct","k":"AAAA"}`, ` {"keys":[]} `, `{"kty":"oct","kty":"oct"}`},
		"a DER-encoded key": {string(der(t, "ed25519.pem"))},
		"":                  {"", "secret", "{}", `{"secret":"x"}`, `["kty"]`, "my ssh-rsa key", "\xff\xfe"},
	} {
		for _, text := range texts {
			if got := keytext.Format([]byte(text)); got != want {
				t.Errorf("%q: %q, want %q", text, got, want)
			}
		}
	}
}

func FuzzParsePEM(f *testing.F) {
	files, err := filepath.Glob("testdata/*.pem")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
		f.Add(bytes.ReplaceAll(text, []byte("\n"), []byte(`\n`)))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		key, err := keytext.ParsePEM(text)
		if (key == nil) == (err == nil) {
			t.Errorf("%v with %v", key, err)
		}
		_ = keytext.Format(text)
	})
}
