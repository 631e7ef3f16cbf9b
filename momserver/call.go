package momserver

import (
	"container/list"
	"errors"
	"fmt"
	"net/rpc"
	"slices"
	"time"

	"mom.internal/wire"
	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"
)

// call.go holds the life of a call: made, then answered or given up.

// call is one unanswered call.
type call struct {
	sub          *subscriber
	sentAt       time.Time
	sentThrough  uint64 // events sent to sub up to this call and in it
	bytes        int    // of its events
	ack          protocol.Ack
	goodbye      bool
	timeoutEntry *list.Element
}

// call makes one call. bytes is the size of its events.
func (s *sender) call(sub *subscriber, method string, args any, bytes int, goodbye bool) {
	c := &call{sub: sub, sentAt: time.Now(), sentThrough: sub.sent, bytes: bytes, goodbye: goodbye}
	var reply any = &c.ack
	if goodbye {
		reply = &protocol.Nothing{}
	}
	sub.unanswered = append(sub.unanswered, c)
	sub.unansweredBytes += bytes
	sub.lastCall = c.sentAt
	s.heartbeats.MoveToBack(sub.heartbeatEntry)
	c.timeoutEntry = s.timeouts.PushBack(c)
	s.callsInFlight++
	s.calls[sub.callbackConn.Client().Go(method, args, reply, s.replies)] = c
}

// takeReplies handles the replies that have come, up to a number of them.
func (s *sender) takeReplies(most int) {
	for range most {
		select {
		case reply := <-s.replies:
			s.handleReply(reply)
		default:
			return
		}
	}
}

// handleReply handles one reply, which may open the window.
func (s *sender) handleReply(reply *rpc.Call) {
	s.callsInFlight--
	s.repliesBefore = max(0, s.repliesBefore-1)
	c := s.calls[reply]
	delete(s.calls, reply)
	if c == nil || c.timeoutEntry == nil {
		return // its subscriber has been dropped
	}
	sub := c.sub
	if err := duplex.FromRPC(reply.Error); err != nil {
		s.dropForError(sub, err)
		return
	}
	if c.goodbye {
		s.drop(sub, ReasonShutdown, sub.goodbyeDetail(s.cfg.CallTimeout))
		return
	}
	s.removeCall(c)
	if c.sentThrough > sub.acked {
		sub.acked, sub.lastProgress = c.sentThrough, time.Now()
	}
	sub.credit = sub.credit.Max(c.ack.Credit())
	rtt := time.Since(c.sentAt)
	if c.ack.Held {
		rtt = 0
	}
	sub.updateFigures(0, rtt)
	s.enqueue(sub)
}

// dropForError drops a subscriber after a failed call. What was posted before
// comes first, because a client that unsubscribes and closes lets the calls to
// it fail.
func (s *sender) dropForError(sub *subscriber, err error) {
	s.runRequest(sub)
	var end *wire.Error
	if errors.As(sub.callbackConn.Err(), &end) {
		reason, detail := reasonFor(end)
		s.drop(sub, reason, detail)
		return
	}
	s.drop(sub, ReasonProtocol, fmt.Sprintf("its callback endpoint answered with an error: %v", err))
}

// removeCall removes a call that has been answered or given up.
func (s *sender) removeCall(c *call) {
	s.timeouts.Remove(c.timeoutEntry)
	c.timeoutEntry = nil
	c.sub.unansweredBytes -= c.bytes
	c.sub.unanswered = slices.DeleteFunc(c.sub.unanswered, func(other *call) bool { return other == c })
}

// untilDue returns the time until the next call times out, a heartbeat is due,
// or a subscriber has made no progress for too long.
func (s *sender) untilDue(now time.Time) time.Duration {
	due := now.Add(time.Hour)
	if el := s.timeouts.Front(); el != nil {
		due = el.Value.(*call).sentAt.Add(s.cfg.CallTimeout)
	}
	if el := s.heartbeats.Front(); el != nil {
		if beat := el.Value.(*subscriber).lastCall.Add(s.cfg.Heartbeat); beat.Before(due) {
			due = beat
		}
	}
	if !s.nextGiveUp.IsZero() && s.nextGiveUp.Before(due) {
		due = s.nextGiveUp
	}
	return max(0, due.Sub(now))
}

// checkDeadlines drops the subscribers with a call that had been unanswered for
// CallTimeout when the check began. It first handles the replies that had come by
// then. If there are many of either, the check takes several turns, in each of
// which the timer fires at once.
func (s *sender) checkDeadlines(now time.Time) {
	if s.checkBegan.IsZero() {
		s.checkBegan, s.repliesBefore = now, len(s.replies)
	}
	s.takeReplies(min(s.repliesBefore, maxAtOnce))
	if s.repliesBefore == 0 && s.dropUnanswered(s.checkBegan) {
		s.checkBegan = time.Time{}
	}
}

// dropUnanswered drops the subscribers with a call that had been unanswered for
// CallTimeout at the time now, at most maxAtOnce of them. It reports whether these were
// all.
func (s *sender) dropUnanswered(now time.Time) (all bool) {
	for range maxAtOnce {
		el := s.timeouts.Front()
		if el == nil {
			return true
		}
		c := el.Value.(*call)
		if now.Sub(c.sentAt) < s.cfg.CallTimeout {
			return true
		}
		s.drop(c.sub, ReasonCallTimeout, fmt.Sprintf("a call was unanswered after %v (Config.CallTimeout)", s.cfg.CallTimeout))
	}
	return false
}

// sendHeartbeats calls the subscribers that have not been called for Heartbeat, at
// most maxHeartbeatsAtOnce of them.
func (s *sender) sendHeartbeats(now time.Time) {
	for range maxHeartbeatsAtOnce {
		el := s.heartbeats.Front()
		if el == nil {
			return
		}
		sub := el.Value.(*subscriber)
		if now.Sub(sub.lastCall) < s.cfg.Heartbeat {
			return
		}
		if !s.windowOpen(sub) { // the unanswered calls tell as well whether it lives
			sub.lastCall = now
			s.heartbeats.MoveToBack(el)
			continue
		}
		s.notify(sub, true)
	}
}
