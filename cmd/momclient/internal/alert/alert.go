// Package alert decides which messages somebody should get: that a job failed, that
// it recovered, and so on. A [Decider] takes the runs that have ended, the state of
// the connection and the time. It sends nothing; packages outbox and notify do.
//
// # What counts
//
// A run counts as a failure of its job if it ended with the outcome Failed or
// SucceededWithErrors, or with an outcome that this version does not have, or if
// its end was not seen. The job recovers with the next run that succeeds. A run
// that was cancelled changes nothing, and neither does a dry run.
//
// # Folding
//
// The first failure is reported at once. Further failures are counted, and the
// count is reported once per [FoldTime]. A job that fails and recovers in turn gets
// at most [MaxChanges] messages per FoldTime. Changes beyond that get no message of
// their own. The next message reports the state that the job has when the message
// may be sent. Completed runs of a job are reported at most once per
// [CompletedTime], with their count.
//
// A dead man's switch gets alerts of kinds of its own, one for each run, as soon as
// possible. They are not folded here. Package sink decides which of them need not be
// sent if they have to wait.
//
// # IDs
//
// The ID of an alert follows from its kind, its job, and the run or the time that
// it is about. So two monitors that see the same runs give the same IDs.
package alert

import (
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"mom.internal/cmd/momclient/internal/output"
	"mom.internal/cmd/momclient/internal/runlog"
	"mom.internal/wire"
)

// Kind is what an alert is about.
type Kind string

// The kinds. The last three are for a dead man's switch only.
const (
	Failed    Kind = "failed"    // a run failed or succeeded with errors
	Recovered Kind = "recovered" // a run succeeded again, or the server answers again
	Completed Kind = "completed" // a run succeeded
	Stale     Kind = "stale"     // no run has succeeded for the time of Rules.Stale
	Stalled   Kind = "stalled"   // a run has not changed for the time of Rules.Stalled
	Lost      Kind = "lost"      // the end of a run was not seen, or the server is away
	Started   Kind = "started"   // a run has begun
	Succeeded Kind = "succeeded" // a run succeeded
	Broken    Kind = "broken"    // a run failed, succeeded with errors, or its end was not seen
)

// Kinds returns the kinds that a user can choose.
func Kinds() []Kind { return []Kind{Failed, Recovered, Completed, Stale, Stalled, Lost} }

// Alert is a message. The JSON names are part of the contract of the momclient
// command. An Alert without a JobID and a Job is about the server.
type Alert struct {
	ID     uuid.UUID   `json:"id"`
	Kind   Kind        `json:"kind"`
	Time   time.Time   `json:"time"`   // when the monitor decided, by its clock
	Server string      `json:"server"` // its name; "" if a job was seen on none of several servers
	JobID  uuid.UUID   `json:"jobID,omitzero"`
	Job    string      `json:"job,omitempty"`
	RunID  uuid.UUID   `json:"runID,omitzero"`   // zero for stale, and for one about the server
	Text   string      `json:"text"`             // all of it in one line, for people
	Why    string      `json:"why,omitempty"`    // failed, lost
	Since  time.Time   `json:"since,omitzero"`   // the time of the first failure; of the last success, for stale and for recovered from stale; of the last change, for stalled; or the time at which the server went away
	Count  int         `json:"count,omitempty"`  // number of runs that this message stands for; 0 for one run. For Recovered, the runs that failed before
	Run    *runlog.Run `json:"run,omitempty"`    // the run that has ended, as in the history
	Missed int         `json:"missed,omitempty"` // earlier messages to the same receiver that were dropped, because too many waited
}

// space is the name space of the IDs.
var space = uuid.MustParse("5f0f3a8e-6a0c-4d0e-9d6b-0c1f2a1f7c55")

// newID returns the ID of an alert. what names the run or the time that the alert
// is about.
func newID(kind Kind, server string, job uuid.UUID, what string) uuid.UUID {
	return uuid.NewSHA1(space, []byte(strings.Join([]string{string(kind), server, job.String(), what}, "\x00")))
}

// AboutServer reports whether the alert is about the server, and not about a job.
func (a *Alert) AboutServer() bool { return a.JobID == uuid.Nil && a.Job == "" }

// name returns the name of the job, or of the server, for a text.
func (a *Alert) name() string {
	switch {
	case a.AboutServer():
		return output.Clean(a.Server)
	case a.Job == "":
		return a.JobID.String()
	}
	return output.Clean(a.Job)
}

// describe sets the Text. times is the number of runs that have failed since
// a.Since; for Stale, it is 1 if a success was seen. again reports whether a
// message about an earlier failure was sent.
func (a *Alert) describe(times int, again bool) {
	name, why := a.name(), ""
	if a.Why != "" {
		why = ": " + output.Clean(a.Why)
	}
	since := a.Since.UTC().Format("2006-01-02 15:04 MST")
	switch {
	case a.AboutServer() && a.Kind == Lost:
		a.Text = fmt.Sprintf("%s has been away since %s%s", name, since, why)
	case a.AboutServer():
		a.Text = fmt.Sprintf("%s answers again; it was away since %s", name, since)
	case again && (a.Kind == Failed || a.Kind == Lost):
		a.Text = fmt.Sprintf("%s goes on failing: %s more since the last message, %d since %s%s", name, output.Plural(uint64(a.Count), "run"), times, since, why)
	case (a.Kind == Failed || a.Kind == Broken) && a.Run.Outcome == wire.SucceededWithErrors:
		a.Text = fmt.Sprintf("%s succeeded with errors%s", name, why)
	case a.Kind == Failed, a.Kind == Broken && a.Run.Lost == "":
		a.Text = fmt.Sprintf("%s failed%s", name, why)
	case a.Kind == Lost, a.Kind == Broken:
		a.Text = fmt.Sprintf("%s: the end of a run was not seen%s", name, why)
	case a.Kind == Recovered && times > 0:
		a.Text = fmt.Sprintf("%s succeeded again, after %s without success since %s", name, output.Plural(uint64(times), "run"), since)
	case a.Kind == Recovered && !a.Since.IsZero():
		a.Text = fmt.Sprintf("%s succeeded, for the first time since %s", name, since)
	case a.Kind == Recovered:
		a.Text = name + " succeeded again"
	case a.Kind == Completed && a.Count > 1:
		a.Text = fmt.Sprintf("%s succeeded %d times since the last message; the last time %s", name, a.Count, moved(a.Run))
	case a.Kind == Completed, a.Kind == Succeeded:
		a.Text = fmt.Sprintf("%s succeeded: %s", name, moved(a.Run))
	case a.Kind == Started:
		a.Text = name + " has begun a run"
	case a.Kind == Stale && times > 0: // a success was seen
		a.Text = fmt.Sprintf("%s has not succeeded since %s", name, since)
	case a.Kind == Stale:
		a.Text = fmt.Sprintf("%s has not succeeded since the monitor first waited for it, %s", name, since)
	case a.Kind == Stalled:
		a.Text = fmt.Sprintf("%s: a run has not changed since %s", name, since)
	}
	if !a.AboutServer() && a.Server != "" {
		a.Text += " (" + output.Clean(a.Server) + ")"
	}
}

func moved(r *runlog.Run) string {
	if !r.Moved() {
		return "there was nothing to move"
	}
	text := output.Plural(uint64(r.Files), "file") + ", " + output.Size(r.Bytes)
	if r.FilesDeleted > 0 {
		text += fmt.Sprintf(", %d deleted", r.FilesDeleted)
	}
	if took := r.Took(); took > 0 {
		text += " in " + output.Took(took)
	}
	return text
}
