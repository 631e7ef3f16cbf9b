package protocol

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mom.internal/wire"
)

// TestServerName returns names without a zone, because no certificate has one.
func TestServerName(t *testing.T) {
	for addr, want := range map[string]string{
		"mirror.example:7420": "mirror.example", ":7420": "", "127.0.0.1:7420": "127.0.0.1", "[::1]:7420": "::1", "[fe80::1%eth0]:7420": "fe80::1", "mirror%20:7420": "mirror%20",
	} {
		if got := ServerName(addr); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
}

// TestHardClose does not wait for a peer that does not read; tls.Conn's own
// Close does, or there would be no need.
func TestHardClose(t *testing.T) {
	srv := httptest.NewTLSServer(nil) // for its certificate
	cert := srv.TLS.Certificates[0]
	srv.Close()
	for _, hard := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			near, far := net.Pipe()
			server := tls.Server(near, &tls.Config{Certificates: []tls.Certificate{cert}, SessionTicketsDisabled: true})
			client := tls.Client(far, &tls.Config{InsecureSkipVerify: true})
			shaken := make(chan error)
			go func() { shaken <- client.Handshake() }()
			if err := server.Handshake(); err != nil {
				t.Fatal(err)
			}
			if err := <-shaken; err != nil {
				t.Fatal(err)
			}
			var nc net.Conn = server
			if hard {
				nc = HardClose(server)
			}
			start := time.Now()
			nc.Close()
			if waited := time.Since(start); waited > 0 == hard {
				t.Errorf("hard %v: Close took %v", hard, waited)
			}
			if _, err := far.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("the socket: %v", err)
			}
		})
	}
}

// TestHandshakeError: each cause has its code, and is kept in the error.
func TestHandshakeError(t *testing.T) {
	unknown := x509.UnknownAuthorityError{}
	for name, tc := range map[string]struct {
		cause error
		code  error
		text  string
	}{
		"late":                  {context.DeadlineExceeded, wire.Timeout, "the TLS handshake with pipe did not end in time"},
		"late at the socket":    {&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, wire.Timeout, "the TLS handshake with pipe did not end in time"},
		"cancelled":             {fmt.Errorf("stopped: %w", context.Canceled), wire.Closed, "the TLS handshake with pipe was given up: stopped: context canceled"},
		"no TLS":                {tls.RecordHeaderError{RecordHeader: [5]byte{'H', 'T', 'T', 'P', '/'}}, wire.TLSMismatch, "pipe does not speak TLS: it answered in HTTP"},
		"its certificate":       {&tls.CertificateVerificationError{Err: unknown}, wire.BadCertificate, "the certificate of pipe is not accepted: x509: certificate signed by unknown authority"},
		"the end":               {io.EOF, wire.Lost, "pipe closed the connection within the TLS handshake"},
		"the end in a record":   {io.ErrUnexpectedEOF, wire.Lost, "pipe closed the connection within the TLS handshake"},
		"this side's":           {&net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}, wire.BadCertificate, "pipe does not accept this side's certificate: remote error: tls: bad certificate"},
		"no certificate":        {errors.New("tls: client didn't provide a certificate"), wire.BadCertificate, "TLS with pipe: tls: client didn't provide a certificate"},
		"another alert":         {&net.OpError{Op: "remote error", Err: errors.New("tls: protocol version not supported")}, wire.Lost, "TLS with pipe: remote error: tls: protocol version not supported"},
		"words of a name, long": {errors.New(strings.Repeat("x", 2*maxTLSWords)), wire.Lost, "TLS with pipe: " + strings.Repeat("x", maxTLSWords) + "…"},
	} {
		near, _ := net.Pipe()
		err := HandshakeError(near.RemoteAddr(), tc.cause)
		if !errors.Is(err, tc.code) || !errors.Is(err, tc.cause) || err.Error() != tc.text {
			t.Errorf("%s: %v, of %v; want %q", name, err, errors.Unwrap(err), tc.text)
		}
		if as := (x509.UnknownAuthorityError{}); errors.As(err, &as) != (name == "its certificate") {
			t.Errorf("%s: an x509 error: %v", name, errors.As(err, &as))
		}
	}
	if err := HandshakeError(nil, nil); err != nil {
		t.Errorf("of nil: %#v", err)
	}
}

// TestAtLeastTLS13 sets the minimum version if none is set, also in the
// configuration that GetConfigForClient returns, and leaves the caller's
// configuration as it is.
func TestAtLeastTLS13(t *testing.T) {
	if AtLeastTLS13(nil) != nil {
		t.Error("nil became a configuration")
	}
	bare, old := new(tls.Config), &tls.Config{MinVersion: tls.VersionTLS12}
	if got := AtLeastTLS13(bare); got.MinVersion != tls.VersionTLS13 || bare.MinVersion != 0 {
		t.Errorf("none named: %#x; the caller's %#x", got.MinVersion, bare.MinVersion)
	}
	if got := AtLeastTLS13(old); got != old {
		t.Errorf("TLS 1.2 named: %#x", got.MinVersion)
	}
	for _, min := range []uint16{0, tls.VersionTLS12} {
		var inner *tls.Config
		failed := errors.New("no configuration")
		cfg := &tls.Config{MinVersion: min, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return inner, failed }}
		got := AtLeastTLS13(cfg)
		if want := max(min, tls.VersionTLS13); min == 0 && got.MinVersion != want || min != 0 && got.MinVersion != min {
			t.Errorf("with GetConfigForClient and %#x named: %#x", min, got.MinVersion)
		}
		if own, err := got.GetConfigForClient(nil); own != nil || err != failed {
			t.Errorf("for a client: %v, %v", own, err)
		}
		for _, inner = range []*tls.Config{bare, old} {
			want := max(inner.MinVersion, tls.VersionTLS12)
			if inner == bare {
				want = tls.VersionTLS13
			}
			if own, _ := got.GetConfigForClient(nil); own.MinVersion != want {
				t.Errorf("for a client, with %#x named: %#x; want %#x", inner.MinVersion, own.MinVersion, want)
			}
		}
	}
}

// TestIsPlain recognises the protocol's own greeting, and nothing else.
func TestIsPlain(t *testing.T) {
	for want, head := range map[bool]string{true: helloBytes[:5], false: "HTTP/"} {
		err := fmt.Errorf("handshake: %w", tls.RecordHeaderError{RecordHeader: [5]byte([]byte(head))})
		if IsPlain(err) != want {
			t.Errorf("%q: %v", head, !want)
		}
	}
	if IsPlain(io.EOF) || IsPlain(nil) {
		t.Error("no record is a greeting")
	}
}

// TestIdentity takes the first name of a verified certificate, within the bound
// of a name, and none of an unverified one.
func TestIdentity(t *testing.T) {
	uri, err := url.Parse("spiffe://site/client")
	if err != nil {
		t.Fatal(err)
	}
	full := x509.Certificate{
		Subject: pkix.Name{CommonName: "common"}, DNSNames: []string{"", "dns"}, EmailAddresses: []string{"mail"}, URIs: []*url.URL{uri},
	}
	for _, want := range []string{"common", "dns", "mail", "spiffe://site/client", ""} {
		leaf := full
		state := &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{&leaf, {Subject: pkix.Name{CommonName: "authority"}}}}}
		if got := Identity(state); got != want {
			t.Errorf("%q; want %q", got, want)
		}
		if got := Identity(&tls.ConnectionState{PeerCertificates: []*x509.Certificate{&leaf}}); got != "" {
			t.Errorf("%q, unverified", got)
		}
		switch want { // the next has one name less
		case "common":
			full.Subject.CommonName = ""
		case "dns":
			full.DNSNames = nil
		case "mail":
			full.EmailAddresses = nil
		default:
			full.URIs = nil
		}
	}
	if got := Identity(nil); got != "" {
		t.Errorf("%q, without TLS", got)
	}
	for name, want := range map[string]string{
		strings.Repeat("x", maxIdentity):   strings.Repeat("x", maxIdentity),
		strings.Repeat("x", maxIdentity+1): strings.Repeat("x", maxIdentity) + "…",
		"\xff\xfe.":                        "?.",
	} {
		leaf := &x509.Certificate{Subject: pkix.Name{CommonName: name}}
		if got := Identity(&tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{leaf}}}); got != want {
			t.Errorf("%q; want %q", got, want)
		}
	}
}
