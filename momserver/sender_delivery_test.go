package momserver_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/protocol"
	"mom.internal/wire/wiretest/harness"
	"mom.internal/wire/wiretest/invariant"
)

// TestDelivery sends events to a client that keeps up.
func TestDelivery(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		c := s.Subscribed(momclient.Options{})
		s.PublishN(1000)
		synctest.Wait()
		if sum := c.Told(); sum.Fresh != 1000 || sum.Missed != 0 {
			t.Errorf("%+v", sum)
		}
		if got := c.Cursor(); got.Epoch != s.Epoch() || got.Seq != 1000 {
			t.Errorf("cursor %v", got)
		}
	})
}

// TestAway lets a client be away while events are published, with a cache of
// 100: it is resumed exactly, or is told of one gap and then of the unfinished
// run.
func TestAway(t *testing.T) {
	for _, away := range []int{0, 1, 99, 100, 101, 5000} {
		harness.Serve(t, momserver.Config{CacheEvents: 100}, func(s *harness.Server) {
			c := s.Subscribed(momclient.Options{})
			s.PublishN(10)
			synctest.Wait()
			c.Told()
			c.Unsubscribe()
			s.PublishN(away)
			c.MustSubscribe()
			synctest.Wait()
			s.PublishN(1)
			synctest.Wait()
			sum := c.Told()
			missed := uint64(max(0, away-100))
			want := invariant.Told{Fresh: away + 1 - int(missed), Missed: missed, Last: uint64(10 + away + 1)}
			if missed > 0 {
				want.Gaps, want.Snapshots = 1, 1
			}
			if sum != want {
				t.Errorf("away for %d: %+v; want %+v", away, sum, want)
			}
		})
	}
}

// TestCallTimeout drops a subscriber that does not answer at CallTimeout, and
// not a nanosecond before, and says why.
func TestCallTimeout(t *testing.T) {
	harness.Serve(t, momserver.Config{CallTimeout: 7 * time.Second, Heartbeat: time.Minute}, func(s *harness.Server) {
		healthy := s.Subscribed(momclient.Options{})
		stuck := make(chan struct{})
		start := time.Now()
		conn := subscribe(s, &stuckCallback{stuck}, protocol.SubscribeArgs{Name: "stuck", Credit: protocol.Credit{Events: 100, Bytes: 1 << 40}})
		time.Sleep(7*time.Second - time.Nanosecond)
		synctest.Wait()
		if n := len(s.Subscribers()); n != 2 {
			t.Fatalf("after %v: %d subscribers", time.Since(start), n)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		st := s.Stats()
		if len(s.Subscribers()) != 1 || st.Drops[momserver.ReasonCallTimeout] != 1 || st.Dropped[0].Name != "stuck" || !strings.Contains(st.Dropped[0].Detail, "(Config.CallTimeout)") {
			t.Errorf("after %v: %+v", time.Since(start), st.Dropped)
		}
		s.PublishN(3)
		synctest.Wait()
		if sum := healthy.Told(); sum.Fresh != 3 {
			t.Errorf("the healthy one: %+v", sum)
		}
		close(stuck)
		conn.Wait()
	})
}

type stuckCallback struct{ until chan struct{} }

func (s *stuckCallback) Notify(*protocol.Batch, *protocol.Ack) error { <-s.until; return nil }

// TestSlowHandler has a handler that sleeps for a minute: its client is not
// dropped, and gets everything.
func TestSlowHandler(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		c := s.Client(momclient.Options{Queue: 4})
		var once sync.Once
		c.OnEvent(func(wire.Event) { once.Do(func() { time.Sleep(time.Minute) }) })
		c.Subscribe(context.Background())
		s.PublishN(100)
		time.Sleep(59 * time.Second)
		synctest.Wait()
		if subs := s.Subscribers(); len(subs) != 1 || subs[0].Lag == 0 || subs[0].Credit != 0 {
			t.Errorf("while it sleeps: %+v", subs)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if sum := c.Told(); sum.Fresh != 100 {
			t.Errorf("%+v", sum)
		}
	})
}

// TestServerRestart has the client go on with the next server's epoch.
func TestServerRestart(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		c := s.Subscribed(momclient.Options{AutoReconnect: true})
		s.PublishN(5)
		synctest.Wait()
		s.Close()
		time.Sleep(time.Second)
		s.Start()
		s.PublishN(3)
		time.Sleep(time.Minute)
		synctest.Wait()
		if sum := c.Told(); sum.Fresh != 8 || sum.Last != 3 {
			t.Errorf("%+v", sum)
		}
		if !slices.Contains(c.Kinds(), momclient.Resumed) {
			t.Errorf("statuses: %v", c.Statuses())
		}
	})
}
