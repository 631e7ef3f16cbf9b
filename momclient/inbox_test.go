package momclient

import (
	"errors"
	"math"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"mom.internal/wire"
	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"
)

// testInbox is an inbox, with the state of the sessions that push to it.
type testInbox struct {
	*inbox
	byHandler *consumer
	byLoop    *consumer

	t       *testing.T
	session *session
	enc     *protocol.EventEncoder
	conn    net.Conn // the far end of the session's connection
}

var run = uuid.UUID{1}

func newTestInbox(t *testing.T, limit, limitBytes int) *testInbox {
	in := &testInbox{inbox: newInbox(limit, limitBytes, wire.Cursor{}), byHandler: newConsumer(), byLoop: newConsumer(), t: t}
	in.connect(uuid.UUID{9})
	in.activate(in.byHandler)
	<-in.byHandler.bell
	return in
}

// connect makes a new session the live one, with a server of the epoch, and
// returns where it begins.
func (in *testInbox) connect(epoch uuid.UUID) position {
	near, far := net.Pipe()
	in.t.Cleanup(func() { near.Close(); far.Close() })
	in.enc, in.conn = protocol.NewEventEncoder(), far
	in.session = &session{
		c: &Client{addr: "server"}, decoder: protocol.NewEventDecoder(in.enc.Types()),
		greetedConn: greetedConn{epoch: epoch, conn: duplex.NewConn(near, duplex.ConnConfig{MaxMessage: 1 << 16, MaxWaiting: 1 << 16, WriteTimeout: 1 << 40, MessageTimeout: 1 << 40})},
	}
	in.t.Cleanup(func() { in.session.conn.Close(wire.Errorf(wire.Closed, "the test is over")) })
	from, _ := in.attach(in.session)
	return from
}

// chunk returns the events from first to last as a chunk.
func (in *testInbox) chunk(first, last uint64) *chunk {
	var seqs []uint64
	for seq := first; seq <= last; seq++ {
		seqs = append(seqs, seq)
	}
	ch := in.chunkOf(seqs...)
	ch.floor, ch.end, ch.after.cursor.Seq = first, last+1, last
	return ch
}

// chunkOf returns the events as a chunk, whose position after them is not set.
func (in *testInbox) chunkOf(seqs ...uint64) *chunk {
	var known protocol.SentDefs
	ch := &chunk{
		from: "server", epoch: in.session.epoch, decoder: in.session.decoder, left: len(seqs),
		after: position{cursor: wire.Cursor{Epoch: in.session.epoch}},
	}
	for _, seq := range seqs {
		ev := wire.Event{Seq: seq, JobID: run, RunID: run, Data: wire.TransferData{Status: wire.Status{State: wire.Transferring}}}
		def, data, err := in.enc.Encode(&ev, new(protocol.RunDefs), 1<<16)
		if err != nil {
			in.t.Fatal(err)
		}
		ch.data = append(known.Append(ch.data, def), data...)
	}
	return ch
}

// receives pushes the events from first to last, of which missed were missed
// before, and returns how many more the server may send.
func (in *testInbox) receives(first, last, missed uint64) (events uint64) {
	in.t.Helper()
	credit, err := in.push(in.session, in.chunk(first, last), missed)
	if err != nil {
		in.t.Fatal(err)
	}
	return credit.Events - in.received
}

// takes checks that the consumer gets the event seq next, or none if seq is 0.
func (in *testInbox) takes(by *consumer, seq, missed uint64) delivery {
	in.t.Helper()
	var ev wire.Event
	d, ok := in.next(by, &ev)
	if ok != (seq > 0) || ok && (ev.Seq != seq || ev.Missed != missed || ev.Epoch != in.session.epoch) {
		in.t.Errorf("takes %v: event %d, missed %d; want %d, missed %d", ok, ev.Seq, ev.Missed, seq, missed)
	}
	return d
}

// isAt checks that the cursor is after the event seq.
func (in *testInbox) isAt(seq uint64) {
	in.t.Helper()
	if got := in.currentCursor().Seq; got != seq {
		in.t.Errorf("the cursor is at %d; want %d", got, seq)
	}
}

// TestInboxTurns has one consumer at a time take events, each in its order.
func TestInboxTurns(t *testing.T) {
	in := newTestInbox(t, 10, 1<<20)
	in.receives(1, 4, 0)
	in.takes(in.byLoop, 0, 0)
	in.done(in.takes(in.byHandler, 1, 0))
	in.activate(in.byLoop)
	in.takes(in.byHandler, 0, 0)
	second := in.takes(in.byLoop, 2, 0)
	third := in.takes(in.byLoop, 3, 0) // while the second is handled
	in.isAt(1)
	in.done(third)
	in.isAt(3)
	in.done(second)
	in.isAt(3)
	in.close()
	in.takes(in.byLoop, 0, 0)
}

// TestInboxBells rings for the consumer that has the turn, when events come and
// when it gets the turn.
func TestInboxBells(t *testing.T) {
	in := newTestInbox(t, 10, 1<<20)
	rang := func(want *consumer) {
		t.Helper()
		for _, c := range []*consumer{in.byHandler, in.byLoop} {
			if got := len(c.bell) > 0; got != (c == want) {
				t.Errorf("the bell of the loop %v rang: %v", c == in.byLoop, got)
			}
			select {
			case <-c.bell:
			default:
			}
		}
	}
	in.receives(1, 1, 0)
	rang(in.byHandler)
	in.activate(in.byLoop)
	rang(in.byLoop)
	in.receives(2, 2, 0)
	rang(in.byLoop)
	in.receives(3, 2, 0) // no event
	rang(nil)
	in.deactivate(in.byHandler) // it does not have the turn
	in.receives(3, 3, 0)
	rang(in.byLoop)
	in.deactivate(in.byLoop)
	in.receives(4, 4, 0)
	rang(nil)
}

// TestInboxMoves moves the cursor past events that were filtered out, when all
// before them are handled, but not past events that were missed and not
// announced.
func TestInboxMoves(t *testing.T) {
	in := newTestInbox(t, 10, 1<<20)
	in.receives(6, 5, 0)
	in.takes(in.byHandler, 0, 0)
	in.isAt(5)
	in.receives(6, 7, 0)
	in.receives(11, 10, 0) // after what waits
	first := in.takes(in.byHandler, 6, 0)
	in.done(first)
	in.isAt(6)
	in.done(in.takes(in.byHandler, 7, 0))
	in.isAt(10)
	in.receives(21, 20, 5)
	in.receives(31, 30, 3)
	in.takes(in.byHandler, 0, 0)
	in.isAt(10)
	if from := in.connect(in.session.epoch); from.cursor.Seq != 30 {
		t.Errorf("the next session goes on from %d", from.cursor.Seq)
	}
	in.receives(31, 32, 2) // two gaps and another
	in.done(in.takes(in.byHandler, 31, 10))
	in.done(in.takes(in.byHandler, 32, 0))
	in.isAt(32)
}

// TestInboxRest: events are kept while no consumer has the turn, and delivered
// when one has it again.
func TestInboxRest(t *testing.T) {
	in := newTestInbox(t, 10, 1<<20)
	in.receives(1, 3, 0)
	in.receives(9, 8, 4)
	in.done(in.takes(in.byHandler, 1, 0))
	second := in.takes(in.byHandler, 2, 0)
	in.detach(in.session)
	in.activate(nil)
	in.takes(in.byHandler, 0, 0)
	in.takes(in.byLoop, 0, 0)
	if from := in.connect(in.session.epoch); from.cursor.Seq != 8 {
		t.Errorf("the next session goes on from %d", from.cursor.Seq)
	}
	if credit := in.receives(9, 9, 1); credit != 8 {
		t.Errorf("the credit is %d", credit)
	}
	in.done(second)
	in.isAt(2)
	in.activate(in.byLoop)
	in.done(in.takes(in.byLoop, 3, 0))
	in.isAt(3) // not over a gap that was not announced
	in.done(in.takes(in.byLoop, 9, 5))
	in.isAt(9)
}

// TestInboxEndedSession: a session that has ended pushes nothing more. If no
// batch of it has come, the beginning in the server's reply counts.
func TestInboxEndedSession(t *testing.T) {
	in := newTestInbox(t, 10, 1<<20)
	in.receives(1, 2, 0)
	old, late := in.session, in.chunk(3, 3)
	in.detach(old)
	if _, err := in.push(old, late, 0); !errors.Is(err, wire.Closed) {
		t.Errorf("without a session: %v", err)
	}
	epoch := uuid.UUID{8}
	in.connect(epoch)
	if _, err := in.push(old, late, 0); !errors.Is(err, wire.Closed) {
		t.Errorf("with another session: %v", err)
	}
	in.detach(old) // it was not the live one
	in.session.reply = protocol.Subscribed{Cursor: wire.Cursor{Epoch: epoch, Seq: 7}, Missed: 7, Snapshot: 1}
	in.detach(in.session)
	if from := in.connect(epoch); from != (position{wire.Cursor{Epoch: epoch, Seq: 7}, true}) {
		t.Errorf("after a session without a batch: %+v", from)
	}
	in.session.reply = protocol.Subscribed{Cursor: wire.Cursor{Epoch: epoch, Seq: 7}}
	in.detach(in.session)
	if from := in.connect(epoch); from != (position{wire.Cursor{Epoch: epoch, Seq: 7}, false}) {
		t.Errorf("after one without a snapshot: %+v", from)
	}
	in.session.reply = protocol.Subscribed{Cursor: wire.Cursor{Epoch: epoch, Seq: 1}}
	in.detach(old) // nor now
	in.receives(8, 9, 0)
	in.detach(in.session)
	if from := in.connect(epoch); from.cursor.Seq != 9 {
		t.Errorf("after a session with a batch: %+v", from)
	}
	var ev wire.Event
	in.next(in.byHandler, &ev)
	in.done(mustTake(in, &ev)) // 2, of the epoch before: its position is of that epoch
	if at := in.currentCursor(); at != (wire.Cursor{Epoch: old.epoch, Seq: 2}) {
		t.Errorf("after event 2 the cursor is at %v", at)
	}
	in.takes(in.byHandler, 8, 7)
}

func mustTake(in *testInbox, ev *wire.Event) delivery {
	d, ok := in.next(in.byHandler, ev)
	if !ok {
		in.t.Error("nothing waits")
	}
	return d
}

// TestInboxSnapshot leaves the cursor where it is until the whole snapshot has
// been handled.
func TestInboxSnapshot(t *testing.T) {
	in := newTestInbox(t, 10, 1<<20)
	epoch := in.session.epoch
	push := func(first, last, next uint64, pending bool) {
		t.Helper()
		ch := in.chunk(first, last)
		ch.snapshot, ch.end, ch.after = true, next, position{wire.Cursor{Epoch: epoch, Seq: next - 1}, pending}
		if _, err := in.push(in.session, ch, 0); err != nil {
			t.Fatal(err)
		}
	}
	push(3, 4, 20, true)
	push(6, 7, 20, false)
	for _, step := range []struct{ seq, at uint64 }{{3, 0}, {4, 0}, {6, 0}, {7, 19}} {
		if d := in.takes(in.byHandler, step.seq, 0); step.seq < 7 && !d.after.renew {
			t.Errorf("after event %d the snapshot is not asked for again", step.seq)
		} else {
			in.done(d)
		}
		in.isAt(step.at)
	}
}

// TestInboxGiveBack: events that were taken and are given back come again, with
// those that waited and with their gap, and a later taker keeps its own.
func TestInboxGiveBack(t *testing.T) {
	in := newTestInbox(t, 10, 1<<20)
	in.receives(1, 2, 0)
	in.done(in.takes(in.byHandler, 1, 0))
	in.done(in.takes(in.byHandler, 2, 0))
	ch := in.chunk(3, 5)
	ch.snapshot, ch.end, ch.after = true, 20, position{wire.Cursor{Epoch: in.session.epoch, Seq: 19}, true}
	if _, err := in.push(in.session, ch, 17); err != nil {
		t.Fatal(err)
	}
	first, last := in.takes(in.byHandler, 3, 17), in.takes(in.byHandler, 4, 0)
	if cursor, within, waiting := in.takenTo(); cursor.Seq != 2 || !within || !waiting {
		t.Errorf("%v, %v, %v", cursor, within, waiting)
	}
	in.giveBack(first, first, 17) // not the latest one
	in.takes(in.byHandler, 5, 0)
	if in.giveBack(first, last, 17); !in.busy {
		t.Error("given back by another than the latest taker")
	}
	in.giveBack(first, delivery{n: in.taken}, 17)
	in.isAt(2)
	if from := in.connect(in.session.epoch); from != (position{cursor: wire.Cursor{Epoch: in.session.epoch, Seq: 2}}) {
		t.Errorf("the next session begins at %+v", from)
	}
	if cursor, within, waiting := in.takenTo(); cursor.Seq != 2 || within || waiting {
		t.Errorf("%v, %v, %v", cursor, within, waiting)
	}
	in.receives(20, 20, 17) // announced again
	d := in.takes(in.byHandler, 20, 17)
	in.giveBack(d, d, 17)
	in.connect(uuid.UUID{8}) // a server that was started again, and does not know of the gap
	in.receives(1, 1, 3)
	in.done(in.takes(in.byHandler, 1, 20))
	in.receives(2, 2, 0)
	in.done(in.takes(in.byHandler, 2, 0))
	in.isAt(2)
}

// TestInboxGiveBackBeside: an event that is being handled when later ones are given
// back does not come again.
func TestInboxGiveBackBeside(t *testing.T) {
	for _, done := range []bool{false, true} {
		in := newTestInbox(t, 10, 1<<20)
		in.receives(1, 3, 0)
		running := in.takes(in.byHandler, 1, 0)
		first, last := in.takes(in.byHandler, 2, 0), in.takes(in.byHandler, 3, 0)
		if done {
			in.done(running)
		}
		in.giveBack(first, last, 0)
		if in.busy == done {
			t.Errorf("busy: %v", in.busy)
		}
		if from := in.connect(in.session.epoch); from != (position{cursor: wire.Cursor{Epoch: in.session.epoch, Seq: 1}}) {
			t.Errorf("done: %v: the next session begins at %+v", done, from)
		}
		in.receives(2, 2, 0)
		second := in.takes(in.byHandler, 2, 0)
		if !done {
			in.done(running)
		}
		in.isAt(1)
		in.done(second)
		in.isAt(2)
	}
}

// TestInboxBounds refuses what is over a bound, and takes what is at it.
func TestInboxBounds(t *testing.T) {
	in := newTestInbox(t, 3, 1<<20)
	if credit := in.receives(1, 2, 0); credit != 1 {
		t.Errorf("the credit is %d", credit)
	}
	if credit := in.receives(3, 3, 0); credit != 0 {
		t.Errorf("the credit is %d", credit)
	}
	if _, err := in.push(in.session, in.chunk(4, 4), 0); !errors.Is(err, wire.ProtocolError) || !strings.Contains(err.Error(), "Options.Queue)") {
		t.Errorf("one event over the bound: %v", err)
	}
	in.receives(4, 3, 0) // a heartbeat is taken
	many := in.chunk(4, 4)
	many.left = math.MaxInt
	if _, err := in.push(in.session, many, 0); !errors.Is(err, wire.ProtocolError) || !strings.Contains(err.Error(), "Options.Queue)") {
		t.Errorf("as many events over the bound as an int holds: %v", err)
	}

	small := newTestInbox(t, 10, 100)
	first, second := small.chunk(1, 1), small.chunk(2, 2)
	first.data = append(first.data, make([]byte, 99-len(first.data))...)
	for _, ch := range []*chunk{first, second} { // the second takes the last byte, and more
		if credit, err := small.push(small.session, ch, 0); err != nil || credit.Bytes < 100 || credit.Bytes > small.receivedBytes && credit.Bytes > 100 {
			t.Errorf("%+v, %v", credit, err)
		}
	}
	if _, err := small.push(small.session, small.chunk(3, 3), 0); !errors.Is(err, wire.ProtocolError) || !strings.Contains(err.Error(), "Options.QueueBytes)") {
		t.Errorf("without credit for bytes: %v", err)
	}
	small.receives(3, 2, 0) // a heartbeat is taken
}

// TestInboxCreditUpdate: credit is announced if the credit last announced is
// below half of the inbox, and half is free.
func TestInboxCreditUpdate(t *testing.T) {
	in := newTestInbox(t, 4, 1<<20)
	in.receives(1, 3, 0)             // the server has credit for one
	step := func(seq, want uint64) { // the credit for events that is announced; 0 for none
		t.Helper()
		d := in.takes(in.byHandler, seq, 0)
		defer in.done(d)
		var got uint64
		if d.credit != nil {
			got = d.credit.Events
		}
		if d.session != in.session || got != want {
			t.Errorf("after event %d: %+v; want %d", seq, d.credit, want)
		}
	}
	step(1, 5)
	step(2, 0) // the server has credit for two more
	in.receives(4, 5, 0)
	step(3, 7)
	step(4, 0)
	in.connect(in.session.epoch) // with one that waits
	in.receives(7, 9, 0)         // the server has credit for none
	step(5, 0)                   // one is free
	step(7, 5)
}

// TestInboxCreditUpdateBytes: credit is announced, too, if few bytes are left of
// it, and half of them are free.
func TestInboxCreditUpdateBytes(t *testing.T) {
	in := newTestInbox(t, 100, 1<<20)
	size := len(in.chunk(1, 1).data)
	in.limitBytes = 4 * size
	in.connect(in.session.epoch)
	for seq := range uint64(3) { // which leaves bytes for one
		in.receives(seq+1, seq+1, 0)
	}
	for seq, want := range []uint64{uint64(5 * size), 0, 0} {
		d := in.takes(in.byHandler, uint64(seq+1), 0)
		if (d.credit != nil) != (want > 0) || want > 0 && d.credit.Bytes != want {
			t.Errorf("after event %d: %+v; want %d bytes", seq+1, d.credit, want)
		}
		in.done(d)
	}
}

// TestInboxBrokenChunk: a broken chunk ends the session, and the events that
// were not handled are asked for again. What the session still receives moves
// nothing.
func TestInboxBrokenChunk(t *testing.T) {
	for name, spoil := range map[string]func(*chunk){
		"cut off":          func(ch *chunk) { ch.data = ch.data[:len(ch.data)-1] },
		"an event too few": func(ch *chunk) { ch.left++ },
		"below the floor":  func(ch *chunk) { ch.floor++ },
		"at the end":       func(ch *chunk) { ch.end-- },
	} {
		in := newTestInbox(t, 10, 1<<20)
		in.receives(1, 1, 0)
		first := in.takes(in.byHandler, 1, 0) // it is still being handled
		bad := in.chunk(2, 2)
		spoil(bad)
		if _, err := in.push(in.session, bad, 0); err != nil {
			t.Fatal(err)
		}
		in.receives(3, 3, 0)
		var ev wire.Event
		taken := uint64(1)
		for range 2 { // an event too few is found after the events that are there
			if d, ok := in.next(in.byHandler, &ev); ok && ev.Seq == 2 && name == "an event too few" {
				in.done(d)
				taken = 2
			} else if ok {
				t.Errorf("%s: event %d", name, ev.Seq)
			}
		}
		select {
		case <-in.session.conn.Done():
		default:
			t.Errorf("%s: the session goes on", name)
		}
		if err := in.session.conn.Err(); !errors.Is(err, wire.ProtocolError) {
			t.Errorf("%s: the session ended with %v", name, err)
		}
		if _, err := in.push(in.session, in.chunk(2, 3), 0); !errors.Is(err, wire.Closed) {
			t.Errorf("%s: the session goes on pushing: %v", name, err)
		}
		from := in.connect(in.session.epoch)
		if want := taken; from.cursor.Seq != want {
			t.Errorf("%s: the next session goes on from %d; want %d", name, from.cursor.Seq, want)
		}
		in.done(first)
		if from = in.connect(in.session.epoch); from.cursor.Seq != taken {
			t.Errorf("%s: another session goes on from %d; want %d", name, from.cursor.Seq, taken)
		}
	}
}

// TestInboxConsumers has both consumers take events at the same time, while the
// turn and the sessions change, and events that wait are removed: each event is
// delivered once and whole, and the numbers of the deliveries are in the order
// of Seq.
func TestInboxConsumers(t *testing.T) {
	const events = 3000
	for seed := range uint64(4) {
		random := rand.New(rand.NewPCG(seed, 0))
		in := newTestInbox(t, 64, 1<<20)
		var mu sync.Mutex // guards got
		got := make(map[uint64]uint64)
		var consuming sync.WaitGroup
		stop := make(chan struct{})
		for _, by := range []*consumer{in.byHandler, in.byLoop} {
			consuming.Go(func() {
				var ev wire.Event
				for {
					select {
					case <-by.bell:
					case <-stop:
						return
					}
					for d, ok := in.next(by, &ev); ok; d, ok = in.next(by, &ev) {
						mu.Lock()
						if ev.RunID != run || ev.Data.Status.State != wire.Transferring || ev.Missed > 0 {
							t.Errorf("event %+v", ev)
						}
						if got[d.n] != 0 {
							t.Errorf("delivery %d is of %d and of %d", d.n, got[d.n], ev.Seq)
						}
						got[d.n] = ev.Seq
						mu.Unlock()
						in.done(d)
					}
				}
			})
		}
		for next := uint64(1); next <= events; {
			last := min(events, next+uint64(random.IntN(20)))
			if _, err := in.push(in.session, in.chunk(next, last), 0); err == nil {
				next = last + 1
			}
			switch random.IntN(12) {
			case 0:
				in.activate(in.byHandler)
			case 1, 2:
				in.activate(in.byLoop)
			case 3:
				in.detach(in.session)
				in.activate(nil)
				next = in.connect(in.session.epoch).cursor.Seq + 1
			case 4:
				in.detach(in.session)
				next = in.connect(in.session.epoch).cursor.Seq + 1
			}
		}
		for in.currentCursor().Seq < events {
			in.activate([]*consumer{in.byHandler, in.byLoop}[random.IntN(2)])
		}
		close(stop)
		consuming.Wait()
		for n := uint64(1); n <= events; n++ {
			if got[n] != n {
				t.Fatalf("seed %d: delivery %d is of event %d", seed, n, got[n])
			}
		}
		if in.taken != events {
			t.Errorf("seed %d: %d deliveries of %d events", seed, in.taken, events)
		}
	}
}

// TestInboxHandler gives an event to the handler that was set when the event was
// taken, and not to one that was set after Unsubscribe.
func TestInboxHandler(t *testing.T) {
	in := newTestInbox(t, 10, 1<<20)
	in.receives(1, 2, 0)
	called := 0
	in.setHandler(func(wire.Event) { called = 1 })
	d := in.takes(in.byHandler, 1, 0)
	in.setHandler(func(wire.Event) { called = 2 })
	if d.handler(wire.Event{}); called != 1 {
		t.Errorf("handler %d was called", called)
	}
	in.setHandler(nil)
	if d := in.takes(in.byHandler, 2, 0); d.handler != nil {
		t.Error("there is a handler still")
	}
}

// TestInboxMoveWhileHandling leaves the cursor before an event that is being
// handled, although events after that one were filtered out.
func TestInboxMoveWhileHandling(t *testing.T) {
	in := newTestInbox(t, 10, 1<<20)
	in.receives(1, 1, 0)
	d := in.takes(in.byHandler, 1, 0)
	in.receives(6, 5, 0)
	in.activate(in.byLoop)
	in.takes(in.byLoop, 0, 0)
	in.isAt(0)
	in.done(d)
	in.isAt(5)
}

// TestInboxBegunAgain: if no event was handled yet, the client begins again at the
// beginning that the server named. To begin at the present instead would leave out
// the events in between.
func TestInboxBegunAgain(t *testing.T) {
	in := newTestInbox(t, 10, 1<<20)
	epoch := in.session.epoch
	in.session.reply = protocol.Subscribed{Cursor: wire.Cursor{Epoch: epoch, Seq: 4}, Snapshot: 1}
	in.setStart(in.session)
	in.isAt(0) // of the snapshot nothing has been seen
	bad := in.chunk(5, 5)
	bad.data = bad.data[:1]
	if _, err := in.push(in.session, bad, 0); err != nil {
		t.Fatal(err)
	}
	in.takes(in.byHandler, 0, 0)
	if from := in.connect(epoch); from != (position{wire.Cursor{Epoch: epoch, Seq: 4}, true}) {
		t.Errorf("the next session begins at %+v", from)
	}
	in.session.reply = protocol.Subscribed{Cursor: wire.Cursor{Epoch: epoch, Seq: 9}}
	in.setStart(in.session) // which is not where the stream began
	in.mu.Lock()
	in.failChunk(wire.ProtocolError)
	in.mu.Unlock()
	if from := in.connect(epoch); from.cursor.Seq != 4 {
		t.Errorf("another session begins at %+v", from)
	}
}

// TestStreamsThatWait: while events of too many sessions wait, a further session gets
// no credit. It gets some when one of them has none left that waits, and rewinding
// forgets them all.
func TestStreamsThatWait(t *testing.T) {
	in := newTestInbox(t, 100, 1<<20)
	credit := func() uint64 { in.connect(uuid.UUID{9}); return in.advertised.Events }
	for seq := range uint64(maxStreams + 1) {
		if got := credit(); got != 100-2*seq {
			t.Errorf("session %d has credit for %d", seq, got)
		}
		in.push(in.session, in.chunk(2*seq+1, 2*seq+1), 0)
		in.push(in.session, in.chunk(2*seq+2, 2*seq+2), 0)
	}
	if got := credit(); got != 0 {
		t.Errorf("one more has credit for %d", got)
	}
	var ev wire.Event
	for want := range 2 {
		d, ok := in.next(in.byHandler, &ev)
		if !ok || (d.credit != nil) != (want == 1) || want == 1 && d.credit.Events != 100-2*maxStreams {
			t.Errorf("event %d: %v, credit %v", ev.Seq, ok, d.credit)
		}
		in.done(d)
	}
	in.rewind()
	if got := credit(); got != 100 || in.streams != 0 {
		t.Errorf("after rewinding: credit for %d, %d streams", got, in.streams)
	}
}
