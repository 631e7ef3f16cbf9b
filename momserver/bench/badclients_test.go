//go:build unix

package bench_test

import (
	"context"
	"net"
	"sync/atomic"
	"time"

	"mom.internal/momclient"
	"mom.internal/wire"
	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"
)

// badclients_test.go holds the subscribers of the benchmarks that nobody wants,
// in a process of their own, four kinds in turn.

// runBad starts them, and goes on until the other side hangs up.
func (f *fleet) runBad() {
	if f.Attack == "spin" {
		spin(f.Processors)
		return
	}
	for i := range f.Clients {
		if f.Attack != "" {
			go attacks[f.Attack].do(f.Addr)
			continue
		}
		if f.Stalled {
			i = 0
		}
		switch i % 4 {
		case 0:
			go f.stalled()
		case 1:
			go f.dead()
		case 2:
			go f.slow()
		case 3:
			go f.comingBack()
		}
	}
}

// again calls attach whenever it returns, as a client does that reconnects.
func again(attach func()) {
	for {
		attach()
		time.Sleep(200 * time.Millisecond)
	}
}

// stalled subscribes, and then reads nothing any more.
func (f *fleet) stalled() {
	again(func() {
		client := momclient.New(f.Addr, momclient.Options{Name: "stalled", DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			nc, err := new(net.Dialer).DialContext(ctx, network, addr)
			return &deafConn{Conn: nc}, err
		}})
		defer client.Close()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if client.Subscribe(ctx) == nil {
			<-ctx.Done()
		}
	})
}

// deafConn reads a kilobyte, which is enough to subscribe.
type deafConn struct {
	net.Conn
	got atomic.Int64
}

func (c *deafConn) Read(p []byte) (int, error) {
	if c.got.Load() > 1<<10 {
		time.Sleep(time.Minute)
	}
	n, err := c.Conn.Read(p)
	c.got.Add(int64(n))
	return n, err
}

// dead takes all bytes and answers none of the calls.
func (f *fleet) dead() {
	again(func() {
		nc, err := net.Dial("tcp", f.Addr)
		if err != nil {
			return
		}
		if _, err := protocol.Greet(nc, "", time.Minute); err != nil {
			return
		}
		conn := duplex.NewConn(nc, duplex.ConnConfig{MaxMessage: 4 << 20, MaxWaiting: 1 << 20, WriteTimeout: time.Minute, MessageTimeout: time.Minute})
		go conn.Call(context.Background(), protocol.MethodSubscribe, &protocol.SubscribeArgs{Name: "dead", Credit: protocol.Credit{Events: 1 << 20, Bytes: 1 << 40}}, &protocol.Subscribed{})
		conn.Serve(protocol.CallbackService, neverAnswers{})
	})
}

type neverAnswers struct{}

func (neverAnswers) Notify(*protocol.Batch, *protocol.Ack) error        { select {} }
func (neverAnswers) Goodbye(*protocol.Goodbye, *protocol.Nothing) error { select {} }

// slow has little room, and a handler that takes its time.
func (f *fleet) slow() {
	client := momclient.New(f.Addr, momclient.Options{Name: "slow", AutoReconnect: true, Queue: 16})
	client.OnEvent(func(wire.Event) { time.Sleep(50 * time.Millisecond) })
	client.Subscribe(context.Background())
}

// comingBack subscribes, and is gone, over and over.
func (f *fleet) comingBack() {
	again(func() {
		client := momclient.New(f.Addr, momclient.Options{Name: "coming back", From: wire.FromOldest, Queue: 64})
		client.Subscribe(context.Background())
		client.Close()
	})
}
