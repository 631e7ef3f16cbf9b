package e2e

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"
	"mom.internal/wire/wiretest/certs"
)

// idleConn is a connection to a server of its own, which makes no calls on it.
type idleConn struct {
	t      *testing.T
	number int
	name   string
	ways   way // the directions that the test cuts
	asks   bool
	says   string // the bytes that it sends of its greeting or of the TLS handshake
	greets bool
	tls    *tls.Config // nil for none
	notice time.Duration

	srv     *momserver.Server
	nc      net.Conn
	noticed time.Duration
}

// maxIdleConns is the number of idle connections with TLS.
const maxIdleConns = 9

// newIdleConns makes the connections, each over a pair of addresses of its own,
// from the pair first on.
func newIdleConns(t *testing.T, l *netnsLab, first int) []*idleConn {
	t.Helper()
	cfg, notice := momserver.Config{CallTimeout: time.Second, HandshakeTimeout: 2 * time.Second}, tuned.notice
	if os.Getenv(envSlow) != "" {
		cfg, notice = momserver.Config{}, defaults.notice
	}
	cfg.IdleTimeout = time.Hour // so that no idle timeout finds them first
	conns := []*idleConn{
		{name: "silent", ways: bothWays},
		{name: "within the greeting", ways: bothWays, says: "MoM\x01"},
		{name: "greeted", ways: bothWays, greets: true},
		{name: "greeted, no longer reached", ways: fromServer, greets: true},
		{name: "greeted, waiting for an answer", ways: fromServer, greets: true, asks: true},
	}
	if len(secure()) > 1 {
		authority := certs.NewAuthority()
		trust := &tls.Config{RootCAs: authority.Pool(), ServerName: "server"}
		cfg.TLS = &tls.Config{Certificates: []tls.Certificate{authority.Issue("server", time.Hour, "server")}}
		conns = append(conns,
			&idleConn{name: "within TLS's handshake", ways: bothWays, tls: trust, says: "\x16\x03\x01\x02"},
			&idleConn{name: "greeted in TLS", ways: bothWays, tls: trust, greets: true},
			&idleConn{name: "greeted in TLS, no longer reached", ways: fromServer, tls: trust, greets: true},
			&idleConn{name: "greeted in TLS, waiting for an answer", ways: fromServer, tls: trust, greets: true, asks: true},
		)
	}
	for i, s := range conns {
		own := cfg
		if s.tls == nil {
			own.TLS = nil
		}
		s.t, s.number, s.notice, s.srv = t, first+i, notice, momserver.New(own)
		t.Cleanup(func() { s.srv.Close() })
		go s.srv.Serve(listenIn(t, l.servers.in, serverIP(s.number)+":7420"))
		s.connect(l)
	}
	all(t, "connected", conns, func(s *idleConn) bool { return s.srv.Stats().Connections == 1 })
	return conns
}

// connect connects, and greets as far as s should.
func (s *idleConn) connect(l *netnsLab) {
	s.t.Helper()
	err := l.clients.in(func() (err error) {
		s.nc, err = net.DialTimeout("tcp", serverIP(s.number)+":7420", 5*time.Second)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	socket := s.nc
	s.t.Cleanup(func() { socket.Close() })
	io.WriteString(s.nc, s.says)
	if !s.greets {
		return
	}
	if s.tls != nil {
		s.nc = protocol.HardClose(tls.Client(s.nc, s.tls))
	}
	if _, err := protocol.Greet(s.nc, "", 5*time.Second); err != nil {
		s.t.Fatalf("%s: %v", s.name, err)
	}
}

// wait makes a call that is never answered, if s should wait for an answer.
func (s *idleConn) wait() {
	if s.asks {
		conn := duplex.NewConn(s.nc, duplex.ConnConfig{MaxMessage: 1 << 20, MaxWaiting: 1 << 20, WriteTimeout: time.Hour, MessageTimeout: time.Hour})
		conn.Client().Go(protocol.MethodPing, &protocol.Nothing{}, &protocol.Nothing{}, nil)
		s.t.Cleanup(func() { conn.Close(wire.Errorf(wire.Closed, "done")) })
	}
}

// isNoticed reports whether the server has closed the connection, and records
// when it did.
func (s *idleConn) isNoticed(at time.Time) bool {
	if s.noticed == 0 && s.srv.Stats().Connections == 0 {
		s.noticed = time.Since(at)
	}
	return s.noticed > 0
}

func (s *idleConn) checkNotice() {
	s.t.Logf("%s: noticed in %v", s.name, s.noticed.Round(time.Millisecond))
	if s.noticed > s.notice+slack {
		s.t.Errorf("%s: noticed in %v, want %v", s.name, s.noticed, s.notice)
	}
}

// cutUnderAsking cuts the link of a client that calls Jobs, before or after the
// client has connected. The call fails in time.
func cutUnderAsking(t *testing.T, l *netnsLab, pair int) {
	t.Helper()
	srv := momserver.New(momserver.Config{})
	defer srv.Close()
	go srv.Serve(listenIn(t, l.servers.in, serverIP(pair)+":7420"))
	cutWhen := ""
	c := momclient.New(serverIP(pair)+":7420", momclient.Options{
		CallTimeout: 300 * time.Millisecond,
		DialContext: func(ctx context.Context, network, addr string) (nc net.Conn, err error) {
			err = l.clients.in(func() (err error) {
				nc, err = new(net.Dialer).DialContext(ctx, network, addr)
				return err
			})
			if cutWhen == "connected" {
				l.cut(pair, bothWays, true)
			}
			return nc, err
		},
	})
	defer c.Close()
	for _, cutWhen = range []string{"never", "connected", "before"} {
		_, err := c.Jobs(context.Background())
		if cutWhen == "never" && err != nil || cutWhen != "never" && !errors.Is(err, wire.Lost) && !errors.Is(err, wire.Timeout) {
			t.Errorf("cut %s: %v", cutWhen, err)
		}
	}
}
