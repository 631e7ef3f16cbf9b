package momclient

import (
	"cmp"
	"time"

	"mom/wire"
)

// callback is what the server calls, under the name wire.CallbackService. One
// call at a time, answered at once, whatever the application's handler does.
type callback struct{ s *session }

// Notify takes a batch of events.
func (k *callback) Notify(b *wire.Batch, ack *wire.Ack) error {
	return k.serving(func() error {
		room, err := k.s.take(b)
		if err != nil {
			k.s.callee.Close(asError(err)) // a batch cannot be refused and the next one taken
			return err
		}
		*ack = wire.Ack{Next: b.Next, Room: room}
		return nil
	})
}

// Goodbye takes the server's word that it is about to close the connection.
func (k *callback) Goodbye(g *wire.Goodbye, _ *wire.Nothing) error {
	return k.serving(func() error {
		after := min(time.Duration(g.AfterMillis)*time.Millisecond, time.Hour)
		bye := &wire.Error{Code: wire.Code(wire.Clip(string(g.Code), 32)), Message: wire.Clip(g.Message, 512), After: after}
		k.s.mu.Lock()
		k.s.bye = bye
		k.s.mu.Unlock()
		k.s.c.report(ConnectionStatus{Kind: Draining, Err: bye})
		return nil
	})
}

func (k *callback) serving(body func() error) error {
	return wire.Serving(func(v any, stack []byte) {
		k.s.c.opts.logger().Error("momclient: a call from the server panicked", "panic", v, "stack", string(stack))
	}, body)
}

// take decodes a batch and gives its events to the client.
func (s *session) take(b *wire.Batch) (room uint32, err error) {
	if len(b.Types) > 0 {
		s.decoder = wire.NewEventDecoder(b.Types)
	}
	switch {
	case s.decoder == nil:
		return 0, wire.Errorf(wire.CodeProtocol, "%s sent events before their types", s.c.addr)
	case b.Next < s.next, b.Next == 0, b.Snapshot > b.Count:
		return 0, wire.Errorf(wire.CodeProtocol, "%s sent a batch that goes back", s.c.addr)
	}
	s.items = s.items[:0]
	after := place{cursor: wire.Cursor{Epoch: s.epoch, Seq: b.Next - 1}, renew: b.Pending > 0}
	size := len(b.Events) / max(1, int(b.Count))
	last := s.next
	var wrong error
	err = s.decoder.Decode(b.Events, int(b.Count), func(ev *wire.Event) {
		ev.Epoch = s.epoch
		it := item{event: *ev, size: size, place: after}
		switch {
		case len(s.items) < int(b.Snapshot):
			it.event.Snapshot = true
			it.place.renew = b.Pending > 0 || len(s.items)+1 < int(b.Snapshot)
		case ev.Seq < last || ev.Seq >= b.Next:
			wrong = wire.Errorf(wire.CodeProtocol, "%s sent event %d out of order", s.c.addr, ev.Seq)
		default:
			it.place.cursor.Seq = ev.Seq
			last = ev.Seq + 1
		}
		s.items = append(s.items, it)
	})
	if err = cmp.Or(err, wrong); err != nil {
		return 0, err
	}
	if b.Next > last && b.Pending == 0 {
		s.items = append(s.items, item{mark: true, place: after})
	}
	if room, err = s.c.accept(s, s.items, after, b.Missed); err == nil {
		s.next = b.Next
	}
	clear(s.items) // the queue has them; hold no event longer
	return room, err
}
