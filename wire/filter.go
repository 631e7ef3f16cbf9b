package wire

import (
	"fmt"
	"slices"

	"github.com/google/uuid"
)

// Filter selects the events that a subscriber gets: those that match each of its
// parts. An empty part matches every event, and so does the zero Filter. Events
// that are filtered out still move the subscriber's cursor. They do not count as
// missed unless they have left the cache.
type Filter struct {
	Jobs     []uuid.UUID // IDs of jobs; a job matches if Jobs or Names holds it
	Names    []string    // exact names of jobs
	States   []State
	Outcomes []Outcome // only the last events of runs that ended so
	Severity Severity  // this severity and higher ones
}

// MaxFilterItems bounds each list of a Filter.
const MaxFilterItems = 1024

// IsZero reports whether f matches every event.
func (f *Filter) IsZero() bool {
	return len(f.Jobs) == 0 && len(f.Names) == 0 && len(f.States) == 0 && len(f.Outcomes) == 0 && f.Severity == 0
}

// Check returns a [BadRequest] error if f exceeds its bounds, or holds a state, an
// outcome or a severity that does not exist.
func (f *Filter) Check() error {
	for _, part := range []struct {
		name string
		n    int
	}{{"jobs", len(f.Jobs)}, {"names", len(f.Names)}, {"states", len(f.States)}, {"outcomes", len(f.Outcomes)}} {
		if part.n > MaxFilterItems {
			return Errorf(BadRequest, "a filter for %d %s; at most %d", part.n, part.name, MaxFilterItems)
		}
	}
	for _, s := range f.States {
		if !s.Valid() {
			return Errorf(BadRequest, "a filter for %v, which is not a state", s)
		}
	}
	for _, o := range f.Outcomes {
		if !o.Valid() {
			return Errorf(BadRequest, "a filter for %v, which is not an outcome", o)
		}
	}
	if f.Severity > SeverityError {
		return Errorf(BadRequest, "a filter for %v, which is not a severity", f.Severity)
	}
	return nil
}

// Match reports whether f selects an event with these properties.
func (f *Filter) Match(job uuid.UUID, name string, state State, severity Severity, outcome Outcome) bool {
	if len(f.Jobs)+len(f.Names) > 0 && !slices.Contains(f.Jobs, job) && !slices.Contains(f.Names, name) {
		return false
	}
	if len(f.States) > 0 && !slices.Contains(f.States, state) {
		return false
	}
	if len(f.Outcomes) > 0 && !slices.Contains(f.Outcomes, outcome) {
		return false
	}
	return severity >= f.Severity
}

// Takes reports whether f selects e.
func (f *Filter) Takes(e *Event) bool {
	return f.Match(e.JobID, e.Name(), e.Data.Status.State, e.Severity(), e.Outcome())
}

// String describes f for logs.
func (f *Filter) String() string {
	if f.IsZero() {
		return "all events"
	}
	return fmt.Sprintf("%d jobs, %d names, %d states, %d outcomes, severity %q and up", len(f.Jobs), len(f.Names), len(f.States), len(f.Outcomes), f.Severity)
}
