package momserver

import (
	"bytes"
	"slices"

	"github.com/google/uuid"

	"mom.internal/wire"
	"mom.internal/wire/protocol"
)

// reader is what a subscriber takes, and which definitions it has been sent.
// The zero reader takes every event.
type reader struct {
	wants    *jobSet // the jobs of its filter; nil for all
	sees     *jobSet // the jobs that it may see; nil for all
	states   uint16  // a bit for each state that it takes; zero for all
	severity wire.Severity
	known    protocol.Known
}

func newReader(f *wire.Filter, sees *jobSet) reader {
	r := reader{sees: sees, severity: f.Severity}
	if len(f.Jobs)+len(f.Names) > 0 {
		r.wants = newJobSet(f.Jobs, f.Names)
	}
	for _, s := range f.States {
		r.states |= 1 << s
	}
	return r
}

// named returns the jobs that every event that the reader takes is of; nil if
// it takes events of every job.
func (r *reader) named() *jobSet {
	if r.wants != nil {
		return r.wants
	}
	return r.sees
}

// takesAll reports whether the reader takes every event.
func (r *reader) takesAll() bool {
	return r.wants == nil && r.sees == nil && r.states == 0 && r.severity == 0
}

// takes reports whether the reader takes an event, which def completes.
func (r *reader) takes(def *protocol.Definition, state wire.State, severity wire.Severity) bool {
	return severity >= r.severity && (r.states == 0 || r.states&(1<<state) != 0) && r.wants.has(def) && r.sees.has(def)
}

// jobSet is a set of jobs, some by their IDs and some by their names. A nil
// *jobSet holds all jobs.
type jobSet struct {
	ids   []uuid.UUID // sorted, as names are
	names []string
}

func newJobSet(ids []uuid.UUID, names []string) *jobSet {
	set := &jobSet{slices.Clone(ids), slices.Clone(names)}
	slices.SortFunc(set.ids, compareIDs)
	slices.Sort(set.names)
	set.ids, set.names = slices.Compact(set.ids), slices.Compact(set.names)
	return set
}

// has reports whether the set holds the job of the events that def completes.
func (set *jobSet) has(def *protocol.Definition) bool {
	if set == nil {
		return true
	}
	_, ok := slices.BinarySearchFunc(set.ids, def.JobID(), compareIDs)
	if !ok {
		_, ok = slices.BinarySearch(set.names, def.Name())
	}
	return ok
}

func compareIDs(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }
