package momserver

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"

	"mom.internal/wire"
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
	conn *duplex.Conn // nil before the greeting is over
	over *wire.Error  // set when the connection is to end
}

// refusalsPerSecond bounds them too: over TLS each costs a handshake.
const refusalsPerSecond = 100

// newPeer returns the peer of an accepted connection.
func newPeer(s *Server, nc net.Conn) *peer {
	p := &peer{srv: s, nc: nc}
	if ap, err := netip.ParseAddrPort(nc.RemoteAddr().String()); err == nil {
		p.addr = sourceOf(ap.Addr())
	}
	return p
}

// admit starts a goroutine that serves the connection or, over a cap, one that
// tells the client why it is not let in. It reports whether it has started a
// goroutine; if not, the caller closes the connection. admit does not block.
func (s *Server) admit(p *peer) bool {
	now := time.Now()
	failures := s.tooManyFailures(p, now)
	s.mu.Lock()
	defer s.mu.Unlock()
	var why *wire.Error
	switch {
	case s.phase >= draining:
		why = wire.Errorf(wire.Draining, "the server is shutting down")
	case len(s.conns) >= s.cfg.MaxConns:
		why = wire.Errorf(wire.Full, "momserver: %d connections already (Config.MaxConns)", s.cfg.MaxConns)
	case s.perAddr[p.addr] >= s.cfg.MaxConnsPerAddr:
		why = wire.Errorf(wire.Full, "momserver: %d connections from your address already (Config.MaxConnsPerAddr)", s.cfg.MaxConnsPerAddr)
	case errors.As(failures, &why):
	case !s.greetings.take(now):
		why = wire.Errorf(wire.Busy, "momserver: %d greetings in this second already (Config.GreetingsPerSecond)", s.cfg.GreetingsPerSecond)
	default:
		s.conns[p] = struct{}{}
		s.perAddr[p.addr]++
		s.running.Go(func() {
			defer s.release(p)
			p.serve()
		})
		return true
	}
	if s.phase >= closed || s.refusing >= maxRefusing || !s.refusals.take(now) {
		return false
	}
	why.After = max(why.After, retryAfter)
	s.refusing++
	s.running.Go(func() {
		p.refuse(p.nc, why)
		s.mu.Lock()
		s.refusing--
		s.mu.Unlock()
	})
	return true
}

// tooManyFailures refuses a peer whose address is not let in for a while.
func (s *Server) tooManyFailures(p *peer, now time.Time) error {
	if !p.addr.IsValid() {
		return nil
	}
	wait := s.failures.wait(p.addr, now)
	if wait == 0 {
		return nil
	}
	return &wire.Error{Code: wire.Busy, After: wait, Message: fmt.Sprintf("momserver: %d greetings from your address failed in this minute (Config.FailuresPerMinute)", s.cfg.FailuresPerMinute)}
}

// countFailure counts a greeting that failed, where it is its client's fault.
func (s *Server) countFailure(p *peer, err error) {
	var e *wire.Error
	if !p.addr.IsValid() || !errors.As(err, &e) {
		return
	}
	switch e.Code {
	case wire.Unauthorized, wire.Forbidden, wire.BadCertificate, wire.TLSMismatch, wire.NotMoM, wire.VersionMismatch, wire.Timeout:
		s.failures.allow(p.addr, time.Now())
	}
}

// retryAfter is how long a client that found no room is told to wait.
const retryAfter = time.Second

// refuse tells the client why and closes.
func (p *peer) refuse(nc net.Conn, why *wire.Error) {
	defer nc.Close()
	defer context.AfterFunc(p.srv.life, func() { p.nc.Close() })()
	nc.SetDeadline(time.Now().Add(time.Second))
	if p.srv.cfg.TLS != nil {
		tc := tls.Server(nc, p.srv.cfg.TLS)
		if p.srv.handshake(p.srv.life, tc) != nil {
			return
		}
		nc = tc
	}
	if _, err := protocol.ReadHello(nc); errors.Is(err, wire.NotMoM) {
		return
	}
	protocol.Refuse(nc, why)
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
	nc, who, err := p.greet()
	if err != nil {
		if errors.Is(err, wire.Timeout) {
			err = fmt.Errorf("%w (Config.HandshakeTimeout)", err)
		}
		log.Info("momserver: connection refused", "error", err)
		p.nc.Close()
		return
	}
	conn := duplex.NewConn(nc, p.srv.cfg.conn())
	p.mu.Lock()
	p.conn = conn
	over := p.over
	p.mu.Unlock()
	if over != nil {
		conn.Close(over)
	}
	sv := newService(p.srv, conn, who)
	conn.OnReplied = sv.answered
	err = conn.Serve(protocol.ServerService, sv)
	sv.end(err)
	log.Debug("momserver: connection ended", "error", err)
}

// greet does TLS and the greeting, under one deadline, and returns the
// connection to go on with, and what is known of the client.
func (p *peer) greet() (net.Conn, *admission, error) {
	cfg := &p.srv.cfg
	ctx, cancel := context.WithTimeout(p.srv.life, cfg.HandshakeTimeout)
	defer cancel()
	deadline, _ := ctx.Deadline()
	p.nc.SetDeadline(deadline)
	nc, state, err := p.secure(ctx)
	if err != nil {
		return nil, nil, err
	}
	hello, err := protocol.ReadHello(nc)
	var who *admission
	if err == nil { // others of its address may have failed since it came
		err = p.srv.tooManyFailures(p, time.Now())
	}
	if err == nil {
		who, err = p.authorize(ctx, &hello, state)
	}
	if err == nil && p.srv.over() {
		err = &wire.Error{Code: wire.Draining, Message: "the server is shutting down", After: retryAfter}
	}
	if err != nil {
		p.srv.countFailure(p, err) // first: what follows takes its time
		var e *wire.Error
		if errors.As(err, &e) && e.Code != wire.NotMoM && e.Code != wire.Timeout { // who says nothing hears nothing
			p.turnAway(nc, e)
		}
		return nil, nil, err
	}
	if err := protocol.Accept(nc, protocol.Welcome{Epoch: p.srv.hist.Epoch(), Heartbeat: cfg.Heartbeat, MaxMessage: uint32(cfg.MaxMessage)}); err != nil {
		return nil, nil, err
	}
	nc.SetDeadline(time.Time{})
	return nc, who, nil
}

// secure puts TLS on the connection, where Config says so, and returns its
// state; nil without TLS.
func (p *peer) secure(ctx context.Context) (net.Conn, *tls.ConnectionState, error) {
	if p.srv.cfg.TLS == nil {
		return p.nc, nil, nil
	}
	tc := tls.Server(p.nc, p.srv.cfg.TLS)
	err := p.srv.handshake(ctx, tc)
	if errors.Is(err, wire.InternalError) {
		return nil, nil, err
	}
	if protocol.IsPlain(err) {
		why := wire.Errorf(wire.TLSMismatch, "TLS is spoken at this port; connect with TLS")
		p.srv.countFailure(p, why)
		p.turnAway(p.nc, why)
		return nil, nil, why
	}
	if err = protocol.HandshakeError(p.nc.RemoteAddr(), err); err != nil {
		p.srv.countFailure(p, err)
		if errors.Is(err, wire.BadCertificate) {
			p.linger() // the alert says which
		}
		return nil, nil, err
	}
	state := tc.ConnectionState()
	return protocol.HardClose(tc), &state, nil
}

// lingering bounds how long a refused client may take to hang up.
const lingering = 250 * time.Millisecond

// turnAway says why, and reads on for a moment: closing over bytes that were
// not read resets the connection, and the client would not get to know.
func (p *peer) turnAway(nc net.Conn, why *wire.Error) {
	nc.SetWriteDeadline(time.Now().Add(lingering))
	if protocol.Refuse(nc, why) == nil {
		p.linger()
	}
}

// linger reads on for a moment, until the client has hung up.
func (p *peer) linger() {
	if half, ok := p.nc.(interface{ CloseWrite() error }); ok {
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
