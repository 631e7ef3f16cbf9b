package duplex

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/rpc"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"mom.internal/wire"

	"mom.internal/wire/internal/gob"
)

// frameKind is the first byte of a frame.
type frameKind byte

const (
	frameCall  frameKind = 1 // a request: rpc.Request, then the arguments
	frameReply frameKind = 2 // a response: rpc.Response, then the reply
)

// frameHead is the length of a frame's head: kind and payload length.
const frameHead = 5

// ConnConfig bounds a [Conn]. MaxMessage, MaxWaiting, WriteTimeout and
// MessageTimeout must be set.
type ConnConfig struct {
	MaxMessage     int           // bytes of one incoming frame
	MaxCall        int           // bytes of one outgoing frame, what the peer takes; 0 where it takes what this end may say
	MaxWaiting     int           // bytes that may wait to be written
	MaxCalls       int           // calls that the peer may leave unanswered; 0 for what 64 KiB hold
	MaxReplies     int           // bytes of replies that wait to be written, over which no call is served; 0 for half of MaxWaiting
	WriteTimeout   time.Duration // for each write; the kernel gives a peer that has vanished a quarter more
	MessageTimeout time.Duration // from an incoming frame's first byte to its last
	ReplyDelay     time.Duration // how long a reply may wait, so that several leave in one write; 0 for not at all
}

// Conn is one connection that carries net/rpc calls both ways: [Conn.Client]
// calls the peer, [Conn.Serve] serves the peer's calls, one at a time, in
// order. Calls in one direction and replies in the other have a gob stream
// each, cut into frames of one call or reply.
//
// One goroutine reads: the one with which net/rpc waits for replies. It serves
// the calls that come in between, so nothing that comes changes goroutines. A
// served method must not call the peer and wait: nobody would read the answer.
// It reads on while replies do not leave; the calls that come then wait, and a
// peer that leaves too many unanswered ends the connection.
//
// Neither a call nor a reply waits for the network: they go to an outbox with
// a writer of its own. A Conn ends once, with one error, whatever fails first.
type Conn struct {
	// OnReplied, if not nil, is called after each call that was served: its reply
	// has been encoded, and what that was made of may be used again. It is set
	// before Serve.
	OnReplied func()

	nc  net.Conn
	cfg ConnConfig
	out *outbox

	client   *rpc.Client
	serving  chan struct{}  // closed by Serve
	began    time.Time      // its monotonic reading is what heard counts from
	received atomic.Int64   // when the last frame came, in nanoseconds since began
	running  sync.WaitGroup // the writer and the reader

	// Owned by the reader, which is the client's goroutine.
	in      *readAhead
	frame   frameBuffer  // the one that is being read
	calls   *serverCodec // nil where nothing is served; set before serving is closed
	replies *gob.Stream
	pending pendingCalls // calls that wait until replies have left

	done    chan struct{} // closed when the connection ends
	endOnce sync.Once
	err     error // why it ended; set before done is closed
}

// NewConn returns a Conn on nc, which it owns from here on. Serve must be
// called for anything to be received, replies too.
func NewConn(nc net.Conn, cfg ConnConfig) *Conn {
	// After an unanswered call would have been noticed, which says more.
	watchPeer(nc, cfg.WriteTimeout*5/4)
	c := &Conn{
		nc: nc, cfg: cfg,
		out:   newOutbox(nc, &cfg),
		in:    newReadAhead(nc),
		began: time.Now(), serving: make(chan struct{}), done: make(chan struct{}),
	}
	c.running.Go(func() {
		if err := c.out.write(c.done); err != nil {
			c.end(c.ioError("writing to", err))
		}
	})
	c.running.Add(1) // until the client's codec has returned its last error
	c.client = rpc.NewClientWithCodec(newClientCodec(c))
	return c
}

// Client returns the client that calls the peer. Its Go never blocks; a done
// channel must have room for every call in flight, because net/rpc discards
// what does not fit.
func (c *Conn) Client() *rpc.Client { return c.client }

// Call calls a method of the peer and waits for the reply, for ctx, or for the
// end of the connection. If ctx ends the call, the error is a [wire.Timeout] error if
// the deadline of ctx has passed and a [wire.Closed] error if ctx was cancelled; its
// cause is both the error and the cause of ctx. A call that is given up ends
// the connection, because net/rpc would keep it pending and write a late reply
// into memory that has moved on. Other calls on the connection then fail with
// the same code and message, but without the cause, because it was not their
// context that ended.
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
		<-call.Done // soon: the connection has ended
		if c.err != givenUp {
			return c.err
		}
		return givenUp.WithCause(errors.Join(ctx.Err(), context.Cause(ctx)))
	}
	var sent rpc.ServerError
	if call.Error != nil && !errors.As(call.Error, &sent) {
		<-c.done // the connection failed under the call, and knows why
		return c.Err()
	}
	return FromRPC(call.Error)
}

// Serve serves the peer's calls to the methods of receiver, which stand under
// the name service; nil for none. It returns why the connection ended, when it
// has. It is called once.
func (c *Conn) Serve(service string, receiver any) error {
	if receiver != nil {
		c.calls = newServerCodec(c, service, receiver)
	}
	close(c.serving)
	c.Wait()
	return c.err
}

// nextReply reads until a reply comes, serves the calls that come before it,
// and returns the reply's payload, valid until the next call. Its one caller is
// net/rpc's goroutine, by way of the codec.
func (c *Conn) nextReply() ([]byte, error) {
	select {
	case <-c.serving:
	case <-c.done:
		return nil, c.err
	}
	for {
		if err := c.servePending(); err != nil {
			return nil, err
		}
		kind, payload, err := c.readFrame()
		switch {
		case err != nil:
		case kind == frameReply:
			return payload, nil
		case c.calls == nil:
			err = wire.Errorf(wire.ProtocolError, "%v called, and nothing is served here", c.nc.RemoteAddr())
		default:
			err = c.takeCall(payload)
		}
		if err != nil {
			return nil, err
		}
	}
}

// readFrame returns the next frame; its payload is valid until the next call.
func (c *Conn) readFrame() (frameKind, []byte, error) {
	if err := c.in.wait(); err != nil {
		return 0, nil, c.ioError("reading from", err)
	}
	if !c.wholeBuffered() { // the rest is on its way, and has so long
		c.nc.SetReadDeadline(time.Now().Add(c.cfg.MessageTimeout))
		defer c.nc.SetReadDeadline(time.Time{})
	}
	var head [frameHead]byte
	if _, err := io.ReadFull(c.in, head[:]); err != nil {
		return 0, nil, c.ioError("reading from", err)
	}
	kind, size := frameKind(head[0]), binary.BigEndian.Uint32(head[1:])
	if kind != frameCall && kind != frameReply {
		return 0, nil, wire.Errorf(wire.ProtocolError, "%v sent a frame of kind %d", c.nc.RemoteAddr(), kind)
	}
	if uint64(size) > uint64(c.cfg.MaxMessage) {
		return 0, nil, wire.Errorf(wire.TooLarge, "%v sent a message of %d bytes; at most %d", c.nc.RemoteAddr(), size, c.cfg.MaxMessage)
	}
	payload, err := c.frame.fill(c.in, int(size), c.stream(kind))
	if errors.As(err, new(gob.Error)) {
		return 0, nil, protocolError(err)
	}
	if err != nil {
		return 0, nil, c.ioError("reading from", err)
	}
	c.received.Store(int64(time.Since(c.began)))
	return kind, payload, nil
}

// stream returns the gob stream of the frames of a kind, nil where nobody wants
// them.
func (c *Conn) stream(kind frameKind) *gob.Stream {
	switch {
	case kind == frameReply:
		return c.replies
	case c.calls == nil:
		return nil
	}
	return &c.calls.in
}

// wholeBuffered reports whether the next frame has been read ahead.
func (c *Conn) wholeBuffered() bool {
	b := c.in.buffered()
	return len(b) >= frameHead && uint64(len(b)-frameHead) >= uint64(binary.BigEndian.Uint32(b[1:]))
}

// FlushReplies lets the reply to the call that is being served leave at once, and
// those before it; see ConnConfig.ReplyDelay.
func (c *Conn) FlushReplies() { c.out.flushReplies() }

// LastReceived returns when the last frame came from the peer, or when the connection
// began. A step of the wall clock does not change how long ago that is.
func (c *Conn) LastReceived() time.Time { return c.began.Add(time.Duration(c.received.Load())) }

// RemoteAddr returns the peer's address.
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }

// Done is closed when the connection has ended.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err returns why the connection ended, an [*Error]; nil while it has not.
func (c *Conn) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// Close ends the connection with the reason, unless it has ended already. It
// does not wait for the peer. Calls in flight fail.
func (c *Conn) Close(reason *wire.Error) { c.end(reason) }

// Wait blocks until the connection has ended, its writer is gone, and its reader
// has returned its last error to net/rpc: nothing is read, written or served any
// more. The reader is net/rpc's goroutine, which then fails the calls that are
// pending, and ends.
func (c *Conn) Wait() {
	<-c.done
	c.running.Wait()
}

// end is the one door out.
func (c *Conn) end(err error) {
	c.endOnce.Do(func() {
		var e *wire.Error
		if !errors.As(err, &e) {
			e = wire.Errorf(wire.Lost, "connection to %v lost: %w", c.nc.RemoteAddr(), err)
		}
		c.err = e
		close(c.done)
		c.nc.Close()
	})
}

// ioError puts an error of the socket into words, and keeps it as the cause.
func (c *Conn) ioError(verb string, err error) error {
	peer := c.nc.RemoteAddr()
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded) && verb == "reading from":
		return wire.Errorf(wire.Stalled, "a message from %v was not whole after %v", peer, c.cfg.MessageTimeout).WithCause(err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return wire.Errorf(wire.Timeout, "%s %v: no progress in time", verb, peer).WithCause(err)
	case errors.Is(err, io.EOF):
		return wire.Errorf(wire.Lost, "%v closed the connection", peer).WithCause(err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return wire.Errorf(wire.Lost, "%v closed the connection within a message", peer).WithCause(err)
	}
	return wire.Errorf(wire.Lost, "%s %v: %w", verb, peer, err)
}
