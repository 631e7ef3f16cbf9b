package main

import (
	"sync"

	"github.com/google/uuid"

	"mom.internal/wire"
)

// ending knows when the watched runs have ended, and how: those unfinished in
// the snapshot, and those that began since. Its see is called by one
// goroutine; the questions may come from others.
type ending struct {
	ids   map[uuid.UUID]bool // of -job: whether a run of it was seen to end
	names map[string]bool

	mu     sync.Mutex // guards the fields below
	epoch  uuid.UUID
	open   map[uuid.UUID]bool // unfinished runs; true for one that a gap has made unsure
	ended  int
	failed int // of ended: failed, or completed with errors
	lost   int // runs whose end was not seen
}

func newEnding(f *wire.Filter) *ending {
	n := &ending{ids: make(map[uuid.UUID]bool), names: make(map[string]bool), open: make(map[uuid.UUID]bool)}
	for _, id := range f.Jobs {
		n.ids[id] = false
	}
	for _, name := range f.Names {
		n.names[name] = false
	}
	return n
}

// see takes an event and reports whether all is over: when the end of a run
// was not seen and never will be; with -job, when each job has had a run end and
// none of them is unfinished.
func (n *ending) see(e *wire.Event) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.epoch != uuid.Nil && e.Epoch != n.epoch {
		n.lost += len(n.open)
		clear(n.open)
	}
	n.epoch = e.Epoch
	if e.Missed > 0 {
		for run := range n.open {
			n.open[run] = true // whether it still runs is told by the snapshot
		}
	}
	if !e.Snapshot {
		for run, unsure := range n.open {
			if unsure && run != e.RunID {
				n.lost++
				delete(n.open, run)
			}
		}
	}
	switch {
	case !n.watches(e):
	case e.EndsRun():
		n.end(e)
	default:
		n.open[e.RunID] = false
	}
	return n.lost > 0 || n.named() && n.allNamed() && len(n.open) == 0
}

// end counts a run's end. mu is held.
func (n *ending) end(e *wire.Event) {
	delete(n.open, e.RunID)
	n.ended++
	if e.Data.Status.State != wire.JobCompleted || e.CompletedWithErrors() {
		n.failed++
	}
	if _, ok := n.ids[e.JobID]; ok {
		n.ids[e.JobID] = true
	}
	if _, ok := n.names[e.Name()]; ok {
		n.names[e.Name()] = true
	}
}

// watches reports whether e is of a watched job. Those of others tell of gaps.
func (n *ending) watches(e *wire.Event) bool {
	_, byID := n.ids[e.JobID]
	_, byName := n.names[e.Name()]
	return byID || byName || !n.named()
}

// named reports whether -job was given.
func (n *ending) named() bool { return len(n.ids)+len(n.names) > 0 }

func (n *ending) allNamed() bool {
	for _, ended := range n.ids {
		if !ended {
			return false
		}
	}
	for _, ended := range n.names {
		if !ended {
			return false
		}
	}
	return true
}

// unfinishedBefore reports whether runs of another epoch are unfinished, of
// all that was seen so far.
func (n *ending) unfinishedBefore(epoch uuid.UUID) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.open) > 0 && n.epoch != epoch
}

// pausing reports whether, without -job, runs have ended and none is
// unfinished: over, unless another begins.
func (n *ending) pausing() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return !n.named() && n.ended > 0 && len(n.open) == 0
}
