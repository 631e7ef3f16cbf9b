package momclient_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/protocol"
	"mom.internal/wire/wiretest/attack"
	"mom.internal/wire/wiretest/harness"
	"mom.internal/wire/wiretest/invariant"
)

// TestTakeOver has a range loop and the OnEvent handler take over from one
// another while events wait, at the moment when the connection is lost: each
// event is delivered once, by one of the two, and decoded as it was published.
func TestTakeOver(t *testing.T) {
	const events = 200
	for round := range 100 {
		harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
			s.PublishN(events)
			var mu sync.Mutex // guards seen
			seen := make(map[uint64]int)
			note := func(e wire.Event) {
				mu.Lock()
				defer mu.Unlock()
				seen[e.Seq]++
				if e.Missed > 0 || e.RunID != s.RunID || e.Data.Status.State != wire.Transferring {
					t.Errorf("round %d: event %d is %+v", round, e.Seq, e)
				}
			}
			lost := make(chan struct{}, 1)
			c := momclient.New(harness.MemAddr, momclient.Options{From: wire.FromOldest, DialContext: s.Net.DialContext})
			defer c.Close()
			c.OnConnection(func(st momclient.ConnectionStatus) {
				if st.Kind == momclient.Lost {
					lost <- struct{}{}
				}
			})
			handled := make(chan struct{}, events)
			c.OnEvent(func(e wire.Event) { note(e); handled <- struct{}{} })
			ctx := context.Background()
			if err := c.Subscribe(ctx); err != nil {
				t.Fatal(err)
			}
			<-handled // the rest is in the queue
			s.Net.Cut()
			<-lost
			taken := 0
			loop, cancel := context.WithTimeout(ctx, time.Second) // for the round in which the handler was first
			defer cancel()
			for e, err := range c.Events(loop) {
				if err != nil {
					break
				}
				note(e)
				if taken++; taken == events/4 || e.Seq == events {
					break
				}
			}
			if err := c.Subscribe(ctx); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			for seq := uint64(1); seq <= events; seq++ {
				if seen[seq] != 1 {
					t.Errorf("round %d: event %d was delivered %d times", round, seq, seen[seq])
				}
			}
			if len(seen) != events || c.Cursor().Seq != events {
				t.Errorf("round %d: %d events were seen, and the cursor is at %d", round, len(seen), c.Cursor().Seq)
			}
		})
		if t.Failed() {
			return
		}
	}
}

// TestDuringHandler ends, replaces or closes the subscription while a handler
// runs, and another event waits: no handler call begins that should not, and
// nothing is repeated or left out.
func TestDuringHandler(t *testing.T) {
	for _, test := range []struct {
		name   string
		opts   momclient.Options
		during func(s *harness.Server, c *harness.Client)
		told   uint64 // of four events, of which the handler of the second blocks
	}{
		{"a reconnect", momclient.Options{AutoReconnect: true}, func(s *harness.Server, c *harness.Client) { s.Net.Cut() }, 4},
		{"two reconnects", momclient.Options{AutoReconnect: true}, func(s *harness.Server, c *harness.Client) {
			s.Net.Cut()
			time.Sleep(time.Second)
			s.Net.Cut()
		}, 4},
		{"Unsubscribe", momclient.Options{}, func(s *harness.Server, c *harness.Client) { c.Unsubscribe() }, 2},
		{"Close", momclient.Options{}, func(s *harness.Server, c *harness.Client) { c.Close() }, 2},
		{"another subscription", momclient.Options{}, func(s *harness.Server, c *harness.Client) {
			c.Unsubscribe()
			c.MustSubscribe()
		}, 4},
		{"a loss and another subscription", momclient.Options{}, func(s *harness.Server, c *harness.Client) {
			s.Net.Cut()
			synctest.Wait()
			c.MustSubscribe()
		}, 4},
	} {
		harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
			test.opts.From = wire.FromOldest
			c := s.Client(test.opts)
			c.OnEvent(func(e wire.Event) {
				if e.Seq == 2 {
					time.Sleep(time.Minute)
				}
			})
			c.MustSubscribe()
			s.PublishN(3)
			synctest.Wait()
			test.during(s, c)
			s.PublishN(1)
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			c.WantTold(invariant.Told{Fresh: int(test.told), Last: test.told})
			if at := c.Cursor().Seq; at != test.told {
				t.Errorf("%s: the cursor is at %d; want %d", test.name, at, test.told)
			}
		})
	}
}

// TestBacklog: events that wait for the handler when the connection is lost are
// kept, whatever the application does before the client is subscribed again, to
// the same server or to the next one. Each event is delivered once.
func TestBacklog(t *testing.T) {
	const waiting = 100
	within := func(d time.Duration, try func(context.Context)) {
		ctx, cancel := context.WithTimeout(context.Background(), d)
		defer cancel()
		try(ctx)
	}
	fails := func(ctx context.Context, t *testing.T, c *harness.Client) {
		if err := c.Subscribe(ctx); err == nil {
			t.Error("subscribed without a server")
		}
	}
	loops := func(ctx context.Context, t *testing.T, c *harness.Client) {
		for _, err := range c.Events(ctx) {
			if err == nil {
				t.Error("an event without a server")
			}
		}
	}
	for name, between := range map[string]func(t *testing.T, c *harness.Client){
		"nothing":     func(*testing.T, *harness.Client) {},
		"Unsubscribe": func(_ *testing.T, c *harness.Client) { c.Unsubscribe() },
		"a Subscribe that fails": func(t *testing.T, c *harness.Client) {
			within(time.Second, func(ctx context.Context) { fails(ctx, t, c) })
		},
		"a Subscribe that is given up": func(t *testing.T, c *harness.Client) {
			within(0, func(ctx context.Context) { fails(ctx, t, c) })
		},
		"a loop that fails": func(t *testing.T, c *harness.Client) {
			within(time.Second, func(ctx context.Context) { loops(ctx, t, c) })
		},
		"a loop that is given up": func(t *testing.T, c *harness.Client) {
			within(0, func(ctx context.Context) { loops(ctx, t, c) })
		},
	} {
		for _, auto := range []bool{false, true} {
			for _, looped := range []bool{false, true} {
				harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
					first := s.Epoch()
					c := s.Client(momclient.Options{AutoReconnect: auto})
					c.OnEvent(func(e wire.Event) {
						if e.Seq == 1 && e.Epoch == first {
							time.Sleep(time.Minute)
						}
					})
					ctx := context.Background()
					if err := c.Subscribe(ctx); err != nil {
						t.Fatal(err)
					}
					s.PublishN(1 + waiting)
					synctest.Wait()
					s.Close()
					synctest.Wait()
					if auto {
						c.Unsubscribe()
					}
					between(t, c)
					s.Start() // another epoch
					s.PublishN(1)
					if looped {
						ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
						defer cancel()
						for _, err := range c.Events(ctx) {
							if err != nil {
								break
							}
						}
					} else if err := c.Subscribe(ctx); err != nil {
						t.Errorf("%s: %v", name, err)
					}
					time.Sleep(2 * time.Minute)
					synctest.Wait()
					if told := c.Told(); told.Fresh != waiting+2 || told.Missed > 0 || told.Last != 1 {
						t.Errorf("%s, AutoReconnect %v, a loop %v: told %+v", name, auto, looped, told)
					}
				})
			}
		}
	}
}

// TestUnsubscribeAfterLoss: Unsubscribe stops the delivery of events that came
// before the connection was lost, to the handler and to a loop.
func TestUnsubscribeAfterLoss(t *testing.T) {
	for _, looped := range []bool{false, true} {
		harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
			s.PublishN(5)
			c := s.Client(momclient.Options{From: wire.FromOldest})
			first := func(e wire.Event) {
				if e.Seq == 1 {
					time.Sleep(time.Minute)
				}
			}
			if looped {
				go func() {
					for e, err := range c.Events(context.Background()) {
						if err != nil {
							return
						}
						first(e)
					}
				}()
			} else {
				c.OnEvent(first)
				c.MustSubscribe()
			}
			synctest.Wait()
			s.Net.Cut()
			synctest.Wait()
			c.Unsubscribe()
			time.Sleep(time.Hour)
			if told := c.Told(); told.Fresh != 1 {
				t.Errorf("a loop %v: told %+v", looped, told)
			}
			c.MustSubscribe()
			synctest.Wait()
			if told := c.Told(); told.Fresh != 4 || told.Last != 5 {
				t.Errorf("a loop %v: later told %+v", looped, told)
			}
		})
	}
}

// TestOldLoop: the body of a loop that was unsubscribed still runs beside the
// next loop, and the old loop takes no further event.
func TestOldLoop(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		s.PublishN(1)
		c := momclient.New(harness.MemAddr, momclient.Options{From: wire.FromOldest, DialContext: s.Net.DialContext})
		defer c.Close()
		body := make(chan struct{})
		var before, after []uint64
		go func() {
			for e, err := range c.Events(context.Background()) {
				if err == nil {
					before = append(before, e.Seq)
					<-body
				}
			}
		}()
		synctest.Wait()
		c.Unsubscribe()
		go func() {
			for e, err := range c.Events(context.Background()) {
				if err == nil {
					after = append(after, e.Seq)
				}
			}
		}()
		synctest.Wait()
		close(body)
		synctest.Wait()
		s.PublishN(3)
		synctest.Wait()
		c.Unsubscribe()
		synctest.Wait()
		if !slices.Equal(before, []uint64{1}) || !slices.Equal(after, []uint64{2, 3, 4}) {
			t.Errorf("the first loop took %v, and the second %v", before, after)
		}
	})
}

// TestLoopOvertakesHandler has a range loop begin while the handler of an
// earlier event is still running, and end each event after it: the cursor
// follows the later one, and nothing is delivered again.
func TestLoopOvertakesHandler(t *testing.T) {
	for _, first := range []string{"the handler", "the loop"} {
		harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
			c := s.Client(momclient.Options{From: wire.FromOldest})
			took := map[string]time.Duration{"the handler": 20 * time.Second, "the loop": 20 * time.Second}
			took[first] = 10 * time.Second
			c.OnEvent(func(wire.Event) { time.Sleep(took["the handler"]) })
			c.MustSubscribe()
			s.PublishN(3)
			synctest.Wait()
			c.Unsubscribe()
			for range c.Events(context.Background()) {
				time.Sleep(took["the loop"])
				break
			}
			time.Sleep(time.Minute)
			if at := c.Cursor().Seq; at != 2 {
				t.Errorf("%s returns first: the cursor is at %d; want 2", first, at)
			}
			for range c.Events(context.Background()) {
				break
			}
			c.WantTold(invariant.Told{Fresh: 3, Last: 3})
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

func (l panicLog) WithAttrs([]slog.Attr) slog.Handler { return l }

func (l panicLog) WithGroup(string) slog.Handler { return l }

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

// TestUnansweredCredit: a server that sends events, and answers none of the calls that
// give it credit, is left after as many of them as the client keeps.
func TestUnansweredCredit(t *testing.T) {
	harness.Bubble(t, func(s *harness.Server) {
		enc := protocol.NewEventEncoder()
		s.Play(func(nc net.Conn) {
			greeted(nc)
			go io.Copy(io.Discard, nc)
			nc.Write(notify(batch{Next: 2, Count: 1, Types: enc.Types(), Events: eventBytes(t, enc, 1, 0)}))
			for seq := uint64(2); ; seq++ {
				time.Sleep(time.Millisecond)
				call := attack.NextCall("Callback.Notify", &batch{Next: seq + 1, Count: 1, Events: eventBytes(t, enc, seq, 0)})
				if _, err := nc.Write(attack.Frame(1, call)); err != nil {
					return
				}
			}
		})
		c := s.Client(momclient.Options{Queue: 1})
		end := endingOf(c)
		c.MustSubscribe()
		time.Sleep(time.Second)
		if err := end.is(); !errors.Is(err, wire.Timeout) || !strings.Contains(err.Error(), "has not answered 256 calls") {
			t.Errorf("ended with %v", err)
		}
		if n := len(c.Take()); n != 257 {
			t.Errorf("after %d events", n)
		}
		c.Close()
	})
}
