package momclient

import (
	"github.com/google/uuid"

	"mom.internal/wire"
	"mom.internal/wire/protocol"
)

// position is how far a client has got. If renew is set, the snapshot that
// belongs to the cursor has not been received or handled in full.
type position struct {
	cursor wire.Cursor
	renew  bool
}

// chunk is the events of one batch that have not been taken, as they came. Each
// is decoded when a consumer takes it, because encoded events are small.
type chunk struct {
	from  string    // the server's address, for errors; the session itself is not kept, because it holds a connection
	epoch uuid.UUID // of the server
	data  []byte
	left  int      // events that have not been taken; guarded by the inbox
	after position // the client's position after the last event; guarded by the inbox

	// Owned by the consumer that the inbox lets decode the chunk.
	decoder  *protocol.EventDecoder // of the session
	opened   bool                   // decoder reads data
	snapshot bool                   // the events are of a snapshot; never changed
	missed   uint64                 // Missed of the next event
	floor    uint64                 // the lowest Seq that the next event may have
	end      uint64                 // every event has a lower Seq; never changed

	// next is an event that was decoded but not taken, because its consumer was no longer
	// the active one; nil if there is none. The mutex of the inbox guards it.
	next *wire.Event
}

// decode sets ev to the next event. left is the number of events that are left.
func (ch *chunk) decode(left int, ev *wire.Event) error {
	if !ch.opened {
		ch.opened = true
		ch.decoder.Open(ch.data, left)
	}
	if _, err := ch.decoder.Next(ev); err != nil {
		return err
	}
	if ev.Seq >= ch.end || !ch.snapshot && ev.Seq < ch.floor {
		return wire.Errorf(wire.ProtocolError, "%s sent event %d out of order", ch.from, ev.Seq)
	}
	if !ch.snapshot {
		ch.floor = ev.Seq + 1
	}
	ev.Epoch, ev.Snapshot = ch.epoch, ch.snapshot
	ev.Missed, ch.missed = ch.missed, 0
	return nil
}
