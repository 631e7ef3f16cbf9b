package history

import (
	"bytes"
	"slices"

	"github.com/google/uuid"

	"mom.internal/wire"
	"mom.internal/wire/protocol"
)

// Class is what a filter selects events by, besides their jobs.
type Class struct {
	State    wire.State
	Severity wire.Severity
	Outcome  wire.Outcome // zero if the event does not end its run
}

// Classes is the set of classes that a filter selects. The zero Classes holds all.
type Classes struct {
	states   uint16 // the bit 1<<state for each state; 0 for all
	outcomes uint8  // the bit 1<<outcome for each outcome; 0 for all, and for none
	severity wire.Severity
}

// Has reports whether the set holds c.
func (set Classes) Has(c Class) bool {
	return c.Severity >= set.severity && (set.states == 0 || set.states&(1<<c.State) != 0) && (set.outcomes == 0 || set.outcomes&(1<<c.Outcome) != 0)
}

// Reader holds which events a subscriber takes, and which definitions it has
// been sent. The zero Reader takes every event.
type Reader struct {
	Classes Classes // that it takes

	wanted  *JobSet // the jobs of its filter; nil for all
	visible *JobSet // the jobs that it may see; nil for all
	sent    protocol.SentDefs
}

// NewReader returns a reader of the events that the filter takes, of the visible
// jobs; nil for all jobs. The reader keeps the lists of the filter, and sorts them.
func NewReader(f *wire.Filter, visible *JobSet) Reader {
	r := Reader{visible: visible, Classes: Classes{severity: f.Severity}}
	if len(f.Jobs)+len(f.Names) > 0 {
		r.wanted = NewJobSet(f.Jobs, f.Names)
	}
	for _, s := range f.States {
		r.Classes.states |= 1 << s
	}
	for _, o := range f.Outcomes {
		r.Classes.outcomes |= 1 << o
	}
	return r
}

// SetDefinitions sets how many definitions the client of the subscriber keeps.
func (r *Reader) SetDefinitions(b protocol.DefinitionBounds) { r.sent = protocol.NewSentDefs(b) }

// Jobs returns a set outside of which the reader takes no event: the jobs of
// its filter if that names some, or else the visible jobs. It returns nil if
// the reader takes events of every job.
func (r *Reader) Jobs() *JobSet {
	if r.wanted != nil {
		return r.wanted
	}
	return r.visible
}

// TakesAll reports whether the reader takes every event.
func (r *Reader) TakesAll() bool {
	return r.wanted == nil && r.visible == nil && r.Classes == Classes{}
}

// Takes reports whether the reader takes an event that def completes.
func (r *Reader) Takes(def *protocol.Definition, c Class) bool {
	return r.Classes.Has(c) && r.wanted.Has(def) && r.visible.Has(def)
}

// JobSet is a set of jobs, some by their IDs and some by their names. A nil
// *JobSet holds all jobs.
type JobSet struct {
	IDs   []uuid.UUID // sorted, as Names are
	Names []string
}

// NewJobSet returns a set of ids and names. It keeps the two slices, and sorts them.
func NewJobSet(ids []uuid.UUID, names []string) *JobSet {
	SortIDs(ids)
	slices.Sort(names)
	return &JobSet{slices.Compact(ids), slices.Compact(names)}
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

// SortIDs sorts the IDs of jobs, as a JobSet does.
func SortIDs(ids []uuid.UUID) { slices.SortFunc(ids, compareIDs) }

func compareIDs(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }
