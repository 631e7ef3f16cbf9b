package momserver

import (
	"crypto/tls"
	"net"
	"net/netip"
	"strings"
)

// exposure says what a listener beyond this machine lays open, "" for nothing.
func (c *Config) exposure(addr net.Addr) string {
	if !beyondLoopback(addr) {
		return ""
	}
	known := c.Token != "" || c.Authorize != nil
	switch {
	case c.TLS == nil && !known:
		return "everybody who reaches this address may subscribe, and whoever is on the way reads all; set TLS and a token"
	case c.TLS == nil:
		return "whoever is on the way reads all, the token too; set TLS"
	case !known && !c.wantsCertificate():
		return "everybody who reaches this address may subscribe; set a token, or want client certificates"
	}
	return ""
}

// wantsCertificate reports whether nobody gets in without a certificate that
// is looked at. What functions of the configuration do is not known, and taken
// for that.
func (c *Config) wantsCertificate() bool {
	t := c.TLS
	return t.ClientAuth == tls.RequireAndVerifyClientCert || t.GetConfigForClient != nil || t.VerifyConnection != nil || t.VerifyPeerCertificate != nil
}

// beyondLoopback reports whether others than this machine may reach a listener.
// Networks without IP addresses are taken for this machine's.
func beyondLoopback(addr net.Addr) bool {
	if !strings.HasPrefix(addr.Network(), "tcp") {
		return false
	}
	ap, err := netip.ParseAddrPort(addr.String())
	return err == nil && !ap.Addr().Unmap().IsLoopback()
}
