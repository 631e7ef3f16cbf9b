package momclient

import (
	"context"
	"errors"
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

	mu           sync.Mutex // guards all below; never held across I/O or a handler
	onEvent      func(wire.Event)
	onConnection func(ConnectionStatus)
	delivering   bool          // the goroutines that run handlers were started
	pulling      *subscription // the one whose events a range loop takes; nil for none
	sub          *subscription // nil when not subscribed
	session      *session      // the live connection of sub; nil between two
	queue        queue
	received     place       // the place after the last event that is in the queue
	handled      place       // the place after the last event whose handler has returned
	busy         bool        // a handler runs, for the event that was taken last
	handling     place       // the place after that event
	taken        uint64      // events and moves taken off the queue so far
	moved        uint64      // which of them moved handled
	cursor       wire.Cursor // handled, but for snapshots seen in part
	missed       uint64      // events missed since the last one in the queue
}

// New returns a client for the server at addr, host:port. It does nothing
// before Subscribe, Events, History or Jobs.
func New(addr string, opts Options) *Client {
	c := &Client{addr: addr, opts: opts.withDefaults()}
	c.life, c.endLife = context.WithCancel(context.Background())
	c.queue.limit, c.queue.limitBytes = c.opts.Queue, c.opts.QueueBytes
	c.queue.handlers, c.queue.puller = make(chan struct{}, 1), make(chan struct{}, 1)
	c.statuses.bell = make(chan struct{}, 1)
	c.cursor = c.opts.Cursor
	c.received.cursor, c.handled.cursor = c.cursor, c.cursor
	return c
}

// OnEvent sets the handler of events. It is called for one event at a time, on
// a goroutine of the client's. Setting it again takes effect with the next
// event; nil ignores events.
func (c *Client) OnEvent(handler func(wire.Event)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.onEvent = handler
}

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
func (c *Client) Cursor() wire.Cursor {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cursor
}

// Subscribe subscribes, and returns when the server has accepted. Events then
// go to the OnEvent handler until Unsubscribe, Close, or, without
// AutoReconnect, the loss of the connection.
//
// With AutoReconnect it waits for a server that cannot be reached or has no
// room, until ctx is done. The first Subscribe begins where Options say; each
// later one goes on from the place that the client has got to.
//
// The errors: that of ctx, with why the latest attempt failed; [wire.ErrAlreadySubscribed]; [wire.ErrClosed]; what
// the server refused with; or that the server could not be reached.
func (c *Client) Subscribe(ctx context.Context) error {
	_, err := c.subscribe(ctx, false)
	return err
}

func (c *Client) subscribe(ctx context.Context, pull bool) (*subscription, error) {
	sub, err := c.start(pull)
	if err != nil {
		return nil, err
	}
	select {
	case <-sub.ready:
		return sub, nil
	case <-sub.done:
		err = sub.err
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	c.finish(sub)
	if ctx.Err() != nil && sub.failed != nil {
		err = fmt.Errorf("%w; at last: %w", err, sub.failed)
	}
	return nil, err
}

// start makes a subscription and starts its goroutine.
func (c *Client) start(pull bool) (*subscription, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.life.Err() != nil:
		return nil, wire.Errorf(wire.CodeClosed, "momclient: the client is closed")
	case c.sub != nil || c.pulling != nil:
		return nil, wire.Errorf(wire.CodeSubscribed, "momclient: the client is subscribed already; Unsubscribe first")
	}
	sub := &subscription{c: c, ready: make(chan struct{}), done: make(chan struct{})}
	sub.ctx, sub.cancel = context.WithCancel(c.life)
	if c.sub = sub; pull {
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

// Unsubscribe ends the subscription and returns when its connection is closed.
// Events that still wait are not delivered, and no handler call begins; a later
// Subscribe goes on with them. A call that is running is not waited for.
// Without a subscription it does nothing. It returns nil, always.
func (c *Client) Unsubscribe() error {
	c.mu.Lock()
	sub := c.sub
	c.mu.Unlock()
	if sub != nil {
		c.finish(sub)
	}
	return nil
}

// finish ends sub, waits for its goroutine, and goes back.
func (c *Client) finish(sub *subscription) {
	sub.cancel()
	<-sub.done
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pulling == sub {
		c.pulling = nil
	}
	if c.sub == nil { // else somebody has subscribed again since
		c.goBack()
	}
}

// goBack forgets what waits, and goes back to what was given to the handler.
// mu is held.
func (c *Client) goBack() {
	c.queue.clear()
	c.received, c.missed = c.handled, 0
	if c.busy {
		c.received = c.handling
	}
}

// Close ends the subscription and the client. It returns when the client's
// connections are closed and its goroutines gone, except one that is running a
// handler: that ends with the handler, and no further call of OnEvent begins.
// The status Closed is the last call of OnConnection. Close may be called
// again; it returns nil, always.
func (c *Client) Close() error {
	c.mu.Lock()
	first := c.life.Err() == nil
	c.endLife()
	c.mu.Unlock()
	c.running.Wait()
	if first {
		c.report(ConnectionStatus{Kind: Closed})
	}
	return nil
}

// accept takes what a session received. It is refused where the session is not
// the live one: an ended session moves nothing. mu is not held.
func (c *Client) accept(s *session, ch *chunk, missed uint64) (uint32, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session != s {
		return 0, wire.Errorf(wire.CodeClosed, "the session has ended")
	}
	missed += c.missed
	if ch.left > 0 {
		ch.missed, missed = missed, 0
	}
	after := ch.after
	room, err := c.queue.push(ch, missed == 0, s.onTheWay())
	if err != nil {
		return 0, err
	}
	c.missed, c.received, s.heard = missed, after, true
	return room, nil
}

// leave makes s no longer the live session. What the server said of its
// beginning counts where no batch has come to say the same.
func (c *Client) leave(s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session != s {
		return
	}
	c.session = nil
	if !s.heard && !s.reply.Cursor.IsZero() {
		c.received = place{cursor: s.reply.Cursor, renew: s.reply.Snapshot > 0}
		c.missed += s.reply.Missed
	}
}

// begin takes the event seq off the queue, to be handled, and returns its turn
// and the place after it; false where ch has been cleared away since, or
// another consumer has taken over.
func (c *Client) begin(ch *chunk, seq uint64, pull bool) (turn uint64, after place, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.queue.head() != ch || pull != (c.pulling != nil) || c.life.Err() != nil {
		return 0, after, false
	}
	after = c.queue.pop(seq)
	c.busy, c.handling = true, after
	c.taken++
	return c.taken, after, true
}

// end moves the cursor after a handler has returned, unless the end of a later
// turn has moved it already, and tells the server about room where there is
// news. A range loop may be turns ahead of a handler that does not return.
func (c *Client) end(turn uint64, after place) {
	c.mu.Lock()
	if turn == c.taken {
		c.busy = false
	}
	if turn > c.moved {
		c.moved, c.handled = turn, after
		if !after.renew {
			c.cursor = after.cursor
		}
	}
	s, news := c.session, c.queue.news()
	c.mu.Unlock()
	if s != nil && news != nil {
		s.tellRoom(news)
	}
}

// spoil ends the live session because ch does not hold what its batch said,
// and goes back to what was handled. All that waits behind ch is asked for
// again.
func (c *Client) spoil(ch *chunk, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.queue.head() != ch {
		return // it has been cleared away since
	}
	c.goBack()
	if s := c.session; s != nil {
		c.session = nil // what it has yet to give moves nothing
		s.callee.Close(asError(err))
	}
}

// asError returns err as a [*wire.Error]; what is none becomes an ErrLost.
func asError(err error) *wire.Error {
	var e *wire.Error
	if !errors.As(err, &e) {
		e = wire.Errorf(wire.CodeLost, "%v", err)
	}
	return e
}
