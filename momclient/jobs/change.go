package jobs

// Change is something that an event, a status of the connection or time has
// changed in the state of the jobs.
type Change struct {
	Kind   ChangeKind `json:"kind"`
	Run    Run        `json:"run,omitzero"`     // just after the change; zero for Gap and ServerRestarted
	Missed uint64     `json:"missed,omitempty"` // Gap: the number of events that will never come
}

// ChangeKind is what has changed.
type ChangeKind string

// The kinds of changes. For each run, RunStarted comes first, and RunEnded last and
// once. In between, RunLost and RunFound may alternate.
const (
	RunStarted      ChangeKind = "runStarted"      // the first event of the run has come, which may be of a snapshot
	RunEnded        ChangeKind = "runEnded"        // Run.Outcome says how
	RunLost         ChangeKind = "runLost"         // Run.Lost says why
	RunFound        ChangeKind = "runFound"        // a lost run is running after all
	Gap             ChangeKind = "gap"             // events were missed
	ServerRestarted ChangeKind = "serverRestarted" // or another server has taken its place
)

// Loss is why the end of a run was not seen.
type Loss string

// The reasons. A tracker that has more unfinished runs than it has room for reports
// the oldest as lost, and has it no more: its next event makes it a new run.
const (
	LostInGap     Loss = "gap"       // the run has ended among events that were missed
	LostByRestart Loss = "restart"   // the server was restarted
	Forgotten     Loss = "forgotten" // the tracker had no room for the run
)

// change records a change. mu is held.
func (t *Tracker) change(c Change) { t.changes = append(t.changes, c) }

// takeChanges returns the changes that were not returned yet. Among them may be the
// loss of runs at a call of View, Job or Run, which return no changes. mu is held.
func (t *Tracker) takeChanges() []Change {
	changes := t.changes
	t.changes = nil
	return changes
}
