//go:build unix

package e2e

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/invariant"
)

// controlClient is a client in this process that no test disturbs. It receives
// all that its server publishes, and keeps a ledger with which the events of a
// monitor are compared.
type controlClient struct {
	t      *testing.T
	client *momclient.Client
	ledger invariant.Ledger

	// The fields below belong to the handler.
	epoch    uuid.UUID
	seq      uint64                    // of the last event
	snapshot map[uint64]invariant.Mark // by Seq
}

// newControlClient subscribes at a server, from its oldest cached event, until
// the test ends.
func newControlClient(t *testing.T, run runner, addr string, p certFiles) *controlClient {
	t.Helper()
	w := &controlClient{t: t}
	w.client = momclient.New(addr, momclient.Options{
		AutoReconnect: true, Period: time.Second, From: wire.FromOldest, Name: "control", TLS: p.trust, Queue: 1 << 20,
		DialContext: func(ctx context.Context, network, addr string) (nc net.Conn, err error) {
			err = run(func() (err error) {
				nc, err = new(net.Dialer).DialContext(ctx, network, addr)
				return err
			})
			return nc, err
		},
	})
	t.Cleanup(func() { w.client.Close() })
	w.client.OnEvent(w.event)
	ctx, cancel := context.WithTimeout(context.Background(), hangs)
	defer cancel()
	if err := w.client.Subscribe(ctx); err != nil {
		t.Fatal(err)
	}
	return w
}

// event enters an event in the ledger. For each event before the subscription
// that is not in the snapshot, event enters the end of a run, because those are
// the events that no client receives.
func (w *controlClient) event(e wire.Event) {
	if e.Epoch != w.epoch {
		w.ledger.Begin(e.Epoch)
		w.epoch, w.seq, w.snapshot = e.Epoch, 0, make(map[uint64]invariant.Mark)
	}
	if w.seq > 0 && e.Missed > 0 {
		w.t.Errorf("the control client has missed %d events before %d", e.Missed, e.Seq)
	}
	m := invariant.Mark{
		JobID: e.JobID, Name: e.Name(), RunID: e.RunID, State: e.Data.Status.State, Severity: e.Severity(), Outcome: e.Outcome(),
	}
	if e.Snapshot {
		w.snapshot[e.Seq] = m
		return
	}
	for w.seq++; w.seq < e.Seq; w.seq++ {
		before, ok := w.snapshot[w.seq]
		if !ok {
			before = invariant.Mark{Outcome: wire.Failed}
		}
		w.ledger.Publish(before)
	}
	w.ledger.Publish(m)
}

// check compares the events that a monitor has shown with the ledger.
func (w *controlClient) check(name string, shown []wire.Event) {
	w.t.Helper()
	if len(shown) == 0 {
		w.t.Errorf("%s: nothing was shown", name)
		return
	}
	stream := invariant.NewStream(&w.ledger, wire.Filter{}, func(v invariant.Violation) { w.t.Errorf("%s: %v", name, v) })
	last := shown[len(shown)-1]
	all(w.t, "the control client has the event", []*controlClient{w}, func(w *controlClient) bool { return w.ledger.Head(last.Epoch) >= last.Seq })
	for _, e := range shown {
		stream.Event(e)
	}
}
