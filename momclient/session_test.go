package momclient_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"
	"mom.internal/wire/wiretest/faultnet"
	"mom.internal/wire/wiretest/harness"
	"mom.internal/wire/wiretest/invariant"
)

// TestDialBackSilence measures silence on the connection on which the server
// calls: an idle subscription lives on, and one whose callback connection falls
// silent is lost after two and a half heartbeats.
func TestDialBackSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network faultnet.Network
		link := network.Link("10.0.0.1", faultnet.Shape{Latency: time.Millisecond, Buffer: 1 << 16, Pieces: 1, Grid: time.Millisecond}, 1)
		back := network.Link("10.0.0.1", faultnet.Shape{Latency: time.Millisecond, Buffer: 1 << 16, Pieces: 1, Grid: time.Millisecond}, 1)
		srv := momserver.New(momserver.Config{CallTimeout: time.Hour, DialContext: back.DialBack})
		l, err := network.Listen(harness.MemAddr)
		if err != nil {
			t.Fatal(err)
		}
		go srv.Serve(l)
		defer srv.Close()
		c := momclient.New(harness.MemAddr, momclient.Options{CallbackAddr: "10.0.0.1:0", DialContext: link.DialContext, Listen: back.Listen})
		defer c.Close()
		var statuses record
		c.OnConnection(func(s momclient.ConnectionStatus) { statuses.add("%v", s.Kind) })
		if err := c.Subscribe(context.Background()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := statuses.take(); got != "connecting connected" || srv.Subscribers()[0].Callback == "" {
			t.Errorf("after an hour: %s, %+v", got, srv.Subscribers())
		}
		back.Block(faultnet.Down)
		go func() { // on the client's own connection the server is heard
			for range 100 {
				time.Sleep(time.Second)
				c.Jobs(context.Background())
			}
		}()
		time.Sleep(11 * time.Second) // three seconds since the last heartbeat, and two and a half of them
		synctest.Wait()
		if got := statuses.take(); got != "lost" {
			t.Errorf("without a heartbeat: %s", got)
		}
		time.Sleep(100 * time.Second)
		back.Heal()
	})
}

// TestBackAfterResume refuses a server that, after a resume, repeats earlier
// events: the handler is not called twice for an event, and the client resumes
// again from its own position.
func TestBackAfterResume(t *testing.T) {
	for name, again := range map[string]func(l *batcher){
		"a batch that goes back":               func(l *batcher) { l.send(1, 2, func(b *protocol.Batch) { b.Types = l.enc.Types() }) },
		"a batch that begins before the place": func(l *batcher) { l.send(2, 5, func(b *protocol.Batch) { b.Types = l.enc.Types() }) },
	} {
		harness.Bubble(t, func(s *harness.Server) {
			l := newBatcher(s, func(l *batcher, subscription int) {
				switch subscription {
				case 1:
					l.send(1, 3, nil)
					s.Net.Cut()
				case 2:
					again(l)
				case 3:
					l.send(4, 6, nil)
				}
			})
			c := s.Client(momclient.Options{AutoReconnect: true, From: wire.FromOldest})
			c.MustSubscribe()
			time.Sleep(time.Minute)
			synctest.Wait()
			var from []uint64
			for _, args := range l.asked {
				from = append(from, args.Cursor.Seq)
			}
			if !slices.Equal(from, []uint64{0, 3, 3}) {
				t.Errorf("%s: it was asked for the events after %v", name, from)
			}
			c.WantTold(invariant.Told{Fresh: 6, Last: 6})
			c.Close()
		})
	}
}

// greeter is a server that accepts subscriptions with a reply, sends nothing,
// and answers calls.
type greeter struct {
	reply protocol.Subscribed
	asked []protocol.SubscribeArgs
	pings int
}

func (g *greeter) Subscribe(args *protocol.SubscribeArgs, reply *protocol.Subscribed) error {
	g.asked = append(g.asked, *args)
	*reply = g.reply
	return nil
}

func (g *greeter) Ping(*protocol.Nothing, *protocol.Nothing) error { g.pings++; return nil }

func (g *greeter) Unsubscribe(*protocol.Nothing, *protocol.Nothing) error { return nil }

// accepts serves one connection after the other with replies.
func accepts(s *harness.Server, reply protocol.Subscribed) *greeter {
	s.T.Helper()
	g := &greeter{reply: reply}
	s.PlayService(func(*duplex.Conn) any { return g })
	return g
}

// TestLostBeforeTheFirstBatch goes on from the place that the server named when
// it accepted the subscription: events that were published since then are not
// lost.
func TestLostBeforeTheFirstBatch(t *testing.T) {
	harness.Bubble(t, func(s *harness.Server) {
		place := wire.Cursor{Epoch: uuid.NameSpaceOID, Seq: 7}
		g := accepts(s, protocol.Subscribed{Cursor: place, Head: 7})
		c := s.Client(momclient.Options{AutoReconnect: true})
		c.MustSubscribe()
		s.Net.Cut()
		time.Sleep(time.Second)
		synctest.Wait()
		if len(g.asked) != 2 || g.asked[1].From != wire.FromCursor || g.asked[1].Cursor != place {
			t.Errorf("it was asked %+v", g.asked)
		}
		c.Close()
	})
}

// TestPings: with AutoReconnect the client pings the server. Without it the
// client sends no ping, because the application decides how long to wait.
func TestPings(t *testing.T) {
	for auto, want := range map[bool]int{true: 5, false: 0} {
		harness.Bubble(t, func(s *harness.Server) {
			g := accepts(s, protocol.Subscribed{})
			c := s.Client(momclient.Options{AutoReconnect: auto, Period: 7 * time.Second})
			c.MustSubscribe()
			time.Sleep(36 * time.Second)
			synctest.Wait()
			if g.pings != want {
				t.Errorf("with AutoReconnect %v: %d pings", auto, g.pings)
			}
			c.Close()
		})
	}
}

// TestReasonOfTheEnd: if the server sent a goodbye, that is the reason, and not
// the closed connection that follows.
func TestReasonOfTheEnd(t *testing.T) {
	for name, test := range map[string]struct {
		end func(s *harness.Server)
		is  error
	}{
		"a shutdown": {func(s *harness.Server) { s.Shutdown(context.Background()) }, wire.Draining},
		"a cut":      {func(s *harness.Server) { s.Net.Cut() }, wire.Lost},
	} {
		harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
			c := s.Client(momclient.Options{})
			end := endingOf(c)
			c.MustSubscribe()
			test.end(s)
			if err := end.is(); !errors.Is(err, test.is) {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

// TestSilence takes the connection for dead two and a half heartbeats after
// the last word, and not a nanosecond before.
func TestSilence(t *testing.T) {
	harness.Bubble(t, func(s *harness.Server) {
		s.Start() // a heartbeat every 3 s
		var stalled stallable
		c := s.Client(momclient.Options{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			nc, err := s.Net.DialContext(ctx, network, addr)
			stalled.Conn = nc
			return &stalled, err
		}})
		c.MustSubscribe()
		synctest.Wait()
		c.Statuses()
		stalled.stall()
		time.Sleep(7500*time.Millisecond - time.Nanosecond)
		synctest.Wait()
		if got := c.Statuses(); got != "" {
			t.Errorf("too early: %s", got)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if got := c.Statuses(); got != "lost" {
			t.Errorf("at two and a half heartbeats: %s", got)
		}
	})
}

// stallable is a connection from which nothing comes any more once it is
// stalled, though it stays open.
type stallable struct {
	net.Conn
	mu      sync.Mutex // guards stalled
	stalled bool
}

func (s *stallable) stall() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stalled = true
}

func (s *stallable) Read(p []byte) (int, error) {
	for {
		n, err := s.Conn.Read(p)
		s.mu.Lock()
		stalled := s.stalled
		s.mu.Unlock()
		if !stalled || err != nil {
			return n, err
		}
	}
}

// TestLaggardReconnects grants room anew in each session.
func TestLaggardReconnects(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		c := s.Client(momclient.Options{AutoReconnect: true, Queue: 4})
		c.OnEvent(func(wire.Event) { time.Sleep(time.Millisecond) })
		c.Subscribe(context.Background())
		s.PublishN(100)
		time.Sleep(50 * time.Millisecond)
		s.Net.Cut()
		time.Sleep(300 * time.Millisecond)
		start := time.Now()
		s.PublishN(100)
		for s.Subscribers()[0].Lag > 0 {
			time.Sleep(time.Millisecond)
		}
		if d := time.Since(start); d > 250*time.Millisecond {
			t.Errorf("100 events took %v; room is told of only by heartbeats?", d)
		}
		time.Sleep(time.Second)
		c.WantTold(invariant.Told{Fresh: 200, Last: 200})
	})
}
