package duplex

import (
	"net"
	"time"
)

// keepalive.go has the kernel look for peers that have vanished. An unanswered
// call finds those that are called; it cannot find the others, such as whoever
// has asked for a page and does not get it, or is greeted and says nothing more.

// watchPeer has the kernel end the connection if the peer's kernel is silent for
// the duration within: it neither acknowledges data nor answers a probe. The
// kernel finds that out by user timeout, if it has one, which works with data in
// flight as well, and by keepalive everywhere. The duration is a second at
// least, because a segment that is lost once is sent again within that, and two
// minutes at most; the kernel rounds its probes up to seconds. A peer that does
// not read for so long is taken for vanished, too. Without a TCP socket
// watchPeer does nothing.
func watchPeer(nc net.Conn, within time.Duration) {
	within = min(max(within, time.Second), 2*time.Minute)
	if tc, ok := nc.(interface{ NetConn() net.Conn }); ok {
		nc = tc.NetConn()
	}
	socket, ok := nc.(*net.TCPConn)
	if !ok {
		return
	}
	socket.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: within / 2, Interval: time.Second, Count: 3})
	setUserTimeout(socket, within)
}
