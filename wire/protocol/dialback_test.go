package protocol

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mom.internal/wire"
)

func plain(nc net.Conn) (net.Conn, error) { return nc, nil }

var ticketA, ticketB = bytes.Repeat([]byte{1}, TicketSize), bytes.Repeat([]byte{2}, TicketSize)

// counted counts the bytes that are written to it.
type counted struct {
	net.Conn
	written int
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.written += n
	return n, err
}

// TestDialBackProofs connects an endpoint and a server, with the same ticket
// and with two.
func TestDialBackProofs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, server := range [][]byte{ticketA, ticketB} {
			near, far := net.Pipe()
			dialled := &counted{Conn: far}
			offered := make(chan error, 1)
			go func() {
				nc, err := OfferEndpoint(near, ticketA, time.Second, plain)
				if err == nil {
					_, err = nc.Write([]byte("frames"))
				}
				offered <- err
			}()
			nc, err := TakeEndpoint(dialled, server, time.Second, plain)
			if bytes.Equal(server, ticketA) {
				got := make([]byte, 6)
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Hour) // no deadline is left
				if _, err := io.ReadFull(nc, got); err != nil || string(got) != "frames" {
					t.Errorf("after the proofs: %q, %v", got, err)
				}
				if err := <-offered; err != nil {
					t.Error(err)
				}
				continue
			}
			if !errors.Is(err, wire.CallbackFailed) || dialled.written != 0 {
				t.Errorf("an endpoint with another ticket: %v, after %d bytes to it", err, dialled.written)
			}
			far.Close()
			if err := <-offered; !errors.Is(err, wire.Lost) {
				t.Errorf("the endpoint: %v", err)
			}
		}
	})
}

// TestVictimHearsNothing: a service that did not ask for a connection gets not
// a byte, whatever it says first, and nothing of TLS.
func TestVictimHearsNothing(t *testing.T) {
	nonce := make([]byte, nonceSize)
	good := slices.Concat(endpointOpening, nonce, proof(ticketA, "endpoint", nonce))
	words := make(map[string]bool)
	for _, tc := range []struct {
		name, says string
		hangUp     bool
		after      time.Duration
	}{
		{"silence", "", false, 3 * time.Second},
		{"the end", "", true, 0},
		{"a short banner", "220 mail\r\n", false, 0},
		{"four bytes", "220 ", false, 3 * time.Second},
		{"a client's greeting", helloBytes, false, 0},
		{"another version", "MoM\x02\x02" + string(good[5:]), false, 0},
		{"half a proof", string(good[:30]), false, 3 * time.Second},
		{"a proof of another ticket", string(endpointOpening) + string(nonce) + string(proof(ticketB, "endpoint", nonce)), false, 0},
		{"the server's own words", string(endpointOpening) + string(nonce) + string(proof(ticketA, "server", nonce)), false, 0},
		{"another nonce", string(endpointOpening) + strings.Repeat("n", nonceSize) + string(good[endpointHead+nonceSize:]), false, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			victim, near := net.Pipe()
			dialled := &counted{Conn: near}
			heard := make(chan int, 1)
			go func() {
				victim.Write([]byte(tc.says))
				if tc.hangUp {
					victim.Close()
				}
				got, _ := io.ReadAll(victim)
				heard <- len(got)
			}()
			start := time.Now()
			_, err := TakeEndpoint(dialled, ticketA, 3*time.Second, func(nc net.Conn) (net.Conn, error) {
				t.Errorf("%s: TLS began", tc.name)
				return nc, nil
			})
			if !errors.Is(err, wire.CallbackFailed) || time.Since(start) != tc.after {
				t.Errorf("%s: %v after %v", tc.name, err, time.Since(start))
			}
			words[err.Error()] = true
			near.Close()
			victim.Close()
			if n := <-heard; n != 0 || dialled.written != 0 {
				t.Errorf("%s: the victim heard %d bytes of %d", tc.name, n, dialled.written)
			}
		})
	}
	if len(words) != 1 {
		t.Errorf("the words tell what was found: %v", words)
	}
}

// TestEndpointRefuses whoever connects without the ticket.
func TestEndpointRefuses(t *testing.T) {
	for _, tc := range []struct {
		name  string
		says  func(nonce []byte) []byte // nil for silence
		is    error
		after time.Duration
	}{
		{"silence", nil, wire.Timeout, 3 * time.Second},
		{"another ticket", func(n []byte) []byte { return proof(ticketB, "server", n) }, wire.Unauthorized, 0},
		{"its own words", func(n []byte) []byte { return proof(ticketA, "endpoint", n) }, wire.Unauthorized, 0},
		{"another nonce", func([]byte) []byte { return proof(ticketA, "server", make([]byte, nonceSize)) }, wire.Unauthorized, 0},
		{"HTTP", func([]byte) []byte { return []byte("GET / HTTP/1.1\r\nHost: somewhere\r\n\r\n") }, wire.Unauthorized, 0},
		{"half", func(n []byte) []byte { return proof(ticketA, "server", n)[:16] }, wire.Timeout, 3 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			near, far := net.Pipe()
			go func() {
				said := make([]byte, endpointSize)
				io.ReadFull(far, said)
				if tc.says != nil {
					far.Write(tc.says(said[endpointHead : endpointHead+nonceSize]))
				}
			}()
			start := time.Now()
			nc, err := OfferEndpoint(near, ticketA, 3*time.Second, plain)
			if nc != nil || !errors.Is(err, tc.is) || time.Since(start) != tc.after {
				t.Errorf("%s: %v after %v", tc.name, err, time.Since(start))
			}
			near.Close()
			far.Close()
		})
	}
}

// TestDialBackWithoutTLS: either end says so where securing fails.
func TestDialBackWithoutTLS(t *testing.T) {
	none := errors.New("no certificate")
	refuse := func(net.Conn) (net.Conn, error) { return nil, none }
	near, far := net.Pipe()
	offered := make(chan error, 1)
	go func() {
		_, err := OfferEndpoint(near, ticketA, time.Second, refuse)
		offered <- err
	}()
	if _, err := TakeEndpoint(far, ticketA, time.Second, refuse); !errors.Is(err, wire.CallbackFailed) || !errors.Is(err, none) || !strings.Contains(err.Error(), "no certificate") {
		t.Errorf("server: %v", err)
	}
	if err := <-offered; !errors.Is(err, wire.BadCertificate) || !errors.Is(err, none) || !strings.Contains(err.Error(), "no certificate") {
		t.Errorf("endpoint: %v", err)
	}
}

// TestServersProofNotTaken: an endpoint that proves itself and does not hear the
// server out has not been reached.
func TestServersProofNotTaken(t *testing.T) {
	for hangUp, cause := range map[bool]error{true: io.ErrClosedPipe, false: os.ErrDeadlineExceeded} {
		synctest.Test(t, func(t *testing.T) {
			near, far := net.Pipe()
			defer near.Close()
			go func() {
				nonce := make([]byte, nonceSize)
				near.Write(slices.Concat(endpointOpening, nonce, proof(ticketA, "endpoint", nonce)))
				if hangUp {
					near.Close()
				}
			}()
			if _, err := TakeEndpoint(far, ticketA, 3*time.Second, plain); !errors.Is(err, wire.CallbackFailed) || !errors.Is(err, cause) {
				t.Errorf("hangs up %v: %v", hangUp, err)
			}
		})
	}
}

// TestDialBackJustInTime takes an endpoint that speaks a nanosecond before its
// time is over; the others of this file are too late on the dot.
func TestDialBackJustInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const d = 3 * time.Second
		near, far := net.Pipe()
		offered := make(chan error, 1)
		go func() {
			time.Sleep(d - time.Nanosecond)
			_, err := OfferEndpoint(near, ticketA, time.Second, plain)
			offered <- err
		}()
		if _, err := TakeEndpoint(far, ticketA, d, plain); err != nil {
			t.Errorf("server: %v", err)
		}
		if err := <-offered; err != nil {
			t.Errorf("endpoint: %v", err)
		}
	})
}
