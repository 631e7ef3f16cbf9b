package momserver

import (
	"container/list"
	"fmt"
	"sync"
	"time"

	"mom.internal/momserver/internal/history"
	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"
)

// subscriber is one subscription: where calls go, and how far it has got.
type subscriber struct {
	// Never changed after the sender knows the subscriber.
	name   string
	who    *admission
	addr   string
	callee *duplex.Conn // the connection of its callback endpoint
	main   *duplex.Conn // the connection that it subscribed on; often the same
	since  time.Time

	// Owned by the sender; no lock.
	history.Reader
	listed
	at            history.Position // the next event, and the snapshot before it; see idle
	idle          bool             // it has all that the sender has looked at, whatever at says
	queued        bool             // it is in one of the sender's queues
	gone          bool             // it has been dropped
	snapshot      *element         // in the sender's list of snapshots; nil without one
	fresh         bool             // nothing has been sent yet
	sent          uint64           // events sent
	sentBytes     uint64           // bytes of these events
	acked         uint64           // events acknowledged
	credit        protocol.Credit  // what the client allows to be sent
	inflight      []*call          // unanswered, in the order of sending
	inflightBytes int              // of their events
	beat          *element         // in the sender's list of heartbeats
	lastCall      time.Time
	progress      time.Time // when an event was last sent or acknowledged, or when it joined or draining began
	leaving       bool      // goodbye has been sent
	unsent        uint64    // events that had not been sent when the goodbye was

	order order // guarded by the sender's mu

	mu  sync.Mutex // guards all below
	now figures
}

type element = list.Element

// figures is what an operator may know of a subscriber.
type figures struct {
	next     uint64
	idle     bool
	sent     uint64
	missed   uint64
	credit   uint64
	inflight int
	rtt      time.Duration
}

// lag returns how many events up to head have not been sent, and the next one
// to send. An idle subscriber has all events before looked. Before the place
// where the subscription begins is known, which makes next 0, lag returns 0.
func (f *figures) lag(head, looked uint64) (lag, next uint64) {
	if next = f.next; f.idle {
		next = max(next, looked)
	}
	return head - min(head, next-1), next
}

// callOn makes the callback connection the one that calls go to.
func (sub *subscriber) callOn(callee *duplex.Conn) {
	sub.mu.Lock()
	sub.callee = callee
	sub.mu.Unlock()
}

// creditLeft returns how many more events, and bytes of them, may be sent. It
// returns no events if no bytes are left.
func (sub *subscriber) creditLeft() (events, bytes uint64) {
	bytes = sub.credit.Bytes - min(sub.credit.Bytes, sub.sentBytes)
	if bytes == 0 {
		return 0, 0
	}
	return sub.credit.Events - min(sub.credit.Events, sub.sent), bytes
}

// behind reports whether there is anything to send it, given the newest event.
func (sub *subscriber) behind(head uint64) bool {
	credit, _ := sub.creditLeft()
	return sub.fresh || credit > 0 && (!sub.at.SnapshotRead() || sub.at.Next <= head)
}

// done reports whether it has been sent everything and has acknowledged it.
func (sub *subscriber) done(head uint64) bool {
	return !sub.fresh && sub.at.SnapshotRead() && sub.at.Next > head && len(sub.inflight) == 0
}

// behindBy returns how many events have not been sent to the subscriber: those
// up to head, and the rest of a snapshot.
func (sub *subscriber) behindBy(head uint64) uint64 {
	return head - min(head, sub.at.Next-1) + uint64(sub.at.SnapshotLeft())
}

// farewell returns the Detail of the Drop of a subscriber that got a goodbye.
func (sub *subscriber) farewell(timeout time.Duration) string {
	if sub.unsent == 0 {
		return "it was told that the server shuts down"
	}
	return fmt.Sprintf("it made no progress for %v (Config.CallTimeout) while the server shut down, and was not sent %d events", timeout, sub.unsent)
}

// fill makes the next batch: a part of the snapshot if one is pending, else the
// events that come next, up to the event last, as far as credit and maxBytes go.
// It returns the number of events that it looked at, which is bounded by
// maxLook. A batch never holds both, so that a gap always opens a batch and its
// Next never runs ahead of what is announced. buf is where the events are copied
// to. Without credit the batch is empty, and says only where the subscriber
// stands.
func (sub *subscriber) fill(h *history.History, b *protocol.Batch, buf []byte, last uint64, maxBytes int) (_ []byte, looked int) {
	*b = protocol.Batch{}
	if sub.fresh {
		b.Types = h.Types()
	}
	credit, bytes := sub.creditLeft()
	most := history.Portion{Last: last, Looks: maxLook, Events: int(min(credit, 1<<20)), Bytes: int(min(bytes, uint64(maxBytes)))}
	n := 0
	if credit > 0 && sub.at.GivenUp() {
		h.Resume(&sub.at)
	}
	if credit > 0 && sub.at.SnapshotRead() {
		next := sub.at.Next
		buf, n = h.Read(&sub.at, &sub.Reader, most, buf)
		looked = int(sub.at.Next - next)
	}
	if pending := sub.at.SnapshotLeft(); pending > 0 && credit > 0 {
		buf, n = sub.at.ReadSnapshot(&sub.Reader, most, buf)
		b.Snapshot = uint32(n)
		looked = pending - sub.at.SnapshotLeft()
	}
	b.Count = uint32(n)
	b.Missed, sub.at.Missed = sub.at.Missed, 0
	b.Next, b.Pending, b.Events = sub.at.Next, uint32(sub.at.SnapshotLeft()), buf
	if sub.at.GivenUp() {
		b.Pending = 1 // at least
	}
	return buf, looked
}

// look takes a picture for the operator.
func (sub *subscriber) look(missed uint64, rtt time.Duration) {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	f := &sub.now
	f.next, f.idle, f.sent, f.inflight = sub.at.Next, sub.idle, sub.sent, len(sub.inflight)
	f.credit, _ = sub.creditLeft()
	f.missed += missed
	if rtt > 0 {
		f.rtt = rtt
	}
}

// SubscriberInfo is what an operator may know of a subscriber.
type SubscriberInfo struct {
	Name      string
	Identity  string // of its client certificate, or as Authorize has it; "" for none
	Addr      string // of its own connection
	Callback  string // of its callback endpoint, where the server dialled back
	Since     time.Time
	Next      uint64        // Seq of the next event to send it
	Lag       uint64        // events that it has not been sent
	Credit    uint64        // events that its client has room for
	Delivered uint64        // events sent
	Missed    uint64        // events that left the cache before it got them
	InFlight  int           // calls unanswered
	RTT       time.Duration // from the latest answered call to its answer; 0 before the first
}

// label names the subscriber in a sentence.
func (i *SubscriberInfo) label() string {
	if i.Name == "" {
		return i.Addr
	}
	return fmt.Sprintf("%q (%s)", i.Name, i.Addr)
}

// info returns what an operator may know. head is the newest event, and looked
// the first that the sender has not looked at.
func (sub *subscriber) info(head, looked uint64) SubscriberInfo {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	i := SubscriberInfo{
		Name: sub.name, Identity: sub.who.identity, Addr: sub.addr, Since: sub.since,
		Credit: sub.now.credit, Delivered: sub.now.sent, Missed: sub.now.missed,
		InFlight: sub.now.inflight, RTT: sub.now.rtt,
	}
	if sub.callee != sub.main {
		i.Callback = sub.callee.RemoteAddr().String()
	}
	i.Lag, i.Next = sub.now.lag(head, looked)
	return i
}
