package guard

import (
	"net"
	"sync"
	"sync/atomic"
)

// MaxConns bounds the connections of a Listener.
const MaxConns = 64

// Listener returns l but for connections over MaxConns, which are closed at
// once.
func Listener(l net.Listener) net.Listener { return &fewConns{Listener: l} }

type fewConns struct {
	net.Listener
	open atomic.Int64
}

func (l *fewConns) Accept() (net.Conn, error) {
	for {
		nc, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.open.Add(1) <= MaxConns {
			return &countedConn{nc, sync.OnceFunc(func() { l.open.Add(-1) })}, nil
		}
		l.open.Add(-1)
		nc.Close()
	}
}

// countedConn gives its place free when it is closed.
type countedConn struct {
	net.Conn
	release func()
}

func (c *countedConn) Close() error {
	c.release()
	return c.Conn.Close()
}
