package momserver_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

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
		start := time.Now()
		conn := subscribe(s, &rawClient{delay: 8 * time.Second}, protocol.SubscribeArgs{Name: "stuck", Credit: protocol.Credit{Events: 100, Bytes: 1 << 40}})
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
		conn.Wait()
	})
}

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
		if got := c.Statuses(); !strings.Contains(got, "resumed") {
			t.Errorf("statuses: %s", got)
		}
	})
}

// TestLaggard lags in the cache while its handler is stuck, and is told of the
// gap exactly when it goes on; the one beside it notices nothing.
func TestLaggard(t *testing.T) {
	harness.Serve(t, momserver.Config{CacheEvents: 100}, func(s *harness.Server) {
		c, healthy := s.Client(momclient.Options{Queue: 10}), s.Subscribed(momclient.Options{})
		goOn := make(chan struct{})
		c.OnEvent(func(wire.Event) { <-goOn })
		c.MustSubscribe()
		for range 100 {
			s.PublishN(10)
			synctest.Wait()
		}
		if sum := healthy.Told(); sum.Fresh != 1000 || sum.Missed != 0 {
			t.Errorf("the healthy one: %+v", sum)
		}
		close(goOn)
		time.Sleep(time.Minute)
		synctest.Wait()
		s.PublishN(1)
		synctest.Wait()
		sum := c.Told()
		if sum.Fresh+int(sum.Missed) != 1001 || sum.Gaps != 1 || sum.Snapshots != 1 {
			t.Errorf("the laggard: %+v", sum)
		}
		if st := s.Stats(); st.Missed != sum.Missed || st.Gaps != 1 {
			t.Errorf("the server counted %d gaps of %d", st.Gaps, st.Missed)
		}
	})
}

// TestManyRuns gives a snapshot of more events than the client has room for,
// in parts.
func TestManyRuns(t *testing.T) {
	harness.Serve(t, momserver.Config{BatchBytes: 1000}, func(s *harness.Server) {
		for range 100 {
			s.RunID = uuid.New()
			s.PublishN(1)
		}
		c := s.Subscribed(momclient.Options{Queue: 7})
		time.Sleep(time.Minute)
		s.PublishN(1)
		synctest.Wait()
		if sum := c.Told(); sum.Snapshots != 100 || sum.Fresh != 1 {
			t.Errorf("%+v", sum)
		}
	})
}

// TestCutInSnapshot loses the connection within a snapshot: what was skipped
// is announced, and the snapshot comes again whole.
func TestCutInSnapshot(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		for range 20 {
			s.RunID = uuid.New()
			s.PublishN(1)
		}
		goOn := make(chan struct{})
		c := s.Client(momclient.Options{Queue: 8, AutoReconnect: true})
		var got []wire.Event
		c.OnEvent(func(e wire.Event) {
			if got = append(got, e); len(got) == 5 {
				<-goOn
			}
		})
		c.MustSubscribe()
		synctest.Wait()
		if !c.Cursor().IsZero() {
			t.Errorf("a cursor within the first snapshot: %v", c.Cursor())
		}
		s.Net.Cut()
		s.PublishN(4)
		time.Sleep(5 * time.Second)
		close(goOn)
		time.Sleep(time.Minute)
		s.PublishN(1)
		synctest.Wait()
		sum := c.Told()
		if sum.Fresh+int(sum.Missed) != 5 || sum.Missed != 4 {
			t.Errorf("%+v", sum)
		}
		last := got[len(got)-21 : len(got)-1]
		for i, e := range last {
			if !e.Snapshot || i > 0 && e.Seq <= last[i-1].Seq {
				t.Fatalf("the snapshot again: event %d is %d, snapshot %v", i, e.Seq, e.Snapshot)
			}
		}
	})
}

// TestLargestEvents raises the bounds as far as they go: what the server then
// sends is still taken by a client that knows nothing of it.
func TestLargestEvents(t *testing.T) {
	harness.Serve(t, momserver.Config{MaxEventBytes: 1 << 30, BatchBytes: 1 << 30, CacheBytes: 1 << 30}, func(s *harness.Server) {
		c := s.Subscribed(momclient.Options{})
		for i, size := range []int{1<<20 - 300, 1<<20 - 300, 1 << 20, 1<<20 - 300} {
			err := s.Publish(wire.Event{JobID: uuid.New(), RunID: uuid.New(), Data: wire.TransferData{
				Initialize: &wire.InitializeData{SourcePath: strings.Repeat("x", size)},
				Status:     wire.Status{State: wire.JobInitialized},
			}})
			if want := size < 1<<20; (err == nil) != want || err != nil && !errors.Is(err, wire.TooLarge) {
				t.Errorf("event %d of about %d bytes: %v", i, size, err)
			}
		}
		synctest.Wait()
		if sum := c.Told(); sum.Fresh != 3 {
			t.Errorf("%+v; %s", sum, c.Statuses())
		}
		if events, _, err := c.History(context.Background(), wire.Cursor{}, 0); err != nil || len(events) != 3 {
			t.Errorf("history of %d events: %v", len(events), err)
		}
		if events, err := c.Jobs(context.Background()); err != nil || len(events) != 3 {
			t.Errorf("%d jobs: %v", len(events), err)
		}
	})
}

// TestSnapshotOfSlowClient: a client that takes its snapshot slowly misses
// nothing because of another that takes none of its own.
func TestSnapshotOfSlowClient(t *testing.T) {
	harness.Serve(t, momserver.Config{MaxSnapshotEvents: 15}, func(s *harness.Server) {
		s.PublishRuns(10, 10)
		c := s.Client(momclient.Options{Queue: 2})
		c.OnEvent(func(wire.Event) { time.Sleep(time.Second) })
		c.MustSubscribe()
		synctest.Wait()
		subscribe(s, new(rawClient), protocol.SubscribeArgs{Name: "nobody"}) // it gives no credit
		s.PublishN(1)
		time.Sleep(time.Minute)
		if told := c.Told(); told.Missed > 0 || told.Snapshots != 10 {
			t.Errorf("%+v, and %d events are cached", told, s.Stats().Cached)
		}
	})
}

// TestFilteredSnapshots: a client with a filter goes from gap to gap, and each
// snapshot ends with events that the filter leaves out. It stays connected.
func TestFilteredSnapshots(t *testing.T) {
	harness.Serve(t, momserver.Config{CacheEvents: 100}, func(s *harness.Server) {
		c := s.Client(momclient.Options{From: wire.FromOldest, Queue: 1, Filter: wire.Filter{Names: []string{"first"}}})
		c.OnEvent(func(wire.Event) { time.Sleep(10 * time.Millisecond) })
		c.MustSubscribe()
		s.Must(harness.Event(uuid.New(), uuid.New(), "first", wire.JobInitialized))
		for range 7 {
			s.Must(harness.Event(uuid.New(), uuid.New(), "other", wire.JobInitialized))
		}
		for range 60 {
			s.PublishN(150)
			synctest.Wait()
			time.Sleep(50 * time.Millisecond)
		}
		if drops := s.Stats().Dropped; len(drops) > 0 {
			t.Errorf("dropped: %+v", drops)
		}
	})
}
