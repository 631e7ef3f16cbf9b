package momclient

import (
	"context"
	"net/rpc"
	"sync"
	"sync/atomic"
	"time"

	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"

	"github.com/google/uuid"

	"mom.internal/wire"
)

// session is one connection to the server with its subscription.
type session struct {
	c         *Client
	conn      *duplex.Conn // that the client dialled
	callee    *duplex.Conn // where the server calls; conn, or the one that it dialled
	epoch     uuid.UUID
	heartbeat time.Duration
	resumed   bool // it began from a cursor
	newEpoch  bool // of another epoch
	reply     protocol.Subscribed
	accepted  atomic.Bool // reply has come
	heard     bool        // a batch has come; guarded by the inbox

	stopped sync.WaitGroup // the goroutines that serve the connections

	// Owned by the goroutine that serves callee.
	decoder   *protocol.EventDecoder
	beats     beats           // batches without news
	next      uint64          // Seq of the first event that has not come
	batchAt   time.Time       // when the latest batch came
	received  uint64          // events
	held      int             // answers held back
	heldBytes int             // of the events that they answer
	answered  protocol.Credit // in the latest answer that was not held back

	bye *wire.Error // what the server said before it closed the connection; nil for nothing

	given chan *rpc.Call // replies to Credit; nobody reads them
}

// connect makes a session: it is the client's live one when connect returns.
func (c *Client) connect(ctx context.Context) (*session, error) {
	l, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	s := &session{c: c, conn: l.conn, callee: l.conn, epoch: l.epoch, heartbeat: l.heartbeat, given: make(chan *rpc.Call, 1)}
	s.beats = beats{began: time.Now(), every: l.heartbeat}
	args := c.enter(s)
	if err := s.subscribe(ctx, l, args); err != nil {
		s.close(asError(err))
		return nil, err
	}
	return s, nil
}

// enter makes s the live session and returns what to subscribe with.
func (c *Client) enter(s *session) *protocol.SubscribeArgs {
	from, credit := c.inbox.begin(s)
	args := &protocol.SubscribeArgs{Name: c.opts.Name, From: c.opts.From, Filter: c.opts.Filter, Credit: credit}
	if cursor := from.cursor; !cursor.IsZero() {
		args.From, args.Cursor, args.Renew = wire.FromCursor, cursor, from.renew
		s.resumed, s.newEpoch = true, cursor.Epoch != s.epoch
		if !s.newEpoch {
			s.next = cursor.Seq + 1
		}
	}
	return args
}

// subscribe makes the call, and the callback endpoint before it.
func (s *session) subscribe(ctx context.Context, l *link, args *protocol.SubscribeArgs) error {
	ctx, cancel := s.c.opts.forCalls(ctx)
	defer cancel()
	if s.c.opts.CallbackAddr == "" {
		s.serve(s.conn)
		return s.ask(ctx, args)
	}
	s.stopped.Go(func() { s.conn.Serve("", nil) })
	ep, err := s.c.listen(l.local)
	if err != nil {
		return err
	}
	defer ep.close()
	args.CallbackAddr, args.Ticket = ep.addr, ep.ticket
	return s.meet(ctx, ep, args)
}

// ask makes the call.
func (s *session) ask(ctx context.Context, args *protocol.SubscribeArgs) error {
	err := s.conn.Call(ctx, protocol.MethodSubscribe, args, &s.reply)
	if err == nil {
		s.accepted.Store(true)
		s.c.inbox.begun(s)
	}
	return withSetting(err)
}

// serve starts the goroutine that takes the server's calls.
func (s *session) serve(conn *duplex.Conn) {
	s.stopped.Go(func() { conn.Serve(protocol.CallbackService, &callback{s}) })
}

// watch waits until the session is over and returns why. It ends the session
// when nothing is heard for two and a half heartbeats, when with AutoReconnect
// the server does not answer for a Period, and when ctx is done.
func (s *session) watch(ctx context.Context) error {
	limit := s.heartbeat * 5 / 2
	silence := time.NewTimer(limit)
	defer silence.Stop()
	period := time.NewTicker(s.c.opts.Period)
	defer period.Stop()
	var ping *rpc.Call
	pong := make(chan *rpc.Call, 1)
	for {
		select {
		case <-s.conn.Done():
			return s.close(asError(withSetting(s.conn.Err())))
		case <-s.callee.Done():
			return s.close(asError(withSetting(s.callee.Err())))
		case <-ctx.Done():
			s.unsubscribe()
			return s.close(wire.Errorf(wire.Closed, "unsubscribed"))
		case <-silence.C:
			left := limit - time.Since(s.callee.LastReceived())
			if left <= 0 {
				return s.close(wire.Errorf(wire.Timeout, "nothing heard from %s for %v", s.c.addr, limit))
			}
			silence.Reset(left)
		case <-period.C:
			if !s.c.opts.AutoReconnect {
				continue
			}
			if ping != nil {
				return s.close(wire.Errorf(wire.Timeout, "%s has not answered for %v (Options.Period)", s.c.addr, s.c.opts.Period))
			}
			ping = s.conn.Client().Go(protocol.MethodPing, &protocol.Nothing{}, &protocol.Nothing{}, pong)
		case <-pong:
			ping = nil
		}
	}
}

// unsubscribe tells the server, which then need not find out. It waits for the
// answer a second at most.
func (s *session) unsubscribe() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s.conn.Call(ctx, protocol.MethodUnsubscribe, &protocol.Nothing{}, &protocol.Nothing{})
}

// close ends the session and its goroutines, and returns why it ended: the
// server's goodbye where it said one.
func (s *session) close(why *wire.Error) error {
	s.conn.Close(why)
	s.callee.Close(why)
	s.stopped.Wait()
	s.c.inbox.end(s)
	if s.bye != nil {
		return s.bye
	}
	return why
}

// giveCredit announces the credit to the server. It does not wait for an answer.
func (s *session) giveCredit(credit *protocol.Credit) {
	s.conn.Client().Go(protocol.MethodCredit, credit, &protocol.Nothing{}, s.given)
}

// begins returns the position at which the stream begins, from the server's
// reply.
func (s *session) begins() position {
	return position{cursor: s.reply.Cursor, renew: s.reply.Snapshot > 0}
}
