package web

import (
	"net/http"
	"time"

	"github.com/google/uuid"

	"mom.internal/cmd/momclient/internal/runlog"
	"mom.internal/momclient/jobs"
	"mom.internal/wire"
)

// runOf returns a run of the history as the state of a run.
func runOf(r *runlog.Run) jobs.Run {
	fraction := 0.0
	if r.Succeeded() {
		fraction = 1
	}
	return jobs.Run{
		JobID: r.JobID, Name: r.Job, ID: r.RunID, Epoch: r.Epoch, Outcome: r.Outcome, Lost: r.Lost, Started: r.Started, LastChange: r.Ended, Ended: r.Ended, DryRun: r.DryRun,
		Known: r.Succeeded(), Fraction: fraction, InFlight: []jobs.Package{},
		Progress: wire.Progress{
			PackagesDone: r.Packages, PackagesFailed: r.PackagesFailed, FilesDone: r.Files, BytesDone: r.Bytes,
			FilesSkipped: r.FilesSkipped, FilesDeleted: r.FilesDeleted, FilesChecked: r.FilesChecked, Retries: r.Retries, Warnings: r.Warnings, Errors: r.Errors,
		},
	}
}

// putRuns adds the runs of a job as the history has them: folded, the last one
// first.
func (s *Server) putRuns(state map[string]any, k topicKey) {
	lines, forgotten := s.runs.Lines(runlog.Key{Server: s.boards[k.server].Name(), Job: k.job})
	if lines == nil {
		lines = []runlog.Line{}
	}
	state["lines"] = lines
	state["linesForgotten"] = forgotten
}

// runsAnswer is the answer to /api/runs.
type runsAnswer struct {
	Jobs []jobHistory `json:"jobs"` // the job whose last run ended last is the first
}

type jobHistory struct {
	Server    string         `json:"server"`
	JobID     uuid.UUID      `json:"jobID"`
	Job       string         `json:"job"`
	Summary   runlog.Summary `json:"summary"`
	Runs      []runlog.Line  `json:"runs"` // the last one first; folded
	Forgotten int            `json:"forgotten"`
}

// serveRuns answers /api/runs?server=NAME&job=NAME|ID&since=TIME.
func (s *Server) serveRuns(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	var from time.Time
	if text := query.Get("since"); text != "" {
		since, err := time.ParseDuration(text)
		if err != nil || since <= 0 {
			writeError(w, http.StatusBadRequest, "since: want a time over 0, as 24h")
			return
		}
		from = time.Now().Add(-since)
	}
	answer := runsAnswer{Jobs: []jobHistory{}}
	for _, v := range s.runs.Jobs() {
		if job := query.Get("job"); job != "" && job != v.Name && job != v.Key.Job.String() || query.Has("server") && query.Get("server") != v.Key.Server {
			continue
		}
		lines, forgotten := s.runs.Lines(v.Key)
		kept := []runlog.Line{}
		for _, l := range lines {
			if !l.Ended.Before(from) {
				kept = append(kept, l)
			}
		}
		if len(kept) > 0 {
			answer.Jobs = append(answer.Jobs, jobHistory{v.Key.Server, v.Key.Job, v.Name, v.Summary, kept, forgotten})
		}
	}
	if len(answer.Jobs) == 0 && query.Get("job") != "" && from.IsZero() {
		writeError(w, http.StatusNotFound, `no run of the job "`+query.Get("job")+`" is known`)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

// serveReceivers answers /api/notify.
func (s *Server) serveReceivers(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, struct {
		Receivers any `json:"receivers"`
	}{s.receivers()})
}
