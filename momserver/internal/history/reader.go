package history

import (
	"bytes"
	"slices"

	"github.com/google/uuid"

	"mom.internal/wire"
	"mom.internal/wire/protocol"
)

// Reader holds which events a subscriber takes, and which definitions it has
// been sent. The zero Reader takes every event.
type Reader struct {
	States   uint16        // a bit for each state that it takes; zero for all
	Severity wire.Severity // the least that it takes

	wants *JobSet // the jobs of its filter; nil for all
	sees  *JobSet // the jobs that it may see; nil for all
	sent  protocol.SentDefs
}

// NewReader returns a reader of the events that the filter takes, of the jobs
// that it may see; nil for all jobs.
func NewReader(f *wire.Filter, sees *JobSet) Reader {
	r := Reader{sees: sees, Severity: f.Severity}
	if len(f.Jobs)+len(f.Names) > 0 {
		r.wants = NewJobSet(f.Jobs, f.Names)
	}
	for _, s := range f.States {
		r.States |= 1 << s
	}
	return r
}

// Jobs returns the jobs that the reader names, or else those that it may see; nil
// if it takes events of every job. It takes no event of a job outside the set.
func (r *Reader) Jobs() *JobSet {
	if r.wants != nil {
		return r.wants
	}
	return r.sees
}

// TakesAll reports whether the reader takes every event.
func (r *Reader) TakesAll() bool {
	return r.wants == nil && r.sees == nil && r.States == 0 && r.Severity == 0
}

// Takes reports whether the reader takes an event, which def completes.
func (r *Reader) Takes(def *protocol.Definition, state wire.State, severity wire.Severity) bool {
	return severity >= r.Severity && (r.States == 0 || r.States&(1<<state) != 0) && r.wants.Has(def) && r.sees.Has(def)
}

// JobSet is a set of jobs, some by their IDs and some by their names. A nil
// *JobSet holds all jobs.
type JobSet struct {
	IDs   []uuid.UUID // sorted, as Names are
	Names []string
}

// NewJobSet returns a set. It keeps neither slice.
func NewJobSet(ids []uuid.UUID, names []string) *JobSet {
	set := &JobSet{slices.Clone(ids), slices.Clone(names)}
	slices.SortFunc(set.IDs, compareIDs)
	slices.Sort(set.Names)
	set.IDs, set.Names = slices.Compact(set.IDs), slices.Compact(set.Names)
	return set
}

// Has reports whether the set holds the job of the events that def completes.
func (set *JobSet) Has(def *protocol.Definition) bool {
	if set == nil {
		return true
	}
	_, ok := slices.BinarySearchFunc(set.IDs, def.JobID(), compareIDs)
	if !ok {
		_, ok = slices.BinarySearch(set.Names, def.Name())
	}
	return ok
}

func compareIDs(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }
