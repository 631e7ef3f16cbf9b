package duplex

import (
	"net"
	"time"
)

// keepalive.go makes the kernel look for peers that have vanished. A call to such a
// peer stays unanswered and ends the connection. But this side calls no client that
// only asks for pages, or that is silent after the greeting.

// watchPeer makes the kernel end the connection if the peer's kernel neither
// acknowledges data nor answers a probe for the duration within. That is at least a
// second, in which a segment that was lost once is sent again, and at most two
// minutes. Keepalive finds such a peer while no data is in flight. While data is in
// flight, the user timeout does, if the kernel has one; it also ends the connection
// of a peer that does not read for that long. watchPeer does nothing if nc is not a
// TCP connection.
func watchPeer(nc net.Conn, within time.Duration) {
	within = min(max(within, time.Second), 2*time.Minute)
	type wrapper interface{ NetConn() net.Conn }
	for outer, ok := nc.(wrapper); ok; outer, ok = nc.(wrapper) {
		nc = outer.NetConn()
	}
	socket, ok := nc.(*net.TCPConn)
	if !ok {
		return
	}
	socket.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: within / 2, Interval: time.Second, Count: 3})
	setUserTimeout(socket, within)
}
