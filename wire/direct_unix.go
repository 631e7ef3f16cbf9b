//go:build unix

package wire

import (
	"net"
	"syscall"
)

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
	socket, ok := nc.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil
	}
	d := &direct{raw: raw}
	d.try = d.once
	return d
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
