package protocol

import (
	"crypto/tls"
	"encoding/binary"
	"net"
	"time"

	"mom.internal/wire"
)

// The bytes that a client and a server may send in TLS records besides data: at once,
// and more with each second. crypto/tls derives a new key for each key update of a
// peer, and may answer it, however many there are between two bytes of data. A TLS
// library sends a key update after millions of records, and a server sends a few session
// tickets, which hold the client's certificates.
const (
	maxNoDataOfClient = 1 << 10
	maxNoDataOfServer = 32 << 10
	noDataPerSecond   = 16
)

// recordOverhead is how many bytes of the payload of a TLS 1.3 record are neither
// data nor padding.
const recordOverhead = 1 + 16

// belowTLS is the connection below TLS. It counts the bytes in the peer's records
// that are not data. Only the goroutine that reads uses the fields.
type belowTLS struct {
	net.Conn
	most   int
	noData int       // bytes that have come and were not data, less noDataPerSecond
	last   time.Time // when noData was last looked at; zero before the first data

	head [5]byte // of a record
	have int     // bytes of head that have come
	left int     // bytes of the record after its head that have not come
	size int     // of the payload of the record
}

// TLSServer is [tls.Server] with a bound on the bytes besides data that the client may
// send once [HardClose] has been called.
func TLSServer(nc net.Conn, cfg *tls.Config) *tls.Conn {
	return tls.Server(&belowTLS{Conn: nc, most: maxNoDataOfClient}, cfg)
}

// TLSClient is [TLSServer] for the other end.
func TLSClient(nc net.Conn, cfg *tls.Config) *tls.Conn {
	return tls.Client(&belowTLS{Conn: nc, most: maxNoDataOfServer}, cfg)
}

// NetConn returns the connection that b reads from.
func (b *belowTLS) NetConn() net.Conn { return b.Conn }

// Read is called when TLS has taken all complete records that have come.
func (b *belowTLS) Read(p []byte) (int, error) {
	if !b.last.IsZero() && b.noData > b.most {
		now := time.Now()
		b.noData -= int(now.Sub(b.last).Seconds() * noDataPerSecond)
		b.last = now
		if b.noData > b.most {
			return 0, wire.Errorf(wire.ProtocolError, "%v sent too much besides data over TLS", b.RemoteAddr())
		}
	}
	n, err := b.Conn.Read(p)
	b.count(p[:n])
	return n, err
}

// count counts the records that end in raw.
func (b *belowTLS) count(raw []byte) {
	for len(raw) > 0 {
		if b.left == 0 {
			n := copy(b.head[b.have:], raw)
			raw = raw[n:]
			if b.have += n; b.have < len(b.head) {
				return
			}
			b.size = int(binary.BigEndian.Uint16(b.head[3:]))
			b.left, b.have = b.size, 0
		}
		n := min(b.left, len(raw))
		raw = raw[n:]
		if b.left -= n; b.left == 0 {
			b.noData += max(0, b.size-recordOverhead)
		}
	}
}
