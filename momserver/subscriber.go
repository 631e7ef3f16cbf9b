package momserver

import (
	"container/list"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"mom.internal/momserver/internal/history"
	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"
)

// subscriber is one subscription: which connection is called, and how far the
// subscription has got.
type subscriber struct {
	// Set before the subscriber joins the sender.
	name         string
	identity     *identity
	addr         string
	callbackConn *duplex.Conn // the connection of its callback endpoint, which is called; often conn
	conn         *duplex.Conn // the connection that it subscribed on
	since        time.Time
	filterItems  int        // IDs and names of jobs in its filter
	addrKey      netip.Addr // of addr, as limitKey returns it
	dialledBack  bool       // the server dials its callback endpoint

	// Owned by the sender's goroutine; no lock.
	history.Reader
	membership
	at              history.Position // behind the scan if caughtUp; see advance
	caughtUp        bool             // it has every event that it takes before sender.scanned.Next
	queued          bool             // it is in ready or catchingUp
	dropped         bool             // the subscription has ended
	snapshotEntry   *list.Element    // in the sender's list of snapshots; nil without one
	snapshotAge     *list.Element    // in its list by age
	isNew           bool             // no batch has been sent
	sent            uint64           // events sent
	sentBytes       uint64           // bytes of these events
	acked           uint64           // events acknowledged
	credit          protocol.Credit  // counted from the beginning, as sent and sentBytes are
	unanswered      []*call          // in the order of sending
	unansweredBytes int              // of their events
	heartbeatEntry  *list.Element    // in the sender's list of heartbeats
	lastCall        time.Time
	lastProgress    time.Time   // when an event was last sent or acknowledged, it joined, or draining began
	saidGoodbye     bool        // no further call is made
	revoked         *revocation // why it may not stay; nil if it may
	unsentAtGoodbye uint64      // events that had not been sent then

	request request // guarded by the sender's mu

	mu          sync.Mutex     // guards all below
	figures     SubscriberInfo // how far the subscription has got; info adds the rest
	wasCaughtUp bool           // caughtUp, when figures were updated
}

// creditLeft returns how many more events, and bytes of events, may be sent. It
// returns no events if no bytes are left.
func (sub *subscriber) creditLeft() (events, bytes uint64) {
	bytes = sub.credit.Bytes - min(sub.credit.Bytes, sub.sentBytes)
	if bytes == 0 {
		return 0, 0
	}
	return sub.credit.Events - min(sub.credit.Events, sub.sent), bytes
}

// sendable reports whether a batch can be sent: the first one, or else one with
// news up to the event head, for which there is credit.
func (sub *subscriber) sendable(head uint64) bool {
	credit, _ := sub.creditLeft()
	return sub.isNew || credit > 0 && (!sub.at.SnapshotRead() || sub.at.Next <= head)
}

// acknowledgedAll reports whether everything up to the event head has been sent
// and acknowledged.
func (sub *subscriber) acknowledgedAll(head uint64) bool {
	return !sub.isNew && sub.at.SnapshotRead() && sub.at.Next > head && len(sub.unanswered) == 0
}

// unsentEvents returns how many events have not been sent: those up to head,
// and the rest of a snapshot.
func (sub *subscriber) unsentEvents(head uint64) uint64 {
	return head - min(head, sub.at.Next-1) + uint64(sub.at.SnapshotLeft())
}

// goodbyeDetail returns the Detail of the Drop of a subscriber that has
// answered its goodbye.
func (sub *subscriber) goodbyeDetail(timeout time.Duration) string {
	if sub.unsentAtGoodbye == 0 {
		return "it was told that the server shuts down"
	}
	return fmt.Sprintf("it made no progress for %v (Config.CallTimeout) while the server shut down, and was not sent %d events", timeout, sub.unsentAtGoodbye)
}

// fill makes the next batch: a part of the snapshot if some of it is left, or
// else the next events up to the event last, as far as credit and maxBytes
// allow. A batch never holds both, so that a gap always opens a batch and Next
// never runs ahead of what is announced. Without credit the batch is empty, and
// only says where the subscription stands.
//
// fill appends the events to buf. It returns buf and the number of events that
// it looked at, which is at most about maxLook.
func (sub *subscriber) fill(h *history.History, b *protocol.Batch, buf []byte, last uint64, maxBytes int) (_ []byte, looked int) {
	*b = protocol.Batch{}
	if sub.isNew {
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
		b.Pending = 1 // at least: how many is not known before Resume
	}
	return buf, looked
}

// updateFigures publishes how far the subscription has got. missed is added to
// the events missed; a round trip of 0 changes nothing.
func (sub *subscriber) updateFigures(missed uint64, rtt time.Duration) {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	f := &sub.figures
	f.Next, f.Delivered, f.InFlight, sub.wasCaughtUp = sub.at.Next, sub.sent, len(sub.unanswered), sub.caughtUp
	f.Credit, _ = sub.creditLeft()
	f.Missed += missed
	if rtt > 0 {
		f.RTT = rtt
	}
}

// info returns what an operator may know. head is the newest event, and scanned
// is the first event that the sender has not looked at: a caught-up subscriber has
// all events before it. While the position of the subscription is not known, Next
// and Lag are 0.
func (sub *subscriber) info(head, scanned uint64) SubscriberInfo {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	i := sub.figures
	i.Name, i.Identity, i.Addr, i.Since = sub.name, sub.identity.name, sub.addr, sub.since
	if sub.callbackConn != sub.conn {
		i.Callback = sub.callbackConn.RemoteAddr().String()
	}
	if sub.wasCaughtUp {
		i.Next = max(i.Next, scanned)
	}
	i.Lag = head - min(head, i.Next-1)
	return i
}
