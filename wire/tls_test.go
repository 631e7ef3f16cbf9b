package wire

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

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

// TestHandshakeError: each cause has its code, and stays.
func TestHandshakeError(t *testing.T) {
	unknown := x509.UnknownAuthorityError{}
	for name, tc := range map[string]struct {
		cause error
		code  error
		text  string
	}{
		"late":                  {context.DeadlineExceeded, ErrTimeout, "the TLS handshake with pipe did not end in time"},
		"late at the socket":    {&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, ErrTimeout, "the TLS handshake with pipe did not end in time"},
		"cancelled":             {fmt.Errorf("stopped: %w", context.Canceled), ErrClosed, "the TLS handshake with pipe was given up: stopped: context canceled"},
		"no TLS":                {tls.RecordHeaderError{RecordHeader: [5]byte{'H', 'T', 'T', 'P', '/'}}, ErrTLS, "pipe does not speak TLS: it answered in HTTP"},
		"its certificate":       {&tls.CertificateVerificationError{Err: unknown}, ErrCertificate, "the certificate of pipe is not accepted: x509: certificate signed by unknown authority"},
		"the end":               {io.EOF, ErrLost, "pipe closed the connection within the TLS handshake"},
		"the end in a record":   {io.ErrUnexpectedEOF, ErrLost, "pipe closed the connection within the TLS handshake"},
		"this side's":           {&net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}, ErrCertificate, "pipe does not accept this side's certificate: remote error: tls: bad certificate"},
		"no certificate":        {errors.New("tls: client didn't provide a certificate"), ErrCertificate, "TLS with pipe: tls: client didn't provide a certificate"},
		"another alert":         {&net.OpError{Op: "remote error", Err: errors.New("tls: protocol version not supported")}, ErrLost, "TLS with pipe: remote error: tls: protocol version not supported"},
		"words of a name, long": {errors.New(strings.Repeat("x", 2*maxTLSWords)), ErrLost, "TLS with pipe: " + strings.Repeat("x", maxTLSWords) + "…"},
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
