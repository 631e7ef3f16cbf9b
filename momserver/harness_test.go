package momserver_test

import (
	"context"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"mom.internal/wire/protocol"

	"github.com/google/uuid"

	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/wiretest"
	"mom.internal/wire/wiretest/invariant"
)

// world is a server and its clients over a network in memory. It is made
// inside a synctest bubble, and ends with the test.
type world struct {
	t        *testing.T
	net      wiretest.Network
	cfg      momserver.Config
	srv      *momserver.Server
	job      uuid.UUID
	run      uuid.UUID
	ledger   invariant.Ledger // what the test has published
	watchers []*watcher
}

const memAddr = "mem-server:7420"

// inBubble runs a test in a world of its own.
func inBubble(t *testing.T, cfg momserver.Config, test func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, cfg: cfg, job: uuid.New(), run: uuid.New()}
		w.start()
		test(w)
		for _, c := range w.watchers {
			c.take()
		}
		w.checkServer()
		w.srv.Close()
		w.checkServer()
	})
}

// checkServer looks at what is bounded, and at why subscribers were dropped.
func (w *world) checkServer() {
	report, st := invariant.Fails(w.t), w.srv.Stats()
	report.Bound("events cached", st.Cached, w.cfg.CacheEvents)
	if st.Cached > 1 {
		report.Bound("bytes of events cached", st.CachedBytes, w.cfg.CacheBytes)
	}
	report.Bound("runs", st.Runs, w.cfg.MaxRuns)
	report.Bound("jobs", len(w.srv.Jobs()), w.cfg.MaxJobs)
	report.Bound("connections", st.Connections, w.cfg.MaxConns)
	report.Bound("subscribers", st.Subscribers, w.cfg.MaxSubscribers)
	for _, sub := range w.srv.Subscribers() {
		report.Bound("calls unanswered", sub.InFlight, w.cfg.Window)
	}
	for _, d := range st.Dropped {
		report.Drop(d.Name+" at "+d.Addr, d.Reason.String(), slices.Contains(momserver.Reasons(), d.Reason), d.Detail)
	}
}

// start starts a server; a second one has another epoch.
func (w *world) start() {
	w.t.Helper()
	w.srv = momserver.New(w.cfg)
	w.ledger.Begin(w.srv.Epoch())
	l, err := w.net.Listen(memAddr)
	if err != nil {
		w.t.Fatal(err)
	}
	go w.srv.Serve(l)
	synctest.Wait()
}

// publish publishes n events of one unfinished run.
func (w *world) publish(n int) {
	w.t.Helper()
	for range n {
		err := w.send(wire.Event{JobID: w.job, RunID: w.run, Data: wire.TransferData{
			Initialize: &wire.InitializeData{Name: "job"},
			Status:     wire.Status{State: wire.Transferring},
		}})
		if err != nil {
			w.t.Fatal(err)
		}
	}
}

// send publishes an event, and notes it.
func (w *world) send(ev wire.Event) error {
	goesOn := ev.Data.Initialize != nil && ev.Data.Initialize.ContinueOnError
	w.ledger.Publish(invariant.Mark{
		JobID: ev.JobID, Name: ev.Name(), RunID: ev.RunID, State: ev.Data.Status.State,
		Severity: ev.Severity(), Final: ev.Data.Status.State.EndsRun(goesOn),
	})
	err := w.srv.Publish(ev)
	if err != nil {
		w.ledger.Refused()
	}
	return err
}

// ran notes that a run of the job of that name came to the states.
func (w *world) ran(j *momserver.Job, name string, states ...wire.State) {
	for _, state := range states {
		m := invariant.Mark{JobID: j.JobID(), Name: name, RunID: j.RunID(), State: state, Severity: wire.SeverityProcessing, Final: state.EndsRun(false)}
		if state.IsError() {
			m.Severity = wire.SeverityError
		}
		w.ledger.Publish(m)
	}
}

// dial returns a connection on which nothing has been said.
func (w *world) dial() net.Conn {
	w.t.Helper()
	nc, err := w.net.DialContext(context.Background(), "tcp", memAddr)
	if err != nil {
		w.t.Fatal(err)
	}
	return nc
}

// rawConn returns a greeted connection, for a peer that is no momclient. It
// closes nothing by itself.
func (w *world) rawConn() net.Conn {
	w.t.Helper()
	nc := w.dial()
	if _, err := protocol.Greet(nc, protocol.Hello{Version: protocol.Version}, time.Second); err != nil {
		w.t.Fatal(err)
	}
	return nc
}
