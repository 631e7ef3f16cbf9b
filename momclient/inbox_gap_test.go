package momclient_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/harness"
	"mom.internal/wire/wiretest/invariant"
)

// TestUntoldGap has a client miss events while none comes that its filter
// takes: its place stays before the gap, so that it is told of all of it after
// Unsubscribe, and a client that goes on from its cursor is, too.
func TestUntoldGap(t *testing.T) {
	harness.Serve(t, momserver.Config{CacheEvents: 10}, func(s *harness.Server) {
		wanted := harness.Event(uuid.New(), uuid.New(), "", wire.JobCompleted)
		opts := momclient.Options{From: wire.FromOldest, Filter: wire.Filter{Jobs: []uuid.UUID{wanted.JobID}}}
		c := s.Client(opts)
		subscribe := func(c *harness.Client) {
			t.Helper()
			c.MustSubscribe()
			synctest.Wait()
		}
		subscribe(c)
		s.Must(wanted)
		synctest.Wait()
		c.Unsubscribe()
		s.PublishN(30) // 2 to 31, of which 22 to 31 are cached
		subscribe(c)
		time.Sleep(time.Minute)
		if at := c.Cursor(); at.Seq != 1 {
			t.Errorf("the cursor has gone to %d, over a gap that was not told", at.Seq)
		}
		c.Unsubscribe()
		subscribe(c)
		opts.Cursor = c.Cursor()
		next := s.Client(opts)
		wanted.RunID = uuid.New()
		s.Must(wanted)
		synctest.Wait()
		subscribe(next)
		c.WantTold(invariant.Told{Fresh: 2, Gaps: 1, Missed: 20, Last: 32})
		next.WantTold(invariant.Told{Fresh: 1, Gaps: 1, Missed: 21, Last: 32})
	})
}

// TestGapBeforeAnEvent has a gap after which the filter takes nothing for a
// while: its count waits for the next event, and is not lost, whoever ends
// meanwhile.
func TestGapBeforeAnEvent(t *testing.T) {
	for name, meanwhile := range map[string]func(s *harness.Server, c *harness.Client, opts momclient.Options) *harness.Client{
		"nothing": func(_ *harness.Server, c *harness.Client, _ momclient.Options) *harness.Client { return c },
		"unsubscribed": func(s *harness.Server, c *harness.Client, _ momclient.Options) *harness.Client {
			c.Unsubscribe()
			c.MustSubscribe()
			return c
		},
		"another client": func(s *harness.Server, c *harness.Client, opts momclient.Options) *harness.Client {
			opts.Cursor = c.Cursor()
			c.Close()
			next := s.Client(opts)
			next.MustSubscribe()
			return next
		},
	} {
		harness.Serve(t, momserver.Config{CacheEvents: 100}, func(s *harness.Server) {
			opts := momclient.Options{Filter: wire.Filter{States: []wire.State{wire.JobCompleted}}}
			c := s.Client(opts)
			c.MustSubscribe()
			s.PublishN(10)
			time.Sleep(5 * time.Second) // a heartbeat tells that they were filtered out
			before := c.Cursor()
			c.Unsubscribe()
			s.PublishN(400)
			c.MustSubscribe()
			synctest.Wait()
			if got := c.Cursor(); before.Seq != 10 || got != before {
				t.Errorf("%s: the cursor went from %v to %v before anybody was told", name, before, got)
			}
			c = meanwhile(s, c, opts)
			synctest.Wait()
			for range 2 {
				s.Must(harness.Event(s.RunID, uuid.New(), "", wire.JobCompleted))
			}
			synctest.Wait()
			c.WantTold(invariant.Told{Fresh: 2, Gaps: 1, Missed: 300, Last: 412})
			if c.Cursor().Seq != 412 {
				t.Errorf("%s: at %v in the end", name, c.Cursor())
			}
		})
	}
}
