package momclient_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mom/momclient"
	"mom/momserver"
	"mom/wire"
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
		var got record
		c.OnEvent(func(e wire.Event) { got.add("%d(%d)", e.Seq, e.Missed) })
		subscribe := func(c *momclient.Client) {
			t.Helper()
			if err := c.Subscribe(context.Background()); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		subscribe(c)
		s.srv.Publish(wanted)
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
		next.OnEvent(func(e wire.Event) { got.add("next %d(%d)", e.Seq, e.Missed) })
		wanted.RunID = uuid.New()
		s.srv.Publish(wanted)
		synctest.Wait()
		subscribe(next)
		if got := got.take(); got != "1(0) 32(20) next 32(21)" {
			t.Errorf("got %s", got)
		}
	})
}
