package jobs

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"mom.internal/wire"
	"mom.internal/wire/duplex"
)

// Watch follows the runs that a program waits for, from the changes of a [Tracker].
// A watched run is a run that begins before a run of its job has ended, of one of
// the named jobs or, if none is named, of any job. Further runs do not count. So a
// program ends although a server always runs something, and the result does not
// depend on how far the next run has got.
//
// A Watch is for one goroutine at a time. Make it with [NewWatch].
type Watch struct {
	names  []string        // of jobs, or their IDs
	seen   map[string]bool // of names: true if a run of the job has ended
	done   map[uuid.UUID]bool
	sealed bool

	open  map[uuid.UUID]*Run // watched runs that are unfinished
	lost  map[uuid.UUID]*Run // watched runs that are lost
	ended []Run
}

// NewWatch returns a Watch for runs of these jobs, each given by its name or its ID.
// Without jobs it watches the runs of all.
func NewWatch(jobs ...string) *Watch {
	w := &Watch{
		seen: make(map[string]bool), done: make(map[uuid.UUID]bool),
		open: make(map[uuid.UUID]*Run), lost: make(map[uuid.UUID]*Run),
	}
	for _, name := range jobs {
		w.names = append(w.names, duplex.Clip(name, MaxText)) // as in a Run
	}
	return w
}

// Add adds changes. It reports whether a watched run has begun, has ended, is lost
// or is found.
func (w *Watch) Add(changes []Change) (affected bool) {
	for i := range changes {
		affected = w.add(changes[i].Kind, &changes[i].Run) || affected
	}
	return affected
}

func (w *Watch) add(kind ChangeKind, r *Run) bool {
	watched := w.open[r.ID] != nil || w.lost[r.ID] != nil
	if !watched && (kind != RunStarted || w.sealed || w.done[r.JobID] || !w.takes(r)) {
		return false
	}
	delete(w.open, r.ID)
	delete(w.lost, r.ID)
	switch kind {
	case RunStarted, RunFound:
		w.open[r.ID] = r
	case RunLost:
		w.lost[r.ID] = r
	case RunEnded:
		w.done[r.JobID] = true
		w.seen[r.JobID.String()], w.seen[r.Name] = true, true
		w.ended = append(w.ended, *r)
	}
	return true
}

func (w *Watch) takes(r *Run) bool {
	return len(w.names) == 0 || slices.Contains(w.names, r.Name) || slices.Contains(w.names, r.JobID.String())
}

// Seal makes the runs that are unfinished now, and those that have ended, the only
// watched ones.
func (w *Watch) Seal() { w.sealed = true }

// Done reports whether no watched run is unfinished or lost and, with named jobs,
// a run of each has ended.
func (w *Watch) Done() bool { return len(w.open) == 0 && len(w.lost) == 0 && len(w.unseen()) == 0 }

// unseen returns the named jobs of which no run has ended.
func (w *Watch) unseen() []string {
	return slices.DeleteFunc(slices.Clone(w.names), func(name string) bool { return w.seen[name] })
}

// Runs returns the watched runs that have ended, in the order of their ends, and
// behind them the lost ones.
func (w *Watch) Runs() []Run {
	return append(slices.Clip(w.ended), sorted(w.lost)...)
}

// sorted returns the runs in the order in which they began.
func sorted(runs map[uuid.UUID]*Run) []Run {
	list := make([]Run, 0, len(runs))
	for _, r := range runs {
		list = append(list, *r)
	}
	slices.SortFunc(list, func(a, b Run) int { return cmp.Or(a.Started.Compare(b.Started), cmp.Compare(a.Seq, b.Seq)) })
	return list
}

// Succeeded reports whether all watched runs that have ended did so with the
// outcome Succeeded.
func (w *Watch) Succeeded() bool {
	return !slices.ContainsFunc(w.ended, func(r Run) bool { return r.Outcome != wire.Succeeded })
}

// Err returns an error with the code [wire.Lost] if a watched run is lost.
func (w *Watch) Err() error {
	if len(w.lost) == 0 {
		return nil
	}
	first := sorted(w.lost)[0]
	why := map[Loss]string{
		LostInGap: "it was among missed events", LostByRestart: "the server was restarted", Forgotten: "too many runs were unfinished at once",
	}[first.Lost]
	return wire.Errorf(wire.Lost, "the end of a run of %s was not seen: %s", first.label(), why)
}

// String says what is missing until Done, with a few of the jobs.
func (w *Watch) String() string {
	begun := make(map[string]bool)
	var end, begin []string
	for _, r := range sorted(w.open) {
		begun[r.Name], begun[r.JobID.String()] = true, true
		end = append(end, r.label())
	}
	for _, name := range w.unseen() {
		if !begun[name] {
			begin = append(begin, strconv.Quote(name))
		}
	}
	var parts []string
	if len(end) > 0 {
		parts = append(parts, "a run of "+some(end)+" to end")
	}
	if len(begin) > 0 {
		parts = append(parts, "a run of "+some(begin)+" to begin")
	}
	return strings.Join(parts, " and ")
}

// some lists a few values.
func some(list []string) string {
	if n := len(list) - 5; n > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(list[:5], ", "), n)
	}
	return strings.Join(list, ", ")
}

func (r *Run) label() string {
	if r.Name == "" {
		return r.JobID.String()
	}
	return strconv.Quote(r.Name)
}
