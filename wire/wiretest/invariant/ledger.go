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

// Mark is what is known of a published event.
type Mark struct {
	JobID    uuid.UUID
	Name     string // of the job
	RunID    uuid.UUID
	State    wire.State
	Severity wire.Severity
	Final    bool
	At       time.Time // when it was published
}

func (m *Mark) String() string { return fmt.Sprintf("%v of %s", m.State, m.Name) }

func (m *Mark) matches(f *wire.Filter) bool {
	return f.Match(m.JobID, m.Name, m.State, m.Severity)
}

// Ledger is what was published: each server's events in the order of their
// Seq. Its zero value is empty.
type Ledger struct {
	unknown bool // see Unknown

	mu    sync.Mutex // guards all below
	lives []life     // in the order of their beginning
}

type life struct {
	epoch uuid.UUID
	marks []Mark // of Seq 1, and so on
}

// Begin takes in a new server.
func (l *Ledger) Begin(epoch uuid.UUID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lives = append(l.lives, life{epoch: epoch})
}

// Publish takes in the latest server's next event, and returns its Seq.
func (l *Ledger) Publish(m Mark) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := &l.lives[len(l.lives)-1]
	now.marks = append(now.marks, m)
	return uint64(len(now.marks))
}

// Refused takes back the latest event, because the server did not take it.
func (l *Ledger) Refused() {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := &l.lives[len(l.lives)-1]
	now.marks = now.marks[:len(now.marks)-1]
}

// Head returns the Seq of an epoch's newest event.
func (l *Ledger) Head(epoch uuid.UUID) uint64 {
	if l.unknown {
		return unknownMany
	}
	return uint64(len(l.marks(epoch)))
}

// Latest returns the place after the newest event of all.
func (l *Ledger) Latest() wire.Cursor {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lives) == 0 {
		return wire.Cursor{}
	}
	now := &l.lives[len(l.lives)-1]
	return wire.Cursor{Epoch: now.epoch, Seq: uint64(len(now.marks))}
}

// age returns which server an epoch is of: 0 for none, 1 for the first.
func (l *Ledger) age(epoch uuid.UUID) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.meet(epoch)
	return 1 + slices.IndexFunc(l.lives, func(l life) bool { return l.epoch == epoch })
}

// marks returns an epoch's events; what stands in it does not change.
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

// between counts the events after the place that are of epochs before the one.
func (l *Ledger) between(c wire.Cursor, epoch uuid.UUID) uint64 {
	from, to := l.age(c.Epoch), l.age(epoch) // which is not older
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

// wanted counts the events after the place after up to and with to that the
// filter takes.
func (l *Ledger) wanted(epoch uuid.UUID, after, to uint64, f *wire.Filter) (n uint64) {
	if l.unknown {
		return unknownWanted(after, to, f)
	}
	marks := l.marks(epoch)
	for seq := after + 1; seq <= min(to, uint64(len(marks))); seq++ {
		if marks[seq-1].matches(f) {
			n++
		}
	}
	return n
}

// snapshot returns the Seqs of the latest events of the runs that are
// unfinished just before next, of those that the filter takes.
func (l *Ledger) snapshot(epoch uuid.UUID, next uint64, f *wire.Filter) []uint64 {
	marks := l.marks(epoch)
	latest := make(map[uuid.UUID]uint64)
	for seq := uint64(1); seq < min(next, uint64(len(marks))+1); seq++ {
		if m := &marks[seq-1]; m.Final {
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

// At returns when the event before the place was published.
func (l *Ledger) At(c wire.Cursor) time.Time {
	if marks := l.marks(c.Epoch); c.Seq > 0 && c.Seq <= uint64(len(marks)) {
		return marks[c.Seq-1].At
	}
	return time.Time{}
}
