package momclient_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
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
