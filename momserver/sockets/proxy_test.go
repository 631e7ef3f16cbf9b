// Package sockets_test runs servers and clients over real sockets, where what
// is tested is between them and the kernel: connections that are cut at any
// byte, that come a thousand at once, whose descriptors or ports have run out,
// or whose peers are stuck.
//
// MOM_TEST_SLOW=1 runs all of each test, and not a part.
package sockets_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// slow reports whether to run all of a test.
func slow() bool { return os.Getenv("MOM_TEST_SLOW") != "" }

// A way is a direction through a proxy.
type way int

const (
	up   way = iota // to who listens: the server, or a callback endpoint
	down            // to who has dialled
)

func (w way) String() string { return [...]string{"up", "down"}[w] }

// proxy passes connections on to a server, as TCP does or in the smallest
// pieces, and cuts the first of them.
type proxy struct {
	l      net.Listener
	to     string
	pieces bool // each byte is a segment of its own
	cut    *cut // of the first connection; nil for none

	conns   sync.WaitGroup
	made    int             // owned by accept
	carried [2]atomic.Int64 // bytes, of all connections
}

// An ending is how a proxy ends a connection.
type ending int

const (
	closing ending = iota // both streams end
	reset
	halving // the stream ends on which it is cut; the other one goes on
)

var endings = []ending{closing, reset, halving}

func (e ending) String() string { return [...]string{"closed", "reset", "half-closed"}[e] }

// cut is where a connection ends.
type cut struct {
	way   way
	after int64 // bytes have been passed on
	how   ending
	done  atomic.Bool
}

func (c *cut) isDone() bool { return c != nil && c.done.Load() }

func (c *cut) String() string { return fmt.Sprintf("%v %v after %d bytes", c.how, c.way, c.after) }

// newProxy returns a proxy before the server at the address. It ends by
// close, with all its connections.
func newProxy(to string, c *cut) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	m := &proxy{l: l, to: to, cut: c}
	m.conns.Go(m.accept)
	return m
}

func (m *proxy) addr() string { return m.l.Addr().String() }

func (m *proxy) length(w way) int64 { return m.carried[w].Load() }

// close waits for both ends of all connections to be closed by their owners.
func (m *proxy) close() {
	m.l.Close()
	m.conns.Wait()
}

func (m *proxy) accept() {
	for {
		client, err := m.l.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", m.to)
		if err != nil {
			client.Close()
			continue
		}
		m.made++
		p := &passage{m: m, ends: [2]*net.TCPConn{up: client.(*net.TCPConn), down: server.(*net.TCPConn)}}
		if m.made == 1 {
			p.cut = m.cut
		}
		var both sync.WaitGroup
		both.Go(func() { p.pass(up) })
		both.Go(func() { p.pass(down) })
		m.conns.Go(func() {
			both.Wait()
			client.Close()
			server.Close()
		})
	}
}

// passage is one connection through a proxy.
type passage struct {
	m    *proxy
	ends [2]*net.TCPConn // by the way that what comes from them goes
	cut  *cut            // nil for none
}

// pass copies one way until its end, or the cut.
func (p *passage) pass(w way) {
	from, to := p.ends[w], p.ends[1-w]
	buf, passed := make([]byte, 4096), int64(0)
	for {
		if p.cut != nil && p.cut.way == w && passed == p.cut.after && !p.cut.done.Load() {
			p.sever()
		}
		part := buf
		if p.cut != nil && p.cut.way == w && !p.cut.done.Load() {
			part = buf[:min(int64(len(buf)), p.cut.after-passed)]
		}
		n, err := from.Read(part)
		passed += int64(n)
		p.m.carried[w].Add(int64(n))
		if p.severed(w) {
			n = 0 // what comes now is lost
		}
		if !p.write(to, part[:n]) || err != nil {
			to.CloseWrite()
			io.Copy(io.Discard, from)
			return
		}
	}
}

func (p *passage) severed(w way) bool {
	return p.cut.isDone() && (p.cut.how != halving || p.cut.way == w)
}

func (p *passage) write(to *net.TCPConn, data []byte) bool {
	for len(data) > 0 {
		n := len(data)
		if p.m.pieces {
			n = 1
		}
		if _, err := to.Write(data[:n]); err != nil {
			return false
		}
		data = data[n:]
	}
	return true
}

// sever ends the connection at both ends, or one of its streams.
func (p *passage) sever() {
	p.cut.done.Store(true)
	for w, end := range p.ends {
		switch {
		case p.cut.how == reset:
			end.SetLinger(0)
			end.Close()
		case p.cut.how == closing || w != int(p.cut.way): // which is where the way leads
			end.CloseWrite()
		}
	}
}

// hangs is the time after which a test counts as hanging. It is long, because
// the machine may be busy.
const hangs = 2 * time.Minute

// eventually polls until a condition holds, with a deadline for a test that
// hangs.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(hangs)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not in time: %s", what)
		}
	}
}
