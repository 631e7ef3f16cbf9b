package momclient_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"
	"mom.internal/wire/wiretest"
	"mom.internal/wire/wiretest/harness"
)

// TestListen: Options.Listen is asked for the callback address. A failure for
// want of a descriptor, or of any free port, may pass; a port that is taken, or
// may not be listened on, is final, because no later attempt would do better.
func TestListen(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		for _, test := range []struct {
			addr   string
			failed error
			want   error
		}{
			{"10.0.0.1:0", syscall.EMFILE, wire.CallbackFailed},
			{"10.0.0.1:0", syscall.EACCES, wire.BadRequest},
			{"10.0.0.1:0", syscall.EADDRINUSE, wire.CallbackFailed},
			{"10.0.0.1:7421", syscall.EADDRINUSE, wire.BadRequest},
			{"10.0.0.1:7421", syscall.EMFILE, wire.CallbackFailed},
		} {
			var asked string
			c := s.Client(momclient.Options{CallbackAddr: test.addr, Listen: func(network, addr string) (net.Listener, error) {
				asked = network + " " + addr
				return nil, &net.OpError{Op: "listen", Err: test.failed}
			}})
			if err := c.Subscribe(context.Background()); !errors.Is(err, test.want) || !errors.Is(err, test.failed) {
				t.Errorf("%s, %v: %v; want %v", test.addr, test.failed, err, test.want)
			}
			if asked != "tcp "+test.addr {
				t.Errorf("asked for %q", asked)
			}
		}
	})
}

// caller is a server, written against the protocol, that runs the test's
// function when a client subscribes.
type caller struct {
	t          *testing.T
	net        *wiretest.Network
	conn       *duplex.Conn
	subscribed func(l *caller, args *protocol.SubscribeArgs) error
}

// calls serves one connection after the other on the site's network, each with
// a caller.
func calls(s *harness.Server, subscribed func(l *caller, args *protocol.SubscribeArgs) error) {
	s.T.Helper()
	s.PlayService(func(conn *duplex.Conn) any {
		return &caller{t: s.T, net: &s.Net, conn: conn, subscribed: subscribed}
	})
}

func (l *caller) Subscribe(args *protocol.SubscribeArgs, _ *protocol.Subscribed) error {
	return duplex.RunMethod(nil, func() error { return l.subscribed(l, args) })
}

func (l *caller) Unsubscribe(*protocol.Nothing, *protocol.Nothing) error { return nil }

// dial connects to the client's endpoint.
func (l *caller) dial(args *protocol.SubscribeArgs) net.Conn {
	nc, err := l.net.DialContext(context.Background(), "tcp", args.CallbackAddr)
	if err != nil {
		l.t.Error(err)
		near, _ := net.Pipe()
		near.Close()
		return near
	}
	return nc
}

// prove dials the endpoint and proves to be the server.
func (l *caller) prove(args *protocol.SubscribeArgs) net.Conn {
	nc := l.dial(args)
	if _, err := protocol.TakeEndpoint(nc, args.Ticket, time.Hour, func(nc net.Conn) (net.Conn, error) { return nc, nil }); err != nil {
		l.t.Error(err)
	}
	return nc
}

// ends returns the error with which a connection ends that receives nothing.
func ends(nc net.Conn) error {
	nc.SetReadDeadline(time.Now().Add(time.Minute))
	_, err := nc.Read(make([]byte, 1))
	return err
}

// dialledBack is a client whose endpoint is on the site's network.
func dialledBack(s *harness.Server, opts momclient.Options) *harness.Client {
	if opts.CallbackAddr == "" {
		opts.CallbackAddr = "callback:1"
	}
	if opts.Listen == nil {
		opts.Listen = func(_, _ string) (net.Listener, error) { return s.Net.Listen("callback:1") }
	}
	return s.Client(opts)
}

// TestCallbackHost: the client gives the server the host that Options name or,
// if a server cannot dial that, the host from which the client's own connection
// comes.
func TestCallbackHost(t *testing.T) {
	for addr, want := range map[string]string{
		"10.0.0.1:0":         "10.0.0.1:1",
		"[2001:db8::1]:0":    "[2001:db8::1]:1",
		"callback.example:0": "callback.example:1",
		":0":                 "mem-client:1",
		"0.0.0.0:0":          "mem-client:1",
		"[::]:0":             "mem-client:1",
	} {
		harness.Bubble(t, func(s *harness.Server) {
			var got string
			calls(s, func(_ *caller, args *protocol.SubscribeArgs) error {
				got = args.CallbackAddr
				return wire.Errorf(wire.Forbidden, "it is known now")
			})
			dialledBack(s, momclient.Options{CallbackAddr: addr}).Subscribe(context.Background())
			if got != want {
				t.Errorf("at %s the server is told %s; want %s", addr, got, want)
			}
		})
	}
}

// TestTickets: tickets differ from one subscription to the next, so that a
// stranger who has seen one cannot use it at the endpoint of another
// subscription.
func TestTickets(t *testing.T) {
	harness.Bubble(t, func(s *harness.Server) {
		seen := map[string]bool{string(make([]byte, protocol.TicketSize)): true}
		calls(s, func(_ *caller, args *protocol.SubscribeArgs) error {
			if seen[string(args.Ticket)] || len(args.Ticket) != protocol.TicketSize {
				t.Errorf("the ticket % x again", args.Ticket)
			}
			seen[string(args.Ticket)] = true
			return wire.Errorf(wire.Forbidden, "it is known now")
		})
		c := dialledBack(s, momclient.Options{})
		for range 3 {
			c.Subscribe(context.Background())
		}
		if len(seen) != 4 {
			t.Errorf("%d tickets", len(seen)-1)
		}
	})
}

// TestProvenTwice has a server dial back twice, and prove itself each time: the
// endpoint takes one connection, and closes the other when it closes itself.
func TestProvenTwice(t *testing.T) {
	harness.Bubble(t, func(s *harness.Server) {
		var second net.Conn
		calls(s, func(l *caller, args *protocol.SubscribeArgs) error {
			first := duplex.NewConn(l.prove(args), harness.LongTimes)
			go first.Serve("", nil)
			synctest.Wait()
			second = l.prove(args)
			synctest.Wait()
			if first.Err() != nil {
				t.Error(first.Err())
			}
			return nil
		})
		c := dialledBack(s, momclient.Options{})
		c.MustSubscribe()
		if err := ends(second); err != io.EOF {
			t.Errorf("the second connection: %v", err)
		}
		c.Close()
	})
}

// TestCalledBackAtLast: the answer to Subscribe may come before the server
// calls back. If the server then closes the connection, Subscribe fails at once
// with that reason. If the server does not answer, the error is that of the
// call, not of the endpoint.
func TestCalledBackAtLast(t *testing.T) {
	harness.Bubble(t, func(s *harness.Server) {
		calls(s, func(l *caller, args *protocol.SubscribeArgs) error {
			time.AfterFunc(time.Second, func() { l.conn.Close(wire.Errorf(wire.Closed, "enough")) })
			return nil
		})
		began := time.Now()
		if err := dialledBack(s, momclient.Options{}).Subscribe(context.Background()); !errors.Is(err, wire.Lost) || time.Since(began) != time.Second {
			t.Errorf("closed: after %v %v", time.Since(began), err)
		}
	})
	harness.Bubble(t, func(s *harness.Server) {
		calls(s, func(*caller, *protocol.SubscribeArgs) error {
			time.Sleep(time.Minute)
			return nil
		})
		if err := dialledBack(s, momclient.Options{}).Subscribe(context.Background()); !hit(err, wire.Timeout, "CallTimeout") || !strings.Contains(err.Error(), "Subscribe") {
			t.Errorf("unanswered: %v", err)
		}
		time.Sleep(time.Minute)
	})
}

// TestCallbackAddrNonsense refuses a CallbackAddr that is not an address, and
// names it.
func TestCallbackAddrNonsense(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		c := s.Client(momclient.Options{CallbackAddr: "nonsense", Listen: func(string, string) (net.Listener, error) {
			t.Error("it listens all the same")
			return nil, net.ErrClosed
		}})
		if err := c.Subscribe(context.Background()); !errors.Is(err, wire.BadRequest) || !strings.Contains(err.Error(), `"nonsense"`) {
			t.Error(err)
		}
	})
}

// TestClosedBeforeCallingBack has a server accept a subscription and close the
// connection, with no word at the callback endpoint: the client does not wait
// there until its call's time is over.
func TestClosedBeforeCallingBack(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		protocol.ReadHello(nc)
		protocol.Accept(nc, protocol.Welcome{Epoch: uuid.New(), Heartbeat: time.Minute, MaxMessage: 1 << 16})
		var head [5]byte
		io.ReadFull(nc, head[:])
		io.CopyN(io.Discard, nc, int64(binary.BigEndian.Uint32(head[1:])))
		nc.Write(welcomed())
	}()
	c := momclient.New(l.Addr().String(), momclient.Options{CallbackAddr: "127.0.0.1:0", CallTimeout: time.Hour})
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := c.Subscribe(ctx); !errors.Is(err, wire.Lost) || ctx.Err() != nil {
		t.Error(err)
	}
}
