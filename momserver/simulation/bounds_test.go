package simulation_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/invariant"
)

// bounds_test.go holds publishing at the server's bounds: of runs, of an
// event's size, and of its life.

// refused makes a call that the server refuses with want, or because it has
// ended, and that publishes nothing.
func (p *publisher) refused(want error, call func() error) {
	before, start := p.srv.Stats().Published, time.Now()
	err := call()
	if took := time.Since(start); took > 0 {
		p.w.violated(invariant.NoWait, "%s waited for %v to be refused", p.name, took)
	}
	if n := p.srv.Stats().Published - before; n > 0 {
		p.w.violated(invariant.Published, "%s published %d events, and was refused", p.name, n)
	}
	if !errors.Is(err, want) && !errors.Is(err, wire.Closed) {
		p.w.violated(invariant.Published, "%s got %v, and should get %v", p.name, err, want)
	}
}

// startJob tries to start a run of the publisher's first job, which the server
// should refuse.
func (p *publisher) startJob(name string) error {
	_, err := p.srv.StartJob(p.jobs[0], wire.InitializeData{Name: name})
	return err
}

// long is over half of the longest event.
func (w *simulation) long() string { return strings.Repeat("x", w.cfg.MaxEventBytes) }

// runMany begins as many runs as the server takes, is refused some more, and
// ends them all. The first two steps take no simulated time, so that no other
// run is refused.
func (p *publisher) runMany() {
	var open []invariant.Mark
	for p.srv.Stats().Runs < p.w.cfg.MaxRuns && !p.leaving() {
		p.begin(len(open) % len(p.jobs))
		p.publish(wire.JobInitialized, wire.SeverityProcessing)
		open = append(open, p.current)
	}
	if !p.leaving() {
		for range 3 {
			p.refused(wire.Full, func() error { return p.startJob("one too many") })
			p.begin(0)
			p.refused(wire.Full, func() error { return p.srv.Publish(p.event(wire.Transferring)) })
			p.refused(wire.TooLarge, func() error { return p.startJob(p.w.long()) })
		}
		p.w.checkSizes(p.srv)
	}
	for i, mark := range open {
		if i > 1 {
			p.sleep(0)
		}
		p.current = mark
		p.publish(wire.JobCompleted, wire.SeverityProcessing)
	}
}

// refusePackage starts a package that is too large.
func (r *jobRun) refusePackage() {
	r.refused(wire.TooLarge, func() error {
		_, err := r.job.StartPackage(wire.PackageHeader{FileSize: 1}, wire.PackageBody{Item: r.w.long()})
		return err
	})
}

// refusesAll checks that a server that has ended refuses every run and event.
func (w *simulation) refusesAll(srv *momserver.Server) {
	p := w.publishers[0]
	_, err := srv.StartJob(p.jobs[0], wire.InitializeData{Name: "too late"})
	if !errors.Is(err, wire.Closed) {
		w.violated(invariant.Published, "StartJob after Close got %v", err)
	}
	ran := false
	err = srv.Run(context.Background(), p.jobs[0], wire.InitializeData{Name: "too late"}, func(_ context.Context, j *momserver.Job) error {
		ran = true
		return j.Package(wire.PackageHeader{}, wire.PackageBody{}, func(p *momserver.Package) error { p.Moved(1); return nil })
	})
	if !ran || err != nil {
		w.violated(invariant.NoStop, "Run after Close: called %v, %v", ran, err)
	}
}

// atSubscribing publishes events at the instant at which somebody subscribes,
// when the subscriber's place is fixed and nothing has been sent. It is the
// handler of the server's log.
type atSubscribing struct {
	*publisher
	slog.Handler
}

func (h atSubscribing) Enabled(context.Context, slog.Level) bool { return true }
func (h atSubscribing) WithAttrs([]slog.Attr) slog.Handler       { return h }

func (h atSubscribing) Handle(_ context.Context, r slog.Record) error {
	p := h.publisher
	if r.Message != "momserver: subscribed" || p.w.healed() || h.isHealthy(r) || p.odds(2) {
		return nil
	}
	if p.srv = p.w.host.current(); p.srv == nil {
		return nil
	}
	p.begin(0)
	p.publish(wire.JobInitialized, wire.SeverityProcessing)
	p.publish(wire.JobCompleted, wire.SeverityProcessing)
	return nil
}

// isHealthy reports whether the record is about a healthy subscriber, which
// misses nothing.
func (h atSubscribing) isHealthy(r slog.Record) (healthy bool) {
	r.Attrs(func(a slog.Attr) bool {
		if name := a.Value.String(); a.Key == "name" && !isRaw(name) {
			healthy = h.w.subscriber(name).healthy
		}
		return true
	})
	return healthy
}
