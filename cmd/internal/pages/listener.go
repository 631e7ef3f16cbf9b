package pages

import (
	"net"
	"net/http"
	"slices"
	"sync"
)

// maxConns bounds the connections of a Server.
const maxConns = 64

// fewConns bounds the connections. Over maxConns, a new one takes the place of the
// one that has been without a request for longest, so that nobody can keep others
// out by holding connections. If all have a request, the new one is closed.
type fewConns struct {
	net.Listener

	mu   sync.Mutex    // guards all below
	open []*placedConn // that without a request for longest first
}

// placedConn is a connection that has a place.
type placedConn struct {
	net.Conn
	of   *fewConns
	busy bool // it has a request; guarded by of.mu
}

func (l *fewConns) Accept() (net.Conn, error) {
	for {
		nc, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c := l.place(nc); c != nil {
			return c, nil
		}
		nc.Close()
	}
}

// place gives nc a place, and returns nil if there is none.
func (l *fewConns) place(nc net.Conn) net.Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.open) >= maxConns {
		idle := slices.IndexFunc(l.open, func(c *placedConn) bool { return !c.busy })
		if idle < 0 {
			return nil
		}
		l.open[idle].Conn.Close()
		l.open = slices.Delete(l.open, idle, idle+1)
	}
	c := &placedConn{Conn: nc, of: l}
	l.open = append(l.open, c)
	return c
}

// changed is the ConnState of the http.Server.
func (l *fewConns) changed(nc net.Conn, state http.ConnState) {
	c, ok := nc.(*placedConn)
	if !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	c.busy = state == http.StateActive
	if i := slices.Index(l.open, c); i >= 0 {
		l.open = append(slices.Delete(l.open, i, i+1), c)
	}
}

// Close makes room for another connection.
func (c *placedConn) Close() error {
	c.of.mu.Lock()
	if i := slices.Index(c.of.open, c); i >= 0 {
		c.of.open = slices.Delete(c.of.open, i, i+1)
	}
	c.of.mu.Unlock()
	return c.Conn.Close()
}
