package completion

import (
	"github.com/google/uuid"

	"mom.internal/wire"
)

// watchedRuns follows the runs that -exit-when-done waits for. A watched run is
// a run, with -job of a named job, that begins before a run of its job has
// ended. Further runs do not count. So the command ends although a server
// always runs something, and the exit code does not depend on how far the next
// run has got.
type watchedRuns struct {
	ids   map[uuid.UUID]bool // of -job; true if a run of the job was seen to end
	names map[string]bool

	epoch  uuid.UUID
	open   map[uuid.UUID]bool // unfinished watched runs; true if the run may have ended in a gap
	done   map[uuid.UUID]bool // jobs of which a run was seen to end
	failed bool               // a watched run failed or completed with errors
	lost   bool               // the end of a watched run was not seen, and never will be
}

func newWatchedRuns(f *wire.Filter) watchedRuns {
	w := watchedRuns{
		ids: make(map[uuid.UUID]bool), names: make(map[string]bool),
		open: make(map[uuid.UUID]bool), done: make(map[uuid.UUID]bool),
	}
	for _, id := range f.Jobs {
		w.ids[id] = false
	}
	for _, name := range f.Names {
		w.names[name] = false
	}
	return w
}

// see follows an event, and reports whether it is of a watched run.
func (w *watchedRuns) see(e *wire.Event) bool {
	if w.epoch != uuid.Nil && e.Epoch != w.epoch && len(w.open) > 0 {
		w.lost = true
		clear(w.open)
	}
	w.epoch = e.Epoch
	if e.Missed > 0 {
		for run := range w.open {
			w.open[run] = true // the snapshot shows whether it still runs
		}
	}
	if !e.Snapshot {
		for run, unsure := range w.open {
			if unsure && run != e.RunID {
				w.lost = true
				delete(w.open, run)
			}
		}
	}
	if w.named() && !w.isNamed(e) {
		return false // only the gap of this event matters
	}
	_, open := w.open[e.RunID]
	watched := open || !w.done[e.JobID]
	switch {
	case !watched:
	case e.EndsRun():
		w.end(e)
	default:
		w.open[e.RunID] = false
	}
	return watched
}

// end records the end of a watched run.
func (w *watchedRuns) end(e *wire.Event) {
	delete(w.open, e.RunID)
	w.done[e.JobID] = true
	if e.Outcome() != wire.Succeeded {
		w.failed = true
	}
	if _, ok := w.ids[e.JobID]; ok {
		w.ids[e.JobID] = true
	}
	if _, ok := w.names[e.Name()]; ok {
		w.names[e.Name()] = true
	}
}

// named reports whether -job was given.
func (w *watchedRuns) named() bool { return len(w.ids)+len(w.names) > 0 }

func (w *watchedRuns) isNamed(e *wire.Event) bool {
	_, byID := w.ids[e.JobID]
	_, byName := w.names[e.Name()]
	return byID || byName
}

// over reports, with -job, whether a run of each named job has ended, and no
// watched run is unfinished.
func (w *watchedRuns) over() bool {
	for _, ended := range w.ids {
		if !ended {
			return false
		}
	}
	for _, ended := range w.names {
		if !ended {
			return false
		}
	}
	return w.named() && len(w.open) == 0
}

// pausing reports, without -job, whether runs have ended and no watched run is
// unfinished. The command then ends unless another job appears.
func (w *watchedRuns) pausing() bool { return !w.named() && len(w.done) > 0 && len(w.open) == 0 }

// unfinishedBefore reports whether watched runs of another epoch are unfinished.
func (w *watchedRuns) unfinishedBefore(epoch uuid.UUID) bool {
	return len(w.open) > 0 && w.epoch != epoch
}
