package e2e

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"mom.internal/momclient"
	"mom.internal/momserver"
)

// TestNoPorts: a client that finds no free port on its machine tries again, and
// subscribes when there is one.
func TestNoPorts(t *testing.T) {
	t.Parallel()
	l := newNetnsLab(t, 1)
	if l == nil {
		return
	}
	const pair = 1
	addr := serverIP(pair) + ":7420"
	err := l.clients.in(func() error {
		return os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte("20000 20007"), 0)
	})
	if err != nil {
		t.Skipf("the range of ports cannot be set here: %v", err)
	}
	dial := func(ctx context.Context, network, addr string) (nc net.Conn, err error) {
		err = l.clients.in(func() (err error) {
			nc, err = new(net.Dialer).DialContext(ctx, network, addr)
			return err
		})
		return nc, err
	}
	listener := listenIn(t, l.servers.in, addr)
	var conns []net.Conn
	for {
		nc, err := dial(context.Background(), "tcp", addr)
		if errors.Is(err, syscall.EADDRNOTAVAIL) {
			break
		}
		if err != nil || len(conns) > 100 {
			t.Fatalf("after %d connections: %v", len(conns), err)
		}
		nc.(*net.TCPConn).SetLinger(0) // so that the port is free at once
		defer nc.Close()
		conns = append(conns, nc)
	}

	starved := make(chan error, 1)
	c := momclient.New(addr, momclient.Options{
		AutoReconnect: true, Period: time.Second,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			nc, err := dial(ctx, network, addr)
			if err != nil {
				select {
				case starved <- err:
				default:
				}
			}
			return nc, err
		},
	})
	defer c.Close()
	subscribed := make(chan error, 1)
	go func() { subscribed <- c.Subscribe(context.Background()) }()
	if err := <-starved; !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Errorf("without a port: %v", err)
	}
	select {
	case err := <-subscribed:
		t.Fatalf("without a port Subscribe returned %v", err)
	default:
	}
	for _, nc := range conns {
		nc.Close()
	}
	srv := momserver.New(momserver.Config{})
	defer srv.Close()
	go srv.Serve(listener)
	select {
	case err := <-subscribed:
		if err != nil {
			t.Errorf("when there are ports: %v", err)
		}
	case <-time.After(hangs):
		t.Error("when there are ports the client does not get on")
	}
}
