package momserver

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"sync"
	"time"
	"unicode/utf8"

	"mom.internal/momserver/internal/history"
	"mom.internal/wire"
	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"
)

// service holds the methods that one client can call, under the name
// protocol.ServerService. Its connection serves one call at a time.
type service struct {
	srv      *Server
	conn     *duplex.Conn
	identity *identity

	mu        sync.Mutex // guards the fields below
	sub       *subscriber
	ended     bool        // the connection has ended
	idleTimer *time.Timer // closes the connection if it is idle; nil with a subscription

	// Owned by the goroutine that serves the connection.
	addr      netip.Addr // of the client, as limitKey returns it
	pace      *pace      // of the calls from addr; nil for none
	page      *[]byte    // of the reply that is being made; nil between calls
	turnBegan time.Time  // when the turn of a long call began, or its latest step; zero without a turn
	computing bool       // the call has a turn of Server.calls
}

func newService(s *Server, conn *duplex.Conn, id *identity) *service {
	sv := &service{srv: s, conn: conn, identity: id, addr: addrKey(conn)}
	if sv.addr.IsValid() {
		sv.pace = s.callsFrom(sv.addr)
	}
	sv.mu.Lock()
	defer sv.mu.Unlock()
	sv.startIdleTimer()
	return sv
}

// runMethod runs the body of a method, as duplex.RunMethod does.
func (sv *service) runMethod(body func() error) error {
	return duplex.RunMethod(func(v any, stack []byte) {
		sv.srv.cfg.Logger.Error("momserver: a call panicked", "addr", sv.conn.RemoteAddr().String(), "panic", v, "stack", string(stack))
	}, body)
}

// Subscribe begins the subscription of this connection. A connection has one at
// most.
func (sv *service) Subscribe(args *protocol.SubscribeArgs, reply *protocol.Subscribed) error {
	return sv.runMethod(func() error {
		if len(args.Name) > wire.MaxNameBytes || !utf8.ValidString(args.Name) {
			return wire.Errorf(wire.BadRequest, "a name of %d bytes, or not in UTF-8; at most %d bytes", len(args.Name), wire.MaxNameBytes)
		}
		if err := args.Filter.Check(); err != nil {
			return err
		}
		sv.spreadSubscribes()
		if err := sv.identity.check(); err != nil {
			return err
		}
		sub := &subscriber{
			name: args.Name, identity: sv.identity, addr: sv.conn.RemoteAddr().String(),
			conn: sv.conn, callbackConn: sv.conn, dialledBack: args.CallbackAddr != "", since: time.Now(),
			filterItems: itemsOf(&args.Filter), addrKey: sv.addr,
			isNew: true, credit: args.Credit,
		}
		if err := sv.reserve(sub); err != nil {
			return err
		}
		sv.rest() // here and below, because each step of a long filter takes time
		history.SortIDs(args.Filter.Jobs)
		sv.rest()
		sub.Reader = history.NewReader(&args.Filter, sv.identity.visible)
		sub.SetDefinitions(args.Definitions)
		sv.rest()
		accepted := false
		defer func() {
			if !accepted {
				sv.cancel(sub)
			}
		}()
		if sub.dialledBack {
			var conn *duplex.Conn
			var err error
			sv.withoutTurns(func() { conn, err = sv.srv.dialBack(sv.conn, args.CallbackAddr, args.Ticket) })
			if err != nil {
				return err
			}
			sub.callbackConn = conn
		}
		at, err := sv.srv.hist.Begin(args.From, args.Cursor, args.Renew)
		if err != nil {
			return err
		}
		accepted = true
		*reply = protocol.Subscribed{
			Cursor: wire.Cursor{Epoch: sv.srv.hist.Epoch(), Seq: at.Next - 1},
			Head:   at.Head, Missed: at.Missed, Snapshot: uint32(at.SnapshotLeft()),
			Window: uint32(sv.srv.cfg.Window), WindowBytes: uint32(sv.srv.cfg.WindowBytes),
		}
		at.Filter(&sub.Reader) // here, like the next line, and not on the sender's goroutine
		sv.srv.sender.interests.link(sub, sv.rest)
		sub.at = at
		sub.updateFigures(0, 0)
		if sub.callbackConn != sv.conn {
			sv.srv.serveCallback(sub)
		}
		sv.srv.mu.Lock()
		sv.srv.subs[sub] = true
		sv.srv.mu.Unlock()
		sv.srv.sender.postJoin(sub)
		sv.srv.cfg.Logger.Info("momserver: subscribed", "name", sub.name, "identity", sub.identity.name, "addr", sub.addr, "filter", args.Filter.String())
		return nil
	})
}

// reserve takes the place of the subscription of this connection, and one of
// the MaxSubscribers places. Stats and Subscribers leave the subscriber out until
// it is accepted.
func (sv *service) reserve(sub *subscriber) error {
	sv.mu.Lock()
	defer sv.mu.Unlock()
	s := sv.srv
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case sv.sub != nil:
		return wire.Errorf(wire.AlreadySubscribed, "a connection has one subscription; connect again for another")
	case s.phase >= shuttingDown:
		return &wire.Error{Code: wire.Draining, Message: "the server is shutting down", After: retryAfter}
	case !s.filterFits(sub):
		return &wire.Error{Code: wire.Full, After: retryAfter, Message: fmt.Sprintf("momserver: the filters of all subscribers name %d jobs already, or those of this address a quarter of that (Config.MaxFilterItems); filter by fewer jobs", s.cfg.MaxFilterItems)}
	}
	if err := s.checkPlaces(sub); err != nil {
		return err
	}
	s.subs[sub], sv.sub = false, sub
	s.countFilter(sub, sub.filterItems)
	s.countSubs(sub, 1)
	sv.stopIdleTimer()
	return nil
}

// cancel undoes reserve for a subscription that is refused, and closes the
// connection that the server dialled, if there is one.
func (sv *service) cancel(sub *subscriber) {
	if sub.callbackConn != sv.conn {
		sub.callbackConn.Close(wire.Errorf(wire.Closed, "not subscribed"))
		sub.callbackConn.Wait() // no other goroutine does
	}
	sv.mu.Lock()
	defer sv.mu.Unlock()
	sv.srv.removeSubscriber(sub)
	sv.srv.releaseFilter(sub)
	sv.sub = nil
	sv.startIdleTimer()
}

// Unsubscribe ends the subscription. The client then closes the connection;
// until it does, the connection counts as idle.
func (sv *service) Unsubscribe(*protocol.Nothing, *protocol.Nothing) error {
	return sv.runMethod(func() error {
		sub, err := sv.subscribed()
		if err != nil {
			return err
		}
		sv.srv.sender.postDrop(sub, ReasonUnsubscribed, "it unsubscribed")
		sv.mu.Lock()
		defer sv.mu.Unlock()
		sv.startIdleTimer()
		return nil
	})
}

// subscribed returns the subscriber, or a [wire.NotSubscribed] error.
func (sv *service) subscribed() (*subscriber, error) {
	sv.mu.Lock()
	defer sv.mu.Unlock()
	if sv.sub == nil {
		return nil, wire.Errorf(wire.NotSubscribed, "this connection is not subscribed")
	}
	return sv.sub, nil
}

// Credit takes credit that the client gives between two replies.
func (sv *service) Credit(credit *protocol.Credit, _ *protocol.Nothing) error {
	return sv.runMethod(func() error {
		sub, err := sv.subscribed()
		if err == nil {
			sv.srv.sender.postCredit(sub, *credit)
		}
		return err
	})
}

// Ping lets the client check that the server is alive.
func (sv *service) Ping(*protocol.Nothing, *protocol.Nothing) error { return nil }

// History returns cached events after a cursor, without a subscription.
func (sv *service) History(args *protocol.HistoryArgs, reply *protocol.Page) error {
	return sv.runMethod(func() error {
		sv.takeTurn(sv.conn.Done())
		h := sv.srv.hist
		at, err := h.After(args.Since)
		if err = cmp.Or(sv.identity.check(), err); err != nil {
			return err
		}
		events := min(cmp.Or(args.Max, math.MaxUint32), 1<<20)
		most := history.Portion{Last: math.MaxUint64, Looks: maxHistoryLooks, Events: int(events), Bytes: maxPage}
		reader := history.NewReader(&wire.Filter{}, sv.identity.visible)
		var n int
		for again := true; again; again = at.Missed > 0 { // events have left the cache in between
			reply.Missed += at.Missed
			at.Missed = 0
			reply.Events, n = h.Read(&at, &reader, most, sv.newPage())
		}
		reply.Epoch, reply.Types, reply.Count = h.Epoch(), h.Types(), uint32(n)
		reply.Next, reply.More = at.Next, at.Next <= at.Head
		return nil
	})
}

// Jobs returns the latest event of each job, without a subscription.
func (sv *service) Jobs(args *protocol.JobsArgs, reply *protocol.Page) error {
	return sv.runMethod(func() error {
		sv.takeTurn(sv.conn.Done())
		if err := sv.identity.check(); err != nil {
			return err
		}
		h := sv.srv.hist
		var n int
		reply.Events, n, reply.More = h.ReadJobs(args.After, sv.identity.visible, maxPage, sv.newPage())
		reply.Epoch, reply.Types, reply.Count = h.Epoch(), h.Types(), uint32(n)
		return nil
	})
}

// maxHistoryLooks bounds the cached events that one call of History looks at, so
// that a client that may see few of them does not get much work for a short
// answer. Such a client asks again.
const maxHistoryLooks = 1 << 14

// maxPage bounds the events of one Page, in bytes, not counting the last event
// and its definitions.
const maxPage = 48 << 10

// pages holds idle buffers for a page with an event of the default
// MaxEventBytes, so that a client that asks again and again makes no garbage.
var pages = sync.Pool{New: func() any {
	page := make([]byte, 0, maxPage+64<<10)
	return &page
}}

// newPage returns an empty buffer for the events of the reply to this call.
func (sv *service) newPage() []byte {
	if sv.page == nil {
		sv.page = pages.Get().(*[]byte)
	}
	return (*sv.page)[:0]
}

// releasePage takes the buffer back when the reply has been encoded. A buffer
// that had to grow is left to the garbage collector.
func (sv *service) releasePage() {
	if sv.page != nil {
		pages.Put(sv.page)
		sv.page = nil
	}
}

// startIdleTimer starts to watch for idleness. mu is held.
func (sv *service) startIdleTimer() {
	if !sv.ended && sv.idleTimer == nil {
		sv.idleTimer = time.AfterFunc(sv.srv.cfg.IdleTimeout, sv.closeIfIdle)
	}
}

// closeIfIdle closes the connection if it has been silent for IdleTimeout.
func (sv *service) closeIfIdle() {
	sv.mu.Lock()
	defer sv.mu.Unlock()
	if sv.idleTimer == nil {
		return
	}
	silent := time.Since(sv.conn.LastReceived())
	if silent < sv.srv.cfg.IdleTimeout {
		sv.idleTimer.Reset(sv.srv.cfg.IdleTimeout - silent)
		return
	}
	sv.conn.Close(wire.Errorf(wire.Timeout, "no subscription and no call for %v (Config.IdleTimeout)", silent))
}

// stopIdleTimer ends the watch for idleness. mu is held.
func (sv *service) stopIdleTimer() {
	if sv.idleTimer != nil {
		sv.idleTimer.Stop()
		sv.idleTimer = nil
	}
}

// end ends the subscription after the end of the connection, with the error
// err.
func (sv *service) end(err error) {
	sv.mu.Lock()
	sub := sv.sub
	sv.ended = true
	sv.stopIdleTimer()
	sv.mu.Unlock()
	var e *wire.Error
	if sub != nil && errors.As(err, &e) {
		reason, detail := reasonFor(e)
		sv.srv.sender.postDrop(sub, reason, detail)
		sub.callbackConn.Close(e) // if the sender has ended, nothing else closes it
	}
	if sub != nil {
		if len(sub.entries) > linkStep { // many such clients may leave at once
			sv.takeTurn(sv.srv.life.Done())
		}
		sv.srv.sender.interests.unlink(sub, func() { sv.restInTurn(sv.srv.life.Done()) })
		sv.endTurn(sv.srv.life.Done())
		sv.srv.releaseFilter(sub)
	}
}
