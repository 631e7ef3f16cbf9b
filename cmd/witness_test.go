//go:build unix

package cmd_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom/momclient"
	"mom/wire"
	"mom/wire/wiretest/invariant"
)

// witness is a client in this process, beside the server, with which nobody
// meddles. What it is told is what was published.
type witness struct {
	t      *testing.T
	client *momclient.Client
	ledger invariant.Ledger
	epoch  uuid.UUID // owned by the handler
	seq    uint64    // of the latest event; owned by the handler
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
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	if err := w.client.Subscribe(ctx); err != nil {
		t.Fatal(err)
	}
	return w
}

// event enters an event. Those that had left the cache before it came are
// entered as ends of runs, of which nobody asks again.
func (w *witness) event(e wire.Event) {
	if e.Epoch != w.epoch {
		w.ledger.Begin(e.Epoch)
		w.epoch, w.seq = e.Epoch, 0
	}
	if w.seq > 0 && e.Missed > 0 {
		w.t.Errorf("the witness has missed %d events before %d", e.Missed, e.Seq)
	}
	if e.Snapshot {
		return
	}
	for w.seq++; w.seq < e.Seq; w.seq++ {
		w.ledger.Publish(invariant.Mark{Final: true})
	}
	w.ledger.Publish(invariant.Mark{
		JobID: e.JobID, Name: e.Name(), RunID: e.RunID, State: e.Data.Status.State, Severity: e.Severity(), Final: e.EndsRun(),
	})
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
