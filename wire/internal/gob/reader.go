package gob

import "encoding/binary"

// reader reads gob's encoding: numbers, strings, structs and type definitions.
// After a fault, bad is set, no bytes are left, and the results have no meaning.
type reader struct {
	b   []byte
	at  int // how many bytes of b have been read
	bad bool
}

func (r *reader) fault() { r.at, r.bad = len(r.b), true }

// left returns how many bytes have not been read.
func (r *reader) left() int { return len(r.b) - r.at }

// uint reads a number. One under 128 is a single byte.
func (r *reader) uint() uint64 {
	if i := r.at; i < len(r.b) && r.b[i] < 0x80 {
		r.at = i + 1
		return uint64(r.b[i])
	}
	v, next := long(r.b, r.at)
	if r.at = next; next < 0 {
		r.fault()
	}
	return v
}

// long reads a number of several bytes, the most significant first. The byte at the
// index at, before them, is their count, negated. long returns the index after them, or
// -1 if b has no such number there.
func long(b []byte, at int) (v uint64, next int) {
	if at >= len(b) {
		return 0, -1
	}
	n := -int(int8(b[at]))
	b = b[at+1:]
	if n < 1 || n > 8 || n > len(b) {
		return 0, -1
	}
	if len(b) >= 8 {
		return binary.BigEndian.Uint64(b) >> (64 - 8*n), at + 1 + n
	}
	for _, c := range b[:n] {
		v = v<<8 | uint64(c)
	}
	return v, at + 1 + n
}

// int reads a signed number. If its lowest bit is set, the others are inverted.
func (r *reader) int() int64 {
	u := r.uint()
	return int64(u>>1) ^ -int64(u&1)
}

// string reads a length and that number of bytes.
func (r *reader) string() []byte {
	n := r.uint()
	if n > uint64(r.left()) {
		r.fault()
		return nil
	}
	r.at += int(n)
	return r.b[r.at-int(n) : r.at : r.at]
}

// fields reads a struct. It calls field to read each field that is present; n is
// the field's number and counts from 1.
func (r *reader) fields(field func(n uint64)) {
	for n := uint64(0); ; {
		delta := r.uint()
		if delta == 0 {
			return
		}
		if n += delta; n > 64 {
			r.fault()
			return
		}
		field(n)
	}
}

// definition reads gob's wireType. It returns the kind, which is the one field
// that is set, and the types that the definition refers to. It reads nothing of a
// kind that is refused.
func (r *reader) definition(most int) (kind uint64, refs []typeRef) {
	r.fields(func(n uint64) {
		if kind != 0 || n == kindArray || n == kindMap || n > kindText {
			r.fault()
		} else {
			refs = r.body(n, most)
		}
		kind = n
	})
	return kind, refs
}

// body reads the rest of a definition: name and number, then elements or fields.
func (r *reader) body(kind uint64, most int) (refs []typeRef) {
	r.fields(func(n uint64) {
		switch {
		case n == 1:
			r.named()
		case n == 2 && kind == kindSlice:
			refs = append(refs, typeRef{id: r.int()})
		case n == 2 && kind == kindStruct:
			for range r.uint() {
				if refs = append(refs, r.named()); r.bad || len(refs) > most {
					r.fault()
					return
				}
			}
		default:
			r.fault()
		}
	})
	return refs
}

// named reads a name and the number of a type, as they stand at the beginning of
// a definition and in each field of a struct.
func (r *reader) named() (ref typeRef) {
	r.fields(func(n uint64) {
		switch n {
		case 1:
			ref.name = string(r.string())
		case 2:
			ref.id = r.int()
		default:
			r.fault()
		}
	})
	return ref
}
