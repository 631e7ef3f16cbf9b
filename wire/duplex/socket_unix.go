//go:build unix

package duplex

import (
	"io"
	"net"
	"os"
	"syscall"
)

// socket_unix.go calls read and write of a socket itself: bytes that the socket
// takes at once need no writer goroutine, and waiting for bytes needs no buffer.

// direct writes to a socket without blocking. Nobody else may write to the
// connection at the same time.
type direct struct {
	raw syscall.RawConn
	buf []byte
	n   int
	try func(fd uintptr) bool // once, kept here so that a write allocates nothing
}

// newDirect returns nil if nc is not a socket, as under TLS.
func newDirect(nc net.Conn) *direct {
	raw := rawSocket(nc)
	if raw == nil {
		return nil
	}
	d := &direct{raw: raw}
	d.try = d.once
	return d
}

// rawSocket returns the socket nc, nil if nc is not a socket. A type that wraps a
// socket is not one: it may count, slow or encrypt the bytes.
func rawSocket(nc net.Conn) syscall.RawConn {
	switch nc.(type) {
	case *net.TCPConn, *net.UnixConn:
		raw, _ := nc.(syscall.Conn).SyscallConn()
		return raw // nil if nc has been closed
	}
	return nil
}

// write returns how many bytes the socket took. If an error occurs it returns 0, and
// the writer will get the error.
func (d *direct) write(buf []byte) int {
	d.buf, d.n = buf, 0
	d.raw.Write(d.try)
	d.buf = nil
	return d.n
}

func (d *direct) once(fd uintptr) bool {
	if n, err := syscall.Write(int(fd), d.buf); err == nil {
		d.n = n
	}
	return true // in any case, so that RawConn does not wait until it can write
}

// socketReader waits for a socket to have something to read before it takes a
// buffer to read it into.
type socketReader struct {
	raw    syscall.RawConn
	pooled *[]byte
	n      int
	err    error
	try    func(fd uintptr) bool // once, kept here so that a read allocates nothing
}

// newSocketReader returns nil if nc is not a socket.
func newSocketReader(nc net.Conn) *socketReader {
	raw := rawSocket(nc)
	if raw == nil {
		return nil
	}
	s := &socketReader{raw: raw}
	s.try = s.once
	return s
}

// read blocks until bytes arrive. It returns them and the buffer that holds them,
// which the caller gives back.
func (s *socketReader) read() (pooled *[]byte, data []byte, err error) {
	if err := s.raw.Read(s.try); err != nil {
		return nil, nil, err
	}
	pooled, s.pooled = s.pooled, nil
	if s.err == nil && s.n == 0 {
		s.err = io.EOF
	}
	if s.err != nil {
		readBuffers.Put(pooled)
		return nil, nil, s.err
	}
	return pooled, (*pooled)[:s.n], nil
}

func (s *socketReader) once(fd uintptr) bool {
	s.pooled = readBuffers.Get().(*[]byte)
	s.n, s.err = syscall.Read(int(fd), *s.pooled)
	for s.err == syscall.EINTR {
		s.n, s.err = syscall.Read(int(fd), *s.pooled)
	}
	if s.err == syscall.EAGAIN {
		readBuffers.Put(s.pooled)
		return false
	}
	s.err = os.NewSyscallError("read", s.err)
	return true
}
