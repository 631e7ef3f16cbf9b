package momclient_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
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

// TestAttempts counts the attempts since the last connection that held for
// longer than a Period, and waits longer before each, up to a Period.
func TestAttempts(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		const period = time.Second
		c := s.Client(momclient.Options{AutoReconnect: true, Period: period})
		var next momclient.ConnectionStatus
		c.OnConnection(func(st momclient.ConnectionStatus) {
			if st.Kind == momclient.Reconnecting {
				next = st
			}
		})
		c.MustSubscribe()
		for i, step := range []struct {
			held    time.Duration
			attempt int
			delay   time.Duration
		}{
			{0, 1, 200 * time.Millisecond},
			{period, 2, 400 * time.Millisecond},
			{period, 3, 800 * time.Millisecond},
			{period, 4, period},
			{period, 5, period},
			{period + 1, 1, 200 * time.Millisecond},
			{period, 2, 400 * time.Millisecond},
			{time.Hour, 1, 200 * time.Millisecond},
			{time.Hour, 1, 200 * time.Millisecond},
		} {
			time.Sleep(step.held)
			s.Net.Cut()
			synctest.Wait()
			if next.Attempt != step.attempt || next.Delay > step.delay || next.Delay < step.delay/2 {
				t.Errorf("step %d, after a connection of %v: attempt %d in %v; want %d in at most %v", i, step.held, next.Attempt, next.Delay, step.attempt, step.delay)
			}
			time.Sleep(next.Delay)
			synctest.Wait()
		}
	})
}

// TestClosedOnce: Closed is reported once when a subscription ends, and once
// when the client does.
func TestClosedOnce(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		c := s.Client(momclient.Options{})
		for _, end := range []func(){c.Unsubscribe, func() { c.Close() }} {
			c.MustSubscribe()
			synctest.Wait()
			c.Statuses()
			end()
			synctest.Wait()
			if got := c.Statuses(); got != "closed" {
				t.Errorf("at the end: %s", got)
			}
		}
	})
}

// TestResumed: whenever the client resumes from a place, the status gives the
// number of events that are replayed and that were missed: from Options.Cursor,
// after a reconnect, and when another server has taken over.
func TestResumed(t *testing.T) {
	harness.Serve(t, momserver.Config{CacheEvents: 10}, func(s *harness.Server) {
		s.PublishN(30)
		epoch := s.Epoch()
		for _, test := range []struct {
			cursor wire.Cursor
			want   string
			told   invariant.Told
		}{
			{wire.Cursor{}, "connecting connected", invariant.Told{Snapshots: 1}},
			{wire.Cursor{Epoch: epoch, Seq: 25}, "connecting connected resumed(5,0,false)", invariant.Told{Fresh: 5, Last: 30}},
			{wire.Cursor{Epoch: epoch, Seq: 30}, "connecting connected resumed(0,0,false)", invariant.Told{}},
			{wire.Cursor{Epoch: epoch, Seq: 13}, "connecting connected resumed(10,7,false)", invariant.Told{Fresh: 10, Snapshots: 1, Gaps: 1, Missed: 7, Last: 30}},
		} {
			c := s.Client(momclient.Options{Cursor: test.cursor})
			c.MustSubscribe()
			synctest.Wait()
			if got := c.Statuses(); got != test.want {
				t.Errorf("from %d: %s; want %s", test.cursor.Seq, got, test.want)
			}
			c.WantTold(test.told)
			c.Close()
		}
	})
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		s.PublishN(3)
		s.Ledger = invariant.Unknown() // of the other server's events nothing is known
		c := s.Client(momclient.Options{Cursor: wire.Cursor{Epoch: uuid.New(), Seq: 17}})
		c.MustSubscribe()
		synctest.Wait()
		if got := c.Statuses(); got != "connecting connected resumed(3,0,true)" {
			t.Errorf("from a place of another server: %s", got)
		}
	})
	// Even if there is no place to go on from, because the first connection was
	// lost before anything came.
	harness.Bubble(t, func(s *harness.Server) {
		accepts(s, protocol.Subscribed{})
		c := s.Client(momclient.Options{AutoReconnect: true})
		c.MustSubscribe()
		s.Net.Cut()
		time.Sleep(time.Second)
		synctest.Wait()
		if got := c.Statuses(); got != "connecting connected lost reconnecting connecting resumed(0,0,false)" {
			t.Errorf("without a place: %s", got)
		}
		c.Close()
	})
}

// TestHead: the client reaches the Head of its status from wherever it begins, even if
// its filter selects none of the events.
func TestHead(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		s.PublishN(30)
		for _, opts := range []momclient.Options{
			{}, {From: wire.FromOldest}, {Cursor: wire.Cursor{Epoch: s.Epoch(), Seq: 25}}, {From: wire.FromOldest, Filter: wire.Filter{Names: []string{"none"}}},
		} {
			c := s.Client(opts)
			c.OnConnection(func(status momclient.ConnectionStatus) {
				if is := status.Kind == momclient.Connected || status.Kind == momclient.Resumed; is != (status.Head == 30) {
					t.Errorf("%v has the head %d", status, status.Head)
				}
			})
			c.MustSubscribe()
			synctest.Wait()
			if at := c.Cursor(); at.Seq != 30 {
				t.Errorf("%+v: the client is at %v", opts, at)
			}
			c.Close()
		}
	})
}

// TestUnsubscribeDuringPause ends the wait for the next attempt: none is made,
// and the last status is Closed.
func TestUnsubscribeDuringPause(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		conns := openConns{dial: s.Net.DialContext}
		c := s.Client(momclient.Options{AutoReconnect: true, DialContext: conns.DialContext})
		c.MustSubscribe()
		synctest.Wait()
		s.Net.Cut()
		synctest.Wait()
		began := time.Now()
		c.Unsubscribe()
		synctest.Wait()
		if got := c.Statuses(); got != "connecting connected lost reconnecting closed" || conns.made != 1 || time.Since(began) != 0 {
			t.Errorf("%s, %d connections, after %v", got, conns.made, time.Since(began))
		}
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
			"context deadline exceeded; the latest attempt: cannot connect to mem-server:7420: dial mem mem-server:7420: connection refused"},
		{"no server, and the caller gives up", func(_ *harness.Server, _ *harness.Client, cancel context.CancelCauseFunc) {
			cancel(errors.New("the user has gone"))
		}, context.Canceled, wire.Lost,
			"context canceled: the user has gone; the latest attempt: cannot connect to mem-server:7420: dial mem mem-server:7420: connection refused"},
		{"no server, and unsubscribed", func(_ *harness.Server, c *harness.Client, _ context.CancelCauseFunc) { c.Unsubscribe() }, wire.Closed, nil,
			"momclient: unsubscribed"},
		{"no server, and then one that refuses for good", func(s *harness.Server, _ *harness.Client, _ context.CancelCauseFunc) {
			calls(s, func(*caller, *protocol.SubscribeArgs) error { return wire.Errorf(wire.Forbidden, "not you") })
		}, wire.Forbidden, nil, "not you"},
		{"a server that does not answer", func(s *harness.Server, _ *harness.Client, _ context.CancelCauseFunc) {
			calls(s, func(*caller, *protocol.SubscribeArgs) error { time.Sleep(time.Hour); return nil })
		}, context.DeadlineExceeded, wire.Lost, // for an hour, of which Subscribe waits a minute
			"context deadline exceeded; the latest attempt: cannot connect to mem-server:7420: dial mem mem-server:7420: connection refused"},
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
		if got := c.Statuses(); got != "" || conns.made != 0 || n != 1 {
			t.Errorf("after Close: %s, %d connections, %d turns of the loop", got, conns.made, n)
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
			if err := c.Subscribe(context.Background()); !errors.Is(err, test.want) {
				t.Errorf("%s: %v", test.name, err)
			}
			synctest.Wait()
			if got := c.Statuses(); got != "connecting refused(true)" {
				t.Errorf("%s: %s", test.name, got)
			}
		})
	}
}
