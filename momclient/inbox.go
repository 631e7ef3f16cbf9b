package momclient

import (
	"sync"

	"mom.internal/wire/protocol"

	"mom.internal/wire"
)

// inbox is what stands between the sessions, which receive events, and the two
// consumers that take them: the goroutine that calls the OnEvent handler and
// the range loop. It holds the events that wait, the positions that the client
// has got to, and the credit that the server has.
//
// One consumer at a time has the turn, or none. An event is claimed under mu,
// decoded without mu, and then taken under mu by the consumer that has the turn
// by then, so that every event is decoded once and taken once, whatever the
// consumers, the sessions, Unsubscribe and Close do in between. What waits stays
// until it is taken: a server that was restarted could not send it again.
type inbox struct {
	limit      int // events that may wait
	limitBytes int // bytes of events, over which there is no credit

	mu       sync.Mutex       // guards all below; never held across decoding, I/O or a handler
	closed   bool             // nothing is taken any more
	handler  func(wire.Event) // of OnEvent
	turn     *consumer        // the consumer that may take events; nil for none
	session  *session         // the live session, whose events are pushed; nil between two
	chunks   []*chunk         // what waits, oldest first
	decoding *chunk           // the chunk whose next event a consumer decodes; nil for none
	decoded  sync.Cond        // on mu: decoding has become nil

	// Credit.
	events        int             // in chunks
	bytes         int             // of data in chunks
	received      uint64          // events pushed in this session
	receivedBytes uint64          // of data of these events
	advertised    protocol.Credit // last announced to the server

	// Positions.
	queued   position    // after the last event that was pushed
	handled  position    // after the last event whose handler has returned
	handling position    // after the event that was taken last, while busy
	busy     bool        // the handler of that event has not returned
	taken    uint64      // deliveries so far
	moved    uint64      // the latest delivery that has moved handled
	cursor   wire.Cursor // as in handled, but moved past a snapshot only when all of it is handled
	missed   uint64      // events missed since the last one that was pushed
}

// consumer takes events: the goroutine that calls the OnEvent handler, or one
// range loop.
type consumer struct {
	bell bell // rung when there may be something to take
}

func newConsumer() *consumer { return &consumer{bell: newBell()} }

// delivery is an event that has been taken, until its handler has returned.
type delivery struct {
	n       uint64           // the number of the delivery, from 1
	after   position         // the client's position once the event is handled
	handler func(wire.Event) // that OnEvent had set when the event was taken; nil for none

	session *session         // the live session when the event was taken; nil for none
	credit  *protocol.Credit // the credit to announce to its server; nil if that is not worth a call
}

func newInbox(limit, limitBytes int, cursor wire.Cursor) *inbox {
	in := &inbox{limit: limit, limitBytes: limitBytes, cursor: cursor}
	in.queued.cursor, in.handled.cursor = cursor, cursor
	in.decoded.L = &in.mu
	return in
}

// handle sets the handler of the events that are taken from now on.
func (in *inbox) handle(handler func(wire.Event)) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.handler = handler
}

// begin makes s the live session. It returns the position from which s goes on,
// and the credit to announce to the server.
func (in *inbox) begin(s *session) (position, protocol.Credit) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.session = s
	in.received, in.receivedBytes, in.advertised = 0, 0, protocol.Credit{}
	return in.queued, in.advertise()
}

// begun records where the stream of s begins, if the client has had no position
// before. If the first chunk then turns out to be broken, the client begins there
// again.
func (in *inbox) begun(s *session) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.handled.cursor.IsZero() && in.session == s {
		in.handled = s.begins()
	}
}

// end makes s no longer the live session. If no batch of s has come, the
// beginning and the number of missed events in the server's reply count,
// because the first batch would have repeated them.
func (in *inbox) end(s *session) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.session != s {
		return
	}
	in.session = nil
	if !s.heard && !s.reply.Cursor.IsZero() {
		in.queued = s.begins()
		in.missed += s.reply.Missed
	}
}

// push appends a chunk that s received, and returns the credit to announce to
// the server. missed counts the events that are missed before the chunk.
//
// A session that is not the live one pushes nothing. push refuses a chunk for
// which the server had no credit. A chunk without events only moves the position, but not past missed events
// that no event has announced yet, because a client that resumed after them
// would never learn of the gap.
func (in *inbox) push(s *session, ch *chunk, missed uint64) (protocol.Credit, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	missed += in.missed
	switch {
	case in.session != s:
		return protocol.Credit{}, wire.Errorf(wire.Closed, "the session has ended")
	case in.received+uint64(ch.left) > in.advertised.Events:
		return protocol.Credit{}, wire.Errorf(wire.ProtocolError, "%s sent more events than it had credit for (Options.Queue)", s.c.addr)
	case ch.left > 0 && in.receivedBytes >= in.advertised.Bytes:
		return protocol.Credit{}, wire.Errorf(wire.ProtocolError, "%s sent more bytes than it had credit for (Options.QueueBytes)", s.c.addr)
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

// append adds the chunk to those that wait. mu is held.
func (in *inbox) append(ch *chunk) {
	in.chunks = append(in.chunks, ch)
	in.events += ch.left
	in.received += uint64(ch.left)
	in.bytes += len(ch.data)
	in.receivedBytes += uint64(len(ch.data))
	in.ring()
}

// ring rings the bell of the consumer that has the turn. mu is held.
func (in *inbox) ring() {
	if in.turn != nil {
		in.turn.bell.ring()
	}
}

// next takes the oldest event that waits, and copies it to ev. It returns false
// if nothing waits or by does not have the turn; the bell of by is rung when
// that may have changed. It may wait while the other consumer, which had the
// turn before, decodes one event.
func (in *inbox) next(by *consumer, ev *wire.Event) (delivery, bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for in.turn == by && !in.closed && len(in.chunks) > 0 {
		switch ch := in.chunks[0]; {
		case ch.left == 0:
			in.pass(ch)
		case ch.next != nil:
			*ev, ch.next = *ch.next, nil
			return in.take(ch, ev.Seq), true
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

// fail ends the live session, because the data of a chunk are not what its
// batch announced, and rewinds, so that the next session asks again for all
// events that wait. mu is held, but not while the connection is closed.
func (in *inbox) fail(err error) {
	in.rewind()
	if s := in.session; s != nil {
		in.session = nil // what it receives from now on moves nothing
		in.unlocked(func() { s.conn.Close(asError(err)) })
	}
}

// unlocked releases mu while f runs, and locks it again.
func (in *inbox) unlocked(f func()) {
	in.mu.Unlock()
	defer in.mu.Lock()
	f()
}

// take takes the event seq off the oldest chunk. mu is held.
func (in *inbox) take(ch *chunk, seq uint64) delivery {
	ch.left--
	in.events--
	after := ch.after
	switch {
	case ch.left > 0 && ch.snapshot:
		// ch.after may have come in a later batch, of another epoch.
		after = position{cursor: wire.Cursor{Epoch: ch.epoch(), Seq: ch.end - 1}, renew: true}
	case ch.left > 0:
		after = position{cursor: wire.Cursor{Epoch: ch.epoch(), Seq: seq}}
	default:
		in.drop(ch)
	}
	in.taken++
	in.busy, in.handling = true, after
	return delivery{n: in.taken, after: after, handler: in.handler, session: in.session, credit: in.creditUpdate()}
}

// pass moves the position past the oldest chunk, which has no events: at once
// or, while an event is being handled, together with that event. mu is held.
func (in *inbox) pass(ch *chunk) {
	in.drop(ch)
	if in.busy {
		in.handling = ch.after
		return
	}
	in.move(ch.after)
}

// drop removes the oldest chunk. mu is held.
func (in *inbox) drop(ch *chunk) {
	in.bytes -= len(ch.data)
	in.chunks[0] = nil // so that the data can be collected
	if in.chunks = in.chunks[1:]; len(in.chunks) == 0 {
		in.chunks = nil
	}
}

// done moves the position after the handler of an event has returned, unless the
// handler of a later event returned first: a range loop may take events while the
// OnEvent handler is still running.
func (in *inbox) done(d delivery) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if d.n == in.taken {
		in.busy = false
		d.after = in.handling // chunks without events may have come since
	}
	if d.n > in.moved {
		in.moved = d.n
		in.move(d.after)
	}
}

// move moves the position, and the cursor too unless a snapshot is incomplete
// there. mu is held.
func (in *inbox) move(to position) {
	in.handled = to
	if !to.renew {
		in.cursor = to.cursor
	}
}

// give gives the turn to a consumer.
func (in *inbox) give(to *consumer) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.turn = to
	in.ring()
}

// leave takes the turn away from the consumer, if the consumer has it.
func (in *inbox) leave(by *consumer) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.turn == by {
		in.turn = nil
	}
}

// rewind removes all events that wait, and goes back to the position after the
// last event that was handled or is being handled. mu is held.
func (in *inbox) rewind() {
	in.chunks = nil
	in.release()
	in.events, in.bytes = 0, 0
	in.queued, in.missed = in.handled, 0
	if in.busy {
		in.queued = in.handling
	}
}

// close closes the inbox: no event is taken from then on.
func (in *inbox) close() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closed = true
}

// at returns the cursor, the place after the last event that was handled.
func (in *inbox) at() wire.Cursor {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.cursor
}

// advertise returns the credit of the session: what it has received, and what
// there is room for on top. advertise records the credit as announced to the
// server. mu is held.
func (in *inbox) advertise() protocol.Credit {
	in.advertised = in.advertised.Max(protocol.Credit{
		Events: in.received + uint64(max(0, in.limit-in.events)),
		Bytes:  in.receivedBytes + uint64(max(0, in.limitBytes-in.bytes)),
	})
	return in.advertised
}

// creditUpdate returns the credit to announce to the server, or nil if that is
// not worth a call. It is worth one if less than half of the inbox is left of
// the credit last announced, and at least half is free now. Otherwise the next
// answer to a batch is early enough, because a server that has some credit sends
// batches. mu is held.
func (in *inbox) creditUpdate() *protocol.Credit {
	events, bytes := in.limit-in.limit/2, in.limitBytes-in.limitBytes/2
	low := in.advertised.Events < in.received+uint64(events) || in.advertised.Bytes < in.receivedBytes+uint64(bytes)
	if !low || in.limit-in.events < events || in.limitBytes-in.bytes < bytes {
		return nil
	}
	credit := in.advertise()
	return &credit
}
