package duplex

import (
	"cmp"
	"net"
	"sync"
	"time"

	"mom.internal/wire"
)

// outbox takes frames without blocking. It writes as many bytes as the socket takes
// at once, and a writer goroutine writes the rest under a deadline. Without an
// outbox, rpc.Client.Go would write on its caller's goroutine, holding a mutex,
// until the socket takes the bytes (golang/go#13442), so that a peer that does not
// read would block the callers.
type outbox struct {
	nc     net.Conn
	cfg    *ConnConfig
	direct *direct       // writes without blocking; nil if the connection cannot
	bell   chan struct{} // receives when the writer has something to write

	mu             sync.Mutex // guards all below; never held across I/O that can block
	buf            *[]byte    // frames that wait; direct may have written the beginning of the first; nil if none waits
	writing        bool       // the writer is writing, so nobody else may
	replies        int        // bytes of the replies in buf, counted until all of buf has left
	repliesInWrite int        // bytes of the replies that the writer is writing
	onRoom         func()     // called when the outbox is no longer full; may be nil
	delayed        int        // replies in buf that wait for ReplyDelay
	flushNext      bool       // the next reply leaves at once, with those before it
	timer          *time.Timer
}

func newOutbox(nc net.Conn, cfg *ConnConfig) *outbox {
	return &outbox{nc: nc, cfg: cfg, direct: newDirect(nc), bell: make(chan struct{}, 1)}
}

// buffers holds the buffers that no outbox needs at the moment. An idle connection
// has none.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// maxPooled is the capacity of the largest buffer that goes back to the pool.
const maxPooled = 256 << 10

// put adds a whole frame in a buffer of the pool, which belongs to the outbox from
// then on. It never blocks. If MaxWaiting bytes wait already, put returns an error and
// the frame is not sent.
//
// A call leaves at once. A reply waits until a call leaves, until flushReplies asks
// for it, or until ReplyDelay has passed, so that several replies leave in one
// write. A writer that is already writing takes them along earlier.
func (o *outbox) put(kind frameKind, frame *[]byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	size := len(*frame)
	switch {
	case o.buf == nil:
		o.buf = frame
	case len(*o.buf) >= o.cfg.MaxWaiting:
		return wire.Errorf(wire.Full, "%d bytes wait to be sent to %v", len(*o.buf), o.nc.RemoteAddr())
	default:
		*o.buf = append(*o.buf, *frame...)
		giveBack(frame)
	}
	if kind == frameReply {
		o.replies += size
		if o.delayReply() {
			return nil
		}
	}
	o.flush()
	return nil
}

// delayReply reports whether the reply that has just been added may wait. If so, a
// timer sends it later. mu is held.
func (o *outbox) delayReply() bool {
	if o.cfg.ReplyDelay == 0 || o.flushNext {
		return false
	}
	o.delayed++
	switch {
	case o.timer == nil:
		o.timer = time.AfterFunc(o.cfg.ReplyDelay, o.flushDelayed)
	case o.delayed == 1:
		o.timer.Reset(o.cfg.ReplyDelay)
	}
	return true
}

// flushDelayed sends the replies that have waited for ReplyDelay.
func (o *outbox) flushDelayed() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.delayed > 0 {
		o.flush()
	}
}

// flushReplies lets the next reply, and those before it, leave at once.
func (o *outbox) flushReplies() {
	o.mu.Lock()
	o.flushNext = true
	o.mu.Unlock()
}

// flush sends the frames that wait: as many bytes as the socket takes now, and the
// rest through the writer. mu is held.
func (o *outbox) flush() {
	if o.timer != nil {
		o.timer.Stop()
	}
	o.delayed, o.flushNext = 0, false
	if o.direct != nil && !o.writing {
		n := o.direct.write(*o.buf)
		*o.buf = append((*o.buf)[:0], (*o.buf)[n:]...)
		if len(*o.buf) == 0 {
			giveBack(o.buf)
			o.buf, o.replies = nil, 0
			o.notifyRoom()
			return
		}
	}
	select {
	case o.bell <- struct{}{}:
	default: // the writer has been told
	}
}

// giveBack returns a buffer to the pool.
func giveBack(buf *[]byte) {
	if cap(*buf) <= maxPooled {
		*buf = (*buf)[:0]
		buffers.Put(buf)
	}
}

// whenRoom reports whether the outbox has room for replies, so that a further call
// may be served. If it is full, f, which may be nil, is called as soon as it has
// room, unless whenRoom is called again before. f must not block.
func (o *outbox) whenRoom(f func()) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.onRoom = f; o.hasRoom() {
		o.onRoom = nil
	}
	return o.hasRoom()
}

// hasRoom is whenRoom with mu held.
func (o *outbox) hasRoom() bool {
	return o.replies+o.repliesInWrite <= cmp.Or(o.cfg.MaxReplies, o.cfg.MaxWaiting/2)
}

// notifyRoom calls onRoom if the outbox has room. mu is held.
func (o *outbox) notifyRoom() {
	if o.onRoom != nil && o.hasRoom() {
		o.onRoom()
		o.onRoom = nil
	}
}

// write is the writer. It writes the frames that wait until done is closed, or
// until a write fails. It returns that error.
func (o *outbox) write(done <-chan struct{}) error {
	for {
		select {
		case <-o.bell:
		case <-done:
			return nil
		}
		for buf := o.take(); buf != nil; buf = o.take() {
			o.nc.SetWriteDeadline(time.Now().Add(o.cfg.WriteTimeout))
			if _, err := o.nc.Write(*buf); err != nil {
				return err // part of a frame may be out, so the connection must end
			}
			giveBack(buf)
		}
		o.nc.SetWriteDeadline(time.Time{}) // direct writes have no deadline
	}
}

// take empties the outbox and returns what waited, after the writer has written
// what take returned before. The writer is writing until take returns nothing.
func (o *outbox) take() (buf *[]byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	buf, o.buf = o.buf, nil
	o.repliesInWrite, o.replies, o.delayed = o.replies, 0, 0
	o.writing = buf != nil
	o.notifyRoom()
	return buf
}
