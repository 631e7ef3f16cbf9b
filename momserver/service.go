package momserver

import (
	"errors"
	"fmt"
	"sync"
	"time"
	"unicode/utf8"

	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"

	"mom.internal/momserver/internal/history"
	"mom.internal/wire"
)

// service is what one client can call, under the name protocol.ServerService. Its
// connection serves one call at a time.
type service struct {
	srv  *Server
	conn *duplex.Conn
	who  *admission

	mu   sync.Mutex // guards the fields below
	sub  *subscriber
	over bool        // the connection has ended
	idle *time.Timer // ends a connection that does nothing; nil with a subscription

	// Owned by the goroutine that serves the connection.
	page *[]byte // of the reply that is being made; nil between calls
}

func newService(s *Server, conn *duplex.Conn, who *admission) *service {
	sv := &service{srv: s, conn: conn, who: who}
	sv.mu.Lock()
	defer sv.mu.Unlock()
	sv.startIdle()
	return sv
}

// startIdle begins the watch over idleness. mu is held.
func (sv *service) startIdle() {
	if !sv.over && sv.idle == nil {
		sv.idle = time.AfterFunc(sv.srv.cfg.IdleTimeout, sv.checkIdle)
	}
}

// checkIdle closes the connection where it has been silent for IdleTimeout.
func (sv *service) checkIdle() {
	sv.mu.Lock()
	defer sv.mu.Unlock()
	if sv.idle == nil {
		return
	}
	silent := time.Since(sv.conn.LastReceived())
	if silent < sv.srv.cfg.IdleTimeout {
		sv.idle.Reset(sv.srv.cfg.IdleTimeout - silent)
		return
	}
	sv.conn.Close(wire.Errorf(wire.Timeout, "no subscription and no call for %v (Config.IdleTimeout)", silent))
}

// stopIdle ends the watch over idleness. mu is held.
func (sv *service) stopIdle() {
	if sv.idle != nil {
		sv.idle.Stop()
		sv.idle = nil
	}
}

// end detaches the subscriber after the connection's end.
func (sv *service) end(err error) {
	sv.mu.Lock()
	sub := sv.sub
	sv.over = true
	sv.stopIdle()
	sv.mu.Unlock()
	var e *wire.Error
	if sub != nil && errors.As(err, &e) {
		reason, detail := reasonFor(e)
		sv.srv.sender.detach(sub, reason, detail)
		sub.callee.Close(e) // where the sender is gone already, nobody else does
	}
}

// serving runs a method's body; see duplex.RunMethod.
func (sv *service) serving(body func() error) error {
	return duplex.RunMethod(func(v any, stack []byte) {
		sv.srv.cfg.Logger.Error("momserver: a call panicked", "addr", sv.conn.RemoteAddr().String(), "panic", v, "stack", string(stack))
	}, body)
}

// Subscribe begins the subscription of this connection.
func (sv *service) Subscribe(args *protocol.SubscribeArgs, reply *protocol.Subscribed) error {
	return sv.serving(func() error {
		if len(args.Name) > wire.MaxNameBytes || !utf8.ValidString(args.Name) {
			return wire.Errorf(wire.BadRequest, "a name of %d bytes, or not in UTF-8; at most %d", len(args.Name), wire.MaxNameBytes)
		}
		if err := args.Filter.Check(); err != nil {
			return err
		}
		sub := &subscriber{
			name: args.Name, who: sv.who, addr: sv.conn.RemoteAddr().String(),
			main: sv.conn, callee: sv.conn, Reader: history.NewReader(&args.Filter, sv.who.sees), since: time.Now(),
			fresh: true, credit: args.Credit,
		}
		if err := sv.reserve(sub); err != nil {
			return err
		}
		accepted := false
		defer func() {
			if !accepted {
				sv.cancel(sub)
			}
		}()
		if args.CallbackAddr != "" {
			callee, err := sv.srv.dialBack(sv.conn, args.CallbackAddr, args.Ticket)
			if err != nil {
				return err
			}
			sub.callOn(callee)
		}
		at, err := sv.srv.hist.Begin(args.From, args.Cursor, args.Renew)
		if err != nil {
			return err
		}
		accepted = true
		sub.at = at
		*reply = protocol.Subscribed{
			Cursor: wire.Cursor{Epoch: sv.srv.hist.Epoch(), Seq: at.Next - 1},
			Head:   at.Head, Missed: at.Missed, Snapshot: uint32(at.SnapshotLeft()),
			Window: uint32(sv.srv.cfg.Window), WindowBytes: uint32(sv.srv.cfg.WindowBytes),
		}
		sub.look(0, 0)
		if sub.callee != sv.conn {
			sv.srv.serveCallback(sub)
		}
		sv.srv.acceptSubscriber(sub)
		sv.srv.sender.attach(sub)
		sv.srv.cfg.Logger.Info("momserver: subscribed", "name", sub.name, "identity", sub.who.identity, "addr", sub.addr, "filter", args.Filter.String())
		return nil
	})
}

// reserve takes a subscriber's place, one for the connection and one of
// MaxSubscribers.
func (sv *service) reserve(sub *subscriber) error {
	sv.mu.Lock()
	defer sv.mu.Unlock()
	if sv.sub != nil {
		return wire.Errorf(wire.AlreadySubscribed, "this connection has its subscription, or has had it; connect again for another")
	}
	if err := sv.srv.addSubscriber(sub); err != nil {
		return err
	}
	sv.sub = sub
	sv.stopIdle()
	return nil
}

// cancel undoes reserve for a subscription that is refused: it closes the
// connection that the server dialled back, if there is one, and frees the
// place.
func (sv *service) cancel(sub *subscriber) {
	if sub.callee != sv.conn {
		sub.callee.Close(wire.Errorf(wire.Closed, "not subscribed"))
		sub.callee.Wait() // no other goroutine waits for it
	}
	sv.mu.Lock()
	defer sv.mu.Unlock()
	sv.srv.removeSubscriber(sub)
	sv.sub = nil
	sv.startIdle()
}

// current returns the subscriber, or a [wire.NotSubscribed] error.
func (sv *service) current() (*subscriber, error) {
	sv.mu.Lock()
	defer sv.mu.Unlock()
	if sv.sub == nil {
		return nil, wire.Errorf(wire.NotSubscribed, "this connection is not subscribed")
	}
	return sv.sub, nil
}

// Unsubscribe ends the subscription; the client then closes the connection. Where
// it does not, the connection is idle.
func (sv *service) Unsubscribe(*protocol.Nothing, *protocol.Nothing) error {
	return sv.serving(func() error {
		sub, err := sv.current()
		if err != nil {
			return err
		}
		sv.srv.sender.detach(sub, ReasonUnsubscribed, "it unsubscribed")
		sv.mu.Lock()
		defer sv.mu.Unlock()
		sv.startIdle()
		return nil
	})
}

// Credit takes the credit that the client gives between two answers.
func (sv *service) Credit(credit *protocol.Credit, _ *protocol.Nothing) error {
	return sv.serving(func() error {
		sub, err := sv.current()
		if err == nil {
			sv.srv.sender.grant(sub, *credit)
		}
		return err
	})
}

// Ping answers: the client checks that the server is alive.
func (sv *service) Ping(*protocol.Nothing, *protocol.Nothing) error { return nil }

// addSubscriber reserves one of the places of MaxSubscribers for a subscriber.
func (s *Server) addSubscriber(sub *subscriber) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.phase >= draining:
		return &wire.Error{Code: wire.Draining, Message: "the server is shutting down", After: retryAfter}
	case len(s.subs) >= s.cfg.MaxSubscribers:
		return &wire.Error{Code: wire.Full, After: retryAfter, Message: fmt.Sprintf("momserver: %d subscribers already (Config.MaxSubscribers)", s.cfg.MaxSubscribers)}
	}
	s.subs[sub] = false
	return nil
}

// acceptSubscriber marks a subscriber as accepted, so that Stats and
// Subscribers include it.
func (s *Server) acceptSubscriber(sub *subscriber) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subs[sub] = true
}

func (s *Server) removeSubscriber(sub *subscriber) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.subs, sub)
}

// dropped records the end of a subscription and ends its connections. The
// sender calls it.
func (s *Server) dropped(sub *subscriber, why Reason, detail string) {
	info := sub.info(s.hist.Head(), s.sender.looked.Load())
	s.removeSubscriber(sub)
	s.drops.add(Drop{Time: time.Now(), Name: sub.name, Addr: sub.addr, Reason: why, Detail: detail, Lag: info.Lag})
	s.cfg.Logger.Info("momserver: subscriber dropped", "name", sub.name, "addr", sub.addr, "reason", why.String(), "detail", detail, "lag", info.Lag)
	end := wire.Errorf(wire.Closed, "%s", detail)
	if sub.callee != sub.main {
		sub.callee.Close(end)
	}
	if why != ReasonUnsubscribed { // that client closes when it has the answer
		sub.main.Close(end)
	}
}
