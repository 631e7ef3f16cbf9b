package invariant

import (
	"github.com/google/uuid"

	"mom.internal/wire"
)

// sum is the checker of Sum, and of a gap's count: between two events that
// were delivered, those that were missed and those that were filtered out make
// up all that was published.
type sum struct {
	last    wire.Cursor // the place after the latest event; zero before the first
	begunBy wire.Cursor // where a stream without a place has begun at the latest
	missed  uint64      // announced since
}

// connected notes where a stream begins that has no place yet.
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

// at checks that a place takes for granted only what was told. It may lie
// before what was.
func (m *sum) at(c wire.Cursor, s *Stream) {
	if s.ledger.age(c.Epoch) < s.ledger.age(m.last.Epoch) || c.Epoch == m.last.Epoch && c.Seq <= m.last.Seq {
		return
	}
	m.check(c, false, s)
}

// check checks the events between the latest and a place. With exact the gap
// that was announced lies between the two, too.
func (m *sum) check(to wire.Cursor, exact bool, s *Stream) {
	after, ofOld := m.last.Seq, uint64(0)
	switch {
	case m.last.Epoch == to.Epoch:
	case !m.last.IsZero():
		// A new epoch begins at its first event. What was announced of the old
		// one, with no event to come after, is told together with the new.
		after, ofOld = 0, s.ledger.between(m.last, to.Epoch)
	case m.begunBy.Epoch == to.Epoch:
		// It began somewhere before that, perhaps in an older epoch.
		after = m.begunBy.Seq
		ofOld = after + s.ledger.between(wire.Cursor{}, to.Epoch)
	case m.begunBy.IsZero(), s.ledger.age(to.Epoch) < s.ledger.age(m.begunBy.Epoch):
		return // from where the server stood then
	default:
		after, ofOld = 0, s.ledger.between(wire.Cursor{}, to.Epoch)
	}
	if to.Seq < after { // a stream that began before
		return
	}
	wanted, all := s.ledger.wanted(to.Epoch, after, to.Seq, &s.filter), to.Seq-after
	if m.missed < wanted {
		s.report.violated(Sum, "between events %d and %d are %d that were neither delivered nor filtered out, and %d were announced", after, to.Seq+1, wanted, m.missed)
	}
	if exact && m.missed > all+ofOld {
		s.report.violated(Gaps, "between events %d and %d are %d, and %d were announced as missed", after, to.Seq+1, all, m.missed)
	}
}
