package momserver

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"mom.internal/wire"
	"mom.internal/wire/protocol"
)

// TestLongCalls: long calls and calls for pages are served one at a time, and each
// is followed by a rest. Short calls do not wait for them.
func TestLongCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := New(Config{})
		srv.calls.free = 3
		first, second := testService(t, srv), testService(t, srv)
		start := time.Now()
		took := func(what string, want time.Duration) {
			t.Helper()
			if took := time.Since(start); took != want {
				t.Errorf("%s after %v; want %v", what, took, want)
			}
			start = time.Now()
		}
		// call makes a call of a service that takes a while.
		call := func(sv *service, bytes int, page bool, takes time.Duration) {
			sv.beginCall(bytes)
			if page {
				sv.takeTurn(sv.conn.Done())
			}
			time.Sleep(takes)
			sv.endCall()
		}
		const turn = (1 + restAfterTurn) * time.Millisecond // of a call of a millisecond
		call(first, longCall, false, time.Second)
		took("a short call", time.Second)
		call(first, longCall, true, time.Millisecond)
		took("a page", turn)
		call(first, longCall+1, true, time.Second)
		took("a long call for a page", time.Second+maxRest)
		first.beginCall(longCall + 1)
		for range 2 {
			time.Sleep(time.Millisecond)
			srv.calls.free = 0 // so that the turn that rest gives up is seen
			rested := make(chan bool)
			go func() { first.rest(); close(rested) }()
			synctest.Wait()
			if freeTurns(srv.calls) != 1 {
				t.Error("a call that rests takes the turn of another")
			}
			<-rested
			srv.calls.free = 2
			took("a step of a long call", turn)
		}
		first.endCall()
		took("the end of a long call that has just rested", 0)
		first.beginCall(longCall)
		first.rest()
		first.endCall()
		took("a short call that could rest", 0)
		go call(first, longCall+1, false, 2*time.Millisecond)
		synctest.Wait()
		call(second, longCall, false, 0)
		took("a short call beside a long one", 0)
		call(second, longCall, true, 0)
		took("a page behind a long call", 2*turn)
		go call(first, longCall+1, false, time.Millisecond)
		synctest.Wait()
		second.conn.Close(wire.Errorf(wire.Closed, "gone"))
		call(second, longCall+1, false, 0)
		took("a call on a connection that has ended", 0)
		time.Sleep(time.Second)
		synctest.Wait()
		start = time.Now()
		go call(first, longCall+1, false, time.Millisecond)
		synctest.Wait()
		second.sub = &subscriber{}
		second.sub.entries = make([]jobEntry, linkStep+1)
		second.end(nil)
		took("the end of a long filter behind a long call", turn)
		time.Sleep(time.Second)
		synctest.Wait()
		if srv.longCalls.free != 1 || srv.calls.free != 3 {
			t.Errorf("%d and %d turns are free", srv.longCalls.free, srv.calls.free)
		}
	})
}

// freeTurns returns how many turns nobody has.
func freeTurns(t *turns) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.free
}

// TestTurnsOfCalls: the calls of all clients compute in turns. A call that waits for
// something else has no turn meanwhile.
func TestTurnsOfCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := New(Config{})
		srv.calls.free = 1
		sv := testService(t, srv)
		beside := func(what string, want time.Duration, call func(sv *service)) {
			t.Helper()
			other := testService(t, srv)
			go func() {
				other.beginCall(1)
				call(other)
				other.endCall()
			}()
			synctest.Wait()
			start := time.Now()
			sv.beginCall(1)
			sv.endCall()
			if took := time.Since(start); took != want {
				t.Errorf("beside %s, a call took %v; want %v", what, took, want)
			}
			time.Sleep(5 * time.Second)
			synctest.Wait()
			if srv.calls.free != 1 || srv.longCalls.free != 1 {
				t.Fatalf("after %s, %d and %d turns are free", what, srv.calls.free, srv.longCalls.free)
			}
		}
		beside("a call that computes", time.Second, func(*service) { time.Sleep(time.Second) })
		beside("the rest after a page", 0, func(sv *service) {
			sv.takeTurn(sv.conn.Done())
			sv.turnBegan = sv.turnBegan.Add(-time.Second)
		})
		beside("a call that waits for the turn of a long one", 0, func(sv *service) {
			srv.longCalls.take(sv.conn.Done(), sv.addr)
			time.AfterFunc(time.Second, srv.longCalls.release)
			sv.takeTurn(sv.conn.Done())
		})
		beside("a subscription that is spread", 0, func(sv *service) {
			for range subscribesPerSecond + 2 {
				sv.spreadSubscribes()
			}
		})
		beside("a dial-back", 0, func(sv *service) {
			sv.takeTurn(sv.conn.Done())
			srv.cfg.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
				if freeTurns(srv.longCalls) != 1 {
					t.Error("a dial-back has the turn of a long call")
				}
				<-ctx.Done()
				return nil, ctx.Err()
			}
			sv.Subscribe(&protocol.SubscribeArgs{CallbackAddr: "127.0.0.1:1", Ticket: make([]byte, protocol.TicketSize)}, &protocol.Subscribed{})
		})
		beside("a call on a connection that has ended", 0, func(sv *service) { sv.conn.Close(wire.Errorf(wire.Closed, "gone")) })
	})
}

// TestPaceOfAnAddress: the clients of one address make as many calls at once as a
// second allows, together. From then on they wait for each other.
func TestPaceOfAnAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := New(Config{})
		first := &clientConn{srv: srv, addr: netip.MustParseAddr("127.0.0.1")}
		srv.addPlace(first)
		some, others := testService(t, srv), testService(t, srv)
		start := time.Now()
		for i := range addrCallRate + 20 {
			one := some
			if i%2 == 0 {
				one = others
			}
			one.beginCall(100)
			one.endCall()
		}
		if took := time.Since(start); took != 20*time.Second/addrCallRate-time.Second/addrCallRate {
			t.Errorf("20 calls over the bound took %v", took)
		}
		srv.removePlace(first)
		if late := testService(t, srv); late.pace != nil {
			t.Error("the pace of an address without connections is kept")
		}
	})
}

// TestSpreadSubscribes: the first subscribesPerSecond clients of one address subscribe
// without waiting. Further ones wait for each other, but none for longer than
// maxSubscribeWait, and nobody waits for the turn of a client that waits.
func TestSpreadSubscribes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := New(Config{})
		sv := testService(t, srv)
		start := time.Now()
		took := func(what string, want time.Duration) {
			t.Helper()
			if took := time.Since(start); took != want {
				t.Errorf("%s: %v; want %v", what, took, want)
			}
			start = time.Now()
		}
		for range subscribesPerSecond + 1 {
			sv.spreadSubscribes()
		}
		took("as many as a second allows", 0)
		sv.spreadSubscribes()
		took("the next one", time.Second/subscribesPerSecond)
		for range 1000 {
			go sv.spreadSubscribes()
		}
		synctest.Wait()
		sv.beginCall(longCall + 1)
		go func() {
			srv.longCalls.take(sv.conn.Done(), sv.addr)
			if took := time.Since(start); took > 0 {
				t.Errorf("another long call waited for %v", took)
			}
			srv.longCalls.release()
		}()
		sv.spreadSubscribes()
		took("one behind a thousand", maxSubscribeWait)
		sv.endCall()
	})
}
