package momserver

import (
	"cmp"
	"container/list"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"mom.internal/wire"
	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"
)

// ListenAndServe listens on a TCP address, host:port, and serves as Serve does.
// If it cannot listen, it returns that error at once.
func (s *Server) ListenAndServe(addr string) error {
	if s == nil {
		return nil
	}
	listen := net.ListenConfig{KeepAlive: -1} // the connections of clients get it after the greeting
	l, err := listen.Listen(s.life, "tcp", addr)
	if err != nil {
		return fmt.Errorf("momserver: cannot listen on %s: %w", addr, err)
	}
	return s.Serve(l)
}

// Serve accepts connections on l until Shutdown or Close, and then returns
// [ErrServerClosed]. It closes l. If Accept fails for a reason that may pass,
// such as a lack of file descriptors, Serve waits for at most a second and goes
// on. Serve may be called for several listeners, at once or one after another.
func (s *Server) Serve(l net.Listener) error {
	defer l.Close()
	if s == nil {
		return nil
	}
	if !s.addListener(l) {
		return ErrServerClosed
	}
	defer s.removeListener(l)
	if warning := s.cfg.exposure(l.Addr()); warning != "" {
		s.cfg.Logger.Warn("momserver: "+warning, "addr", l.Addr().String())
	}
	var delay time.Duration
	for {
		nc, err := l.Accept()
		if err == nil {
			delay = 0
			c := newClientConn(s, nc)
			if s.isFailing(c.addr) && hungUp(nc) || !s.admit(c) {
				nc.Close()
			}
			continue
		}
		if s.stopping() {
			return ErrServerClosed
		}
		if errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("momserver: the listener on %v was closed: %w", l.Addr(), err)
		}
		delay = min(max(2*delay, 5*time.Millisecond), time.Second)
		s.cfg.Logger.Warn("momserver: accept failed; trying again", "addr", l.Addr().String(), "error", err, "delay", delay)
		select {
		case <-time.After(delay):
		case <-s.life.Done():
			return ErrServerClosed
		}
	}
}

// addListener registers l, and starts the sender with the first listener. It
// returns false after Shutdown or Close.
func (s *Server) addListener(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase >= shuttingDown {
		return false
	}
	if s.phase == created {
		s.phase, s.senderStarted = serving, true
		if limit, lowered := s.boundByDescriptors(); lowered {
			s.cfg.Logger.Warn("momserver: there are too few file descriptors for Config.MaxConns, so fewer connections are accepted; raise the limit of open files", "configured", s.cfg.MaxConns, "connections", s.maxConns, "from one address", s.maxConnsPerAddr, "descriptors", limit)
		}
		s.running.Go(s.sender.run)
	}
	s.listeners[l] = struct{}{}
	return true
}

func (s *Server) removeListener(l net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
}

// exposure returns a warning of what a listener exposes beyond this machine; ""
// for nothing.
func (c *Config) exposure(addr net.Addr) string {
	if !beyondLoopback(addr) {
		return ""
	}
	switch {
	case c.TLS == nil && !c.protected():
		return "anybody who can reach this address may subscribe, and anybody on the network path can read everything; set TLS and a token"
	case c.TLS == nil:
		return "anybody on the network path can read everything, the token too; set TLS"
	case !c.protected():
		return "anybody who can reach this address may subscribe; set a token, or require client certificates"
	}
	return ""
}

// protected reports whether no client gets in that has not proven who it is.
func (c *Config) protected() bool {
	return c.Token != "" || c.Authorize != nil || c.wantsCertificate()
}

// wantsCertificate reports whether no client gets in without a certificate that
// is verified. A function of the configuration is trusted to do that.
func (c *Config) wantsCertificate() bool {
	t := c.TLS
	return t != nil && (t.ClientAuth == tls.RequireAndVerifyClientCert || t.GetConfigForClient != nil || t.VerifyConnection != nil || t.VerifyPeerCertificate != nil)
}

// beyondLoopback reports whether other machines may reach a listener. A network
// without IP addresses is taken for a local one.
func beyondLoopback(addr net.Addr) bool {
	if !strings.HasPrefix(addr.Network(), "tcp") {
		return false
	}
	ap, err := netip.ParseAddrPort(addr.String())
	return err == nil && !ap.Addr().Unmap().IsLoopback()
}

// clientConn is one accepted connection, from Accept to its end.
type clientConn struct {
	srv  *Server
	nc   net.Conn
	addr netip.Addr // as the bounds count it; zero if the network has no IP addresses

	number   uint64        // of the accepted connections; guarded by Server.mu
	unproven *list.Element // in addrConns.unproven; nil when proven or without a place; guarded by Server.mu

	identity *identity // set when proven; guarded by Server.mu until then

	mu     sync.Mutex   // guards the fields below
	conn   *duplex.Conn // nil before the greeting has succeeded
	endErr *wire.Error  // set by close
}

func newClientConn(s *Server, nc net.Conn) *clientConn {
	return &clientConn{srv: s, nc: nc, addr: addrKey(nc)}
}

// admit starts a goroutine that serves the connection or, if there is no place
// for it, one that tells the client why it is refused. It reports whether it has
// started a goroutine; if not, the caller closes the connection. admit does not
// block.
func (s *Server) admit(c *clientConn) bool {
	older, serve, why := s.takePlace(c)
	if older != nil {
		older.close(wire.Errorf(wire.Full, "it had not greeted, and gave its place to a newer connection"))
	}
	if serve {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase >= closed || s.refusing >= maxRefusals || !s.refusalRate.take(time.Now()) {
		return false
	}
	why.After = max(why.After, retryAfter)
	s.refusing++
	s.running.Go(func() {
		c.refuse(why)
		s.mu.Lock()
		s.refusing--
		s.mu.Unlock()
	})
	return true
}

// takePlace gives the connection a place and starts to serve it, or returns why
// not. The caller closes the connection older, if there is one, whose place it
// was.
func (s *Server) takePlace(c *clientConn) (older *clientConn, ok bool, why *wire.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase >= shuttingDown {
		return nil, false, wire.Errorf(wire.Draining, "the server is shutting down")
	}
	if older, why = s.findPlace(c); why != nil {
		return nil, false, why
	}
	if older != nil {
		s.removePlace(older)
	}
	s.addPlace(c)
	s.running.Go(func() {
		defer s.removeConn(c)
		c.serve()
	})
	return older, true, nil
}

// removeConn frees the place of a connection.
func (s *Server) removeConn(c *clientConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.removePlace(c)
}

// revocationsSoFar returns how often Disconnect has been called.
func (s *Server) revocationsSoFar() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.revocations
}

// prove keeps the place of a connection whose client is let in. It returns an
// error if the server shuts down, or if the place has gone to a newcomer. If
// there were more calls of Disconnect than before, it does nothing and reports
// that the client must be authorized again.
func (s *Server) prove(c *clientConn, id *identity, before uint64) (again bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase >= shuttingDown {
		return false, &wire.Error{Code: wire.Draining, Message: "the server is shutting down", After: retryAfter}
	}
	if _, ok := s.conns[c]; !ok {
		return false, wire.Errorf(wire.Full, "its place has gone to a newer connection")
	}
	if s.revocations != before {
		return true, nil
	}
	c.identity = id
	s.markProven(c)
	return false, nil
}

// serve greets the client and serves its calls until the connection ends.
func (c *clientConn) serve() {
	log := c.srv.cfg.Logger.With("addr", c.nc.RemoteAddr().String())
	nc, id, err := c.greet()
	if err != nil {
		c.mu.Lock()
		if c.endErr != nil { // the server closed it
			err = c.endErr
		}
		c.mu.Unlock()
		if errors.Is(err, wire.Timeout) {
			err = fmt.Errorf("%w (Config.HandshakeTimeout)", err)
		}
		log.Info("momserver: connection refused", "error", err)
		c.nc.Close()
		return
	}
	conn := duplex.NewConn(nc, c.srv.cfg.conn())
	c.mu.Lock()
	c.conn = conn
	endErr := c.endErr
	c.mu.Unlock()
	if endErr != nil {
		conn.Close(endErr)
	}
	sv := newService(c.srv, conn, id)
	defer c.expireAt(id.expires, sv)()
	conn.OnCall, conn.OnReplied = sv.beginCall, sv.endCall
	err = conn.Serve(protocol.ServerService, sv)
	sv.end(err)
	log.Debug("momserver: connection ended", "error", err)
}

// greet does the TLS handshake and the greeting, under one deadline. It returns
// the connection to use from then on, and who the client is.
func (c *clientConn) greet() (net.Conn, *identity, error) {
	cfg := &c.srv.cfg
	ctx, cancel := context.WithTimeout(c.srv.life, cfg.HandshakeTimeout)
	defer cancel()
	deadline, _ := ctx.Deadline()
	c.nc.SetDeadline(deadline)
	nc, state, err := c.secure(ctx)
	if err != nil {
		return nil, nil, err
	}
	token, err := protocol.ReadHello(nc)
	if err == nil && cfg.TLS == nil { // with TLS it has waited before the handshake
		err = c.srv.slowDown(ctx, c.addr)
	}
	var id *identity
	if err == nil && !cfg.protected() {
		err = c.srv.takeGreeting(c)
	}
	for again := true; again && err == nil; {
		before := c.srv.revocationsSoFar()
		if id, err = c.authorize(ctx, token, state); err == nil {
			again, err = c.srv.prove(c, id, before)
		}
	}
	if err != nil {
		slowed := c.srv.countFailure(c, err) // before the refusal, which takes time
		var e *wire.Error
		if errors.As(err, &e) && e.Code != wire.NotMoM && e.Code != wire.Timeout && !(e.Code == wire.Lost && slowed) { // a client that says nothing sensible gets no answer
			c.sendRefusal(nc, e)
		}
		return nil, nil, err
	}
	if err := protocol.Accept(nc, protocol.Welcome{Epoch: c.srv.hist.Epoch(), Heartbeat: cfg.Heartbeat, MaxMessage: uint32(cfg.MaxMessage)}); err != nil {
		return nil, nil, err
	}
	nc.SetDeadline(time.Time{})
	return nc, id, nil
}

// secure does the TLS handshake if Config.TLS is set. It returns the connection
// to use from then on, and the state of TLS; nil without TLS.
func (c *clientConn) secure(ctx context.Context) (net.Conn, *tls.ConnectionState, error) {
	if c.srv.cfg.TLS == nil {
		return c.nc, nil, nil
	}
	tc, err := c.srv.handshake(ctx, c.nc, c.addr)
	if errors.Is(err, wire.InternalError) {
		return nil, nil, err
	}
	if protocol.IsPlain(err) {
		why := wire.Errorf(wire.TLSMismatch, "TLS is spoken at this port; connect with TLS")
		c.srv.countFailure(c, why)
		c.sendRefusal(c.nc, why)
		return nil, nil, why
	}
	if err = protocol.HandshakeError(c.nc.RemoteAddr(), err); err != nil {
		c.srv.countFailure(c, err)
		if errors.Is(err, wire.BadCertificate) {
			c.awaitHangUp() // so that the client gets the alert, which names the fault
		}
		return nil, nil, err
	}
	state := tc.ConnectionState()
	return protocol.HardClose(tc), &state, nil
}

// handshake does the server's side of a TLS handshake, in turns with others. addr
// is the client's, as limitKey returns it. If the end of ctx closed the
// connection, the error is that of ctx, whatever closed it first.
func (s *Server) handshake(ctx context.Context, client net.Conn, addr netip.Addr) (*tls.Conn, error) {
	nc := &handshakeConn{Conn: client, ctx: ctx, srv: s, addr: addr}
	tc := protocol.TLSServer(nc, s.cfg.TLS)
	_, err := s.callConfigFunc(ctx, &s.funcs.tls, tc.RemoteAddr().String(), func() (any, error) {
		defer nc.finish() // here, because the call may be abandoned
		return nil, tc.HandshakeContext(ctx)
	})
	if errors.Is(err, net.ErrClosed) {
		err = cmp.Or(ctx.Err(), err)
	}
	return tc, err
}

// close ends the connection, greeted or not. It does not wait.
func (c *clientConn) close(why *wire.Error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endErr = why
	if c.conn != nil {
		c.conn.Close(why)
	} else {
		c.nc.Close()
	}
}
