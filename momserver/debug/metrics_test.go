package debug

import (
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/harness"
)

// scrape reads /metrics.
func scrape(t *testing.T, h http.Handler) map[string]*metric {
	t.Helper()
	r := get(h, "/metrics")
	if r.Code != http.StatusOK || r.Header().Get("Content-Type") != "text/plain; version=0.0.4; charset=utf-8" {
		t.Errorf("%d, %v", r.Code, r.Header())
	}
	all, err := parseMetrics(r.Body.String())
	if err != nil {
		t.Fatalf("%v\n%s", err, r.Body)
	}
	return all
}

// want compares a sample.
func want(t *testing.T, all map[string]*metric, family, sample string, value float64) {
	t.Helper()
	m := all[family]
	if m == nil {
		t.Errorf("no %s", family)
		return
	}
	if got, ok := m.samples[sample]; !ok || got != value {
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
		var x exposition
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

// TestEscaping writes a label's value and a help that would break the format.
func TestEscaping(t *testing.T) {
	nasty := "a \"quoted\" \\ back\\nslash,\nand} a = line é"
	var x exposition
	x.gauge("m", "help with \\ and\nline", 0.25, "a", nasty, "b", "plain", "c", "")
	all, err := parseMetrics(x.String())
	if err != nil {
		t.Fatalf("%v\n%s", err, x.String())
	}
	want(t, all, "m", fmt.Sprintf("m{a=%q,b=\"plain\",c=\"\"}", nasty), 0.25)
	if help := all["m"].help; help != `help with \\ and\nline` {
		t.Errorf("help %q", help)
	}
}

// TestParser refuses pages that a scraper would refuse, so that the other tests
// mean something.
func TestParser(t *testing.T) {
	const head = "# HELP m_total h\n# TYPE m_total counter\n"
	const hist = "# HELP h h\n# TYPE h histogram\n"
	if _, err := parseMetrics(head + "m_total 1\n" + hist + "h_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n"); err != nil {
		t.Error(err)
	}
	for _, page := range []string{
		"m 1\n", "# TYPE m gauge\nm 1\n", "# HELP m h\nm 1\n", head, head + "m_total 1", head + "m_total 1\nm_total 2\n", head + "other 1\n",
		head + "m_total -1\n", head + "m_total one\n", head + "m_total{a=\"b} 1\n", head + "m_total{a=\"b\",a=\"c\"} 1\n", head + "m_total{a=\"\\x\"} 1\n",
		head + "m_total 1\n" + head + "m_total 1\n", strings.ReplaceAll(head, "counter", "gauge") + "m_total 1\n", "# HELP m h\n# TYPE m counter\nm 1\n",
		hist + "h_bucket{le=\"1\"} 3\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n", hist + "h_bucket{le=\"1\"} 1\nh_sum 3\nh_count 1\n",
		hist + "h_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 1\n", hist + "h_bucket{le=\"2\"} 1\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n",
		hist + "h_bucket{le=\"+Inf\"} 2\nh_count 2\n",
	} {
		if _, err := parseMetrics(page); err == nil {
			t.Errorf("taken:\n%s", page)
		}
	}
}
