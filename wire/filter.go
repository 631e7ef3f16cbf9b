package wire

import (
	"fmt"
	"slices"

	"github.com/google/uuid"
)

// Filter says which events a subscriber wants. Its parts must all hold; an
// empty part holds always, so that the zero Filter takes everything. What is
// filtered out still moves the subscriber's cursor and never counts as missed.
type Filter struct {
	Jobs     []uuid.UUID // these jobs, or those of Names
	Names    []string    // jobs of these names, to the letter
	States   []State
	Severity Severity // at least this; zero for all
}

// MaxFilterItems bounds each list of a Filter.
const MaxFilterItems = 1024

// IsZero reports whether f takes everything.
func (f *Filter) IsZero() bool {
	return len(f.Jobs) == 0 && len(f.Names) == 0 && len(f.States) == 0 && f.Severity == 0
}

// Check returns a [BadRequest] error if f is over its bounds, or names a state or
// a severity that does not exist.
func (f *Filter) Check() error {
	for _, part := range []struct {
		name string
		n    int
	}{{"jobs", len(f.Jobs)}, {"names", len(f.Names)}, {"states", len(f.States)}} {
		if part.n > MaxFilterItems {
			return Errorf(BadRequest, "a filter of %d %s; at most %d", part.n, part.name, MaxFilterItems)
		}
	}
	for _, s := range f.States {
		if !s.Valid() {
			return Errorf(BadRequest, "a filter for %v, which is no state", s)
		}
	}
	if f.Severity > SeverityError {
		return Errorf(BadRequest, "a filter for %v, which is no severity", f.Severity)
	}
	return nil
}

// Match reports whether f takes an event of these properties.
func (f *Filter) Match(job uuid.UUID, name string, state State, severity Severity) bool {
	if len(f.Jobs)+len(f.Names) > 0 && !slices.Contains(f.Jobs, job) && !slices.Contains(f.Names, name) {
		return false
	}
	if len(f.States) > 0 && !slices.Contains(f.States, state) {
		return false
	}
	return severity >= f.Severity
}

// Takes reports whether f takes e.
func (f *Filter) Takes(e *Event) bool {
	return f.Match(e.JobID, e.Name(), e.Data.Status.State, e.Severity())
}

// String says what f takes, for logs.
func (f *Filter) String() string {
	if f.IsZero() {
		return "all events"
	}
	return fmt.Sprintf("%d jobs, %d names, %d states, severity %q and up", len(f.Jobs), len(f.Names), len(f.States), f.Severity)
}
