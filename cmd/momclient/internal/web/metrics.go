package web

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"mom.internal/cmd/momclient/internal/runlog"
	"mom.internal/momserver/debug/exposition"
	"mom.internal/wire"
)

// serveMetrics answers /metrics: the connections and the jobs, in the Prometheus text
// format. The figures of ended runs are those of the history.
func (s *Server) serveMetrics(w http.ResponseWriter, _ *http.Request) {
	var x exposition.Writer
	x.Family("momclient_connected", "gauge", "1 while events of the server come, else 0.")
	for _, b := range s.boards {
		connected := 0.0
		if b.Connection().Connected {
			connected = 1
		}
		x.Sample("momclient_connected", connected, "server", b.Name())
	}
	all := s.metricsOf()
	shown := all[:min(len(all), maxMetrics)]
	x.Jobs("momclient", shown, len(all)-len(shown))
	w.Header().Set("Content-Type", exposition.ContentType)
	w.Write(x.Bytes())
}

// maxMetrics bounds the jobs that have metrics: as many as the history has in memory,
// of all servers.
const maxMetrics = runlog.MaxJobs

// metricsOf returns the metrics of the jobs on the boards and of those that only an
// earlier monitor has seen, those that changed last first.
func (s *Server) metricsOf() []exposition.Job {
	past := s.runs.Jobs()
	all := make([]exposition.Job, 0, len(past))
	at := make(map[runlog.Key]int) // indices in all
	for i := range past {
		v := &past[i]
		at[v.Key] = len(all)
		all = append(all, pastJob(v))
	}
	// job returns the metrics of a job, which it adds if they are missing.
	job := func(key runlog.Key, name string, first time.Time) *exposition.Job {
		n, has := at[key]
		if !has {
			n = len(all)
			at[key] = n
			all = append(all, exposition.Job{Labels: labels(key, name), FirstChange: first, RunsEnded: ended(&runlog.Totals{})})
		}
		return &all[n]
	}
	shown := make(map[runlog.Key]bool)
	for _, board := range s.boards {
		onBoard := board.View().Jobs
		for i := range onBoard {
			b := &onBoard[i]
			key := runlog.Key{Server: board.Name(), Job: b.ID}
			shown[key] = true
			j := job(key, b.Name, cmp.Or(b.Run.Started, b.Run.LastChange))
			if j.LastChange = latest(j.LastChange, b.Run.LastChange, b.IdleAt); b.Run.Running {
				j.Running = 1
			}
		}
	}
	for i := range s.restored { // until the board or the history has more of the run
		r := &s.restored[i]
		key := runlog.Key{Server: r.Server, Job: r.JobID}
		if shown[key] || s.runs.Has(r.RunID) {
			continue
		}
		j := job(key, r.Job, cmp.Or(r.Started, s.began))
		j.Running, j.LastChange = 1, latest(j.LastChange, s.began) // the last change is not known
	}
	slices.SortStableFunc(all, func(a, b exposition.Job) int { return b.LastChange.Compare(a.LastChange) })
	return all
}

// pastJob returns the metrics of a job as the history has it.
func pastJob(v *runlog.View) exposition.Job {
	t := &v.Totals
	job := exposition.Job{
		Labels: labels(v.Key, v.Name), FirstChange: t.First, LastChange: v.Last.Ended, LastSuccess: v.Summary.LastSuccess,
		RunsEnded: ended(t), Bytes: t.Bytes, Files: t.Files, Errors: t.Errors,
	}
	if last := t.Last; last != nil {
		job.LastEnd, job.LastDuration, job.LastOutcome = last.Ended, last.Took(), last.Outcome.String()
		if last.Lost != "" {
			job.LastOutcome = lost
		}
	}
	return job
}

// lost stands for the outcome of a run whose end was not seen.
const lost = "Lost"

func labels(k runlog.Key, name string) []string {
	return []string{"server", k.Server, "job_name", name, "job_id", k.Job.String()}
}

// ended returns the runs by outcome.
func ended(t *runlog.Totals) []exposition.Count {
	counts := []exposition.Count{{Outcome: lost, Runs: t.Ended[0]}}
	for _, o := range wire.Outcomes() {
		counts = append(counts, exposition.Count{Outcome: o.String(), Runs: t.Ended[o]})
	}
	return counts
}

// latest returns the latest of the times.
func latest(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }
