package duplex

import (
	"errors"
	"io"
	"net"
	"slices"
	"testing"
)

// scripted is a connection whose reads return one piece each; the last piece
// comes with the error.
type scripted struct {
	net.Conn
	pieces []string
	err    error
	sizes  []int // of the buffers that were read into
}

func (s *scripted) Read(p []byte) (int, error) {
	s.sizes = append(s.sizes, len(p))
	if len(s.pieces) == 0 {
		return 0, s.err
	}
	n := copy(p, s.pieces[0])
	if s.pieces = s.pieces[1:]; len(s.pieces) == 0 {
		return n, s.err
	}
	return n, nil
}

// TestReadAhead reads ahead for a small read, and reads directly for a large one.
// Bytes that came with an error are read before the error.
func TestReadAhead(t *testing.T) {
	over := errors.New("over")
	s := &scripted{pieces: []string{"", "abcdef", "ghi", "jk"}, err: over}
	in := newReadAhead(s)
	if len(in.buf) > 0 || in.wait() != nil || string(in.buf) != "abcdef" || in.wait() != nil {
		t.Errorf("%q is read ahead", in.buf)
	}
	read := func(size int, want string, is error) {
		t.Helper()
		p := make([]byte, size)
		if n, err := in.Read(p); string(p[:n]) != want || err != is {
			t.Errorf("%q, %v; want %q, %v", p[:n], err, want, is)
		}
	}
	read(4, "abcd", nil)
	read(2*ownBufferSize, "ef", nil) // no more than is there
	read(ownBufferSize, "ghi", nil)  // directly
	read(ownBufferSize-1, "jk", nil) // ahead, and its error comes again
	read(ownBufferSize-1, "", over)
	read(ownBufferSize, "", over)
	if want := []int{ownBufferSize, ownBufferSize, ownBufferSize, ownBufferSize, ownBufferSize, ownBufferSize}; !slices.Equal(s.sizes, want) {
		t.Errorf("it read into buffers of %v bytes; want %v", s.sizes, want)
	}
	s = &scripted{pieces: []string{"x"}, err: io.EOF}
	in = newReadAhead(s)
	read(4*ownBufferSize, "x", io.EOF)
	if in.own != nil || !slices.Equal(s.sizes, []int{4 * ownBufferSize}) {
		t.Errorf("a large read went by a buffer of its own: %v", s.sizes)
	}
}
