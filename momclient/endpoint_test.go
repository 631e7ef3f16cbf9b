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
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
)

// TestListen: Options.Listen is asked for the callback address. Where it has no
// descriptor left, that may pass; where it may not listen, that is final.
func TestListen(t *testing.T) {
	inBubble(t, func(s *site) {
		s.start()
		for failed, want := range map[error]error{syscall.EMFILE: wire.ErrCallback, syscall.EACCES: wire.ErrBadRequest} {
			var asked string
			c := s.client(momclient.Options{CallbackAddr: "10.0.0.1:0", Listen: func(network, addr string) (net.Listener, error) {
				asked = network + " " + addr
				return nil, &net.OpError{Op: "listen", Err: failed}
			}})
			if err := c.Subscribe(context.Background()); !errors.Is(err, want) {
				t.Errorf("%v: %v; want %v", failed, err, want)
			}
			if asked != "tcp 10.0.0.1:0" {
				t.Errorf("asked for %q", asked)
			}
		}
	})
}

// TestCallbackAddrNonsense refuses an address that is none, by name.
func TestCallbackAddrNonsense(t *testing.T) {
	inBubble(t, func(s *site) {
		s.start()
		c := s.client(momclient.Options{CallbackAddr: "nonsense", Listen: func(string, string) (net.Listener, error) {
			t.Error("it listens all the same")
			return nil, net.ErrClosed
		}})
		if err := c.Subscribe(context.Background()); !errors.Is(err, wire.ErrBadRequest) || !strings.Contains(err.Error(), `"nonsense"`) {
			t.Error(err)
		}
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
		wire.ReadHello(nc)
		wire.Accept(nc, wire.Welcome{Epoch: uuid.New(), Heartbeat: time.Minute, MaxMessage: 1 << 16})
		conn := wire.NewConn(nc, wire.ConnConfig{MaxMessage: 1 << 16, MaxWaiting: 1 << 16, WriteTimeout: time.Minute, MessageTimeout: time.Minute})
		conn.Serve(wire.ServerService, &visited{t, 20})
	}()
	c := momclient.New(l.Addr().String(), momclient.Options{CallbackAddr: "127.0.0.1:0"})
	defer c.Close()
	if err := c.Subscribe(context.Background()); err != nil {
		t.Error(err)
	}
}

// visited is a server that dials back after strangers have come, one after the
// other.
type visited struct {
	t         *testing.T
	strangers int
}

func (v *visited) Subscribe(args *wire.SubscribeArgs, _ *wire.Subscribed) error {
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
		secured, err := wire.TakeEndpoint(nc, args.Ticket, 5*time.Second, func(nc net.Conn) (net.Conn, error) { return nc, nil })
		if err == nil {
			conn := wire.NewConn(secured, wire.ConnConfig{MaxMessage: 1 << 16, MaxWaiting: 1 << 16, WriteTimeout: time.Minute, MessageTimeout: time.Minute})
			go conn.Serve("", nil)
			return nil
		}
		nc.Close()
		if v.strangers--; v.strangers < 0 {
			return err
		}
	}
}

func (v *visited) Unsubscribe(*wire.Nothing, *wire.Nothing) error { return nil }

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
		wire.ReadHello(nc)
		wire.Accept(nc, wire.Welcome{Epoch: uuid.New(), Heartbeat: time.Minute, MaxMessage: 1 << 16})
		var head [5]byte
		io.ReadFull(nc, head[:])
		io.CopyN(io.Discard, nc, int64(binary.BigEndian.Uint32(head[1:])))
		nc.Write(welcomed())
	}()
	c := momclient.New(l.Addr().String(), momclient.Options{CallbackAddr: "127.0.0.1:0", CallTimeout: time.Hour})
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := c.Subscribe(ctx); !errors.Is(err, wire.ErrLost) || ctx.Err() != nil {
		t.Error(err)
	}
}

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
