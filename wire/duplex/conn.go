package duplex

import (
	"context"
	"errors"
	"net"
	"net/rpc"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"mom.internal/wire"
	"mom.internal/wire/internal/gob"
)

// ConnConfig bounds a [Conn]. MaxMessage, MaxWaiting, WriteTimeout and
// MessageTimeout must be set.
type ConnConfig struct {
	MaxMessage     int           // bytes of an incoming frame's payload
	MaxCall        int           // bytes of an outgoing frame's payload, the peer's MaxMessage; 0 for no bound
	MaxWaiting     int           // bytes that may wait to be written; the next call or reply ends the connection
	MaxCalls       int           // outstanding calls of the peer; 0 for as many as 64 KiB hold
	CallsPerSecond int           // calls of the peer that are served, and as many at once; 0 for no bound
	MaxReplies     int           // bytes of waiting replies over which no further call is served; 0 for half of MaxWaiting
	WriteTimeout   time.Duration // of each write; the kernel gives a peer that has vanished a quarter more
	MessageTimeout time.Duration // from the first byte of an incoming frame to its last
	ReplyDelay     time.Duration // how long a reply may wait, so that several leave in one write; 0 for not at all
}

// Conn is one connection that carries net/rpc calls both ways: [Conn.Client]
// calls the peer, and [Conn.Serve] serves the peer's calls, one at a time and in
// order. Each direction has a gob stream of calls and a gob stream of replies,
// cut into frames of one call or one reply.
//
// One goroutine, the reader, reads the connection. It is the goroutine with which
// net/rpc waits for replies, and it serves the calls that arrive between them, so
// that nothing that arrives changes goroutines. A served method must not call the
// peer and wait for the reply, because nobody would read it.
//
// Neither a call nor a reply waits for the network: both go to an outbox, which
// has a writer goroutine. A Conn ends once, with one error: the first.
type Conn struct {
	// OnCall, if not nil, is called before each call is decoded, with the number of
	// its bytes. The connection reads nothing until OnCall returns. Set it before
	// Serve.
	OnCall func(bytes int)

	// OnReplied, if not nil, is called after each call that was served: its reply
	// has been encoded, and the memory of the reply may be used again. It is set
	// before Serve.
	OnReplied func()

	nc  net.Conn
	cfg *ConnConfig
	out *outbox

	client   *rpc.Client
	serving  chan struct{}  // closed by Serve
	began    time.Time      // its monotonic reading is the zero of received
	received atomic.Int64   // when the last frame arrived, in nanoseconds since began
	running  sync.WaitGroup // the writer and the reader

	// Owned by the reader.
	frames   frameReader
	calls    *serverCodec // nil if nothing is served; set before serving is closed
	pending  pendingCalls // calls that wait until replies have left
	nextTurn time.Time    // when the next call may be served, if there have been as many as a second allows

	err  atomic.Pointer[wire.Error] // why the connection ended
	done chan struct{}              // closed after err is set
}

// NewConn returns a Conn on nc, and from then on owns nc. Nothing is received, not
// even a reply, before Serve is called.
func NewConn(nc net.Conn, cfg ConnConfig) *Conn {
	// Later than WriteTimeout, so that an unanswered call is noticed first, because
	// its error says more.
	watchPeer(nc, cfg.WriteTimeout*5/4)
	c := &Conn{
		nc: nc, cfg: &cfg,
		out:    newOutbox(nc, &cfg),
		frames: frameReader{nc: nc, cfg: &cfg, ahead: newReadAhead(nc)},
		began:  time.Now(), serving: make(chan struct{}), done: make(chan struct{}),
	}
	c.running.Go(func() {
		switch err := c.out.write(c.done); {
		case errors.Is(err, os.ErrDeadlineExceeded):
			c.end(wire.Errorf(wire.Timeout, "writing to %v: no progress in time", nc.RemoteAddr()).WithCause(err))
		case err != nil:
			c.end(wire.Errorf(wire.Lost, "writing to %v: %w", nc.RemoteAddr(), err))
		}
	})
	c.running.Add(1) // until the client's codec has returned its last error
	k := &clientCodec{c: c, calls: &frameEncoder{c.out, frameCall, gob.NewWriter()}}
	c.frames.streams[frameReply] = &k.in
	c.client = rpc.NewClientWithCodec(k)
	return c
}

// Client returns the client that calls the peer. Its Go never blocks. A done
// channel must have room for every call in flight, because net/rpc discards what
// does not fit.
func (c *Conn) Client() *rpc.Client { return c.client }

// Call calls a method of the peer and waits for the reply, for the end of ctx, or
// for the end of the connection.
//
// If ctx ends first, the error is a [wire.Timeout] error if the deadline of ctx
// has passed, and a [wire.Closed] error if ctx was cancelled. Its cause is both
// the error and the cause of ctx. The connection ends as well, because net/rpc
// would keep the call pending and decode a late reply into memory that is used
// for something else by then. Other calls on the connection fail with the same
// code and message, but without the cause, because it was not their context that
// ended.
func (c *Conn) Call(ctx context.Context, method string, args, reply any) error {
	call := c.client.Go(method, args, reply, make(chan *rpc.Call, 1))
	select {
	case <-call.Done:
	case <-ctx.Done():
		code, how := wire.Timeout, "is unanswered"
		if errors.Is(ctx.Err(), context.Canceled) {
			code, how = wire.Closed, "was given up"
		}
		givenUp := wire.Errorf(code, "%s to %v %s: %v", method, c.nc.RemoteAddr(), how, context.Cause(ctx))
		c.end(givenUp)
		<-call.Done // soon, because the connection has ended
		if err := c.Err(); err != givenUp {
			return err
		}
		return givenUp.WithCause(errors.Join(ctx.Err(), context.Cause(ctx)))
	}
	var sent rpc.ServerError
	if call.Error != nil && !errors.As(call.Error, &sent) {
		<-c.done // the connection ended under the call, and its error says more
		return c.Err()
	}
	return FromRPC(call.Error)
}

// Serve serves the peer's calls to the methods of receiver under the name
// service; nil serves none. When the connection has ended, Serve returns why. It
// is called once.
func (c *Conn) Serve(service string, receiver any) error {
	if receiver != nil {
		c.calls = newServerCodec(c, service, receiver)
	}
	close(c.serving)
	c.Wait()
	return c.Err()
}

// FlushReplies lets the reply to the call that is being served, and those before
// it, leave at once; see ConnConfig.ReplyDelay.
func (c *Conn) FlushReplies() { c.out.flushReplies() }

// LastReceived returns when the last frame arrived, or when the connection began.
// A step of the wall clock does not change how long ago that is.
func (c *Conn) LastReceived() time.Time { return c.began.Add(time.Duration(c.received.Load())) }

// RemoteAddr returns the peer's address.
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }

// Done is closed when the connection has ended.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err returns why the connection ended, as a [*wire.Error]; nil if it has not
// ended.
func (c *Conn) Err() error {
	if err := c.err.Load(); err != nil {
		return err
	}
	return nil
}

// Close ends the connection with the reason, unless it has ended already. It
// does not wait for the peer. Calls in flight fail.
func (c *Conn) Close(reason *wire.Error) { c.end(reason) }

// Wait blocks until the connection has ended, its writer is gone, and its reader
// has returned its last error to net/rpc: nothing is read, written or served any
// more. The reader then fails the calls that are pending, and ends.
func (c *Conn) Wait() {
	<-c.done
	c.running.Wait()
}

// end ends the connection: every other way to its end leads here.
func (c *Conn) end(err error) {
	var e *wire.Error
	if !errors.As(err, &e) {
		e = wire.Errorf(wire.Lost, "connection to %v lost: %w", c.nc.RemoteAddr(), err)
	}
	if c.err.CompareAndSwap(nil, e) {
		close(c.done)
		c.nc.Close()
	}
}
