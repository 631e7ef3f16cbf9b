package momclient

import (
	"context"
	"fmt"
	"sync"

	"mom.internal/wire"
)

// Client is one subscriber. Its methods may be called from several goroutines,
// and from inside its handlers. Make it with [New], and call [Client.Close] at
// the end.
type Client struct {
	addr     string
	opts     Options       // without the Token
	token    func() string // Options.Token, where no function that prints a Client finds it
	funcs    optionFuncs
	statuses statuses  // for the OnConnection handler
	inbox    *inbox    // the events that wait, and how far the client has got
	handler  *consumer // the goroutine that calls the OnEvent handler

	statusLines, endpointLines, panicLines logLimit // in the log

	life    context.Context // ends with Close
	endLife context.CancelFunc
	running sync.WaitGroup // every goroutine except those that call handlers

	mu           sync.Mutex // guards all below; never held across I/O or a handler
	onConnection func(ConnectionStatus)
	delivering   bool          // the goroutines that call handlers were started
	sub          *subscription // nil if the client is not subscribed
	pulling      *subscription // the one whose events a range loop takes; nil for none
}

// New returns a client for the server at addr, which is host:port. The client
// connects when Subscribe, Events, History or Jobs is called.
func New(addr string, opts Options) *Client {
	c := &Client{addr: addr, opts: opts.withDefaults()}
	c.opts.Token, c.token = "", func() string { return opts.Token }
	c.funcs.setNames()
	c.life, c.endLife = context.WithCancel(context.Background())
	c.inbox, c.handler = newInbox(c.opts.Queue, c.opts.QueueBytes, c.opts.Cursor), newConsumer()
	c.statuses.bell = newBell()
	return c
}

// OnEvent sets the handler of events. It is called for one event at a time, on a
// goroutine of the client. A new handler is called from the next event on. Without
// a handler, events are ignored, and count as handled.
func (c *Client) OnEvent(handler func(wire.Event)) { c.inbox.setHandler(handler) }

// OnConnection sets the handler of connection statuses. It is called for one
// status at a time, in order, on a goroutine of the client other than that of
// the OnEvent handler. If the handler blocks, the newest 64 statuses wait for
// it.
func (c *Client) OnConnection(handler func(ConnectionStatus)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.onConnection = handler
}

// Subscribe subscribes, and returns when the server has accepted. From then on
// the OnEvent handler gets the events, until Unsubscribe or Close. If the
// connection is lost, the handler still gets the events that wait. Without
// AutoReconnect the subscription then ends, and Subscribe may be called again.
//
// The first subscription begins where Options.Cursor or Options.From say. Each
// later one goes on from the last event that has come.
//
// With AutoReconnect, Subscribe tries again if the server cannot be reached or
// has no room, until ctx ends. Once Subscribe has returned, ctx has no effect.
//
// The error is that of ctx, with that of the latest attempt; or
// [wire.AlreadySubscribed]; or [wire.Closed], after Unsubscribe or Close; or what
// the server refused with; or, without AutoReconnect, why the server could not be
// reached.
func (c *Client) Subscribe(ctx context.Context) error {
	_, err := c.subscribeFor(ctx, c.handler)
	return err
}

// subscribeFor subscribes, with a consumer that takes the events.
func (c *Client) subscribeFor(ctx context.Context, consumer *consumer) (*subscription, error) {
	sub, err := c.start(consumer)
	if err != nil {
		return nil, err
	}
	select {
	case <-sub.ready:
		return sub, nil
	case <-sub.done:
		err = sub.err
	case <-ctx.Done():
		err = ended(ctx)
	}
	sub.leave()
	if sub.accepted { // the server accepted just as ctx ended
		sub.deactivate()
	}
	if ctx.Err() != nil && sub.lastErr != nil {
		err = fmt.Errorf("%w; the latest attempt: %w", err, sub.lastErr)
	}
	return nil, err
}

// start makes a subscription and starts its goroutine.
func (c *Client) start(consumer *consumer) (*subscription, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.life.Err() != nil:
		return nil, errClosed()
	case c.sub != nil || c.pulling != nil:
		return nil, wire.Errorf(wire.AlreadySubscribed, "momclient: the client is subscribed already; Unsubscribe first")
	}
	sub := &subscription{c: c, consumer: consumer, ready: make(chan struct{}), done: make(chan struct{}), random: newRandom(c.opts.Name)}
	sub.ctx, sub.cancel = context.WithCancel(c.life)
	if c.sub = sub; consumer != c.handler {
		c.pulling = sub
	}
	if !c.delivering {
		c.delivering = true
		go c.deliverStatuses()
		go c.deliverEvents()
	}
	c.running.Go(sub.run)
	return sub, nil
}

// Cursor returns the position up to which every event was handled, filtered out,
// or announced as missed. A later client that is given this cursor as
// [Options.Cursor] continues there. The cursor is zero until the first events have
// been handled and, if the stream begins with a snapshot, until all of that has.
func (c *Client) Cursor() wire.Cursor { return c.inbox.currentCursor() }

// Unsubscribe ends the subscription, and returns when its connection is closed.
// It waits at most a second for the server's answer. It does not wait for a call
// of the OnEvent handler that is under way, and no other call follows. Events
// that wait are kept for the next Subscribe. If the subscription has ended with
// the loss of the connection, Unsubscribe only stops the delivery of the events
// that wait. It always returns nil.
func (c *Client) Unsubscribe() error {
	c.mu.Lock()
	sub := c.sub
	if sub == nil {
		c.inbox.activate(nil)
	}
	c.mu.Unlock()
	if sub != nil {
		sub.end()
		sub.deactivate()
	}
	return nil
}

// Close ends the subscription, and the calls and loops of History, Jobs and Wait
// that are in progress, and returns when the connections of all of them are closed.
// It waits at most a second for the server's answer. It does not wait for a call of
// the OnEvent handler or for the body of a loop, and no other call or turn follows,
// except a last turn with the error. The last call of the OnConnection handler has
// the status Closed, and may come after Close has returned. Close may be called
// again. It always returns nil.
func (c *Client) Close() error {
	c.mu.Lock()
	first := c.life.Err() == nil
	c.endLife()
	c.mu.Unlock()
	c.inbox.close()
	c.running.Wait()
	if first {
		c.report(ConnectionStatus{Kind: Closed})
		close(c.statuses.bell)
	}
	return nil
}
