package wire

import (
	"crypto/tls"
	"net"
)

// HardClose returns tc with a Close that closes the connection under it at
// once. tls.Conn's own Close first sends an alert, and may wait for seconds
// for a peer that does not read.
func HardClose(tc *tls.Conn) net.Conn { return hardTLS{tc} }

type hardTLS struct{ *tls.Conn }

func (c hardTLS) Close() error { return c.NetConn().Close() }
