package invariant

import (
	"slices"

	"github.com/google/uuid"

	"mom.internal/wire"
)

// gaps is the checker of Gaps, but for the count: what follows a gap is the
// snapshot of the place where the stream goes on, whole and nothing else.
type gaps struct {
	epoch    uuid.UUID
	owed     bool     // a gap was announced, or the stream begins
	snapshot []uint64 // what has come of it
}

func (g *gaps) event(e wire.Event, s *Stream) {
	if e.Missed > 0 || e.Epoch != g.epoch {
		*g = gaps{epoch: e.Epoch, owed: e.Missed > 0 || g.epoch == uuid.Nil && g.owed} // a snapshot that is overtaken is given up
	}
	if e.Snapshot {
		if n := len(g.snapshot); n > 0 && e.Seq <= g.snapshot[n-1] {
			g.snapshot = nil // it begins anew
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

// check compares the snapshot with what it should be. Where events may have
// been filtered out, the place that it belongs to may lie before the event.
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
	s.report.violated(Gaps, "before event %d came the snapshot %v; of that place it is %v",
		e.Seq, g.snapshot, s.ledger.snapshot(e.Epoch, e.Seq, &s.filter))
}
