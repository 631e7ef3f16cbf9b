package momclient

import "mom.internal/wire"

// place is how far a client has got. With renew the snapshot that belongs to
// the cursor has not been seen whole.
type place struct {
	cursor wire.Cursor
	renew  bool
}

// chunk is the events of one batch, as they came. They are decoded one at a
// time, when their handler is ready for them: what waits is kept small.
type chunk struct {
	session  *session
	decoder  *wire.EventDecoder // of the session
	data     []byte
	opened   bool   // decoder reads data
	left     int    // events that have not been handled
	snapshot bool   // they are of a snapshot
	missed   uint64 // for the first of them
	floor    uint64 // Seq that the next is not below
	end      uint64 // Seq that all are below

	after place // where the client is after the last; guarded by the client's mu, as left is
}

// next decodes the chunk's next event. It is called by whoever consumes the
// queue.
func (ch *chunk) next() (*wire.Event, error) {
	if !ch.opened {
		ch.opened = true
		ch.decoder.Open(ch.data, ch.left)
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
	ev.Epoch, ev.Snapshot = ch.session.epoch, ch.snapshot
	ev.Missed, ch.missed = ch.missed, 0
	return ev, nil
}

// queue holds what waits for the handler, and counts the room that the server
// may be told of. The client's mu guards it.
type queue struct {
	limit      int
	limitBytes int
	handlers   chan struct{} // rung by push, for the goroutine that runs OnEvent
	puller     chan struct{} // rung by push, for a range loop

	chunks   []*chunk
	events   int    // in them
	bytes    int    // of these
	received uint64 // events pushed in this session
	told     int    // the room that the server was last told of
}

// reset begins a session: what waits stays, the count of received begins anew.
// It returns the room to tell the server.
func (q *queue) reset() uint32 {
	q.received = 0
	return q.tell()
}

// clear forgets what waits.
func (q *queue) clear() { q.chunks, q.events, q.bytes = nil, 0, 0 }

// push appends a chunk and returns the room to tell the server. It refuses more
// events than the server was told of, and more bytes than can have been on the
// way when it was told that there is no room: over is so many. A chunk without
// events only moves the place, and not over a gap that no event has told yet:
// whoever goes on from there would never hear of it.
func (q *queue) push(ch *chunk, told bool, over int) (uint32, error) {
	switch {
	case q.events+ch.left > q.limit:
		return 0, wire.Errorf(wire.CodeProtocol, "%s sent more events than it was told there is room for (Options.Queue)", ch.session.c.addr)
	case ch.left > 0 && q.bytes-q.limitBytes+len(ch.data) > over:
		return 0, wire.Errorf(wire.CodeProtocol, "%s goes on sending events, and was told that there is no room (Options.QueueBytes)", ch.session.c.addr)
	}
	if n := len(q.chunks); ch.left == 0 && !told {
		return q.tell(), nil
	} else if ch.left == 0 && n > 0 {
		q.chunks[n-1].after = ch.after
		return q.tell(), nil
	}
	q.chunks = append(q.chunks, ch)
	q.events += ch.left
	q.received += uint64(ch.left)
	q.bytes += len(ch.data)
	ring(q.handlers)
	ring(q.puller)
	return q.tell(), nil
}

// tell returns the room, and remembers that the server is told.
func (q *queue) tell() uint32 {
	q.told = q.room()
	return uint32(q.told)
}

// room is how many more events fit.
func (q *queue) room() int {
	if q.bytes >= q.limitBytes {
		return 0
	}
	return max(0, q.limit-q.events)
}

// head returns the oldest chunk, nil where nothing waits.
func (q *queue) head() *chunk {
	if len(q.chunks) == 0 {
		return nil
	}
	return q.chunks[0]
}

// pop takes the event seq, or where there is none the move, off the oldest
// chunk, and returns where the client is after it. Within the chunk that is a
// place of the chunk's own session: what it says of the place after may have
// come in a later one, of another epoch.
func (q *queue) pop(seq uint64) place {
	ch := q.chunks[0]
	at := ch.after
	if ch.left > 0 {
		ch.left--
		q.events--
	}
	switch {
	case ch.left > 0 && ch.snapshot:
		at = place{cursor: wire.Cursor{Epoch: ch.session.epoch, Seq: ch.end - 1}, renew: true}
	case ch.left > 0:
		at = place{cursor: wire.Cursor{Epoch: ch.session.epoch, Seq: seq}}
	default:
		q.bytes -= len(ch.data)
		q.chunks[0] = nil // let go of the data
		if q.chunks = q.chunks[1:]; len(q.chunks) == 0 {
			q.chunks = nil
		}
	}
	return at
}

// news returns what to tell the server about room that has been made: worth a
// call when it believes in less than half of the queue and half has become
// free. Otherwise the next answer is early enough, because a server that
// believes in some room sends, and is answered.
func (q *queue) news() *wire.RoomArgs {
	half := (q.limit + 1) / 2
	if q.told >= half || q.room() < half {
		return nil
	}
	return &wire.RoomArgs{Received: q.received, Room: q.tell()}
}
