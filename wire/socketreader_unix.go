//go:build unix

package wire

import (
	"io"
	"net"
	"os"
	"syscall"
)

// socketReader waits for a socket to have something to read before it takes a
// buffer to read it into.
type socketReader struct {
	raw  syscall.RawConn
	lent *[]byte
	n    int
	err  error
	try  func(fd uintptr) bool // is once, so that a read allocates nothing
}

// newSocketReader returns nil where nc is no socket.
func newSocketReader(nc net.Conn) *socketReader {
	raw := rawSocket(nc)
	if raw == nil {
		return nil
	}
	s := &socketReader{raw: raw}
	s.try = s.once
	return s
}

// read blocks until there is something, and returns it and the buffer that it
// is in, which is the caller's to give back.
func (s *socketReader) read() (lent *[]byte, data []byte, err error) {
	if err := s.raw.Read(s.try); err != nil {
		return nil, nil, err
	}
	lent, s.lent = s.lent, nil
	if s.err == nil && s.n == 0 {
		s.err = io.EOF
	}
	if s.err != nil {
		readBuffers.Put(lent)
		return nil, nil, s.err
	}
	return lent, (*lent)[:s.n], nil
}

func (s *socketReader) once(fd uintptr) bool {
	s.lent = readBuffers.Get().(*[]byte)
	s.n, s.err = syscall.Read(int(fd), *s.lent)
	for s.err == syscall.EINTR {
		s.n, s.err = syscall.Read(int(fd), *s.lent)
	}
	if s.err == syscall.EAGAIN {
		readBuffers.Put(s.lent)
		return false
	}
	s.err = os.NewSyscallError("read", s.err)
	return true
}
