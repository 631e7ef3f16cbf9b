package momclient_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"mom.internal/momclient"
)

// TestAttempts counts the attempts since the last connection that held for
// longer than a Period, and waits longer before each, up to a Period.
func TestAttempts(t *testing.T) {
	inBubble(t, func(s *site) {
		s.start()
		const period = time.Second
		c := s.client(momclient.Options{AutoReconnect: true, Period: period, Jitter: func(time.Duration) time.Duration { return 0 }})
		var next momclient.ConnectionStatus
		c.OnConnection(func(st momclient.ConnectionStatus) {
			if st.Kind == momclient.Reconnecting {
				next = st
			}
		})
		if err := c.Subscribe(context.Background()); err != nil {
			t.Fatal(err)
		}
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
			s.net.Cut()
			synctest.Wait()
			if next.Attempt != step.attempt || next.Delay != step.delay {
				t.Errorf("step %d, after a connection of %v: attempt %d in %v; want %d in %v", i, step.held, next.Attempt, next.Delay, step.attempt, step.delay)
			}
			time.Sleep(next.Delay)
			synctest.Wait()
		}
	})
}

// TestClosedOnce says once that a subscription has ended, and once that the
// client has.
func TestClosedOnce(t *testing.T) {
	inBubble(t, func(s *site) {
		s.start()
		c := s.client(momclient.Options{})
		var statuses record
		statuses.statuses(c)
		for _, end := range []func(){c.Unsubscribe, func() { c.Close() }} {
			if err := c.Subscribe(context.Background()); err != nil {
				t.Fatal(err)
			}
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
