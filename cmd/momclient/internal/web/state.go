package web

import (
	"strconv"

	"github.com/google/uuid"

	"mom.internal/cmd/momclient/internal/runlog"
	"mom.internal/momclient/jobs"
	"mom.internal/wire"
)

// Limits of a page.
const (
	maxInFlight = 5   // packages of a job in the overview
	maxLog      = 300 // log entries of each severity on a job's page
)

// overview fills the state of the page of all jobs.
func (s *Server) overview(state map[string]any) {
	v := s.board.View()
	state["build"] = build
	state["connection"] = v.Connection
	state["forgotten"] = v.Forgotten
	state["receivers"] = s.receivers()
	order := make([]uuid.UUID, 0, len(v.Jobs))
	has := make(map[uuid.UUID]bool, len(v.Jobs))
	for i := range v.Jobs {
		j := &v.Jobs[i]
		order = append(order, j.ID)
		has[j.ID] = true
		state["job/"+j.ID.String()] = brief(j)
	}
	state["order"] = append(order, s.putHistory(state, has, &v.Counts)...)
	state["counts"] = v.Counts
	putLog(state, v.Problems, jobs.MaxProblems)
}

// brief returns the job without the fields that the overview does not show.
func brief(j *jobs.Job) *jobs.Job {
	r := &j.Run
	if over := len(r.InFlight) - maxInFlight; over > 0 {
		r.MoreInFlight += over
		r.InFlight = r.InFlight[:maxInFlight]
	}
	for i := range r.InFlight {
		r.InFlight[i].Steps = nil
	}
	return j
}

// jobState returns a function that fills the state of the page of a job with
// the run, or with the last run if run is zero.
func (s *Server) jobState(job, run uuid.UUID) func(map[string]any) {
	return func(state map[string]any) {
		state["build"] = build
		state["connection"] = s.board.Connection()
		s.putRuns(state, job)
		j, ok := s.board.Job(job)
		past, inHistory := s.runs.Job(runlog.Key{Server: s.server, Job: job})
		if inHistory {
			state["past"] = past.Summary
		}
		state["found"] = ok || inHistory
		if !ok {
			state["name"] = past.Name
			return
		}
		state["name"] = j.Name
		state["forgotten"] = j.Forgotten
		order := make([]uuid.UUID, 0, len(j.Runs))
		for i := range j.Runs {
			r := &j.Runs[i]
			r.InFlight = nil // the page has all packages of the run
			order = append(order, r.ID)
			state["run/"+r.ID.String()] = r
		}
		state["runs"] = order
		if run == uuid.Nil {
			s.runState(state, job, j.Run.ID)
		} else {
			s.runState(state, job, run)
		}
	}
}

// runState adds one run of the job to the state.
func (s *Server) runState(state map[string]any, job, run uuid.UUID) {
	d, ok := s.board.Run(run)
	if !ok || d.JobID != job {
		return
	}
	state["shown"] = run
	order := make([]int, 0, len(d.Packages))
	for i := range d.Packages {
		p := &d.Packages[i]
		order = append(order, p.Number)
		state["package/"+strconv.Itoa(p.Number)] = p
	}
	state["packages"] = order
	state["packagesForgotten"] = d.PackagesForgotten
	state["throughput"] = d.Throughput
	putLog(state, d.Log, maxLog)
}

// putLog adds the newest entries, at most n of each severity.
func putLog(state map[string]any, entries []jobs.LogEntry, n int) {
	var of [wire.SeverityError + 1]int
	left := 0
	for i := range entries {
		e := &entries[i]
		severity := min(max(e.Severity, wire.SeverityProcessing), wire.SeverityError)
		if of[severity]++; of[severity] > n {
			left++
			continue
		}
		state["log/"+strconv.FormatUint(e.Number, 10)] = fixed{e}
	}
	state["logForgotten"] = left
}
