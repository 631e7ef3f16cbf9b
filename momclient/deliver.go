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

// deliverEvents hands events to the OnEvent handler until the client is closed.
func (c *Client) deliverEvents() {
	var ev wire.Event
	for {
		select {
		case <-c.handler.bell:
		case <-c.life.Done():
			return
		}
		for d, ok := c.next(c.handler, &ev); ok; d, ok = c.next(c.handler, &ev) {
			if d.handler != nil {
				c.guard(&ev, func() { d.handler(ev) })
			}
			c.inbox.done(d)
		}
	}
}

// next takes the oldest event that waits, if by has the turn, and tells the
// server about the credit that this makes.
func (c *Client) next(by *consumer, ev *wire.Event) (delivery, bool) {
	d, ok := c.inbox.next(by, ev)
	if d.session != nil && d.credit != nil {
		d.session.giveCredit(d.credit)
	}
	return d, ok
}

// deliverStatuses hands connection statuses to the handler, until it has handed
// over the last one.
func (c *Client) deliverStatuses() {
	for range c.statuses.bell {
		for s, ok := c.statuses.pop(); ok; s, ok = c.statuses.pop() {
			c.mu.Lock()
			handler := c.onConnection
			c.mu.Unlock()
			if handler != nil {
				c.guard(nil, func() { handler(s) })
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
		p := &PanicError{Value: v, Stack: debug.Stack()}
		if ev != nil {
			event := *ev // a copy, because ev holds the next event soon
			p.Event = &event
		}
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
