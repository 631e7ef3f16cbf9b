package momclient

import (
	"math"
	"time"

	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"

	"mom.internal/wire"
)

// callback is what the server calls, under the name protocol.CallbackService. One
// call at a time, answered at once, whatever the application's handler does.
type callback struct{ s *session }

// Notify takes a batch of events.
func (k *callback) Notify(b *protocol.Batch, ack *protocol.Ack) error {
	return k.serving(func() error {
		credit, err := k.s.take(b)
		if err != nil {
			k.s.callee.Close(asError(err)) // a batch cannot be refused and the next one taken
			return err
		}
		*ack = protocol.Ack{Events: credit.Events, Bytes: credit.Bytes, Held: k.s.holds(b, credit)}
		if !ack.Held {
			k.s.callee.FlushReplies()
		}
		return nil
	})
}

// take gives a batch to the client. Its events are decoded when their handler
// is ready for them.
func (s *session) take(b *protocol.Batch) (credit protocol.Credit, err error) {
	again := s.decoder != nil && len(b.Types) > 0
	if s.decoder == nil && len(b.Types) > 0 {
		s.decoder = protocol.NewEventDecoder(b.Types)
	}
	switch {
	case again: // each decoder would be kept as long as events of its own wait
		return credit, wire.Errorf(wire.ProtocolError, "%s sent the types of its events again", s.c.addr)
	case b.Count > math.MaxInt32: // so that an int has it, of whatever size
		return credit, wire.Errorf(wire.ProtocolError, "%s sent a batch of %d events", s.c.addr, b.Count)
	case s.decoder == nil:
		return credit, wire.Errorf(wire.ProtocolError, "%s sent events before their types", s.c.addr)
	case b.Next < s.next, b.Next == 0, b.Snapshot > 0 && b.Snapshot != b.Count, b.Count == 0 && len(b.Events) > 0:
		return credit, wire.Errorf(wire.ProtocolError, "%s sent a batch that goes back", s.c.addr)
	case b.Count == 0 && b.Missed == 0 && s.beats.tooMany():
		return credit, wire.Errorf(wire.ProtocolError, "%s sends batches without news", s.c.addr)
	}
	ch := &chunk{
		session: s, decoder: s.decoder, data: b.Events, left: int(b.Count), snapshot: b.Snapshot > 0,
		floor: s.next, end: b.Next, after: position{cursor: wire.Cursor{Epoch: s.epoch, Seq: b.Next - 1}, renew: b.Pending > 0},
	}
	if credit, err = s.c.inbox.push(s, ch, b.Missed); err == nil {
		s.next = b.Next
	}
	return credit, err
}

// Goodbye takes the server's word that it is about to close the connection.
func (k *callback) Goodbye(g *protocol.Goodbye, _ *protocol.Nothing) error {
	return k.serving(func() error {
		after := min(time.Duration(g.AfterMillis)*time.Millisecond, time.Hour)
		bye := &wire.Error{Code: wire.Code(duplex.Clip(string(g.Code), 32)), Message: duplex.Clip(g.Message, 512), After: after}
		k.s.bye = bye
		k.s.c.report(ConnectionStatus{Kind: Draining, Err: bye})
		return nil
	})
}

func (k *callback) serving(body func() error) error {
	return duplex.RunMethod(func(v any, stack []byte) {
		k.s.c.opts.logger().Error("momclient: a call from the server panicked", "panic", v, "stack", string(stack))
	}, body)
}
