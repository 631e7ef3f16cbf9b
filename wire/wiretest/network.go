// Package wiretest helps applications to test what they build on momserver and
// momclient. [NewPair] returns a server and a client of it, which talk over a
// [Network] in memory. Both also work inside a testing/synctest bubble, where
// synctest.Wait waits until the handlers have had all events:
//
//	func TestHandler(t *testing.T) {
//		synctest.Test(t, func(t *testing.T) {
//			srv, client := wiretest.NewPair(t, momserver.Config{}, momclient.Options{})
//			client.OnEvent(handle) // the handler that is tested
//			client.Subscribe(t.Context())
//			srv.Run(t.Context(), jobID, wire.InitializeData{}, mirror)
//			synctest.Wait()
//			// Check what handle has done.
//		})
//	}
//
// The packages below this one support the tests of this module only. Nothing
// in them is promised.
package wiretest

import (
	"context"
	"fmt"
	"net"
	"sync"
)

// Network is a network in memory. Its zero value is ready.
type Network struct {
	mu        sync.Mutex // guards the fields below
	listeners map[string]*listener
	ports     int
	conns     []net.Conn // one end of each connection made
}

// Cut closes every connection there is. Listeners stay.
func (n *Network) Cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.conns {
		c.Close()
	}
	n.conns = nil
}

// addr is an address of a Network.
type addr string

func (a addr) Network() string { return "mem" }
func (a addr) String() string  { return string(a) }

// Listen opens a listener on the address.
func (n *Network) Listen(address string) (net.Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners[address] != nil {
		return nil, &net.OpError{Op: "listen", Net: "mem", Addr: addr(address), Err: fmt.Errorf("address already in use")}
	}
	if n.listeners == nil {
		n.listeners = make(map[string]*listener)
	}
	l := &listener{net: n, addr: addr(address), conns: make(chan net.Conn), done: make(chan struct{})}
	n.listeners[address] = l
	return l, nil
}

// DialContext connects to a listener; it fits momclient's Options.DialContext.
func (n *Network) DialContext(ctx context.Context, _, address string) (net.Conn, error) {
	n.mu.Lock()
	n.ports++
	local := fmt.Sprintf("mem-client:%d", n.ports)
	n.mu.Unlock()
	return n.DialFrom(ctx, local, address)
}

// DialFrom connects to a listener, whose side of the connection has the remote
// address from, such as "192.0.2.1:4000".
func (n *Network) DialFrom(ctx context.Context, from, address string) (net.Conn, error) {
	n.mu.Lock()
	l, local := n.listeners[address], addr(from)
	n.mu.Unlock()
	refused := &net.OpError{Op: "dial", Net: "mem", Addr: addr(address), Err: fmt.Errorf("connection refused")}
	if l == nil {
		return nil, refused
	}
	near, far := net.Pipe()
	select {
	case l.conns <- &conn{far, l.addr, local}:
		n.mu.Lock()
		n.conns = append(n.conns, far)
		n.mu.Unlock()
		return &conn{near, local, l.addr}, nil
	case <-l.done:
		return nil, refused
	case <-ctx.Done():
		return nil, &net.OpError{Op: "dial", Net: "mem", Addr: addr(address), Err: ctx.Err()}
	}
}

type listener struct {
	net   *Network
	addr  addr
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, &net.OpError{Op: "accept", Net: "mem", Addr: l.addr, Err: net.ErrClosed}
	}
}

func (l *listener) Close() error {
	l.once.Do(func() {
		close(l.done)
		l.net.mu.Lock()
		delete(l.net.listeners, string(l.addr))
		l.net.mu.Unlock()
	})
	return nil
}

func (l *listener) Addr() net.Addr { return l.addr }

// conn is one end of a net.Pipe that knows its addresses.
type conn struct {
	net.Conn
	local, remote addr
}

func (c *conn) LocalAddr() net.Addr  { return c.local }
func (c *conn) RemoteAddr() net.Addr { return c.remote }
