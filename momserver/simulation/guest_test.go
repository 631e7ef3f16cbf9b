package simulation_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/rpc"
	"sync"
	"time"

	"github.com/google/uuid"

	"mom.internal/wire"
	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"
	"mom.internal/wire/wiretest/faultnet"
	"mom.internal/wire/wiretest/invariant"
)

// guest_test.go holds peers that keep to the protocol, on links without faults,
// but do what momclient never does.

// greet connects to the server and greets it. The connection serves nothing
// before its Serve is called.
func (w *simulation) greet(ctx context.Context, e *actor, l *faultnet.Link) (*duplex.Conn, protocol.Welcome, error) {
	nc, err := l.DialContext(ctx, "mem", address)
	if err != nil {
		return nil, protocol.Welcome{}, err
	}
	var welcome protocol.Welcome
	secured, err := w.secure(ctx, nc)
	if err == nil {
		welcome, err = protocol.Greet(secured, theToken, 2*time.Second+e.offset)
	}
	if err != nil {
		nc.Close()
		return nil, welcome, err
	}
	return duplex.NewConn(secured, duplex.ConnConfig{MaxMessage: 4 << 20, MaxWaiting: 1 << 20, WriteTimeout: time.Minute, MessageTimeout: time.Minute}), welcome, nil
}

// secure puts TLS on the connection, if the simulation has TLS.
func (w *simulation) secure(ctx context.Context, nc net.Conn) (net.Conn, error) {
	cfg := w.keys.ofClient()
	if cfg == nil {
		return nc, nil
	}
	cfg.ServerName = "server"
	tc := tls.Client(nc, cfg)
	return protocol.HardClose(tc), tc.HandshakeContext(ctx)
}

// guest comes again and again.
type guest struct {
	*actor
	link *faultnet.Link
}

func newGuest(w *simulation) *guest {
	g := &guest{actor: w.actor("guest")}
	g.link = w.link(g.actor, "10.0.1.2", g.between(grid, 2*time.Millisecond), 0, 16<<10, 1)
	return g
}

// What a guest does.
const (
	guestPrefix  = "guest that "
	unsubscribed = guestPrefix + "unsubscribes and stays"
	turnedDown   = guestPrefix + "is refused a subscription and stays"
	slowOnce     = guestPrefix + "does not read for a while"
	longFilter   = guestPrefix + "subscribes with a long filter"
	noCredit     = guestPrefix + "gives no credit"
	asksOften    = guestPrefix + "asks for pages and pings over and over"
)

func (g *guest) live() {
	for !g.w.healed() {
		g.rest(g.between(grid, time.Second))
		what := one(g.actor, unsubscribed, turnedDown, slowOnce, slowOnce, longFilter, noCredit, asksOften)
		g.did("%s: %v", what, g.visit(what) == nil)
	}
}

func (g *guest) visit(what string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second+g.offset)
	defer cancel()
	conn, welcome, err := g.w.greet(ctx, g.actor, g.link)
	if err != nil {
		return err
	}
	var callback any = &badCallback{}
	if what == noCredit || what == longFilter {
		callback = miser{}
	}
	go conn.Serve(protocol.CallbackService, callback)
	defer conn.Wait()
	defer conn.Close(wire.Errorf(wire.Closed, "enough"))
	switch what {
	case unsubscribed:
		if err = conn.Call(ctx, protocol.MethodSubscribe, &protocol.SubscribeArgs{Name: what, Credit: protocol.Credit{Events: 1000, Bytes: 1 << 40}}, &protocol.Subscribed{}); err == nil {
			err = conn.Call(ctx, protocol.MethodUnsubscribe, &protocol.Nothing{}, &protocol.Nothing{})
		}
		if err == nil {
			g.stay(conn)
		}
	case turnedDown:
		args := &protocol.SubscribeArgs{Name: what, From: wire.FromCursor, Cursor: wire.Cursor{Epoch: welcome.Epoch, Seq: 1 << 40}}
		if err = conn.Call(ctx, protocol.MethodSubscribe, args, &protocol.Subscribed{}); conn.Err() == nil && wire.IsFinal(err) {
			err = nil
			g.stay(conn)
		}
	case slowOnce:
		g.stall(conn)
	case longFilter, noCredit:
		args := &protocol.SubscribeArgs{Name: what, From: wire.FromOldest}
		if what == longFilter {
			for i := range 100 {
				args.Filter.Jobs = append(args.Filter.Jobs, g.id())
				args.Filter.Names = append(args.Filter.Names, fmt.Sprint("no job ", i))
			}
		}
		if err = conn.Call(ctx, protocol.MethodSubscribe, args, &protocol.Subscribed{}); err == nil {
			g.sleep(g.between(grid, 1500*time.Millisecond))
		}
	case asksOften:
		for range 50 {
			if err == nil {
				err = conn.Call(ctx, protocol.MethodJobs, &protocol.JobsArgs{After: uuid.Max}, &protocol.Page{})
			}
			if err == nil {
				err = conn.Call(ctx, protocol.MethodHistory, &protocol.HistoryArgs{}, &protocol.Page{})
			}
			if err == nil {
				err = conn.Call(ctx, protocol.MethodPing, &protocol.Nothing{}, &protocol.Nothing{})
			}
		}
		g.sleep(0)
	}
	return err
}

// miser answers all calls, and gives no credit.
type miser struct{}

func (miser) Notify(*protocol.Batch, *protocol.Ack) error        { return nil }
func (miser) Goodbye(*protocol.Goodbye, *protocol.Nothing) error { return nil }

// stay does nothing, until the server has closed the connection for that.
func (g *guest) stay(conn *duplex.Conn) {
	within := g.w.cfg.IdleTimeout + time.Second
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-conn.Done():
	case <-timer.C:
		g.w.violated(invariant.Bounded, "a connection without a subscription is open after %v", within)
	case <-g.w.ending:
	}
	g.sleep(0)
}

// stall asks for more than the connection holds, does not read for a while, and
// then checks that it gets all answers.
func (g *guest) stall(conn *duplex.Conn) {
	const asked = 12 // of the 16 calls that may be unanswered
	answers := make(chan *rpc.Call, asked)
	g.link.Block(faultnet.Down)
	for range asked {
		conn.Client().Go(protocol.MethodHistory, &protocol.HistoryArgs{}, &protocol.Page{}, answers)
	}
	g.sleep(g.between(100*time.Millisecond, 1500*time.Millisecond))
	g.link.Unblock(faultnet.Down)
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	for n := range asked {
		select {
		case <-answers: // an error, too, where the server has ended
		case <-timer.C:
			g.w.violated(invariant.Liveness, "%d of %d answers have come a second after the peer reads again", n, asked)
			return
		}
	}
	g.sleep(0)
}

// newcomers are clients that come and leave, each from an address of its own or
// from that of the strangers.
type newcomers struct {
	*actor
	offset time.Duration // of their links
	n      int
}

func newNewcomers(w *simulation) *newcomers {
	return &newcomers{actor: w.actor("newcomers"), offset: w.actor("newcomers/link").offset}
}

func (n *newcomers) live() {
	for !n.w.healed() {
		n.rest(n.between(100*time.Millisecond, 3*time.Second))
		n.n++
		ip := fmt.Sprintf("10.1.%d.%d", n.n/250, n.n%250)
		if n.odds(2) {
			ip = strangersNetwork(n.n)
		}
		link := n.w.net.Link(ip, faultnet.Shape{
			Latency: grid, Buffer: 4 << 10, TLS: n.w.keys != nil, Grid: grid, Offset: n.offset,
		}, n.rand.Uint64())
		n.visit(link)
	}
}

// getsIn is the time within which a client with the right token is let in, whatever
// others behind the same address do: half a second because of the others, and the
// time that the greeting travels.
const getsIn = 505 * time.Millisecond

func (n *newcomers) visit(link *faultnet.Link) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second+n.actor.offset)
	defer cancel()
	if !n.odds(3) { // says nothing
		if nc, err := link.DialContext(ctx, "mem", address); err == nil {
			n.sleep(n.between(0, 100*time.Millisecond))
			nc.Close()
		}
		return
	}
	came := time.Now()
	conn, _, err := n.w.greet(ctx, n.actor, link)
	took := time.Since(came)
	if since, up := n.w.host.upSince(); up && since.Before(came) && (err != nil || took > getsIn) {
		n.w.violated(invariant.Healthy, "newcomer %d was let in after %v, and should within %v: %v", n.n, took, getsIn, err)
	}
	n.did("newcomer %d: %v", n.n, err == nil)
	if err != nil {
		return
	}
	go conn.Serve("", nil)
	conn.Call(ctx, protocol.MethodPing, &protocol.Nothing{}, &protocol.Nothing{})
	conn.Close(wire.Errorf(wire.Closed, "enough"))
	conn.Wait()
}

// strangers are clients that the server never lets in.
type strangers struct {
	*actor
	link *faultnet.Link
}

// strangersNetwork returns the n-th address of the network of the strangers, which
// the server takes for one address.
func strangersNetwork(n int) string { return fmt.Sprintf("[fd00::1:%x]", n) }

func newStrangers(w *simulation) *strangers {
	s := &strangers{actor: w.actor("strangers")}
	s.link = w.link(s.actor, strangersNetwork(0), grid, 0, 4<<10, 1)
	return s
}

// What strangers do.
const (
	wrongToken = "bring a wrong token"
	connected  = "hang up when they are connected"
	garbage    = "send garbage"
	silence    = "say nothing"
)

func (s *strangers) live() {
	for !s.w.healed() {
		s.rest(s.between(grid, 2*time.Second))
		what, n := one(s.actor, wrongToken, connected, garbage, silence), 1+s.rand.IntN(40)
		if what == garbage && s.odds(2) {
			n = 150 // so many that the last would wait for longer than anybody may
		}
		ctx, leave := context.WithCancel(context.Background())
		var all sync.WaitGroup
		for range n {
			nc, err := s.link.DialContext(ctx, "mem", address)
			if err != nil {
				break
			}
			all.Go(func() {
				defer nc.Close()
				if s.act(ctx, nc, what); what != connected {
					<-ctx.Done()
				}
			})
		}
		s.rest(s.between(grid, time.Second))
		leave()
		all.Wait()
		s.did("%s", what)
	}
}

// act is what one stranger does before it waits or hangs up.
func (s *strangers) act(ctx context.Context, nc net.Conn, what string) {
	switch what {
	case garbage:
		nc.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
	case wrongToken, connected:
		secured, err := s.w.secure(ctx, nc)
		if err == nil && what == wrongToken {
			protocol.Greet(secured, "a wrong token", 2*time.Second)
		}
	}
}
