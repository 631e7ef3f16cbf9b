package momclient_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/harness"
	"mom.internal/wire/wiretest/invariant"
)

// TestEventsFail: if the loop cannot subscribe, its body runs once, with the
// error that Subscribe would have returned, so that the loop does not end in
// silence.
func TestEventsFail(t *testing.T) {
	harness.Bubble(t, func(s *harness.Server) {
		c := s.Client(momclient.Options{})
		turns := 0
		for e, err := range c.Events(context.Background()) {
			if turns++; e.Seq != 0 || !errors.Is(err, wire.Lost) {
				t.Errorf("turn %d: event %d, %v", turns, e.Seq, err)
			}
		}
		if turns != 1 {
			t.Errorf("%d turns", turns)
		}
	})
}

// TestEventsDrain: after the connection is lost, a loop takes the events that
// are left, and gets the server's reason last. Until then the loop owns the
// stream: a second subscription would take events from it.
func TestEventsDrain(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		c := s.Client(momclient.Options{From: wire.FromOldest})
		s.PublishN(3)
		ctx := context.Background()
		var end error
		for e, err := range c.Events(ctx) {
			if err != nil {
				end = err
				continue
			}
			if e.Seq == 1 {
				s.Shutdown(ctx)
				synctest.Wait()
				s.Start()
			}
			if err := c.Subscribe(ctx); !errors.Is(err, wire.AlreadySubscribed) {
				t.Errorf("while event %d is handled: %v", e.Seq, err)
			}
		}
		if !errors.Is(end, wire.Draining) {
			t.Errorf("ended by %v", end)
		}
		c.WantTold(invariant.Told{Fresh: 3, Last: 3})
		if err := c.Subscribe(ctx); err != nil {
			t.Errorf("after the loop: %v", err)
		}
	})
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
