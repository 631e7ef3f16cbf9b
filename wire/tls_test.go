package wire

import (
	"crypto/tls"
	"io"
	"net"
	"net/http/httptest"
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
