package momserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"net/rpc"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mom.internal/wire"
	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"
	"mom.internal/wire/wiretest/attack"
)

// addrConn is a connection whose remote address is set by the test.
type addrConn struct {
	net.Conn
	remote net.Addr
}

func (c addrConn) RemoteAddr() net.Addr { return c.remote }

// testService returns the service of a connection from 127.0.0.1, at whose
// other end nobody reads or writes.
func testService(t *testing.T, srv *Server) *service {
	t.Helper()
	near, far := net.Pipe()
	conn := duplex.NewConn(addrConn{near, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 4000}}, srv.cfg.conn())
	sv := newService(srv, conn, new(identity))
	go func() { sv.end(conn.Serve("", nil)) }()
	t.Cleanup(func() {
		conn.Close(wire.Errorf(wire.Closed, "the test is over"))
		far.Close()
		conn.Wait()
	})
	return sv
}

// answer returns a method's error as its caller gets it.
func answer(err error) error {
	if err == nil {
		return nil
	}
	return duplex.FromRPC(rpc.ServerError(err.Error()))
}

// dialsBack returns a DialContext whose other end offers the endpoint of the
// ticket.
func dialsBack(ticket []byte) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go protocol.OfferEndpoint(far, ticket, time.Minute, func(nc net.Conn) (net.Conn, error) { return nc, nil })
		return near, nil
	}
}

// TestRefusedAfterDialBack: a subscription that is refused after the dial-back
// leaves no goroutine of its callback connection.
func TestRefusedAfterDialBack(t *testing.T) {
	ticket := make([]byte, protocol.TicketSize)
	srv := New(Config{DialContext: dialsBack(ticket), DialsPerMinute: 1000})
	sv := testService(t, srv)
	for range 100 {
		err := answer(sv.Subscribe(&protocol.SubscribeArgs{CallbackAddr: "127.0.0.1:5000", Ticket: ticket, From: 99}, new(protocol.Subscribed)))
		if !errors.Is(err, wire.BadRequest) {
			t.Fatal(err)
		}
		if n := writers(); n > 1 { // that of the service's own connection
			t.Fatalf("%d goroutines are left", n-1)
		}
	}
	if len(srv.subs) != 0 || sv.sub != nil {
		t.Errorf("%d places are taken", len(srv.subs))
	}
}

// writers returns how many connections have a writer that runs.
func writers() int {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	return bytes.Count(stacks, []byte("wire.(*outbox).write("))
}

// TestPanicInDialer has Config.AllowCallback panic where a net.Dialer calls it
// on a goroutine of its own, as it does for a name with addresses of both
// families.
func TestPanicInDialer(t *testing.T) {
	srv := New(Config{AllowCallback: func(netip.AddrPort, netip.AddrPort) bool { panic("ouch") }})
	refused := make(chan error)
	go func() {
		refused <- srv.permit(t.Context(), netip.MustParseAddrPort("127.0.0.1:4000"), "127.0.0.1:5000")
	}()
	if err := <-refused; !errors.Is(err, wire.InternalError) {
		t.Errorf("permitted: %v", err)
	}
}

// TestSubscribingIsNotSubscribed: a client whose dial-back is not finished
// counts for MaxSubscribers, but not as a subscriber.
func TestSubscribingIsNotSubscribed(t *testing.T) {
	ticket := make([]byte, protocol.TicketSize)
	dialling, goOn := make(chan struct{}), make(chan struct{})
	dial := dialsBack(ticket)
	srv := New(Config{MaxSubscribers: 1, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		close(dialling)
		<-goOn
		return dial(ctx, network, addr)
	}})
	first, second := testService(t, srv), testService(t, srv)
	subscribed := make(chan error)
	go func() {
		subscribed <- first.Subscribe(&protocol.SubscribeArgs{CallbackAddr: "127.0.0.1:5000", Ticket: ticket}, new(protocol.Subscribed))
	}()
	<-dialling
	if n, all := srv.Stats().Subscribers, srv.Subscribers(); n != 0 || len(all) != 0 {
		t.Errorf("while the server dials back: %d subscribers, %+v", n, all)
	}
	if err := answer(second.Subscribe(&protocol.SubscribeArgs{}, new(protocol.Subscribed))); !errors.Is(err, wire.Full) {
		t.Errorf("a second subscription: %v", err)
	}
	close(goOn)
	if err := <-subscribed; err != nil {
		t.Fatal(err)
	}
	if n, all := srv.Stats().Subscribers, srv.Subscribers(); n != 1 || len(all) != 1 {
		t.Errorf("afterwards: %d subscribers, %+v", n, all)
	}
}

// TestIdleAgain: a connection whose subscription was refused or has ended is
// subject to IdleTimeout, and one that is subscribed is not.
func TestIdleAgain(t *testing.T) {
	for name, tc := range map[string]struct {
		calls func(*service)
		stays bool
	}{
		"nothing": {func(*service) {}, false},
		"refused": {func(sv *service) { sv.Subscribe(&protocol.SubscribeArgs{From: 99}, new(protocol.Subscribed)) }, false},
		"no dial-back": {func(sv *service) {
			sv.Subscribe(&protocol.SubscribeArgs{CallbackAddr: "nowhere"}, new(protocol.Subscribed))
		}, false},
		"a name too long": {func(sv *service) {
			sv.Subscribe(&protocol.SubscribeArgs{Name: strings.Repeat("x", 129)}, new(protocol.Subscribed))
		}, false},
		"subscribed": {func(sv *service) { sv.Subscribe(new(protocol.SubscribeArgs), new(protocol.Subscribed)) }, true},
		"subscribed twice": {func(sv *service) {
			sv.Subscribe(new(protocol.SubscribeArgs), new(protocol.Subscribed))
			sv.Subscribe(new(protocol.SubscribeArgs), new(protocol.Subscribed))
		}, true},
		"unsubscribed": {func(sv *service) {
			sv.Subscribe(new(protocol.SubscribeArgs), new(protocol.Subscribed))
			sv.Unsubscribe(nil, nil)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sv := testService(t, New(Config{IdleTimeout: time.Minute}))
				tc.calls(sv)
				time.Sleep(time.Minute - time.Nanosecond)
				synctest.Wait()
				if err := sv.conn.Err(); err != nil {
					t.Errorf("too early: %v", err)
				}
				time.Sleep(time.Nanosecond)
				synctest.Wait()
				if err := sv.conn.Err(); (err == nil) != tc.stays || err != nil && !strings.Contains(err.Error(), "no subscription and no call for 1m0s (Config.IdleTimeout)") {
					t.Errorf("after a minute: %v", err)
				}
			})
		})
	}
}

// TestIdleTooLate: the server leaves a connection alone if it is subscribed by the time that
// the watch over idleness looks at it.
func TestIdleTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sv := testService(t, New(Config{IdleTimeout: time.Minute}))
		sv.Subscribe(new(protocol.SubscribeArgs), new(protocol.Subscribed))
		for range 2 {
			sv.closeIfIdle() // as from a timer that was stopped too late
			if err := sv.conn.Err(); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Hour)
		}
	})
}

// TestNotSubscribed: calls that need a subscription are refused without one.
func TestNotSubscribed(t *testing.T) {
	sv := testService(t, New(Config{}))
	for name, err := range map[string]error{"Credit": sv.Credit(new(protocol.Credit), nil), "Unsubscribe": sv.Unsubscribe(nil, nil)} {
		if err := answer(err); !errors.Is(err, wire.NotSubscribed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestCloseWithinDialBack: Close ends a dial-back whose other end sends
// nothing.
func TestCloseWithinDialBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		srv := New(Config{DialTimeout: time.Hour, DialContext: func(context.Context, string, string) (net.Conn, error) { return near, nil }})
		sv := testService(t, srv)
		start := time.Now()
		time.AfterFunc(time.Second, func() { srv.Close() })
		err := answer(sv.Subscribe(&protocol.SubscribeArgs{CallbackAddr: "127.0.0.1:5000", Ticket: make([]byte, protocol.TicketSize)}, new(protocol.Subscribed)))
		if took := time.Since(start); !errors.Is(err, wire.CallbackFailed) || took != time.Second {
			t.Errorf("after %v: %v", took, err)
		}
	})
}

// TestWindowLeavesRoomForReplies fills a window with the largest calls, to a
// client that reads nothing, and then answers a call of the client's.
func TestWindowLeavesRoomForReplies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, cfg := range []Config{{}, {BatchBytes: 1 << 20, MaxEventBytes: 1 << 20, WindowBytes: 1 << 20}, {BatchBytes: 1, MaxEventBytes: 1 << 20}} {
			srv := New(cfg)
			sub, conn := testSubscriber(t, srv, 1<<20)
			near, far := net.Pipe()
			callee := duplex.NewConn(near, srv.cfg.conn())
			sub.callbackConn = callee
			go callee.Serve(protocol.ServerService, &service{srv: srv, conn: callee})
			run := uuid.New()
			for i := range 100 { // of half a batch, and of the largest size
				ev := spoken(run, wire.Transferring)
				size := srv.cfg.MaxEventBytes - 2000
				if i%2 == 0 {
					size = min(size, srv.cfg.BatchBytes/2)
				}
				ev.Data.Body = &wire.PackageBody{Item: strings.Repeat("x", size)}
				if err := srv.Publish(ev); err != nil {
					t.Fatal(err)
				}
			}
			srv.sender.scan()
			srv.sender.notify(sub, false)
			synctest.Wait() // the first call is being written, and the others wait
			for srv.sender.scan(); sub.sendable(srv.sender.scanned.Next-1) && srv.sender.windowOpen(sub); {
				srv.sender.notify(sub, false)
			}
			synctest.Wait()
			if srv.sender.windowOpen(sub) || sub.unsentEvents(srv.hist.Head()) == 0 {
				t.Fatalf("the window is open, with %d bytes in it", sub.unansweredBytes)
			}
			far.Write(attack.Frame(1, attack.Call(protocol.MethodPing, &protocol.Nothing{})))
			synctest.Wait()
			if err := callee.Err(); err != nil {
				t.Errorf("%+v: %v", cfg, err)
			}
			for _, c := range []*duplex.Conn{callee, conn} {
				c.Close(wire.Errorf(wire.Closed, "the test is over"))
				c.Wait()
			}
			far.Close()
		}
	})
}

// TestDialBackToMappedAddress takes an IPv4 address and the same in IPv6 form
// for one, where a listener of another kind writes it so.
func TestDialBackToMappedAddress(t *testing.T) {
	ticket := make([]byte, protocol.TicketSize)
	for _, callback := range []string{"127.0.0.1:5000", "[::ffff:127.0.0.1]:5000"} {
		srv := New(Config{DialContext: dialsBack(ticket)})
		near, far := net.Pipe()
		main := duplex.NewConn(addrConn{near, textAddr{"tcp", "[::ffff:127.0.0.1]:4000"}}, srv.cfg.conn())
		callee, err := srv.dialBack(main, callback, ticket)
		if err != nil {
			t.Errorf("to %s: %v", callback, err)
			continue
		}
		for _, c := range []*duplex.Conn{callee, main} {
			c.Close(wire.Errorf(wire.Closed, "the test is over"))
			c.Wait()
		}
		far.Close()
	}
}

// TestDialContextEnds with the dial-back, whatever Config.DialContext has left
// behind, and closes what came of it if the endpoint does not prove itself.
func TestDialContextEnds(t *testing.T) {
	ticket := make([]byte, protocol.TicketSize)
	for _, proof := range [][]byte{ticket, bytes.Repeat([]byte("x"), protocol.TicketSize)} {
		var ctx context.Context
		var dialled net.Conn
		srv := New(Config{DialContext: func(given context.Context, network, addr string) (nc net.Conn, err error) {
			ctx = given
			dialled, err = dialsBack(proof)(given, network, addr)
			return dialled, err
		}})
		callee, err := srv.dialBack(testService(t, srv).conn, "127.0.0.1:5000", ticket)
		if ctx.Err() != context.Canceled {
			t.Errorf("proof %q: the context ended with %v", proof, ctx.Err())
		}
		if err == nil {
			callee.Close(wire.Errorf(wire.Closed, "the test is over"))
			callee.Wait()
		} else if _, err := dialled.Write(nil); err != io.ErrClosedPipe {
			t.Errorf("proof %q: the connection is open: %v", proof, err)
		}
		if (err == nil) != bytes.Equal(proof, ticket) {
			t.Errorf("proof %q: %v", proof, err)
		}
		if failed := srv.dialLimit.counts[netip.MustParseAddr("127.0.0.1")]; (failed == 0) != (err == nil) {
			t.Errorf("proof %q: counted %d times", proof, failed)
		}
	}
}

// TestSubscribed tells the client where its subscription begins, and the bounds
// of what it may be sent at once.
func TestSubscribed(t *testing.T) {
	srv := New(Config{Window: 7, WindowBytes: 12345})
	run := uuid.New()
	for range 5 {
		if err := srv.Publish(spoken(run, wire.Transferring)); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		args protocol.SubscribeArgs
		want protocol.Subscribed
	}{
		{protocol.SubscribeArgs{}, protocol.Subscribed{Cursor: wire.Cursor{Epoch: srv.Epoch(), Seq: 5}, Head: 5, Snapshot: 1, Window: 7, WindowBytes: 12345}},
		{protocol.SubscribeArgs{From: wire.FromOldest}, protocol.Subscribed{Cursor: wire.Cursor{Epoch: srv.Epoch()}, Head: 5, Window: 7, WindowBytes: 12345}},
	} {
		var got protocol.Subscribed
		if err := testService(t, srv).Subscribe(&tc.args, &got); err != nil || got != tc.want {
			t.Errorf("%+v: %+v, %v; want %+v", tc.args, got, err, tc.want)
		}
	}
}

// TestDropLag is the number of events that a dropped subscriber had not been
// sent, in the record and in the log.
func TestDropLag(t *testing.T) {
	var log bytes.Buffer
	srv := New(Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	sub, _ := testSubscriber(t, srv, 0)
	sub.updateFigures(0, 0)
	run := uuid.New()
	for range 5 {
		if err := srv.Publish(spoken(run, wire.Transferring)); err != nil {
			t.Fatal(err)
		}
	}
	srv.endSubscription(sub, ReasonProtocol, "it broke the protocol")
	_, recent := srv.drops.report()
	if len(recent) != 1 || recent[0].Lag != 5 || !strings.Contains(log.String(), " lag=5\n") {
		t.Errorf("%+v, logged %s", recent, &log)
	}
}

// TestCallsAfterRevocation: a client whose access was taken away gets no answer
// from its methods but that.
func TestCallsAfterRevocation(t *testing.T) {
	sv := testService(t, New(Config{}))
	sv.identity.revoked.Store(&revocation{ReasonDisconnected, wire.Errorf(wire.Disconnected, "gone")})
	for name, err := range map[string]error{
		"Subscribe": sv.Subscribe(&protocol.SubscribeArgs{}, &protocol.Subscribed{}),
		"History":   sv.History(&protocol.HistoryArgs{}, &protocol.Page{}),
		"Jobs":      sv.Jobs(&protocol.JobsArgs{}, &protocol.Page{}),
	} {
		if fmt.Sprint(err) != "mom:disconnected:0:gone" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
