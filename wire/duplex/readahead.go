package duplex

import (
	"io"
	"net"
	"sync"
)

// readAhead reads a connection ahead. From a socket it holds a buffer only while
// there is something in it, so that a connection with nothing to say costs
// nothing, and many share buffers that are still in the processor's cache.
type readAhead struct {
	nc     net.Conn
	socket *socketReader // nil where nc is no socket, as under TLS
	buf    []byte        // what has been read and not taken
	pooled *[]byte       // the buffer that it lies in
	own    []byte        // the buffer where there is no socket
}

// readAheadSize is how many bytes are read from a socket at once, and
// ownBufferSize from any other connection, which has a buffer of its own inside.
const (
	readAheadSize = 16 << 10
	ownBufferSize = 1 << 10
)

// readBuffers holds the buffers of the sockets that were read and not taken.
var readBuffers = sync.Pool{New: func() any { b := make([]byte, readAheadSize); return &b }}

func newReadAhead(nc net.Conn) *readAhead { return &readAhead{nc: nc, socket: newSocketReader(nc)} }

// buffered returns what has been read ahead.
func (in *readAhead) buffered() []byte { return in.buf }

// wait blocks until something has been read ahead.
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
			err = nil // it comes again
		}
	}
	return err
}

// Read reads what has been read ahead. If there is nothing, it reads ahead
// first, unless p has ownBufferSize bytes or more: then it reads into p directly.
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

var _ io.Reader = (*readAhead)(nil)
