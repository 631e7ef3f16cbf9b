package momserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"mom.internal/wire"
	"mom.internal/wire/protocol"
)

// refuse.go refuses clients, at admission or after a greeting that failed, and
// tells them why.

// maxRefusals bounds the connections that are being told why they are refused
// at admission. Over it, a connection is closed without a word.
const maxRefusals = 64

// refusalsPerSecond bounds these refusals as well, because each costs a
// handshake with TLS.
const refusalsPerSecond = 100

// retryAfter is how long a client that is refused for now is told to wait.
const retryAfter = time.Second

// A connection from an address that fails too often waits before the server
// looks at what it says: so long that failInterval lies between two, but never
// longer than maxFailWait, because a client behind the same address may be about
// to bring the right token.
const (
	failInterval = 5 * time.Millisecond
	maxFailWait  = 500 * time.Millisecond
)

// isFailing reports whether more than Config.FailuresPerMinute connections from addr
// have failed in this minute.
func (s *Server) isFailing(addr netip.Addr) bool {
	return addr.IsValid() && s.failureLimit.reached(addr, time.Now())
}

// slowDown waits if more than Config.FailuresPerMinute connections from addr have
// failed in this minute. If ctx ends first, slowDown returns its error.
func (s *Server) slowDown(ctx context.Context, addr netip.Addr) error {
	if !s.isFailing(addr) {
		return nil
	}
	wait := s.failSpacing.wait(addr, time.Now())
	if wait == 0 {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// countFailure counts a connection that ended before its greeting had succeeded,
// unless that was the server's doing. It reports whether the address is slowed
// down.
func (s *Server) countFailure(c *clientConn, err error) (slowed bool) {
	var e *wire.Error
	if !c.addr.IsValid() || !errors.As(err, &e) {
		return false
	}
	switch e.Code {
	case wire.Unauthorized, wire.Forbidden, wire.BadCertificate, wire.TLSMismatch, wire.NotMoM, wire.VersionMismatch, wire.Timeout, wire.Lost:
		return !s.failureLimit.allow(c.addr, time.Now())
	}
	return false
}

// takeGreeting returns an error if Config.GreetingsPerSecond does not allow
// another client that has proven nothing.
func (s *Server) takeGreeting(c *clientConn) error {
	now := time.Now()
	if c.addr.IsValid() && !s.greetingShares.allow(c.addr, now) {
		return &wire.Error{Code: wire.Busy, After: retryAfter, Message: fmt.Sprintf("momserver: %d greetings from your address in this second already (half of Config.GreetingsPerSecond)", s.greetingShares.most)}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.greetingRate.take(now) {
		return &wire.Error{Code: wire.Busy, After: retryAfter, Message: fmt.Sprintf("momserver: %d greetings in this second already (Config.GreetingsPerSecond)", s.cfg.GreetingsPerSecond)}
	}
	return nil
}

// refuse tells a client that has not been admitted why, and closes the
// connection. It takes a second at most.
func (c *clientConn) refuse(why *wire.Error) {
	nc := c.nc
	defer nc.Close()
	ctx, cancel := context.WithTimeout(c.srv.life, time.Second)
	defer cancel()
	defer context.AfterFunc(c.srv.life, func() { c.nc.Close() })()
	deadline, _ := ctx.Deadline()
	nc.SetDeadline(deadline)
	if c.srv.cfg.TLS != nil {
		tc, err := c.srv.handshake(ctx, nc, c.addr)
		if err != nil {
			return
		}
		nc = tc
	}
	if _, err := protocol.ReadHello(nc); errors.Is(err, wire.NotMoM) {
		return
	}
	protocol.Refuse(nc, why)
}

// maxLinger bounds how long a refused client may take to hang up.
const maxLinger = 250 * time.Millisecond

// sendRefusal sends a client why it is refused, and waits until the client has
// hung up, for maxLinger at most.
func (c *clientConn) sendRefusal(nc net.Conn, why *wire.Error) {
	nc.SetWriteDeadline(time.Now().Add(maxLinger))
	if protocol.Refuse(nc, why) == nil {
		c.awaitHangUp()
	}
}

// awaitHangUp reads until the client has hung up, for maxLinger at most. If a
// connection is closed with bytes that have not been read, it is reset, and the
// client may lose what was sent to it.
func (c *clientConn) awaitHangUp() {
	if half, ok := c.nc.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
	c.nc.SetReadDeadline(time.Now().Add(maxLinger))
	io.CopyN(io.Discard, c.nc, 64<<10)
}
