package momclient_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

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
