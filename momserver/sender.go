package momserver

import (
	"container/list"
	"net/rpc"
	"sync"
	"time"

	"mom.internal/wire"
)

// sender.go, with call.go, holds the only code that calls subscribers.

// sender is the one goroutine that pushes events. It alone calls subscribers,
// reads their replies, keeps their deadlines and drops them, so that there is
// one place and one order, and no lock between subscribers. It never blocks: a
// call goes to the outbox of its connection, which always has room for what
// the window admits.
//
// Whether a reply that races its own deadline counts is decided by one rule:
// a reply that is in the done channel when the deadline is looked at is in
// time.
type sender struct {
	srv  *Server
	cfg  *Config
	hist *history

	bell    chan struct{}   // rung by publish and by orders
	done    chan *rpc.Call  // replies; room for every call in flight, since net/rpc discards what does not fit
	stop    <-chan struct{} // ends run: the server's life is over
	drained chan struct{}   // closed when draining is over

	mu     sync.Mutex    // guards the inbox below, and the order of each subscriber; never held across a call
	inbox  []*subscriber // the subscribers with an order, each once
	ending bool          // Shutdown has begun

	// Owned by run; no lock.
	subs     map[*subscriber]struct{}
	calls    map[*rpc.Call]*call
	timeouts list.List // of *call, the earliest deadline first: all have the same time
	beats    list.List // of *subscriber, the one called longest ago first
	inFlight int       // calls that net/rpc has not returned, of dropped subscribers too
	starved  bool      // a subscriber waits for inFlight to fall
	draining bool
	giveUp   time.Time    // while draining: when the next subscriber will have made no progress for CallTimeout; zero for none
	called   []*wire.Conn // with calls that have not been sent
	batch    wire.Batch
	buf      []byte // of the batch; net/rpc has encoded it when Go returns
}

// maxInFlight bounds the unanswered calls to all subscribers together, which
// take 8 bytes each from the start; over it those with news wait for answers.
const maxInFlight = 1 << 22

func newSender(s *Server) *sender {
	return &sender{
		srv: s, cfg: &s.cfg, hist: s.hist,
		bell: make(chan struct{}, 1),
		done: make(chan *rpc.Call, min(int64(s.cfg.MaxSubscribers+1)*int64(s.cfg.Window+1), maxInFlight)),
		stop: s.life.Done(), drained: make(chan struct{}),
		subs:  make(map[*subscriber]struct{}),
		calls: make(map[*rpc.Call]*call),
	}
}

// wake makes the sender look for news.
func (s *sender) wake() {
	select {
	case s.bell <- struct{}{}:
	default:
	}
}

// order is what the sender is to do about one subscriber. A subscriber has one
// order at most, however many calls its client makes before the sender carries
// it out.
type order struct {
	posted bool // the subscriber is in the inbox
	join   bool
	report *creditReport // the latest
	leave  bool
	why    Reason // with leave
	detail string
}

// post changes the order about sub, for the sender to carry out. It does not
// wait. Once the server's life has ended, no order is carried out.
func (s *sender) post(sub *subscriber, change func(*order)) {
	s.mu.Lock()
	change(&sub.order)
	if !sub.order.posted {
		sub.order.posted = true
		s.inbox = append(s.inbox, sub)
	}
	s.mu.Unlock()
	s.wake()
}

// run is the sender's goroutine. It only selects.
func (s *sender) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Reset(s.untilDue(time.Now()))
		select {
		case <-s.bell:
			s.obey()
			s.deliver()
		case reply := <-s.done:
			s.replied(reply)
			s.drainReplies()
		case <-timer.C:
			s.drainReplies()
			s.expire(time.Now())
			s.heartbeat(time.Now())
		case <-s.stop:
			s.dropAll()
			return
		}
		s.leave()
		s.send()
	}
}

// obey carries out the orders.
func (s *sender) obey() {
	s.mu.Lock()
	inbox, ending := s.inbox, s.ending
	s.inbox = nil
	s.mu.Unlock()
	for _, sub := range inbox {
		s.mu.Lock()
		o := sub.order
		sub.order = order{}
		s.mu.Unlock()
		s.carryOut(sub, &o)
	}
	if ending && !s.draining {
		s.draining = true
		for sub := range s.subs {
			sub.progress = time.Now()
		}
	}
}

// carryOut carries out one order.
func (s *sender) carryOut(sub *subscriber, o *order) {
	if o.join {
		s.subs[sub] = struct{}{}
		sub.lastCall = time.Now()
		sub.progress = sub.lastCall
		sub.beat = s.beats.PushBack(sub)
		sub.filterSnapshot()
	}
	if o.report != nil {
		sub.credit(*o.report)
	}
	if o.leave {
		s.drop(sub, o.why, o.detail)
	}
}

// attach adds a subscriber.
func (s *sender) attach(sub *subscriber) {
	s.post(sub, func(o *order) { o.join = true })
}

// detach drops a subscriber whose connection has ended, or that unsubscribed.
// If there are several reasons, the first counts.
func (s *sender) detach(sub *subscriber, why Reason, detail string) {
	s.post(sub, func(o *order) {
		if !o.leave {
			o.leave, o.why, o.detail = true, why, detail
		}
	})
}

// grant takes a client's report of its credit. If several reports come before
// the sender carries out the order, the latest counts.
func (s *sender) grant(sub *subscriber, report creditReport) {
	s.post(sub, func(o *order) {
		if o.report == nil || o.report.before(report) {
			o.report = &report
		}
	})
}

// drain begins the shutdown: from then on, each subscriber gets a goodbye as
// soon as it has everything, or has made no progress for CallTimeout.
func (s *sender) drain() {
	s.mu.Lock()
	s.ending = true
	s.mu.Unlock()
	s.wake()
}

// deliver sends to everybody who is behind and has room.
func (s *sender) deliver() {
	s.starved = false
	head := s.hist.headSeq()
	for sub := range s.subs {
		s.push(sub, head)
	}
}

// push sends to sub while it is behind, has room, and its window is open.
func (s *sender) push(sub *subscriber, head uint64) {
	for sub.behind(head) && s.open(sub) {
		s.notify(sub, false)
	}
}

// open reports whether another call to sub may be in flight.
func (s *sender) open(sub *subscriber) bool {
	if s.inFlight >= cap(s.done) {
		s.starved = true
		return false
	}
	return len(sub.inflight) < s.cfg.Window && sub.inflightBytes < s.cfg.WindowBytes && !sub.leaving
}

// notify sends the next batch. One without news is sent as a heartbeat, or as
// the first, which says where the subscriber stands; otherwise the events that
// were looked at were filtered out, and no call is due for that.
func (s *sender) notify(sub *subscriber, beat bool) {
	s.buf = sub.fill(s.hist, &s.batch, s.buf[:0], s.cfg.BatchBytes)
	if s.batch.Missed > 0 {
		s.srv.countGap(s.batch.Missed)
	}
	if s.batch.Count == 0 && s.batch.Missed == 0 && !sub.fresh && !beat {
		sub.look(0, 0)
		return
	}
	sub.fresh = false
	sub.sent += uint64(s.batch.Count)
	if s.batch.Count > 0 {
		sub.progress = time.Now()
	}
	s.srv.countCall(s.batch.Count)
	s.call(sub, wire.MethodNotify, &s.batch, len(s.batch.Events), false)
	sub.look(s.batch.Missed, 0)
}

// drainReplies takes all replies that are there.
func (s *sender) drainReplies() {
	for {
		select {
		case reply := <-s.done:
			s.replied(reply)
		default:
			if s.starved {
				s.deliver()
			}
			return
		}
	}
}

// heartbeat calls the subscribers that have not been called for Heartbeat.
func (s *sender) heartbeat(now time.Time) {
	for el := s.beats.Front(); el != nil; el = s.beats.Front() {
		sub := el.Value.(*subscriber)
		if now.Sub(sub.lastCall) < s.cfg.Heartbeat {
			return
		}
		if !s.open(sub) { // calls are in flight, and tell as well whether it lives
			sub.lastCall = now
			s.beats.MoveToBack(el)
			continue
		}
		s.notify(sub, true)
	}
}

// drop ends a subscription: the one door out.
func (s *sender) drop(sub *subscriber, why Reason, detail string) {
	if _, ok := s.subs[sub]; !ok {
		return
	}
	delete(s.subs, sub)
	s.beats.Remove(sub.beat)
	for len(sub.inflight) > 0 {
		s.forget(sub.inflight[0])
	}
	s.srv.dropped(sub, why, detail)
}

// dropAll drops whoever is left when the server closes.
func (s *sender) dropAll() {
	s.obey() // who was about to come is dropped as well
	for sub := range s.subs {
		s.drop(sub, ReasonShutdown, "the server closed")
	}
}

// leave, while draining, says goodbye to the subscribers that have everything,
// and to those that have made no progress for CallTimeout: no event was sent to
// them, and they acknowledged none. It closes drained when nobody is left.
func (s *sender) leave() {
	if !s.draining {
		return
	}
	head, now := s.hist.headSeq(), time.Now()
	s.giveUp = time.Time{}
	for sub := range s.subs {
		due := sub.progress.Add(s.cfg.CallTimeout)
		switch {
		case (sub.done(head) || !now.Before(due)) && s.open(sub):
			s.goodbye(sub, head)
		case now.Before(due) && (s.giveUp.IsZero() || due.Before(s.giveUp)):
			s.giveUp = due
		} // otherwise its window is closed, or its goodbye has been sent: an answer or a timeout comes next
	}
	if len(s.subs) == 0 {
		select {
		case <-s.drained:
		default:
			close(s.drained)
		}
	}
}

// goodbye tells a subscriber that the server shuts down.
func (s *sender) goodbye(sub *subscriber, head uint64) {
	sub.leaving, sub.unsent = true, sub.behindBy(head)
	s.call(sub, wire.MethodGoodbye, &wire.Goodbye{
		Code: wire.CodeDraining, Message: "the server is shutting down", AfterMillis: uint32(retryAfter.Milliseconds()),
	}, 0, true)
}
