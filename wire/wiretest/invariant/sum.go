package invariant

import (
	"github.com/google/uuid"

	"mom.internal/wire"
)

// sum is the checker of Sum, and of the count of a gap: between two events that were
// delivered, each published event was announced as missed or filtered out.
type sum struct {
	last    wire.Cursor // the cursor after the last event; zero before the first
	begunBy wire.Cursor // if last is zero, the stream has begun here or earlier
	missed  uint64      // events announced as missed since then
}

// connected records where a stream begins that has no cursor yet.
func (m *sum) connected(epoch uuid.UUID, s *Stream) {
	if m.last.IsZero() && m.begunBy.IsZero() {
		m.begunBy = wire.Cursor{Epoch: epoch, Seq: s.ledger.Head(epoch)}
	}
}

func (m *sum) event(e wire.Event, s *Stream) {
	m.missed += e.Missed
	if e.Snapshot || s.ledger.age(e.Epoch) < s.ledger.age(m.last.Epoch) {
		return
	}
	m.check(wire.Cursor{Epoch: e.Epoch, Seq: e.Seq - 1}, true, s)
	m.last, m.missed = e.Cursor(), 0
}

// at checks that no event before the cursor was lost silently. The cursor may lie
// before the last event.
func (m *sum) at(c wire.Cursor, s *Stream) {
	if s.ledger.age(c.Epoch) < s.ledger.age(m.last.Epoch) || c.Epoch == m.last.Epoch && c.Seq <= m.last.Seq {
		return
	}
	m.check(c, false, s)
}

// check checks the events between the last event and to. If exact is set, the gap
// that was announced must lie there as well.
func (m *sum) check(to wire.Cursor, exact bool, s *Stream) {
	after, ofOld := m.last.Seq, uint64(0)
	switch {
	case m.last.Epoch == to.Epoch:
	case !m.last.IsZero():
		// A new epoch begins at its first event. A gap at the end of the old epoch
		// is announced together with one at the beginning of the new epoch.
		after, ofOld = 0, s.ledger.between(m.last, to.Epoch)
	case m.begunBy.Epoch == to.Epoch:
		// The stream began there or earlier, perhaps in an older epoch.
		after = m.begunBy.Seq
		ofOld = after + s.ledger.between(wire.Cursor{}, to.Epoch)
	case m.begunBy.IsZero(), s.ledger.age(to.Epoch) < s.ledger.age(m.begunBy.Epoch):
		return // the stream begins where the server stood
	default:
		after, ofOld = 0, s.ledger.between(wire.Cursor{}, to.Epoch)
	}
	if to.Seq < after { // the stream began earlier
		return
	}
	wanted, all := s.ledger.wanted(to.Epoch, after, to.Seq, &s.filter), to.Seq-after
	if m.missed < wanted {
		s.report.violated(Sum, "between events %d and %d, %d were neither delivered nor filtered out, and %d were announced as missed", after, to.Seq+1, wanted, m.missed)
	}
	if exact && m.missed > all+ofOld {
		s.report.violated(Gaps, "between events %d and %d are %d events, and %d were announced as missed", after, to.Seq+1, all, m.missed)
	}
}
