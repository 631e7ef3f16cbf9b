package momserver_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"
	"mom.internal/wire/wiretest/certs"
	"mom.internal/wire/wiretest/invariant"
)

// loopback serves on a real socket until the test ends, and returns the
// server and its address.
func loopback(t *testing.T, cfg momserver.Config) (*momserver.Server, string) {
	t.Helper()
	srv := momserver.New(cfg)
	l := listen(t, "127.0.0.1:0")
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	t.Cleanup(func() {
		srv.Close()
		if err := <-served; !errors.Is(err, momserver.ErrServerClosed) {
			t.Error(err)
		}
	})
	return srv, l.Addr().String()
}

func listen(t *testing.T, addr string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// TestCallbackEndpoint subscribes with an endpoint of the client's own, plain
// and with TLS, and gets events there until either connection ends.
func TestCallbackEndpoint(t *testing.T) {
	authority := certs.NewAuthority()
	for _, secured := range []bool{false, true} {
		cfg, opts := momserver.Config{}, momclient.Options{CallbackAddr: "127.0.0.1:0", Name: "apart"}
		if secured {
			cfg.TLS = &tls.Config{Certificates: []tls.Certificate{authority.Issue("server", time.Hour, "127.0.0.1")}}
			opts.TLS = &tls.Config{RootCAs: authority.Pool()}
		}
		srv, addr := loopback(t, cfg)
		c := momclient.New(addr, opts)
		defer c.Close()
		events, lost := make(chan wire.Event, 10), make(chan error, 1)
		c.OnEvent(func(e wire.Event) { events <- e })
		c.OnConnection(func(s momclient.ConnectionStatus) {
			if s.Kind == momclient.Lost {
				lost <- s.Err
			}
		})
		if err := c.Subscribe(context.Background()); err != nil {
			t.Fatalf("TLS %v: %v", secured, err)
		}
		job, err := srv.StartJob(uuid.New(), wire.InitializeData{Name: "job"})
		if err != nil {
			t.Fatal(err)
		}
		job.Complete()
		stream := invariant.NewStream(invariant.Unknown(), wire.Filter{}, invariant.Fails(t))
		for range 2 {
			stream.Event(<-events)
		}
		if got, want := stream.Told(), (invariant.Told{Fresh: 2, Last: 2}); got != want {
			t.Errorf("told %+v; want %+v", got, want)
		}
		info := srv.Subscribers()[0]
		host, port, err := net.SplitHostPort(info.Callback)
		if info.Name != "apart" || host != "127.0.0.1" || port == "0" || info.Callback == info.Addr || err != nil {
			t.Errorf("the operator sees %+v", info)
		}
		srv.Close()
		if err := <-lost; !errors.Is(err, wire.Lost) {
			t.Errorf("the end is %v", err)
		}
	}
}

// endpointOf returns the reply to a Subscribe with the callback address, from
// a client that listens nowhere.
func endpointOf(t *testing.T, server, callback string) error {
	t.Helper()
	return askCallback(t, dialRaw(t, server), callback, make([]byte, protocol.TicketSize))
}

// askCallback greets, subscribes with a callback address, and returns the
// reply.
func askCallback(t *testing.T, nc net.Conn, callback string, ticket []byte) error {
	t.Helper()
	if _, err := protocol.Greet(nc, "", 5*time.Second); err != nil {
		t.Fatal(err)
	}
	conn := duplex.NewConn(nc, duplex.ConnConfig{MaxMessage: 1 << 20, MaxWaiting: 1 << 20, WriteTimeout: 5 * time.Second, MessageTimeout: 5 * time.Second})
	go conn.Serve("", nil)
	defer conn.Close(wire.Errorf(wire.Closed, "asked"))
	args := protocol.SubscribeArgs{Credit: protocol.Credit{Events: 1, Bytes: 1 << 40}, CallbackAddr: callback, Ticket: ticket}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return conn.Call(ctx, protocol.MethodSubscribe, &args, new(protocol.Subscribed))
}

// victim listens and keeps what it is sent. With a word it speaks first.
type victim struct {
	net.Listener
	got chan []byte // of each connection, when it has ended
}

func newVictim(t *testing.T, addr, word string) *victim {
	v := &victim{listen(t, addr), make(chan []byte, 16)}
	go func() {
		for {
			nc, err := v.Accept()
			if err != nil {
				return
			}
			io.WriteString(nc, word)
			data, _ := io.ReadAll(nc)
			nc.Close()
			v.got <- data
		}
	}()
	return v
}

// TestCallbackSilence sends nothing to what does not prove that it wants the
// subscription: an endpoint that waits to be spoken to, one that speaks
// another protocol, one that speaks this one and lies.
func TestCallbackSilence(t *testing.T) {
	lie := "MoM\x02\x01" + string(make([]byte, 48))
	for name, word := range map[string]string{"silent": "", "SMTP": "220 mail.example ESMTP ready when you are, go ahead and send it\r\n", "lie": lie} {
		_, addr := loopback(t, momserver.Config{DialTimeout: 100 * time.Millisecond})
		v := newVictim(t, "127.0.0.1:0", word)
		err := endpointOf(t, addr, v.Addr().String())
		if !errors.Is(err, wire.CallbackFailed) || wire.IsFinal(err) {
			t.Errorf("%s: %v", name, err)
		}
		if got := <-v.got; len(got) > 0 {
			t.Errorf("%s: it was sent %q", name, got)
		}
	}
}

// TestCallbackAddress dials only the address that the subscriber comes from,
// however another is spelled, and refuses what is no address.
func TestCallbackAddress(t *testing.T) {
	_, addr := loopback(t, momserver.Config{DialTimeout: time.Second, DialsPerMinute: 100})
	elsewhere := newVictim(t, "127.0.0.2:0", "")
	_, port, _ := net.SplitHostPort(elsewhere.Addr().String())
	for _, host := range []string{"127.0.0.2", "[::ffff:127.0.0.2]", "[::ffff:7f00:2]", "0x7f000002", "2130706434", "127.2", "0177.0.0.2"} {
		err := endpointOf(t, addr, host+":"+port)
		if !errors.Is(err, wire.CallbackFailed) {
			t.Errorf("%s: %v", host, err)
		}
	}
	select {
	case <-elsewhere.got:
		t.Error("a connection was made to another address")
	default:
	}
	for _, bad := range []string{"127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "nonsense", ":", "[::1"} {
		if err := endpointOf(t, addr, bad); !errors.Is(err, wire.BadRequest) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	closed := listen(t, "127.0.0.1:0")
	closed.Close()
	if err := endpointOf(t, addr, closed.Addr().String()); !errors.Is(err, wire.CallbackFailed) {
		t.Errorf("nobody listens: %v", err)
	}
}

// TestAllowCallback lets the embedding program decide, by the addresses that
// are really dialled.
func TestAllowCallback(t *testing.T) {
	elsewhere := newVictim(t, "127.0.0.2:0", "")
	var asked [2]netip.AddrPort
	_, addr := loopback(t, momserver.Config{DialTimeout: 50 * time.Millisecond, AllowCallback: func(subscriber, target netip.AddrPort) bool {
		asked = [2]netip.AddrPort{subscriber, target}
		return true
	}})
	if err := endpointOf(t, addr, elsewhere.Addr().String()); !errors.Is(err, wire.CallbackFailed) {
		t.Error(err)
	}
	if got := <-elsewhere.got; len(got) > 0 {
		t.Errorf("it was sent %q before proof", got)
	}
	if asked[0].Addr() != netip.MustParseAddr("127.0.0.1") || asked[1].String() != elsewhere.Addr().String() {
		t.Errorf("asked about %v", asked)
	}
}

// TestDialsPerMinute bounds the dials for one address.
func TestDialsPerMinute(t *testing.T) {
	_, addr := loopback(t, momserver.Config{DialsPerMinute: 2})
	closed := listen(t, "127.0.0.1:0")
	closed.Close()
	for range 2 {
		if err := endpointOf(t, addr, closed.Addr().String()); !errors.Is(err, wire.CallbackFailed) {
			t.Error(err)
		}
	}
	err := endpointOf(t, addr, closed.Addr().String())
	var e *wire.Error
	if !errors.As(err, &e) || e.Code != wire.Busy || e.After != time.Minute || !strings.Contains(e.Message, "(Config.DialsPerMinute)") {
		t.Errorf("the third: %v", err)
	}
}
