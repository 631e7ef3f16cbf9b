package momserver

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"

	"mom.internal/wire"
	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"
)

// dialback.go dials callback endpoints. A stranger chooses the address, so
// these rules hold: the resolved address is checked when it is dialled, so that
// neither its spelling nor a name that changes its address helps; the endpoint
// speaks first, and proves that it wants this subscription; the server sends no
// byte before that; and the dials in a minute are bounded.

// maxCallbackAddr bounds a callback address, in bytes: a name of 255, and a
// port.
const maxCallbackAddr = 262

// dialBack connects to the callback endpoint of the client of conn. It runs on
// the goroutine that serves conn.
func (s *Server) dialBack(conn *duplex.Conn, addr string, ticket []byte) (*duplex.Conn, error) {
	if len(ticket) != protocol.TicketSize {
		return nil, wire.Errorf(wire.BadRequest, "the ticket has %d bytes; want %d", len(ticket), protocol.TicketSize)
	}
	if err := checkCallback(addr); err != nil {
		return nil, err
	}
	source, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil {
		return nil, wire.Errorf(wire.Forbidden, "no dial-back to a client without an IP address")
	}
	source = unmap(source)
	if !s.dialLimit.allow(limitKey(source.Addr()), time.Now()) {
		return nil, &wire.Error{Code: wire.Busy, After: time.Minute, Message: "too many callback endpoints in a minute (Config.DialsPerMinute)"}
	}

	ctx, cancel := context.WithTimeout(s.life, s.cfg.DialTimeout)
	defer cancel()
	nc, err := s.dialChecked(ctx, source, addr)
	if err != nil {
		s.logDialBack(source, addr, err)
		return nil, protocol.NoEndpoint()
	}
	stop := context.AfterFunc(ctx, func() { nc.Close() })
	var broken error // set if the handshake panicked
	secure := func(nc net.Conn) (net.Conn, error) { return nc, nil }
	if s.cfg.TLS != nil {
		// The server has a certificate, so it is the TLS server here as well.
		secure = func(nc net.Conn) (net.Conn, error) {
			tc, err := s.handshake(ctx, nc, limitKey(source.Addr()))
			if errors.Is(err, wire.InternalError) {
				broken = err
			}
			return protocol.HardClose(tc), err
		}
	}
	secured, err := protocol.TakeEndpoint(nc, ticket, s.cfg.DialTimeout, secure)
	if err == nil && !stop() {
		err = wire.Errorf(wire.CallbackFailed, "the callback endpoint took too long")
	}
	if err != nil {
		nc.Close()
		s.logDialBack(source, addr, cmp.Or(errors.Unwrap(err), err))
		return nil, cmp.Or(broken, err)
	}
	s.dialLimit.giveBack(limitKey(source.Addr())) // only failed dial-backs count
	return duplex.NewConn(secured, s.cfg.conn()), nil
}

// logDialBack logs why a dial-back failed. The client learns only that no
// endpoint of its own was found, until the endpoint has proven itself, so that
// it cannot use the server to resolve names and to find open ports.
func (s *Server) logDialBack(source netip.AddrPort, addr string, err error) {
	s.cfg.Logger.Info("momserver: callback endpoint not reached", "addr", source.String(), "callback", addr, "error", duplex.Clip(err.Error(), maxCallbackAddr))
}

// checkCallback refuses an address that cannot be dialled.
func checkCallback(addr string) error {
	if _, port, err := net.SplitHostPort(addr); err != nil || port == "" || port == "0" || len(addr) > maxCallbackAddr {
		return wire.Errorf(wire.BadRequest, "a callback address that is not host:port, or of more than %d bytes", maxCallbackAddr)
	}
	return nil
}

// dialChecked dials addr. It connects only to resolved addresses that permit
// allows for the subscriber at source.
func (s *Server) dialChecked(ctx context.Context, source netip.AddrPort, addr string) (net.Conn, error) {
	if s.cfg.DialContext != nil {
		return s.dialResolved(ctx, source, addr)
	}
	// The dialer asks permit about each address that it has resolved, when the
	// socket exists and is not yet connected.
	dialer := net.Dialer{ControlContext: func(ctx context.Context, _, resolved string, _ syscall.RawConn) error {
		return s.permit(ctx, source, resolved)
	}}
	return dialer.DialContext(ctx, "tcp", addr)
}

// dialResolved resolves addr once, and has Config.DialContext try the
// addresses. Like a net.Dialer, it returns the first error.
func (s *Server) dialResolved(ctx context.Context, source netip.AddrPort, addr string) (net.Conn, error) {
	host, port, _ := net.SplitHostPort(addr) // checkCallback has accepted it
	ips, err := net.DefaultResolver.LookupIPAddr(ctx, host)
	if err != nil {
		return nil, err
	}
	err = &net.AddrError{Err: "no address", Addr: host}
	for i, ip := range ips {
		nc, failed := s.dialPermitted(ctx, source, net.JoinHostPort(ip.String(), port))
		if failed == nil {
			return nc, nil
		}
		if i == 0 {
			err = failed
		}
	}
	return nil, err
}

func (s *Server) dialPermitted(ctx context.Context, source netip.AddrPort, resolved string) (net.Conn, error) {
	if err := s.permit(ctx, source, resolved); err != nil {
		return nil, err
	}
	result, err := s.callConfigFunc(ctx, &s.funcs.dialContext, source.String(), func() (any, error) {
		return s.cfg.DialContext(ctx, "tcp", resolved)
	})
	nc, _ := result.(net.Conn)
	return nc, err
}

// permit returns an error unless the subscriber at source may have the server
// dial the resolved address. A zone counts, because the same link-local address
// is another machine on another link. If a name has addresses of both families,
// a net.Dialer calls permit on goroutines of its own.
func (s *Server) permit(ctx context.Context, source netip.AddrPort, resolved string) error {
	target, err := netip.ParseAddrPort(resolved)
	if err != nil {
		return err
	}
	target = unmap(target)
	if target.Addr().IsUnspecified() || target.Addr().IsMulticast() {
		return errNotAllowed // the unspecified address is this machine by another name
	}
	allowed := source.Addr() == target.Addr()
	if allow := s.cfg.AllowCallback; allow != nil {
		result, err := s.callConfigFunc(ctx, &s.funcs.allowCallback, source.String(), func() (any, error) { return allow(source, target), nil })
		if err != nil {
			return err
		}
		allowed = result == true
	}
	if !allowed {
		return errNotAllowed
	}
	return nil
}

var errNotAllowed = errors.New("the server may not dial this address (Config.AllowCallback)")

// unmap returns the plain form of an IPv4 address that is written as an IPv6
// address.
func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// serveCallback starts a goroutine that reads the replies on a callback
// connection until the connection ends, and the subscription with it.
func (s *Server) serveCallback(sub *subscriber) {
	s.running.Go(func() {
		err := sub.callbackConn.Serve("", nil)
		var e *wire.Error
		errors.As(err, &e)
		reason, detail := reasonFor(e)
		s.sender.postDrop(sub, reason, "its callback connection: "+detail)
	})
}
