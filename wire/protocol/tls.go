package protocol

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"mom.internal/wire"
	"mom.internal/wire/duplex"
)

// AtLeastTLS13 returns cfg, or a copy that requires TLS 1.3 if cfg has no
// MinVersion. The same holds for what GetConfigForClient returns. It returns nil for
// nil.
func AtLeastTLS13(cfg *tls.Config) *tls.Config {
	if cfg == nil || cfg.MinVersion != 0 && cfg.GetConfigForClient == nil {
		return cfg
	}
	strict := cfg.Clone()
	if strict.MinVersion == 0 {
		strict.MinVersion = tls.VersionTLS13
	}
	if forClient := cfg.GetConfigForClient; forClient != nil {
		strict.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			own, err := forClient(hello)
			return AtLeastTLS13(own), err
		}
	}
	return strict
}

// ServerName returns the name that the certificate of the server at addr, host:port,
// must have: the host, without the zone of an IPv6 address. The zone only names one of
// the interfaces of the client's machine.
func ServerName(addr string) string {
	host, _, _ := net.SplitHostPort(addr)
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.WithZone("").String()
	}
	return host
}

// HardClose returns tc with a Close that closes the underlying connection at once.
// The Close of tls.Conn first sends an alert, and may wait for seconds for a peer
// that does not read. If [TLSServer] or [TLSClient] has made tc, what the peer sends
// besides data is bounded from now on.
func HardClose(tc *tls.Conn) net.Conn {
	below, _ := tc.NetConn().(*belowTLS)
	return &hardTLS{tc, below}
}

type hardTLS struct {
	*tls.Conn
	below *belowTLS // nil if nothing is counted
}

func (c *hardTLS) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	switch b := c.below; {
	case b == nil:
	case !b.last.IsZero():
		b.noData -= n
	case c.ConnectionState().Version == tls.VersionTLS13: // the first bytes, after the handshake
		b.noData, b.last = 0, time.Now()
	default:
		c.below = nil
	}
	return n, err
}

func (c *hardTLS) Close() error { return c.NetConn().Close() }

// opensTLS reports whether head is the beginning of a TLS handshake or alert.
func opensTLS(head []byte) bool {
	return bytes.HasPrefix(head, []byte{0x15, 0x03}) || bytes.HasPrefix(head, []byte{0x16, 0x03})
}

// IsPlain reports whether a TLS handshake failed because the peer speaks this
// protocol without TLS.
func IsPlain(handshake error) bool {
	var record tls.RecordHeaderError
	return errors.As(handshake, &record) && string(record.RecordHeader[:len(greetMagic)]) == greetMagic
}

// maxTLSWords bounds what an error repeats of a certificate's names.
const maxTLSWords = 256

// HandshakeError says why a TLS handshake with peer failed. Its code is
// [wire.TLSMismatch] if one side does not speak TLS, [wire.BadCertificate] if one
// side does not accept the other's certificate, [wire.Timeout], [wire.Closed] if a
// context was cancelled, or [wire.Lost]. Its cause is err. HandshakeError returns nil
// for nil.
func HandshakeError(peer net.Addr, err error) error {
	if err == nil {
		return nil
	}
	var verification *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	text := duplex.Clip(err.Error(), maxTLSWords)
	e := wire.Errorf(wire.Lost, "TLS with %v: %s", peer, text)
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		e = wire.Errorf(wire.Timeout, "the TLS handshake with %v did not end in time", peer)
	case errors.Is(err, context.Canceled):
		e = wire.Errorf(wire.Closed, "the TLS handshake with %v was given up: %s", peer, text)
	case errors.As(err, &record):
		e = wire.Errorf(wire.TLSMismatch, "%v does not speak TLS: it answered %s", peer, describe(record.RecordHeader[:]))
	case errors.As(err, &verification):
		e = wire.Errorf(wire.BadCertificate, "the certificate of %v is not accepted: %s", peer, duplex.Clip(verification.Err.Error(), maxTLSWords))
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		e = wire.Errorf(wire.Lost, "%v closed the connection within the TLS handshake", peer)
	case isCertificateAlert(err):
		e = wire.Errorf(wire.BadCertificate, "%v does not accept this side's certificate: %s", peer, text)
	case strings.Contains(text, "certificate"):
		e = wire.Errorf(wire.BadCertificate, "TLS with %v: %s", peer, text)
	}
	return e.WithCause(err)
}

// isCertificateAlert reports whether err is a TLS alert by which the peer refuses
// this side's certificate, or the lack of one. crypto/tls does not export its
// alerts, but the texts of these contain the word "certificate".
func isCertificateAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error" && strings.Contains(op.Err.Error(), "certificate")
}

// maxIdentity bounds an identity, in bytes.
const maxIdentity = 128

// Identity returns the name in the peer's verified certificate: the common name of
// its subject, else the first of its DNS names, mail addresses and URIs. It returns
// "" if there is none.
func Identity(state *tls.ConnectionState) string {
	if state == nil || len(state.VerifiedChains) == 0 {
		return ""
	}
	leaf := state.VerifiedChains[0][0]
	names := slices.Concat([]string{leaf.Subject.CommonName}, leaf.DNSNames, leaf.EmailAddresses)
	for _, uri := range leaf.URIs {
		names = append(names, uri.String())
	}
	return duplex.Clip(strings.ToValidUTF8(cmp.Or(names...), "?"), maxIdentity)
}
