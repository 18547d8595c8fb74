// Package argon2serial computes Argon2i and Argon2id (RFC 9106, version 0x13) on one core, however many lanes a hash
// has. golang.org/x/crypto/argon2 starts a goroutine for each lane, so limiting the number of simultaneous hashes would
// not limit the number of cores they use.
package argon2serial

import (
	"encoding/binary"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/blake2b"
)

// Type is a variant of Argon2 (RFC 9106, section 3.2).
type Type uint32

// Argon2d is not supported. It is open to cache-timing attacks and not used for passwords.
const (
	I  Type = 1
	ID Type = 2
)

const (
	slices     = 4 // per pass; lanes are synchronized between slices
	blockWords = 128
	blockBytes = 8 * blockWords
	version    = 0x13
)

type block [blockWords]uint64

// Key returns the Argon2 tag of length bytes. memory is in KiB. time and lanes must be positive, and length at least 4.
// The caller must limit them all, because the work is memory times time.
func Key(variant Type, password, salt []byte, time, memory, lanes, length uint32) []byte {
	if lanes == 1 {
		return library(variant, password, salt, time, memory, length)
	}
	columns := max(memory/(slices*lanes), 2) * slices
	f := filling{variant: variant, passes: time, lanes: lanes, columns: columns, memory: make([]block, columns*lanes)}
	f.begin(seed(variant, password, salt, time, memory, lanes, length))
	for pass := range time {
		for slice := range uint32(slices) {
			for lane := range lanes {
				f.fillSegment(pass, slice, lane)
			}
		}
	}
	return f.finish(length)
}

// library computes a hash of one lane with x/crypto, which then uses one core and is faster on amd64.
func library(variant Type, password, salt []byte, time, memory, length uint32) []byte {
	if variant == I {
		return argon2.Key(password, salt, time, memory, 1, length)
	}
	return argon2.IDKey(password, salt, time, memory, 1, length)
}

// seed returns H0 of section 3.2, with capacity for the two numbers that begin appends.
func seed(variant Type, password, salt []byte, time, memory, lanes, length uint32) []byte {
	h, _ := blake2b.New512(nil) // can't fail without a key
	number := func(n uint32) { h.Write(binary.LittleEndian.AppendUint32(nil, n)) }
	for _, n := range []uint32{lanes, length, memory, time, version, uint32(variant), uint32(len(password))} {
		number(n)
	}
	h.Write(password)
	number(uint32(len(salt)))
	h.Write(salt)
	number(0) // no secret
	number(0) // no associated data
	return h.Sum(nil)
}

// filling is the state while the memory is filled.
type filling struct {
	variant        Type
	passes         uint32
	lanes, columns uint32
	memory         []block // one lane after the other
}

func (f *filling) begin(seed []byte) {
	for lane := range f.lanes {
		for column := range uint32(2) {
			input := binary.LittleEndian.AppendUint32(append([]byte(nil), seed...), column)
			input = binary.LittleEndian.AppendUint32(input, lane)
			f.memory[lane*f.columns+column].read(longHash(input, blockBytes))
		}
	}
}

func (f *filling) finish(length uint32) []byte {
	last := f.memory[f.columns-1]
	for lane := uint32(1); lane < f.lanes; lane++ {
		last.xor(&f.memory[(lane+1)*f.columns-1])
	}
	return longHash(last.bytes(), length)
}

// fillSegment fills a quarter of a lane.
func (f *filling) fillSegment(pass, slice, lane uint32) {
	segment := f.columns / slices
	independent := f.variant == I || pass == 0 && slice < slices/2
	addresses := addressBlocks{counter: block{uint64(pass), uint64(lane), uint64(slice),
		uint64(len(f.memory)), uint64(f.passes), uint64(f.variant)}}
	first := uint32(0)
	if pass == 0 && slice == 0 {
		first = 2
		addresses.next()
	}
	for i := first; i < segment; i++ {
		column := slice*segment + i
		previous := &f.memory[lane*f.columns+(column+f.columns-1)%f.columns]
		random := previous[0]
		if independent {
			random = addresses.at(i)
		}
		reference := f.reference(pass, slice, lane, i, random)
		f.memory[lane*f.columns+column].compress(previous, reference, pass > 0)
	}
}

// reference returns the block that random selects (sections 3.4.1.1 to 3.4.2).
func (f *filling) reference(pass, slice, lane, i uint32, random uint64) *block {
	segment := f.columns / slices
	chosen := uint32(random>>32) % f.lanes
	if pass == 0 && slice == 0 {
		chosen = lane
	}
	area, start := slice*segment, uint32(0) // the blocks that the first pass has filled
	if pass > 0 {
		area, start = (slices-1)*segment, (slice+1)%slices*segment
	}
	if chosen == lane {
		area += i - 1 // and those that this segment has filled, except the previous one
	} else if i == 0 {
		area--
	}
	x := random & 0xffffffff
	x = x * x >> 32
	x = uint64(area) * x >> 32
	return &f.memory[chosen*f.columns+uint32((uint64(start)+uint64(area)-1-x)%uint64(f.columns))]
}

// addressBlocks generates the pseudo-random values of data-independent addressing (section 3.4.1.2).
type addressBlocks struct{ counter, current block }

func (a *addressBlocks) at(i uint32) uint64 {
	if i%blockWords == 0 {
		a.next()
	}
	return a.current[i%blockWords]
}

func (a *addressBlocks) next() {
	const counter = 6
	var zero, once block
	a.counter[counter]++
	once.compress(&zero, &a.counter, false)
	a.current.compress(&zero, &once, false)
}

// longHash is H' (section 3.3), of any length.
func longHash(input []byte, length uint32) []byte {
	input = append(binary.LittleEndian.AppendUint32(nil, length), input...)
	if length <= blake2b.Size {
		return shortHash(input, int(length))
	}
	var output []byte
	v := shortHash(input, blake2b.Size)
	for remaining := int(length); ; v = shortHash(v, min(remaining, blake2b.Size)) {
		if remaining <= blake2b.Size {
			return append(output, v...)
		}
		output = append(output, v[:blake2b.Size/2]...)
		remaining -= blake2b.Size / 2
	}
}

func shortHash(input []byte, length int) []byte {
	h, _ := blake2b.New(length, nil) // can't fail: there is no key, and length is at most 64
	h.Write(input)
	return h.Sum(nil)
}
