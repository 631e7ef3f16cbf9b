package momserver_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"
	"mom.internal/wire/wiretest/faultnet"
	"mom.internal/wire/wiretest/harness"
)

// TestShutdown delivers what is cached, says goodbye, and leaves nothing.
func TestShutdown(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		c := s.Subscribed(momclient.Options{})
		slow := s.Client(momclient.Options{Queue: 5})
		slow.OnEvent(func(wire.Event) { time.Sleep(time.Second) })
		slow.Subscribe(context.Background())
		s.PublishN(30)
		start := time.Now()
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if d := time.Since(start); d < 20*time.Second || d > 40*time.Second {
			t.Errorf("it waited %v for the slow one", d)
		}
		if sum := c.Told(); sum.Fresh != 30 {
			t.Errorf("%+v", sum)
		}
		time.Sleep(time.Minute)
		for _, c := range []*harness.Client{c, slow} {
			if got := c.Statuses(); got != "connecting connected draining lost" {
				t.Errorf("statuses %s", got)
			}
		}
		if err := s.Publish(harness.Event(s.JobID, s.RunID, "", wire.Transferring)); !errors.Is(err, wire.Closed) {
			t.Error(err)
		}
	})
}

// TestShutdownGivesUp names whom it waited for when its context ends.
func TestShutdownGivesUp(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		stuck := s.Client(momclient.Options{Queue: 5, Name: "stuck one"})
		stuck.OnEvent(func(wire.Event) { time.Sleep(time.Hour) })
		stuck.Subscribe(context.Background())
		s.PublishN(30)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		start := time.Now()
		err := s.Shutdown(ctx)
		if time.Since(start) != 3*time.Second || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), `"stuck one"`) || !strings.Contains(err.Error(), " has not been sent 2") {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		stuck.Close()
		time.Sleep(2 * time.Hour)
	})
}

// rawClient is a callback endpoint that waits before each answer. Each answer
// gives credit for room more events.
type rawClient struct {
	delay  time.Duration
	room   int          // events that it gives credit for, beyond those that it has taken
	events atomic.Int64 // taken
}

func (c *rawClient) Notify(b *protocol.Batch, ack *protocol.Ack) error {
	time.Sleep(c.delay)
	taken := c.events.Add(int64(b.Count))
	*ack = protocol.Ack{Events: uint64(taken) + uint64(c.room), Bytes: 1 << 40}
	return nil
}

func (c *rawClient) Goodbye(*protocol.Goodbye, *protocol.Nothing) error {
	time.Sleep(c.delay)
	return nil
}

// subscribe serves callback on a connection of its own, and subscribes there.
// It does not wait for the reply, because a call of the server may come first,
// and callback may take as long as it likes to answer that.
func subscribe(s *harness.Server, callback any, args protocol.SubscribeArgs) *duplex.Conn {
	s.T.Helper()
	conn := s.Peer()
	go conn.Serve(protocol.CallbackService, callback)
	conn.Client().Go(protocol.MethodSubscribe, &args, &protocol.Subscribed{}, nil)
	synctest.Wait()
	return conn
}

// TestShutdownWithoutProgress: a subscriber to which no event can be sent, and
// that acknowledges none, is dropped at CallTimeout, whatever it answers.
func TestShutdownWithoutProgress(t *testing.T) {
	for _, tc := range []struct {
		name      string
		subscribe func(*harness.Server)
		answer    time.Duration // how long its goodbye is unanswered
		detail    string
	}{
		{"a handler that blocks", func(s *harness.Server) {
			c := s.Client(momclient.Options{Queue: 5})
			c.OnEvent(func(wire.Event) { time.Sleep(24 * time.Hour) })
			c.MustSubscribe()
		}, 0, "it made no progress for 5s (Config.CallTimeout) while the server shut down, and was not sent 24 events"},
		{"no room for ever", func(s *harness.Server) {
			subscribe(s, new(rawClient), protocol.SubscribeArgs{})
		}, 0, "and was not sent 30 events"},
		{"no room for its snapshot", func(s *harness.Server) {
			s.PublishN(30)
			subscribe(s, new(rawClient), protocol.SubscribeArgs{Filter: wire.Filter{States: []wire.State{wire.Transferring}}})
		}, 0, "and was not sent 31 events"},
		{"a heartbeat that is always unanswered", func(s *harness.Server) {
			var far faultnet.Network
			l, err := far.Listen(harness.MemAddr)
			if err != nil {
				s.T.Fatal(err)
			}
			go s.Serve(l)
			link := far.Link("client", faultnet.Shape{Latency: 1600 * time.Millisecond, Buffer: 64 << 10, Grid: time.Millisecond}, 1)
			s.Client(momclient.Options{DialTimeout: time.Minute, DialContext: link.DialContext}).MustSubscribe()
		}, 3200 * time.Millisecond, "it was told that the server shuts down"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			harness.Serve(t, momserver.Config{CallTimeout: 5 * time.Second, Heartbeat: 3 * time.Second}, func(s *harness.Server) {
				tc.subscribe(s)
				s.PublishN(30)
				time.Sleep(time.Minute + time.Second)
				ctx, cancel := context.WithTimeout(context.Background(), 24*time.Hour)
				defer cancel()
				start := time.Now()
				if err := s.Shutdown(ctx); err != nil {
					t.Error(err)
				}
				// A momclient may hold its answers back for a moment.
				if took, least := time.Since(start), 5*time.Second+tc.answer; took < least || took > least+50*time.Millisecond {
					t.Errorf("it took %v", took)
				}
				st := s.Stats()
				if len(st.Dropped) != 1 || st.Dropped[0].Reason != momserver.ReasonShutdown || !strings.HasSuffix(st.Dropped[0].Detail, tc.detail) {
					t.Errorf("dropped: %+v", st.Dropped)
				}
				for _, c := range s.Clients {
					c.Close()
				}
				time.Sleep(25 * time.Hour) // what is being handled ends
			})
		})
	}
}

// TestShutdownWithProgress: a subscriber that makes progress, however slowly,
// gets everything, unless it prolongs the Shutdown for too long.
func TestShutdownWithProgress(t *testing.T) {
	for _, tc := range []struct{ events, got int }{{58, 58}, {60, 60}, {100, 60}} {
		testShutdownWithProgress(t, tc.events, tc.got)
	}
}

func testShutdownWithProgress(t *testing.T, events, got int) {
	harness.Serve(t, momserver.Config{CallTimeout: 5 * time.Second, Heartbeat: protocol.MaxHeartbeat}, func(s *harness.Server) {
		s.PublishN(events)
		slow := &rawClient{delay: 5*time.Second - time.Nanosecond, room: 1}
		subscribe(s, slow, protocol.SubscribeArgs{From: wire.FromOldest, Credit: protocol.Credit{Events: 1, Bytes: 1 << 40}})
		start := time.Now()
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		want := min(time.Duration(events+1)*slow.delay, 300*time.Second) // each event, and the goodbye
		if took := time.Since(start); took != want || int(slow.events.Load()) != got {
			t.Errorf("%d of %d events in %v; want %d in %v", slow.events.Load(), events, took, got, want)
		}
		if events == 100 {
			if d := s.Stats().Dropped[0]; d.Reason != momserver.ReasonShutdown || d.Detail != "it was not sent 39 events within 60 times 5s (Config.CallTimeout) while the server shut down" {
				t.Errorf("dropped for %v: %s", d.Reason, d.Detail)
			}
		}
		time.Sleep(time.Minute)
	})
}

// reporting is a callback endpoint that answers each batch after some time,
// without credit, and gives credit for one event as long after that.
type reporting struct {
	conn   *duplex.Conn
	pause  time.Duration
	events int // taken
}

func (c *reporting) Notify(b *protocol.Batch, ack *protocol.Ack) error {
	time.Sleep(c.pause)
	c.events += int(b.Count)
	credit := protocol.Credit{Events: uint64(c.events + 1), Bytes: 1 << 40}
	time.AfterFunc(c.pause, func() { c.conn.Client().Go(protocol.MethodCredit, &credit, &protocol.Nothing{}, nil) })
	return nil
}

func (c *reporting) Goodbye(*protocol.Goodbye, *protocol.Nothing) error { return nil }

// TestShutdownProgress: both an event that is sent and an event that is
// acknowledged count as progress, if each comes just in time after the other.
func TestShutdownProgress(t *testing.T) {
	harness.Serve(t, momserver.Config{CallTimeout: 5 * time.Second, Heartbeat: protocol.MaxHeartbeat}, func(s *harness.Server) {
		s.PublishN(10)
		c := &reporting{pause: 5*time.Second - time.Nanosecond}
		c.conn = s.Peer()
		go c.conn.Serve(protocol.CallbackService, c)
		c.conn.Client().Go(protocol.MethodSubscribe, &protocol.SubscribeArgs{From: wire.FromOldest, Credit: protocol.Credit{Events: 1, Bytes: 1 << 40}}, &protocol.Subscribed{}, nil)
		synctest.Wait()
		start := time.Now()
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); c.events != 10 || took != 19*c.pause { // no report comes before the last answer
			t.Errorf("%d events in %v", c.events, took)
		}
		time.Sleep(time.Minute)
	})
}

// TestWhileDraining refuses events and further listeners as long as Shutdown
// waits for a subscriber.
func TestWhileDraining(t *testing.T) {
	harness.Serve(t, momserver.Config{CallTimeout: 5 * time.Second}, func(s *harness.Server) {
		subscribe(s, new(rawClient), protocol.SubscribeArgs{})
		s.PublishN(1)
		over := make(chan error, 1)
		go func() { over <- s.Shutdown(context.Background()) }()
		synctest.Wait()
		if err := s.Publish(harness.Event(s.JobID, s.RunID, "", wire.Transferring)); !errors.Is(err, wire.Closed) {
			t.Errorf("Publish: %v", err)
		}
		l, err := s.Net.Listen("another-server:7420")
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error, 1)
		go func() { served <- s.Serve(l) }()
		synctest.Wait()
		select {
		case err := <-served:
			if !errors.Is(err, momserver.ErrServerClosed) {
				t.Errorf("Serve: %v", err)
			}
		default:
			t.Error("it serves another listener")
		}
		select {
		case <-over:
			t.Fatal("Shutdown did not wait: this test sees too little")
		default:
		}
		if err := <-over; err != nil {
			t.Error(err)
		}
	})
}

// waking is a callback endpoint that has no room, until it is told goodbye.
type waking struct {
	conn     *duplex.Conn
	events   int // taken
	goodbyes int
}

func (c *waking) Notify(b *protocol.Batch, ack *protocol.Ack) error {
	c.events += int(b.Count)
	return nil
}

func (c *waking) Goodbye(*protocol.Goodbye, *protocol.Nothing) error {
	c.goodbyes++
	c.conn.Client().Go(protocol.MethodCredit, &protocol.Credit{Events: 100, Bytes: 1 << 40}, &protocol.Nothing{}, nil)
	time.Sleep(time.Second)
	return nil
}

// TestNothingAfterGoodbye sends no event and no second goodbye to a subscriber
// that makes room when it is told that the server shuts down.
func TestNothingAfterGoodbye(t *testing.T) {
	harness.Serve(t, momserver.Config{CallTimeout: 5 * time.Second}, func(s *harness.Server) {
		c := new(waking)
		c.conn = s.Peer()
		go c.conn.Serve(protocol.CallbackService, c)
		c.conn.Client().Go(protocol.MethodSubscribe, &protocol.SubscribeArgs{}, &protocol.Subscribed{}, nil)
		synctest.Wait()
		s.PublishN(10)
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if c.events != 0 || c.goodbyes != 1 {
			t.Errorf("%d events, %d goodbyes", c.events, c.goodbyes)
		}
		time.Sleep(time.Minute)
	})
}
