package momserver

import (
	"container/list"
	"net/rpc"
	"sync"
	"sync/atomic"
	"time"

	"mom.internal/wire/protocol"

	"mom.internal/momserver/internal/history"
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
	hist *history.History

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

	swept     history.Position // next is the first event that the sender has not looked at
	looked    atomic.Uint64    // next of swept, for others
	interests interests        // of the subscribers
	live      []*subscriber    // that may be served, each once
	spare     []*subscriber    // the memory of the queue that was live before
	late      []*subscriber    // that may be served when those are, because one turn was not enough
	snapshots list.List        // of *subscriber with a part of a snapshot to send, the oldest snapshot first
	pending   int              // events in these snapshots

	draining bool
	giveUp   time.Time // while draining: when the next subscriber will have made no progress for CallTimeout; zero for none
	batch    protocol.Batch
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
		swept: history.Position{Next: 1}, interests: newInterests(),
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
	credit protocol.Credit
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
		s.deliver()
		s.leave()
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
		s.interests.add(sub)
		s.hold(sub, 0)
		s.ready(sub)
	}
	if o.credit != (protocol.Credit{}) {
		sub.credit = sub.credit.Max(o.credit)
		s.ready(sub)
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

// grant gives a subscriber credit.
func (s *sender) grant(sub *subscriber, credit protocol.Credit) {
	s.post(sub, func(o *order) { o.credit = o.credit.Max(credit) })
}

// drain begins the shutdown: from then on, each subscriber gets a goodbye as
// soon as it has everything, or has made no progress for CallTimeout.
func (s *sender) drain() {
	s.mu.Lock()
	s.ending = true
	s.mu.Unlock()
	s.wake()
}

// deliver serves the subscribers that have something to be sent. Those that
// needed more than one turn come last, and only as many of them as a bounded
// number of looks allows, so that nobody waits for a long reading.
func (s *sender) deliver() {
	s.sweep()
	s.starved = false
	live := s.live
	s.live = s.spare[:0]
	for _, sub := range live {
		s.serve(sub)
	}
	clear(live)
	s.spare = live
	for looked := 0; looked < maxLateLooks && len(s.late) > 0 && !s.starved; {
		sub := s.late[0]
		s.late[0] = nil
		s.late = s.late[1:]
		looked += 1 + s.serve(sub)
	}
	if len(s.late) > 0 && !s.starved {
		s.wake()
	}
	s.boundSnapshots()
}

// maxLook is how many events, or events of a snapshot, the sender looks at for
// one batch. An event that is filtered out costs as much as one that is sent.
const maxLook = 512

// maxLateLooks is how many events the sender looks at in a turn, about, for
// subscribers that needed more than one turn.
const maxLateLooks = 4 * maxLook

// sweep looks at the events that have been published since it looked last, and
// wakes the idle subscribers that take them. An event costs it no more than the
// number of subscribers that are woken or that name the event's job.
func (s *sender) sweep() {
	for s.hist.Look(&s.swept, s.concerns) {
		for sub := range s.subs {
			s.activate(sub)
		}
		s.hist.SkipGap(&s.swept)
	}
	s.looked.Store(s.swept.Next)
}

// concerns wakes the idle subscribers that take the event swept.Next.
func (s *sender) concerns(def *protocol.Definition, state wire.State, severity wire.Severity) {
	s.interests.find(def, state, severity, s.rouse)
}

// rouse activates an idle subscriber that takes the event swept.Next, unless it
// has read that event already.
func (s *sender) rouse(sub *subscriber) {
	if sub.at.Next <= s.swept.Next {
		s.activate(sub)
	}
}

// activate ends the idleness of a subscriber, and puts it into the queue.
func (s *sender) activate(sub *subscriber) {
	s.settle(sub)
	s.interests.setIdle(sub, false)
	s.ready(sub)
}

// settle writes down the place of an idle subscriber.
func (s *sender) settle(sub *subscriber) {
	if sub.idle {
		sub.at.Next = max(sub.at.Next, s.swept.Next)
	}
}

// boundSnapshots gives up the oldest snapshots while they are over
// Config.MaxSnapshotEvents, and those of which Config.CacheBytes have left the
// cache.
func (s *sender) boundSnapshots() {
	for el := s.snapshots.Front(); el != nil; el = s.snapshots.Front() {
		sub := el.Value.(*subscriber)
		if s.pending <= s.cfg.MaxSnapshotEvents && s.swept.Evicted <= sub.at.Evicted+uint64(s.cfg.CacheBytes) {
			return
		}
		pending := sub.at.SnapshotLeft()
		sub.at.GiveUp()
		s.hold(sub, pending)
	}
}

// hold keeps the books of the snapshots that have not been sent. pending is how
// many events of its snapshot the subscriber had when hold was called last.
func (s *sender) hold(sub *subscriber, pending int) {
	now := sub.at.SnapshotLeft()
	s.pending += now - pending
	switch {
	case now > pending && sub.snapshot != nil:
		s.snapshots.MoveToBack(sub.snapshot)
	case now > 0 && sub.snapshot == nil:
		sub.snapshot = s.snapshots.PushBack(sub)
	case now == 0 && sub.snapshot != nil:
		s.snapshots.Remove(sub.snapshot)
		sub.snapshot = nil
	}
}

// ready puts a subscriber into the queue, if it may have something to be sent.
func (s *sender) ready(sub *subscriber) {
	if !sub.queued && !sub.idle && !sub.gone {
		sub.queued = true
		s.live = append(s.live, sub)
	}
}

// serve sends one batch to a subscriber that is behind, has room, and whose
// window is open. It returns the number of events that it looked at.
func (s *sender) serve(sub *subscriber) (looked int) {
	sub.queued = false
	if sub.gone {
		return 0
	}
	last := s.swept.Next - 1
	if !sub.behind(last) || !s.open(sub) {
		sub.look(0, 0)
	} else {
		looked = s.notify(sub, false)
	}
	if sub.behind(last) && (s.open(sub) || s.starved) {
		sub.queued = true
		s.late = append(s.late, sub)
	}
	return looked
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
// the first, which says where the subscriber stands, or as the end of a
// snapshot; otherwise the events that were looked at were filtered out, and no
// call is due for that. notify returns the number of events that it looked at.
func (s *sender) notify(sub *subscriber, beat bool) (looked int) {
	s.settle(sub)
	pending, was := sub.at.SnapshotLeft(), sub.at.SnapshotRead()
	s.buf, looked = sub.fill(s.hist, &s.batch, s.buf[:0], s.swept.Next-1, s.cfg.BatchBytes)
	s.hold(sub, pending)
	s.interests.setIdle(sub, sub.at.SnapshotRead() && sub.at.Next >= s.swept.Next)
	if s.batch.Missed > 0 {
		s.srv.countGap(s.batch.Missed)
	}
	if s.batch.Count == 0 && s.batch.Missed == 0 && !sub.fresh && !beat && was == sub.at.SnapshotRead() {
		sub.look(0, 0)
		return looked
	}
	sub.fresh = false
	sub.sent += uint64(s.batch.Count)
	sub.sentBytes += uint64(len(s.batch.Events))
	if s.batch.Count > 0 {
		sub.progress = time.Now()
	}
	s.srv.countCall(s.batch.Count)
	s.call(sub, protocol.MethodNotify, &s.batch, len(s.batch.Events), false)
	sub.look(s.batch.Missed, 0)
	return looked
}

// drainReplies takes all replies that are there.
func (s *sender) drainReplies() {
	for {
		select {
		case reply := <-s.done:
			s.replied(reply)
		default:
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
	s.interests.remove(sub)
	pending := sub.at.SnapshotLeft()
	sub.at.GiveUp()
	sub.gone = true
	s.hold(sub, pending)
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
	head, now := s.hist.Head(), time.Now()
	s.giveUp = time.Time{}
	for sub := range s.subs {
		s.settle(sub)
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
	s.call(sub, protocol.MethodGoodbye, &protocol.Goodbye{
		Code: wire.Draining, Message: "the server is shutting down", AfterMillis: uint32(retryAfter.Milliseconds()),
	}, 0, true)
}
