package duplex

import (
	"net"
	"sync"
)

// readAhead reads a connection in large pieces. On a socket it holds a buffer only
// while there are bytes in it, so that an idle connection needs no buffer, and many
// connections share buffers that are still in the processor's cache.
type readAhead struct {
	nc     net.Conn
	socket *socketReader // nil if nc is not a socket, as under TLS
	buf    []byte        // the bytes that have been read ahead
	pooled *[]byte       // the buffer of a socket, which buf is part of
	own    []byte        // the buffer of any other connection
}

// A socket is read readAheadSize bytes at a time. Any other connection is read
// ownBufferSize bytes at a time, because it has a buffer inside.
const (
	readAheadSize = 16 << 10
	ownBufferSize = 1 << 10
)

// readBuffers holds the buffers that no socket needs at the moment.
var readBuffers = sync.Pool{New: func() any { b := make([]byte, readAheadSize); return &b }}

func newReadAhead(nc net.Conn) *readAhead { return &readAhead{nc: nc, socket: newSocketReader(nc)} }

// wait blocks until bytes have been read ahead.
func (in *readAhead) wait() (err error) {
	for len(in.buf) == 0 && err == nil {
		if in.socket != nil {
			in.pooled, in.buf, err = in.socket.read()
			continue
		}
		if in.own == nil {
			in.own = make([]byte, ownBufferSize)
		}
		var n int
		n, err = in.nc.Read(in.own)
		if in.buf = in.own[:n]; n > 0 {
			err = nil // the next read returns it again
		}
	}
	return err
}

// Read returns bytes that have been read ahead. If there are none, it reads ahead
// first, or into p directly if p has ownBufferSize bytes or more.
func (in *readAhead) Read(p []byte) (int, error) {
	if len(in.buf) == 0 {
		if len(p) >= ownBufferSize {
			return in.nc.Read(p)
		}
		if err := in.wait(); err != nil {
			return 0, err
		}
	}
	n := copy(p, in.buf)
	if in.buf = in.buf[n:]; len(in.buf) == 0 && in.pooled != nil {
		readBuffers.Put(in.pooled)
		in.pooled, in.buf = nil, nil
	}
	return n, nil
}
