package momclient

import (
	"sync"

	"mom.internal/wire"
	"mom.internal/wire/protocol"
)

// inbox stands between the sessions, which receive events, and the consumers,
// which take them: the goroutine that calls the OnEvent handler, and the range
// loop. It holds the events that wait, how far the client has got, and how much
// credit the server has.
//
// An event passes it in four steps. A session pushes a chunk of encoded events. A
// consumer claims the oldest event and decodes it without the lock. The active
// consumer takes the event, which becomes a delivery. When the handler of the
// event has returned, the delivery is done. At any of these steps another
// goroutine may change the session or the active consumer, or close the inbox.
//
// Its invariants, whenever mu is free:
//
//   - At most one consumer is active. An event that waits is decoded once and
//     taken once, in the order of the chunks. The consumer that decodes an event
//     need not be the one that takes it.
//   - What waits stays until it is taken, even if the session ends, because a
//     server that was restarted could not send it again. Only rewind removes it,
//     and the next session then asks for it again.
//   - Only the current session pushes chunks, and no more than it had given
//     credit for. The credit never becomes less in one session.
//   - The cursor is never past an event that waits, nor past missed events that
//     no event has announced, nor within a snapshot. It is past an event that is
//     being handled only if a later event has already been handled.
//   - events and bytes are the sums over chunks, and streams is the number of their
//     decoders, each of which holds the types of a session. A session that begins
//     when there are more than maxStreams gets no credit until there are fewer.
type inbox struct {
	limit      int // events that may wait
	limitBytes int // bytes of events that may wait; the last event may go over

	mu       sync.Mutex       // guards all below; never held across decoding, I/O or a handler
	closed   bool             // nothing is taken any more
	handler  func(wire.Event) // of OnEvent
	active   *consumer        // the consumer that may take events; nil for none
	session  *session         // the current session; nil between two
	chunks   []*chunk         // what waits, oldest first
	decoding *chunk           // the chunk of the event that is claimed; nil for none
	decoded  sync.Cond        // on mu: decoding has become nil

	// Positions.
	queued     position    // after the last event that was pushed
	handled    position    // after the last event whose handler has returned
	handling   position    // after the event that was taken last, while busy
	busy       bool        // the handler of that event has not returned
	taken      uint64      // deliveries so far
	latestDone uint64      // the latest delivery that is done
	cursor     wire.Cursor // as in handled, but before a snapshot until all of it is handled
	missed     uint64      // events that were missed since the last one that was pushed
	givenBack  uint64      // events that were missed before those that were given back

	// Credit.
	events        int             // in chunks
	bytes         int             // of data in chunks
	streams       int             // decoders in chunks
	received      uint64          // events that were pushed in this session
	receivedBytes uint64          // of data of these events
	advertised    protocol.Credit // last announced to the server
}

// maxStreams bounds the sessions whose events wait.
const maxStreams = 16

// consumer takes events: the goroutine that calls the OnEvent handler, or one
// range loop.
type consumer struct {
	bell    bell // rung when there may be something to take
	gathers bool // it may give back what it has taken, so nobody else takes anything before it is left
}

func newConsumer() *consumer { return &consumer{bell: newBell()} }

// bell wakes the goroutine that receives from it. It stays rung until then, so
// that no ring is lost.
type bell chan struct{}

func newBell() bell { return make(bell, 1) }

func (b bell) ring() {
	select {
	case b <- struct{}{}:
	default:
	}
}

// delivery is an event that has been taken, until its handler has returned.
type delivery struct {
	n       uint64           // the number of the delivery, from 1
	before  position         // the client's position once the event that was taken before this one is handled
	after   position         // the client's position once the event is handled
	handler func(wire.Event) // that OnEvent had set when the event was taken; nil for none

	session *session         // the current session when the event was taken; nil for none
	credit  *protocol.Credit // to announce to the session's server; nil if that is not worth a call
}

func newInbox(limit, limitBytes int, cursor wire.Cursor) *inbox {
	in := &inbox{limit: limit, limitBytes: limitBytes, cursor: cursor}
	in.queued.cursor, in.handled.cursor = cursor, cursor
	in.decoded.L = &in.mu
	return in
}

// attach makes s the current session. It returns the position from which s goes
// on, and the credit to announce to the server.
func (in *inbox) attach(s *session) (position, protocol.Credit) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.session = s
	in.received, in.receivedBytes, in.advertised = 0, 0, protocol.Credit{}
	return in.queued, in.advertise()
}

// setStart records where the stream of s begins, if the client has had no
// position before. If the first chunk turns out to be broken, the client begins
// there again.
func (in *inbox) setStart(s *session) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.handled.cursor.IsZero() && in.session == s {
		in.handled = s.startPosition()
	}
}

// detach ends the time of s as the current session. If no batch of s has come,
// the server's reply says where the stream begins and how many events are
// missed, because the first batch would have repeated it.
func (in *inbox) detach(s *session) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.session != s {
		return
	}
	in.session = nil
	if !s.gotBatch && !s.reply.Cursor.IsZero() {
		in.queued = s.startPosition()
		in.missed += s.reply.Missed
	}
}

// push appends a chunk that s received, and returns the credit to announce to
// the server. missed counts the events that were missed before the chunk. push
// refuses the chunk if s is not the current session, or if the server had no
// credit for it.
//
// A chunk without events only moves the position, once all before it is handled.
// It does not move the position past missed events, because a client that
// resumed after them would never learn of the gap.
func (in *inbox) push(s *session, ch *chunk, missed uint64) (protocol.Credit, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	missed += in.missed
	if s.epoch != in.handled.cursor.Epoch { // this server does not announce the gap again
		missed += in.givenBack
	}
	switch {
	case in.session != s:
		return protocol.Credit{}, wire.Errorf(wire.Closed, "the session has ended")
	case in.received+uint64(ch.left) > in.advertised.Events:
		return protocol.Credit{}, wire.Errorf(wire.ProtocolError, "%s sent more events than it had credit for (Options.Queue)", s.c.addr)
	case ch.left > 0 && in.receivedBytes >= in.advertised.Bytes:
		return protocol.Credit{}, wire.Errorf(wire.ProtocolError, "%s sent more bytes than it had credit for (Options.QueueBytes)", s.c.addr)
	}
	s.gotBatch, in.givenBack = true, 0
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

// append appends the chunk to those that wait. mu is held.
func (in *inbox) append(ch *chunk) {
	if last := len(in.chunks) - 1; last < 0 || in.chunks[last].decoder != ch.decoder {
		in.streams++
	}
	in.chunks = append(in.chunks, ch)
	in.events += ch.left
	in.received += uint64(ch.left)
	in.bytes += len(ch.data)
	in.receivedBytes += uint64(len(ch.data))
	in.ring()
}

// ring rings the bell of the active consumer. mu is held.
func (in *inbox) ring() {
	if in.active != nil {
		in.active.bell.ring()
	}
}

// setHandler sets the handler of the events that are taken from now on.
func (in *inbox) setHandler(handler func(wire.Event)) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.handler = handler
}

// activate makes the consumer the active one; nil for none.
func (in *inbox) activate(c *consumer) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.active = c
	in.ring()
}

// deactivate leaves no consumer active if c was the active one.
func (in *inbox) deactivate(c *consumer) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.active == c {
		in.active = nil
	}
}

// close closes the inbox: no event is taken from then on.
func (in *inbox) close() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closed = true
}

// currentCursor returns the cursor after the last event that was handled.
func (in *inbox) currentCursor() wire.Cursor {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.cursor
}

// next takes the oldest event that waits, and sets ev to it. It returns false if
// nothing waits or c is not the active consumer; then ev is not valid, and the bell of c
// is rung when the next call may return true. next may wait while the consumer that was
// active before decodes an event.
func (in *inbox) next(c *consumer, ev *wire.Event) (delivery, bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.takeNext(c, ev)
}

// doneNext is done followed by next, under one lock.
func (in *inbox) doneNext(d delivery, c *consumer, ev *wire.Event) (delivery, bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.finish(d)
	return in.takeNext(c, ev)
}

// takeNext is next with mu held.
func (in *inbox) takeNext(c *consumer, ev *wire.Event) (delivery, bool) {
	for in.active == c && !in.closed && len(in.chunks) > 0 {
		switch ch := in.chunks[0]; {
		case ch.left == 0 && in.busy: // the position moves past ch with the event that is being handled
			in.dropOldest()
			in.handling = ch.after
		case ch.left == 0:
			in.dropOldest()
			in.move(ch.after)
		case ch.next != nil:
			*ev, ch.next = *ch.next, nil
			return in.take(ch, ev.Seq), true
		case in.decoding != nil:
			in.decoded.Wait()
		case in.decode(ch, ev):
			if in.active == c && !in.closed {
				return in.take(ch, ev.Seq), true
			}
			kept := *ev
			ch.next = &kept
		}
	}
	return delivery{}, false
}

// decode claims and decodes the next event of the oldest chunk. It returns false if
// the caller must not take that event. mu is held, but not while the event is decoded.
// Meanwhile the chunk may be removed, and the other consumer may become active.
func (in *inbox) decode(ch *chunk, ev *wire.Event) bool {
	in.decoding = ch
	left := ch.left
	var err error
	in.unlocked(func() { err = ch.decode(left, ev) })
	if in.decoding != ch {
		return false
	}
	in.endDecoding()
	if err != nil {
		in.failChunk(err)
	}
	return err == nil
}

// endDecoding lets the next event be claimed. mu is held.
func (in *inbox) endDecoding() {
	in.decoding = nil
	in.decoded.Broadcast()
}

// failChunk ends the current session, because the data of a chunk are not what
// its batch announced, and rewinds. mu is held, but not while the connection is
// closed.
func (in *inbox) failChunk(err error) {
	in.rewind()
	if s := in.session; s != nil {
		in.session = nil // so that no batch that still comes is taken
		in.unlocked(func() { s.conn.Close(asError(err)) })
	}
}

// rewind removes all events that wait, and goes back to the position after the
// last event that was handled or is being handled. The next session begins
// there. mu is held.
func (in *inbox) rewind() {
	in.chunks = nil
	in.endDecoding()
	in.events, in.bytes, in.streams = 0, 0, 0
	in.queued, in.missed = in.handled, 0
	if in.busy {
		in.queued = in.handling
	}
}

// unlocked releases mu while f runs.
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
		after = position{cursor: wire.Cursor{Epoch: ch.epoch, Seq: ch.end - 1}, renew: true}
	case ch.left > 0:
		after = position{cursor: wire.Cursor{Epoch: ch.epoch, Seq: seq}}
	default:
		in.dropOldest()
	}
	before := in.handled
	if in.busy {
		before = in.handling
	}
	in.taken++
	in.busy, in.handling = true, after
	return delivery{n: in.taken, before: before, after: after, handler: in.handler, session: in.session, credit: in.creditUpdate()}
}

// dropOldest removes the oldest chunk. mu is held.
func (in *inbox) dropOldest() {
	oldest := in.chunks[0]
	in.bytes -= len(oldest.data)
	in.chunks[0] = nil // so that the data can be collected
	if in.chunks = in.chunks[1:]; len(in.chunks) == 0 {
		in.chunks = nil
	}
	if in.chunks == nil || in.chunks[0].decoder != oldest.decoder {
		in.streams--
	}
}

// done moves the position after the handler of an event has returned, unless the
// handler of a later event returned first: a range loop may take events while the
// OnEvent handler is still running.
func (in *inbox) done(d delivery) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.finish(d)
}

// finish is done with mu held.
func (in *inbox) finish(d delivery) {
	if d.n == in.taken {
		in.busy = false
		d.after = in.handling // chunks without events may have come since
	}
	if d.n > in.latestDone {
		in.latestDone = d.n
		in.move(d.after)
	}
}

// takenTo returns the cursor after the last event that was taken, and whether
// more events wait. If a snapshot is incomplete there, within is true and the
// cursor is that before the snapshot.
func (in *inbox) takenTo() (cursor wire.Cursor, within, waiting bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	at := in.handled
	if in.busy {
		at = in.handling
	}
	if at.renew {
		return in.cursor, true, in.events > 0
	}
	return at.cursor, false, in.events > 0
}

// giveBack rewinds to the position before the events from first to last, which
// were taken but not handled. missed is how many events were missed before these.
// There is no session, and no other consumer has taken events since. A consumer
// that has taken an earlier event may still be handling that.
func (in *inbox) giveBack(first, last delivery, missed uint64) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if last.n == in.taken {
		in.taken = first.n - 1
		in.busy, in.handling = in.latestDone < in.taken, first.before
		in.rewind()
		in.givenBack = missed
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

// advertise returns the credit of the session: what it has received, and what
// there is room for on top. It records that credit as announced to the server. mu
// is held.
func (in *inbox) advertise() protocol.Credit {
	if in.streams > maxStreams {
		return in.advertised
	}
	in.advertised = in.advertised.Max(protocol.Credit{
		Events: in.received + uint64(max(0, in.limit-in.events)),
		Bytes:  in.receivedBytes + uint64(max(0, in.limitBytes-in.bytes)),
	})
	return in.advertised
}

// creditUpdate returns the credit to announce to the server, or nil if that is
// not worth a call. It is worth one if less than half of the inbox is left of
// the credit last announced, and at least half of the inbox is free. Otherwise
// the next answer to a batch is early enough, because a server that has some
// credit sends batches. mu is held.
func (in *inbox) creditUpdate() *protocol.Credit {
	events, bytes := in.limit-in.limit/2, in.limitBytes-in.limitBytes/2
	low := in.advertised.Events < in.received+uint64(events) || in.advertised.Bytes < in.receivedBytes+uint64(bytes)
	if !low || in.streams > maxStreams || in.limit-in.events < events || in.limitBytes-in.bytes < bytes {
		return nil
	}
	credit := in.advertise()
	return &credit
}
