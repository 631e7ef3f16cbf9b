package runlog

import (
	"slices"
	"time"

	"github.com/google/uuid"
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

// Line is a run as a list shows it: a run, or several idle ones of one job that
// followed each other. Run is then the last of them.
type Line struct {
	Run
	Count int       `json:"count,omitempty"` // number of idle runs; 0 for any other run
	Since time.Time `json:"since,omitzero"`  // when the first of the idle runs ended
}

// Point is a run in the trend of a job.
type Point struct {
	RunID   uuid.UUID `json:"runID"`
	Ended   time.Time `json:"ended"`
	Seconds float64   `json:"seconds"` // that the run took; 0 if that is unknown
	Bytes   int64     `json:"bytes"`
	Failed  bool      `json:"failed,omitempty"`
}

// Summary answers what people ask of a job first. Dry runs do not count in it.
type Summary struct {
	LastSuccess time.Time `json:"lastSuccess,omitzero"` // the end of the last run that succeeded
	LastChange  time.Time `json:"lastChange,omitzero"`  // the end of the last run that moved or deleted something
	ChangeBytes int64     `json:"changeBytes,omitempty"`
	ChangeFiles int       `json:"changeFiles,omitempty"` // files moved and deleted by that run
	LastFailure *Run      `json:"lastFailure,omitempty"` // the last run that failed, had errors, or was lost
	Why         string    `json:"why,omitempty"`         // of the last failure
	Idle        int       `json:"idle,omitempty"`        // number of idle runs since any other run
	Trend       []Point   `json:"trend"`                 // of the last runs that were not idle, the last one at the end
}

// job is what a Log has of a job.
type job struct {
	key     Key
	name    string
	lines   []Line // the last one at the end
	forgot  int    // number of runs in lines that were forgotten
	sum     Summary
	version uint64 // of the Log at the last change
}

// add adds a run that is later than the others.
func (j *job) add(r *Run) {
	if r.Job != "" {
		j.name = r.Job
	}
	if n := len(j.lines); r.Idle() && n > 0 && j.lines[n-1].Count > 0 && j.lines[n-1].DryRun == r.DryRun {
		last := &j.lines[n-1]
		last.Run, last.Count = *r, last.Count+1
	} else {
		line := Line{Run: *r}
		if r.Idle() {
			line.Count, line.Since = 1, r.Ended
		}
		if n == MaxLines {
			j.forgot += max(1, j.lines[0].Count)
			j.lines = append(j.lines[:0], j.lines[1:]...)
		}
		j.lines = append(j.lines, line)
	}
	j.sum.add(r)
}

// replace puts the run in the place of its line, which says that it was lost.
func (j *job) replace(r *Run) {
	for i := range j.lines {
		if j.lines[i].RunID == r.RunID && j.lines[i].Count == 0 {
			j.lines[i].Run = *r
		}
	}
	if f := j.sum.LastFailure; f != nil && f.RunID == r.RunID {
		j.sum.LastFailure, j.sum.Why = nil, ""
	}
	trend := slices.Clone(j.sum.Trend) // because copies of the Summary share the last one
	j.sum.Trend = slices.DeleteFunc(trend, func(p Point) bool { return p.RunID == r.RunID })
	j.sum.add(r)
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
	if r.Failed() {
		failed := *r
		s.LastFailure, s.Why = &failed, r.Why()
	}
	if r.Idle() {
		s.Idle++
		return
	}
	s.Idle = 0
	if len(s.Trend) == MaxTrend {
		s.Trend = s.Trend[1:]
	}
	// A new array each time, because copies of the Summary share the last one.
	s.Trend = append(s.Trend[:len(s.Trend):len(s.Trend)], Point{RunID: r.RunID, Ended: r.Ended, Seconds: r.Took().Seconds(), Bytes: r.Bytes, Failed: r.Failed()})
}
