package momclient_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/invariant"
)

// TestUntoldGap has a client miss events while none comes that its filter
// takes: its place stays before the gap, so that it is told of all of it after
// Unsubscribe, and a client that goes on from its cursor is, too.
func TestUntoldGap(t *testing.T) {
	inBubble(t, func(s *site) {
		s.cfg = momserver.Config{CacheEvents: 10}
		s.start()
		wanted := wire.Event{JobID: uuid.New(), RunID: uuid.New(), Data: wire.TransferData{Status: wire.Status{State: wire.JobCompleted}}}
		opts := momclient.Options{From: wire.FromOldest, Filter: wire.Filter{Jobs: []uuid.UUID{wanted.JobID}}}
		c := s.client(opts)
		subscribe := func(c *follower) {
			t.Helper()
			if err := c.Subscribe(context.Background()); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		subscribe(c)
		s.send(wanted)
		synctest.Wait()
		c.Unsubscribe()
		s.publish(30) // 2 to 31, of which 22 to 31 are cached
		subscribe(c)
		time.Sleep(time.Minute)
		if at := c.Cursor(); at.Seq != 1 {
			t.Errorf("the cursor has gone to %d, over a gap that was not told", at.Seq)
		}
		c.Unsubscribe()
		subscribe(c)
		opts.Cursor = c.Cursor()
		next := s.client(opts)
		wanted.RunID = uuid.New()
		s.send(wanted)
		synctest.Wait()
		subscribe(next)
		c.wasTold(invariant.Told{Fresh: 2, Gaps: 1, Missed: 20, Last: 32})
		next.wasTold(invariant.Told{Fresh: 1, Gaps: 1, Missed: 21, Last: 32})
	})
}
