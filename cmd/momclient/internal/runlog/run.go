// Package runlog keeps the history of runs: a line for each run that has ended, in
// a file that survives restarts of the monitor and of the server, and in memory
// the part of it that the page shows. Packages alert and web, and the command, use
// it.
//
// # The file
//
// Each line is a [Run] as JSON. A run has one line, however often its end is
// delivered, because [Log.Add] ignores a run that has one. The exception is a run
// that was lost: if its end is seen after all, a second line replaces the first.
// Add writes the line, and [Log.Sync] syncs it to the disk. If a line is cut off,
// for example by a power failure, readers skip it, and the next run begins on a new
// line.
//
// If events were missed, a line is a [Gap] instead, because runs that both began and
// ended among them have no line.
//
// A file that has reached [MaxFile] bytes is renamed to FILE.1, in place of an
// older FILE.1, so that both together have at least the last MaxFile bytes.
//
// # Bounds
//
// See the constants. In memory, runs that moved nothing are folded: consecutive
// runs of a job that ended alike take one place, with their count.
package runlog

import (
	"cmp"
	"fmt"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient/jobs"
	"mom.internal/wire"
	"mom.internal/wire/duplex"
)

// Run is a run that has ended or is lost. The JSON names are part of the contract
// of the momclient command. Fields that are 0 are left out, because most runs of a
// server that mirrors all the time have moved nothing.
type Run struct {
	Server         string       `json:"server"` // its name
	JobID          uuid.UUID    `json:"jobID"`
	Job            string       `json:"job"` // name of the job; "" if no event had it
	RunID          uuid.UUID    `json:"runID"`
	Epoch          uuid.UUID    `json:"epoch"`
	Started        time.Time    `json:"started,omitzero"`  // zero if the beginning was not seen
	Ended          time.Time    `json:"ended"`             // for a lost run, the time of its last change
	Outcome        wire.Outcome `json:"outcome,omitempty"` // how the run ended; zero if it is lost
	Lost           jobs.Loss    `json:"lost,omitempty"`    // why its end was not seen
	DryRun         bool         `json:"dryRun,omitempty"`
	Packages       int          `json:"packages,omitempty"` // number of packages that were imported
	PackagesFailed int          `json:"packagesFailed,omitempty"`
	Files          int          `json:"files,omitempty"` // of imported packages
	Bytes          int64        `json:"bytes,omitempty"` // bytes that arrived
	FilesSkipped   int          `json:"filesSkipped,omitempty"`
	FilesDeleted   int          `json:"filesDeleted,omitempty"`
	FilesChecked   int          `json:"filesChecked,omitempty"`
	Retries        int          `json:"retries,omitempty"`
	Warnings       int          `json:"warnings,omitempty"`
	Errors         int          `json:"errors,omitempty"`
	Error          *Error       `json:"error,omitempty"` // the first one of the run; nil if there was none
}

// Error is the first error of a run.
type Error struct {
	Package int    `json:"package,omitempty"` // number of the package that ended because of this error
	Item    string `json:"item,omitempty"`    // the file or page that the error is about
	Message string `json:"message"`
}

func (e *Error) String() string {
	if e.Item == "" {
		return e.Message
	}
	return e.Item + ": " + e.Message
}

// Gap is a place in the history where events were missed.
type Gap struct {
	Server string    `json:"server"`
	Time   time.Time `json:"time"` // when the monitor noticed, by its clock
	Epoch  uuid.UUID `json:"epoch"`
	Seq    uint64    `json:"seq"`    // of the first event after the gap, which may be an old one of a snapshot
	Missed uint64    `json:"missed"` // number of events
}

// id identifies the gap, so that it gets one line, however often the event after it is
// delivered.
func (g *Gap) id() uuid.UUID {
	return uuid.NewSHA1(g.Epoch, fmt.Appendf(nil, "%d after %d", g.Seq, g.Missed))
}

// NewRun returns a run of the server that has just ended or been lost. first is the
// first error of the run, or nil if there was none.
func NewRun(server string, r *jobs.Run, first *Error) Run {
	p := &r.Progress
	return Run{
		Server: server, JobID: r.JobID, Job: r.Name, RunID: r.ID, Epoch: r.Epoch,
		Started: r.Started, Ended: cmp.Or(r.Ended, r.LastChange), Outcome: r.Outcome, Lost: r.Lost, DryRun: r.DryRun,
		Packages: p.PackagesDone, PackagesFailed: p.PackagesFailed, Files: p.FilesDone, Bytes: p.BytesDone,
		FilesSkipped: p.FilesSkipped, FilesDeleted: p.FilesDeleted, FilesChecked: p.FilesChecked,
		Retries: p.Retries, Warnings: p.Warnings, Errors: p.Errors, Error: first,
	}
}

// FirstError returns the first error that e reports, or nil if e reports none.
func FirstError(e *wire.Event) *Error {
	s := &e.Data.Status
	var found *Error
	for i := range s.Log {
		if s.Log[i].Severity >= wire.SeverityError {
			found = &Error{Item: duplex.Clip(s.Log[i].Item, jobs.MaxText), Message: duplex.Clip(s.Log[i].Message, jobs.MaxText)}
			break
		}
	}
	if !s.State.IsError() || e.Outcome() == wire.Cancelled {
		return found
	}
	if found == nil {
		found = &Error{Message: s.State.String()}
	}
	if e.Data.Header != nil {
		found.Package = e.Data.Header.Number
	}
	return found
}

// Succeeded reports whether the run ended with the outcome Succeeded.
func (r *Run) Succeeded() bool { return r.Outcome == wire.Succeeded }

// Failed reports whether somebody should look at the run, because it failed,
// succeeded with errors, or is lost. A run that was cancelled did not fail.
func (r *Run) Failed() bool { return r.Outcome != wire.Succeeded && r.Outcome != wire.Cancelled }

// Idle reports whether the run succeeded and had nothing to do.
func (r *Run) Idle() bool { return r.Succeeded() && !r.Moved() }

// Moved reports whether the run changed anything at the destination. Bytes that
// arrived for a package that was not imported change nothing.
func (r *Run) Moved() bool {
	return !r.DryRun && (r.Packages > 0 || r.Files > 0 || r.FilesDeleted > 0 || r.Succeeded() && r.Bytes > 0)
}

// folds reports whether the run and the run before it of the same job are folded
// into one line, because neither has moved anything and they ended alike.
func (r *Run) folds(before *Run) bool {
	return !r.Moved() && !before.Moved() && r.Outcome == before.Outcome && r.Lost == before.Lost && r.DryRun == before.DryRun && r.Why() == before.Why()
}

// Name returns the name of the job, or its ID if it has none.
func (r *Run) Name() string {
	if r.Job == "" {
		return r.JobID.String()
	}
	return r.Job
}

// Took returns how long the run took, or 0 if that is unknown.
func (r *Run) Took() time.Duration {
	if r.Started.IsZero() {
		return 0
	}
	return max(0, r.Ended.Sub(r.Started))
}

// Why says in a few words why the run failed, or "" if it did not.
func (r *Run) Why() string {
	switch {
	case !r.Failed():
		return ""
	case r.Lost != "":
		return map[jobs.Loss]string{
			jobs.LostInGap: "its end was among missed events", jobs.LostByRestart: "the server was restarted", jobs.Forgotten: "too many runs were unfinished at once",
		}[r.Lost]
	case r.Error != nil:
		return r.Error.String()
	}
	return ""
}
