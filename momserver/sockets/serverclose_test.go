package sockets_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/protocol"
	"mom.internal/wire/wiretest/certs"
)

// What Close may take, and what it may take on top on a machine that has other
// things to do.
const (
	closeIdle  = time.Second
	closeStuck = 2 * time.Second
	slack      = 20 * time.Second
)

// each is how many peers are stuck in each way.
func each() int {
	if slow() {
		return 100
	}
	return 12
}

// closes closes, and wants it to be done in time.
func closes(t *testing.T, what string, limit time.Duration, end func() error) {
	t.Helper()
	at := time.Now()
	if err := end(); err != nil {
		t.Errorf("%s: %v", what, err)
	}
	took := time.Since(at)
	t.Logf("%s: closed in %v", what, took.Round(10*time.Microsecond))
	if took > limit+slack {
		t.Errorf("%s: Close took %v, want %v", what, took, limit)
	}
}

// TestServerClose closes servers whose every peer is stuck, each way in which
// one can be, and one whose peers are well.
func TestServerClose(t *testing.T) {
	authority := certs.NewAuthority()
	ticket := make([]byte, protocol.TicketSize)
	subscribed := func(srv *testServer) func() bool {
		return func() bool { return len(srv.Subscribers()) == each() }
	}
	connected := func(srv *testServer) func() bool {
		return func() bool { return srv.Stats().Connections == each() }
	}
	for _, secured := range secure() {
		for _, tc := range []struct {
			name  string
			limit time.Duration
			stuck func(srv *testServer)
		}{
			{"idle", closeIdle, func(srv *testServer) {
				for range each() {
					c := momclient.New(srv.Addr, momclient.Options{TLS: srv.tls})
					t.Cleanup(func() { c.Close() })
					if err := c.Subscribe(context.Background()); err != nil {
						t.Fatal(err)
					}
				}
				eventually(t, "subscribed", subscribed(srv))
			}},
			{"connected", closeStuck, func(srv *testServer) {
				for range each() {
					srv.stuckPeer()
				}
				eventually(t, "connected", connected(srv))
			}},
			{"within the first bytes", closeStuck, func(srv *testServer) {
				for range each() {
					srv.stuckPeer().nc.Write([]byte(map[bool]string{false: "MoM\x01", true: "\x16\x03\x01\x02\x00\x01"}[secured]))
				}
				eventually(t, "connected", connected(srv))
			}},
			{"within the decision", closeStuck, func(srv *testServer) {
				for range each() {
					p := srv.stuckPeer()
					if srv.tls != nil {
						p.nc = tls.Client(p.nc, srv.tls)
					}
					go protocol.Greet(p.nc, "slow", time.Minute)
				}
				eventually(t, "deciding", func() bool { return srv.reached.Load() == int64(each()) })
			}},
			{"not answering", closeStuck, func(srv *testServer) {
				for range each() {
					srv.stuckPeer().subscribe(protocol.SubscribeArgs{Credit: protocol.Credit{Events: 1000, Bytes: 1 << 40}})
				}
				eventually(t, "calls", func() bool { return srv.Stats().Calls >= uint64(each()) && subscribed(srv)() })
			}},
			{"not reading", closeStuck, func(srv *testServer) {
				for range each() {
					p := srv.stuckPeer()
					p.socket.(*net.TCPConn).SetReadBuffer(4 << 10)
					conn := p.subscribe(protocol.SubscribeArgs{Credit: protocol.Credit{Events: 100_000, Bytes: 1 << 40}})
					eventually(t, "a call", func() bool { return conn.Err() == nil && len(srv.Subscribers()) > 0 })
				}
				eventually(t, "subscribed", subscribed(srv))
				for range 100 { // more than window and sockets take
					m := wire.Event{JobID: uuid.New(), RunID: uuid.New(), Data: wire.TransferData{
						Initialize: &wire.InitializeData{Name: string(make([]byte, 60_000))}, Status: wire.Status{State: wire.JobInitialized},
					}}
					if err := srv.Publish(m); err != nil {
						t.Fatal(err)
					}
				}
				eventually(t, "lag", func() bool {
					for _, s := range srv.Subscribers() {
						if s.Lag == 0 || s.InFlight == 0 {
							return false
						}
					}
					return true
				})
			}},
			{"dialled back and silent", closeStuck, func(srv *testServer) {
				for range each() {
					p := srv.stuckPeer()
					p.subscribe(protocol.SubscribeArgs{Credit: protocol.Credit{Events: 1, Bytes: 1 << 40}, CallbackAddr: p.endpoint(nil), Ticket: ticket})
				}
				eventually(t, "dialled", func() bool { return srv.reached.Load() == int64(each()) })
			}},
			{"dialled back and stuck after its proof", closeStuck, func(srv *testServer) {
				for range each() {
					p := srv.stuckPeer()
					p.subscribe(protocol.SubscribeArgs{Credit: protocol.Credit{Events: 1, Bytes: 1 << 40}, CallbackAddr: p.endpoint(ticket), Ticket: ticket})
				}
				eventually(t, "dialled", func() bool { return srv.reached.Load() == int64(each()) })
			}},
			{"refused and not leaving", closeStuck, func(srv *testServer) {
				for range each() + 20 {
					srv.stuckPeer()
				}
				eventually(t, "full", connected(srv))
			}},
		} {
			srv, cfg := new(testServer), momserver.Config{
				MaxConns: each(), MaxConnsPerAddr: each(), DialsPerMinute: 1000, FailuresPerMinute: 1000, Window: 4,
				HandshakeTimeout: time.Minute, DialTimeout: time.Minute, CallTimeout: time.Minute, MessageTimeout: time.Minute,
			}
			cfg.AllowCallback = func(_, _ netip.AddrPort) bool { return true }
			cfg.Authorize = func(ctx context.Context, a momserver.Applicant) (momserver.Grant, error) {
				if a.Token == "slow" {
					srv.reached.Add(1)
					<-ctx.Done()
				}
				return momserver.Grant{AllJobs: true}, ctx.Err()
			}
			if secured {
				cfg.TLS = &tls.Config{Certificates: []tls.Certificate{authority.Issue("server", time.Hour, "127.0.0.1")}}
				srv.tls = &tls.Config{RootCAs: authority.Pool(), ServerName: "127.0.0.1"}
			}
			srv.serve(t, cfg)
			tc.stuck(srv)
			name := tc.name
			if secured {
				name += ", in TLS"
			}
			closes(t, name, tc.limit, srv.Close)
		}
	}
}
