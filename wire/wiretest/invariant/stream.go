package invariant

import (
	"sync"

	"github.com/google/uuid"

	"mom.internal/wire"
)

// Stream passes the stream of one client to the checkers. The client may be
// restarted at its cursor.
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
	ends   ends
	told   Told
}

// NewStream returns the checkers for a client that has the filter and does not begin
// at a cursor.
func NewStream(l *Ledger, filter wire.Filter, report Report) *Stream {
	s := &Stream{ledger: l, filter: filter, report: report}
	s.repeat.seen, s.ends, s.gaps.owed = make(map[wire.Cursor]bool), make(ends), true
	return s
}

// Event checks the next event that was delivered to the application.
func (s *Stream) Event(e wire.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.published(e)
	s.order.event(e, s.report)
	s.repeat.event(e, s.report)
	s.ended.event(e, s)
	s.ends.event(e, s.report)
	s.gaps.event(e, s)
	s.sum.event(e, s)
	s.told.event(e)
}

// Connected records that the client has reported its subscription at a server of
// the epoch.
func (s *Stream) Connected(epoch uuid.UUID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sum.connected(epoch, s)
}

// Unsubscribed records that the application has ended its subscription. If no event
// has been delivered, the next subscription may begin later.
func (s *Stream) Unsubscribed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sum.last.IsZero() {
		s.sum.begunBy = wire.Cursor{}
	}
}

// Cursor checks the result of the client's Cursor. No handler runs meanwhile.
func (s *Stream) Cursor(c wire.Cursor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended.at(c, s)
	s.sum.at(c, s)
}

// Restarted records that a new client continues at the cursor of the last client,
// which is zero if that client had none.
func (s *Stream) Restarted(c wire.Cursor) {
	s.Cursor(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.order = order{epoch: s.order.epoch, last: s.order.last}
	s.gaps = gaps{owed: c.IsZero()}
	clear(s.ends) // the end of a run may come again
	s.sum = sum{last: c}
}

// Killed records that the client was killed at any moment, and that a new client
// continues at the cursor that was saved. It returns how many events are delivered
// again, because the first client had delivered them after the cursor was saved.
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

// Converged checks that the client is at the cursor at, and that all events before
// it were delivered, filtered out or announced as missed.
func (s *Stream) Converged(at, cursor wire.Cursor) {
	s.Cursor(cursor)
	s.mu.Lock()
	defer s.mu.Unlock()
	if cursor != at {
		s.report.violated(Liveness, "the cursor is at %v and not at %v", cursor, at)
	}
	s.sum.at(at, s)
}

// published is the checker of Published.
func (s *Stream) published(e wire.Event) {
	if s.ledger.unknown {
		if e.Seq == 0 || !s.filter.Takes(&e) {
			s.report.violated(Published, "event %d has no Seq, or is filtered out", e.Seq)
		}
		return
	}
	marks := s.ledger.marks(e.Epoch)
	if e.Seq == 0 || e.Seq > uint64(len(marks)) {
		s.report.violated(Published, "event %d of epoch %v, in which %d were published", e.Seq, e.Epoch, len(marks))
		return
	}
	got := Mark{JobID: e.JobID, Name: e.Name(), RunID: e.RunID, State: e.Data.Status.State, Severity: e.Severity(), Outcome: e.Outcome()}
	want := marks[e.Seq-1]
	if want.At = got.At; got != want {
		s.report.violated(Published, "event %d is %+v; %+v was published", e.Seq, got, want)
	}
	if !s.filter.Takes(&e) {
		s.report.violated(Published, "event %d, %v, is filtered out", e.Seq, &want)
	}
}

// order is the checker of Order.
type order struct {
	epoch    uuid.UUID
	last     uint64 // Seq of the last event that is not of a snapshot
	snapshot uint64 // highest Seq of the snapshot that is being delivered
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

// ends is the checker of Outcomes. It holds the outcomes of the runs that ended.
type ends map[uuid.UUID]wire.Outcome

func (ends ends) event(e wire.Event, report Report) {
	if was := ends[e.RunID]; was != 0 {
		report.violated(Outcomes, "event %d, %v, of a run that has ended with %v", e.Seq, e.Data.Status.State, was)
	}
	if outcome := e.Outcome(); e.EndsRun() != (outcome != 0) {
		report.violated(Outcomes, "event %d ends its run %v, with the outcome %v", e.Seq, e.EndsRun(), outcome)
	} else if outcome != 0 {
		ends[e.RunID] = outcome
	}
}

// ended is the checker of Ended.
type ended struct {
	epoch  uuid.UUID   // of the last event
	cursor wire.Cursor // the last that was checked
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
		s.report.violated(Ended, "the cursor is at %d, which has not been published", c.Seq)
	}
	d.cursor = c
}
