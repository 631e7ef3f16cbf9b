package momclient

import (
	"fmt"
	"log/slog"
	"runtime/debug"

	"mom.internal/wire"
)

// PanicError is a panic in a handler.
type PanicError struct {
	Value any
	Stack []byte
	Event *wire.Event // the event that was being handled; nil in OnConnection
}

// Error says what panicked.
func (e *PanicError) Error() string {
	if e.Event == nil {
		return fmt.Sprintf("momclient: the OnConnection handler panicked: %v", e.Value)
	}
	return fmt.Sprintf("momclient: the OnEvent handler panicked at event %d: %v", e.Event.Seq, e.Value)
}

// deliverEvents hands events to the handler until the client is closed.
func (c *Client) deliverEvents() {
	for {
		select {
		case <-c.queue.handlers:
		case <-c.life.Done():
			return
		}
		for c.handleNext() {
		}
	}
}

// handleNext hands the oldest waiting event to the handler, and reports
// whether there was one to hand over.
func (c *Client) handleNext() bool {
	return c.consume(false, func(ev *wire.Event) {
		c.mu.Lock()
		handler := c.onEvent
		c.mu.Unlock()
		if handler != nil {
			c.guard(ev, func() { handler(*ev) })
		}
	})
}

// consume calls handle with the oldest waiting event, moves past it, and
// reports whether there was anything to move past. pull says for whom: the
// range loop, or the OnEvent handler.
func (c *Client) consume(pull bool, handle func(*wire.Event)) bool {
	c.mu.Lock()
	ch := c.queue.head()
	mine := pull == (c.pulling != nil) && c.life.Err() == nil
	c.mu.Unlock()
	if ch == nil || !mine {
		return false
	}
	var ev *wire.Event
	var seq uint64
	if ch.left > 0 {
		var err error
		if ev, err = ch.next(); err != nil {
			c.spoil(ch, err)
			return true
		}
		seq = ev.Seq
	}
	turn, after, ok := c.begin(ch, seq, pull)
	if !ok {
		return true
	}
	if ev != nil {
		handle(ev)
	}
	c.end(turn, after)
	return true
}

// deliverStatuses hands connection statuses to the handler, up to Closed.
func (c *Client) deliverStatuses() {
	for range c.statuses.bell {
		for {
			s, ok := c.statuses.pop()
			if !ok {
				break
			}
			c.mu.Lock()
			handler := c.onConnection
			c.mu.Unlock()
			if handler != nil {
				c.guard(nil, func() { handler(s) })
			}
			if s.Kind == Closed && c.life.Err() != nil {
				return
			}
		}
	}
}

// guard runs a handler and reports its panic.
func (c *Client) guard(ev *wire.Event, handler func()) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		p := &PanicError{Value: v, Stack: debug.Stack(), Event: ev}
		if c.opts.OnPanic != nil {
			c.opts.OnPanic(p)
			return
		}
		log := c.opts.Logger
		if log == nil {
			log = slog.Default()
		}
		log.Error(p.Error(), "stack", string(p.Stack))
	}()
	handler()
}
