package momserver

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mom.internal/wire"
	"mom.internal/wire/protocol"
)

// TestUnsubscribedFirst has a client unsubscribe and close while a call to it
// is unanswered. Its word came before the call failed, so that it counts,
// though the sender has not read it yet.
func TestUnsubscribedFirst(t *testing.T) {
	srv := New(Config{})
	sub, conn := testSubscriber(t, srv, 1)
	s := srv.sender
	s.notify(sub, true)

	s.postDrop(sub, ReasonUnsubscribed, "it unsubscribed")
	conn.Close(wire.Errorf(wire.Lost, "it closed the connection"))
	s.handleReply(<-s.replies)
	if drops, _ := srv.drops.report(); len(drops) != 1 || drops[ReasonUnsubscribed] != 1 {
		t.Errorf("dropped for %v", drops)
	}
	if s.runPosted(); len(s.subs) > 0 {
		t.Error("it is still subscribed")
	}
}

// TestReplied: a reply removes its call, and its credit and round trip are
// recorded.
func TestReplied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := New(Config{})
		s := srv.sender
		sub, _ := testSubscriber(t, srv, 1)
		publishMore(t, srv.hist, uuid.New(), 3)
		s.scan()
		s.notify(sub, false)
		s.notify(sub, true)
		time.Sleep(time.Second)
		reply := func(c *call, ack protocol.Ack) {
			t.Helper()
			for made, of := range s.calls {
				if of == c {
					c.ack = ack
					s.handleReply(made)
					s.deliver()
					return
				}
			}
			t.Fatal("the call is not kept")
		}
		first, second := sub.unanswered[0], sub.unanswered[1]
		if first.bytes == 0 || sub.unansweredBytes != first.bytes || s.callsInFlight != 2 || s.timeouts.Len() != 2 {
			t.Fatalf("%d bytes in flight in %d calls", sub.unansweredBytes, s.callsInFlight)
		}
		reply(second, protocol.Ack{Held: true})
		if sub.unansweredBytes != first.bytes || len(sub.unanswered) != 1 || sub.unanswered[0] != first || s.callsInFlight != 1 || s.timeouts.Len() != 1 || sub.info(3, 4).RTT != 0 {
			t.Errorf("after the second: %d bytes, %d calls, %+v", sub.unansweredBytes, len(sub.unanswered), sub.info(3, 4))
		}
		reply(first, protocol.Ack{Events: 1})
		if sub.unansweredBytes != 0 || len(sub.unanswered) != 0 || s.callsInFlight != 0 || len(s.calls) != 0 || sub.info(3, 4).RTT != time.Second || sub.sent != 1 {
			t.Errorf("after the first: %d bytes, %d calls, %+v", sub.unansweredBytes, len(sub.unanswered), sub.info(3, 4))
		}
		s.notify(sub, true)
		reply(sub.unanswered[0], protocol.Ack{Events: 2}) // which has the next event sent
		if sub.sent != 2 || len(sub.unanswered) != 1 {
			t.Errorf("with credit for one: %d sent, %d calls in flight", sub.sent, len(sub.unanswered))
		}
	})
}

// TestUntilDue: untilDue is the time to the first deadline, heartbeat or, while
// draining, goodbye for lack of progress.
func TestUntilDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := New(Config{Heartbeat: 3 * time.Second, CallTimeout: 10 * time.Second})
		s := srv.sender
		due := func(want time.Duration) {
			t.Helper()
			if got := s.untilDue(time.Now()); got != want {
				t.Errorf("due in %v; want %v", got, want)
			}
		}
		due(time.Hour)
		sub, _ := testSubscriber(t, srv, 0)
		due(3 * time.Second)
		time.Sleep(time.Second)
		due(2 * time.Second)
		s.notify(sub, true)
		due(3 * time.Second)
		s.heartbeats.Remove(sub.heartbeatEntry)
		due(10 * time.Second)
		time.Sleep(10*time.Second - time.Nanosecond)
		if s.dropUnanswered(time.Now()); len(s.subs) != 1 {
			t.Error("dropped too early")
		}
		s.nextGiveUp = time.Now()
		due(0)
		time.Sleep(time.Nanosecond)
		s.dropUnanswered(time.Now())
		if drops, _ := srv.drops.report(); len(s.subs) != 0 || drops[ReasonCallTimeout] != 1 {
			t.Errorf("dropped for %v", drops)
		}
	})
}
