package momclient_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/invariant"
)

// TestGapBeforeAnEvent has a gap after which the filter takes nothing for a
// while: its count waits for the next event, and is not lost, whoever ends
// meanwhile.
func TestGapBeforeAnEvent(t *testing.T) {
	for name, meanwhile := range map[string]func(s *site, c *follower, opts momclient.Options) *follower{
		"nothing": func(_ *site, c *follower, _ momclient.Options) *follower { return c },
		"unsubscribed": func(s *site, c *follower, _ momclient.Options) *follower {
			c.Unsubscribe()
			if err := c.Subscribe(context.Background()); err != nil {
				s.t.Error(err)
			}
			return c
		},
		"another client": func(s *site, c *follower, opts momclient.Options) *follower {
			opts.Cursor = c.Cursor()
			c.Close()
			next := s.client(opts)
			if err := next.Subscribe(context.Background()); err != nil {
				s.t.Error(err)
			}
			return next
		},
	} {
		inBubble(t, func(s *site) {
			s.cfg.CacheEvents = 100
			s.start()
			opts := momclient.Options{Filter: wire.Filter{States: []wire.State{wire.JobCompleted}}}
			c := s.client(opts)
			if err := c.Subscribe(context.Background()); err != nil {
				t.Fatal(err)
			}
			s.publish(10)
			time.Sleep(5 * time.Second) // a heartbeat tells that they were filtered out
			before := c.Cursor()
			c.Unsubscribe()
			s.publish(400)
			if err := c.Subscribe(context.Background()); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if got := c.Cursor(); before.Seq != 10 || got != before {
				t.Errorf("%s: the cursor went from %v to %v before anybody was told", name, before, got)
			}
			c = meanwhile(s, c, opts)
			synctest.Wait()
			for range 2 {
				s.send(wire.Event{JobID: s.run, RunID: uuid.New(), Data: wire.TransferData{Status: wire.Status{State: wire.JobCompleted}}})
			}
			synctest.Wait()
			c.wasTold(invariant.Told{Fresh: 2, Gaps: 1, Missed: 300, Last: 412})
			if c.Cursor().Seq != 412 {
				t.Errorf("%s: at %v in the end", name, c.Cursor())
			}
		})
	}
}
