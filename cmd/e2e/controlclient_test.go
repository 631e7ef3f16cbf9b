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

// witness is a client with which nobody meddles: in this process, beside the
// server. What it is told is what was published.
type witness struct {
	t      *testing.T
	client *momclient.Client
	ledger invariant.Ledger

	// Owned by the handler.
	epoch    uuid.UUID
	seq      uint64                    // of the latest event
	snapshot map[uint64]invariant.Mark // of where it began
}

// newWitness subscribes at a server, from its oldest cached event. It ends with
// the test.
func newWitness(t *testing.T, in place, addr string, p papers) *witness {
	t.Helper()
	w := &witness{t: t}
	w.client = momclient.New(addr, momclient.Options{
		AutoReconnect: true, Period: time.Second, From: wire.FromOldest, Name: "witness", TLS: p.trust, Queue: 1 << 20,
		DialContext: func(ctx context.Context, network, addr string) (nc net.Conn, err error) {
			err = in(func() (err error) {
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

// event enters an event. Those that were published before the witness came, and
// are not of its snapshot, are entered as ends of runs, of which nobody is told.
func (w *witness) event(e wire.Event) {
	if e.Epoch != w.epoch {
		w.ledger.Begin(e.Epoch)
		w.epoch, w.seq, w.snapshot = e.Epoch, 0, make(map[uint64]invariant.Mark)
	}
	if w.seq > 0 && e.Missed > 0 {
		w.t.Errorf("the witness has missed %d events before %d", e.Missed, e.Seq)
	}
	m := invariant.Mark{
		JobID: e.JobID, Name: e.Name(), RunID: e.RunID, State: e.Data.Status.State, Severity: e.Severity(), Final: e.EndsRun(),
	}
	if e.Snapshot {
		w.snapshot[e.Seq] = m
		return
	}
	for w.seq++; w.seq < e.Seq; w.seq++ {
		before, ok := w.snapshot[w.seq]
		if !ok {
			before = invariant.Mark{Final: true}
		}
		w.ledger.Publish(before)
	}
	w.ledger.Publish(m)
}

// check puts what a monitor has shown to the checkers.
func (w *witness) check(name string, shown []wire.Event) {
	w.t.Helper()
	if len(shown) == 0 {
		w.t.Errorf("%s: nothing was shown", name)
		return
	}
	stream := invariant.NewStream(&w.ledger, wire.Filter{}, func(v invariant.Violation) { w.t.Errorf("%s: %v", name, v) })
	last := shown[len(shown)-1]
	all(w.t, "the witness has it", []*witness{w}, func(w *witness) bool { return w.ledger.Head(last.Epoch) >= last.Seq })
	for _, e := range shown {
		stream.Event(e)
	}
}
