package bcrypthash

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/crypto/blowfish" //nolint:staticcheck // bcrypt uses it
)

// MaxSHA256Length is the length of a bcrypt-sha256 hash of version 2 with a cost of two digits.
const MaxSHA256Length = len("$bcrypt-sha256$v=2,t=2b,r=12$") + saltLength + len("$") + sumLength

// SHA256 is a hash in passlib's bcrypt-sha256 format: bcrypt of a 44-character digest of the password. In version 1 the
// digest is SHA-256, in version 2 HMAC-SHA-256 with the salt as the key.
type SHA256 struct {
	Version int // 1 or 2
	Cost    int // 0 to 99
	salt    string
	bcrypt  string // the bcrypt hash of the digest
}

// ParseSHA256 parses $bcrypt-sha256$v=2,t=2b,r=12$salt$sum, or version 1's $bcrypt-sha256$2b,12$salt$sum, which also
// allows 2a. For anything else, ok is false.
func ParseSHA256(hash string) (h SHA256, ok bool) {
	rest, ok := strings.CutPrefix(hash, "$bcrypt-sha256$")
	if !ok || len(hash) > MaxSHA256Length {
		return SHA256{}, false
	}
	params, rest, _ := strings.Cut(rest, "$")
	salt, sum, _ := strings.Cut(rest, "$")
	if len(salt) != saltLength || len(sum) != sumLength || strings.Trim(salt+sum, alphabet) != "" {
		return SHA256{}, false
	}
	var cost string
	kind := "2b"
	h = SHA256{Version: 2, salt: salt}
	if cost, ok = strings.CutPrefix(params, "v=2,t=2b,r="); !ok {
		h.Version = 1
		kind, cost, _ = strings.Cut(params, ",")
	}
	h.Cost, ok = parseCost(cost)
	if !ok || kind != "2a" && kind != "2b" {
		return SHA256{}, false
	}
	h.bcrypt = fmt.Sprintf("$%s$%02d$%s%s", kind, h.Cost, salt, sum)
	return h, true
}

// parseCost reads one or two digits without a leading zero.
func parseCost(text string) (cost int, ok bool) {
	parsed, err := strconv.ParseUint(text, 10, 8)
	return int(parsed), err == nil && len(text) <= 2 && text[0] != '0'
}

// Matches reports whether the hash was made from password. It takes as long as one bcrypt comparison. If Cost is out of
// range, it returns false.
func (h SHA256) Matches(password string) bool {
	return bcrypt.CompareHashAndPassword([]byte(h.bcrypt), h.digest(password)) == nil
}

func (h SHA256) digest(password string) []byte {
	if h.Version == 1 {
		sum := sha256.Sum256([]byte(password))
		return encodeDigest(sum[:])
	}
	return saltedDigest(h.salt, password)
}

func saltedDigest(salt, password string) []byte {
	mac := hmac.New(sha256.New, []byte(salt))
	mac.Write([]byte(password))
	return encodeDigest(mac.Sum(nil))
}

func encodeDigest(sum []byte) []byte {
	return base64.StdEncoding.AppendEncode(nil, sum)
}

// NewSHA256 hashes a password in version 2 of the format, with a random salt. cost must be from 4 to 31.
func NewSHA256(password string, cost int) (string, error) {
	if cost < bcrypt.MinCost || cost > bcrypt.MaxCost {
		return "", bcrypt.InvalidCostError(cost)
	}
	var raw [16]byte
	_, _ = rand.Read(raw[:]) // never fails
	salt := encoding().EncodeToString(raw[:])
	sum, err := bcryptSum(saltedDigest(salt, password), raw[:], cost)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("$bcrypt-sha256$v=2,t=2b,r=%d$%s$%s", cost, salt, encoding().EncodeToString(sum)), nil
}

// encoding returns bcrypt's base64 encoding.
func encoding() *base64.Encoding {
	return base64.NewEncoding(alphabet).WithPadding(base64.NoPadding)
}

// bcryptSum is bcrypt (Provos and Mazières 1999, section 4) with a given salt. Version 2 of the format requires it,
// because the salt is also the digest's key, and golang.org/x/crypto/bcrypt does not support it.
func bcryptSum(password, salt []byte, cost int) ([]byte, error) {
	key := slices.Concat(password, []byte{0})
	cipher, err := blowfish.NewSaltedCipher(key, salt)
	if err != nil {
		return nil, err
	}
	for range uint64(1) << cost {
		blowfish.ExpandKey(key, cipher)
		blowfish.ExpandKey(salt, cipher)
	}
	sum := []byte("OrpheanBeholderScryDoubt")
	for block := 0; block < len(sum); block += blowfish.BlockSize {
		for range 64 {
			cipher.Encrypt(sum[block:], sum[block:])
		}
	}
	return sum[:23], nil // bcrypt drops the last byte
}
