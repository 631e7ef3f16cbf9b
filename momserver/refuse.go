package momserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
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

// tooManyFailures returns an error if too many greetings from the client's
// address have failed in this minute.
func (s *Server) tooManyFailures(c *clientConn, now time.Time) error {
	if !c.addr.IsValid() {
		return nil
	}
	wait := s.failureLimit.wait(c.addr, now)
	if wait == 0 {
		return nil
	}
	return &wire.Error{Code: wire.Busy, After: wait, Message: fmt.Sprintf("momserver: %d greetings from your address failed in this minute (Config.FailuresPerMinute)", s.cfg.FailuresPerMinute)}
}

// countFailure counts a greeting that failed, if that was the client's fault.
func (s *Server) countFailure(c *clientConn, err error) {
	var e *wire.Error
	if !c.addr.IsValid() || !errors.As(err, &e) {
		return
	}
	switch e.Code {
	case wire.Unauthorized, wire.Forbidden, wire.BadCertificate, wire.TLSMismatch, wire.NotMoM, wire.VersionMismatch, wire.Timeout:
		s.failureLimit.allow(c.addr, time.Now())
	}
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
		tc := tls.Server(nc, c.srv.cfg.TLS)
		if c.srv.handshake(ctx, tc) != nil {
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
