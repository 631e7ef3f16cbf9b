// Package faultnet is a network in memory that fails as real networks do, for
// tests inside a testing/synctest bubble.
//
// It supports the tests of this module only. Nothing in it is promised.
package faultnet

import (
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"
)

// Network is the network. Each client
// is behind a [Link], where latency is set and faults are made. Time is that of
// package time, so that in a testing/synctest bubble it is simulated; nothing
// here blocks but on channels and timers.
//
// What happens to a byte is decided by the link's seed and the instant at which
// it is written, and by nothing else: the same calls at the same instants have
// the same effects. Two messages of one flow never arrive at one instant.
//
// Its zero value is ready.
type Network struct {
	mu        sync.Mutex // guards all below, and all of links, pairs and flows; never held while blocking
	listeners map[string]*listener
	open      map[*conn]struct{} // ends that are not closed
	pairs     map[string]*pair   // all that were made, but from nobody, by the client's address
}

// Seen is what the server's end of a connection has been told by the network.
type Seen struct {
	Ended         time.Time // Read or Write failed, or Read came to the peer's end; zero for not
	WriteTimedOut time.Time // Write came to its deadline
	Impaired      time.Time // the latest time at which the link was known to be impaired
}

// Seen returns what the server's end knows of the connection whose client's end
// has the address. A connection that the network does not know is zero.
func (n *Network) Seen(address string) Seen {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.pairs[address]
	if p == nil {
		return Seen{}
	}
	if _, open := n.open[p.ends[Down]]; open {
		p.note(time.Now())
	}
	return p.seen
}

// Open returns how many listeners and ends of connections are not closed, the
// clients' and the servers'.
func (n *Network) Open() (clients, servers int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for c := range n.open {
		if c.out == Up {
			clients++
		}
	}
	for _, l := range n.listeners {
		if l.client {
			clients++
		}
	}
	return clients, len(n.open) + len(n.listeners) - clients
}

// backlog is how many connections wait for Accept; more are refused.
const backlog = 128

// Listen opens a server's listener on the address.
func (n *Network) Listen(address string) (net.Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.listen(address, false)
}

// listen opens a listener, a client's or a server's. mu is held.
func (n *Network) listen(address string, client bool) (net.Listener, error) {
	if n.listeners[address] != nil {
		return nil, opError("listen", addr(address), syscall.EADDRINUSE)
	}
	if n.listeners == nil {
		n.listeners = make(map[string]*listener)
	}
	l := &listener{net: n, addr: addr(address), client: client, conns: make(chan *conn, backlog), done: make(chan struct{})}
	n.listeners[address] = l
	return l, nil
}

// connect makes a connection over the link, the way, to the listener at
// address, and returns the end that dialled. mu is held.
func (n *Network) connect(l *Link, way Way, address string) (*conn, error) {
	at := n.listeners[address]
	if at == nil {
		return nil, opError("dial", addr(address), syscall.ECONNREFUSED)
	}
	l.made++
	local := addr(fmt.Sprintf("%s:%d", l.name, l.made))
	if way == Down {
		local = "server-of-" + local
	}
	p := newPair(l, way, local, at.addr)
	dialled := p.ends[way]
	select {
	case at.conns <- dialled.peer():
	default:
		return nil, opError("dial", addr(address), syscall.ECONNREFUSED)
	}
	if n.open == nil {
		n.open, n.pairs = make(map[*conn]struct{}), make(map[string]*pair)
	}
	for _, end := range p.ends {
		n.open[end] = struct{}{}
	}
	l.pairs[p] = struct{}{}
	return dialled, nil
}

// addr is an address of a Network.
type addr string

func (a addr) Network() string { return "mem" }
func (a addr) String() string  { return string(a) }

func opError(op string, at net.Addr, err error) error {
	return &net.OpError{Op: op, Net: "mem", Addr: at, Err: err}
}

// listener is a listener of a Network.
type listener struct {
	net    *Network
	addr   addr
	client bool // a client listens, for a server to dial back
	conns  chan *conn
	once   sync.Once
	done   chan struct{}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case <-l.done: // first, so that nothing is accepted after Close
	default:
		select {
		case c := <-l.conns:
			return c, nil
		case <-l.done:
		}
	}
	return nil, opError("accept", l.addr, net.ErrClosed)
}

// Close closes the listener. Connections that wait for Accept are reset.
func (l *listener) Close() error {
	l.once.Do(func() {
		l.net.mu.Lock()
		defer l.net.mu.Unlock()
		delete(l.net.listeners, string(l.addr))
		close(l.done)
		for {
			select {
			case c := <-l.conns:
				c.pair.reset()
				c.close()
			default:
				return
			}
		}
	})
	return nil
}

func (l *listener) Addr() net.Addr { return l.addr }
