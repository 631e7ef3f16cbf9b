package momserver

import (
	"container/list"
	"fmt"
	"net/rpc"
	"sync"
	"sync/atomic"
	"time"

	"mom.internal/momserver/internal/history"
	"mom.internal/wire"
	"mom.internal/wire/protocol"
)

// sender.go, with call.go, holds the only code that calls subscribers.

// sender is the state of the one goroutine that sends events. It alone calls
// subscribers, reads their replies, keeps their deadlines and drops them, so
// there is one order of all this and no lock between subscribers. It never
// blocks: a call goes to the outbox of its connection, which has room for every
// call that the window admits.
//
// A reply is in time if it is in the replies channel when the sender begins to look
// at the deadline of its call.
type sender struct {
	cfg    *Config
	hist   *history.History
	onDrop func(*subscriber, Reason, string)
	counts counts

	bell    chan struct{}   // rung by Publish and by posts
	replies chan *rpc.Call  // room for every call in flight, because net/rpc discards a reply that does not fit
	stop    <-chan struct{} // closed when the server closes; ends run
	drained chan struct{}   // closed when the last subscriber has gone while draining

	mu          sync.Mutex    // guards the two fields below and the request of each subscriber; never held across a call
	posted      []*subscriber // the subscribers with a request, each once
	drainPosted bool          // the server is shutting down

	// Owned by run; no lock.
	subs          map[*subscriber]struct{}
	calls         map[*rpc.Call]*call
	timeouts      list.List // of *call, the oldest first: all have the same timeout
	checkBegan    time.Time // when the check of the deadlines began; zero if none is in progress
	repliesBefore int       // number of replies that had come by checkBegan and are not handled yet
	heartbeats    list.List // of *subscriber, the one whose latest call is oldest first
	callsInFlight int       // calls that net/rpc has not returned, also to dropped subscribers
	throttled     bool      // a subscriber waits because callsInFlight is at its bound

	scanned        history.Position // Next is the first event that scan has not looked at
	scannedNext    atomic.Uint64    // Next of scanned, for other goroutines
	interests      interests        // finds the caught-up subscribers that take an event
	ready          queue            // may have something to get; each once
	catchingUp     queue            // need more than one batch; their turn comes after ready
	snapshots      list.List        // of *subscriber with a snapshot that has not been sent whole, the one without progress for longest first
	snapshotsByAge list.List        // the same, the one whose snapshot was taken first first
	snapshotEvents int              // that have not been sent

	draining   bool
	drainEnds  time.Time // while draining: when the subscribers that are left are dropped
	nextGiveUp time.Time // while draining: when a subscriber will have made no progress for CallTimeout, at the latest drainEnds
	batch      protocol.Batch
	buf        []byte // of the batch; used again when the call has been encoded
}

// maxInFlight bounds the unanswered calls to all subscribers together. Each
// takes 8 bytes of the replies channel from the start. At the bound,
// subscribers with news wait for replies to other calls.
const maxInFlight = 1 << 22

// newSender returns the sender of the events in hist. It runs until stop is
// closed, and calls onDrop with each subscriber that it has dropped, the reason
// and the detail.
func newSender(cfg *Config, hist *history.History, stop <-chan struct{}, onDrop func(*subscriber, Reason, string)) *sender {
	return &sender{
		cfg: cfg, hist: hist, onDrop: onDrop,
		bell:    make(chan struct{}, 1),
		replies: make(chan *rpc.Call, min(int64(cfg.MaxSubscribers+1)*int64(cfg.Window+1), maxInFlight)),
		stop:    stop, drained: make(chan struct{}),
		subs:    make(map[*subscriber]struct{}),
		calls:   make(map[*rpc.Call]*call),
		scanned: history.Position{Next: 1}, interests: newInterests(),
	}
}

// run is the sender's goroutine. It only selects.
func (s *sender) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Reset(s.untilDue(time.Now()))
		select {
		case <-s.bell:
			s.runPosted()
		case reply := <-s.replies:
			s.handleReply(reply)
			s.takeReplies(maxAtOnce)
		case <-timer.C:
			s.checkDeadlines(time.Now())
			s.sendHeartbeats(time.Now())
		case <-s.stop:
			s.dropAll()
			return
		}
		s.deliver()
		s.sayGoodbyes()
	}
}

// maxAtOnce bounds the requests, the replies and the unanswered calls that the sender
// handles in one turn, because many subscribers may have some at the same moment. The
// others wait for the next turn. A turn has at most maxHeartbeatsAtOnce heartbeats,
// because each takes about 10 µs.
const (
	maxAtOnce           = 64
	maxHeartbeatsAtOnce = 4
)

// wake makes the sender look for new events and for posted requests.
func (s *sender) wake() {
	select {
	case s.bell <- struct{}{}:
	default:
	}
}

// deliver sends a batch to each subscriber that has something to get. The
// subscribers that need more than one batch come last. For them, deliver looks
// at a bounded number of events, so that no subscriber waits for another to
// catch up.
func (s *sender) deliver() {
	s.scan()
	s.throttled = false
	s.pushSome(&s.ready, maxReadyLooks)
	s.pushSome(&s.catchingUp, maxCatchUpLooks)
	if s.ready.len()+s.catchingUp.len() > 0 && !s.throttled {
		s.wake()
	}
	s.boundSnapshots()
}

// pushSome pushes to the subscribers at the front of a queue, until it has looked
// at about most events. A subscriber that gets nothing counts as one event, and a
// call counts as callLooks events.
func (s *sender) pushSome(q *queue, most int) {
	for looked := 0; looked < most && q.len() > 0 && !s.throttled; {
		looked += 1 + s.push(q.pop())
	}
}

// maxLook bounds the events, or events of a snapshot, that the sender looks at
// for one batch. An event that is filtered out costs as much as one that is
// sent.
const maxLook = 512

// callLooks is how many events the sender could look at in the time that a call
// takes.
const callLooks = 256

// maxReadyLooks and maxCatchUpLooks are about how many events the sender looks at
// in one turn for the subscribers that need one batch, and for those that need
// more. Between two turns it takes replies and sends heartbeats.
const (
	maxReadyLooks   = 128 * maxLook
	maxCatchUpLooks = 4 * maxLook
)

// enqueue makes deliver look at a subscriber, unless it is caught up. A subscriber
// that is far behind comes after the others, however few events its client takes at
// a time.
func (s *sender) enqueue(sub *subscriber) {
	switch {
	case sub.queued || sub.caughtUp || sub.dropped:
		return
	case sub.at.GivenUp() || sub.at.SnapshotLeft() > maxLook || sub.at.Next+maxLook < s.scanned.Next:
		s.catchingUp.push(sub)
	default:
		s.ready.push(sub)
	}
	sub.queued = true
}

// push sends one batch to a subscriber if there is one to send, the client has
// given credit, and the window is open. It returns the number of events that it
// looked at, plus callLooks if it made a call.
func (s *sender) push(sub *subscriber) (looked int) {
	sub.queued = false
	if sub.dropped {
		return 0
	}
	last := s.scanned.Next - 1
	if !sub.sendable(last) || !s.windowOpen(sub) {
		sub.updateFigures(0, 0)
	} else {
		calls := s.callsInFlight
		looked = s.notify(sub, false) + callLooks*(s.callsInFlight-calls)
	}
	if sub.sendable(last) && (s.windowOpen(sub) || s.throttled) {
		sub.queued = true
		s.catchingUp.push(sub)
	}
	return looked
}

// windowOpen reports whether another call to sub may be made.
func (s *sender) windowOpen(sub *subscriber) bool {
	if s.callsInFlight >= cap(s.replies) {
		s.throttled = true
		return false
	}
	return len(sub.unanswered) < s.cfg.Window && sub.unansweredBytes < s.cfg.WindowBytes && !sub.saidGoodbye
}

// notify makes the next batch and sends it. A batch without news is sent only
// if it is a heartbeat, the first batch, which says where the subscription
// begins, or the end of a snapshot. Otherwise every event that notify looked at
// was filtered out, and it makes no call. notify returns the number of events
// that it looked at.
func (s *sender) notify(sub *subscriber, heartbeat bool) (looked int) {
	s.advance(sub)
	pending, wasRead := sub.at.SnapshotLeft(), sub.at.SnapshotRead()
	s.buf, looked = sub.fill(s.hist, &s.batch, s.buf[:0], s.scanned.Next-1, s.cfg.BatchBytes)
	s.trackSnapshot(sub, pending)
	s.interests.setCaughtUp(sub, sub.at.SnapshotRead() && sub.at.Next >= s.scanned.Next)
	if s.batch.Missed > 0 {
		s.counts.gaps.Add(1)
		s.counts.missed.Add(s.batch.Missed)
	}
	if s.batch.Count == 0 && s.batch.Missed == 0 && !sub.isNew && !heartbeat && wasRead == sub.at.SnapshotRead() {
		sub.updateFigures(0, 0)
		return looked
	}
	sub.isNew = false
	sub.sent += uint64(s.batch.Count)
	sub.sentBytes += uint64(len(s.batch.Events))
	if s.batch.Count > 0 {
		sub.lastProgress = time.Now()
	}
	s.counts.calls.Add(1)
	s.counts.delivered.Add(uint64(s.batch.Count))
	s.call(sub, protocol.MethodNotify, &s.batch, len(s.batch.Events), false)
	sub.updateFigures(s.batch.Missed, 0)
	return looked
}

// boundSnapshots gives up snapshots whose subscribers have made no progress for
// CallTimeout, while all snapshots together hold more than
// Config.MaxSnapshotEvents, and those since which more than Config.CacheBytes of
// events have left the cache. Far over one of these bounds it gives up snapshots
// of other subscribers too: over that of all snapshots, any but the last, the one
// without progress for longest first; and each snapshot since which too many
// bytes have left the cache, because it keeps some of them in memory.
func (s *sender) boundSnapshots() {
	for el := s.snapshotsByAge.Front(); el != nil; el = s.snapshotsByAge.Front() {
		sub := el.Value.(*subscriber)
		if s.scanned.Evicted <= sub.at.Evicted+farEvicted*uint64(s.cfg.CacheBytes) {
			break
		}
		s.giveUpSnapshot(sub)
	}
	for el := s.snapshots.Front(); el != nil; el = s.snapshots.Front() {
		sub := el.Value.(*subscriber)
		over := s.snapshotEvents > s.cfg.MaxSnapshotEvents || s.scanned.Evicted > sub.at.Evicted+uint64(s.cfg.CacheBytes)
		stalled := time.Since(sub.lastProgress) >= s.cfg.CallTimeout
		far := s.snapshots.Len() > 1 && s.snapshotEvents/farOver > s.cfg.MaxSnapshotEvents
		if !(over && stalled) && !far {
			return
		}
		s.giveUpSnapshot(sub)
	}
}

func (s *sender) giveUpSnapshot(sub *subscriber) {
	pending := sub.at.SnapshotLeft()
	sub.at.GiveUp()
	s.trackSnapshot(sub, pending)
}

// How many times Config.MaxSnapshotEvents, and the bytes that have left the cache
// since a snapshot was taken, may be exceeded for subscribers that make progress.
const (
	farOver    = 8
	farEvicted = 4
)

// trackSnapshot updates the lists and the number of events of the snapshots that
// have not been sent. before is how many events of its snapshot sub had when
// trackSnapshot was called last.
func (s *sender) trackSnapshot(sub *subscriber, before int) {
	now := sub.at.SnapshotLeft()
	s.snapshotEvents += now - before
	switch {
	case now > 0 && now != before && sub.snapshotEntry != nil:
		s.snapshots.MoveToBack(sub.snapshotEntry)
		if now > before { // it is a new one
			s.snapshotsByAge.MoveToBack(sub.snapshotAge)
		}
	case now > 0 && sub.snapshotEntry == nil:
		sub.snapshotEntry = s.snapshots.PushBack(sub)
		sub.snapshotAge = s.snapshotsByAge.PushBack(sub)
	case now == 0 && sub.snapshotEntry != nil:
		s.snapshots.Remove(sub.snapshotEntry)
		s.snapshotsByAge.Remove(sub.snapshotAge)
		sub.snapshotEntry, sub.snapshotAge = nil, nil
	}
}

// drop ends a subscription. It is the only way out of subs.
func (s *sender) drop(sub *subscriber, why Reason, detail string) {
	if _, ok := s.subs[sub]; !ok {
		return
	}
	delete(s.subs, sub)
	if sub.revoked != nil {
		why, detail = sub.revoked.reason, sub.revoked.err.Message
	}
	s.heartbeats.Remove(sub.heartbeatEntry)
	s.interests.remove(sub)
	s.giveUpSnapshot(sub)
	sub.dropped = true
	for len(sub.unanswered) > 0 {
		s.removeCall(sub.unanswered[0])
	}
	s.onDrop(sub, why, detail)
}

// dropAll drops every subscriber when the server closes.
func (s *sender) dropAll() {
	s.mu.Lock()
	posted := s.posted
	s.posted = nil
	s.mu.Unlock()
	for _, sub := range posted { // so that subscribers that are about to join are dropped as well
		s.runRequest(sub)
	}
	for sub := range s.subs {
		s.drop(sub, ReasonShutdown, "the server closed")
	}
}

// maxDrain bounds the time for draining, as a multiple of Config.CallTimeout. The
// default of that makes it five minutes.
const maxDrain = 60

// sayGoodbyes, while the sender drains, says goodbye to each subscriber that
// has everything, and to each that has made no progress for CallTimeout: no
// event was sent to it, and it acknowledged none. At drainEnds it drops the
// subscribers that are left, so that none of them prolongs a Shutdown by a little
// progress now and then. It closes drained when no subscriber is left.
func (s *sender) sayGoodbyes() {
	if !s.draining {
		return
	}
	head, now := s.hist.Head(), time.Now()
	s.nextGiveUp = s.drainEnds
	for sub := range s.subs {
		s.advance(sub)
		if !now.Before(s.drainEnds) {
			s.drop(sub, ReasonShutdown, fmt.Sprintf("it was not sent %d events within %d times %v (Config.CallTimeout) while the server shut down", sub.unsentEvents(head), maxDrain, s.cfg.CallTimeout))
			continue
		}
		due := sub.lastProgress.Add(s.cfg.CallTimeout)
		switch {
		case (sub.acknowledgedAll(head) || !now.Before(due)) && s.windowOpen(sub):
			s.sayGoodbye(sub, head)
		case now.Before(due) && due.Before(s.nextGiveUp):
			s.nextGiveUp = due
		} // otherwise its window is closed or its goodbye has been sent, so a reply or a timeout comes next
	}
	if len(s.subs) == 0 {
		select {
		case <-s.drained:
		default:
			close(s.drained)
		}
	}
}

// sayGoodbye tells a subscriber that the server shuts down.
func (s *sender) sayGoodbye(sub *subscriber, head uint64) {
	sub.saidGoodbye, sub.unsentAtGoodbye = true, sub.unsentEvents(head)
	s.call(sub, protocol.MethodGoodbye, &protocol.Goodbye{
		Code: wire.Draining, Message: "the server is shutting down", AfterMillis: uint32(retryAfter.Milliseconds()),
	}, 0, true)
}
