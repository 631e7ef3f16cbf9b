package screen

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"mom.internal/cmd/momclient/internal/output"
	"mom.internal/cmd/momclient/internal/runlog"
	"mom.internal/cmd/momclient/internal/width"
	"mom.internal/momclient/jobs"
	"mom.internal/wire"
)

// place identifies a job: the index of its server, and its ID.
type place struct {
	server int
	job    uuid.UUID
}

// entry is a job on the screen. It stays the same one while the job does.
type entry struct {
	place
	job    *jobs.Job // as the board has it, or made from the history
	past   runlog.Summary
	first  time.Time // when the first run began that the history has; zero if it has none
	turn   uint64    // of the list when the board last had the job; 0 if only the history has it
	name   string    // as shown
	cols   int       // of name
	words  string    // what the filter looks at, besides the state: in lower case
	class  class
	bad    string    // see runlog.Summary.Trouble
	since  time.Time // for failing classes, how the last run stood when the job came into the class
	value  int64     // for an order by value, when the order was made
	why    string    // the first error of the run, or why it is lost
	whyFor whyKey
}

// whyKey changes when a run may have another reason.
type whyKey struct {
	run    uuid.UUID
	errors int
	lost   jobs.Loss
	past   bool // the history has the run
}

// class is a group of jobs in the order by state.
type class int

const (
	classFailed class = iota
	classLost         // behind the failed ones, because a server that restarts loses all its runs
	classErrors       // ended with errors, or has errors while it runs
	classRunning
	classRest
)

// present returns the class of the job as it is now, without the delays of settle.
func (e *entry) present() class {
	r := &e.job.Run
	switch {
	case e.bad == "failed":
		return classFailed
	case e.bad == "lost":
		return classLost
	case e.bad != "" || r.Running && r.Progress.Errors > 0:
		return classErrors
	case r.Running:
		return classRunning
	}
	return classRest
}

// reason returns why the job failed or which error its run has met first, or "" if
// neither is the case.
func (e *entry) reason() string {
	if e.present() > classErrors {
		return ""
	}
	return e.why
}

// again reports whether the job still needs attention because of a run before its last
// one.
func (e *entry) again() bool {
	r := &e.job.Run
	return e.bad != "" && (r.Running || r.Outcome == wire.Cancelled)
}

// A job that fails or meets an error moves up at once. All other changes of class wait,
// so that the rows of jobs with short runs do not change places all the time.
const (
	promoteAfter = 3 * time.Second  // from the beginning of a run
	demoteAfter  = 10 * time.Second // from the end of a run
)

// settle returns the class of the job for the order.
func (e *entry) settle(now time.Time) class {
	r, was, is := &e.job.Run, e.class, e.present()
	ended := r.LastChange
	if e.job.IdleAt.After(ended) {
		ended = e.job.IdleAt
	}
	switch {
	case is < was && is < classRunning:
		return is
	case is == classRunning && now.Sub(cmp.Or(r.Started, r.LastChange)) < promoteAfter:
		return was
	case is > was && !r.Running && now.Sub(ended) < demoteAfter:
		return was
	}
	return is
}

// update gives the entry another state of its job, and reports whether the order may
// be different for that.
func (e *entry) update(j *jobs.Job, server string, now time.Time) (moved bool) {
	old := e.job
	e.job = j
	if old == nil || old.Name != j.Name || old.Run.DryRun != j.Run.DryRun || old.Run.SourcePath != j.Run.SourcePath || old.Run.DestinationPath != j.Run.DestinationPath {
		e.name = jobName(j)
		e.cols = width.String(e.name)
		e.words = strings.ToLower(strings.Join([]string{e.name, server, j.Run.SourcePath, j.Run.DestinationPath}, "\n"))
		moved = true
	}
	if r := &j.Run; old == nil || !r.Running && r.Outcome != wire.Cancelled {
		e.bad = e.past.Trouble(r)
	}
	if old == nil {
		e.class, e.since = e.present(), j.Run.LastChange
	}
	return e.rank(now) || moved
}

// rank changes the class of the entry if that is due, and reports whether it was.
func (e *entry) rank(now time.Time) bool {
	is := e.settle(now)
	if is == e.class {
		return false
	}
	e.class, e.since = is, e.job.Run.LastChange
	if e.again() && e.past.LastFailure != nil {
		e.since = e.past.LastFailure.Ended
	}
	return true
}

// remember gives the entry what the history has of its job, and reports whether the
// order may be different for that.
func (e *entry) remember(past runlog.Summary, now time.Time) bool {
	e.past = past
	if e.job == nil {
		return false
	}
	e.bad = e.past.Trouble(&e.job.Run)
	return e.rank(now)
}

// success returns when the job last succeeded, or the zero time if that is unknown.
func (e *entry) success() time.Time {
	last := e.past.LastSuccess
	if r := &e.job.Run; r.Outcome == wire.Succeeded && !r.DryRun && r.Ended.After(last) {
		last = r.Ended
	}
	if e.job.IdleAt.After(last) {
		last = e.job.IdleAt
	}
	return last
}

// staleTime is the time without a success after which a job is worth a look.
const staleTime = 24 * time.Hour

// stale reports whether the job has not succeeded for a day, as far as that is known.
func (e *entry) stale(now time.Time) bool {
	r := &e.job.Run
	return now.Sub(cmp.Or(e.success(), e.first, r.Started, r.LastChange)) > staleTime
}

// explain finds out why the job failed, or which errors its run has met. log returns
// the errors of the job, the newest first.
func (e *entry) explain(log func() []jobs.LogEntry) {
	if e.present() > classErrors {
		return
	}
	r, f := &e.job.Run, e.past.LastFailure
	past := f != nil && (f.RunID == r.ID && (f.Error != nil || f.Lost != "") || e.again())
	key := whyKey{r.ID, r.Progress.Errors, r.Lost, past}
	if e.again() {
		if !past { // what explained the run before stays
			return
		}
		key = whyKey{run: f.RunID, past: true}
	}
	if e.whyFor == key {
		return
	}
	e.whyFor, e.why = key, ""
	if past {
		e.why = reason(f)
		return
	}
	if r.Lost != "" {
		e.why = reason(&runlog.Run{Lost: r.Lost})
		return
	}
	for _, l := range log() {
		if l.RunID == r.ID {
			e.why = errorText(l.Package, l.Item, l.Message)
		}
	}
}

// reason returns why a run of the history failed.
func reason(r *runlog.Run) string {
	if r.Error != nil && r.Lost == "" {
		return errorText(r.Error.Package, r.Error.Item, r.Error.Message)
	}
	return output.Clean(r.Why())
}

// errorText has the message first, because the end is cut off first.
func errorText(pack int, item, message string) string {
	where := output.Clean(item)
	if pack > 0 {
		where = strings.TrimRight(fmt.Sprintf("#%d %s", pack, where), " ")
	}
	if where == "" {
		return output.Clean(message)
	}
	return output.Clean(message) + " (" + where + ")"
}

// pastJob returns a job that only the history has.
func pastJob(v *runlog.View) *jobs.Job {
	r := &v.Last
	fraction := 0.0
	if r.Succeeded() {
		fraction = 1
	}
	return &jobs.Job{ID: v.Key.Job, Name: v.Name, Run: jobs.Run{
		JobID: v.Key.Job, Name: v.Name, ID: r.RunID, Epoch: r.Epoch, Outcome: r.Outcome, Lost: r.Lost, DryRun: r.DryRun,
		Started: r.Started, LastChange: r.Ended, Ended: r.Ended, Known: r.Succeeded(), Fraction: fraction,
		Progress: wire.Progress{
			PackagesDone: r.Packages, PackagesFailed: r.PackagesFailed, FilesDone: r.Files, BytesDone: r.Bytes,
			FilesSkipped: r.FilesSkipped, FilesDeleted: r.FilesDeleted, FilesChecked: r.FilesChecked, Retries: r.Retries, Warnings: r.Warnings, Errors: r.Errors,
		},
	}}
}

// order is how the jobs are sorted.
type order int

const (
	byState order = iota
	byName
	bySuccess // the oldest first
	byLeft    // the longest first
	bySize    // the largest first
	orders
)

var orderNames = [orders]string{"state", "name", "last success", "time left", "size"}

// valueOf returns what the entry is sorted by, the least first, in an order by value.
func (o order) valueOf(e *entry) int64 {
	r := &e.job.Run
	switch o {
	case bySuccess:
		if t := e.success(); !t.IsZero() {
			return t.UnixNano()
		}
	case byLeft:
		return -r.TimeLeft
	case bySize:
		return -sizeOf(&r.Progress)
	}
	return 0
}

// sizeOf returns the bytes of a run: all of them, as far as they are known.
func sizeOf(p *wire.Progress) int64 { return max(p.BytesTotal, p.BytesDone, 0) }

// compare sorts entries.
func (o order) compare(a, b *entry) int {
	switch o {
	case byState:
		if c := cmp.Compare(a.class, b.class); c != 0 {
			return c
		}
		if a.class <= classErrors {
			if c := b.since.Compare(a.since); c != 0 { // what failed last comes first
				return c
			}
		}
	case bySuccess, byLeft, bySize:
		if c := cmp.Compare(a.value, b.value); c != 0 {
			return c
		}
	}
	return cmp.Or(strings.Compare(a.words, b.words), cmp.Compare(a.server, b.server), strings.Compare(a.job.ID.String(), b.job.ID.String()))
}
