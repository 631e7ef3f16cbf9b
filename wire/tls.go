package wire

import (
	"bytes"
	"crypto/tls"
	"errors"
	"net"
)

// HardClose returns tc with a Close that closes the connection under it at
// once. tls.Conn's own Close first sends an alert, and may wait for seconds
// for a peer that does not read.
func HardClose(tc *tls.Conn) net.Conn { return hardTLS{tc} }

type hardTLS struct{ *tls.Conn }

func (c hardTLS) Close() error { return c.NetConn().Close() }

// opensTLS reports whether bytes are the begin of a TLS handshake or alert.
func opensTLS(head []byte) bool {
	return bytes.HasPrefix(head, []byte{0x15, 0x03}) || bytes.HasPrefix(head, []byte{0x16, 0x03})
}

// IsPlain reports whether a TLS handshake failed because the peer speaks this
// protocol without TLS.
func IsPlain(handshake error) bool {
	var record tls.RecordHeaderError
	return errors.As(handshake, &record) && string(record.RecordHeader[:len(greetMagic)]) == greetMagic
}
