package momserver

import (
	"time"

	"mom.internal/wire"
	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"
)

// revoke.go takes access away from clients that were let in.

// revocation is why a client may not stay.
type revocation struct {
	reason Reason
	err    *wire.Error // which the client is told
}

// Disconnect ends the connections of the clients for which match returns true,
// and returns their number. A subscriber is told the reason, as a
// [wire.Disconnected] error, and dropped with [ReasonDisconnected]. From then on
// it gets no event and no answer, whether or not it has read the reason.
//
// Disconnect also ends the connections of clients that are not subscribed. Of
// these, match gets only Identity and Addr. A client that is being let in
// meanwhile is put to Config.Authorize once more.
//
// A client with AutoReconnect comes back. To keep it out, change what
// Config.Authorize decides first.
func (s *Server) Disconnect(match func(SubscriberInfo) bool, reason string) int {
	if s == nil {
		return 0
	}
	head, scanned := s.hist.Head(), s.sender.scannedNext.Load()
	s.mu.Lock()
	s.revocations++
	subs := make(map[*duplex.Conn]*subscriber, len(s.subs))
	for sub, accepted := range s.subs {
		if accepted {
			subs[sub.conn] = sub
		}
	}
	type client struct {
		conn *clientConn
		sub  *subscriber // nil if it is not subscribed
		info SubscriberInfo
	}
	clients := make([]client, 0, len(s.conns))
	for c := range s.conns {
		if c.unproven != nil {
			continue
		}
		info := SubscriberInfo{Identity: c.identity.name, Addr: c.nc.RemoteAddr().String()}
		sub := subs[c.duplexConn()]
		if sub != nil {
			info = sub.info(head, scanned)
		}
		clients = append(clients, client{c, sub, info})
	}
	s.mu.Unlock()
	n := 0
	for _, c := range clients {
		if match(c.info) {
			c.conn.revoke(c.sub, &revocation{ReasonDisconnected, wire.Errorf(wire.Disconnected, "%s", reason)})
			n++
		}
	}
	return n
}

// revoke ends a connection whose client has been let in. The subscriber sub, if
// it is not nil, is told why.
func (c *clientConn) revoke(sub *subscriber, why *revocation) {
	c.identity.revoked.CompareAndSwap(nil, why)
	if sub != nil {
		c.srv.sender.postRevoke(sub, why)
	} else {
		c.close(why.err)
	}
}

// expireAt ends the connection with the service sv when its Grant expires. The
// caller calls stop when the connection has ended.
func (c *clientConn) expireAt(expires time.Time, sv *service) (stop func()) {
	if expires.IsZero() {
		return func() {}
	}
	timer := time.AfterFunc(time.Until(expires), func() {
		c.revoke(sv.accepted(), &revocation{ReasonExpired, wire.Errorf(wire.Expired, "what the server granted this client has expired; connect again")})
	})
	return func() { timer.Stop() }
}

// accepted returns the subscriber, or nil if there is none or its subscription
// has not been accepted.
func (sv *service) accepted() *subscriber {
	sv.mu.Lock()
	sub := sv.sub
	sv.mu.Unlock()
	sv.srv.mu.Lock()
	defer sv.srv.mu.Unlock()
	if !sv.srv.subs[sub] {
		return nil
	}
	return sub
}

// duplexConn returns the connection after its greeting, or nil before.
func (c *clientConn) duplexConn() *duplex.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.conn
}

// check returns an error if access has been taken away.
func (id *identity) check() error {
	if why := id.revoked.Load(); why != nil {
		return why.err
	}
	return nil
}

// postRevoke tells a subscriber that it may not stay, and drops it.
func (s *sender) postRevoke(sub *subscriber, why *revocation) {
	s.post(sub, func(r *request) { r.revoked = why })
}

// sayRevoked sends a subscriber no further event, tells it why, and drops it
// when it has answered, or at once if no call can be made.
func (s *sender) sayRevoked(sub *subscriber) {
	if _, ok := s.subs[sub]; !ok || sub.saidGoodbye {
		return // it joins later, or has gone, or is about to go
	}
	open := s.windowOpen(sub)
	sub.saidGoodbye = true
	if !open {
		s.drop(sub, sub.revoked.reason, sub.revoked.err.Message)
		return
	}
	s.call(sub, protocol.MethodGoodbye, &protocol.Goodbye{Code: sub.revoked.err.Code, Message: sub.revoked.err.Message}, 0, true)
}
