package momserver

import (
	"net"
	"testing"

	"mom.internal/wire"
)

// testSubscriber returns a subscriber that the sender has taken in, with room
// for so many events, and the connection that calls to it go to. Nobody reads
// them. The sender's goroutine is not started: the test takes its turns.
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

// TestOneOrder has a client make 10,000 calls of each kind before the sender's
// next turn: they leave one order, which holds the largest credit and the first
// reason to end.
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
