package debug

import (
	"net/http"
	"runtime"
	"runtime/debug"

	"mom.internal/momserver"
	"mom.internal/wire"
)

func serveMetrics(w http.ResponseWriter, srv *momserver.Server) {
	var x exposition
	st := srv.Stats()
	serving := 0.0
	if srv.Health() == nil {
		serving = 1
	}
	x.server(&st, serving)
	x.publishing(&st)
	x.delivery(&st)
	x.mirroring(&st)
	w.Header().Set("Content-Type", expositionType)
	w.Write(x.Bytes())
}

// server adds what identifies this server.
func (x *exposition) server(st *momserver.Stats, serving float64) {
	version, revision := build()
	x.gauge("momserver_build_info", "The module and the Go that it was built with.", 1, "version", version, "revision", revision, "goversion", runtime.Version())
	x.gauge("momserver_epoch_info", "The epoch of the server's events.", 1, "epoch", st.Epoch.String())
	x.gauge("momserver_start_time_seconds", "When the server was made, in seconds since 1970.", seconds(st.Since))
	x.gauge("momserver_serving", "1 while the server serves, 0 before, while it shuts down, and after.", serving)
}

// publishing adds what is published and cached.
func (x *exposition) publishing(st *momserver.Stats) {
	x.counter("momserver_events_published_total", "Events published.", st.Published)
	x.histogram("momserver_publish_duration_seconds", "How long Publish took its caller.", st.Publishing)
	x.gauge("momserver_cache_events", "Events in the cache.", float64(st.Cached))
	x.gauge("momserver_cache_bytes", "Bytes of the events in the cache.", float64(st.CachedBytes))
	x.gauge("momserver_cache_age_seconds", "Time since the oldest event in the cache was published: a subscriber that was away for longer has missed events. 0 if none is cached.", st.CacheAge.Seconds())
}

// delivery adds what is sent, and to how many subscribers.
func (x *exposition) delivery(st *momserver.Stats) {
	x.gauge("momserver_connections", "Connections of clients, subscribed or not.", float64(st.Connections))
	x.gauge("momserver_subscribers", "Subscribers.", float64(st.Subscribers))
	x.gauge("momserver_slowest_lag_events", "Events that the slowest subscriber has not been sent.", float64(st.MaxLag))
	x.counter("momserver_events_delivered_total", "Events sent, summed over all subscribers.", st.Delivered)
	x.counter("momserver_calls_total", "Calls made to subscribers, heartbeats included.", st.Calls)
	x.counter("momserver_gaps_total", "Gaps announced, summed over all subscribers.", st.Gaps)
	x.counter("momserver_events_missed_total", "Events in these gaps.", st.Missed)
	x.family("momserver_drops_total", "counter", "Subscriptions that ended, by reason.")
	for _, reason := range momserver.Reasons() {
		x.sample("momserver_drops_total", float64(st.Drops[reason]), "reason", reason.String())
	}
}

// mirroring adds how the jobs stand.
func (x *exposition) mirroring(st *momserver.Stats) {
	x.counter("momserver_refused_total", "Runs, packages and events of progress that a Job did not publish, because of a bound, a mistake or a shutdown.", st.Refused)
	x.counter("momserver_misuse_total", "Calls of a Job or a Package that were ignored, because they made no sense.", st.Misuse)
	x.gauge("momserver_runs_unfinished", "Runs that have not ended.", float64(st.Runs))
	x.family("momserver_jobs", "gauge", "Jobs by the state of their latest event.")
	for _, state := range wire.States() {
		x.sample("momserver_jobs", float64(st.Jobs[state]), "state", state.String())
	}
	x.family("momserver_jobs_ended", "gauge", "Jobs whose latest event ended a run, by the outcome of that run.")
	for _, outcome := range wire.Outcomes() {
		x.sample("momserver_jobs_ended", float64(st.JobsEnded[outcome]), "outcome", outcome.String())
	}
	x.family("momserver_runs_ended_total", "counter", "Runs that ended, by outcome.")
	for _, outcome := range wire.Outcomes() {
		x.sample("momserver_runs_ended_total", float64(st.RunsEnded[outcome]), "outcome", outcome.String())
	}
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
