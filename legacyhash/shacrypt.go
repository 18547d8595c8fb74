package legacyhash

import (
	"bytes"
	"hash"
	"strings"
)

// Limits of sha-crypt hashes.
const (
	defaultCryptRounds    = 5_000
	minCryptRounds        = 1_000
	maxCryptRounds        = 2_000_000 // passlib 656,000
	maxCryptSalt          = 16
	maxCryptPasswordBytes = 256 // every round digests the password twice
	cryptAlphabet         = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// shaCrypt parses $5$salt$hash and $6$salt$hash, with rounds=N$ before the salt unless N is the default, 5000. The
// format and the computation are specified in "Unix crypt using SHA-256 and SHA-512" (Ulrich Drepper, 2007).
func shaCrypt(hash string) matcher {
	name, size, order := "sha256", 32, [3]int{2, 0, 1}
	rest, ok := strings.CutPrefix(hash, "$5$")
	if !ok {
		name, size, order = "sha512", 64, [3]int{1, 2, 0}
		if rest, ok = strings.CutPrefix(hash, "$6$"); !ok {
			return nil
		}
	}
	rounds := defaultCryptRounds
	if after, ok := strings.CutPrefix(rest, "rounds="); ok {
		var digits string
		digits, rest, _ = strings.Cut(after, "$")
		rounds = number(digits)
	}
	salt, want, _ := strings.Cut(rest, "$")
	if rounds < minCryptRounds || rounds > maxCryptRounds || salt == "" || len(salt) > maxCryptSalt ||
		strings.Trim(salt, cryptAlphabet) != "" || len(want) != (8*size+5)/6 {
		return nil
	}
	return func(password string) bool {
		cut := password[:min(len(password), maxCryptPasswordBytes)]
		sum := shaCryptSum(hashFunction(name), []byte(cut), []byte(salt), rounds)
		return equal([]byte(encodeCrypt(sum, order)), []byte(want)) && cut == password
	}
}

// shaCryptSum computes the hash. The comments have the numbers of the specification's steps.
func shaCryptSum(newHash func() hash.Hash, password, salt []byte, rounds int) []byte {
	b := digestOf(newHash, password, salt, password)           // 4 to 8
	a := [][]byte{password, salt, stretched(b, len(password))} // 1 to 10
	for bits := len(password); bits > 0; bits >>= 1 {          // 11
		if bits&1 != 0 {
			a = append(a, b)
		} else {
			a = append(a, password)
		}
	}
	sum := digestOf(newHash, a...)                                                   // 12
	dp := digestOf(newHash, bytes.Repeat(password, len(password)))                   // 13 to 15
	p := stretched(dp, len(password))                                                // 16
	s := stretched(digestOf(newHash, bytes.Repeat(salt, 16+int(sum[0]))), len(salt)) // 17 to 20
	digest := newHash()
	for round := range rounds { // 21
		digest.Reset()
		first, last := sum, p
		if round&1 != 0 {
			first, last = p, sum
		}
		digest.Write(first)
		if round%3 != 0 {
			digest.Write(s)
		}
		if round%7 != 0 {
			digest.Write(p)
		}
		digest.Write(last)
		sum = digest.Sum(sum[:0])
	}
	return sum
}

func digestOf(newHash func() hash.Hash, parts ...[]byte) []byte {
	digest := newHash()
	for _, part := range parts {
		digest.Write(part)
	}
	return digest.Sum(nil)
}

// stretched repeats a digest to a length.
func stretched(digest []byte, length int) []byte {
	return bytes.Repeat(digest, length/len(digest)+1)[:length]
}

// encodeCrypt encodes a sum in the order and base64 of the specification (22). Each four characters encode three bytes,
// one from each third of the sum. The order of the thirds changes with each group.
func encodeCrypt(sum []byte, order [3]int) string {
	third := len(sum) / 3
	at := [3]int{0, third, 2 * third}
	var out strings.Builder
	write := func(bits uint32, characters int) {
		for range characters {
			out.WriteByte(cryptAlphabet[bits&63])
			bits >>= 6
		}
	}
	for range third {
		write(uint32(sum[at[0]])<<16|uint32(sum[at[1]])<<8|uint32(sum[at[2]]), 4)
		at = [3]int{at[order[0]] + 1, at[order[1]] + 1, at[order[2]] + 1}
	}
	rest := sum[3*third:]
	var bits uint32
	for i, b := range rest {
		bits |= uint32(b) << (8 * i)
	}
	write(bits, len(rest)+1)
	return out.String()
}
