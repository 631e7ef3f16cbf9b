package momclient

import (
	"context"
	"fmt"
	"sync"

	"mom.internal/wire"
)

// Client is one subscriber. Its methods may be called from several goroutines
// and from inside its handlers. Use New, and Close when done.
type Client struct {
	addr     string
	opts     Options
	statuses statuses

	life    context.Context // ends with Close: what attempts and deliveries hang on
	endLife context.CancelFunc
	running sync.WaitGroup // every goroutine but those that run handlers

	inbox   *inbox    // what has been received, and how far the client has got
	handler *consumer // the goroutine that calls the OnEvent handler

	mu           sync.Mutex // guards all below; never held across I/O or a handler
	onConnection func(ConnectionStatus)
	delivering   bool          // the goroutines that run handlers were started
	pulling      *subscription // the one whose events a range loop takes; nil for none
	sub          *subscription // nil when not subscribed
}

// New returns a client for the server at addr, host:port. It does nothing
// before Subscribe, Events, History or Jobs.
func New(addr string, opts Options) *Client {
	c := &Client{addr: addr, opts: opts.withDefaults()}
	c.life, c.endLife = context.WithCancel(context.Background())
	c.inbox, c.handler = newInbox(c.opts.Queue, c.opts.QueueBytes, c.opts.Cursor), newConsumer()
	c.statuses.bell = newBell()
	return c
}

// OnEvent sets the handler of events. It is called for one event at a time, on
// a goroutine of the client's. Setting it again takes effect with the next
// event; nil ignores events.
func (c *Client) OnEvent(handler func(wire.Event)) { c.inbox.handle(handler) }

// OnConnection sets the handler of connection statuses. It is called for one
// status at a time, in order, on a goroutine of the client's, which is not that
// of OnEvent.
func (c *Client) OnConnection(handler func(ConnectionStatus)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.onConnection = handler
}

// Cursor returns the place after the last event whose handler has returned, to
// be kept for [Options.Cursor] of a later client. It is zero before the first
// event or the end of the first snapshot.
func (c *Client) Cursor() wire.Cursor { return c.inbox.at() }

// Subscribe subscribes, and returns when the server has accepted. Events then
// go to the OnEvent handler until Unsubscribe, Close, or, without
// AutoReconnect, the loss of the connection.
//
// With AutoReconnect it waits for a server that cannot be reached or has no
// room, until ctx is done. The first Subscribe begins where Options say; each
// later one goes on from the place that the client has got to.
//
// The errors: that of ctx, with why the latest attempt failed; [wire.AlreadySubscribed]; [wire.Closed]; what
// the server refused with; or that the server could not be reached.
func (c *Client) Subscribe(ctx context.Context) error {
	_, err := c.subscribe(ctx, c.handler)
	return err
}

func (c *Client) subscribe(ctx context.Context, by *consumer) (*subscription, error) {
	sub, err := c.start(by)
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
	c.end(sub)
	if sub.accepted { // the server accepted just as ctx ended
		c.rest(sub)
	}
	if ctx.Err() != nil && sub.failed != nil {
		err = fmt.Errorf("%w; at last: %w", err, sub.failed)
	}
	return nil, err
}

// start makes a subscription and starts its goroutine.
func (c *Client) start(by *consumer) (*subscription, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.life.Err() != nil:
		return nil, errClosed()
	case c.sub != nil || c.pulling != nil:
		return nil, wire.Errorf(wire.AlreadySubscribed, "momclient: the client is subscribed already; Unsubscribe first")
	}
	sub := &subscription{c: c, by: by, ready: make(chan struct{}), done: make(chan struct{}), random: newRandom(c.opts.Name)}
	sub.ctx, sub.cancel = context.WithCancel(c.life)
	if c.sub = sub; by != c.handler {
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

// Unsubscribe ends the subscription and returns when its connection is closed. No
// handler call begins after that. Events that still wait are kept, and a later
// Subscribe goes on with them. A call that is running is not waited for. Without a
// subscription, Unsubscribe only stops the delivery of events that came before the
// connection was lost. It always returns nil.
func (c *Client) Unsubscribe() error {
	c.mu.Lock()
	sub := c.sub
	if sub == nil {
		c.inbox.give(nil)
	}
	c.mu.Unlock()
	if sub != nil {
		c.end(sub)
		c.rest(sub)
	}
	return nil
}

// rest takes the turn away from the consumer of sub, after sub has ended, unless
// the client has subscribed again since.
func (c *Client) rest(sub *subscription) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sub == nil {
		c.inbox.leave(sub.by)
	}
}

// end ends sub and waits for its goroutine.
func (c *Client) end(sub *subscription) {
	sub.cancel()
	<-sub.done
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pulling == sub {
		c.pulling = nil
	}
}

// Close ends the subscription, the calls of History and Jobs that are going on,
// and the client. It returns when the client's connections are closed and its
// goroutines gone, except one that is running a handler: that ends with the
// handler, and no further call of OnEvent begins. The status Closed is the last
// call of OnConnection. Close may be called again; it returns nil, always.
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
