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
		wanted := wire.Event{JobID: uuid.New(), RunID: uuid.New(), Data: wire.TransferData{Status: wire.Status{State: wire.JobCompleted}}}
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
