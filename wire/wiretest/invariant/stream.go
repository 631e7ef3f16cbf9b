package invariant

import (
	"sync"

	"github.com/google/uuid"

	"mom.internal/wire"
)

// Stream puts one client's stream to the checkers: the client itself may be
// restarted with the cursor that it had.
type Stream struct {
	ledger *Ledger
	filter wire.Filter
	report Report

	mu     sync.Mutex // guards all below
	order  order
	repeat noRepeats
	sum    sum
	gaps   gaps
	ended  ended
	told   Told
}

// NewStream returns the checkers for a client with the filter, which does not
// begin at a cursor.
func NewStream(l *Ledger, filter wire.Filter, report Report) *Stream {
	s := &Stream{ledger: l, filter: filter, report: report}
	s.repeat.seen, s.gaps.owed = make(map[wire.Cursor]bool), true
	return s
}

// Event takes the next event that was given to the application.
func (s *Stream) Event(e wire.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.published(e)
	s.order.event(e, s.report)
	s.repeat.event(e, s.report)
	s.ended.event(e, s)
	s.gaps.event(e, s)
	s.sum.event(e, s)
	s.told.event(e)
}

// Connected says that the client was told that it is subscribed, at a server
// of that epoch.
func (s *Stream) Connected(epoch uuid.UUID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sum.connected(epoch, s)
}

// Unsubscribed says that the application has ended its subscription. Where it
// had got no event, the next one may begin later.
func (s *Stream) Unsubscribed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sum.last.IsZero() {
		s.sum.begunBy = wire.Cursor{}
	}
}

// Cursor takes what the client's Cursor returned. No handler runs meanwhile.
func (s *Stream) Cursor(c wire.Cursor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended.at(c, s)
	s.sum.at(c, s)
}

// Restarted says that a new client goes on at the cursor that the last one
// had. The zero cursor is for one that had none.
func (s *Stream) Restarted(c wire.Cursor) {
	s.Cursor(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.order = order{epoch: s.order.epoch, last: s.order.last}
	s.gaps = gaps{owed: c.IsZero()}
	s.sum = sum{last: c}
}

// Killed says that a client was killed at any moment, and that another goes on
// at the cursor that was kept. It returns how many events come again: those
// that the first one had, and had not kept that it had.
func (s *Stream) Killed(c wire.Cursor) (again int) {
	s.mu.Lock()
	for at := range s.repeat.seen {
		if at.Epoch == c.Epoch && at.Seq > c.Seq || s.ledger.age(at.Epoch) > s.ledger.age(c.Epoch) {
			delete(s.repeat.seen, at)
			again++
		}
	}
	s.mu.Unlock()
	s.Restarted(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.order = order{epoch: c.Epoch, last: c.Seq}
	s.ended.epoch = c.Epoch
	return again
}

// Converged checks that the client is at the place, with all before it told.
func (s *Stream) Converged(at, cursor wire.Cursor) {
	s.Cursor(cursor)
	s.mu.Lock()
	defer s.mu.Unlock()
	if cursor != at {
		s.report.violated(Liveness, "the cursor is at %v and not at %v", cursor, at)
	}
	s.sum.at(at, s)
}

// published checks an event's content.
func (s *Stream) published(e wire.Event) {
	if s.ledger.unknown {
		if e.Seq == 0 || !s.filter.Takes(&e) {
			s.report.violated(Published, "event %d is none, or filtered out", e.Seq)
		}
		return
	}
	marks := s.ledger.marks(e.Epoch)
	if e.Seq == 0 || e.Seq > uint64(len(marks)) {
		s.report.violated(Published, "event %d of epoch %v, which has published %d", e.Seq, e.Epoch, len(marks))
		return
	}
	got := Mark{JobID: e.JobID, Name: e.Name(), RunID: e.RunID, State: e.Data.Status.State, Severity: e.Severity(), Final: e.EndsRun()}
	want := marks[e.Seq-1]
	if want.At = got.At; got != want {
		s.report.violated(Published, "event %d says %+v; published was %+v", e.Seq, got, want)
	}
	if !s.filter.Takes(&e) {
		s.report.violated(Published, "event %d, %v, is filtered out", e.Seq, &want)
	}
}

// order is the checker of Order.
type order struct {
	epoch    uuid.UUID
	last     uint64 // fresh event
	snapshot uint64 // event of the snapshot that is going on
}

func (o *order) event(e wire.Event, report Report) {
	if e.Epoch != o.epoch {
		*o = order{epoch: e.Epoch}
	}
	if e.Snapshot {
		o.snapshot = max(o.snapshot, e.Seq)
		return
	}
	if e.Seq < o.last {
		report.violated(Order, "event %d after %d", e.Seq, o.last)
	}
	if e.Seq <= o.snapshot {
		report.violated(Order, "event %d after a snapshot that holds %d", e.Seq, o.snapshot)
	}
	o.last, o.snapshot = e.Seq, 0
}

// noRepeats is the checker of NoRepeats.
type noRepeats struct{ seen map[wire.Cursor]bool }

func (r *noRepeats) event(e wire.Event, report Report) {
	if e.Snapshot {
		return
	}
	if r.seen[e.Cursor()] {
		report.violated(NoRepeats, "event %d again", e.Seq)
	}
	r.seen[e.Cursor()] = true
}

// ended is the checker of Ended.
type ended struct {
	epoch  uuid.UUID   // of the latest event
	cursor wire.Cursor // the latest
}

func (d *ended) event(e wire.Event, s *Stream) {
	if s.ledger.age(e.Epoch) < s.ledger.age(d.epoch) {
		s.report.violated(Ended, "event %d of an older epoch than the event before", e.Seq)
	}
	d.epoch = e.Epoch
}

func (d *ended) at(c wire.Cursor, s *Stream) {
	was, is := s.ledger.age(d.cursor.Epoch), s.ledger.age(c.Epoch)
	switch {
	case is < was:
		s.report.violated(Ended, "the cursor went back to an older epoch, from %v to %v", d.cursor, c)
	case is == was && c.Seq < d.cursor.Seq:
		s.report.violated(Ended, "the cursor went back from %d to %d", d.cursor.Seq, c.Seq)
	case c.Seq > s.ledger.Head(c.Epoch):
		s.report.violated(Ended, "the cursor is at %d, which was not published", c.Seq)
	}
	d.cursor = c
}
