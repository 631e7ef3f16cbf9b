package momclient_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/protocol"
	"mom.internal/wire/wiretest/harness"
	"mom.internal/wire/wiretest/invariant"
)

// record keeps what a handler was given, as text.
type record struct {
	mu    sync.Mutex // guards lines
	lines []string
}

func (r *record) add(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, fmt.Sprintf(format, args...))
}

// take returns the lines so far, and forgets them.
func (r *record) take() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines := strings.Join(r.lines, " ")
	r.lines = nil
	return lines
}

func (r *record) statuses(c *harness.Client) {
	c.OnConnection(func(s momclient.ConnectionStatus) {
		switch s.Kind {
		case momclient.Resumed:
			r.add("resumed(%d,%d,%v)", s.Replayed, s.Missed, s.NewEpoch)
		case momclient.Refused:
			r.add("refused(%v)", s.Final)
		default:
			r.add("%v", s.Kind)
		}
	})
}

// TestStatusesInOrder follows a client through a server's life, and the next
// one's.
func TestStatusesInOrder(t *testing.T) {
	harness.Bubble(t, func(s *harness.Server) {
		c := s.Client(momclient.Options{AutoReconnect: true})
		var statuses record
		statuses.statuses(c)
		subscribed := make(chan error, 1)
		go func() { subscribed <- c.Subscribe(context.Background()) }()
		synctest.Wait()
		if got := statuses.take(); got != "connecting lost reconnecting" {
			t.Errorf("without a server: %s", got)
		}
		s.Start()
		if err := <-subscribed; err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := statuses.take(); !strings.HasSuffix(got, "reconnecting connecting connected") && got != "connecting connected" {
			t.Errorf("with one: %s", got)
		}
		s.PublishN(3)
		synctest.Wait()
		s.Net.Cut()
		s.PublishN(2)
		time.Sleep(time.Second)
		synctest.Wait()
		if got := statuses.take(); got != "lost reconnecting connecting resumed(2,0,false)" {
			t.Errorf("after a cut: %s", got)
		}
		s.Shutdown(context.Background())
		synctest.Wait()
		if got := statuses.take(); got != "draining lost reconnecting" {
			t.Errorf("after a shutdown: %s", got)
		}
		s.Start()
		s.PublishN(4)
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := statuses.take(); !strings.HasSuffix(got, "connecting resumed(4,0,true)") {
			t.Errorf("after a restart: %s", got)
		}
		c.Close()
		synctest.Wait()
		if got := statuses.take(); got != "closed" {
			t.Errorf("after Close: %s", got)
		}
		c.WantTold(invariant.Told{Fresh: 9, Last: 4}) // five of the one epoch, four of the other
	})
}

// TestOwnReconnect is the first of the two ways: the application is told, and
// subscribes again itself.
func TestOwnReconnect(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		c := s.Client(momclient.Options{})
		lost := make(chan error, 1)
		c.OnConnection(func(st momclient.ConnectionStatus) {
			if st.Kind == momclient.Lost {
				select {
				case lost <- c.Subscribe(context.Background()):
				default:
				}
			}
		})
		c.MustSubscribe()
		s.PublishN(2)
		synctest.Wait()
		s.Net.Cut()
		s.PublishN(2)
		if err := <-lost; err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		c.WantTold(invariant.Told{Fresh: 4, Last: 4})
	})
}

// TestFromInsideHandlers calls everything from inside the handlers.
func TestFromInsideHandlers(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		c := s.Client(momclient.Options{})
		ctx := context.Background()
		c.OnEvent(func(e wire.Event) {
			switch e.Seq {
			case 1:
				if _, _, err := c.History(ctx, wire.Cursor{}, 0); err != nil {
					t.Error(err)
				}
				if _, err := c.Jobs(ctx); err != nil {
					t.Error(err)
				}
				if err := c.Subscribe(ctx); !errors.Is(err, wire.AlreadySubscribed) {
					t.Error(err)
				}
			case 2:
				c.Unsubscribe()
				if err := c.Subscribe(ctx); err != nil {
					t.Error(err)
				}
			case 5:
				c.Close()
				if err := c.Subscribe(ctx); !errors.Is(err, wire.Closed) {
					t.Error(err)
				}
			}
		})
		if err := c.Subscribe(ctx); err != nil {
			t.Fatal(err)
		}
		s.PublishN(9)
		time.Sleep(time.Minute)
		synctest.Wait()
		c.WantTold(invariant.Told{Fresh: 5, Last: 5})
		if n := s.Stats().Subscribers; n != 0 {
			t.Errorf("%d subscribers left", n)
		}
	})
}

// TestSubscribeErrors: the error of Subscribe tells what ended the call and,
// with AutoReconnect, why the latest attempt failed, so that a user who waited
// in vain for a server learns the reason.
func TestSubscribeErrors(t *testing.T) {
	for _, test := range []struct {
		name  string
		end   func(s *harness.Server, c *harness.Client, cancel context.CancelCauseFunc)
		is    error
		isToo error
		text  string
	}{
		{"no server in time", func(*harness.Server, *harness.Client, context.CancelCauseFunc) {}, context.DeadlineExceeded, wire.Lost,
			"context deadline exceeded; at last: cannot connect to mem-server:7420: dial mem mem-server:7420: connection refused"},
		{"no server, and the caller gives up", func(_ *harness.Server, _ *harness.Client, cancel context.CancelCauseFunc) {
			cancel(errors.New("the user has gone"))
		}, context.Canceled, wire.Lost,
			"context canceled: the user has gone; at last: cannot connect to mem-server:7420: dial mem mem-server:7420: connection refused"},
		{"no server, and unsubscribed", func(_ *harness.Server, c *harness.Client, _ context.CancelCauseFunc) { c.Unsubscribe() }, wire.Closed, nil,
			"momclient: unsubscribed"},
		{"no server, and then one that refuses for good", func(s *harness.Server, _ *harness.Client, _ context.CancelCauseFunc) {
			calls(s, func(*caller, *protocol.SubscribeArgs) error { return wire.Errorf(wire.Forbidden, "not you") })
		}, wire.Forbidden, nil, "not you"},
		{"a server that does not answer", func(s *harness.Server, _ *harness.Client, _ context.CancelCauseFunc) {
			calls(s, func(*caller, *protocol.SubscribeArgs) error { time.Sleep(time.Hour); return nil })
		}, context.DeadlineExceeded, wire.Lost, // for an hour, of which Subscribe waits a minute
			"context deadline exceeded; at last: cannot connect to mem-server:7420: dial mem mem-server:7420: connection refused"},
	} {
		harness.Bubble(t, func(s *harness.Server) {
			c := s.Client(momclient.Options{AutoReconnect: true, CallTimeout: 2 * time.Hour, Period: 2 * time.Hour})
			ctx, stop := context.WithTimeout(context.Background(), time.Minute)
			defer stop()
			ctx, cancel := context.WithCancelCause(ctx)
			defer cancel(nil)
			ended := make(chan error, 1)
			go func() { ended <- c.Subscribe(ctx) }()
			time.Sleep(time.Second)
			test.end(s, c, cancel)
			err := <-ended
			if !errors.Is(err, test.is) || test.isToo != nil && !errors.Is(err, test.isToo) || err.Error() != test.text {
				t.Errorf("%s: %v", test.name, err)
			}
			time.Sleep(2 * time.Hour)
		})
	}
	// Without a failed attempt there is the one reason.
	harness.Bubble(t, func(s *harness.Server) {
		serveSlowly(s, &slow{greets: time.Hour})
		c := s.Client(momclient.Options{DialTimeout: 2 * time.Hour})
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := c.Subscribe(ctx); err != context.DeadlineExceeded {
			t.Errorf("in the first attempt: %v", err)
		}
		time.Sleep(2 * time.Hour)
	})
}

// TestSubscribeClosed: Subscribe of a closed client fails at once, makes no
// connection, and reports no status.
func TestSubscribeClosed(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		conns := openConns{dial: s.Net.DialContext}
		c := s.Client(momclient.Options{DialContext: conns.DialContext})
		var statuses record
		statuses.statuses(c)
		c.Close()
		if err := c.Subscribe(context.Background()); !errors.Is(err, wire.Closed) || err.Error() != "momclient: the client is closed" {
			t.Error(err)
		}
		n := 0
		for _, err := range c.Events(context.Background()) {
			if n++; !errors.Is(err, wire.Closed) {
				t.Errorf("the loop's turn %d: %v", n, err)
			}
		}
		synctest.Wait()
		if got := statuses.take(); got != "" || conns.made != 0 || n != 1 {
			t.Errorf("after Close: %s, %d connections, %d turns of the loop", got, conns.made, n)
		}
	})
}

// TestClosedComesLast: Closed is reported when nothing of the client is left,
// not even a call of History.
func TestClosedComesLast(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		subscribed := false
		c := s.Client(momclient.Options{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			nc, err := s.Net.DialContext(ctx, network, addr)
			if subscribed {
				nc = slowToClose{nc}
			}
			return nc, err
		}})
		var closed time.Time
		c.OnConnection(func(st momclient.ConnectionStatus) {
			if st.Kind == momclient.Closed {
				closed = st.Time
			}
		})
		c.MustSubscribe()
		subscribed = true
		go c.History(context.Background(), wire.Cursor{}, 0)
		synctest.Wait() // its connection is being closed, which takes a second
		began := time.Now()
		c.Close()
		synctest.Wait()
		if took := time.Since(began); took != time.Second || closed.Sub(began) != took {
			t.Errorf("Close took %v, and the status came after %v", took, closed.Sub(began))
		}
	})
}

// stubborn is a connection whose Read takes a second to fail.
type stubborn struct {
	net.Conn
	reading *atomic.Int32
}

func (c stubborn) Read(p []byte) (int, error) {
	c.reading.Add(1)
	defer c.reading.Add(-1)
	n, err := c.Conn.Read(p)
	if err != nil {
		time.Sleep(time.Second)
	}
	return n, err
}

// TestGoroutinesGone: when Unsubscribe, Close, a failed Subscribe, History or
// Jobs return, nobody reads from their connection any more.
func TestGoroutinesGone(t *testing.T) {
	ctx := context.Background()
	for name, do := range map[string]func(c *harness.Client) error{
		"Unsubscribe": func(c *harness.Client) error {
			defer c.Unsubscribe()
			return c.Subscribe(ctx)
		},
		"Close": func(c *harness.Client) error {
			defer c.Close()
			return c.Subscribe(ctx)
		},
		"History": func(c *harness.Client) error {
			_, _, err := c.History(ctx, wire.Cursor{}, 0)
			return err
		},
		"Jobs": func(c *harness.Client) error {
			_, err := c.Jobs(ctx)
			return err
		},
		"a refused Subscribe": func(c *harness.Client) error {
			if err := c.Subscribe(ctx); !errors.Is(err, wire.Full) {
				return fmt.Errorf("not refused: %w", err)
			}
			return nil
		},
	} {
		harness.Bubble(t, func(s *harness.Server) {
			if name == "a refused Subscribe" {
				s.Config.MaxSubscribers = 1
				s.Start()
				if err := s.Client(momclient.Options{}).Subscribe(ctx); err != nil {
					t.Fatal(err)
				}
			} else {
				s.Start()
			}
			var reading atomic.Int32
			c := s.Client(momclient.Options{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				nc, err := s.Net.DialContext(ctx, network, addr)
				return stubborn{nc, &reading}, err
			}})
			if err := do(c); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if n := reading.Load(); n != 0 {
				t.Errorf("after %s its connection is still read", name)
			}
		})
	}
}

// TestPanic reports a handler's panic, and the next event comes. OnPanic is
// called. Without OnPanic the panic is logged, by slog.Default if there is no
// Logger either, because otherwise the panic would be lost.
func TestPanic(t *testing.T) {
	defer slog.SetDefault(slog.Default())
	for _, test := range []struct {
		name                    string
		onPanic, logger         bool
		told, logged, byDefault string
	}{
		{"OnPanic", true, false, "2:ouch 0:oh", "", ""},
		{"OnPanic and Logger", true, true, "2:ouch 0:oh", "", ""},
		{"Logger", false, true, "", "event 2: ouch OnConnection handler panicked: oh", ""},
		{"neither", false, false, "", "", "event 2: ouch OnConnection handler panicked: oh"},
	} {
		harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
			var told, logged, byDefault record
			slog.SetDefault(slog.New(panicLog{&byDefault}))
			var opts momclient.Options
			if test.onPanic {
				opts.OnPanic = func(p *momclient.PanicError) {
					seq := uint64(0)
					if p.Event != nil {
						seq = p.Event.Seq
					}
					told.add("%d:%v", seq, p.Value)
				}
			}
			if test.logger {
				opts.Logger = slog.New(panicLog{&logged})
			}
			c := s.Client(opts)
			c.OnEvent(func(e wire.Event) {
				if e.Seq == 2 {
					panic("ouch")
				}
			})
			c.OnConnection(func(st momclient.ConnectionStatus) {
				if st.Kind == momclient.Closed {
					panic("oh")
				}
			})
			c.Subscribe(context.Background())
			s.PublishN(3)
			synctest.Wait()
			c.WantTold(invariant.Told{Fresh: 3, Last: 3})
			c.Close()
			synctest.Wait()
			for what, is := range map[string][2]string{"OnPanic": {told.take(), test.told}, "Logger": {logged.take(), test.logged}, "slog.Default": {byDefault.take(), test.byDefault}} {
				if is[0] != is[1] {
					t.Errorf("with %s, %s was told %q; want %q", test.name, what, is[0], is[1])
				}
			}
		})
	}
}

// panicLog records what is logged about panics, each with its stack.
type panicLog struct{ to *record }

func (l panicLog) Enabled(context.Context, slog.Level) bool { return true }
func (l panicLog) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l panicLog) WithGroup(string) slog.Handler            { return l }

func (l panicLog) Handle(_ context.Context, r slog.Record) error {
	if !strings.Contains(r.Message, "panicked") {
		return nil
	}
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "stack" && strings.Contains(a.Value.String(), "panic") {
			_, what, _ := strings.Cut(r.Message, "panicked at ")
			if what == "" {
				_, what, _ = strings.Cut(r.Message, "the ")
			}
			l.to.add("%s", what)
		}
		return true
	})
	return nil
}

// TestEvents is the stream as a range loop: broken off, gone on with, and
// ended by its context.
func TestEvents(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		c := s.Client(momclient.Options{From: wire.FromOldest})
		s.PublishN(5)
		for e, err := range c.Events(context.Background()) {
			if err != nil {
				t.Fatal(err)
			}
			if at := c.Cursor().Seq; at != e.Seq-1 {
				t.Errorf("the cursor is at %d while %d is handled", at, e.Seq)
			}
			if e.Seq == 3 {
				break
			}
		}
		if at := c.Cursor().Seq; at != 3 {
			t.Errorf("broken off at event 3 the cursor is at %d", at)
		}
		c.WantTold(invariant.Told{Fresh: 3, Last: 3})
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		var end error
		for _, err := range c.Events(ctx) {
			end = err
		}
		c.WantTold(invariant.Told{Fresh: 2, Last: 5})
		if !errors.Is(end, context.DeadlineExceeded) {
			t.Errorf("ended by %v", end)
		}
		synctest.Wait() // until the server knows
		if s.Stats().Subscribers != 0 {
			t.Error("still subscribed")
		}
	})
}

// TestEventsEnd without AutoReconnect when the connection is lost, after all
// that came before.
func TestEventsEnd(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		c := s.Client(momclient.Options{From: wire.FromOldest})
		s.PublishN(1)
		n := 0
		var end error
		for _, err := range c.Events(context.Background()) {
			if err != nil {
				end = err
				continue
			}
			if n++; n == 1 {
				s.PublishN(4)
				synctest.Wait()
				s.Net.Cut()
				synctest.Wait()
			}
		}
		c.WantTold(invariant.Told{Fresh: 5, Last: 5})
		if !errors.Is(end, wire.Lost) {
			t.Errorf("ended by %v", end)
		}
	})
}

// TestRefusedForGood ends at once, and says so.
func TestRefusedForGood(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer string
		want   error
	}{
		{"another version", "MoM\x01\x09\x00\x00\x18" + strings.Repeat("x", 24), wire.VersionMismatch},
		{"HTTP", "HTTP/1.1 400 Bad Request\r\n\r\n", wire.NotMoM},
		{"SSH", "SSH-2.0-OpenSSH_9.2\r\n", wire.NotMoM},
	} {
		harness.Bubble(t, func(s *harness.Server) {
			s.Play(func(nc net.Conn) {
				go io.Copy(io.Discard, nc)
				io.WriteString(nc, test.answer)
			})
			c := s.Client(momclient.Options{AutoReconnect: true})
			var statuses record
			statuses.statuses(c)
			if err := c.Subscribe(context.Background()); !errors.Is(err, test.want) {
				t.Errorf("%s: %v", test.name, err)
			}
			synctest.Wait()
			if got := statuses.take(); got != "connecting refused(true)" {
				t.Errorf("%s: %s", test.name, got)
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
		var statuses record
		statuses.statuses(c)
		c.MustSubscribe()
		synctest.Wait()
		statuses.take()
		stalled.stall()
		time.Sleep(7500*time.Millisecond - time.Nanosecond)
		synctest.Wait()
		if got := statuses.take(); got != "" {
			t.Errorf("too early: %s", got)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if got := statuses.take(); got != "lost" {
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

// TestHistory asks for cached events without subscribing, in pages.
func TestHistory(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		s.PublishN(5000)
		c := s.Client(momclient.Options{})
		ctx := context.Background()
		all, end, err := c.History(ctx, wire.Cursor{}, 0)
		if err != nil || len(all) != 5000 || all[4999].Seq != 5000 || end.Seq != 5000 {
			t.Fatalf("%d events up to %v, %v", len(all), end, err)
		}
		some, next, err := c.History(ctx, all[9].Cursor(), 7)
		if err != nil || len(some) != 7 || some[0].Seq != 11 || next.Seq != 17 || some[0].Missed != 0 {
			t.Errorf("7 after the 10th: %d from %d, next %v, %v", len(some), some[0].Seq, next, err)
		}
		none, next, err := c.History(ctx, end, 0)
		if err != nil || len(none) != 0 || next != end {
			t.Errorf("after the last: %d, %v, %v", len(none), next, err)
		}
		if _, _, err := c.History(ctx, wire.Cursor{Epoch: end.Epoch, Seq: 6000}, 0); !errors.Is(err, wire.BadRequest) {
			t.Errorf("after one to come: %v", err)
		}
		other, _, err := c.History(ctx, wire.Cursor{Epoch: uuid.New(), Seq: 6000}, 1)
		if err != nil || len(other) != 1 || other[0].Seq != 1 {
			t.Errorf("after one of another epoch: %v, %v", other, err)
		}
		s.PublishN(10_001)
		gone, _, err := c.History(ctx, all[9].Cursor(), 1)
		if err != nil || len(gone) != 1 || gone[0].Missed != 4991 || gone[0].Seq != 5002 {
			t.Errorf("after a gap: %+v, %v", gone, err)
		}
		jobs, err := c.Jobs(ctx)
		if err != nil || len(jobs) != 1 || jobs[0].Seq != 15_001 {
			t.Errorf("jobs: %v, %v", jobs, err)
		}
	})
}
