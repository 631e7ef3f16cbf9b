package momserver

import (
	"net"
	"net/rpc"
	"testing"
	"testing/synctest"
	"time"

	"mom.internal/wire"
)

// testSubscriber returns a subscriber of the sender, with credit for room
// events, and the connection on which it is called. Nobody reads the calls. The
// sender's goroutine is not started; the test does its work.
func testSubscriber(t *testing.T, srv *Server, room uint64) (*subscriber, *wire.Conn) {
	t.Helper()
	near, far := net.Pipe()
	conn := wire.NewConn(near, srv.cfg.conn())
	go conn.Serve("", nil)
	t.Cleanup(func() {
		conn.Close(wire.Errorf(wire.CodeClosed, "the test is over"))
		far.Close()
		conn.Wait()
	})
	sub := &subscriber{who: new(admission), main: conn, callee: conn, fresh: true, limit: room}
	var err error
	if sub.at, err = srv.hist.begin(wire.FromNow, wire.Cursor{}, false); err != nil {
		t.Fatal(err)
	}
	srv.sender.attach(sub)
	srv.sender.obey()
	return sub, conn
}

// TestOneOrder has a client make 10,000 calls of each kind before the sender
// runs again: they leave one order, which holds the largest credit and the
// first reason to end.
func TestOneOrder(t *testing.T) {
	srv := New(Config{})
	sub, conn := testSubscriber(t, srv, 0)
	sv := &service{srv: srv, conn: conn, sub: sub}
	s := srv.sender
	for i := range uint32(10_000) {
		if err := sv.Room(&wire.RoomArgs{Room: (i * 7919) % 10_000}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.inbox) != 1 {
		t.Errorf("%d orders after calls of Room", len(s.inbox))
	}
	if s.obey(); sub.room() != 9999 || len(s.inbox) != 0 {
		t.Errorf("room for %d events; want 9999", sub.room())
	}
	for range 10_000 {
		if err := sv.Unsubscribe(nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	s.detach(sub, ReasonConnectionLost, "it closed the connection")
	if len(s.inbox) != 1 {
		t.Errorf("%d orders after calls of Unsubscribe", len(s.inbox))
	}
	s.obey()
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
		if got := cap(srv.sender.done); int64(got) != want {
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
			s.heartbeat(time.Now())
			if len(idle.inflight) != 1 || len(stuck.inflight) != 1 {
				t.Fatalf("%d calls to the idle one, %d to the stuck one", len(idle.inflight), len(stuck.inflight))
			}
			if due := s.untilDue(time.Now()); due != time.Second {
				t.Errorf("the next heartbeat is due in %v", due)
			}
			s.forget(idle.inflight[0])
		}
		time.Sleep(time.Second - time.Nanosecond)
		if s.heartbeat(time.Now()); len(idle.inflight) != 0 {
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
		{0, 0, false, cap(s.done) - 1, true}, {0, 0, false, cap(s.done), false},
	} {
		s.inFlight, s.starved = tc.inFlight, false
		sub := &subscriber{inflight: make([]*call, tc.calls), inflightBytes: tc.bytes, leaving: tc.leaving}
		if got := s.open(sub); got != tc.open || s.starved != (tc.inFlight == cap(s.done)) {
			t.Errorf("%+v: open %v, starved %v", tc, got, s.starved)
		}
	}
}

// TestStarved sends to a subscriber that waited for another's reply, because
// there was no room for more calls in flight.
func TestStarved(t *testing.T) {
	srv := New(Config{})
	s := srv.sender
	s.done = make(chan *rpc.Call, 1)
	a, connA := testSubscriber(t, srv, 1)
	b, _ := testSubscriber(t, srv, 1)
	s.notify(a, true)
	if s.deliver(); !b.fresh || !s.starved || s.inFlight != 1 {
		t.Fatalf("called %v, starved %v, %d calls in flight", !b.fresh, s.starved, s.inFlight)
	}
	connA.Close(wire.Errorf(wire.CodeLost, "it closed the connection"))
	for b.fresh { // until net/rpc has returned the call
		s.drainReplies()
	}
	if s.starved || s.inFlight != 1 || len(b.inflight) != 1 {
		t.Errorf("starved %v, %d calls in flight, %d of the second", s.starved, s.inFlight, len(b.inflight))
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
		callee := wire.NewConn(near, srv.cfg.conn())
		go callee.Serve("", nil)
		sub.callee = callee
		srv.subs[sub] = true
		s.notify(sub, true)
		s.notify(sub, true)
		s.send()
		s.drop(sub, why, "because")
		s.drop(sub, ReasonProtocol, "it was dropped again")
		if len(s.subs) != 0 || s.beats.Len() != 0 || s.timeouts.Len() != 0 || len(sub.inflight) != 0 || sub.inflightBytes != 0 || len(srv.subs) != 0 {
			t.Errorf("%v: left: %d subscribers, %d heartbeats, %d timeouts, %d calls", why, len(s.subs), s.beats.Len(), s.timeouts.Len(), len(sub.inflight))
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
			s.replied(<-s.done)
		}
		if s.inFlight != 0 || len(s.calls) != 0 {
			t.Errorf("%v: %d calls in flight, %d kept", why, s.inFlight, len(s.calls))
		}
		callee.Wait()
	}
}
