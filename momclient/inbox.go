package momclient

import (
	"sync"

	"mom.internal/wire"
)

// inbox is what stands between the sessions, which receive events, and the two
// consumers that take them: the goroutine that calls the OnEvent handler and
// the range loop. It holds the events that wait, the positions that the client
// has got to, and the credit that the server has.
//
// One consumer at a time has the turn, or none. An event is claimed under mu, decoded
// without mu, and then taken under mu by the consumer that has the turn by
// then, so that every event is decoded once and taken once, whatever the
// consumers, the sessions, Unsubscribe and Close do in between. What waits stays
// until it is taken: a server that was restarted could not send it again.
type inbox struct {
	limit      int                      // events that may wait
	limitBytes int                      // bytes of events, over which there is no credit
	bells      [consumers]chan struct{} // rung when there may be something for that consumer

	mu       sync.Mutex // guards all below; never held across decoding, I/O or a handler
	closed   bool       // nothing is taken any more
	turn     consumer   // who takes the events
	session  *session   // the live one, whose events are pushed; nil between two
	chunks   []*chunk   // what waits, oldest first
	decoding *chunk     // the chunk whose next event a consumer decodes; nil for none
	decoded  sync.Cond  // on mu: decoding has become nil

	// Credit.
	events     int    // in chunks
	bytes      int    // of these
	received   uint64 // events pushed in this session
	advertised int    // credit that the server was last told of

	// Positions.
	queued   position    // after the last event that was pushed
	handled  position    // after the last event whose handler has returned
	handling position    // after the event that was taken last, while busy
	busy     bool        // the handler of that event has not returned
	taken    uint64      // deliveries so far
	moved    uint64      // the delivery that handled is of
	cursor   wire.Cursor // of handled, but it waits at a snapshot's beginning for the whole
	missed   uint64      // events missed since the last one that was pushed
}

// consumer is one of the two that take events.
type consumer int

const (
	byHandler consumer = iota // the goroutine that calls the OnEvent handler
	byLoop                    // a range loop over Events
	consumers
	nobody = consumers
)

// delivery is an event that has been taken, until its handler has returned.
type delivery struct {
	n     uint64 // deliveries up to this one
	after position
}

func newInbox(limit, limitBytes int, cursor wire.Cursor) *inbox {
	in := &inbox{limit: limit, limitBytes: limitBytes, cursor: cursor, turn: nobody}
	in.queued.cursor, in.handled.cursor = cursor, cursor
	in.decoded.L = &in.mu
	for c := range in.bells {
		in.bells[c] = make(chan struct{}, 1)
	}
	return in
}

// begin makes s the live session. It returns the position from which s goes on,
// and the credit to tell the server of.
func (in *inbox) begin(s *session) (position, uint32) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.session = s
	in.received = 0
	return in.queued, in.advertise()
}

// end makes s no longer the live session. If no batch of s has come, what the
// server said of the beginning counts: batches would have said the same.
func (in *inbox) end(s *session) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.session != s {
		return
	}
	in.session = nil
	if !s.heard && !s.reply.Cursor.IsZero() {
		in.queued = position{cursor: s.reply.Cursor, renew: s.reply.Snapshot > 0}
		in.missed += s.reply.Missed
	}
}

// push appends what s received, and returns the credit to tell the server of.
// missed counts the events that are missed before the chunk; over is how many
// bytes may have been on their way when the server was told that it has no
// credit.
//
// A session that is not the live one pushes nothing. More events than the
// server has credit for are refused, and more bytes than limitBytes and over.
// A chunk without events only moves the position, and not past events that were
// missed and not announced: a client that went on from there would never hear
// of them.
func (in *inbox) push(s *session, ch *chunk, missed uint64, over int) (uint32, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	missed += in.missed
	switch {
	case in.session != s:
		return 0, wire.Errorf(wire.CodeClosed, "the session has ended")
	case ch.left > in.limit-in.events:
		return 0, wire.Errorf(wire.CodeProtocol, "%s sent more events than it was told there is room for (Options.Queue)", s.c.addr)
	case ch.left > 0 && in.bytes-in.limitBytes+len(ch.data) > over:
		return 0, wire.Errorf(wire.CodeProtocol, "%s goes on sending events, and was told that there is no room (Options.QueueBytes)", s.c.addr)
	}
	s.heard = true
	in.queued = ch.after
	switch last := len(in.chunks) - 1; {
	case ch.left > 0:
		ch.missed, missed = missed, 0
		in.append(ch)
	case missed > 0:
	case last >= 0:
		in.chunks[last].after = ch.after
	default:
		in.append(ch)
	}
	in.missed = missed
	return in.advertise(), nil
}

// append makes the chunk wait. mu is held.
func (in *inbox) append(ch *chunk) {
	in.chunks = append(in.chunks, ch)
	in.events += ch.left
	in.received += uint64(ch.left)
	in.bytes += len(ch.data)
	in.ring()
}

// ring rings the bell of the consumer that has the turn. mu is held.
func (in *inbox) ring() {
	if in.turn != nobody {
		ring(in.bells[in.turn])
	}
}

// next takes the oldest event that waits, and copies it to ev. It returns false
// if nothing waits or by does not have the turn; the bell of by is rung when
// that may have changed. It may wait while the other consumer, which had the
// turn before, decodes one event.
func (in *inbox) next(by consumer, ev *wire.Event) (delivery, bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for in.turn == by && !in.closed && len(in.chunks) > 0 {
		switch ch := in.chunks[0]; {
		case ch.left == 0: // the position moves, and there is nothing to handle
			in.move(in.take(0))
		case ch.next != nil:
			*ev, ch.next = *ch.next, nil
			return in.take(ev.Seq), true
		case in.decoding != nil:
			in.decoded.Wait()
		default:
			in.decode(ch)
		}
	}
	return delivery{}, false
}

// decode decodes the next event of the oldest chunk, which then waits to be
// taken. mu is held, but not while the event is decoded: meanwhile the chunk may
// be cleared away, and the other consumer may get the turn.
func (in *inbox) decode(ch *chunk) {
	in.decoding = ch
	left := ch.left
	var ev *wire.Event
	var err error
	in.unlocked(func() { ev, err = ch.decode(left) })
	if in.decoding != ch {
		return
	}
	in.release()
	if ch.next = ev; err != nil {
		in.fail(err)
	}
}

// release lets the next event be decoded. mu is held.
func (in *inbox) release() {
	in.decoding = nil
	in.decoded.Broadcast()
}

// fail ends the live session, because a chunk does not hold what its batch
// said, and goes back to what was handled, so that all that waits is asked for
// again. mu is held, but not while the connection is closed.
func (in *inbox) fail(err error) {
	in.rewind()
	if s := in.session; s != nil {
		in.session = nil // what it receives from now on moves nothing
		in.unlocked(func() { s.conn.Close(asError(err)) })
	}
}

// unlocked lets go of mu while f runs.
func (in *inbox) unlocked(f func()) {
	in.mu.Unlock()
	defer in.mu.Lock()
	f()
}

// take takes the event seq, or the move if there is none, off the oldest chunk.
// mu is held.
func (in *inbox) take(seq uint64) delivery {
	ch := in.chunks[0]
	after := ch.after
	if ch.left > 0 {
		ch.left--
		in.events--
	}
	switch {
	case ch.left > 0 && ch.snapshot:
		// ch.after may have come in a later batch, of another epoch.
		after = position{cursor: wire.Cursor{Epoch: ch.epoch(), Seq: ch.end - 1}, renew: true}
	case ch.left > 0:
		after = position{cursor: wire.Cursor{Epoch: ch.epoch(), Seq: seq}}
	default:
		in.bytes -= len(ch.data)
		in.chunks[0] = nil // so that the data can be collected
		if in.chunks = in.chunks[1:]; len(in.chunks) == 0 {
			in.chunks = nil
		}
	}
	in.taken++
	in.busy, in.handling = true, after
	return delivery{n: in.taken, after: after}
}

// done moves the position after the handler of an event has returned. It
// returns what to tell the server of the live session about its credit; nil for
// nothing.
func (in *inbox) done(d delivery) (*session, *wire.RoomArgs) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.move(d)
	return in.session, in.creditUpdate()
}

// move moves the position past a delivery, unless a later one has moved it
// already: a range loop may take events while a handler does not return. mu is
// held.
func (in *inbox) move(d delivery) {
	if d.n == in.taken {
		in.busy = false
	}
	if d.n <= in.moved {
		return
	}
	in.moved, in.handled = d.n, d.after
	if !d.after.renew {
		in.cursor = d.after.cursor
	}
}

// give gives the turn to a consumer, or to nobody.
func (in *inbox) give(to consumer) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.turn = to
	in.ring()
}

// rewind clears away what waits, and goes back to what was handled, or is being
// handled. mu is held.
func (in *inbox) rewind() {
	in.chunks = nil
	in.release()
	in.events, in.bytes = 0, 0
	in.queued, in.missed = in.handled, 0
	if in.busy {
		in.queued = in.handling
	}
}

// close lets nothing be taken any more.
func (in *inbox) close() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closed = true
}

// at returns the cursor of what was handled.
func (in *inbox) at() wire.Cursor {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.cursor
}

// credit is how many more events there is room for. mu is held.
func (in *inbox) credit() int {
	if in.bytes >= in.limitBytes {
		return 0
	}
	return max(0, in.limit-in.events)
}

// advertise returns the credit, and records that the server is told of it. mu
// is held.
func (in *inbox) advertise() uint32 {
	in.advertised = in.credit()
	return uint32(in.advertised)
}

// creditUpdate returns what to tell the server about its credit, if that is
// worth a call: the server believes in less than half of the inbox, and at
// least half is free. Otherwise the next answer is early enough, because a
// server that has some credit sends, and is answered. mu is held.
func (in *inbox) creditUpdate() *wire.RoomArgs {
	half := (in.limit + 1) / 2
	if in.advertised >= half || in.credit() < half {
		return nil
	}
	return &wire.RoomArgs{Received: in.received, Room: in.advertise()}
}
