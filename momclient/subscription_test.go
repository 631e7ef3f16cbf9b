package momclient_test

import (
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
		c := s.Client(momclient.Options{AutoReconnect: true, Period: period, Jitter: func(time.Duration) time.Duration { return 0 }})
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
			if next.Attempt != step.attempt || next.Delay != step.delay {
				t.Errorf("step %d, after a connection of %v: attempt %d in %v; want %d in %v", i, step.held, next.Attempt, next.Delay, step.attempt, step.delay)
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
		var statuses record
		statuses.statuses(c)
		for _, end := range []func(){c.Unsubscribe, func() { c.Close() }} {
			c.MustSubscribe()
			synctest.Wait()
			statuses.take()
			end()
			synctest.Wait()
			if got := statuses.take(); got != "closed" {
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
			var statuses record
			statuses.statuses(c)
			c.MustSubscribe()
			synctest.Wait()
			if got := statuses.take(); got != test.want {
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
		var statuses record
		statuses.statuses(c)
		c.MustSubscribe()
		synctest.Wait()
		if got := statuses.take(); got != "connecting connected resumed(3,0,true)" {
			t.Errorf("from a place of another server: %s", got)
		}
	})
	// Even if there is no place to go on from, because the first connection was
	// lost before anything came.
	harness.Bubble(t, func(s *harness.Server) {
		accepts(s, protocol.Subscribed{})
		c := s.Client(momclient.Options{AutoReconnect: true})
		var statuses record
		statuses.statuses(c)
		c.MustSubscribe()
		s.Net.Cut()
		time.Sleep(time.Second)
		synctest.Wait()
		if got := statuses.take(); got != "connecting connected lost reconnecting connecting resumed(0,0,false)" {
			t.Errorf("without a place: %s", got)
		}
		c.Close()
	})
}

// TestUnsubscribeDuringPause ends the wait for the next attempt: none is made,
// and the last status is Closed.
func TestUnsubscribeDuringPause(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		conns := openConns{dial: s.Net.DialContext}
		c := s.Client(momclient.Options{AutoReconnect: true, DialContext: conns.DialContext})
		var statuses record
		statuses.statuses(c)
		c.MustSubscribe()
		synctest.Wait()
		s.Net.Cut()
		synctest.Wait()
		began := time.Now()
		c.Unsubscribe()
		synctest.Wait()
		if got := statuses.take(); got != "connecting connected lost reconnecting closed" || conns.made != 1 || time.Since(began) != 0 {
			t.Errorf("%s, %d connections, after %v", got, conns.made, time.Since(began))
		}
	})
}
