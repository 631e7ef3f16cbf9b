package momserver

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"mom/wire"
)

// maxRefusing bounds the connections that are being told that there is no
// room; over it they are closed without a word.
const maxRefusing = 64

// peer is one accepted connection, from Accept to its end.
type peer struct {
	srv  *Server
	addr netip.Addr // for the cap per address; zero where the network has none

	mu   sync.Mutex // guards the fields below
	nc   net.Conn
	conn *wire.Conn  // nil before the greeting is over
	over *wire.Error // set when the connection is to end
}

// admit takes a connection in, or turns it away over a cap. It does not block.
func (s *Server) admit(nc net.Conn) {
	p := &peer{srv: s, nc: nc}
	if ap, err := netip.ParseAddrPort(nc.RemoteAddr().String()); err == nil {
		p.addr = ap.Addr().Unmap().WithZone("")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var why *wire.Error
	switch {
	case s.phase >= draining:
		why = wire.Errorf(wire.CodeDraining, "the server is shutting down")
	case len(s.conns) >= s.cfg.MaxConns:
		why = wire.Errorf(wire.CodeFull, "momserver: %d connections already (Config.MaxConns)", s.cfg.MaxConns)
	case s.perAddr[p.addr] >= s.cfg.MaxConnsPerAddr:
		why = wire.Errorf(wire.CodeFull, "momserver: %d connections from your address already (Config.MaxConnsPerAddr)", s.cfg.MaxConnsPerAddr)
	default:
		s.conns[p] = struct{}{}
		s.perAddr[p.addr]++
		s.running.Go(func() {
			defer s.release(p)
			p.serve()
		})
		return
	}
	if s.phase >= closed || s.refusing >= maxRefusing {
		nc.Close()
		return
	}
	why.After = retryAfter
	s.refusing++
	s.running.Go(func() {
		p.refuse(nc, why)
		s.mu.Lock()
		s.refusing--
		s.mu.Unlock()
	})
}

// retryAfter is how long a client that found no room is told to wait.
const retryAfter = time.Second

// refuse tells the client why and closes.
func (p *peer) refuse(nc net.Conn, why *wire.Error) {
	defer nc.Close()
	defer context.AfterFunc(p.srv.life, func() { p.nc.Close() })()
	if p.srv.cfg.TLS != nil {
		nc = tls.Server(nc, p.srv.cfg.TLS)
	}
	nc.SetDeadline(time.Now().Add(time.Second))
	if _, err := wire.ReadHello(nc); errors.Is(err, wire.ErrNotMoM) {
		return
	}
	wire.Refuse(nc, why)
}

// release gives the connection's place free.
func (s *Server) release(p *peer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, p)
	if s.perAddr[p.addr]--; s.perAddr[p.addr] == 0 {
		delete(s.perAddr, p.addr)
	}
}

// close ends the connection wherever it stands. It does not wait.
func (p *peer) close(why *wire.Error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = why
	if p.conn != nil {
		p.conn.Close(why)
	} else {
		p.nc.Close()
	}
}

// serve greets the client and serves its calls until the connection ends.
func (p *peer) serve() {
	log := p.srv.cfg.Logger.With("addr", p.nc.RemoteAddr().String())
	nc, err := p.greet()
	if err != nil {
		log.Info("momserver: connection refused", "error", err)
		p.nc.Close()
		return
	}
	conn := wire.NewConn(nc, p.srv.cfg.conn())
	p.mu.Lock()
	p.conn = conn
	over := p.over
	p.mu.Unlock()
	if over != nil {
		conn.Close(over)
	}
	sv := newService(p.srv, conn)
	err = conn.Serve(wire.ServerService, sv)
	sv.end(err)
	log.Debug("momserver: connection ended", "error", err)
}

// greet does TLS and the greeting, under one deadline, and returns the
// connection to go on with.
func (p *peer) greet() (net.Conn, error) {
	cfg, nc := &p.srv.cfg, p.nc
	deadline := time.Now().Add(cfg.HandshakeTimeout)
	nc.SetDeadline(deadline)
	if cfg.TLS != nil {
		ctx, cancel := context.WithDeadline(context.Background(), deadline)
		defer cancel()
		tc := tls.Server(nc, cfg.TLS)
		if err := tc.HandshakeContext(ctx); wire.IsPlain(err) {
			why := wire.Errorf(wire.CodeTLS, "TLS is spoken at this port; connect with TLS")
			p.turnAway(nc, why)
			return nil, why
		} else if err != nil {
			return nil, wire.Errorf(wire.CodeNotMoM, "TLS handshake: %v", err)
		}
		nc = wire.HardClose(tc)
	}
	hello, err := wire.ReadHello(nc)
	if err == nil && !sameToken(hello.Token, cfg.Token) {
		err = wire.Errorf(wire.CodeUnauthorized, "the token is missing or wrong")
	}
	if err == nil && p.srv.over() {
		err = &wire.Error{Code: wire.CodeDraining, Message: "the server is shutting down", After: retryAfter}
	}
	if err != nil {
		var e *wire.Error
		if errors.As(err, &e) && e.Code != wire.CodeNotMoM {
			p.turnAway(nc, e)
		}
		return nil, err
	}
	if err := wire.Accept(nc, wire.Welcome{Epoch: p.srv.hist.epoch, Heartbeat: cfg.Heartbeat, MaxMessage: uint32(cfg.MaxMessage)}); err != nil {
		return nil, err
	}
	nc.SetDeadline(time.Time{})
	return nc, nil
}

// lingering bounds how long a refused client may take to hang up.
const lingering = 250 * time.Millisecond

// turnAway says why, and reads on for a moment: closing over bytes that were
// not read resets the connection, and the client would not get to know.
func (p *peer) turnAway(nc net.Conn, why *wire.Error) {
	if wire.Refuse(nc, why) != nil {
		return
	}
	if half, ok := p.nc.(interface{ CloseWrite() error }); ok && p.srv.cfg.TLS == nil {
		half.CloseWrite()
	}
	p.nc.SetReadDeadline(time.Now().Add(lingering))
	io.CopyN(io.Discard, p.nc, 64<<10)
}

// sameToken compares in constant time, whatever the lengths. Without a token
// configured any is right.
func sameToken(said, want string) bool {
	if want == "" {
		return true
	}
	a, b := sha256.Sum256([]byte(said)), sha256.Sum256([]byte(want))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}
