package invariant

import (
	"slices"

	"github.com/google/uuid"

	"mom.internal/wire"
)

// gaps is the checker of Gaps, except for the count: a gap is followed by exactly
// the snapshot of the place where the stream continues.
type gaps struct {
	epoch    uuid.UUID
	owed     bool     // a snapshot must follow, after a gap or at the beginning
	snapshot []uint64 // the Seqs that have been delivered of it
}

func (g *gaps) event(e wire.Event, s *Stream) {
	if e.Missed > 0 || e.Epoch != g.epoch {
		*g = gaps{epoch: e.Epoch, owed: e.Missed > 0 || g.epoch == uuid.Nil && g.owed} // the rest of an earlier snapshot may be left out
	}
	if e.Snapshot {
		if n := len(g.snapshot); n > 0 && e.Seq <= g.snapshot[n-1] {
			g.snapshot = nil // the snapshot begins again
		}
		g.owed = true
		g.snapshot = append(g.snapshot, e.Seq)
		return
	}
	if g.owed && !s.ledger.unknown {
		g.check(e, s)
	}
	*g = gaps{epoch: e.Epoch}
}

// check compares the snapshot with the one that was due before e. If events may
// have been filtered out, the snapshot may belong to an earlier place.
func (g *gaps) check(e wire.Event, s *Stream) {
	first := e.Seq
	if !s.filter.IsZero() {
		first = 1
		if n := len(g.snapshot); n > 0 {
			first = g.snapshot[n-1] + 1
		}
	}
	for next := e.Seq; next >= first; next-- {
		if slices.Equal(g.snapshot, s.ledger.snapshot(e.Epoch, next, &s.filter)) {
			return
		}
	}
	s.report.violated(Gaps, "before event %d came the snapshot %v; the one of that place is %v",
		e.Seq, g.snapshot, s.ledger.snapshot(e.Epoch, e.Seq, &s.filter))
}
