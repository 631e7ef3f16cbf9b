package duplex

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"time"

	"mom.internal/wire"
)

// pending.go holds what becomes of a peer's calls while its replies do not
// leave. It is read on, because its replies to this side's calls, such as
// acknowledgements, must not wait behind its own calls. But a peer that calls
// on and on without an answer is no caller.

// maxPendingBytes bounds the bytes of the calls that wait; one alone may be longer.
const maxPendingBytes = 64 << 10

// pendingCalls are calls that have been read and not served, oldest first.
type pendingCalls struct {
	calls [][]byte
	bytes int
}

func (b *pendingCalls) empty() bool { return len(b.calls) == 0 }

// push adds a copy of a call. It returns false where that is too much.
func (b *pendingCalls) push(call []byte) bool {
	if !b.empty() && b.bytes+len(call) > maxPendingBytes {
		return false
	}
	b.calls = append(b.calls, bytes.Clone(call))
	b.bytes += len(call)
	return true
}

// pop takes the oldest call.
func (b *pendingCalls) pop() []byte {
	call := b.calls[0]
	b.calls[0] = nil
	if b.calls = b.calls[1:]; len(b.calls) == 0 {
		b.calls = nil
	}
	b.bytes -= len(call)
	return call
}

// takeCall serves a call that has come, or puts it behind those that wait. It
// returns an error, which ends the connection, if the peer leaves more calls
// unanswered than it may: neither the calls that wait, nor those that have come
// with this one, can have been answered when the peer sent them.
func (c *Conn) takeCall(payload []byte) error {
	switch max := c.cfg.MaxCalls; {
	case max > 0 && len(c.pending.calls)+c.callsBehind() >= max:
	case c.pending.empty() && !c.out.full():
		return c.serveCall(payload)
	case c.pending.push(payload):
		return nil
	}
	return wire.Errorf(wire.ProtocolError, "%v leaves too many calls unanswered", c.nc.RemoteAddr())
}

// serveCall serves a call. It returns an error where that has ended the connection:
// what has been read ahead is not served any more.
func (c *Conn) serveCall(call []byte) error {
	err := c.calls.serve(call)
	if c.OnReplied != nil {
		c.OnReplied()
	}
	if err == nil {
		err = c.Err()
	}
	return err
}

// callsBehind counts the calls that have come with the one that was read, as
// far as they are read ahead.
func (c *Conn) callsBehind() (n int) {
	ahead := c.in.buffered()
	if len(ahead) < c.cfg.MaxCalls*frameHead {
		return 0 // it cannot be too many
	}
	for len(ahead) >= frameHead {
		if frameKind(ahead[0]) == frameCall {
			n++
		}
		size := uint64(frameHead) + uint64(binary.BigEndian.Uint32(ahead[1:]))
		if size > uint64(len(ahead)) {
			break
		}
		ahead = ahead[size:]
	}
	return n
}

// servePending serves the calls that wait, as replies leave. It returns when none
// is left, or a frame has come.
func (c *Conn) servePending() error {
	for !c.pending.empty() {
		if c.out.whenRoom(c.interrupt) {
			if err := c.serveCall(c.pending.pop()); err != nil {
				return err
			}
			continue
		}
		err := c.in.wait()
		c.out.whenRoom(nil) // first: from here on nobody sets the deadline
		c.nc.SetReadDeadline(time.Time{})
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return c.ioError("reading from", err)
		}
	}
	return nil
}

// interrupt ends the reader's waiting for a frame.
func (c *Conn) interrupt() { c.nc.SetReadDeadline(time.Unix(1, 0)) }
