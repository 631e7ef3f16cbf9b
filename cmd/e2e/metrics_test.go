//go:build unix

package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"mom.internal/momserver"
	"mom.internal/momserver/debug"
	"mom.internal/momserver/debug/exposition/expositiontest"
	"mom.internal/wire"
)

// metricsOf returns the samples of a page of metrics.
func metricsOf(t *testing.T, base string) map[string]float64 {
	t.Helper()
	code, body := get(t, base+"/metrics")
	all, err := expositiontest.Parse(body)
	if code != http.StatusOK || err != nil {
		t.Fatalf("%d, %v\n%s", code, err, body)
	}
	samples := make(map[string]float64)
	for _, m := range all {
		for key, value := range m.Samples {
			samples[key] = value
		}
	}
	return samples
}

// TestMetrics kills a monitor with a history again and again, between runs and while
// others end unseen. Its metrics agree with the history, and with those of the server.
func TestMetrics(t *testing.T) {
	t.Parallel()
	srv, addr := serveHere(t, momserver.Config{})
	pages := httptest.NewServer(debug.Handler(srv))
	t.Cleanup(pages.Close)
	dir := t.TempDir()
	history := filepath.Join(dir, "history")
	runs := map[string]float64{}
	run := func(job string, failure error) {
		oneRun(t, srv, job, failure)
		runs[job]++
	}
	serverKey := func(job string, outcome wire.Outcome) string {
		return fmt.Sprintf("momserver_job_runs_ended_total{job_id=%q,job_name=%q,outcome=%q}", jobID(job), job, outcome)
	}
	monitorKey := func(job string, outcome wire.Outcome) string {
		return fmt.Sprintf("momclient_job_runs_ended_total{job_id=%q,job_name=%q,outcome=%q,server=%q}", jobID(job), job, outcome, addr)
	}
	long, err := srv.StartJob(jobID("long"), wire.InitializeData{Name: "long"})
	if err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		run("site", nil)
		run("docs", errors.New("bad"))
		monitor := start(t, "momclient", "-addr", addr, "-o", "json", "-from", "oldest", "-http", "127.0.0.1:0", "-cursor", filepath.Join(dir, "cursor"), "-history", history)
		page := strings.TrimSuffix(pageOf(monitor), "/")
		run("site", nil)
		var got map[string]float64
		monitor.eventually("all runs", func() bool {
			got = metricsOf(t, page)
			return got[monitorKey("site", wire.Succeeded)] == runs["site"] && got[monitorKey("docs", wire.Failed)] == runs["docs"]
		})
		of := fmt.Sprintf("{job_id=%q,job_name=\"docs\",server=%q}", jobID("docs"), addr)
		if _, succeeded := got["momclient_job_last_success_timestamp_seconds"+of]; succeeded || got["momclient_job_errors_total"+of] != runs["docs"] || got["momclient_job_running"+of] != 0 {
			t.Errorf("%v", got)
		}
		of = strings.ReplaceAll(strings.ReplaceAll(of, jobID("docs").String(), jobID("long").String()), "docs", "long")
		if got["momclient_job_running"+of] != 1 { // though it has no event after the first round
			t.Errorf("round %d: a run that an earlier monitor has seen: %v", round, got)
		}
		if round == 2 {
			if err := long.Complete(); err != nil {
				t.Fatal(err)
			}
			monitor.eventually("the end of the long run", func() bool {
				got = metricsOf(t, page)
				return got["momclient_job_running"+of] == 0 && got[monitorKey("long", wire.Succeeded)] == 1
			})
		}
		monitor.kill()
	}
	all := metricsOf(t, pages.URL)
	for job, outcome := range map[string]wire.Outcome{"site": wire.Succeeded, "docs": wire.Failed} {
		lines := 0.0
		for _, line := range historyOf(t, history) {
			if line.Job == job && line.Outcome == outcome.String() {
				lines++
			}
		}
		if lines != runs[job] || all[serverKey(job, outcome)] != runs[job] {
			t.Errorf("%s: %v in the history, %v in the metrics of the server; want %v", job, lines, all[serverKey(job, outcome)], runs[job])
		}
	}
}
