package momserver

import (
	"errors"
	"fmt"
	"net/rpc"
	"time"

	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"

	"mom.internal/wire"
)

// call.go holds a call's life: made, sent, answered or given up.

// call is one unanswered call.
type call struct {
	sub     *subscriber
	at      time.Time
	total   uint64 // events sent to sub up to and with this call
	bytes   int    // of its events
	ack     protocol.Ack
	goodbye bool
	timeout *element
}

// call makes one call.
func (s *sender) call(sub *subscriber, method string, args any, bytes int, goodbye bool) {
	c := &call{sub: sub, at: time.Now(), total: sub.sent, bytes: bytes, goodbye: goodbye}
	var reply any = &c.ack
	if goodbye {
		reply = &protocol.Nothing{}
	}
	sub.inflight = append(sub.inflight, c)
	sub.inflightBytes += bytes
	sub.lastCall = c.at
	s.beats.MoveToBack(sub.beat)
	c.timeout = s.timeouts.PushBack(c)
	s.inFlight++
	s.calls[sub.callee.Client().Go(method, args, reply, s.done)] = c
}

// replied takes one reply, which may have opened the window.
func (s *sender) replied(reply *rpc.Call) {
	s.inFlight--
	c := s.calls[reply]
	delete(s.calls, reply)
	if c == nil || c.timeout == nil {
		return // of a subscriber that has been dropped since
	}
	sub := c.sub
	if err := duplex.FromRPC(reply.Error); err != nil {
		s.dropFor(sub, err)
		return
	}
	if c.goodbye {
		s.drop(sub, ReasonShutdown, sub.farewell(s.cfg.CallTimeout))
		return
	}
	s.forget(c)
	if c.total > sub.acked {
		sub.acked, sub.progress = c.total, time.Now()
	}
	sub.credit = sub.credit.Max(c.ack.Credit())
	rtt := time.Since(c.at)
	if c.ack.Held {
		rtt = 0
	}
	sub.look(0, rtt)
	s.ready(sub)
}

// dropFor drops a subscriber after a failed call. What it has said before
// comes first: who unsubscribes and closes lets the calls to it fail.
func (s *sender) dropFor(sub *subscriber, err error) {
	s.obey()
	var end *wire.Error
	if errors.As(sub.callee.Err(), &end) {
		reason, detail := reasonFor(end)
		s.drop(sub, reason, detail)
		return
	}
	s.drop(sub, ReasonProtocol, fmt.Sprintf("its endpoint answered with an error: %v", err))
}

// forget takes a call off the books.
func (s *sender) forget(c *call) {
	s.timeouts.Remove(c.timeout)
	c.timeout = nil
	c.sub.inflightBytes -= c.bytes
	for i, other := range c.sub.inflight {
		if other == c {
			c.sub.inflight = append(c.sub.inflight[:i], c.sub.inflight[i+1:]...)
			break
		}
	}
}

// untilDue returns the time until the next deadline, heartbeat, or goodbye for
// lack of progress.
func (s *sender) untilDue(now time.Time) time.Duration {
	due := now.Add(time.Hour)
	if el := s.timeouts.Front(); el != nil {
		due = el.Value.(*call).at.Add(s.cfg.CallTimeout)
	}
	if el := s.beats.Front(); el != nil {
		if beat := el.Value.(*subscriber).lastCall.Add(s.cfg.Heartbeat); beat.Before(due) {
			due = beat
		}
	}
	if !s.giveUp.IsZero() && s.giveUp.Before(due) {
		due = s.giveUp
	}
	return max(0, due.Sub(now))
}

// expire drops the subscribers whose calls are unanswered for CallTimeout.
func (s *sender) expire(now time.Time) {
	for el := s.timeouts.Front(); el != nil; el = s.timeouts.Front() {
		c := el.Value.(*call)
		if now.Sub(c.at) < s.cfg.CallTimeout {
			return
		}
		s.drop(c.sub, ReasonCallTimeout, fmt.Sprintf("a call was unanswered after %v (Config.CallTimeout)", s.cfg.CallTimeout))
	}
}
