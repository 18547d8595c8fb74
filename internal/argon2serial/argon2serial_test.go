package argon2serial_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/crypto/argon2"

	"github.com/go-usher/usher/internal/argon2serial"
)

func TestKeyEqualsTheLibrary(t *testing.T) {
	for _, time := range []uint32{1, 2, 3} {
		for _, lanes := range []uint32{1, 2, 3, 4, 8, 17} {
			for _, memory := range []uint32{1, 8 * lanes, 8*lanes + 13, 300, 2400} {
				for _, length := range []uint32{4, 16, 32, 63, 64, 65, 96, 97, 128, 200} {
					password := []byte(strings.Repeat("p", int(length)))
					salt := []byte(fmt.Sprint("salt of ", lanes, memory))
					name := fmt.Sprintf("t=%d m=%d p=%d, %d bytes", time, memory, lanes, length)
					if got, want := argon2serial.Key(argon2serial.ID, password, salt, time, memory, lanes, length),
						argon2.IDKey(password, salt, time, memory, uint8(lanes), length); !bytes.Equal(got, want) {
						t.Errorf("Argon2id %s: %x, want %x", name, got, want)
					}
					if got, want := argon2serial.Key(argon2serial.I, password, salt, time, memory, lanes, length),
						argon2.Key(password, salt, time, memory, uint8(lanes), length); !bytes.Equal(got, want) {
						t.Errorf("Argon2i %s: %x, want %x", name, got, want)
					}
				}
			}
		}
	}
}

func BenchmarkKey(b *testing.B) {
	// What Django stores: 100 MiB, 2 passes, 8 lanes.
	b.Run("8 lanes", func(b *testing.B) {
		for b.Loop() {
			argon2serial.Key(argon2serial.ID, []byte("password"), []byte("salt and more"), 2, 102400, 8, 32)
		}
	})
	b.Run("library, 1 lane", func(b *testing.B) {
		for b.Loop() {
			argon2.IDKey([]byte("password"), []byte("salt and more"), 2, 102400, 1, 32)
		}
	})
	b.Run("library, 8 lanes", func(b *testing.B) {
		for b.Loop() {
			argon2.IDKey([]byte("password"), []byte("salt and more"), 2, 102400, 8, 32)
		}
	})
}
