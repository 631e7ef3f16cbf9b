package sockets_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom/momclient"
	"mom/momserver"
	"mom/wire"
	"mom/wire/wiretest"
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

// stuckPeer is a client that is no momclient.
type stuckPeer struct {
	t      *testing.T
	b      *bed
	nc     net.Conn // under TLS where the server speaks it
	socket net.Conn
}

func (b *bed) stuckPeer() *stuckPeer {
	b.t.Helper()
	socket, err := net.Dial("tcp", b.addr)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { socket.Close() })
	return &stuckPeer{t: b.t, b: b, nc: socket, socket: socket}
}

// greet does TLS, where there is any, and the greeting.
func (p *stuckPeer) greet() {
	p.t.Helper()
	if p.b.tls != nil {
		p.nc = tls.Client(p.socket, p.b.tls)
	}
	if _, err := wire.Greet(p.nc, wire.Hello{Version: wire.Version}, time.Minute); err != nil {
		p.t.Fatal(err)
	}
}

// subscribe makes the call, and answers none; it returns the call.
func (p *stuckPeer) subscribe(args wire.SubscribeArgs) *wire.Conn {
	p.t.Helper()
	p.greet()
	// It reads, but serves no call, which net/rpc would answer.
	conn := wire.NewConn(p.nc, wire.ConnConfig{MaxMessage: 8 << 20, MaxWaiting: 1 << 20, WriteTimeout: time.Hour, MessageTimeout: time.Hour})
	never := make(chan struct{})
	p.t.Cleanup(func() {
		close(never)
		conn.Close(wire.Errorf(wire.CodeClosed, "done"))
	})
	go conn.Serve(wire.CallbackService, stuckEndpoint{never})
	conn.Client().Go(wire.MethodSubscribe, &args, new(wire.Subscribed), nil)
	return conn
}

// stuckEndpoint never answers.
type stuckEndpoint struct{ never chan struct{} }

func (e stuckEndpoint) Notify(*wire.Batch, *wire.Ack) error {
	<-e.never
	return nil
}

// endpoint listens, and speaks first where it is told to, but does no TLS.
func (p *stuckPeer) endpoint(ticket []byte) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			p.t.Cleanup(func() { nc.Close() })
			p.b.reached.Add(1)
			if ticket != nil {
				go wire.OfferEndpoint(nc, ticket, time.Minute, func(nc net.Conn) (net.Conn, error) { return nc, nil })
			}
		}
	}()
	return l.Addr().String()
}

// TestServerClose closes servers whose every peer is stuck, each way in which
// one can be, and one whose peers are well.
func TestServerClose(t *testing.T) {
	authority := wiretest.NewAuthority()
	ticket := make([]byte, wire.TicketSize)
	subscribed := func(b *bed) func() bool {
		return func() bool { return len(b.srv.Subscribers()) == each() }
	}
	connected := func(b *bed) func() bool {
		return func() bool { return b.srv.Stats().Connections == each() }
	}
	for _, secured := range secure() {
		for _, tc := range []struct {
			name  string
			limit time.Duration
			stuck func(b *bed)
		}{
			{"idle", closeIdle, func(b *bed) {
				for range each() {
					c := momclient.New(b.addr, momclient.Options{TLS: b.tls})
					t.Cleanup(func() { c.Close() })
					if err := c.Subscribe(context.Background()); err != nil {
						t.Fatal(err)
					}
				}
				eventually(t, "subscribed", subscribed(b))
			}},
			{"connected", closeStuck, func(b *bed) {
				for range each() {
					b.stuckPeer()
				}
				eventually(t, "connected", connected(b))
			}},
			{"within the first bytes", closeStuck, func(b *bed) {
				for range each() {
					b.stuckPeer().nc.Write([]byte(map[bool]string{false: "MoM\x01", true: "\x16\x03\x01\x02\x00\x01"}[secured]))
				}
				eventually(t, "connected", connected(b))
			}},
			{"within the decision", closeStuck, func(b *bed) {
				for range each() {
					p := b.stuckPeer()
					if b.tls != nil {
						p.nc = tls.Client(p.nc, b.tls)
					}
					go wire.Greet(p.nc, wire.Hello{Version: wire.Version, Token: "slow"}, time.Minute)
				}
				eventually(t, "deciding", func() bool { return b.reached.Load() == int64(each()) })
			}},
			{"not answering", closeStuck, func(b *bed) {
				for range each() {
					b.stuckPeer().subscribe(wire.SubscribeArgs{Room: 1000})
				}
				eventually(t, "calls", func() bool { return b.srv.Stats().Calls >= uint64(each()) && subscribed(b)() })
			}},
			{"not reading", closeStuck, func(b *bed) {
				for range each() {
					p := b.stuckPeer()
					p.socket.(*net.TCPConn).SetReadBuffer(4 << 10)
					conn := p.subscribe(wire.SubscribeArgs{Room: 100_000})
					eventually(t, "a call", func() bool { return conn.Err() == nil && len(b.srv.Subscribers()) > 0 })
				}
				eventually(t, "subscribed", subscribed(b))
				for range 100 { // more than window and sockets take
					m := wire.Event{JobID: uuid.New(), RunID: uuid.New(), Data: wire.TransferData{
						Initialize: &wire.InitializeData{Name: string(make([]byte, 60_000))}, Status: wire.Status{State: wire.JobInitialized},
					}}
					if err := b.srv.Publish(m); err != nil {
						t.Fatal(err)
					}
				}
				eventually(t, "lag", func() bool {
					for _, s := range b.srv.Subscribers() {
						if s.Lag == 0 || s.InFlight == 0 {
							return false
						}
					}
					return true
				})
			}},
			{"dialled back and silent", closeStuck, func(b *bed) {
				for range each() {
					p := b.stuckPeer()
					p.subscribe(wire.SubscribeArgs{Room: 1, CallbackAddr: p.endpoint(nil), Ticket: ticket})
				}
				eventually(t, "dialled", func() bool { return b.reached.Load() == int64(each()) })
			}},
			{"dialled back and stuck after its proof", closeStuck, func(b *bed) {
				for range each() {
					p := b.stuckPeer()
					p.subscribe(wire.SubscribeArgs{Room: 1, CallbackAddr: p.endpoint(ticket), Ticket: ticket})
				}
				eventually(t, "dialled", func() bool { return b.reached.Load() == int64(each()) })
			}},
			{"refused and not leaving", closeStuck, func(b *bed) {
				for range each() + 20 {
					b.stuckPeer()
				}
				eventually(t, "full", connected(b))
			}},
		} {
			b, cfg := new(bed), momserver.Config{
				MaxConns: each(), DialsPerMinute: 1000, FailuresPerMinute: 1000, Window: 4,
				HandshakeTimeout: time.Minute, DialTimeout: time.Minute, CallTimeout: time.Minute, MessageTimeout: time.Minute,
			}
			cfg.AllowCallback = func(_, _ netip.AddrPort) bool { return true }
			cfg.Authorize = func(ctx context.Context, a momserver.Applicant) (momserver.Grant, error) {
				if a.Token == "slow" {
					b.reached.Add(1)
					<-ctx.Done()
				}
				return momserver.Grant{AllJobs: true}, ctx.Err()
			}
			if secured {
				cfg.TLS = &tls.Config{Certificates: []tls.Certificate{authority.Issue("server", time.Hour, "127.0.0.1")}}
				b.tls = &tls.Config{RootCAs: authority.Pool(), ServerName: "127.0.0.1"}
			}
			b.serve(t, cfg)
			tc.stuck(b)
			name := tc.name
			if secured {
				name += ", in TLS"
			}
			closes(t, name, tc.limit, b.srv.Close)
		}
	}
}

// stuckServer greets, takes a subscription where it is told to, and answers
// nothing else.
type stuckServer struct {
	t     *testing.T
	l     net.Listener
	never chan struct{}
	at    string // where it is stuck
	calls chan string

	mu    sync.Mutex // guards conns
	conns []net.Conn
}

func newStuckServer(t *testing.T, at string) *stuckServer {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &stuckServer{t: t, l: l, never: make(chan struct{}), at: at, calls: make(chan string, 1000)}
	go s.accept()
	t.Cleanup(func() {
		l.Close()
		close(s.never)
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, nc := range s.conns {
			nc.Close()
		}
	})
	return s
}

func (s *stuckServer) accept() {
	for {
		nc, err := s.l.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns = append(s.conns, nc)
		s.mu.Unlock()
		go s.serve(nc)
	}
}

func (s *stuckServer) serve(nc net.Conn) {
	if s.at == "accept" {
		s.calls <- "accept"
		return
	}
	if _, err := wire.ReadHello(nc); err != nil {
		return
	}
	if s.at == "greeting" {
		s.calls <- "greeting"
		return
	}
	wire.Accept(nc, wire.Welcome{Epoch: uuid.New(), Heartbeat: wire.MaxHeartbeat, MaxMessage: 1 << 16})
	conn := wire.NewConn(nc, wire.ConnConfig{MaxMessage: 1 << 16, MaxWaiting: 1 << 16, WriteTimeout: time.Hour, MessageTimeout: time.Hour})
	conn.Serve(wire.ServerService, &stuckService{s})
}

// stuckService is what it serves.
type stuckService struct{ s *stuckServer }

func (v *stuckService) call(name string) error {
	v.s.calls <- name
	if name == v.s.at {
		<-v.s.never
	}
	return nil
}

func (v *stuckService) Subscribe(*wire.SubscribeArgs, *wire.Subscribed) error {
	return v.call("Subscribe")
}
func (v *stuckService) Unsubscribe(*wire.Nothing, *wire.Nothing) error { return v.call("Unsubscribe") }
func (v *stuckService) Jobs(*wire.JobsArgs, *wire.Page) error          { return v.call("Jobs") }

// TestClientClose closes clients whose server is stuck, each way in which it
// can be, and one whose server is well.
func TestClientClose(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		at, until string // where the server is stuck, and what it has been asked when the client closes
		opts      momclient.Options
		ask       bool
	}{
		{at: "accept", until: "accept"},
		{at: "accept", until: "accept", opts: momclient.Options{TLS: &tls.Config{InsecureSkipVerify: true}}},
		{at: "greeting", until: "greeting"},
		{at: "Subscribe", until: "Subscribe"},
		{at: "Subscribe", until: "Subscribe", opts: momclient.Options{CallbackAddr: "127.0.0.1:0"}},
		{at: "Unsubscribe", until: "Subscribe"},
		{at: "Jobs", until: "Jobs", ask: true},
		{at: "accept", until: "accept", ask: true},
	} {
		s := newStuckServer(t, tc.at)
		tc.opts.AutoReconnect = true
		tc.opts.DialTimeout, tc.opts.CallTimeout = time.Minute, time.Minute
		c := momclient.New(s.l.Addr().String(), tc.opts)
		returned := make(chan error, 1)
		if tc.ask {
			go func() { _, err := c.Jobs(context.Background()); returned <- err }()
		} else {
			go func() { returned <- c.Subscribe(context.Background()) }()
		}
		for call := range s.calls {
			if call == tc.until {
				break
			}
		}
		if tc.at == "Unsubscribe" {
			if err := <-returned; err != nil {
				t.Error(err)
			}
			returned <- nil
		}
		closes(t, "a server stuck at "+tc.at, closeStuck, c.Close)
		if err := <-returned; err == nil && tc.at != "Unsubscribe" {
			t.Errorf("stuck at %s: no error", tc.at)
		}
	}

	b := serve(t, momserver.Config{})
	c := momclient.New(b.addr, momclient.Options{AutoReconnect: true})
	handling, never := make(chan struct{}), make(chan struct{})
	defer close(never)
	c.OnEvent(func(wire.Event) { close(handling); <-never })
	if err := c.Subscribe(context.Background()); err != nil {
		t.Fatal(err)
	}
	b.publish(1, 1)
	<-handling
	closes(t, "within its handler", closeStuck, c.Close)
	c = momclient.New(b.addr, momclient.Options{AutoReconnect: true})
	if err := c.Subscribe(context.Background()); err != nil {
		t.Fatal(err)
	}
	closes(t, "idle", closeIdle, c.Close)
	c = momclient.New("127.0.0.1:1", momclient.Options{AutoReconnect: true})
	retrying := make(chan struct{})
	c.OnConnection(func(s momclient.ConnectionStatus) {
		if s.Kind == momclient.Reconnecting && s.Attempt == 2 {
			close(retrying)
		}
	})
	go c.Subscribe(context.Background())
	<-retrying
	closes(t, "waiting to connect again", closeIdle, c.Close)
}
