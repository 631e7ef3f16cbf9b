//go:build unix

package duplex

import (
	"io"
	"net"
	"os"
	"syscall"
)

// socket_unix.go reads and writes a socket without Go's own waiting: what the
// socket takes at once needs no other goroutine, and a connection on which nothing
// comes needs no buffer.

// direct writes to a socket without blocking. It is not safe for concurrent
// use, nor beside another writer of the same connection, for which it would
// have to wait.
type direct struct {
	raw syscall.RawConn
	buf []byte
	n   int
	try func(fd uintptr) bool // is once, so that a write allocates nothing
}

// newDirect returns nil where nc is no socket, as under TLS.
func newDirect(nc net.Conn) *direct {
	raw := rawSocket(nc)
	if raw == nil {
		return nil
	}
	d := &direct{raw: raw}
	d.try = d.once
	return d
}

// rawSocket returns the socket that nc is, nil where it is none. What holds one
// and has its methods is none: it may count, slow or encrypt what it reads and
// writes.
func rawSocket(nc net.Conn) syscall.RawConn {
	var socket syscall.Conn
	switch nc := nc.(type) {
	case *net.TCPConn:
		socket = nc
	case *net.UnixConn:
		socket = nc
	default:
		return nil
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// write returns how many bytes the socket took, 0 for none. An error is left
// for the writer to meet.
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
	return true // whatever became of it: do not wait until more can be written
}

// socketReader waits for a socket to have something to read before it takes a
// buffer to read it into.
type socketReader struct {
	raw    syscall.RawConn
	pooled *[]byte
	n      int
	err    error
	try    func(fd uintptr) bool // is once, so that a read allocates nothing
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
