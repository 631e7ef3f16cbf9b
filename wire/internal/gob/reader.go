package gob

import "encoding/binary"

// reader reads gob's encoding. After a fault bad is set, nothing is left,
// and what it returns means nothing.
type reader struct {
	b   []byte
	at  int // what of b has been read
	bad bool
}

func (r *reader) fault() { r.at, r.bad = len(r.b), true }

// left returns how many bytes have not been read.
func (r *reader) left() int { return len(r.b) - r.at }

// uint reads a number under 128, which is one byte, or a larger one.
func (r *reader) uint() uint64 {
	if i := r.at; i < len(r.b) && r.b[i] < 0x80 {
		r.at = i + 1
		return uint64(r.b[i])
	}
	return r.long()
}

// long reads a number of several bytes, most significant first; the byte before
// them is their count, negated.
func (r *reader) long() (v uint64) {
	if r.left() == 0 {
		r.fault()
		return 0
	}
	n := -int(int8(r.b[r.at]))
	b := r.b[r.at+1:]
	if n < 1 || n > 8 || n > len(b) {
		r.fault()
		return 0
	}
	r.at += 1 + n
	if len(b) >= 8 {
		return binary.BigEndian.Uint64(b) >> (64 - 8*n)
	}
	for _, c := range b[:n] {
		v = v<<8 | uint64(c)
	}
	return v
}

// int reads a signed number: its lowest bit says that the others are inverted.
func (r *reader) int() int64 {
	u := r.uint()
	return int64(u>>1) ^ -int64(u&1)
}

// string reads a length and as many bytes.
func (r *reader) string() []byte {
	n := r.uint()
	if n > uint64(r.left()) {
		r.fault()
		return nil
	}
	r.at += int(n)
	return r.b[r.at-int(n) : r.at : r.at]
}
