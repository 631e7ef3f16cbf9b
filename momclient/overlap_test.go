package momclient_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"mom/momclient"
	"mom/wire"
)

// TestLoopOvertakesHandler has a range loop begin while the handler of an
// earlier event is still running, and end each event after it: the cursor
// follows the later one, and nothing is delivered again.
func TestLoopOvertakesHandler(t *testing.T) {
	for _, first := range []string{"the handler", "the loop"} {
		inBubble(t, func(s *site) {
			s.start()
			c := s.client(momclient.Options{From: wire.FromOldest})
			var got record
			took := map[string]time.Duration{"the handler": 20 * time.Second, "the loop": 20 * time.Second}
			took[first] = 10 * time.Second
			c.OnEvent(func(e wire.Event) { got.add("%d", e.Seq); time.Sleep(took["the handler"]) })
			if err := c.Subscribe(context.Background()); err != nil {
				t.Fatal(err)
			}
			s.publish(3)
			synctest.Wait()
			c.Unsubscribe()
			for e := range c.Events(context.Background()) {
				got.add("%d", e.Seq)
				time.Sleep(took["the loop"])
				break
			}
			time.Sleep(time.Minute)
			if at := c.Cursor().Seq; at != 2 {
				t.Errorf("%s returns first: the cursor is at %d; want 2", first, at)
			}
			for e := range c.Events(context.Background()) {
				got.add("%d", e.Seq)
				break
			}
			if got := got.take(); got != "1 2 3" {
				t.Errorf("%s returns first: got %s", first, got)
			}
		})
	}
}
