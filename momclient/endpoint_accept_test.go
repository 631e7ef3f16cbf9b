package momclient_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
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
	"mom.internal/wire/wiretest/harness"
)

// TestSilentStrangers: strangers that say nothing fill the endpoint's places.
// The next connection is closed without an answer, and the server gets in as
// soon as one stranger leaves. The others are then cut off, and hold up nobody.
func TestSilentStrangers(t *testing.T) {
	harness.Bubble(t, func(s *harness.Server) {
		const places = 8
		var strangers []net.Conn
		calls(s, func(l *caller, args *protocol.SubscribeArgs) error {
			for range places {
				nc := l.dial(args)
				if _, err := io.ReadFull(nc, make([]byte, 53)); err != nil { // the endpoint's opening
					t.Error(err)
				}
				strangers = append(strangers, nc)
			}
			for range 2 {
				if err := ends(l.dial(args)); err != io.EOF {
					t.Errorf("one more than there are places for: %v", err)
				}
			}
			strangers[0].Close()
			synctest.Wait()
			go duplex.NewConn(l.prove(args), harness.LongTimes).Serve("", nil)
			return nil
		})
		c := dialledBack(s, momclient.Options{})
		began := time.Now()
		c.MustSubscribe()
		if took := time.Since(began); took != 0 {
			t.Errorf("the strangers hold up the subscription for %v", took)
		}
		for _, nc := range strangers[1:] {
			if err := ends(nc); err != io.EOF {
				t.Errorf("a stranger's connection after the subscription: %v", err)
			}
		}
		c.Close()
	})
}

// brokenListener is a listener whose Accept fails, and takes a second to
// return when the listener is closed.
type brokenListener struct {
	net.Listener
	err       error // of Accept; nil to accept
	accepts   atomic.Int32
	accepting atomic.Int32
	closed    atomic.Bool
}

func (l *brokenListener) Accept() (net.Conn, error) {
	l.accepts.Add(1)
	if l.closed.Load() {
		return nil, net.ErrClosed
	}
	if l.err != nil {
		return nil, &net.OpError{Op: "accept", Err: l.err}
	}
	l.accepting.Add(1)
	defer l.accepting.Add(-1)
	nc, err := l.Listener.Accept()
	if err != nil {
		time.Sleep(time.Second)
	}
	return nc, err
}

func (l *brokenListener) Close() error {
	l.closed.Store(true)
	return l.Listener.Close()
}

// TestEndpointThatCannotAccept: a listener that is out of descriptors is tried
// again, unless the endpoint is closed; a listener that fails for good is not.
// The subscription then fails as if no server had called back.
func TestEndpointThatCannotAccept(t *testing.T) {
	for failed, want := range map[error]int32{
		syscall.EMFILE:                    101, // in ten milliseconds each, and at first
		errors.New("the network is gone"): 1,
	} {
		harness.Bubble(t, func(s *harness.Server) {
			calls(s, func(*caller, *protocol.SubscribeArgs) error { return nil })
			l := &brokenListener{err: failed}
			c := dialledBack(s, momclient.Options{CallTimeout: time.Second + time.Millisecond, Listen: func(_, addr string) (lis net.Listener, err error) {
				l.Listener, err = s.Net.Listen(addr)
				return l, err
			}})
			err := c.Subscribe(context.Background())
			if !errors.Is(err, wire.CallbackFailed) || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "did not call back on callback:1") {
				t.Errorf("%v: %v", failed, err)
			}
			if n := l.accepts.Load(); n != want {
				t.Errorf("%v: it was asked %d times; want %d", failed, n, want)
			}
		})
	}
}

// TestEndpointGone: when Subscribe returns, nothing is left of the endpoint, so
// that another subscription can listen at the same address.
func TestEndpointGone(t *testing.T) {
	harness.Bubble(t, func(s *harness.Server) {
		calls(s, func(l *caller, args *protocol.SubscribeArgs) error {
			go duplex.NewConn(l.prove(args), harness.LongTimes).Serve("", nil)
			return nil
		})
		var l *brokenListener
		c := dialledBack(s, momclient.Options{Listen: func(_, addr string) (net.Listener, error) {
			lis, err := s.Net.Listen(addr)
			l = &brokenListener{Listener: lis}
			return l, err
		}})
		for range 2 {
			c.MustSubscribe()
			if n := l.accepting.Load(); n != 0 {
				t.Error("the endpoint still accepts")
			}
			c.Unsubscribe()
		}
		c.Close()
	})
}

// TestStrangersAtTheEndpoint: the places for proofs come back. After many
// strangers have come to the endpoint and gone, the server still gets in.
func TestStrangersAtTheEndpoint(t *testing.T) {
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
		protocol.ReadHello(nc)
		protocol.Accept(nc, protocol.Welcome{Epoch: uuid.New(), Heartbeat: time.Minute, MaxMessage: 1 << 16})
		conn := duplex.NewConn(nc, duplex.ConnConfig{MaxMessage: 1 << 16, MaxWaiting: 1 << 16, WriteTimeout: time.Minute, MessageTimeout: time.Minute})
		conn.Serve(protocol.ServerService, &visited{t, 20})
	}()
	c := momclient.New(l.Addr().String(), momclient.Options{CallbackAddr: "127.0.0.1:0"})
	defer c.Close()
	if err := c.Subscribe(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// visited is a server that dials back after strangers have come, one after the
// other.
type visited struct {
	t         *testing.T
	strangers int
}

func (v *visited) Subscribe(args *protocol.SubscribeArgs, _ *protocol.Subscribed) error {
	for range v.strangers {
		nc, err := net.Dial("tcp", args.CallbackAddr)
		if err != nil {
			v.t.Error(err)
			return err
		}
		nc.Write(make([]byte, 64)) // no proof
		io.Copy(io.Discard, nc)    // until it is turned away
		nc.Close()
	}
	for { // the last stranger's place is free soon
		nc, err := net.Dial("tcp", args.CallbackAddr)
		if err != nil {
			v.t.Error(err)
			return err
		}
		secured, err := protocol.TakeEndpoint(nc, args.Ticket, 5*time.Second, func(nc net.Conn) (net.Conn, error) { return nc, nil })
		if err == nil {
			conn := duplex.NewConn(secured, duplex.ConnConfig{MaxMessage: 1 << 16, MaxWaiting: 1 << 16, WriteTimeout: time.Minute, MessageTimeout: time.Minute})
			go conn.Serve("", nil)
			return nil
		}
		nc.Close()
		if v.strangers--; v.strangers < 0 {
			return err
		}
	}
}

func (v *visited) Unsubscribe(*protocol.Nothing, *protocol.Nothing) error { return nil }

// TestNoDescriptorToAccept: where there is none left for the server's
// connection, the endpoint waits until there is.
func TestNoDescriptorToAccept(t *testing.T) {
	srv := momserver.New(momserver.Config{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go srv.Serve(l)
	defer srv.Close()
	short := new(shortListener)
	c := momclient.New(l.Addr().String(), momclient.Options{CallbackAddr: "127.0.0.1:0", Listen: func(network, addr string) (net.Listener, error) {
		short.Listener, err = net.Listen(network, addr)
		return short, err
	}})
	defer c.Close()
	if err := c.Subscribe(context.Background()); err != nil || short.failed != 3 {
		t.Errorf("%v, after %d failures", err, short.failed)
	}
}

// shortListener fails three times for want of a descriptor.
type shortListener struct {
	net.Listener
	failed int
}

func (l *shortListener) Accept() (net.Conn, error) {
	if l.failed < 3 {
		l.failed++
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return l.Listener.Accept()
}
