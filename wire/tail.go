package wire

import (
	"encoding/binary"
	"io"
	"math/bits"
)

// tail.go holds how the bytes of events get into a frame past the gob encoder.
// They are most of what a server sends, and as a field that the encoder writes
// they would be copied twice, and each connection's encoder would keep room for
// its largest batch as long as it lives.

// tailed is a body with the events as its last field.
type tailed interface {
	// tail returns the events, and by how much the number of their field is
	// over that of the last field before them that is not zero; 0 where there
	// is none.
	tail() (events *[]byte, delta byte)
}

func (b *Batch) tail() (*[]byte, byte) {
	switch {
	case len(b.Types) > 0:
		return &b.Events, 1
	case b.Count > 0:
		return &b.Events, 2
	}
	return &b.Events, 0
}

func (p *Page) tail() (*[]byte, byte) {
	switch {
	case p.More:
		return &p.Events, 1
	case len(p.Types) > 0:
		return &p.Events, 2
	case p.Count > 0:
		return &p.Events, 3
	}
	return &p.Events, 0
}

// spliced is where a gob encoder writes: to each frame in its turn. It adds the
// field that the encoder was not given.
type spliced struct {
	to      io.Writer
	field   []byte // to be added to the next value; nil for nothing
	delta   byte
	scratch [2 * maxGobNumber]byte
}

// maxGobNumber is what a number takes at most.
const maxGobNumber = 9

// Write writes one message: gob's encoder writes each whole.
func (s *spliced) Write(message []byte) (int, error) {
	in := gobReader{b: message}
	in.uint()
	start := in.at
	if s.field == nil || in.int() < 0 {
		return s.to.Write(message)
	}
	value := message[start : len(message)-1] // without the end of the struct
	field := appendUint(append(s.scratch[maxGobNumber:maxGobNumber], s.delta), uint64(len(s.field)))
	size := appendUint(s.scratch[:0], uint64(len(value)+len(field)+len(s.field)+1))
	end := message[len(message)-1:]
	for _, part := range [...][]byte{size, value, field, s.field, end} {
		if _, err := s.to.Write(part); err != nil {
			return 0, err
		}
	}
	s.field = nil
	return len(message), nil
}

// appendUint writes a number as gob does.
func appendUint(dst []byte, n uint64) []byte {
	if n < 0x80 {
		return append(dst, byte(n))
	}
	var all [8]byte
	binary.BigEndian.PutUint64(all[:], n)
	zeros := bits.LeadingZeros64(n) / 8
	return append(append(dst, byte(zeros-8)), all[zeros:]...)
}
