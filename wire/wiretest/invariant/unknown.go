package invariant

import (
	"slices"

	"github.com/google/uuid"
)

// Unknown returns a ledger for servers whose events the test does not know, such as
// those in other processes. An epoch begins when it is first seen. The order,
// repeats and older epochs are checked all the same, and so are the events between
// two events if there is no filter. The content of the events, the snapshots, and
// the number of events in an older epoch are not.
func Unknown() *Ledger { return &Ledger{unknown: true} }

// unknownMany is more than any number of events, and twice it fits in a uint64.
const unknownMany = 1 << 62

// meet records an epoch that is seen for the first time. mu is held.
func (l *Ledger) meet(epoch uuid.UUID) {
	known := func(l life) bool { return l.epoch == epoch }
	if l.unknown && epoch != uuid.Nil && !slices.ContainsFunc(l.lives, known) {
		l.lives = append(l.lives, life{epoch: epoch})
	}
}
