package harness

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"mom.internal/momclient"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/invariant"
)

// Client is a recording client. It keeps the events and statuses that it gets,
// and puts its stream to the checkers of package invariant. It does that when
// the test asks for events, and at the end, because the test may record what
// was published after the client has got it.
type Client struct {
	*momclient.Client
	t      *testing.T
	server *Server
	stream *invariant.Stream

	checking sync.Mutex // held by check; guards taken
	taken    []wire.Event

	mu       sync.Mutex // guards all below
	steps    []step     // not checked yet
	statuses []string
}

// step is an event that came, and the client's cursor before it.
type step struct {
	cursor wire.Cursor
	event  wire.Event
}

// Client returns a client that is not subscribed yet. visible, if given, is
// the part of its filter that the server lets it see.
func (s *Server) Client(opts momclient.Options, visible ...wire.Filter) *Client {
	if opts.DialContext == nil && s.Addr == MemAddr {
		opts.DialContext = s.Net.DialContext
	}
	filter := append(visible, opts.Filter)[0]
	c := &Client{Client: momclient.New(s.Addr, opts), t: s.T, server: s}
	c.stream = invariant.NewStream(s.Ledger, filter, func(v invariant.Violation) { s.T.Errorf("client %q: %v", opts.Name, v) })
	if !opts.Cursor.IsZero() {
		c.stream.Restarted(opts.Cursor)
	}
	s.Clients = append(s.Clients, c)
	s.T.Cleanup(func() { c.Client.Close() })
	c.OnEvent(nil)
	c.OnConnection(nil)
	return c
}

// Subscribed returns a client that is subscribed, when all goroutines of the
// bubble have come to rest.
func (s *Server) Subscribed(opts momclient.Options, visible ...wire.Filter) *Client {
	s.T.Helper()
	c := s.Client(opts, visible...)
	c.MustSubscribe()
	synctest.Wait()
	return c
}

// MustSubscribe subscribes the client.
func (c *Client) MustSubscribe() {
	c.t.Helper()
	if err := c.Subscribe(context.Background()); err != nil {
		c.t.Fatal(err)
	}
}

// OnEvent sets the application's handler, which is called after the event has
// been recorded; nil for none.
func (c *Client) OnEvent(handler func(wire.Event)) {
	c.Client.OnEvent(func(e wire.Event) {
		c.record(e)
		if handler != nil {
			handler(e)
		}
	})
}

// OnConnection sets the application's handler of statuses; nil for none.
func (c *Client) OnConnection(handler func(momclient.ConnectionStatus)) {
	c.Client.OnConnection(func(s momclient.ConnectionStatus) {
		if s.Kind == momclient.Connected || s.Kind == momclient.Resumed {
			c.stream.Connected(s.Epoch)
		}
		c.mu.Lock()
		c.statuses = append(c.statuses, textOf(s))
		c.mu.Unlock()
		if handler != nil {
			handler(s)
		}
	})
}

// Events is the stream as a range loop.
func (c *Client) Events(ctx context.Context) iter.Seq2[wire.Event, error] {
	return func(yield func(wire.Event, error) bool) {
		defer c.unsubscribed()
		for e, err := range c.Client.Events(ctx) {
			if err == nil {
				c.record(e)
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// Unsubscribe ends the subscription.
func (c *Client) Unsubscribe() {
	c.Client.Unsubscribe()
	c.unsubscribed()
}

func (c *Client) unsubscribed() {
	c.check()
	c.stream.Unsubscribed()
}

// Close closes the client and checks its stream a last time.
func (c *Client) Close() error {
	err := c.Client.Close()
	c.check()
	return err
}

func (c *Client) record(e wire.Event) {
	cursor := c.Cursor()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.steps = append(c.steps, step{cursor, e})
}

// check puts the steps to the checkers.
func (c *Client) check() {
	c.checking.Lock()
	defer c.checking.Unlock()
	c.mu.Lock()
	steps := c.steps
	c.steps = nil
	c.mu.Unlock()
	for _, s := range steps {
		c.stream.Cursor(s.cursor)
		c.stream.Event(s.event)
		c.taken = append(c.taken, s.event)
	}
}

// Take returns the events since the last Take or Told.
func (c *Client) Take() []wire.Event {
	c.check()
	c.stream.Cursor(c.Cursor())
	c.checking.Lock()
	defer c.checking.Unlock()
	events := c.taken
	c.taken = nil
	return events
}

// Told returns what the stream came to since the last call of Told.
func (c *Client) Told() invariant.Told {
	c.Take()
	return c.stream.Told()
}

// WantTold wants that Told returns want.
func (c *Client) WantTold(want invariant.Told) {
	c.t.Helper()
	if got := c.Told(); got != want {
		c.t.Errorf("told %+v; want %+v", got, want)
	}
}

// Converged checks that the client is at the newest event.
func (c *Client) Converged() {
	c.Take()
	c.stream.Converged(c.server.Ledger.Latest(), c.Cursor())
}

// Statuses returns the connection statuses since it was last called, as text.
func (c *Client) Statuses() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	text := strings.Join(c.statuses, " ")
	c.statuses = nil
	return text
}

func textOf(s momclient.ConnectionStatus) string {
	switch s.Kind {
	case momclient.Resumed:
		return fmt.Sprintf("resumed(%d,%d,%v)", s.Replayed, s.Missed, s.NewEpoch)
	case momclient.Refused:
		return fmt.Sprintf("refused(%v)", s.Final)
	}
	return s.Kind.String()
}
