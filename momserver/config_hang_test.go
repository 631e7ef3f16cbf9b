package momserver_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/harness"
)

// TestHangs: a function of the configuration that never returns refuses its
// own client in time. The server serves the others meanwhile, and Shutdown and
// Close wait for no such function.
func TestHangs(t *testing.T) {
	a := newAuthority()
	for _, tc := range []struct {
		name string // of the function, as the log has it
		at   int32  // the call that hangs
		cfg  func(hang func()) momserver.Config
		opts momclient.Options
	}{
		{"Config.Authorize", 2, func(hang func()) momserver.Config {
			return momserver.Config{Authorize: func(context.Context, momserver.Applicant) (momserver.Grant, error) {
				hang()
				return momserver.Grant{AllJobs: true}, nil
			}}
		}, momclient.Options{}},
		{"Config.AllowCallback", 2, func(hang func()) momserver.Config {
			return momserver.Config{AllowCallback: func(netip.AddrPort, netip.AddrPort) bool { hang(); return true }}
		}, momclient.Options{CallbackAddr: "127.0.0.1:0"}},
		{"Config.DialContext", 2, func(hang func()) momserver.Config {
			return momserver.Config{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				hang()
				return new(net.Dialer).DialContext(ctx, network, addr)
			}}
		}, momclient.Options{CallbackAddr: "127.0.0.1:0"}},
		{"a function of Config.TLS", 2, a.panicking, momclient.Options{TLS: a.client}},
		{"a function of Config.TLS", 4, a.panicking, momclient.Options{TLS: a.client, CallbackAddr: "127.0.0.1:0"}},
	} {
		for _, end := range []string{"timeout", "Shutdown", "Close"} {
			t.Run(strings.Join([]string{tc.name, tc.opts.CallbackAddr, end}, " "), func(t *testing.T) {
				t.Parallel()
				var calls atomic.Int32
				hanging, release := make(chan struct{}), make(chan struct{})
				defer close(release)
				log := new(logged)
				cfg := tc.cfg(func() {
					if calls.Add(1) == tc.at {
						close(hanging)
						<-release
					}
				})
				cfg.Logger, cfg.HandshakeTimeout, cfg.DialTimeout = log.logger(), time.Hour, time.Hour
				if end == "timeout" {
					cfg.HandshakeTimeout, cfg.DialTimeout = 3*time.Second, 3*time.Second
				}
				srv, addr := loopback(t, cfg)
				subscribe := func() (chan wire.Event, error) {
					opts := tc.opts
					opts.DialTimeout, opts.CallTimeout = time.Hour, time.Hour
					c := momclient.New(addr, opts)
					t.Cleanup(func() { c.Close() })
					events := make(chan wire.Event, 16)
					c.OnEvent(func(e wire.Event) { events <- e })
					return events, c.Subscribe(context.Background())
				}
				bystander, err := subscribe()
				if err != nil {
					t.Fatal(err)
				}
				refused := make(chan error, 1)
				go func() {
					_, err := subscribe()
					refused <- err
				}()
				<-hanging
				if _, err := subscribe(); err != nil {
					t.Errorf("the next client: %v", err)
				}
				if err := srv.Publish(harness.Event([16]byte{1}, [16]byte{2}, "", wire.Transferring)); err != nil {
					t.Fatal(err)
				}
				<-bystander
				switch end {
				case "Shutdown":
					srv.Shutdown(context.Background())
				case "Close":
					srv.Close()
				}
				if err := <-refused; err == nil {
					t.Error("the client was let in")
				}
				srv.Shutdown(context.Background())
				log.until(t, tc.name+" did not return in time")
			})
		}
	}
}

// TestHangsInRefusal has a function of Config.TLS hang for a connection that
// there is no room for, which keeps nobody else from being told.
func TestHangsInRefusal(t *testing.T) {
	a := newAuthority()
	var calls atomic.Int32
	release := make(chan struct{})
	defer close(release)
	log := new(logged)
	cfg := a.panicking(func() {
		if calls.Add(1) == 2 {
			<-release
		}
	})
	cfg.Logger, cfg.MaxConns = log.logger(), 1
	srv, addr := loopback(t, cfg)
	connect := func() {
		nc, err := tls.Dial("tcp", addr, a.client)
		if err == nil {
			nc.Close()
		}
	}
	held, err := tls.Dial("tcp", addr, a.client)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	connect() // fails when the server gives up
	log.until(t, "did not return in time")
	connect()
	srv.Close()
}
