package momclient

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"

	"github.com/google/uuid"

	"mom.internal/wire"
)

// link is a greeted connection on which nothing is served yet.
type link struct {
	conn      *duplex.Conn
	local     net.Addr
	epoch     uuid.UUID
	heartbeat time.Duration
}

// dial connects to the server: TCP, TLS, greeting.
func (c *Client) dial(ctx context.Context) (*link, error) {
	l, err := c.greet(ctx)
	var e *wire.Error
	switch over := ended(ctx); {
	case err == nil:
	case over != nil: // the reason, whatever error it has caused on the connection
		err = wire.Errorf(wire.Timeout, "connecting to %s: %w", c.addr, over)
	case errors.As(err, &e) && e.Code == wire.Timeout:
		late := *e
		late.Message += " (Options.DialTimeout)"
		err = &late
	}
	return l, err
}

// greet is dial, but for the name of the bound in its error.
func (c *Client) greet(ctx context.Context) (*link, error) {
	caller, deadline := ctx, time.Now().Add(c.opts.DialTimeout)
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	nc, err := c.opts.DialContext(ctx, "tcp", c.addr)
	var malformed *net.AddrError
	if errors.As(err, &malformed) {
		return nil, wire.Errorf(wire.BadRequest, "cannot connect to %q: %s; want host:port", c.addr, malformed.Err)
	}
	if err != nil {
		code := wire.Lost
		if late := net.Error(nil); errors.As(err, &late) && late.Timeout() {
			code = wire.Timeout
		}
		return nil, wire.Errorf(code, "cannot connect to %s: %w", c.addr, err)
	}
	// The end of caller closes nc; the end of DialTimeout does not, because
	// reads and writes have that deadline, and their errors say more. If caller
	// ends after the greeting, no check is needed here: the first use of the
	// link fails.
	abort := context.AfterFunc(caller, func() { nc.Close() })
	defer abort() // otherwise caller keeps nc in memory until it ends
	secured, err := c.secure(ctx, nc)
	if err != nil {
		nc.Close()
		if protocol.IsPlain(err) {
			return nil, wire.Errorf(wire.TLSMismatch, "%s does not speak TLS at this port; connect without it", c.addr)
		}
		return nil, protocol.HandshakeError(nc.RemoteAddr(), err)
	}
	welcome, err := protocol.Greet(secured, protocol.Hello{Version: protocol.Version, Token: c.opts.Token}, time.Until(deadline))
	if err != nil {
		nc.Close()
		return nil, err
	}
	return &link{
		conn: duplex.NewConn(secured, c.connConfig(int(welcome.MaxMessage))), local: secured.LocalAddr(), epoch: welcome.Epoch,
		heartbeat: min(max(welcome.Heartbeat, time.Millisecond), protocol.MaxHeartbeat), // whatever the peer says
	}, nil
}

// What a server may make the client hold of its calls and their answers.
const (
	maxCalls   = 4096      // calls that it may leave unanswered
	maxReplies = 128 << 10 // bytes of the answers to more of them than that, if they do not leave
)

// connConfig returns the bounds of a connection with a server that takes calls
// of so many bytes.
func (c *Client) connConfig(maxCall int) duplex.ConnConfig {
	return duplex.ConnConfig{
		MaxMessage: c.opts.MaxMessage, MaxCall: maxCall, MaxWaiting: 1 << 20,
		MaxCalls: maxCalls, MaxReplies: maxReplies,
		WriteTimeout: c.opts.CallTimeout, MessageTimeout: c.opts.CallTimeout, ReplyDelay: replyDelay,
	}
}

// secure puts TLS on a connection, where Options say so. The client is the TLS
// client on the connection that the server dialled, too.
func (c *Client) secure(ctx context.Context, nc net.Conn) (net.Conn, error) {
	if c.opts.TLS == nil {
		return nc, nil
	}
	cfg := c.opts.TLS
	if cfg.ServerName == "" && !cfg.InsecureSkipVerify {
		cfg = cfg.Clone()
		cfg.ServerName, _, _ = net.SplitHostPort(c.addr)
	}
	tc := tls.Client(nc, cfg)
	return protocol.HardClose(tc), tc.HandshakeContext(ctx)
}
