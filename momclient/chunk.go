package momclient

import (
	"github.com/google/uuid"

	"mom.internal/wire"
)

// position is how far a client has got. If renew is set, the snapshot that
// belongs to the cursor has not been seen whole.
type position struct {
	cursor wire.Cursor
	renew  bool
}

// chunk is the events of one batch, as they came. They are decoded one at a
// time, when their handler is ready for them, because encoded events are small.
type chunk struct {
	session *session
	data    []byte
	left    int      // events that have not been taken; guarded by the inbox
	after   position // of the client after the last of them; guarded by the inbox

	// Owned by the consumer that the inbox lets decode the chunk.
	decoder  *wire.EventDecoder // of the session
	opened   bool               // decoder reads data
	snapshot bool               // the events are of a snapshot; never changed
	missed   uint64             // for the first of them
	floor    uint64             // Seq that the next is not below
	end      uint64             // Seq that all are below; never changed

	// next is the event that has been decoded and not been taken; nil for none.
	// It is valid until decoder is used again, and guarded by the inbox.
	next *wire.Event
}

// decode decodes the next of the chunk's left events.
func (ch *chunk) decode(left int) (*wire.Event, error) {
	if !ch.opened {
		ch.opened = true
		ch.decoder.Open(ch.data, left)
	}
	ev, err := ch.decoder.Next()
	if err != nil {
		return nil, err
	}
	if ev.Seq >= ch.end || !ch.snapshot && ev.Seq < ch.floor {
		return nil, wire.Errorf(wire.CodeProtocol, "%s sent event %d out of order", ch.session.c.addr, ev.Seq)
	}
	if !ch.snapshot {
		ch.floor = ev.Seq + 1
	}
	ev.Epoch, ev.Snapshot = ch.epoch(), ch.snapshot
	ev.Missed, ch.missed = ch.missed, 0
	return ev, nil
}

// epoch is of the server that sent the chunk.
func (ch *chunk) epoch() uuid.UUID { return ch.session.epoch }
