package momserver_test

import (
	"context"
	"fmt"
	"sync"
	"testing/synctest"

	"mom.internal/momclient"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/invariant"
)

// watcher is a client that keeps what it was told, and puts its stream to the
// checkers of invariant.
type watcher struct {
	*momclient.Client
	stream *invariant.Stream

	mu       sync.Mutex // guards the fields below
	events   []wire.Event
	statuses []momclient.ConnectionStatus
}

// client returns a client on the world's network, not yet subscribed. sees, if
// given, is what of its filter the server lets it see.
func (w *world) client(opts momclient.Options, sees ...wire.Filter) *watcher {
	if opts.DialContext == nil {
		opts.DialContext = w.net.DialContext
	}
	sees = append(sees, opts.Filter)
	c := &watcher{Client: momclient.New(memAddr, opts), stream: invariant.NewStream(&w.ledger, sees[0], invariant.Fails(w.t))}
	w.watchers = append(w.watchers, c)
	w.t.Cleanup(func() { c.Close() })
	c.OnEvent(nil)
	c.OnConnection(func(s momclient.ConnectionStatus) {
		if s.Kind == momclient.Connected || s.Kind == momclient.Resumed {
			c.stream.Connected(s.Epoch)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.statuses = append(c.statuses, s)
	})
	return c
}

// OnEvent sets the application's handler, which is called after the event has
// been kept; nil for none.
func (c *watcher) OnEvent(handler func(wire.Event)) {
	c.Client.OnEvent(func(e wire.Event) {
		c.mu.Lock()
		c.events = append(c.events, e)
		c.mu.Unlock()
		if handler != nil {
			handler(e)
		}
	})
}

// subscribed returns a client that is subscribed.
func (w *world) subscribed(opts momclient.Options, sees ...wire.Filter) *watcher {
	w.t.Helper()
	c := w.client(opts, sees...)
	if err := c.Subscribe(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait()
	return c
}

// Unsubscribe ends the subscription.
func (c *watcher) Unsubscribe() {
	c.Client.Unsubscribe()
	c.stream.Unsubscribed()
}

// take returns the events so far, and forgets them. They are checked now, and
// not when they came: what the test has published is noted by then.
func (c *watcher) take() []wire.Event {
	c.mu.Lock()
	events := c.events
	c.events = nil
	c.mu.Unlock()
	for _, e := range events {
		c.stream.Event(e)
	}
	c.stream.Cursor(c.Cursor())
	return events
}

// told returns what came since it was last asked.
func (c *watcher) told() invariant.Told {
	c.take()
	return c.stream.Told()
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

func dump(c *watcher) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprint(c.statuses)
}
