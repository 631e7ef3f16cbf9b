package momclient_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mom.internal/momclient"
	"mom.internal/wire"
	"mom.internal/wire/protocol"
	"mom.internal/wire/wiretest"
	"mom.internal/wire/wiretest/certs"
	"mom.internal/wire/wiretest/harness"
)

// TestRefusedAttempts: after a full server has refused a thousand attempts of
// one subscription, none of their connections is open, and no memory of them is
// kept.
func TestRefusedAttempts(t *testing.T) {
	const attempts = 1000
	var network wiretest.Network
	l, err := network.Listen(harness.MemAddr)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for nc, err := l.Accept(); err == nil; nc, err = l.Accept() {
			if _, err := protocol.ReadHello(nc); err == nil {
				protocol.Refuse(nc, wire.Errorf(wire.Full, "no room"))
			}
			nc.Close()
		}
	}()
	var made, collected atomic.Int64
	enough := make(chan struct{})
	c := momclient.New(harness.MemAddr, momclient.Options{AutoReconnect: true, Period: time.Microsecond, DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
		if made.Load() == attempts {
			close(enough)
			<-ctx.Done() // the subscription goes on, and makes no more
			return nil, ctx.Err()
		}
		nc, err := network.DialContext(ctx, "tcp", addr)
		if err != nil {
			return nil, err
		}
		made.Add(1)
		counted := &struct{ net.Conn }{nc}
		runtime.AddCleanup(counted, func(int) { collected.Add(1) }, 0)
		return counted, nil
	}})
	defer c.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go c.Subscribe(ctx)
	<-enough
	for range 100 {
		if collected.Load() >= attempts-1 {
			break
		}
		runtime.GC()
		time.Sleep(time.Millisecond) // for the cleanups, which run on a goroutine of the runtime's
	}
	if left := made.Load() - collected.Load(); left > 1 { // the last may be on the stack
		t.Errorf("%d connections of %d refused attempts are kept", left, attempts)
	}
}

// TestAddressNonsense: an address that is none is refused for good, with its
// text in the error, because no later attempt could reach it.
func TestAddressNonsense(t *testing.T) {
	for _, addr := range []string{"nonsense", "a:b:c", "[::1"} {
		c := momclient.New(addr, momclient.Options{AutoReconnect: true})
		err := c.Subscribe(context.Background())
		if !errors.Is(err, wire.BadRequest) || !strings.Contains(err.Error(), `"`+addr+`"`) || !strings.Contains(err.Error(), "want host:port") {
			t.Errorf("%s: %v", addr, err)
		}
		c.Close()
	}
}

// openConns counts connections that were dialled, and have not been closed.
type openConns struct {
	dial func(ctx context.Context, network, addr string) (net.Conn, error)
	made int
	open atomic.Int32
}

func (o *openConns) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	nc, err := o.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	o.made++
	o.open.Add(1)
	return &countedConn{Conn: nc, open: &o.open}, nil
}

type countedConn struct {
	net.Conn
	open   *atomic.Int32
	closed atomic.Bool
}

func (c *countedConn) Close() error {
	if !c.closed.Swap(true) {
		c.open.Add(-1)
	}
	return c.Conn.Close()
}

// TestFailedConnections: whatever the attempt fails at, the connection is
// closed, and the error says what to do.
func TestFailedConnections(t *testing.T) {
	withTLS := &tls.Config{InsecureSkipVerify: true}
	for _, test := range []struct {
		name   string
		opts   momclient.Options
		server func(nc net.Conn)
		is     error
		says   string
	}{
		{"a plain server spoken to with TLS", momclient.Options{TLS: withTLS}, func(nc net.Conn) {
			_, err := protocol.ReadHello(nc)
			var why *wire.Error
			errors.As(err, &why)
			go io.Copy(io.Discard, nc)
			protocol.Refuse(nc, why)
		}, wire.TLSMismatch, "connect without it"},
		{"another server spoken to with TLS", momclient.Options{TLS: withTLS}, func(nc net.Conn) {
			go io.Copy(io.Discard, nc)
			io.WriteString(nc, "SSH-2.0-OpenSSH_9.9\r\n")
		}, wire.TLSMismatch, "does not speak TLS"},
		{"silence for TLS", momclient.Options{TLS: withTLS}, func(nc net.Conn) { io.Copy(io.Discard, nc) }, wire.Timeout, "(Options.DialTimeout)"},
		{"silence for a greeting", momclient.Options{}, func(nc net.Conn) { io.Copy(io.Discard, nc) }, wire.Timeout, "(Options.DialTimeout)"},
		{"a refusal", momclient.Options{}, func(nc net.Conn) {
			protocol.ReadHello(nc)
			protocol.Refuse(nc, wire.Errorf(wire.Forbidden, "not you"))
		}, wire.Forbidden, "not you"},
		{"a refused subscription", momclient.Options{Name: strings.Repeat("n", wire.MaxNameBytes+1)}, nil, wire.BadRequest, "a name of"},
	} {
		harness.Bubble(t, func(s *harness.Server) {
			if test.server == nil {
				s.Start()
			} else {
				s.Play(test.server)
			}
			conns := openConns{dial: s.Net.DialContext}
			test.opts.DialContext = conns.DialContext
			c := s.Client(test.opts)
			if err := c.Subscribe(context.Background()); !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%s: %v", test.name, err)
			}
			if open := conns.open.Load(); conns.made != 1 || open != 0 {
				t.Errorf("%s: %d of %d connections are open", test.name, open, conns.made)
			}
			c.Close()
		})
	}
}

// TestGivenUpConnecting: when a caller gives up, or the subscription is ended,
// the connection that is being made is closed at that instant, in each phase.
func TestGivenUpConnecting(t *testing.T) {
	for name, opts := range slowPhases {
		for _, end := range []string{"the context of History", "Unsubscribe", "Close"} {
			harness.Bubble(t, func(s *harness.Server) {
				serveSlowly(s, &slow{greets: time.Hour})
				conns, opts := openConns{dial: s.Net.DialContext}, opts
				if opts.DialContext == nil {
					opts.DialContext = conns.DialContext
				}
				opts.DialTimeout, opts.CallTimeout = time.Hour, 2*time.Hour
				c := s.Client(opts)
				ctx, cancel := context.WithCancel(context.Background())
				ended := make(chan error, 1)
				go func() {
					if end == "the context of History" {
						_, _, err := c.History(ctx, wire.Cursor{}, 0)
						ended <- err
						return
					}
					ended <- c.Subscribe(ctx)
				}()
				time.Sleep(time.Second)
				switch end {
				case "Unsubscribe":
					c.Unsubscribe()
				case "Close":
					c.Close()
				}
				cancel()
				synctest.Wait()
				select {
				case err := <-ended:
					if err == nil {
						t.Errorf("%s, %s: no error", name, end)
					}
				default:
					t.Errorf("%s, %s: it goes on", name, end)
				}
				if open := conns.open.Load(); open != 0 {
					t.Errorf("%s, %s: %d connections are open", name, end, open)
				}
				time.Sleep(2 * time.Hour)
			})
		}
	}
}

// TestServerName verifies the server's certificate for the name in Options, or
// if there is none for the host of the address. The application's tls.Config is
// not changed, because several clients may share it. Its MinVersion of zero is
// TLS 1.3.
func TestServerName(t *testing.T) {
	for _, test := range []struct {
		name   string
		of     string // the certificate
		cfg    *tls.Config
		is     error
		server uint16 // the latest version that the server speaks
	}{
		{"the address", "mem-server", &tls.Config{}, nil, 0},
		{"another name", "other.example", &tls.Config{}, wire.BadCertificate, 0},
		{"the name in Options", "other.example", &tls.Config{ServerName: "other.example"}, nil, 0},
		{"another than the name in Options", "mem-server", &tls.Config{ServerName: "other.example"}, wire.BadCertificate, 0},
		{"not verified", "other.example", &tls.Config{InsecureSkipVerify: true}, nil, 0},
		{"TLS 1.2", "mem-server", &tls.Config{}, wire.Lost, tls.VersionTLS12},
		{"TLS 1.2, which Options allow", "mem-server", &tls.Config{MinVersion: tls.VersionTLS12}, nil, tls.VersionTLS12},
		{"a MinVersion in Options", "mem-server", &tls.Config{MinVersion: tls.VersionTLS13}, nil, 0},
	} {
		harness.Bubble(t, func(s *harness.Server) {
			authority := certs.NewAuthority() // of the bubble's time
			cert := authority.Issue("server", time.Hour, test.of)
			s.Play(func(nc net.Conn) {
				tc := tls.Server(nc, &tls.Config{Certificates: []tls.Certificate{cert}, MaxVersion: test.server})
				if _, err := protocol.ReadHello(tc); err == nil {
					protocol.Refuse(tc, wire.Errorf(wire.Forbidden, "TLS is well"))
				}
				nc.Close()
			})
			cfg := test.cfg.Clone()
			cfg.RootCAs = authority.Pool()
			want := cfg.Clone()
			c := s.Client(momclient.Options{TLS: cfg})
			is := test.is
			if is == nil {
				is = wire.Forbidden
			}
			if err := c.Subscribe(context.Background()); !errors.Is(err, is) {
				t.Errorf("%s: %v; want %v", test.name, err, is)
			}
			if cfg.ServerName != want.ServerName || cfg.MinVersion != want.MinVersion {
				t.Errorf("%s: the application's config has become %q, %d", test.name, cfg.ServerName, cfg.MinVersion)
			}
			c.Close()
		})
	}
}
