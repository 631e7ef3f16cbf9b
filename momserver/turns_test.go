package momserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mom.internal/wire/wiretest/certs"
)

// TestTurns: addresses take turns, and of the connections from one address the
// oldest is first, or the newest. A connection that gives up leaves nothing behind.
func TestTurns(t *testing.T) {
	testTurns(t, false, "first a0 c0 a1 a2 ")
	testTurns(t, true, "first a2 c0 a1 a0 ")
}

func testTurns(t *testing.T, newestFirst bool, want string) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns(1, newestFirst)
		took := ""
		wait := func(ctx context.Context, addr byte, name string) {
			go func() {
				if turns.take(ctx.Done(), netip.AddrFrom4([4]byte{10, 0, 0, addr})) {
					took += name
				}
			}()
			synctest.Wait()
		}
		brief, cancel := context.WithCancel(t.Context())
		wait(t.Context(), 1, "first ")
		for i := range 3 {
			wait(t.Context(), 1, fmt.Sprint("a", i, " "))
		}
		wait(brief, 1, "a3 ")
		wait(brief, 2, "b0 ")
		wait(t.Context(), 3, "c0 ")
		cancel()
		synctest.Wait()
		for range 5 {
			turns.release()
			synctest.Wait()
		}
		if took != want || turns.free != 1 || len(turns.waiting)+len(turns.order) != 0 {
			t.Errorf("%q; want %q; %d are free, waiting %v, %v", took, want, turns.free, turns.waiting, turns.order)
		}
	})
}

// TestTurnsOfHandshakes: a peer that lets its handshake wait has no turn, and a
// slow function of Config.TLS has it for maxTurn.
func TestTurnsOfHandshakes(t *testing.T) {
	authority := certs.NewAuthority()
	var slow atomic.Int32 // handshakes that take a second
	cfg := &tls.Config{
		Certificates: []tls.Certificate{authority.Issue("server", time.Hour, "127.0.0.1")}, SessionTicketsDisabled: true,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			if slow.Add(-1) >= 0 {
				time.Sleep(time.Second)
			}
			return nil, nil
		},
	}
	synctest.Test(t, func(t *testing.T) {
		srv := New(Config{TLS: cfg})
		defer srv.Close()
		srv.handshakes.free = 1
		shake := func() (time.Duration, error) {
			nc := connected(srv, "10.0.0.1")
			defer nc.Close()
			start := time.Now()
			err := tls.Client(nc, &tls.Config{InsecureSkipVerify: true}).Handshake()
			return time.Since(start), err
		}
		for range 10 { // say hello, and let the server wait
			nc := connected(srv, "10.0.0.1")
			defer nc.Close()
			go tls.Client(silentConn{nc}, &tls.Config{InsecureSkipVerify: true}).Handshake()
		}
		synctest.Wait()
		if took, err := shake(); err != nil || took != 0 {
			t.Errorf("beside ten that wait: %v after %v", err, took)
		}
		slow.Store(1)
		go shake()
		synctest.Wait()
		if took, err := shake(); err != nil || took != maxTurn {
			t.Errorf("behind a slow one: %v after %v; want %v", err, took, maxTurn)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if srv.handshakes.free != 1 || len(srv.handshakes.waiting) != 0 {
			t.Errorf("%d turns are free", srv.handshakes.free)
		}
	})
}

// silentConn reads nothing from its peer.
type silentConn struct{ net.Conn }

func (silentConn) Read([]byte) (int, error) {
	time.Sleep(time.Second)
	return 0, errors.New("silent")
}
