package momserver_test

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mom/momclient"
	"mom/momserver"
	"mom/wire"
	"mom/wire/wiretest"
)

// world is a server and its clients over a network in memory. It is made
// inside a synctest bubble, and ends with the test.
type world struct {
	t   *testing.T
	net wiretest.Network
	cfg momserver.Config
	srv *momserver.Server
	job uuid.UUID
	run uuid.UUID
}

const memAddr = "mem-server:7420"

// inBubble runs a test in a world of its own.
func inBubble(t *testing.T, cfg momserver.Config, test func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, cfg: cfg, job: uuid.New(), run: uuid.New()}
		w.start()
		test(w)
		w.srv.Close()
	})
}

// start starts a server; a second one has another epoch.
func (w *world) start() {
	w.t.Helper()
	w.srv = momserver.New(w.cfg)
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
		err := w.srv.Publish(wire.Event{JobID: w.job, RunID: w.run, Data: wire.TransferData{
			Initialize: &wire.InitializeData{Name: "job"},
			Status:     wire.Status{State: wire.Transferring},
		}})
		if err != nil {
			w.t.Fatal(err)
		}
	}
}

// watcher is a client that keeps what it was told.
type watcher struct {
	*momclient.Client

	mu       sync.Mutex // guards the fields below
	events   []wire.Event
	statuses []momclient.ConnectionStatus
}

// client returns a client on the world's network, not yet subscribed.
func (w *world) client(opts momclient.Options) *watcher {
	opts.DialContext = w.net.DialContext
	c := &watcher{Client: momclient.New(memAddr, opts)}
	c.keep()
	w.t.Cleanup(func() { c.Close() })
	return c
}

func (c *watcher) keep() {
	c.OnEvent(func(e wire.Event) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.events = append(c.events, e)
	})
	c.OnConnection(func(s momclient.ConnectionStatus) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.statuses = append(c.statuses, s)
	})
}

// subscribed returns a client that is subscribed.
func (w *world) subscribed(opts momclient.Options) *watcher {
	w.t.Helper()
	c := w.client(opts)
	if err := c.Subscribe(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait()
	return c
}

// take returns the events so far, and forgets them.
func (c *watcher) take() []wire.Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	events := c.events
	c.events = nil
	return events
}

// kinds returns the connection statuses so far.
func (c *watcher) kinds() []momclient.ConnectionKind {
	c.mu.Lock()
	defer c.mu.Unlock()
	var kinds []momclient.ConnectionKind
	for _, s := range c.statuses {
		kinds = append(kinds, s.Kind)
	}
	return kinds
}

// told is what a stream of events comes to.
type told struct {
	fresh    int    // events that are no snapshot
	missed   uint64 // announced
	snapshot int
	gaps     int
	last     uint64 // Seq of the last event
}

// check holds the invariants of a stream against the events, which follow
// after: order, no repeats, and every hole announced.
func check(t *testing.T, events []wire.Event, after uint64) told {
	t.Helper()
	sum, expected := told{last: after}, after+1
	for i, e := range events {
		if e.Missed > 0 {
			sum.gaps++
			sum.missed += e.Missed
			expected += e.Missed
		}
		if e.Snapshot {
			sum.snapshot++
			if e.Seq >= expected {
				t.Errorf("event %d: a snapshot of %d, at or after the place %d", i, e.Seq, expected)
			}
			continue
		}
		sum.fresh++
		if e.Seq != expected {
			t.Fatalf("event %d has Seq %d; want %d", i, e.Seq, expected)
		}
		expected++
		sum.last = e.Seq
	}
	return sum
}

// rawConn returns a greeted connection, for a peer that is no momclient. It
// closes nothing by itself.
func (w *world) rawConn() net.Conn {
	w.t.Helper()
	nc, err := w.net.DialContext(context.Background(), "tcp", memAddr)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := wire.Greet(nc, wire.Hello{Version: wire.Version}, time.Second); err != nil {
		w.t.Fatal(err)
	}
	return nc
}

func dump(c *watcher) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprint(c.statuses)
}
