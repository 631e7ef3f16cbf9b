package momclient

import (
	"fmt"
	"runtime/debug"

	"mom.internal/wire"
	"mom.internal/wire/protocol"
)

// PanicError is a panic in a handler.
type PanicError struct {
	Value any
	Stack []byte
	Event *wire.Event // the event that was being handled; nil in OnConnection
}

// Error says which handler panicked, at which event, and with which value.
func (e *PanicError) Error() string {
	if e.Event == nil {
		return fmt.Sprintf("momclient: the OnConnection handler panicked: %v", e.Value)
	}
	return fmt.Sprintf("momclient: the OnEvent handler panicked at event %d: %v", e.Event.Seq, e.Value)
}

// deliverEvents calls the OnEvent handler for each event, until the client is
// closed.
func (c *Client) deliverEvents() {
	var ev wire.Event
	for {
		select {
		case <-c.handler.bell:
		case <-c.life.Done():
			return
		}
		for d, ok := c.next(c.handler, &ev); ok; d, ok = c.doneNext(d, &ev) {
			if d.handler != nil {
				c.runHandler(&ev, func() { d.handler(ev) })
			}
		}
	}
}

// next takes the oldest event that waits, if the consumer is active, and
// announces the credit to the server if that is worth a call.
func (c *Client) next(consumer *consumer, ev *wire.Event) (delivery, bool) {
	d, ok := c.inbox.next(consumer, ev)
	d.announceCredit()
	return d, ok
}

// doneNext is next for the consumer that calls the OnEvent handler. It first ends the
// delivery before, for which the handler has returned.
func (c *Client) doneNext(before delivery, ev *wire.Event) (delivery, bool) {
	d, ok := c.inbox.doneNext(before, c.handler, ev)
	d.announceCredit()
	return d, ok
}

func (d *delivery) announceCredit() {
	if d.session != nil && d.credit != nil {
		d.session.announce(d.credit)
	}
}

// maxAnnounced bounds the announcements of credit that the server has not answered,
// because net/rpc keeps each until the answer comes.
const maxAnnounced = 256

// announce calls the server's Credit, and does not wait for the reply. It ends the
// session if the server leaves too many of these calls unanswered.
func (s *session) announce(credit *protocol.Credit) {
	for answered := true; answered; {
		select {
		case <-s.announced:
			s.unanswered.Add(-1)
		default:
			answered = false
		}
	}
	if s.unanswered.Add(1) > maxAnnounced {
		s.conn.Close(wire.Errorf(wire.Timeout, "%s has not answered %d calls", s.c.addr, maxAnnounced))
		return
	}
	s.conn.Client().Go(protocol.MethodCredit, credit, &protocol.Nothing{}, s.announced)
}

// deliverStatuses calls the OnConnection handler for each status, until the
// client is closed and the last status is delivered.
func (c *Client) deliverStatuses() {
	for range c.statuses.bell {
		for s, ok := c.statuses.pop(); ok; s, ok = c.statuses.pop() {
			c.mu.Lock()
			handler := c.onConnection
			c.mu.Unlock()
			if handler != nil {
				c.runHandler(nil, func() { handler(s) })
			}
		}
	}
}

// runHandler runs a handler and reports its panic. ev is the event that is being
// handled; nil for none.
func (c *Client) runHandler(ev *wire.Event, handler func()) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		p := &PanicError{Value: v, Stack: debug.Stack()}
		if ev != nil {
			event := *ev // a copy, because the next event is decoded into ev
			p.Event = &event
		}
		c.opts.OnPanic(p)
	}()
	handler()
}
