package momclient

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/google/uuid"

	"mom.internal/wire"
	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"
)

// greetedConn is a connection to the server after the greeting. Nothing is
// served on it yet.
type greetedConn struct {
	conn      *duplex.Conn
	local     net.Addr  // the client's end
	epoch     uuid.UUID // of the server
	heartbeat time.Duration
}

// connect connects to the server: TCP, TLS, greeting. If ctx ended, the error is
// that of ctx, whatever error this has caused on the connection.
func (c *Client) connect(ctx context.Context) (*greetedConn, error) {
	gc, err := c.dialAndGreet(ctx)
	var e *wire.Error
	switch over := ended(ctx); {
	case err == nil:
	case over != nil:
		err = wire.Errorf(wire.Timeout, "connecting to %s: %w", c.addr, over)
	case errors.As(err, &e) && e.Code == wire.Timeout:
		err = withOption(e, "DialTimeout")
	}
	return gc, err
}

// dialAndGreet is connect without the checks of its error.
func (c *Client) dialAndGreet(ctx context.Context) (*greetedConn, error) {
	deadline := time.Now().Add(c.opts.DialTimeout)
	dialCtx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	dialled, err := c.callFunc(dialCtx, &c.funcs.dialContext, func() (any, error) { return c.opts.DialContext(dialCtx, "tcp", c.addr) })
	if err != nil {
		return nil, c.dialError(err)
	}
	nc := dialled.(net.Conn)
	// The end of ctx closes nc. The end of DialTimeout does not, because reads and
	// writes have that deadline, and their errors say more. If ctx ends after the
	// greeting, no check is needed here, because the first use of nc fails.
	abort := context.AfterFunc(ctx, func() { nc.Close() })
	defer abort() // otherwise ctx keeps nc in memory until it ends
	gc, err := c.greet(dialCtx, nc, deadline)
	if err != nil {
		nc.Close()
	}
	return gc, err
}

func (c *Client) dialError(err error) error {
	var malformed *net.AddrError
	var late net.Error
	switch {
	case errors.As(err, &malformed):
		return wire.Errorf(wire.BadRequest, "cannot connect to %q: %s; want host:port", c.addr, malformed.Err)
	case errors.As(err, &late) && late.Timeout():
		return wire.Errorf(wire.Timeout, "cannot connect to %s: %w", c.addr, err)
	}
	return wire.Errorf(wire.Lost, "cannot connect to %s: %w", c.addr, err)
}

// greet does the TLS handshake and the greeting. The deadline is that of
// DialTimeout, and not that of ctx, which may be earlier: then nc is closed when
// ctx ends, and the error is that of ctx.
func (c *Client) greet(ctx context.Context, nc net.Conn, deadline time.Time) (*greetedConn, error) {
	secured, err := c.secure(ctx, nc)
	if protocol.IsPlain(err) {
		return nil, wire.Errorf(wire.TLSMismatch, "%s does not speak TLS at this port; connect without it", c.addr)
	}
	if err != nil {
		return nil, protocol.HandshakeError(nc.RemoteAddr(), err)
	}
	welcome, err := protocol.Greet(secured, c.token(), time.Until(deadline))
	if err != nil {
		return nil, err
	}
	return &greetedConn{
		conn: duplex.NewConn(secured, c.connConfig(int(welcome.MaxMessage))), local: secured.LocalAddr(), epoch: welcome.Epoch,
		heartbeat: min(max(welcome.Heartbeat, time.Millisecond), protocol.MaxHeartbeat), // whatever the server sent
	}, nil
}

// secure does the TLS handshake if Options say so. The client is the TLS client
// on a connection that the server has dialled, too.
func (c *Client) secure(ctx context.Context, nc net.Conn) (net.Conn, error) {
	if c.opts.TLS == nil {
		return nc, nil
	}
	cfg := c.opts.TLS
	if cfg.ServerName == "" && !cfg.InsecureSkipVerify {
		cfg = cfg.Clone()
		cfg.ServerName = protocol.ServerName(c.addr)
	}
	tc := protocol.TLSClient(nc, cfg)
	_, err := c.callFunc(ctx, &c.funcs.tls, func() (any, error) { return nil, tc.HandshakeContext(ctx) })
	return protocol.HardClose(tc), err
}

// What a server may make the client hold of its calls and their answers.
const (
	maxCalls   = 4096      // calls that are unanswered
	maxReplies = 128 << 10 // bytes of answers that the server does not read
)

// connConfig returns the bounds of a connection with a server that takes calls
// of at most maxCall bytes.
func (c *Client) connConfig(maxCall int) duplex.ConnConfig {
	return duplex.ConnConfig{
		MaxMessage: c.opts.MaxMessage, MaxCall: maxCall, MaxWaiting: 1 << 20,
		MaxCalls: maxCalls, MaxReplies: maxReplies,
		WriteTimeout: c.opts.CallTimeout, MessageTimeout: c.opts.CallTimeout, ReplyDelay: ackDelay,
	}
}
