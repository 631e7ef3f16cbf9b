package momclient

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"mom.internal/wire"
	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"
)

// endpoint is the callback endpoint of one session: a listener to which the
// server dials back. It is open while the session calls Subscribe. Anybody may
// connect to it, so each connection must prove that it comes from the server.
type endpoint struct {
	c        *Client
	listener net.Listener
	addr     string        // which the server is told
	ticket   []byte        // which the server is told, and proves itself with
	proven   chan net.Conn // connections that come from the server
	ctx      context.Context
	cancel   context.CancelFunc
	running  sync.WaitGroup // accept, and the proofs in progress
}

// subscribeWithEndpoint calls the server's Subscribe, and waits for the server
// to dial back as well. It serves the server's calls as soon as the server has
// proven itself, because the first calls may come before the reply.
func (s *session) subscribeWithEndpoint(ctx context.Context, ep *endpoint, args *protocol.SubscribeArgs) error {
	args.CallbackAddr, args.Ticket = ep.addr, ep.ticket
	replied, proven := make(chan error, 1), ep.proven
	s.running.Go(func() { replied <- s.callSubscribe(ctx, args) })
	var lost, late <-chan struct{} // nil until the reply has come, because its error says more
	for calling := true; calling || proven != nil; {
		select {
		case nc := <-proven:
			proven = nil
			s.callbackConn = duplex.NewConn(nc, s.c.connConfig(0))
			s.serveCallbacks()
		case err := <-replied:
			if err != nil {
				return err
			}
			calling, lost, late = false, s.conn.Done(), ctx.Done()
		case <-lost:
			return nameOption(s.conn.Err())
		case <-late:
			return wire.Errorf(wire.CallbackFailed, "%s did not call back on %s: %w", s.c.addr, ep.addr, ended(ctx))
		}
	}
	return nil
}

// maxProofs bounds the connections that may be proving themselves at once.
const maxProofs = 8

// listen opens the endpoint. local is the client's end of its own connection.
func (c *Client) listen(ctx context.Context, local net.Addr) (*endpoint, error) {
	host, port, err := net.SplitHostPort(c.opts.CallbackAddr)
	if err != nil {
		return nil, wire.Errorf(wire.BadRequest, "the callback address %q is not host:port", c.opts.CallbackAddr)
	}
	opened, err := c.callFunc(ctx, &c.funcs.listen, func() (any, error) { return c.opts.Listen("tcp", c.opts.CallbackAddr) })
	if err != nil {
		code := wire.BadRequest
		if isTemporary(err) || errors.Is(err, duplex.ErrAbandoned) || errors.Is(err, wire.Busy) || port == "0" && errors.Is(err, errAddrInUse) { // all ports are in use
			code = wire.CallbackFailed
		}
		return nil, wire.Errorf(code, "cannot listen on the callback address %s: %w", c.opts.CallbackAddr, err)
	}
	l := opened.(net.Listener)
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host, _, _ = net.SplitHostPort(local.String())
	}
	_, port, _ = net.SplitHostPort(l.Addr().String())
	ep := &endpoint{c: c, listener: l, addr: net.JoinHostPort(host, port), ticket: make([]byte, protocol.TicketSize), proven: make(chan net.Conn)}
	rand.Read(ep.ticket)
	ep.ctx, ep.cancel = context.WithCancel(context.Background())
	ep.running.Go(ep.accept)
	return ep, nil
}

// isTemporary reports whether the system lacked something that may be available
// again at the next attempt.
func isTemporary(err error) bool {
	return slices.ContainsFunc(errResources, func(lack error) bool { return errors.Is(err, lack) })
}

// accept has each connection that comes prove itself. If the listener fails, the
// call of Subscribe will time out, and the next session listens again.
func (ep *endpoint) accept() {
	places := make(chan struct{}, maxProofs)
	for {
		nc, err := ep.listener.Accept()
		if err != nil {
			if !isTemporary(err) {
				return
			}
			select {
			case <-time.After(10 * time.Millisecond):
				continue
			case <-ep.ctx.Done():
				return
			}
		}
		select {
		case places <- struct{}{}:
		default:
			nc.Close()
			continue
		}
		ep.running.Go(func() {
			defer func() { <-places }()
			ep.prove(nc)
		})
	}
}

// prove hands the connection over if its other end knows the ticket, and closes
// it otherwise.
func (ep *endpoint) prove(nc net.Conn) {
	abort := context.AfterFunc(ep.ctx, func() { nc.Close() })
	defer abort()
	secured, err := protocol.OfferEndpoint(nc, ep.ticket, ep.c.opts.DialTimeout, func(nc net.Conn) (net.Conn, error) {
		return ep.c.secure(ep.ctx, nc)
	})
	if err != nil || !abort() {
		nc.Close()
		ep.c.endpointLines.write(ep.c.opts.Logger, slog.LevelInfo, "momclient: a connection to the callback endpoint was turned away", "addr", nc.RemoteAddr().String(), "error", err)
		return
	}
	select {
	case ep.proven <- secured:
	case <-ep.ctx.Done():
		nc.Close()
	}
}

// close closes the listener and the connections that are proving themselves, and
// waits for the endpoint's goroutines.
func (ep *endpoint) close() {
	ep.cancel()
	ep.listener.Close()
	ep.running.Wait()
}
