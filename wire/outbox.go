package wire

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"time"
)

// outbox takes frames without blocking and writes them to the connection from
// a goroutine of its own, under a deadline. rpc.Client.Go writes on its
// caller's goroutine, holding a mutex, until the socket takes the bytes
// (golang/go#13442); with an outbox in between, a peer that does not read
// costs its callers nothing.
type outbox struct {
	nc      net.Conn
	timeout time.Duration // for each write
	limit   int           // bytes that may wait before another frame is refused
	largest int           // bytes of the longest payload; 0 for no bound

	bell  chan struct{} // rung when buf has bytes
	space chan struct{} // rung when the writer has taken buf

	mu  sync.Mutex // guards buf; never held across I/O
	buf []byte     // frames that wait, whole
}

func newOutbox(nc net.Conn, limit, largest int, timeout time.Duration) *outbox {
	return &outbox{
		nc: nc, limit: limit, largest: largest, timeout: timeout,
		bell: make(chan struct{}, 1), space: make(chan struct{}, 1),
	}
}

// buffers holds the outboxes' idle buffers: a connection with nothing to say
// holds none.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// maxPooled is the capacity over which a buffer is left to the collector.
const maxPooled = 256 << 10

// put appends one frame; encode writes its payload. It never blocks. When
// limit bytes wait already, encode fails, or the payload is too long for the
// peer, the frame is not sent and the
// connection is of no further use, because the encoder is ahead of its peer.
func (o *outbox) put(kind frameKind, encode func(io.Writer) error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.buf) >= o.limit {
		return Errorf(CodeFull, "%d bytes wait for %v already", len(o.buf), o.nc.RemoteAddr())
	}
	if o.buf == nil {
		o.buf = *buffers.Get().(*[]byte)
	}
	start := len(o.buf)
	o.buf = append(o.buf, byte(kind), 0, 0, 0, 0)
	if err := encode((*boxWriter)(o)); err != nil {
		o.buf = o.buf[:start]
		return err
	}
	size := len(o.buf) - start - frameHead
	if o.largest > 0 && size > o.largest {
		o.buf = o.buf[:start]
		return Errorf(CodeBadRequest, "a call of %d bytes; %v takes %d at most", size, o.nc.RemoteAddr(), o.largest)
	}
	binary.BigEndian.PutUint32(o.buf[start+1:], uint32(size))
	ring(o.bell)
	return nil
}

// boxWriter appends to an outbox whose mu is held.
type boxWriter outbox

func (w *boxWriter) Write(p []byte) (int, error) {
	w.buf = append(w.buf, p...)
	return len(p), nil
}

// full reports whether half of the outbox waits: time to take no more requests
// whose replies would come on top.
func (o *outbox) full() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.buf) > o.limit/2
}

// waitSpace blocks while the outbox is full, or until done.
func (o *outbox) waitSpace(done <-chan struct{}) {
	for o.full() {
		select {
		case <-o.space:
		case <-done:
			return
		}
	}
}

// write writes what waits until done or an error, which it returns.
func (o *outbox) write(done <-chan struct{}) error {
	for {
		select {
		case <-o.bell:
		case <-done:
			return nil
		}
		for buf := o.take(); len(buf) > 0; buf = o.take() {
			o.nc.SetWriteDeadline(time.Now().Add(o.timeout))
			if _, err := o.nc.Write(buf); err != nil {
				return err // half a frame may be out: the connection is finished
			}
			if cap(buf) <= maxPooled {
				buf = buf[:0]
				buffers.Put(&buf)
			}
		}
	}
}

// take returns what waits, leaving the outbox empty.
func (o *outbox) take() []byte {
	o.mu.Lock()
	buf := o.buf
	o.buf = nil
	o.mu.Unlock()
	ring(o.space)
	return buf
}

// ring wakes whoever waits on the bell; a bell that has rung stays rung.
func ring(bell chan struct{}) {
	select {
	case bell <- struct{}{}:
	default:
	}
}
