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
		case <-c.inbox.bells[byHandler]:
		case <-c.life.Done():
			return
		}
		for d, ok := c.inbox.next(byHandler, &ev); ok; d, ok = c.inbox.next(byHandler, &ev) {
			c.handle(&ev)
			c.done(d)
		}
	}
}

// handle calls the OnEvent handler.
func (c *Client) handle(ev *wire.Event) {
	c.mu.Lock()
	handler := c.onEvent
	c.mu.Unlock()
	if handler != nil {
		c.guard(ev, func() { handler(*ev) })
	}
}

// done moves the client past an event, and tells the server about the credit
// that this makes.
func (c *Client) done(d delivery) {
	if s, update := c.inbox.done(d); s != nil && update != nil {
		s.tellCredit(update)
	}
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
		p := &PanicError{Value: v, Stack: debug.Stack()}
		if ev != nil {
			event := *ev // which is of the next event soon
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
