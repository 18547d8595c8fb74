package keyfile_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/jwks"
	"github.com/go-usher/usher/keyfile"
)

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func privatePEM(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return block("PRIVATE KEY", der)
}

func publicPEM(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return block("PUBLIC KEY", der)
}

func certificatePEM(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return block("CERTIFICATE", der)
}

func ed(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// idOf is the ID that a key in PEM has.
func idOf(t testing.TB, key ed25519.PrivateKey) string {
	t.Helper()
	return usher.Must(usher.NewKey(usher.EdDSA, key)).ID()
}

func p256(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	return usher.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
}

var rsaKey = sync.OnceValue(func() *rsa.PrivateKey { return usher.Must(rsa.GenerateKey(rand.Reader, 2048)) })

// folder is a folder of a test.
type folder struct {
	t    testing.TB
	path string
}

func newFolder(t testing.TB) folder {
	t.Helper()
	return folder{t, t.TempDir()}
}

func (f folder) write(name string, content []byte) {
	f.t.Helper()
	path := filepath.Join(f.path, name)
	if err := os.WriteFile(path+".tmp", content, 0o600); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		f.t.Fatal(err)
	}
}

func (f folder) remove(name string) {
	f.t.Helper()
	if err := os.Remove(filepath.Join(f.path, name)); err != nil {
		f.t.Fatal(err)
	}
}

func (f folder) open(opts *keyfile.Options) *keyfile.Keys {
	f.t.Helper()
	keys, err := keyfile.Open(f.path, opts)
	if err != nil {
		f.t.Fatal(err)
	}
	return keys
}

func describe(keys usher.Keys) string {
	var texts []string
	for _, key := range keys {
		text := string(key.Algorithm()) + " " + key.ID()
		if key.CanSign() {
			text += " signs"
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, ", ")
}

func TestOpenReadsEveryForm(t *testing.T) {
	edKey, ecKey := ed(t), p256(t)
	edID := idOf(t, edKey)
	ecID := usher.Must(usher.NewKey(usher.ES256, ecKey)).ID()
	rsaID := usher.Must(usher.NewKey(usher.RS256, rsaKey())).ID()
	sec1 := usher.Must(x509.MarshalECPrivateKey(ecKey))
	secret := bytes.Repeat([]byte("s3cret!-"), 8)
	b64 := base64.RawURLEncoding.EncodeToString
	jwk := `{"kty":"OKP","crv":"Ed25519","kid":"mine","x":"` + b64(edKey[32:]) + `","d":"` + b64(edKey.Seed()) + `"}`
	long := base64.StdEncoding.EncodeToString(secret)
	for _, c := range []struct {
		name    string
		content []byte
		opts    *keyfile.Options
		want    string
	}{
		{"PKCS #8, Ed25519", privatePEM(t, edKey), nil, "EdDSA " + edID + " signs"},
		{"PKCS #8, RSA", privatePEM(t, rsaKey()), nil, "RS256 " + rsaID + " signs"},
		{"PKCS #8, RSA, another algorithm", privatePEM(t, rsaKey()), &keyfile.Options{Algorithm: usher.PS256}, "PS256 " + rsaID + " signs"},
		{"PKCS #1", block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey())), nil, "RS256 " + rsaID + " signs"},
		{"SEC 1", block("EC PRIVATE KEY", sec1), nil, "ES256 " + ecID + " signs"},
		{"PKIX", publicPEM(t, ecKey), nil, "ES256 " + ecID},
		{"a certificate", certificatePEM(t, ecKey), nil, "ES256 " + ecID},
		{"text before PEM", append([]byte("Bag Attributes\n"), privatePEM(t, edKey)...), nil, "EdDSA " + edID + " signs"},
		{"a JWK", []byte(jwk), nil, "EdDSA mine signs"},
		{"a JWK after white space", []byte("\n\t" + jwk + "\n"), nil, "EdDSA mine signs"},
		{"a JWK after a byte order mark", []byte("\ufeff" + jwk), nil, "EdDSA mine signs"},
		{"a JWK without kid", []byte(strings.Replace(jwk, `"kid":"mine",`, "", 1)), nil, "EdDSA  signs"},
		{"a JWK Set", []byte(`{"keys":[` + jwk + `]}`), &keyfile.Options{Algorithm: usher.EdDSA}, "EdDSA mine signs"},
		{"a secret", secret, nil, "HS256 key signs"},
		{"a secret and a line break", append(bytes.Clone(secret), '\n'), nil, "HS256 key signs"},
		{"a secret and a line break of Windows", append(bytes.Clone(secret), '\r', '\n'), nil, "HS256 key signs"},
		{"a secret for HS512", secret, &keyfile.Options{Algorithm: usher.HS512}, "HS512 key signs"},
		{"base64", []byte(long + "\n"), &keyfile.Options{Base64: true}, "HS256 key signs"},
		{"base64 in lines", []byte(long[:64] + "\n" + long[64:] + "\n"), &keyfile.Options{Base64: true}, "HS256 key signs"},
		{"base64url without padding", []byte(b64(bytes.Repeat([]byte{0xff, 0xfe, 0xfb, 0x3e, 0x3f, 0, 1, 2}, 4))), &keyfile.Options{Base64: true}, "HS256 key signs"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFolder(t)
			f.write("key", c.content)
			for _, path := range []string{f.path, filepath.Join(f.path, "key")} {
				keys, err := keyfile.Open(path, c.opts)
				if path == f.path && c.name == "a certificate" {
					if err == nil {
						t.Error("in a folder a certificate is a key")
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				if got := describe(keys.Keys()); got != c.want {
					t.Errorf("%s instead of %s", got, c.want)
				}
			}
		})
	}
}

func TestSecretsAreTheBytesThatTheyStandFor(t *testing.T) {
	secret := bytes.Repeat([]byte{0xfb, 0xff, 1, 2, 3, 4, 5, '\n'}, 8)
	token := func(secret []byte) string {
		key := usher.Must(usher.NewKey(usher.HS256, secret)).WithID("key")
		return usher.Must(usher.Must(usher.NewEncoder[usher.Claims](key, nil)).Encode(t.Context(), usher.Claims{Subject: "ada"}))
	}
	spaces := bytes.Repeat([]byte(" "), 40)
	for name, c := range map[string]struct {
		content, secret []byte
		base64          bool
	}{
		"bytes":                       {secret, secret[:len(secret)-1], false},
		"white space belongs to it":   {append(append([]byte("x"), spaces...), "\n\n"...), append(append([]byte("x"), spaces...), '\n'), false},
		"base64":                      {[]byte(base64.StdEncoding.EncodeToString(secret)), secret, true},
		"base64 for web addresses":    {[]byte(base64.URLEncoding.EncodeToString(secret) + "\r\n"), secret, true},
		"base64 without its padding":  {[]byte(base64.RawStdEncoding.EncodeToString(secret)), secret, true},
		"text, although it is base64": {[]byte(strings.Repeat("ABCDEFGH", 8)), []byte(strings.Repeat("ABCDEFGH", 8)), false},
	} {
		f := newFolder(t)
		f.write("key", c.content)
		keys, err := keyfile.Open(f.path, &keyfile.Options{Base64: c.base64})
		if name == "white space belongs to it" {
			if err == nil {
				t.Errorf("%s: text of several lines is a secret", name)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := usher.Must(usher.NewDecoder[usher.Claims](keys, nil)).Decode(t.Context(), token(c.secret)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOpenRefusesFilesWithoutAKey(t *testing.T) {
	edPEM := privatePEM(t, ed(t))
	hidden := "do-not-print-this"
	for name, c := range map[string]struct {
		content []byte
		opts    *keyfile.Options
	}{
		"an empty file":              {content: nil},
		"white space":                {content: []byte(" \n")},
		"half of a PEM block":        {content: edPEM[:len(edPEM)/2]},
		"the beginning of PEM":       {content: []byte("-----BEG" + hidden + strings.Repeat("x", 40))},
		"PEM of something else":      {content: block("SOMETHING", []byte(hidden))},
		"PEM after other text":       {content: append([]byte(hidden+strings.Repeat("x", 40)+"\n"), edPEM[:40]...)},
		"two keys":                   {content: append(bytes.Clone(edPEM), privatePEM(t, ed(t))...)},
		"another algorithm":          {content: edPEM, opts: &keyfile.Options{Algorithm: usher.RS256}},
		"half of a JWK":              {content: []byte(`{"kty":"oct","k":"` + hidden + strings.Repeat("A", 64))},
		"a JWK with a name twice":    {content: []byte(`{"kty":"oct","k":"AAAA","k":"` + hidden + `"}`)},
		"JSON that is no key":        {content: []byte(`{"password":"` + hidden + strings.Repeat("A", 64) + `"}`)},
		"a list":                     {content: []byte(`["` + hidden + strings.Repeat("A", 64) + `"]`)},
		"several wrong keys":         {content: []byte(`{"keys":[{"kty":"oct","k":"AAAA"},{"kty":"EC","crv":"P-256"}]}`)},
		"a short secret":             {content: []byte(hidden)},
		"a short secret for HS512":   {content: bytes.Repeat([]byte("x"), 40), opts: &keyfile.Options{Algorithm: usher.HS512}},
		"a secret for RS256":         {content: bytes.Repeat([]byte("x"), 40), opts: &keyfile.Options{Algorithm: usher.RS256}},
		"an SSH key":                 {content: []byte("ssh-ed25519 " + strings.Repeat("A", 64))},
		"a page of text":             {content: []byte("# Keys\n\nThis folder has the keys of " + hidden + ".\n")},
		"what is not base64":         {content: []byte(hidden + strings.Repeat("!", 64)), opts: &keyfile.Options{Base64: true}},
		"base64 that is cut off":     {content: []byte(strings.Repeat("A", 65)), opts: &keyfile.Options{Base64: true}},
		"base64 of a short secret":   {content: []byte(base64.StdEncoding.EncodeToString([]byte(hidden))), opts: &keyfile.Options{Base64: true}},
		"more than a megabyte":       {content: bytes.Repeat([]byte("x"), 1<<20+1)},
		"a private key with a chain": {content: append(bytes.Clone(edPEM), certificatePEM(t, p256(t))...)},
	} {
		f := newFolder(t)
		f.write("key", c.content)
		for _, path := range []string{f.path, filepath.Join(f.path, "key")} {
			keys, err := keyfile.Open(path, c.opts)
			var config *usher.ConfigError
			if keys != nil || !errors.As(err, &config) {
				t.Errorf("%s: %v, %v", name, keys, err)
				continue
			}
			if !strings.Contains(err.Error(), filepath.Join(f.path, "key")) || strings.Contains(err.Error(), hidden) {
				t.Errorf("%s: the error is %v", name, err)
			}
		}
	}
}

func TestOpenReportsEveryMistake(t *testing.T) {
	f := newFolder(t)
	f.write("a", nil)
	f.write("b", []byte("short"))
	_, err := keyfile.Open(f.path, nil)
	if text := fmt.Sprint(err); strings.Count(text, "\n") != 1 || !strings.Contains(text, filepath.Join(f.path, "a")) || !strings.Contains(text, filepath.Join(f.path, "b")) {
		t.Errorf("the error is %v", err)
	}
	_, err = keyfile.Open(f.path, &keyfile.Options{Interval: -1, Overlap: -1, Signer: "../key", Algorithm: "none"})
	if text := fmt.Sprint(err); strings.Count(text, "\n") != 3 {
		t.Errorf("the error is %v", err)
	}
	for _, path := range []string{"", filepath.Join(f.path, "missing"), "/dev/null"} {
		if _, err := keyfile.Open(path, nil); !errors.As(err, new(*usher.ConfigError)) {
			t.Errorf("%q: %v", path, err)
		}
	}
}

func TestOnlyFilesOfTheFolderCount(t *testing.T) {
	f := newFolder(t)
	key, ca := ed(t), p256(t)
	f.write("tls.key", privatePEM(t, key))
	f.write("tls.crt", certificatePEM(t, key))
	f.write("ca.crt", append(certificatePEM(t, ca), certificatePEM(t, ca)...))
	f.write(".hidden", privatePEM(t, ca))
	if err := os.MkdirAll(filepath.Join(f.path, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	f.write("sub/key.pem", privatePEM(t, ca))
	if got, want := describe(f.open(nil).Keys()), "EdDSA "+idOf(t, key)+" signs"; got != want {
		t.Errorf("%s instead of %s", got, want)
	}

	if err := os.Symlink(filepath.Join(f.path, "nowhere"), filepath.Join(f.path, "dangling")); err != nil {
		t.Skip(err)
	}
	if _, err := keyfile.Open(f.path, nil); err == nil || !strings.Contains(err.Error(), "dangling") {
		t.Errorf("with a link that leads nowhere: %v", err)
	}
	f.remove("dangling")
	if os.Getuid() == 0 {
		return // who may read everything
	}
	if err := os.Chmod(filepath.Join(f.path, "tls.key"), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := keyfile.Open(f.path, nil); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("without permission: %v", err)
	}
}

func TestAFolderHasAtMost256Files(t *testing.T) {
	f := newFolder(t)
	content := publicPEM(t, ed(t))
	for i := range 256 {
		f.write(fmt.Sprint(i), content)
	}
	f.open(nil)
	f.write("one more", content)
	if _, err := keyfile.Open(f.path, nil); err == nil {
		t.Error("257 files are read")
	}
}

func TestAFileHasAtMostAMebibyte(t *testing.T) {
	f := newFolder(t)
	key := ed(t)
	text := privatePEM(t, key)
	content := append(bytes.Repeat([]byte("\n"), 1<<20-len(text)), text...)
	f.write("key.pem", content)
	if got, want := describe(f.open(nil).Keys()), "EdDSA "+idOf(t, key)+" signs"; got != want {
		t.Errorf("%s instead of %s", got, want)
	}
	f.write("key.pem", append([]byte("\n"), content...))
	for _, path := range []string{f.path, filepath.Join(f.path, "key.pem")} {
		if _, err := keyfile.Open(path, nil); err == nil || !strings.Contains(err.Error(), "has more than 1048576 bytes") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestTheSignerIsTheOnlyFileThatCanOrTheOneThatIsNamed(t *testing.T) {
	f := newFolder(t)
	a, b, c := ed(t), ed(t), ed(t)
	f.write("a.pem", privatePEM(t, a))
	f.write("b.pem", publicPEM(t, b))
	f.write("c.pem", privatePEM(t, c))
	_, err := keyfile.Open(f.path, nil)
	if text := fmt.Sprint(err); !strings.Contains(text, `"a.pem", "c.pem"`) || strings.Contains(text, "b.pem") {
		t.Errorf("with two files that can sign: %v", err)
	}
	for signer, want := range map[string]string{
		"a.pem": "EdDSA " + idOf(t, a) + " signs, EdDSA " + idOf(t, b) + ", EdDSA " + idOf(t, c) + " signs",
		"c.pem": "EdDSA " + idOf(t, c) + " signs, EdDSA " + idOf(t, a) + " signs, EdDSA " + idOf(t, b),
	} {
		if got := describe(f.open(&keyfile.Options{Signer: signer}).Keys()); got != want {
			t.Errorf("%s instead of %s", got, want)
		}
	}
	for _, signer := range []string{"b.pem", "missing"} {
		if _, err := keyfile.Open(f.path, &keyfile.Options{Signer: signer}); err == nil {
			t.Errorf("%s signs", signer)
		}
	}
	f.remove("a.pem")
	f.write("c.pem", publicPEM(t, c))
	keys := f.open(nil)
	if _, err := usher.NewEncoder[usher.Claims](keys, nil); !errors.As(err, new(*usher.ConfigError)) {
		t.Errorf("NewEncoder with keys that only verify: %v", err)
	}
	if _, err := usher.NewDecoder[usher.Claims](keys, nil); err != nil {
		t.Error(err)
	}
}

func TestKeysOfOneIDMustBeOneKey(t *testing.T) {
	f := newFolder(t)
	jwk := func() []byte {
		return usher.Must(jwks.Marshal(usher.Must(usher.GenerateKey(usher.ES256)).WithID("one")))
	}
	first := jwk()
	f.write("a.json", first)
	f.write("b.json", first)
	if got := describe(f.open(nil).Keys()); got != "ES256 one" {
		t.Errorf("one key in two files is %s", got)
	}
	f.write("b.json", jwk())
	if _, err := keyfile.Open(f.path, nil); err == nil || !strings.Contains(err.Error(), `"one"`) {
		t.Errorf("two keys with one ID: %v", err)
	}
}

func TestKeysThatWereNotOpenedAnswerWithAnError(t *testing.T) {
	for _, keys := range []*keyfile.Keys{nil, new(keyfile.Keys)} {
		var config *usher.ConfigError
		if _, err := keys.SigningKey(t.Context()); !errors.As(err, &config) {
			t.Errorf("SigningKey: %v", err)
		}
		if _, err := keys.VerificationKeys(t.Context(), ""); !errors.As(err, &config) {
			t.Errorf("VerificationKeys: %v", err)
		}
		if err := keys.Reload(context.Background()); !errors.As(err, &config) {
			t.Errorf("Reload: %v", err)
		}
		if got := keys.Keys(); got != nil {
			t.Errorf("Keys: %v", got)
		}
	}
}

func TestAFolderDoesNotMixSecretsWithKeyPairs(t *testing.T) {
	for name, other := range map[string][]byte{
		"a text":         []byte(goodSecret),
		"a secret's JWK": []byte(`{"kty":"oct","kid":"a","k":"` + base64.RawURLEncoding.EncodeToString([]byte(goodSecret)) + `"}`),
	} {
		for kind, pair := range map[string][]byte{"private": privatePEM(t, ed(t)), "public": publicPEM(t, p256(t))} {
			f := newFolder(t)
			f.write("key.pem", pair)
			f.write("other", other)
			_, err := keyfile.Open(f.path, &keyfile.Options{Signer: "key.pem"})
			text := fmt.Sprint(err)
			if !errors.As(err, new(*usher.ConfigError)) || !strings.Contains(text, `mixes secrets ("other") with key pairs ("key.pem")`) || !strings.Contains(text, "separate folders") {
				t.Errorf("%s beside a %s key: %v", name, kind, err)
			}
			f.remove("other")
			keys, err := keyfile.Open(f.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			f.write("other", other)
			if err := keys.Reload(t.Context()); err == nil || len(keys.Keys()) != 1 {
				t.Errorf("%s that comes later: %v, %v", name, keys.Keys(), err)
			}
		}
	}
}

func TestAtMostThreeFilesOfEachKindAreNamed(t *testing.T) {
	f := newFolder(t)
	for i := range 3 {
		f.write(fmt.Sprint("secret", i), []byte(goodSecret))
	}
	for i := range 5 {
		f.write(fmt.Sprint("pair", i), publicPEM(t, ed(t)))
	}
	_, err := keyfile.Open(f.path, nil)
	for _, want := range []string{`secrets ("secret0", "secret1", "secret2") with`, `key pairs ("pair0", "pair1", "pair2" and 2 more)`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %s", err, want)
		}
	}
}

func TestKeysNeverPrintTheirSecrets(t *testing.T) {
	f := newFolder(t)
	f.write("key", []byte(goodSecret))
	keys := f.open(nil)
	part := []byte(goodSecret[:8])
	secrets := []string{string(part), strings.Trim(fmt.Sprint(part), "[]"), fmt.Sprintf("%x", part), fmt.Sprintf("%X", part), strings.Trim(strings.TrimPrefix(fmt.Sprintf("%#v", part), "[]byte"), "{}")}
	type config struct{ Keys *keyfile.Keys }
	var log bytes.Buffer
	for _, value := range []any{keys, config{keys}, &config{keys}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			fmt.Fprintf(&log, verb+"\n", value)
		}
		slog.New(slog.NewTextHandler(&log, nil)).Info("", "keys", value)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("", "keys", value)
	}
	for _, secret := range secrets {
		if i := strings.Index(log.String(), secret); i >= 0 {
			t.Errorf("the output has the secret as %q", secret)
		}
	}
	want := fmt.Sprintf("keyfile.Keys(%+q)", f.path)
	for _, got := range []string{keys.String(), keys.GoString(), fmt.Sprintf("%x", keys), keys.LogValue().String()} {
		if got != want {
			t.Errorf("%s instead of %s", got, want)
		}
	}
	if got := (*keyfile.Keys)(nil).String(); got != "keyfile.Keys()" {
		t.Errorf("no keys are %s", got)
	}
}

func TestOpenRefusesDurationsOfLessThanASecond(t *testing.T) {
	f := newFolder(t)
	f.write("key", []byte(goodSecret))
	const least = time.Second
	for field, options := range map[string]func(time.Duration) keyfile.Options{
		"Options.Interval": func(d time.Duration) keyfile.Options { return keyfile.Options{Interval: d} },
		"Options.Retain":   func(d time.Duration) keyfile.Options { return keyfile.Options{Retain: d} },
		"Options.Overlap":  func(d time.Duration) keyfile.Options { return keyfile.Options{Overlap: d} },
	} {
		for _, d := range []time.Duration{1, 3600, least - 1} {
			opts := options(d)
			var config *usher.ConfigError
			if _, err := keyfile.Open(f.path, &opts); !errors.As(err, &config) || config.Field != field || !strings.Contains(config.Reason, "unit") {
				t.Errorf("%s of %v: %v", field, d, err)
			}
		}
		for _, d := range []time.Duration{0, least} {
			opts := options(d)
			if _, err := keyfile.Open(f.path, &opts); err != nil {
				t.Errorf("%s of %v: %v", field, d, err)
			}
		}
	}
}
