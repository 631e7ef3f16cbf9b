package momclient

import (
	"log/slog"
	"math"
	"time"

	"mom.internal/wire"
	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"
)

// callback has the methods that the server calls, under the name
// protocol.CallbackService. They are called one at a time, and return at once,
// whatever the application's handlers are doing.
type callback struct{ s *session }

// Notify takes a batch of events.
func (k *callback) Notify(b *protocol.Batch, ack *protocol.Ack) error {
	return k.run(func() error {
		credit, err := k.s.take(b)
		if err != nil {
			k.s.callbackConn.Close(asError(err)) // the next batch cannot be taken after one that was refused
			return err
		}
		*ack = protocol.Ack{Events: credit.Events, Bytes: credit.Bytes, Held: k.s.delaysAck(b, credit)}
		if !ack.Held {
			k.s.callbackConn.FlushReplies()
		}
		return nil
	})
}

// Goodbye records that the server is about to close the connection, and reports it
// the first time.
func (k *callback) Goodbye(g *protocol.Goodbye, _ *protocol.Nothing) error {
	return k.run(func() error {
		first := k.s.goodbye == nil
		after := min(time.Duration(g.AfterMillis)*time.Millisecond, time.Hour)
		k.s.goodbye = &wire.Error{Code: wire.Code(duplex.Clip(string(g.Code), 32)), Message: duplex.Clip(g.Message, 512), After: after}
		// The end of the session reports a goodbye to this client alone.
		if code := k.s.goodbye.Code; first && code != wire.Disconnected && code != wire.Expired {
			k.s.c.report(ConnectionStatus{Kind: Draining, Err: k.s.goodbye})
		}
		return nil
	})
}

func (k *callback) run(method func() error) error {
	return duplex.RunMethod(func(v any, stack []byte) {
		k.s.c.panicLines.write(k.s.c.opts.Logger, slog.LevelError, "momclient: a call from the server panicked", "panic", v, "stack", string(stack))
	}, method)
}

// take checks a batch and puts it into the inbox. Its events are decoded later,
// each when a consumer takes it.
func (s *session) take(b *protocol.Batch) (credit protocol.Credit, err error) {
	again := s.decoder != nil && len(b.Types) > 0
	if s.decoder == nil && len(b.Types) > 0 {
		s.decoder = protocol.NewEventDecoder(b.Types)
		s.decoder.KeepDefinitions(protocol.MostDefinitions())
	}
	switch {
	case again: // each decoder would stay in memory as long as its events wait
		return credit, wire.Errorf(wire.ProtocolError, "%s sent the types of its events again", s.c.addr)
	case b.Count > math.MaxInt32: // which an int of 32 bits does not hold
		return credit, wire.Errorf(wire.ProtocolError, "%s sent a batch of %d events", s.c.addr, b.Count)
	case s.decoder == nil:
		return credit, wire.Errorf(wire.ProtocolError, "%s sent events before their types", s.c.addr)
	case b.Next < s.next, b.Next == 0, b.Snapshot > 0 && b.Snapshot != b.Count, b.Count == 0 && len(b.Events) > 0:
		return credit, wire.Errorf(wire.ProtocolError, "%s sent a batch that is inconsistent or out of order", s.c.addr)
	}
	ch := &chunk{
		from: s.c.addr, epoch: s.epoch, decoder: s.decoder, data: b.Events, left: int(b.Count), snapshot: b.Snapshot > 0,
		floor: s.next, end: b.Next, after: position{cursor: wire.Cursor{Epoch: s.epoch, Seq: b.Next - 1}, renew: b.Pending > 0},
	}
	if credit, err = s.c.inbox.push(s, ch, b.Missed); err == nil {
		s.next, s.broughtEvents = b.Next, b.Count > 0
	}
	return credit, err
}

// callServed counts the call that has been served, of any method, and ends the
// connection if it exceeds the budget.
func (s *session) callServed() {
	if s.budget.count(s.broughtEvents) {
		s.goodbye = nil // the reason is not what the server says
		s.callbackConn.Close(wire.Errorf(wire.ProtocolError, "%s made too many calls without an event", s.c.addr))
	}
	s.broughtEvents = false
}
