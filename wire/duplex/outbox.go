package duplex

import (
	"encoding/binary"
	"net"
	"sync"
	"time"

	"mom.internal/wire"
)

// outbox takes frames without blocking. It hands them to the socket as far as
// that takes them at once; the rest is written by a goroutine of its own, under
// a deadline. rpc.Client.Go writes on its caller's goroutine, holding a mutex,
// until the socket takes the bytes (golang/go#13442); with an outbox in
// between, a peer that does not read costs its callers nothing.
type outbox struct {
	nc               net.Conn
	direct           *direct       // writes without blocking; nil where that cannot be done
	timeout          time.Duration // for each write of the writer's
	limit            int           // bytes that may wait before another frame is refused
	maxQueuedReplies int           // bytes of replies that may wait before calls are not served
	maxPayload       int           // bytes of the longest payload; 0 for no bound
	replyDelay       time.Duration // how long a reply may wait, so that several leave in one write; 0 for not at all

	bell chan struct{} // rung when the writer has something to do

	mu             sync.Mutex // guards all below; never held across I/O that can block
	buf            []byte     // frames that wait, whole but for what direct has written of the first
	pooled         *[]byte    // what buf goes back to the pool in
	writing        bool       // the writer is writing: nobody else may
	replies        int        // bytes of the replies in buf, until all of buf has left
	repliesInWrite int        // bytes of the replies that the writer is writing
	onRoom         func()     // called when full is over; nil for nobody
	delayed        int        // replies in buf that may wait
	flushNext      bool       // the next reply does not wait, nor do those before it
	timer          *time.Timer
}

func newOutbox(nc net.Conn, cfg *ConnConfig) *outbox {
	maxQueued := cfg.MaxReplies
	if maxQueued == 0 {
		maxQueued = cfg.MaxWaiting / 2
	}
	return &outbox{
		nc: nc, direct: newDirect(nc), limit: cfg.MaxWaiting, maxPayload: cfg.MaxCall, timeout: cfg.WriteTimeout,
		maxQueuedReplies: maxQueued, replyDelay: cfg.ReplyDelay, bell: make(chan struct{}, 1),
	}
}

// buffers holds the outboxes' idle buffers: a connection with nothing to say
// holds none.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// maxPooled is the capacity over which a buffer is left to the collector.
const maxPooled = 256 << 10

// payload is what a frame carries.
type payload interface {
	append(dst []byte) ([]byte, error)
}

// put appends one frame. It never blocks. If limit bytes wait already, if the
// payload cannot be encoded, or if it is too long for the peer, put returns an
// error and the frame is not sent. The caller then ends the
// connection: a payload that was encoded and not sent is missing from the gob
// stream that the peer decodes.
//
// A call leaves at once. A reply may wait a moment, so that several leave in one
// write: until a call leaves, flushReplies asks for it, or replyDelay has
// passed. A writer that is already writing takes waiting replies along even
// earlier.
func (o *outbox) put(kind frameKind, p payload) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.buf) >= o.limit {
		return wire.Errorf(wire.Full, "%d bytes wait for %v already", len(o.buf), o.nc.RemoteAddr())
	}
	if o.pooled == nil {
		o.pooled = buffers.Get().(*[]byte)
		o.buf = *o.pooled
	}
	start := len(o.buf)
	buf, err := p.append(append(o.buf, byte(kind), 0, 0, 0, 0))
	if err != nil {
		return err
	}
	size := len(buf) - start - frameHead
	if o.maxPayload > 0 && size > o.maxPayload {
		return wire.Errorf(wire.BadRequest, "a call of %d bytes; %v takes %d at most", size, o.nc.RemoteAddr(), o.maxPayload)
	}
	binary.BigEndian.PutUint32(buf[start+1:], uint32(size))
	o.buf = buf
	if kind == frameReply {
		o.replies += frameHead + size
		if o.delayReply() {
			return nil
		}
	}
	o.flush()
	return nil
}

// delayReply reports whether a reply that has been added may wait, and if so has
// a timer send it. mu is held.
func (o *outbox) delayReply() bool {
	if o.replyDelay == 0 || o.flushNext {
		return false
	}
	o.delayed++
	switch {
	case o.timer == nil:
		o.timer = time.AfterFunc(o.replyDelay, o.flushDelayed)
	case o.delayed == 1:
		o.timer.Reset(o.replyDelay)
	}
	return true
}

// flushDelayed sends the replies that have waited for replyDelay.
func (o *outbox) flushDelayed() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.delayed > 0 {
		o.flush()
	}
}

// flushReplies lets the next reply leave at once, and those before it.
func (o *outbox) flushReplies() {
	o.mu.Lock()
	o.flushNext = true
	o.mu.Unlock()
}

// flush sends what waits: as much as the socket takes now, and the rest by the
// writer. mu is held.
func (o *outbox) flush() {
	if o.timer != nil {
		o.timer.Stop()
	}
	o.delayed, o.flushNext = 0, false
	if o.direct != nil && !o.writing {
		n := o.direct.write(o.buf)
		o.buf = o.buf[:copy(o.buf, o.buf[n:])]
		if len(o.buf) == 0 {
			giveBack(o.pooled, o.buf)
			o.pooled, o.buf, o.replies = nil, nil, 0
			o.notifyRoom()
			return
		}
	}
	ring(o.bell)
}

// giveBack returns a buffer to the pool.
func giveBack(pooled *[]byte, buf []byte) {
	if cap(buf) <= maxPooled {
		*pooled = buf[:0]
		buffers.Put(pooled)
	}
}

// full reports whether so many replies wait that no further call is served.
func (o *outbox) full() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.replies+o.repliesInWrite > o.maxQueuedReplies
}

// whenRoom reports whether the outbox is not full. If it is full, f is called
// when that is over, unless whenRoom is called again before; f must not block.
func (o *outbox) whenRoom(f func()) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.onRoom = nil; o.replies+o.repliesInWrite <= o.maxQueuedReplies {
		return true
	}
	o.onRoom = f
	return false
}

// notifyRoom calls onRoom if the outbox is not full any more. mu is held.
func (o *outbox) notifyRoom() {
	if o.onRoom != nil && o.replies+o.repliesInWrite <= o.maxQueuedReplies {
		o.onRoom()
		o.onRoom = nil
	}
}

// write is the writer: it writes what waits until done or an error, which it
// returns.
func (o *outbox) write(done <-chan struct{}) error {
	for {
		select {
		case <-o.bell:
		case <-done:
			return nil
		}
		for buf, pooled := o.take(); len(buf) > 0; buf, pooled = o.take() {
			o.nc.SetWriteDeadline(time.Now().Add(o.timeout))
			if _, err := o.nc.Write(buf); err != nil {
				return err // half a frame may be out: the connection is finished
			}
			giveBack(pooled, buf)
		}
		o.nc.SetWriteDeadline(time.Time{}) // direct writes have none
	}
}

// take returns what waits, leaving the outbox empty: what it returned before
// has left. From then on the writer is writing, until it finds nothing to take.
func (o *outbox) take() (buf []byte, pooled *[]byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	buf, pooled = o.buf, o.pooled
	o.repliesInWrite, o.replies = o.replies, 0
	o.buf, o.pooled = nil, nil
	o.writing = len(buf) > 0
	o.notifyRoom()
	return buf, pooled
}

// ring wakes whoever waits on the bell; a bell that has rung stays rung.
func ring(bell chan struct{}) {
	select {
	case bell <- struct{}{}:
	default:
	}
}
