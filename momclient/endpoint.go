package momclient

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"sync"
	"time"

	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"

	"mom.internal/wire"
)

// endpoint listens for the server to dial back, for one session: it is open
// from the call of Subscribe until the server has proven itself.
type endpoint struct {
	c      *Client
	l      net.Listener
	addr   string // what the server is told
	ticket []byte
	conns  chan net.Conn // connections whose other end holds the ticket
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup // the accept loop and the proofs in progress
}

// meet makes the call, and serves the server at the endpoint from when it has
// proven itself: its first calls do not wait until the answer has come on the
// other connection. Where the one that it made is lost before it has proven
// itself here, it ends this client's own, having seen more of it.
func (s *session) meet(ctx context.Context, ep *endpoint, args *protocol.SubscribeArgs) error {
	answered, conns := make(chan error, 1), ep.conns
	var lost, late <-chan struct{} // nil until the answer has come, which says more
	s.stopped.Go(func() { answered <- s.ask(ctx, args) })
	for asking := true; asking || conns != nil; {
		select {
		case nc := <-conns:
			conns = nil
			s.callee = duplex.NewConn(nc, s.c.connConfig(0))
			s.serve(s.callee)
		case err := <-answered:
			if err != nil {
				return err
			}
			asking, lost, late = false, s.conn.Done(), ctx.Done()
		case <-lost:
			return withSetting(s.conn.Err())
		case <-late:
			return wire.Errorf(wire.CallbackFailed, "%s did not call back on %s: %w", s.c.addr, ep.addr, ended(ctx))
		}
	}
	return nil
}

// maxProofs bounds the connections that may try to prove themselves at once.
const maxProofs = 8

// listen opens the endpoint. local is the client's end of its own connection.
func (c *Client) listen(local net.Addr) (*endpoint, error) {
	host, wanted, err := net.SplitHostPort(c.opts.CallbackAddr)
	if err != nil {
		return nil, wire.Errorf(wire.BadRequest, "the callback address %q is not host:port", c.opts.CallbackAddr)
	}
	l, err := c.opts.Listen("tcp", c.opts.CallbackAddr)
	if err != nil {
		code := wire.BadRequest
		if mayPass(err, wanted) {
			code = wire.CallbackFailed
		}
		return nil, wire.Errorf(code, "cannot listen on the callback address %s: %w", c.opts.CallbackAddr, err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host, _, _ = net.SplitHostPort(local.String())
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	ep := &endpoint{c: c, l: l, addr: net.JoinHostPort(host, port), ticket: make([]byte, protocol.TicketSize), conns: make(chan net.Conn)}
	rand.Read(ep.ticket)
	ep.ctx, ep.cancel = context.WithCancel(context.Background())
	ep.wg.Go(ep.accept)
	return ep, nil
}

// mayPass reports whether a failure to listen is for want of something that
// may be there again: then it is worth another attempt.
func mayPass(err error, port string) bool {
	for _, lack := range lacks {
		if errors.Is(err, lack) {
			return true
		}
	}
	return port == "0" && errors.Is(err, inUse) // of all ports
}

// accept lets whoever connects prove that it is the server.
func (ep *endpoint) accept() {
	places := make(chan struct{}, maxProofs)
	for {
		nc, err := ep.l.Accept()
		if err != nil && mayPass(err, "") && ep.pause() {
			continue
		}
		if err != nil {
			return // closed; or the session's call will time out, and a new session listen again
		}
		select {
		case places <- struct{}{}:
		default:
			nc.Close()
			continue
		}
		ep.wg.Go(func() {
			defer func() { <-places }()
			ep.prove(nc)
		})
	}
}

// pause waits a moment, for descriptors to be free, and reports whether the
// endpoint is still open.
func (ep *endpoint) pause() bool {
	select {
	case <-time.After(10 * time.Millisecond):
		return true
	case <-ep.ctx.Done():
		return false
	}
}

// prove hands the connection over where its other end holds the ticket.
func (ep *endpoint) prove(nc net.Conn) {
	abort := context.AfterFunc(ep.ctx, func() { nc.Close() })
	defer abort()
	secured, err := protocol.OfferEndpoint(nc, ep.ticket, ep.c.opts.DialTimeout, func(nc net.Conn) (net.Conn, error) {
		return ep.c.secure(ep.ctx, nc)
	})
	if err != nil || !abort() {
		nc.Close()
		ep.c.opts.logger().Info("momclient: a connection to the callback endpoint was turned away", "addr", nc.RemoteAddr().String(), "error", err)
		return
	}
	select {
	case ep.conns <- secured:
	case <-ep.ctx.Done():
		nc.Close()
	}
}

// close ends the endpoint and what is going on at it.
func (ep *endpoint) close() {
	ep.cancel()
	ep.l.Close()
	ep.wg.Wait()
}
