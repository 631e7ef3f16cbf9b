package runlog

import (
	"cmp"
	"slices"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient/jobs"
	"mom.internal/wire"
)

// The bounds of what a Log has in memory.
const (
	MaxJobs  = 4000 // twenty servers with their jobs; see jobs.MaxJobs
	MaxLines = 50   // of a job
	MaxTrend = 20   // points of a job's trend
)

// Key names a job of a server.
type Key struct {
	Server string
	Job    uuid.UUID
}

// Line is a line of a list of runs. It is one run, or several consecutive runs of a
// job that moved nothing and ended alike. Run is then the last of them.
type Line struct {
	Run
	Count int       `json:"count,omitempty"` // number of runs that moved nothing; 0 for one that moved something
	Since time.Time `json:"since,omitzero"`  // when the first of them ended
}

// newLine returns the line of a run.
func newLine(r *Run) Line {
	if r.Moved() {
		return Line{Run: *r}
	}
	return Line{Run: *r, Count: 1, Since: r.Ended}
}

// fold adds a run to the line if the two are folded, and reports whether they are.
func (l *Line) fold(r *Run) bool {
	if !r.folds(&l.Run) {
		return false
	}
	l.Run = *r
	l.Count++
	return true
}

// Point is a run in the trend of a job.
type Point struct {
	RunID   uuid.UUID `json:"runID"`
	Ended   time.Time `json:"ended"`
	Seconds float64   `json:"seconds"` // how long the run took; 0 if that is unknown
	Bytes   int64     `json:"bytes"`
	Failed  bool      `json:"failed,omitempty"`
}

// Summary has what people ask first about a job. Dry runs do not count in it.
type Summary struct {
	LastSuccess time.Time `json:"lastSuccess,omitzero"` // the end of the last run that succeeded
	LastChange  time.Time `json:"lastChange,omitzero"`  // the end of the last run that moved or deleted something
	ChangeBytes int64     `json:"changeBytes,omitempty"`
	ChangeFiles int       `json:"changeFiles,omitempty"` // files moved and deleted by that run
	LastFailure *Run      `json:"lastFailure,omitempty"` // the last run that failed, had errors, or was lost
	Why         string    `json:"why,omitempty"`         // of the last failure
	Failures    int       `json:"failures,omitempty"`    // number of consecutive failures of this kind
	Idle        int       `json:"idle,omitempty"`        // number of idle runs since any other run
	Trend       []Point   `json:"trend"`                 // the last runs that were not idle, the last one at the end; folded failures are one point
}

// Totals are figures of all runs of a job that the Log has seen, in the files too.
// Dry runs do not count in them.
type Totals struct {
	First  time.Time                  // beginning of the first run, or its end if the beginning is unknown
	Last   *Run                       // nil for none
	Ended  [wire.Cancelled + 1]uint64 // runs by outcome; at 0, those that were lost
	Bytes  uint64                     // of the runs whose end was seen, like the numbers below
	Files  uint64
	Errors uint64
}

func (t *Totals) add(r *Run) {
	if r.DryRun {
		return
	}
	if t.First.IsZero() {
		t.First = cmp.Or(r.Started, r.Ended)
	}
	last := *r
	t.Last = &last
	if r.Lost != "" {
		t.Ended[0]++
		return
	}
	outcome := r.Outcome
	if !outcome.Valid() {
		outcome = wire.Failed
	}
	t.Ended[outcome]++
	t.Bytes += uint64(max(0, r.Bytes))
	t.Files += uint64(max(0, r.Files))
	t.Errors += uint64(max(0, r.Errors))
}

// job is what a Log has of a job.
type job struct {
	key     Key
	name    string
	lines   []Line // the last one at the end
	forgot  int    // number of runs in lines that were forgotten
	sum     Summary
	totals  Totals
	version uint64 // of the Log at the last change
}

// add adds a run that is later than the others.
func (j *job) add(r *Run) {
	if r.Job != "" {
		j.name = r.Job
	}
	if n := len(j.lines); n == 0 || !j.lines[n-1].fold(r) {
		if n == MaxLines {
			j.forgot += max(1, j.lines[0].Count)
			j.lines = slices.Delete(j.lines, 0, 1)
		}
		j.lines = append(j.lines, newLine(r))
	}
	j.sum.add(r)
	j.totals.add(r)
}

// replace replaces the line of a lost run, whose end was seen after all.
func (j *job) replace(r *Run) {
	for i := range j.lines {
		if j.lines[i].RunID == r.RunID && j.lines[i].Count <= 1 {
			j.lines[i] = newLine(r)
		}
	}
	if f := j.sum.LastFailure; f != nil && f.RunID == r.RunID {
		j.sum.LastFailure, j.sum.Why, j.sum.Failures = nil, "", 0
	}
	trend := slices.Clone(j.sum.Trend) // because copies of the Summary share the last one
	j.sum.Trend = slices.DeleteFunc(trend, func(p Point) bool { return p.RunID == r.RunID })
	j.sum.add(r)
	j.totals.add(r) // the loss stays counted as well, because counters must not fall
}

// Trouble says why a job needs attention: "failed", "lost" or "errors", or "" if it
// does not. r is the last run of the job. While the job runs again, and after a run that
// was cancelled, the run before that counts. s may be nil.
func (s *Summary) Trouble(r *jobs.Run) string {
	lost, outcome := r.Lost != "", r.Outcome
	if r.Running || outcome == wire.Cancelled {
		if s == nil || s.LastFailure == nil || s.LastSuccess.After(s.LastFailure.Ended) {
			return ""
		}
		lost, outcome = s.LastFailure.Lost != "", s.LastFailure.Outcome
	}
	switch {
	case lost:
		return "lost"
	case outcome == wire.Succeeded:
		return ""
	case outcome == wire.SucceededWithErrors:
		return "errors"
	}
	return "failed"
}

func (s *Summary) add(r *Run) {
	if r.DryRun {
		return
	}
	if r.Succeeded() && r.Ended.After(s.LastSuccess) {
		s.LastSuccess = r.Ended
	}
	if r.Moved() && r.Ended.After(s.LastChange) {
		s.LastChange, s.ChangeBytes, s.ChangeFiles = r.Ended, r.Bytes, r.Files+r.FilesDeleted
	}
	again := false
	if r.Failed() {
		again = s.Idle == 0 && s.LastFailure != nil && len(s.Trend) > 0 && s.Trend[len(s.Trend)-1].RunID == s.LastFailure.RunID && r.folds(s.LastFailure)
		failed := *r
		s.LastFailure, s.Why = &failed, r.Why()
		if s.Failures++; !again {
			s.Failures = 1
		}
	}
	if r.Idle() {
		s.Idle++
		return
	}
	s.Idle = 0
	if again {
		s.Trend = s.Trend[:len(s.Trend)-1]
	} else if len(s.Trend) == MaxTrend {
		s.Trend = s.Trend[1:]
	}
	// A new array each time, because copies of the Summary share the last one.
	s.Trend = append(s.Trend[:len(s.Trend):len(s.Trend)], Point{RunID: r.RunID, Ended: r.Ended, Seconds: r.Took().Seconds(), Bytes: r.Bytes, Failed: r.Failed()})
}
