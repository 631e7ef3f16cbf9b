package pages

import (
	"net"
	"sync"
	"sync/atomic"
)

// maxConns bounds the connections of a Server.
const maxConns = 64

// fewConns closes connections over maxConns at once.
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
		if l.open.Add(1) <= maxConns {
			return &countedConn{nc, sync.OnceFunc(func() { l.open.Add(-1) })}, nil
		}
		l.open.Add(-1)
		nc.Close()
	}
}

// countedConn makes room for another connection when it is closed.
type countedConn struct {
	net.Conn
	release func()
}

func (c *countedConn) Close() error {
	c.release()
	return c.Conn.Close()
}
