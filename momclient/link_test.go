package momclient_test

import (
	"context"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"mom.internal/momclient"
	"mom.internal/wire"
	"mom.internal/wire/wiretest"
)

// TestRefusedAttempts lets a full server refuse a thousand attempts of one
// subscription: none of their connections is kept, and no memory.
func TestRefusedAttempts(t *testing.T) {
	const attempts = 1000
	var network wiretest.Network
	l, err := network.Listen(memAddr)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for nc, err := l.Accept(); err == nil; nc, err = l.Accept() {
			if _, err := wire.ReadHello(nc); err == nil {
				wire.Refuse(nc, wire.Errorf(wire.CodeFull, "no room"))
			}
			nc.Close()
		}
	}()
	var made, collected atomic.Int64
	enough := make(chan struct{})
	c := momclient.New(memAddr, momclient.Options{AutoReconnect: true, Period: time.Microsecond, DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
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
