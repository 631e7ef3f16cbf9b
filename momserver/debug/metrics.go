package debug

import (
	"net/http"
	"runtime"
	"runtime/debug"
	"strconv"

	"mom.internal/momserver"
	"mom.internal/momserver/debug/exposition"
	"mom.internal/wire"
)

func serveMetrics(w http.ResponseWriter, srv *momserver.Server) {
	var x metrics
	st := srv.Stats()
	serving := 0.0
	if srv.Health() == nil {
		serving = 1
	}
	x.server(&st, serving)
	x.publishing(&st)
	x.delivery(&st)
	x.mirroring(&st)
	x.jobs(srv.JobStats(exposition.MaxJobs))
	w.Header().Set("Content-Type", exposition.ContentType)
	w.Write(x.Bytes())
}

// metrics gathers the metrics of a server.
type metrics struct{ exposition.Writer }

// server adds what identifies this server.
func (x *metrics) server(st *momserver.Stats, serving float64) {
	version, revision := build()
	x.Gauge("momserver_build_info", "The module and the Go that it was built with.", 1, "version", version, "revision", revision, "goversion", runtime.Version())
	x.Gauge("momserver_epoch_info", "The epoch of the server's events.", 1, "epoch", st.Epoch.String())
	x.Gauge("momserver_start_time_seconds", "When the server was made, in seconds since 1970.", exposition.Seconds(st.Since))
	x.Gauge("momserver_serving", "1 while the server serves, 0 before, while it shuts down, and after.", serving)
}

// publishing adds what is published and cached.
func (x *metrics) publishing(st *momserver.Stats) {
	x.Counter("momserver_events_published_total", "Events published.", st.Published)
	x.histogram("momserver_publish_duration_seconds", "How long Publish took its caller.", st.Publishing)
	x.Gauge("momserver_cache_events", "Events in the cache.", float64(st.Cached))
	x.Gauge("momserver_cache_bytes", "Bytes of the events in the cache.", float64(st.CachedBytes))
	x.Gauge("momserver_cache_age_seconds", "Time since the oldest event in the cache was published: a subscriber that was away for longer has missed events. 0 if none is cached.", st.CacheAge.Seconds())
}

// delivery adds what is sent, and to how many subscribers.
func (x *metrics) delivery(st *momserver.Stats) {
	x.Gauge("momserver_connections", "Connections of clients, subscribed or not.", float64(st.Connections))
	x.Gauge("momserver_subscribers", "Subscribers.", float64(st.Subscribers))
	x.Gauge("momserver_slowest_lag_events", "Events that the slowest subscriber has not been sent.", float64(st.MaxLag))
	x.Counter("momserver_events_delivered_total", "Events sent, summed over all subscribers.", st.Delivered)
	x.Counter("momserver_calls_total", "Calls made to subscribers, heartbeats included.", st.Calls)
	x.Counter("momserver_gaps_total", "Gaps announced, summed over all subscribers.", st.Gaps)
	x.Counter("momserver_events_missed_total", "Events in these gaps.", st.Missed)
	x.Family("momserver_drops_total", "counter", "Subscriptions that ended, by reason.")
	for _, reason := range momserver.Reasons() {
		x.Sample("momserver_drops_total", float64(st.Drops[reason]), "reason", reason.String())
	}
}

// mirroring adds how the jobs stand.
func (x *metrics) mirroring(st *momserver.Stats) {
	x.Counter("momserver_refused_total", "Runs, packages and events of progress that a Job did not publish, because of a bound, a mistake or a shutdown.", st.Refused)
	x.Counter("momserver_misuse_total", "Calls of a Job or a Package that were ignored, because they made no sense.", st.Misuse)
	x.Gauge("momserver_runs_unfinished", "Runs that have not ended.", float64(st.Runs))
	x.Family("momserver_jobs", "gauge", "Jobs by the state of their latest event.")
	for _, state := range wire.States() {
		x.Sample("momserver_jobs", float64(st.Jobs[state]), "state", state.String())
	}
	x.Family("momserver_jobs_ended", "gauge", "Jobs whose latest event ended a run, by the outcome of that run.")
	for _, outcome := range wire.Outcomes() {
		x.Sample("momserver_jobs_ended", float64(st.JobsEnded[outcome]), "outcome", outcome.String())
	}
	x.Family("momserver_runs_ended_total", "counter", "Runs that ended, by outcome.")
	for _, outcome := range wire.Outcomes() {
		x.Sample("momserver_runs_ended_total", float64(st.RunsEnded[outcome]), "outcome", outcome.String())
	}
}

// jobs adds the figures of single jobs.
func (x *metrics) jobs(stats []momserver.JobStats, leftOut int) {
	jobs := make([]exposition.Job, len(stats))
	for i := range stats {
		st := &stats[i]
		jobs[i] = exposition.Job{
			Labels:  []string{"job_name", wire.EscapeName(st.Name), "job_id", st.JobID.String()},
			Running: st.Running, FirstChange: st.FirstChange, LastChange: st.LastChange, LastSuccess: st.LastSuccess, LastEnd: st.LastEnd,
			LastDuration: st.LastDuration, LastOutcome: st.LastOutcome.String(), Bytes: st.Bytes, Files: st.Files, Errors: st.Errors,
		}
		for _, outcome := range wire.Outcomes() {
			jobs[i].RunsEnded = append(jobs[i].RunsEnded, exposition.Count{Outcome: outcome.String(), Runs: st.RunsEnded[outcome]})
		}
	}
	x.Jobs("momserver", jobs, leftOut)
}

// histogram adds a distribution of times, in seconds.
func (x *metrics) histogram(name, help string, h momserver.Histogram) {
	x.Family(name, "histogram", help)
	for _, b := range h.Buckets {
		x.Sample(name+"_bucket", float64(b.Count), "le", strconv.FormatFloat(b.Bound.Seconds(), 'g', -1, 64))
	}
	x.Sample(name+"_bucket", float64(h.Count), "le", "+Inf")
	x.Sample(name+"_sum", h.Sum.Seconds())
	x.Sample(name+"_count", float64(h.Count))
}

// build returns the version of this module and, if this is the main module, the
// revision that it was built from; "" for what the binary does not say.
func build() (version, revision string) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "", ""
	}
	for _, dep := range info.Deps {
		if dep.Path == "mom.internal" {
			return dep.Version, ""
		}
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			revision = s.Value
		}
	}
	return info.Main.Version, revision
}
