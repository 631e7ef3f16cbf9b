package invariant

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"mom.internal/wire"
)

// Mark is what the ledger records of a published event.
type Mark struct {
	JobID    uuid.UUID
	Name     string // of the job
	RunID    uuid.UUID
	State    wire.State
	Severity wire.Severity
	Outcome  wire.Outcome // zero unless the event ended its run
	At       time.Time    // when it was published
}

func (m *Mark) String() string { return fmt.Sprintf("%v of %s", m.State, m.Name) }

func (m *Mark) matches(f *wire.Filter) bool {
	return f.Match(m.JobID, m.Name, m.State, m.Severity, m.Outcome)
}

// Ledger records what was published: the events of each server in the order of Seq.
// The zero value is empty.
type Ledger struct {
	unknown bool // set by Unknown

	mu    sync.Mutex // guards all below
	lives []life     // the oldest first
}

// life is what one server published before it ended or was restarted.
type life struct {
	epoch uuid.UUID
	marks []Mark // of the events from Seq 1
}

// Begin records that a new server has begun.
func (l *Ledger) Begin(epoch uuid.UUID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lives = append(l.lives, life{epoch: epoch})
}

// Publish records the next event of the latest server, and returns its Seq.
func (l *Ledger) Publish(m Mark) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := &l.lives[len(l.lives)-1]
	now.marks = append(now.marks, m)
	return uint64(len(now.marks))
}

// Refused removes the latest event, because the server refused it.
func (l *Ledger) Refused() {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := &l.lives[len(l.lives)-1]
	now.marks = now.marks[:len(now.marks)-1]
}

// Head returns the Seq of the newest event of the epoch.
func (l *Ledger) Head(epoch uuid.UUID) uint64 {
	if l.unknown {
		return unknownMany
	}
	return uint64(len(l.marks(epoch)))
}

// Latest returns the cursor after the newest event of all.
func (l *Ledger) Latest() wire.Cursor {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lives) == 0 {
		return wire.Cursor{}
	}
	now := &l.lives[len(l.lives)-1]
	return wire.Cursor{Epoch: now.epoch, Seq: uint64(len(now.marks))}
}

// age returns the number of the epoch's server: 1 for the first, 0 for none.
func (l *Ledger) age(epoch uuid.UUID) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.meet(epoch)
	return 1 + slices.IndexFunc(l.lives, func(l life) bool { return l.epoch == epoch })
}

// marks returns the events of the epoch. Its elements do not change.
func (l *Ledger) marks(epoch uuid.UUID) []Mark {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, life := range l.lives {
		if life.epoch == epoch {
			return life.marks
		}
	}
	return nil
}

// between counts the events after c that belong to epochs before epoch.
func (l *Ledger) between(c wire.Cursor, epoch uuid.UUID) uint64 {
	from, to := l.age(c.Epoch), l.age(epoch) // to is not older
	if l.unknown {
		return unknownMany
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	n := -c.Seq // may wrap, and wraps back
	for _, life := range l.lives[max(0, from-1):max(0, to-1)] {
		n += uint64(len(life.marks))
	}
	return n
}

// wanted counts the events from after+1 to to that the filter takes.
func (l *Ledger) wanted(epoch uuid.UUID, after, to uint64, f *wire.Filter) (n uint64) {
	switch {
	case l.unknown && f.IsZero():
		return to - after
	case l.unknown:
		return 0
	}
	marks := l.marks(epoch)
	for seq := after + 1; seq <= min(to, uint64(len(marks))); seq++ {
		if marks[seq-1].matches(f) {
			n++
		}
	}
	return n
}

// snapshot returns the Seqs of a snapshot just before next: the latest event of each
// unfinished run, if the filter takes it.
func (l *Ledger) snapshot(epoch uuid.UUID, next uint64, f *wire.Filter) []uint64 {
	marks := l.marks(epoch)
	latest := make(map[uuid.UUID]uint64)
	for seq := uint64(1); seq < min(next, uint64(len(marks))+1); seq++ {
		if m := &marks[seq-1]; m.Outcome != 0 {
			delete(latest, m.RunID)
		} else {
			latest[m.RunID] = seq
		}
	}
	var seqs []uint64
	for _, seq := range latest {
		if marks[seq-1].matches(f) {
			seqs = append(seqs, seq)
		}
	}
	slices.SortFunc(seqs, cmp.Compare)
	return seqs
}

// At returns when the event just before c was published.
func (l *Ledger) At(c wire.Cursor) time.Time {
	if marks := l.marks(c.Epoch); c.Seq > 0 && c.Seq <= uint64(len(marks)) {
		return marks[c.Seq-1].At
	}
	return time.Time{}
}
