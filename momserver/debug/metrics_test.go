package debug

import (
	"fmt"
	"net/http"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/momserver/debug/exposition"
	"mom.internal/momserver/debug/exposition/expositiontest"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/harness"
)

// scrape reads /metrics.
func scrape(t *testing.T, h http.Handler) map[string]*expositiontest.Metric {
	t.Helper()
	r := get(h, "/metrics")
	if r.Code != http.StatusOK || r.Header().Get("Content-Type") != "text/plain; version=0.0.4; charset=utf-8" {
		t.Errorf("%d, %v", r.Code, r.Header())
	}
	all, err := expositiontest.Parse(r.Body.String())
	if err != nil {
		t.Fatalf("%v\n%s", err, r.Body)
	}
	return all
}

// want compares a sample.
func want(t *testing.T, all map[string]*expositiontest.Metric, family, sample string, value float64) {
	t.Helper()
	m := all[family]
	if m == nil {
		t.Errorf("no %s", family)
		return
	}
	if got, ok := m.Samples[sample]; !ok || got != value {
		t.Errorf("%s is %v, %v; want %v", sample, got, ok, value)
	}
}

// TestMetrics reads every metric of a server with subscribers and jobs, and
// compares each with what the server says of itself.
func TestMetrics(t *testing.T) {
	harness.Serve(t, momserver.Config{CacheEvents: 3}, func(s *harness.Server) {
		h := Handler(s.Server)
		want(t, scrape(t, h), "momserver_cache_age_seconds", "momserver_cache_age_seconds", 0)
		s.Subscribed(momclient.Options{Name: "watching"})
		release := slowClient(s, "slow")
		gone := s.Subscribed(momclient.Options{Name: "gone"})
		for range 4 {
			s.Must(event(wire.Transferring))
			time.Sleep(time.Second)
		}
		s.Must(event(wire.JobInitialized))
		e := event(wire.JobCompleted)
		e.Data.Progress.PackagesDone, e.Data.Progress.PackagesFailed = 1, 1
		s.Must(e)
		gone.Close()
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()

		all := scrape(t, h)
		one := func(family string, value float64) { t.Helper(); want(t, all, family, family, value) }
		st := s.Stats()
		one("momserver_start_time_seconds", float64(st.Since.UnixNano())/1e9)
		one("momserver_serving", 1)
		one("momserver_events_published_total", 6)
		one("momserver_cache_events", 3)
		one("momserver_cache_bytes", float64(st.CachedBytes))
		one("momserver_cache_age_seconds", 2.5)
		one("momserver_connections", 2)
		one("momserver_subscribers", 2)
		one("momserver_slowest_lag_events", float64(st.MaxLag))
		one("momserver_events_delivered_total", float64(st.Delivered))
		one("momserver_calls_total", float64(st.Calls))
		one("momserver_gaps_total", float64(st.Gaps))
		one("momserver_events_missed_total", float64(st.Missed))
		one("momserver_runs_unfinished", 5)
		want(t, all, "momserver_epoch_info", fmt.Sprintf("momserver_epoch_info{epoch=%q}", s.Epoch()), 1)
		want(t, all, "momserver_publish_duration_seconds", "momserver_publish_duration_seconds_count", 6)
		for _, reason := range momserver.Reasons() {
			want(t, all, "momserver_drops_total", fmt.Sprintf("momserver_drops_total{reason=%q}", reason), float64(st.Drops[reason]))
		}
		for _, state := range wire.States() {
			want(t, all, "momserver_jobs", fmt.Sprintf("momserver_jobs{state=%q}", state), float64(map[wire.State]int{wire.Transferring: 4, wire.JobInitialized: 1, wire.JobCompleted: 1}[state]))
		}
		for outcome, n := range map[wire.Outcome]float64{wire.Succeeded: 0, wire.SucceededWithErrors: 1, wire.Failed: 0, wire.Cancelled: 0} {
			want(t, all, "momserver_jobs_ended", fmt.Sprintf("momserver_jobs_ended{outcome=%q}", outcome), n)
			want(t, all, "momserver_runs_ended_total", fmt.Sprintf("momserver_runs_ended_total{outcome=%q}", outcome), n)
		}
		if all["momserver_build_info"] == nil {
			t.Error("no momserver_build_info")
		}
		if st.MaxLag == 0 || st.Delivered == 0 || st.Drops[momserver.ReasonUnsubscribed] != 1 {
			t.Errorf("this test sees too little: %+v", st)
		}
		release()
	})
}

// TestMetricsOfStats fails for a field of Stats, of today or tomorrow, that no
// metric shows: changing it changes the page.
func TestMetricsOfStats(t *testing.T) {
	render := func(st momserver.Stats) string {
		var x metrics
		x.server(&st, 1)
		x.publishing(&st)
		x.delivery(&st)
		x.mirroring(&st)
		return x.String()
	}
	plain := render(momserver.Stats{})
	typ := reflect.TypeFor[momserver.Stats]()
	for i := range typ.NumField() {
		var st momserver.Stats
		switch f := reflect.ValueOf(&st).Elem().Field(i); p := f.Addr().Interface().(type) {
		case *uuid.UUID:
			p[0] = 1
		case *time.Time:
			*p = time.Unix(7, 0)
		case *momserver.Histogram:
			p.Sum = time.Second
		case *map[momserver.Reason]uint64:
			*p = map[momserver.Reason]uint64{momserver.ReasonProtocol: 7}
		case *map[wire.State]int:
			*p = map[wire.State]int{wire.Transferred: 7}
		case *map[wire.Outcome]int:
			*p = map[wire.Outcome]int{wire.Failed: 7}
		case *map[wire.Outcome]uint64:
			*p = map[wire.Outcome]uint64{wire.Failed: 7}
		case *[]momserver.Drop:
			continue // they are at /subscribers
		default:
			if f.CanInt() {
				f.SetInt(7)
			} else {
				f.SetUint(7)
			}
		}
		if render(st) == plain {
			t.Errorf("no metric shows Stats.%s", typ.Field(i).Name)
		}
	}
}

// TestMetricsOfJobs compares the metrics of each job with what the server says of it:
// those of the jobs that changed last, and how many others there are.
func TestMetricsOfJobs(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		h := Handler(s.Server)
		want(t, scrape(t, h), "momserver_jobs_left_out", "momserver_jobs_left_out", 0)
		const nasty = "a \"job\" of\n\\ bytes \xff"
		job := uuid.New()
		runs := []uuid.UUID{uuid.New(), uuid.New(), uuid.New()}
		for range exposition.MaxJobs + 4 {
			s.Must(event(wire.JobInitialized))
		}
		for i, state := range []wire.State{wire.JobCompleted, wire.ExportingError, wire.Transferring} {
			s.Must(harness.Event(job, runs[i], nasty, wire.JobInitialized))
			time.Sleep(2 * time.Second)
			e := harness.Event(job, runs[i], nasty, state)
			e.Data.Progress = wire.Progress{BytesDone: 10, FilesDone: 3, Errors: i, PackagesDone: 1}
			s.Must(e)
			time.Sleep(time.Second)
		}
		all := scrape(t, h)
		want(t, all, "momserver_jobs_left_out", "momserver_jobs_left_out", 5)
		if n := len(all["momserver_job_running"].Samples); n != exposition.MaxJobs {
			t.Errorf("%d jobs; want %d", n, exposition.MaxJobs)
		}
		start := exposition.Seconds(s.Stats().Since)
		name := `a "job" of` + "\n" + `\ bytes \xff`
		for family, value := range map[string]float64{
			"running": 1, "first_change_timestamp_seconds": start, "last_change_timestamp_seconds": start + 8, "last_success_timestamp_seconds": start + 2,
			"last_end_timestamp_seconds": start + 5, "last_duration_seconds": 2, "bytes_total": 20, "files_total": 6, "errors_total": 1,
		} {
			family = "momserver_job_" + family
			want(t, all, family, fmt.Sprintf("%s{job_id=%q,job_name=%q}", family, job.String(), name), value)
		}
		want(t, all, "momserver_job_last_outcome", fmt.Sprintf("momserver_job_last_outcome{job_id=%q,job_name=%q,outcome=\"Failed\"}", job.String(), name), 1)
		if n := len(all["momserver_job_last_outcome"].Samples); n != 1 {
			t.Errorf("%d jobs have an outcome", n)
		}
		for outcome, n := range map[wire.Outcome]float64{wire.Succeeded: 1, wire.SucceededWithErrors: 0, wire.Failed: 1, wire.Cancelled: 0} {
			want(t, all, "momserver_job_runs_ended_total", fmt.Sprintf("momserver_job_runs_ended_total{job_id=%q,job_name=%q,outcome=%q}", job.String(), name, outcome), n)
		}
	})
}
