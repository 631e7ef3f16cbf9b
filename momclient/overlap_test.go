package momclient_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/harness"
	"mom.internal/wire/wiretest/invariant"
)

// TestLoopOvertakesHandler has a range loop begin while the handler of an
// earlier event is still running, and end each event after it: the cursor
// follows the later one, and nothing is delivered again.
func TestLoopOvertakesHandler(t *testing.T) {
	for _, first := range []string{"the handler", "the loop"} {
		harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
			c := s.Client(momclient.Options{From: wire.FromOldest})
			took := map[string]time.Duration{"the handler": 20 * time.Second, "the loop": 20 * time.Second}
			took[first] = 10 * time.Second
			c.OnEvent(func(wire.Event) { time.Sleep(took["the handler"]) })
			c.MustSubscribe()
			s.PublishN(3)
			synctest.Wait()
			c.Unsubscribe()
			for range c.Events(context.Background()) {
				time.Sleep(took["the loop"])
				break
			}
			time.Sleep(time.Minute)
			if at := c.Cursor().Seq; at != 2 {
				t.Errorf("%s returns first: the cursor is at %d; want 2", first, at)
			}
			for range c.Events(context.Background()) {
				break
			}
			c.WantTold(invariant.Told{Fresh: 3, Last: 3})
		})
	}
}
