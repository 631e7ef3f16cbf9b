package momserver

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mom.internal/wire"
	"mom.internal/wire/protocol"
	"mom.internal/wire/wiretest/certs"
)

// connected has a server take a connection from the address, and returns the
// other end.
func connected(srv *Server, ip string) net.Conn {
	near, far := net.Pipe()
	if !srv.admit(newClientConn(srv, addrConn{near, net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(ip), 4000))})) {
		near.Close()
	}
	return far
}

// TestPerAddrForgets: an address is forgotten when its last connection has
// ended, and an IPv6 network counts as one address.
func TestPerAddrForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := New(Config{MaxConnsPerAddr: 2})
		defer srv.Close()
		var conns []net.Conn
		for _, ip := range []string{"10.0.0.1", "10.0.0.1", "10.0.0.2", "2001:db8::1", "2001:db8::2"} {
			conns = append(conns, connected(srv, ip))
		}
		synctest.Wait()
		if len(srv.perAddr) != 3 || len(srv.conns) != 5 || srv.perAddr[netip.MustParseAddr("10.0.0.1")].count != 2 {
			t.Errorf("%d connections from %v", len(srv.conns), srv.perAddr)
		}
		conns[0].Close()
		synctest.Wait()
		if srv.perAddr[netip.MustParseAddr("10.0.0.1")].count != 1 {
			t.Errorf("after one: %v", srv.perAddr)
		}
		for _, nc := range conns {
			nc.Close()
		}
		synctest.Wait()
		if len(srv.perAddr) != 0 || len(srv.conns) != 0 {
			t.Errorf("afterwards: %d connections from %v", len(srv.conns), srv.perAddr)
		}
		for i := range 1000 {
			nc := connected(srv, netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}).String())
			synctest.Wait()
			nc.Close()
		}
		if synctest.Wait(); len(srv.perAddr) != 0 {
			t.Errorf("%d addresses are kept", len(srv.perAddr))
		}
	})
}

// TestCountFailure: failures that are the client's fault count, and others do
// not.
func TestCountFailure(t *testing.T) {
	faults := map[wire.Code]bool{
		wire.Unauthorized: true, wire.Forbidden: true, wire.BadCertificate: true, wire.TLSMismatch: true,
		wire.NotMoM: true, wire.VersionMismatch: true, wire.Timeout: true, wire.Lost: true,
		wire.Busy: false, wire.Full: false, wire.Draining: false, wire.Closed: false, wire.InternalError: false,
	}
	first, other := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	for code, fault := range faults {
		srv := New(Config{FailuresPerMinute: 1})
		for i := range 2 {
			if slowed := srv.countFailure(&clientConn{srv: srv, addr: first}, wire.Errorf(code, "no")); slowed != (fault && i > 0) {
				t.Errorf("%v, %d: slowed down %v", code, i, slowed)
			}
		}
		if counted := srv.failureLimit.reached(first, time.Now()); counted != fault {
			t.Errorf("%v is counted: %v", code, counted)
		}
		if srv.failureLimit.reached(other, time.Now()) {
			t.Errorf("%v is counted for another address", code)
		}
	}
	srv := New(Config{FailuresPerMinute: 1})
	for range 3 {
		srv.countFailure(&clientConn{srv: srv}, wire.Errorf(wire.Unauthorized, "no"))
	}
	if len(srv.failureLimit.counts) != 0 {
		t.Error("peers without an address are counted")
	}
}

// TestSilentRefusal: a connection over the cap whose client sends nothing is
// closed after a second.
func TestSilentRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := New(Config{MaxConns: 1})
		defer srv.Close()
		first := connected(srv, "10.0.0.1")
		defer first.Close()
		if _, err := protocol.Greet(first, "", time.Second); err != nil { // so that it keeps its place
			t.Fatal(err)
		}
		second := connected(srv, "10.0.0.2")
		closed := make(chan time.Time, 1)
		go func() {
			io.Copy(io.Discard, second)
			closed <- time.Now()
		}()
		start := time.Now()
		time.Sleep(3 * time.Second)
		synctest.Wait()
		select {
		case at := <-closed:
			if took := at.Sub(start); took != time.Second {
				t.Errorf("closed after %v", took)
			}
		default:
			t.Error("it is open")
		}
		if srv.refusing != 0 {
			t.Errorf("%d are being refused", srv.refusing)
		}
	})
}

// TestAdmitAtTheEnd tells a client that comes during Shutdown why it is not
// let in, and closes one that comes after Close, without an answer.
func TestAdmitAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tc := range []struct {
			phase phase
			is    error
		}{{shuttingDown, wire.Draining}, {closed, wire.Lost}} {
			srv := New(Config{})
			srv.phase = tc.phase
			nc := connected(srv, "10.0.0.1")
			srv.mu.Lock()
			if len(srv.conns) != 0 {
				t.Errorf("in phase %d: it takes a place", tc.phase)
			}
			srv.mu.Unlock()
			_, err := protocol.Greet(nc, "", time.Second)
			if !errors.Is(err, tc.is) {
				t.Errorf("in phase %d: %v; want %v", tc.phase, err, tc.is)
			}
			nc.Close()
			srv.running.Wait()
		}
	})
}

// TestPeerCloses: a peer can be closed before and after its greeting, and
// again.
func TestPeerCloses(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	srv := New(Config{})
	why := wire.Errorf(wire.Closed, "the test is over")
	p := newClientConn(srv, addrConn{near, &net.TCPAddr{}})
	p.close(why)
	if _, err := near.Write([]byte("x")); err != io.ErrClosedPipe || p.endErr != why {
		t.Errorf("before the greeting: %v, %v", err, p.endErr)
	}
	sv := testService(t, srv)
	p.conn = sv.conn
	for range 2 {
		if p.close(why); !errors.Is(sv.conn.Err(), wire.Closed) {
			t.Errorf("after the greeting: %v", sv.conn.Err())
		}
	}
}

// TestLingersAfterAlert: after the server has refused a certificate it reads on
// for a moment, so that its alert is not lost. After other failures of a
// handshake it does not.
func TestLingersAfterAlert(t *testing.T) {
	authority := certs.NewAuthority()
	server := &tls.Config{
		Certificates: []tls.Certificate{authority.Issue("server", time.Hour, "127.0.0.1")},
		ClientCAs:    authority.Pool(), ClientAuth: tls.RequireAndVerifyClientCert, SessionTicketsDisabled: true,
		Time: func() time.Time { return time.Now().Add(30 * 365 * 24 * time.Hour) }, // a bubble's clock is far behind
	}
	for name, tc := range map[string]struct {
		says  func(net.Conn)
		lasts time.Duration
	}{
		"no certificate": {func(nc net.Conn) {
			tc := tls.Client(nc, &tls.Config{RootCAs: authority.Pool(), ServerName: "127.0.0.1", InsecureSkipVerify: true})
			tc.Handshake()
			tc.Read(make([]byte, 1))
		}, maxLinger},
		"no TLS": {func(nc net.Conn) { nc.Write([]byte("GET / HTTP/1.1\r\n\r\n")) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := New(Config{TLS: server})
				defer srv.Close()
				nc := connected(srv, "10.0.0.1")
				start := time.Now()
				tc.says(nc)
				io.Copy(io.Discard, nc)
				if took := time.Since(start); took != tc.lasts {
					t.Errorf("it lasts %v; want %v", took, tc.lasts)
				}
			})
		})
	}
}

// halfConn is a connection that can be closed for writing.
type halfConn struct {
	addrConn
	closed atomic.Int32 // how often it was closed for writing
}

func (c *halfConn) CloseWrite() error {
	c.closed.Add(1)
	return nil
}

// TestLingersAfterRefusal says why, ends its own half of the connection, and
// reads on for a moment, because closing over bytes that were not read would
// take the reason away.
func TestLingersAfterRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := New(Config{Token: "secret"})
		defer srv.Close()
		near, far := net.Pipe()
		half := &halfConn{addrConn: addrConn{near, &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 4000}}}
		if !srv.admit(newClientConn(srv, half)) {
			t.Fatal("not let in")
		}
		start := time.Now()
		if _, err := protocol.Greet(far, "wrong", time.Minute); !errors.Is(err, wire.Unauthorized) {
			t.Errorf("refused as %v", err)
		}
		synctest.Wait()
		if n := half.closed.Load(); n != 1 {
			t.Errorf("closed for writing %d times", n)
		}
		if _, err := far.Write(make([]byte, 1000)); err != nil {
			t.Errorf("it does not read on: %v", err)
		}
		io.Copy(io.Discard, far)
		if took := time.Since(start); took != maxLinger {
			t.Errorf("it lasts %v", took)
		}
	})
}

// TestPanicInHandshake ends the connection as the server's fault, not the
// client's.
func TestPanicInHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := New(Config{TLS: &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { panic("ouch") }}})
		defer srv.Close()
		near, far := net.Pipe()
		defer near.Close()
		go func() {
			tls.Client(far, &tls.Config{InsecureSkipVerify: true}).Handshake()
			far.Close()
		}()
		_, _, err := newClientConn(srv, addrConn{near, &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 4000}}).secure(context.Background())
		var e *wire.Error
		if !errors.As(err, &e) || e.Code != wire.InternalError {
			t.Errorf("%v", err)
		}
		near.Close()
	})
}
