package duplex

import (
	"bytes"
	"errors"
	"os"
	"time"

	"mom.internal/wire"
)

// receive.go is what the reader does with the frames that arrive: it hands a
// reply to net/rpc and serves a call. While replies cannot leave, calls wait and
// only the peer's replies are taken, because these, such as acknowledgements,
// must not wait behind the peer's calls.

// nextReply reads until a reply arrives, serves the calls that arrive before it,
// and returns the payload of the reply, valid until the next call of nextReply.
// Only net/rpc's goroutine calls it, through the client's codec.
func (c *Conn) nextReply() ([]byte, error) {
	select {
	case <-c.serving:
	case <-c.done:
		return nil, c.Err()
	}
	for {
		if err := c.servePending(); err != nil {
			return nil, err
		}
		kind, payload, err := c.frames.next()
		if err == nil {
			c.received.Store(int64(time.Since(c.began)))
			if kind == frameReply {
				return payload, nil
			}
			err = c.takeCall(payload)
		}
		if err != nil {
			return nil, err
		}
	}
}

// takeCall serves a call that has arrived, or adds it to the pending calls. It
// returns an error, which ends the connection, if the peer leaves more calls
// unanswered than it may. The pending calls, and those that have been read ahead,
// count as unanswered, because the peer did not wait for their replies.
func (c *Conn) takeCall(payload []byte) error {
	switch limit := c.cfg.MaxCalls; {
	case c.calls == nil:
		return wire.Errorf(wire.ProtocolError, "%v called, and nothing is served here", c.nc.RemoteAddr())
	case limit > 0 && len(c.pending.calls)+c.frames.callsBehind(limit) >= limit:
	case c.pending.empty() && c.out.whenRoom(nil):
		return c.serveCall(payload)
	case c.pending.push(payload):
		return nil
	}
	return wire.Errorf(wire.ProtocolError, "%v has too many calls outstanding", c.nc.RemoteAddr())
}

// serveCall serves a call. It returns an error if the connection has ended, so
// that no frame that has been read ahead is served.
func (c *Conn) serveCall(call []byte) error {
	c.waitTurn()
	if c.OnCall != nil {
		c.OnCall(len(call))
	}
	err := c.Err() // if the connection has ended during OnCall, nobody waits for the reply
	if err == nil {
		err = c.calls.serve(call)
	}
	if c.OnReplied != nil {
		c.OnReplied()
	}
	if err == nil {
		err = c.Err()
	}
	return err
}

// waitTurn waits if the peer has called more often than it may. Meanwhile nothing
// of the connection is read, so that only the peer pays.
func (c *Conn) waitTurn() {
	if c.cfg.CallsPerSecond == 0 {
		return
	}
	now := time.Now()
	if c.nextTurn.Before(now) {
		c.nextTurn = now
	}
	wait := c.nextTurn.Sub(now) - time.Second
	c.nextTurn = c.nextTurn.Add(time.Second / time.Duration(c.cfg.CallsPerSecond))
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-c.done:
		}
	}
}

// servePending serves the pending calls as replies leave. It returns when no call
// is pending, or when a frame has arrived.
func (c *Conn) servePending() error {
	for !c.pending.empty() {
		if c.out.whenRoom(func() { c.nc.SetReadDeadline(time.Unix(1, 0)) }) {
			if err := c.serveCall(c.pending.pop()); err != nil {
				return err
			}
			continue
		}
		err := c.frames.ahead.wait() // for a frame, or until there is room
		c.out.whenRoom(nil)          // first, so that nobody sets the deadline after this
		c.nc.SetReadDeadline(time.Time{})
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return c.frames.readError(err)
		}
	}
	return nil
}

// maxPendingBytes bounds the bytes of the pending calls; a single call may be
// longer.
const maxPendingBytes = 64 << 10

// pendingCalls are calls that have been read and not yet served, oldest first.
type pendingCalls struct {
	calls [][]byte
	bytes int
}

func (p *pendingCalls) empty() bool { return len(p.calls) == 0 }

// push adds a copy of a call. It returns false if that exceeds the bound.
func (p *pendingCalls) push(call []byte) bool {
	if !p.empty() && p.bytes+len(call) > maxPendingBytes {
		return false
	}
	p.calls = append(p.calls, bytes.Clone(call))
	p.bytes += len(call)
	return true
}

// pop removes the oldest call and returns it.
func (p *pendingCalls) pop() []byte {
	call := p.calls[0]
	p.calls[0] = nil
	if p.calls = p.calls[1:]; len(p.calls) == 0 {
		p.calls = nil
	}
	p.bytes -= len(call)
	return call
}
