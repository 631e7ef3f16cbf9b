package momserver

import (
	"net"
	"net/rpc"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mom.internal/momserver/internal/history"
	"mom.internal/wire"
	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"
)

// testSubscriber returns a subscriber of the sender, with credit for that many
// events, and the connection on which it is called. Nobody reads the calls. The
// sender's goroutine is not started; the test does its work.
func testSubscriber(t *testing.T, srv *Server, credit uint64) (*subscriber, *duplex.Conn) {
	t.Helper()
	near, far := net.Pipe()
	conn := duplex.NewConn(near, srv.cfg.conn())
	go conn.Serve("", nil)
	t.Cleanup(func() {
		conn.Close(wire.Errorf(wire.Closed, "the test is over"))
		far.Close()
		conn.Wait()
	})
	sub := &subscriber{identity: new(identity), conn: conn, callbackConn: conn, isNew: true, credit: protocol.Credit{Events: credit, Bytes: 1 << 40}}
	var err error
	if sub.at, err = srv.hist.Begin(wire.FromNow, wire.Cursor{}, false); err != nil {
		t.Fatal(err)
	}
	srv.sender.postJoin(sub)
	srv.sender.runPosted()
	return sub, conn
}

// spoken is an event of a run of a job of the same ID.
func spoken(run uuid.UUID, state wire.State) wire.Event {
	return wire.Event{JobID: run, RunID: run, Data: wire.TransferData{
		Initialize: &wire.InitializeData{Name: "job"}, Status: wire.Status{State: state},
	}}
}

// publishMore publishes n events of a run.
func publishMore(t *testing.T, h *history.History, run uuid.UUID, n int) {
	t.Helper()
	for range n {
		ev := spoken(run, wire.Transferring)
		if err := h.Publish(&ev, 0, false); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOneOrder has a client make 10,000 calls of each kind before the sender
// runs again: they leave one order, which holds the largest credit and the
// first reason to end.
func TestOneOrder(t *testing.T) {
	srv := New(Config{})
	sub, conn := testSubscriber(t, srv, 0)
	sv := &service{srv: srv, conn: conn, sub: sub}
	s := srv.sender
	for i := range uint64(10_000) {
		if err := sv.Credit(&protocol.Credit{Events: (i * 7919) % 10_000, Bytes: 1}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.posted) != 1 {
		t.Errorf("%d orders after calls of Credit", len(s.posted))
	}
	if s.runPosted(); sub.credit.Events != 9999 || len(s.posted) != 0 {
		t.Errorf("credit for %d events; want 9999", sub.credit.Events)
	}
	for range 10_000 {
		if err := sv.Unsubscribe(nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	s.postDrop(sub, ReasonConnectionLost, "it closed the connection")
	if len(s.posted) != 1 {
		t.Errorf("%d orders after calls of Unsubscribe", len(s.posted))
	}
	s.runPosted()
	if drops, _ := srv.drops.report(); len(s.subs) != 0 || len(drops) != 1 || drops[ReasonUnsubscribed] != 1 {
		t.Errorf("dropped for %v", drops)
	}
}

// TestRoomForReplies has room for the replies to all calls that may be in
// flight, up to a bound, whatever the size of an int.
func TestRoomForReplies(t *testing.T) {
	for _, cfg := range []Config{{}, {MaxSubscribers: 1, Window: 1}, {MaxSubscribers: 1 << 20, Window: 2047}, {MaxSubscribers: 1 << 20, Window: 4095}, {MaxSubscribers: 1 << 20, Window: 4096}} {
		srv := New(cfg)
		want := min((int64(srv.cfg.MaxSubscribers)+1)*(int64(srv.cfg.Window)+1), maxInFlight)
		if got := cap(srv.sender.replies); int64(got) != want {
			t.Errorf("%d subscribers, %d calls each: room for %d replies; want %d", cfg.MaxSubscribers, cfg.Window, got, want)
		}
	}
}

// TestHeartbeatPastStuck calls the idle subscribers that come after one whose
// window is closed.
func TestHeartbeatPastStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := New(Config{Window: 1, Heartbeat: time.Second})
		s := srv.sender
		stuck, _ := testSubscriber(t, srv, 0)
		idle, _ := testSubscriber(t, srv, 0)
		for range 3 {
			time.Sleep(time.Second)
			s.sendHeartbeats(time.Now())
			if len(idle.unanswered) != 1 || len(stuck.unanswered) != 1 {
				t.Fatalf("%d calls to the idle one, %d to the stuck one", len(idle.unanswered), len(stuck.unanswered))
			}
			if due := s.untilDue(time.Now()); due != time.Second {
				t.Errorf("the next heartbeat is due in %v", due)
			}
			s.removeCall(idle.unanswered[0])
		}
		time.Sleep(time.Second - time.Nanosecond)
		if s.sendHeartbeats(time.Now()); len(idle.unanswered) != 0 {
			t.Error("a heartbeat came too early")
		}
	})
}

// TestOpen: the window is open or closed by the calls in flight and their
// bytes.
func TestOpen(t *testing.T) {
	srv := New(Config{Window: 2, WindowBytes: 100})
	s := srv.sender
	for _, tc := range []struct {
		calls, bytes int
		leaving      bool
		inFlight     int
		open         bool
	}{
		{0, 0, false, 0, true}, {1, 99, false, 0, true}, {1, 100, false, 0, false}, {2, 0, false, 0, false}, {0, 0, true, 0, false},
		{0, 0, false, cap(s.replies) - 1, true}, {0, 0, false, cap(s.replies), false},
	} {
		s.callsInFlight, s.throttled = tc.inFlight, false
		sub := &subscriber{unanswered: make([]*call, tc.calls), unansweredBytes: tc.bytes, saidGoodbye: tc.leaving}
		if got := s.windowOpen(sub); got != tc.open || s.throttled != (tc.inFlight == cap(s.replies)) {
			t.Errorf("%+v: open %v, starved %v", tc, got, s.throttled)
		}
	}
}

// TestStarved sends to a subscriber that waited for another's reply, because
// there was no room for more calls in flight.
func TestStarved(t *testing.T) {
	srv := New(Config{})
	s := srv.sender
	s.replies = make(chan *rpc.Call, 1)
	a, connA := testSubscriber(t, srv, 1)
	b, _ := testSubscriber(t, srv, 1)
	s.notify(a, true)
	if s.deliver(); !b.isNew || !s.throttled || s.callsInFlight != 1 {
		t.Fatalf("called %v, starved %v, %d calls in flight", !b.isNew, s.throttled, s.callsInFlight)
	}
	connA.Close(wire.Errorf(wire.Lost, "it closed the connection"))
	for b.isNew { // until net/rpc has returned the call
		s.takeReplies(1)
		s.deliver()
	}
	if s.throttled || s.callsInFlight != 1 || len(b.unanswered) != 1 {
		t.Errorf("starved %v, %d calls in flight, %d of the second", s.throttled, s.callsInFlight, len(b.unanswered))
	}
}

// TestDrop: a drop leaves nothing of a subscriber in the sender but the calls
// that net/rpc has not returned, and happens once.
func TestDrop(t *testing.T) {
	for _, why := range []Reason{ReasonUnsubscribed, ReasonCallTimeout} {
		srv := New(Config{})
		s := srv.sender
		sub, conn := testSubscriber(t, srv, 1)
		near, far := net.Pipe()
		defer far.Close()
		callee := duplex.NewConn(near, srv.cfg.conn())
		go callee.Serve("", nil)
		sub.callbackConn = callee
		srv.subs[sub] = true
		s.notify(sub, true)
		s.notify(sub, true)
		s.drop(sub, why, "because")
		s.drop(sub, ReasonProtocol, "it was dropped again")
		if len(s.subs) != 0 || s.heartbeats.Len() != 0 || s.timeouts.Len() != 0 || len(sub.unanswered) != 0 || sub.unansweredBytes != 0 || len(srv.subs) != 0 {
			t.Errorf("%v: left: %d subscribers, %d heartbeats, %d timeouts, %d calls", why, len(s.subs), s.heartbeats.Len(), s.timeouts.Len(), len(sub.unanswered))
		}
		if drops, recent := srv.drops.report(); len(drops) != 1 || drops[why] != 1 || recent[0].Detail != "because" {
			t.Errorf("%v: dropped for %v: %+v", why, drops, recent)
		}
		if err := callee.Err(); err == nil {
			t.Errorf("%v: its callback connection is open", why)
		}
		if err := conn.Err(); (err == nil) != (why == ReasonUnsubscribed) { // which the client closes
			t.Errorf("%v: its own connection: %v", why, err)
		}
		for range 2 {
			s.handleReply(<-s.replies)
		}
		if s.callsInFlight != 0 || len(s.calls) != 0 {
			t.Errorf("%v: %d calls in flight, %d kept", why, s.callsInFlight, len(s.calls))
		}
		callee.Wait()
	}
}

// TestIdleNotVisited: an event wakes the subscribers that take it. The others
// are where the sender is, though it does not visit them.
func TestIdleNotVisited(t *testing.T) {
	srv := New(Config{})
	s := srv.sender
	sub, _ := testSubscriber(t, srv, 10)
	s.deliver()
	other := &subscriber{identity: new(identity), Reader: history.NewReader(&wire.Filter{Jobs: []uuid.UUID{{9}}}, nil), isNew: true, credit: protocol.Credit{Events: 10, Bytes: 1 << 40}, conn: sub.conn, callbackConn: sub.callbackConn}
	other.at, _ = srv.hist.Begin(wire.FromNow, wire.Cursor{}, false)
	s.interests.link(other, func() {})
	s.postJoin(other)
	s.runPosted()
	s.deliver()
	if !sub.caughtUp || !other.caughtUp {
		t.Fatal("they are not idle with all events")
	}
	publishMore(t, srv.hist, uuid.UUID{1}, 3)
	if s.scan(); s.ready.len() != 1 || s.ready.subs[0] != sub {
		t.Fatalf("%d subscribers are awake", s.ready.len())
	}
	s.deliver()
	s.draining, s.drainEnds = true, time.Now().Add(time.Hour)
	if s.sayGoodbyes(); other.unsentEvents(3) != 0 {
		t.Errorf("while draining it lacks %d events", other.unsentEvents(3))
	}
	s.draining = false
	if i := other.info(3, s.scannedNext.Load()); i.Lag != 0 || i.Next != 4 || sub.sent != 3 || other.sent != 0 {
		t.Errorf("%+v after events of another job, and %d sent", i, sub.sent)
	}
	publishMore(t, srv.hist, uuid.UUID{9}, 2)
	if s.deliver(); other.sent != 2 || other.at.Next != 6 {
		t.Errorf("%d sent, next %d", other.sent, other.at.Next)
	}
}

// TestIdleBehindTheCache: events that leave the cache before the sender has
// looked at them are lost to the idle subscribers, whose gap is announced.
func TestIdleBehindTheCache(t *testing.T) {
	srv := New(Config{CacheEvents: 10})
	s := srv.sender
	sub, _ := testSubscriber(t, srv, 100)
	s.deliver()
	publishMore(t, srv.hist, uuid.UUID{1}, 25)
	s.deliver()
	for s.catchingUp.len() > 0 {
		s.deliver()
	}
	if i := sub.info(25, s.scannedNext.Load()); i.Missed != 15 || i.Delivered != 11 || i.Next != 26 { // with the snapshot
		t.Errorf("%+v", i)
	}
}

// TestLongReadingsLast: a subscriber whose filter leaves out a large cache does
// not keep others waiting: a turn looks at a bounded number of events for it,
// and serves the others first.
func TestLongReadingsLast(t *testing.T) {
	srv := New(Config{})
	s := srv.sender
	publishMore(t, srv.hist, uuid.UUID{1}, 9000)
	sub, _ := testSubscriber(t, srv, 10_000)
	var slow []*subscriber
	for range 10 {
		other := &subscriber{identity: new(identity), Reader: history.NewReader(&wire.Filter{Jobs: []uuid.UUID{{9}}}, nil), isNew: true, credit: protocol.Credit{Events: 10, Bytes: 1 << 40}, conn: sub.conn, callbackConn: sub.callbackConn}
		other.at, _ = srv.hist.Begin(wire.FromOldest, wire.Cursor{}, false)
		s.postJoin(other)
		slow = append(slow, other)
	}
	s.runPosted()
	looked := func() (n uint64) {
		for _, other := range slow {
			n += other.at.Next - 1
		}
		return n
	}
	s.deliver()
	turns := 1
	for ; s.catchingUp.len() > 0; turns++ {
		was := looked()
		publishMore(t, srv.hist, uuid.UUID{1}, 1)
		if s.deliver(); sub.at.Next != s.scanned.Next {
			t.Fatal("the subscriber that keeps up waits for the others")
		}
		if n := looked() - was; n > maxCatchUpLooks+maxLook {
			t.Fatalf("a turn looked at %d events", n)
		}
		s.removeCall(sub.unanswered[0])
	}
	if turns < 10*9000/(maxCatchUpLooks+maxLook) {
		t.Errorf("%d turns", turns)
	}
	for _, other := range slow {
		if !other.caughtUp || other.sent > 0 {
			t.Errorf("idle %v, with %d events sent", other.caughtUp, other.sent)
		}
	}
}

// TestGiveUpSnapshots: over the bound the subscriber that has waited longest
// gives up its snapshot. If nothing was published since, it gets the rest when
// it has credit; otherwise a gap and a new snapshot.
func TestGiveUpSnapshots(t *testing.T) {
	for _, published := range []int{0, 3} {
		srv := New(Config{MaxSnapshotEvents: 7})
		s := srv.sender
		for i := range 5 {
			publishMore(t, srv.hist, uuid.UUID{byte(i + 1)}, 1)
		}
		var data []byte
		events := 0
		credit := func(sub *subscriber, n uint64) {
			sub.credit.Events += n
			s.enqueue(sub)
			for s.enqueue(sub); s.ready.len()+s.catchingUp.len() > 0; {
				s.deliver()
				data = append(data, s.batch.Events...)
				events += int(s.batch.Count)
				s.batch = protocol.Batch{}
			}
		}
		first, _ := testSubscriber(t, srv, 0)
		credit(first, 2)
		second, _ := testSubscriber(t, srv, 1)
		if s.deliver(); s.snapshotEvents != 7 || first.at.SnapshotLeft() != 3 || first.at.GivenUp() {
			t.Fatalf("%d events are pending, of the first %d", s.snapshotEvents, first.at.SnapshotLeft())
		}
		third, _ := testSubscriber(t, srv, 4)
		if s.deliver(); s.snapshotEvents != 8 || first.at.GivenUp() {
			t.Fatalf("%d events are pending; given up before CallTimeout: %v", s.snapshotEvents, first.at.GivenUp())
		}
		first.lastProgress = time.Now().Add(-s.cfg.CallTimeout)
		if s.deliver(); s.snapshotEvents != 5 || !first.at.GivenUp() || second.at.GivenUp() || first.acknowledgedAll(5) {
			t.Fatalf("%d events are pending; given up: %v, %v", s.snapshotEvents, first.at.GivenUp(), second.at.GivenUp())
		}
		if s.notify(first, true); s.batch.Pending == 0 || s.batch.Next != 6 {
			t.Errorf("it is told that %d events are pending", s.batch.Pending)
		}
		publishMore(t, srv.hist, uuid.UUID{1}, published)
		credit(first, 100)
		var seqs []uint64
		if err := protocol.NewEventDecoder(srv.hist.Types()).Decode(data, events, func(e *wire.Event) { seqs = append(seqs, e.Seq) }); err != nil {
			t.Fatal(err)
		}
		want, missed := []uint64{1, 2, 3, 4, 5}, uint64(0)
		if published > 0 {
			want, missed = []uint64{1, 2, 2, 3, 4, 5, 8}, 3
		}
		if i := first.info(srv.hist.Head(), s.scannedNext.Load()); !slices.Equal(seqs, want) || i.Missed != missed || i.Lag != 0 {
			t.Errorf("%d events later: got %v, %+v; want %v, %d missed", published, seqs, i, want, missed)
		}
		if published > 0 { // a snapshot that waits for credit again is bounded again
			first.at, _ = srv.hist.Begin(wire.FromNow, wire.Cursor{}, false)
			first.sent, first.credit.Events = 100, 0
			s.trackSnapshot(first, 0)
			if s.snapshots.Back().Value.(*subscriber) != first {
				t.Error("the new snapshot is not the youngest")
			}
		}
		for _, sub := range []*subscriber{second, third, first} {
			s.drop(sub, ReasonUnsubscribed, "it unsubscribed")
		}
		if s.snapshotEvents != 0 || s.snapshots.Len() != 0 {
			t.Errorf("%d events are pending of nobody", s.snapshotEvents)
		}
	}
}

// TestOldSnapshot: a snapshot keeps events in memory that have left the cache. When
// too many have, it is given up although its subscriber makes progress.
func TestOldSnapshot(t *testing.T) {
	const bound = 10_000
	srv := New(Config{CacheBytes: bound})
	s := srv.sender
	for i := range 3 {
		publishMore(t, srv.hist, uuid.UUID{byte(i + 1)}, 1)
	}
	older, _ := testSubscriber(t, srv, 0)
	publishUntil := func(evicted uint64) {
		for p := older.at; p.Evicted < evicted; srv.hist.Scan(&p, func(*protocol.Definition, history.Class) {}) {
			publishMore(t, srv.hist, uuid.UUID{1}, 1)
		}
	}
	publishUntil(older.at.Evicted + bound)
	younger, _ := testSubscriber(t, srv, 0)
	for step, want := range []bool{false, true} {
		publishUntil(older.at.Evicted + farEvicted*bound - 200 + uint64(step)*400)
		older.lastProgress, younger.lastProgress = time.Now(), time.Now()
		for s.deliver(); s.ready.len()+s.catchingUp.len() > 0; s.deliver() {
		}
		if older.at.GivenUp() != want || younger.at.GivenUp() {
			t.Errorf("step %d: given up: %v, %v", step, older.at.GivenUp(), younger.at.GivenUp())
		}
	}
	s.drop(older, ReasonUnsubscribed, "it unsubscribed")
	s.drop(younger, ReasonUnsubscribed, "it unsubscribed")
	if s.snapshots.Len()+s.snapshotsByAge.Len() > 0 {
		t.Error("snapshots of nobody are kept")
	}
}

// TestTurn: a turn of the sender looks at a bounded number of events, however many
// subscribers are ready.
func TestTurn(t *testing.T) {
	srv := New(Config{})
	s := srv.sender
	for range 3 {
		testSubscriber(t, srv, 10)
	}
	if n := s.ready.len(); n != 3 {
		t.Fatalf("%d subscribers are ready", n)
	}
	if s.pushSome(&s.ready, callLooks+2); s.ready.len() != 1 {
		t.Errorf("%d subscribers are left", s.ready.len())
	}
}

// TestAtOnce: a turn of the sender handles a bounded number of requests, replies
// and heartbeats, however many subscribers have some at the same moment.
func TestAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = maxAtOnce + 10
		srv := New(Config{Heartbeat: time.Second})
		s := srv.sender
		var subs []*subscriber
		for range n {
			sub, _ := testSubscriber(t, srv, 0)
			subs = append(subs, sub)
		}
		beat := func() (calls int) {
			s.sendHeartbeats(time.Now())
			for _, sub := range subs {
				calls += len(sub.unanswered)
			}
			return calls
		}
		time.Sleep(time.Second)
		if first, both := beat(), beat(); first != maxHeartbeatsAtOnce || both != 2*maxHeartbeatsAtOnce {
			t.Errorf("%d heartbeats in a turn, and %d in two; want %d each", first, both, maxHeartbeatsAtOnce)
		}
		for _, sub := range subs {
			s.replies <- &rpc.Call{Error: rpc.ServerError("no")}
			s.postDrop(sub, ReasonUnsubscribed, "it unsubscribed")
		}
		if s.takeReplies(maxAtOnce); len(s.replies) != n-maxAtOnce {
			t.Errorf("%d replies are left", len(s.replies))
		}
		<-s.bell
		if s.runPosted(); len(s.subs) != n-maxAtOnce || len(s.bell) != 1 {
			t.Errorf("%d subscribers are left, and the bell was rung %d times", len(s.subs), len(s.bell))
		}
		s.postDrain()
		if s.runPosted(); len(s.subs) != 0 || !s.draining {
			t.Errorf("%d subscribers are left; draining: %v", len(s.subs), s.draining)
		}
	})
}

// TestDeadlinesAtOnce: a turn of the sender handles a bounded number of replies and
// drops a bounded number of subscribers, however many deadlines pass at the same
// moment. It drops none of the subscribers whose replies had come.
func TestDeadlinesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = maxAtOnce + 10
		srv := New(Config{})
		s := srv.sender
		for range 2 * n {
			testSubscriber(t, srv, 0)
		}
		s.deliver() // calls each of them
		for reply, c := range s.calls {
			c.sentAt = c.sentAt.Add(-s.cfg.CallTimeout)
			if len(s.replies) < n {
				s.replies <- reply
			}
		}
		for turn, want := range []struct{ replies, subs int }{{n - maxAtOnce, 2 * n}, {0, 2*n - maxAtOnce}, {0, n}} {
			s.checkDeadlines(time.Now())
			if s.repliesBefore != want.replies || len(s.subs) != want.subs {
				t.Errorf("after turn %d, %d replies and %d subscribers are left; want %+v", turn+1, s.repliesBefore, len(s.subs), want)
			}
		}
		if due := s.untilDue(time.Now()); due == 0 {
			t.Error("the timer would fire for ever")
		}
		if !s.checkBegan.IsZero() {
			t.Error("the check has not ended")
		}
	})
}

// TestFarBehind: a subscriber that is far behind comes after the others, as do
// those with a long snapshot or none, even if its client takes one event at a time.
func TestFarBehind(t *testing.T) {
	srv := New(Config{})
	s := srv.sender
	near, _ := testSubscriber(t, srv, 0)
	far, _ := testSubscriber(t, srv, 0)
	s.deliver()
	publishMore(t, srv.hist, uuid.UUID{1}, maxLook+1)
	near.at.Next = 2
	s.deliver()
	for _, sub := range []*subscriber{far, near} {
		sub.credit.Events = 1
		s.enqueue(sub)
	}
	if s.ready.len() != 1 || s.ready.subs[0] != near || s.catchingUp.len() != 1 {
		t.Errorf("%d are ready, and %d catching up", s.ready.len(), s.catchingUp.len())
	}
	s.deliver()
	for i := range maxLook + 1 {
		publishMore(t, srv.hist, uuid.UUID{2, byte(i), byte(i >> 8)}, 1)
	}
	testSubscriber(t, srv, 1)
	if s.ready.len() != 0 || s.catchingUp.len() != 1 {
		t.Errorf("with a snapshot %d are ready, and %d catching up", s.ready.len(), s.catchingUp.len())
	}
}

// TestFarOver: far over the bound, a snapshot is given up even if its subscriber
// has just joined, the oldest one first.
func TestFarOver(t *testing.T) {
	srv := New(Config{MaxSnapshotEvents: 1})
	for i := range 9 {
		publishMore(t, srv.hist, uuid.UUID{byte(i + 1)}, 1)
	}
	first, _ := testSubscriber(t, srv, 0)
	second, _ := testSubscriber(t, srv, 0)
	if srv.sender.deliver(); !first.at.GivenUp() || second.at.GivenUp() {
		t.Errorf("given up: %v, %v", first.at.GivenUp(), second.at.GivenUp())
	}
	for i := range 20 { // a single snapshot is sent, however large
		publishMore(t, srv.hist, uuid.UUID{byte(i + 10)}, 1)
	}
	srv.sender.drop(second, ReasonUnsubscribed, "it unsubscribed")
	third, _ := testSubscriber(t, srv, 0)
	if srv.sender.deliver(); third.at.GivenUp() {
		t.Error("the only snapshot is given up")
	}
}

// TestOldSnapshotGivenUp: without progress, a snapshot is given up when as many bytes have left
// the cache as it holds, because its events would keep them in memory.
func TestOldSnapshotGivenUp(t *testing.T) {
	srv := New(Config{CacheBytes: 1000})
	s := srv.sender
	publishMore(t, srv.hist, uuid.UUID{1}, 1)
	sub, _ := testSubscriber(t, srv, 0)
	sub.lastProgress = time.Now().Add(-s.cfg.CallTimeout)
	s.deliver()
	for s.scanned.Evicted <= sub.at.Evicted+1000 {
		if sub.at.GivenUp() {
			t.Fatalf("given up when %d bytes had left", s.scanned.Evicted-sub.at.Evicted)
		}
		publishMore(t, srv.hist, uuid.UUID{1}, 1)
		s.deliver()
	}
	if !sub.at.GivenUp() || s.snapshotEvents != 0 {
		t.Errorf("given up: %v; %d events are pending", sub.at.GivenUp(), s.snapshotEvents)
	}
}
