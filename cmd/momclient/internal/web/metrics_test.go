package web

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"mom.internal/cmd/momclient/internal/board"
	"mom.internal/cmd/momclient/internal/outbox"
	"mom.internal/cmd/momclient/internal/runlog"
	"mom.internal/momclient"
	"mom.internal/momclient/jobs"
	"mom.internal/momserver/debug/exposition"
	"mom.internal/momserver/debug/exposition/expositiontest"
	"mom.internal/wire"
)

// metrics returns the samples of the page of metrics.
func (r *testPage) metrics() map[string]float64 {
	r.t.Helper()
	w := r.get("/metrics", nil)
	all, err := expositiontest.Parse(w.Body.String())
	if err != nil || w.Header().Get("Content-Type") != "text/plain; version=0.0.4; charset=utf-8" {
		r.t.Fatalf("%v %v\n%s", err, w.Header(), w.Body)
	}
	samples := make(map[string]float64)
	for _, m := range all {
		for key, value := range m.Samples {
			samples[key] = value
		}
	}
	return samples
}

// TestMetrics shows of each job what the history and the board have: of ended runs
// what the history has, and of unfinished ones what the board has.
func TestMetrics(t *testing.T) {
	r := newTestPage(t)
	if m := r.metrics(); m[`momclient_connected{server="S"}`] != 0 || m["momclient_jobs_left_out"] != 0 || len(m) != 2 {
		t.Errorf("without a job: %v", m)
	}
	r.connect()
	at := time.Now().Add(-time.Hour).UTC()
	add := func(job, run int, server string, minute time.Duration, set func(*runlog.Run)) {
		ended := at.Add(minute * time.Minute)
		one := runlog.Run{Server: server, JobID: id(job), Job: fmt.Sprintf("job %d", job), RunID: id(run), Started: ended.Add(-3 * time.Second), Ended: ended, Outcome: wire.Succeeded, Files: 2, Bytes: 10}
		set(&one)
		r.runs.Add(&one)
	}
	add(1, 101, "S", 0, func(*runlog.Run) {})
	add(1, 102, "S", 1, func(r *runlog.Run) { r.Outcome, r.Errors, r.Files = wire.Failed, 4, 0 })
	add(1, 103, "S", 2, func(r *runlog.Run) { r.DryRun = true })
	add(1, 104, "other", 5, func(r *runlog.Run) { r.Outcome, r.Lost = 0, jobs.LostByRestart })
	r.event(201, wire.JobInitialized)
	r.event(1, wire.JobInitialized) // a run of job 1
	got := r.metrics()
	sample := func(name, server string, job int, more string) string {
		return fmt.Sprintf(`momclient_job_%s{job_id="%s",job_name="job %d"%s,server="%s"}`, name, id(job), job, more, server)
	}
	for key, want := range map[string]float64{
		`momclient_connected{server="S"}`:                         1,
		sample("running", "S", 1, ""):                             1,
		sample("first_change_timestamp_seconds", "S", 1, ""):      exposition.Seconds(at.Add(-3 * time.Second)),
		sample("last_success_timestamp_seconds", "S", 1, ""):      exposition.Seconds(at),
		sample("last_end_timestamp_seconds", "S", 1, ""):          exposition.Seconds(at.Add(time.Minute)),
		sample("last_duration_seconds", "S", 1, ""):               3,
		sample("last_outcome", "S", 1, `,outcome="Failed"`):       1,
		sample("runs_ended_total", "S", 1, `,outcome="Failed"`):   1,
		sample("bytes_total", "S", 1, ""):                         20,
		sample("files_total", "S", 1, ""):                         2,
		sample("errors_total", "S", 1, ""):                        4,
		sample("running", "other", 1, ""):                         0,
		sample("last_change_timestamp_seconds", "other", 1, ""):   exposition.Seconds(at.Add(5 * time.Minute)),
		sample("last_outcome", "other", 1, `,outcome="Lost"`):     1,
		sample("runs_ended_total", "other", 1, `,outcome="Lost"`): 1,
		sample("bytes_total", "other", 1, ""):                     0,
	} {
		if value, has := got[key]; !has || value != want {
			t.Errorf("%s is %v (%v); want %v", key, value, has, want)
		}
	}
	if v, _ := r.b.Job(id(1)); got[sample("last_change_timestamp_seconds", "S", 1, "")] != exposition.Seconds(v.Run.LastChange) {
		t.Errorf("the last change is not that of the run: %v", got)
	}
	r.b.Status(momclient.ConnectionStatus{Kind: momclient.Lost, Time: time.Now()})
	if got := r.metrics()[`momclient_connected{server="S"}`]; got != 0 {
		t.Errorf("connected is %v after the loss of the connection", got)
	}
}

// TestMetricsOfRestoredRuns counts a run that was unfinished when an earlier monitor
// ended, until its end or its loss is in the history, or an event of its job comes.
func TestMetricsOfRestoredRuns(t *testing.T) {
	r := newTestPage(t)
	for job := 1; job <= 3; job++ {
		r.s.restored = append(r.s.restored, outbox.Run{Server: "S", JobID: id(job), Job: fmt.Sprintf("job %d", job), RunID: id(100*job + job)})
	}
	running := func(want ...float64) {
		t.Helper()
		got := r.metrics()
		for i, want := range want {
			key := fmt.Sprintf(`{job_id="%s",job_name="job %d",server="S"}`, id(i+1), i+1)
			if value, has := got["momclient_job_running"+key]; !has || value != want || got["momclient_job_last_change_timestamp_seconds"+key] == 0 {
				t.Errorf("job %d: %v %v; want %v", i+1, value, has, want)
			}
		}
	}
	running(1, 1, 1)
	r.runs.Add(&runlog.Run{Server: "S", JobID: id(1), Job: "job 1", RunID: id(101), Ended: time.Now(), Lost: jobs.LostByRestart})
	r.event(202, wire.JobCompleted)
	running(0, 0, 1)
}

// TestMetricsAreBounded leaves out the jobs that have not changed for longest.
func TestMetricsAreBounded(t *testing.T) {
	r := newTestPage(t)
	for i := range maxMetrics {
		r.past(1000+i, 10_000+i, time.Duration(i)*time.Second, wire.Succeeded, 1)
	}
	r.event(1, wire.JobInitialized)
	got, n := r.metrics(), 0
	for _, job := range r.s.metricsOf()[:maxMetrics] {
		if _, has := got[fmt.Sprintf(`momclient_job_running{job_id=%q,job_name=%q,server="S"}`, job.Labels[5], job.Labels[3])]; has {
			n++
		}
	}
	if n != maxMetrics || got["momclient_jobs_left_out"] != 1 || got[fmt.Sprintf(`momclient_job_running{job_id="%s",job_name="job 1",server="S"}`, id(1))] != 1 {
		t.Errorf("%d jobs, %v left out", n, got["momclient_jobs_left_out"])
	}
}

// TestMetricsOfServers has the connection to each server, and keeps apart jobs of several
// servers with the same ID.
func TestMetricsOfServers(t *testing.T) {
	r := newTestPage(t)
	other := board.New("other", "", jobs.Options{})
	r.s = New(Options{Boards: []*board.Board{r.b, other}, Runs: r.runs, JSON: func(*wire.Event) ([]byte, error) { return []byte("{}"), nil }, Unfinished: []outbox.Run{
		{Server: "S", JobID: id(1), Job: "job 1", RunID: id(901)}, {Server: "other", JobID: id(2), Job: "job 2", RunID: id(902)},
	}})
	r.connect()
	r.event(1, wire.JobCompleted)
	e := wire.Event{Seq: 1, Epoch: id(2000), JobID: id(1), RunID: id(101)}
	e.Data.Initialize, e.Data.Status.State = &wire.InitializeData{Name: "job 1"}, wire.JobInitialized
	other.Event(&e)
	got := r.metrics()
	for key, want := range map[string]float64{
		`momclient_connected{server="S"}`: 1, `momclient_connected{server="other"}`: 0,
		fmt.Sprintf(`momclient_job_running{job_id="%s",job_name="job 1",server="S"}`, id(1)):     0,
		fmt.Sprintf(`momclient_job_running{job_id="%s",job_name="job 1",server="other"}`, id(1)): 1,
		fmt.Sprintf(`momclient_job_running{job_id="%s",job_name="job 2",server="other"}`, id(2)): 1,
	} {
		if value, has := got[key]; !has || value != want {
			t.Errorf("%s is %v (%v), want %v", key, value, has, want)
		}
	}
}

// TestRules tests the alerts for the metrics of the monitor, while it is started again
// with its history.
func TestRules(t *testing.T) {
	const interval = 5 * time.Minute
	text, err := os.ReadFile("../../../../testdata/prometheus/mom.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	rules, history := filepath.Join(dir, "rules.yml"), filepath.Join(dir, "history")
	if err := os.WriteFile(rules, bytes.ReplaceAll(text, []byte("momserver_"), []byte("momclient_")), 0o600); err != nil {
		t.Fatal(err)
	}
	scrapes := expositiontest.Scrapes{Interval: interval}
	synctest.Test(t, func(t *testing.T) {
		scrapes.Start = time.Now()
		var r *testPage
		for i := range 4 * 12 { // 4 hours
			if i%12 == 0 { // the monitor is started again
				if r != nil {
					r.runs.Close()
				}
				r = newTestPage(t)
				if r.runs, err = runlog.Open(history, func(server string) string { return server }); err != nil {
					t.Fatal(err)
				}
				r.s.runs = r.runs
				r.connect()
			}
			switch {
			case i == 1:
				r.past(1, 101, 0, wire.Succeeded, 1)
				r.past(2, 102, 30*time.Hour, wire.Succeeded, 1)
			case i == 2:
				r.past(3, 103, 0, wire.Failed, 0)
			case i == 24:
				r.event(4, wire.JobInitialized)
			case i > 24 && i < 36:
				r.event(5, wire.Transferring)
			}
			scrapes.Pages = append(scrapes.Pages, r.get("/metrics", nil).Body.String())
			time.Sleep(interval)
		}
		r.runs.Close()
	})
	alert := func(job int, summary string, more ...string) expositiontest.Alert {
		labels := map[string]string{"severity": "warning", "server": "S", "job_name": fmt.Sprintf("job %d", job), "job_id": id(job).String()}
		if len(more) > 0 {
			labels["outcome"] = more[0]
		}
		return expositiontest.Alert{Labels: labels, Summary: summary}
	}
	failed := alert(3, "The last run of job 3 ended so: Failed.", "Failed")
	expositiontest.TestRules(t, rules, "momclient_", scrapes, []expositiontest.Alerts{
		{At: 5 * time.Minute, Name: "MirroringFailed"},
		{At: 10 * time.Minute, Name: "MirroringFailed", Want: []expositiontest.Alert{failed}},
		{At: 3 * time.Hour, Name: "MirroringFailed", Want: []expositiontest.Alert{failed}},
		{At: 3 * time.Hour, Name: "MirroringStale", Want: []expositiontest.Alert{alert(2, "job 2 has not succeeded for 1d 8h 55m 0s.")}},
		{At: 2*time.Hour + 10*time.Minute, Name: "MirroringStalled"},
		{At: 2*time.Hour + 15*time.Minute, Name: "MirroringStalled", Want: []expositiontest.Alert{alert(4, "A run of job 4 has not changed for 15m 0s.")}},
	})
}
