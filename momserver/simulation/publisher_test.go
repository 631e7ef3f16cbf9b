package simulation_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/invariant"
)

// publishing is how a publisher does it.
type publishing string

const (
	throughJobs    publishing = "jobs"
	throughPublish publishing = "publish"
	inBursts       publishing = "bursts"
	atBounds       publishing = "bounds"
)

// publishersLeave is how long publishers take to end their runs.
const publishersLeave = 1100 * time.Millisecond

// publisher publishes from a goroutine of its own, and keeps the ledger.
type publisher struct {
	*actor
	kind  publishing
	jobs  []uuid.UUID
	names []string
	item  int // bytes of what each event names

	since atomic.Int64 // when the call that is going on began, 0 for none

	// Of the run that is going on.
	srv     *momserver.Server
	current invariant.Mark
	goesOn  bool // past failed packages
}

func newPublisher(w *simulation, kind publishing) *publisher {
	p := &publisher{actor: w.actor("publisher-" + string(kind)), kind: kind}
	p.item = 4
	if kind == throughPublish && w.cfg.CacheEvents > 40 && w.cfg.CacheBytes > 16<<10 && p.odds(2) {
		p.item = 2000 // so that what is cached takes several pages
	}
	for _, name := range []string{"a", "b"} {
		p.jobs = append(p.jobs, p.id())
		p.names = append(p.names, string(kind)+" "+name)
	}
	return p
}

func (p *publisher) live() {
	for !p.w.healed() {
		p.rest(p.between(50*time.Millisecond, 2*time.Second))
		if p.srv = p.w.host.current(); p.srv == nil {
			continue
		}
		switch p.kind {
		case throughJobs:
			p.runJob()
		case throughPublish:
			p.runRaw(p.rand.IntN(12), 20*time.Millisecond, 900*time.Millisecond)
		case inBursts:
			p.rest(p.between(0, 25*time.Second))
			if p.srv = p.w.host.current(); p.srv != nil && !p.w.healed() {
				p.runRaw(one(p.actor, 10, 40, 40, 80, 300), grid, 3*grid)
			}
		case atBounds:
			p.rest(p.between(0, 8*time.Second))
			if p.srv = p.w.host.current(); p.srv != nil && !p.w.healed() {
				p.runMany()
			}
		}
	}
	if p.kind == atBounds {
		return // so that what the others publish now fits the smallest cache
	}
	// Something that every filter takes.
	p.srv = p.w.host.current()
	for i := range p.jobs {
		p.sleep(0)
		p.begin(i)
		p.publish(wire.JobInitialized, wire.SeverityProcessing)
		p.sleep(0)
		p.publish(wire.ExportingError, wire.SeverityError)
	}
}

// leaving reports whether the run is to end now: the server is about to.
func (p *publisher) leaving() bool { return p.w.host.current() != p.srv || p.w.healed() }

// begin begins a run of one of the jobs.
func (p *publisher) begin(i int) {
	p.current = invariant.Mark{JobID: p.jobs[i], Name: p.names[i], RunID: p.id()}
	p.goesOn = false
}

// runRaw publishes a run through the lower door, of about n events; sometimes
// it leaves the run unfinished.
func (p *publisher) runRaw(n int, from, to time.Duration) {
	p.begin(p.rand.IntN(len(p.jobs)))
	p.publish(wire.JobInitialized, wire.SeverityProcessing)
	for range n {
		p.sleep(p.between(from, to))
		if p.leaving() {
			break
		}
		p.publish(one(p.actor, wire.Transferring, wire.PackageInitialized, wire.Transferred),
			one(p.actor, wire.SeverityProcessing, wire.SeverityProcessing, wire.SeverityWarning))
	}
	p.sleep(p.between(from, to))
	if p.w.host.current() != p.srv || p.odds(8) {
		return
	}
	if p.odds(2) {
		p.publish(wire.JobCompleted, wire.SeverityProcessing)
	} else {
		p.publish(wire.ExportingError, wire.SeverityError)
	}
}

// publish publishes one event of the run.
func (p *publisher) publish(state wire.State, severity wire.Severity) {
	ev := p.event(state)
	ev.Data.Status.Final = state.EndsRun(p.goesOn)
	if severity == wire.SeverityWarning {
		ev.Data.Status.Log = []wire.LogEntry{{Severity: severity, Message: "something is odd"}}
	}
	p.call(func() error { return p.srv.Publish(ev) }, expected{state, severity, ev.Outcome()})
}

// event returns an event of the run.
func (p *publisher) event(state wire.State) wire.Event {
	ev := wire.Event{JobID: p.current.JobID, RunID: p.current.RunID, Data: wire.TransferData{
		Initialize: &wire.InitializeData{Name: p.current.Name}, Status: wire.Status{State: state},
	}}
	if state != wire.JobInitialized && state != wire.JobCompleted {
		ev.Data.Body = &wire.PackageBody{Files: 3, Item: strings.Repeat("f", p.item)}
	}
	return ev
}

// expected is an event that a call may publish.
type expected struct {
	state    wire.State
	severity wire.Severity
	outcome  wire.Outcome
}

// call makes a call that publishes the last of the expected events, as many as
// it does, and checks that no time passes.
func (p *publisher) call(publish func() error, events ...expected) error {
	before, start := p.srv.Stats().Published, time.Now()
	p.since.Store(start.UnixNano())
	err := publish()
	p.since.Store(0)
	if took := time.Since(start); took > 0 {
		p.w.violated(invariant.NoWait, "%s waited for %v", p.name, took)
	}
	n := int(p.srv.Stats().Published - before)
	if n > len(events) || err != nil && n > 0 {
		p.w.violated(invariant.Published, "%s published %d events, of at most %d, with %v", p.name, n, len(events), err)
		return err
	}
	for _, e := range events[len(events)-n:] {
		m := p.current
		m.State, m.Severity, m.Outcome, m.At = e.state, e.severity, e.outcome, start
		if seq := p.w.ledger.Publish(m); seq != before+1 {
			p.w.violated(invariant.Published, "%s published %d, which should be %d", p.name, seq, before+1)
		}
		before++
		p.did("%d %v", before, e.state)
	}
	if err != nil && !errors.Is(err, wire.Closed) && !errors.Is(err, wire.RunEnded) {
		p.w.violated(invariant.Published, "%s was refused: %v", p.name, err)
	}
	return err
}

// checkStuck reports a call that has been going on for simulated time.
func (p *publisher) checkStuck() {
	if since := p.since.Load(); since != 0 && time.Now().UnixNano() > since {
		p.w.violated(invariant.NoWait, "%s is waiting in a call that began %v ago", p.name, time.Since(time.Unix(0, since)))
	}
}
