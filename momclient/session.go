package momclient

import (
	"cmp"
	"context"
	"net/rpc"
	"sync"
	"sync/atomic"
	"time"

	"mom.internal/wire"
	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"
)

// session is a subscription on one connection to the server.
type session struct {
	greetedConn  // the connection that the client dialled
	c            *Client
	callbackConn *duplex.Conn // the connection on which the server calls: conn, or the one that the server dialled back
	resumed      bool         // the session began from a cursor
	newEpoch     bool         // that cursor is of another epoch
	reply        protocol.Subscribed
	accepted     atomic.Bool // reply has come
	gotBatch     bool        // a batch has come; guarded by the inbox

	announced  chan *rpc.Call // answers to announcements of credit
	unanswered atomic.Int64   // announcements that are not answered, or whose answer is in announced

	running sync.WaitGroup // the goroutines that serve the connections, and the one that waits for reply

	// Owned by the goroutine that serves callbackConn.
	decoder       *protocol.EventDecoder
	budget        callBudget
	broughtEvents bool            // the call that is being served has brought events
	next          uint64          // Seq of the first event that has not come
	received      uint64          // events that have come
	lastBatch     time.Time       // when the latest batch came
	delayed       int             // answers that were delayed, since one was sent at once
	delayedBytes  int             // of the events that they answer
	advertised    protocol.Credit // in the latest answer that was sent at once
	goodbye       *wire.Error     // why the server is about to close the connection; nil if it has not said
}

// newSession connects and subscribes. It returns when the server has accepted.
func (c *Client) newSession(ctx context.Context) (*session, error) {
	gc, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	s := &session{
		greetedConn: *gc, c: c, callbackConn: gc.conn, budget: newCallBudget(gc.heartbeat), announced: make(chan *rpc.Call, maxAnnounced),
	}
	if err := s.subscribe(ctx, s.attach()); err != nil {
		s.close(asError(err))
		return nil, err
	}
	return s, nil
}

// attach makes s the session from which the inbox takes events, and returns the
// arguments with which to subscribe.
func (s *session) attach() *protocol.SubscribeArgs {
	opts := &s.c.opts
	from, credit := s.c.inbox.attach(s)
	args := &protocol.SubscribeArgs{Name: opts.Name, From: opts.From, Filter: opts.Filter, Credit: credit, Definitions: protocol.MostDefinitions()}
	if cursor := from.cursor; !cursor.IsZero() {
		args.From, args.Cursor, args.Renew = wire.FromCursor, cursor, from.renew
		s.resumed, s.newEpoch = true, cursor.Epoch != s.epoch
		if !s.newEpoch {
			s.next = cursor.Seq + 1
		}
	}
	return args
}

// subscribe calls the server's Subscribe, with a callback endpoint if Options
// say so.
func (s *session) subscribe(ctx context.Context, args *protocol.SubscribeArgs) error {
	ctx, cancel := s.c.opts.callContext(ctx)
	defer cancel()
	if s.c.opts.CallbackAddr == "" {
		s.serveCallbacks()
		return s.callSubscribe(ctx, args)
	}
	s.running.Go(func() { s.conn.Serve("", nil) })
	ep, err := s.c.listen(ctx, s.local)
	if err != nil {
		return err
	}
	defer ep.close()
	return s.subscribeWithEndpoint(ctx, ep, args)
}

// serveCallbacks starts the goroutine that serves the server's calls.
func (s *session) serveCallbacks() {
	s.callbackConn.OnReplied = s.callServed
	s.running.Go(func() { s.callbackConn.Serve(protocol.CallbackService, &callback{s}) })
}

// callSubscribe calls the server's Subscribe.
func (s *session) callSubscribe(ctx context.Context, args *protocol.SubscribeArgs) error {
	err := s.conn.Call(ctx, protocol.MethodSubscribe, args, &s.reply)
	if err == nil {
		s.accepted.Store(true)
		s.c.inbox.setStart(s)
	}
	return nameOption(err)
}

// startPosition returns the position at which the stream begins, by the server's reply.
func (s *session) startPosition() position {
	return position{cursor: s.reply.Cursor, renew: s.reply.Snapshot > 0}
}

// watch waits until the session has ended, and returns why. It ends the session
// if ctx is done, if nothing comes for two and a half heartbeats, and, with
// AutoReconnect, if the server does not answer a ping within a Period.
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
			return s.close(asError(nameOption(s.conn.Err())))
		case <-s.callbackConn.Done():
			return s.close(asError(nameOption(s.callbackConn.Err())))
		case <-ctx.Done():
			s.unsubscribe()
			return s.close(wire.Errorf(wire.Closed, "unsubscribed"))
		case <-silence.C:
			left := limit - time.Since(s.callbackConn.LastReceived())
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

// unsubscribe tells the server that the session ends, and waits at most a
// second for the answer.
func (s *session) unsubscribe() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s.conn.Call(ctx, protocol.MethodUnsubscribe, &protocol.Nothing{}, &protocol.Nothing{})
}

// close ends the session, waits for its goroutines, and returns why it ended:
// the server's goodbye if there was one, and why otherwise.
func (s *session) close(why *wire.Error) error {
	s.conn.Close(why)
	s.callbackConn.Close(why)
	s.running.Wait()
	s.c.inbox.detach(s)
	return cmp.Or(s.goodbye, why)
}
