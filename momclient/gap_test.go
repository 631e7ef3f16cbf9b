package momclient_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mom/momclient"
	"mom/wire"
)

// TestGapBeforeAnEvent has a gap after which the filter takes nothing for a
// while: its count waits for the next event, and is not lost, whoever ends
// meanwhile.
func TestGapBeforeAnEvent(t *testing.T) {
	for name, meanwhile := range map[string]func(s *site, c *momclient.Client, opts momclient.Options) *momclient.Client{
		"nothing": func(_ *site, c *momclient.Client, _ momclient.Options) *momclient.Client { return c },
		"unsubscribed": func(s *site, c *momclient.Client, _ momclient.Options) *momclient.Client {
			c.Unsubscribe()
			if err := c.Subscribe(context.Background()); err != nil {
				s.t.Error(err)
			}
			return c
		},
		"another client": func(s *site, c *momclient.Client, opts momclient.Options) *momclient.Client {
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
			var got record
			c.OnEvent(func(e wire.Event) { got.add("%d(%d)", e.Seq, e.Missed) })
			for range 2 {
				s.srv.Publish(wire.Event{JobID: s.run, RunID: uuid.New(), Data: wire.TransferData{Status: wire.Status{State: wire.JobCompleted}}})
			}
			synctest.Wait()
			if text := got.take(); text != "411(300) 412(0)" || c.Cursor().Seq != 412 {
				t.Errorf("%s: %s, and then at %v", name, text, c.Cursor())
			}
		})
	}
}
