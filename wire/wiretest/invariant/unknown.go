package invariant

import (
	"slices"

	"github.com/google/uuid"

	"mom.internal/wire"
)

// Unknown returns a ledger for servers of which the test does not know what
// they publish, as those in other processes: their epochs begin when they are
// first seen, and of their events only the Seqs are known. Then order, repeats,
// older epochs, and what lies between two events are looked at all the same,
// where no filter leaves any out; the events' content, the snapshots, and how
// many events an older epoch had are not.
func Unknown() *Ledger { return &Ledger{unknown: true} }

// unknownMany is more events than anybody counts, and twice that is a number.
const unknownMany = 1 << 62

// unknownWanted is wanted where nothing is known.
func unknownWanted(after, to uint64, f *wire.Filter) uint64 {
	if !f.IsZero() {
		return 0
	}
	return to - after
}

// meet takes in an epoch that is seen for the first time. mu is held.
func (l *Ledger) meet(epoch uuid.UUID) {
	known := func(l life) bool { return l.epoch == epoch }
	if l.unknown && epoch != uuid.Nil && !slices.ContainsFunc(l.lives, known) {
		l.lives = append(l.lives, life{epoch: epoch})
	}
}
