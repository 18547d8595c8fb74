package argon2serial

import (
	"encoding/binary"
	"math/bits"
)

func (b *block) read(from []byte) {
	for i := range b {
		b[i] = binary.LittleEndian.Uint64(from[8*i:])
	}
}

func (b *block) bytes() []byte {
	var out []byte
	for _, word := range b {
		out = binary.LittleEndian.AppendUint64(out, word)
	}
	return out
}

func (b *block) xor(other *block) {
	for i := range b {
		b[i] ^= other[i]
	}
}

// compress sets b to G(x, y) (RFC 9106, section 3.5), or adds it by XOR in later passes. x and y may be b.
func (b *block) compress(x, y *block, add bool) {
	var r block
	for i := range r {
		r[i] = x[i] ^ y[i]
	}
	z := r
	for row := uint(0); row < blockWords; row += 16 {
		z.permute(row, 2)
	}
	for column := uint(0); column < 16; column += 2 {
		z.permute(column, 16)
	}
	if add {
		z.xor(b)
	}
	for i := range b {
		b[i] = z[i] ^ r[i]
	}
}

// permute is P of section 3.6, a round of BLAKE2b with multiplications. It permutes eight pairs of words, which begin
// at first and are step words apart. The words are variables so that the compiler can keep them in registers. The masks
// avoid bounds checks.
func (b *block) permute(first, step uint) {
	const mask = blockWords - 1
	p0, p1, p2, p3 := first&mask, (first+step)&mask, (first+2*step)&mask, (first+3*step)&mask
	p4, p5, p6, p7 := (first+4*step)&mask, (first+5*step)&mask, (first+6*step)&mask, (first+7*step)&mask
	v0, v1, v2, v3, v4, v5, v6, v7 := b[p0], b[(p0+1)&mask], b[p1], b[(p1+1)&mask], b[p2], b[(p2+1)&mask], b[p3], b[(p3+1)&mask]
	v8, v9, v10, v11, v12, v13, v14, v15 := b[p4], b[(p4+1)&mask], b[p5], b[(p5+1)&mask], b[p6], b[(p6+1)&mask], b[p7], b[(p7+1)&mask]
	v0, v4, v8, v12 = mixFirst(v0, v4, v8, v12)
	v0, v4, v8, v12 = mixSecond(v0, v4, v8, v12)
	v1, v5, v9, v13 = mixFirst(v1, v5, v9, v13)
	v1, v5, v9, v13 = mixSecond(v1, v5, v9, v13)
	v2, v6, v10, v14 = mixFirst(v2, v6, v10, v14)
	v2, v6, v10, v14 = mixSecond(v2, v6, v10, v14)
	v3, v7, v11, v15 = mixFirst(v3, v7, v11, v15)
	v3, v7, v11, v15 = mixSecond(v3, v7, v11, v15)
	v0, v5, v10, v15 = mixFirst(v0, v5, v10, v15)
	v0, v5, v10, v15 = mixSecond(v0, v5, v10, v15)
	v1, v6, v11, v12 = mixFirst(v1, v6, v11, v12)
	v1, v6, v11, v12 = mixSecond(v1, v6, v11, v12)
	v2, v7, v8, v13 = mixFirst(v2, v7, v8, v13)
	v2, v7, v8, v13 = mixSecond(v2, v7, v8, v13)
	v3, v4, v9, v14 = mixFirst(v3, v4, v9, v14)
	v3, v4, v9, v14 = mixSecond(v3, v4, v9, v14)
	b[p0], b[(p0+1)&mask], b[p1], b[(p1+1)&mask] = v0, v1, v2, v3
	b[p2], b[(p2+1)&mask], b[p3], b[(p3+1)&mask] = v4, v5, v6, v7
	b[p4], b[(p4+1)&mask], b[p5], b[(p5+1)&mask] = v8, v9, v10, v11
	b[p6], b[(p6+1)&mask], b[p7], b[(p7+1)&mask] = v12, v13, v14, v15
}

// mixFirst and mixSecond are the halves of GB of section 3.6, each short enough to be inlined.
func mixFirst(a, b, c, d uint64) (uint64, uint64, uint64, uint64) {
	a = add(a, b)
	d = bits.RotateLeft64(d^a, -32)
	c = add(c, d)
	return a, bits.RotateLeft64(b^c, -24), c, d
}

func mixSecond(a, b, c, d uint64) (uint64, uint64, uint64, uint64) {
	a = add(a, b)
	d = bits.RotateLeft64(d^a, -16)
	c = add(c, d)
	return a, bits.RotateLeft64(b^c, -63), c, d
}

func add(x, y uint64) uint64 {
	return x + y + 2*uint64(uint32(x))*uint64(uint32(y))
}
