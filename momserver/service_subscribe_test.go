package momserver_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"
	"mom.internal/wire/wiretest/harness"
)

// TestSnapshotAtStart tells a subscriber from now where the unfinished runs
// stand, and nothing of the finished ones.
func TestSnapshotAtStart(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		a, _ := s.StartJob(s.JobID, wire.InitializeData{Name: "a"})
		b, _ := s.StartJob(s.JobID, wire.InitializeData{Name: "b"})
		a.StartPackage(wire.PackageHeader{FileSize: 1}, wire.PackageBody{})
		b.Complete()
		s.Ran(a, "a", wire.JobInitialized)
		s.Ran(b, "b", wire.JobInitialized)
		s.Ran(a, "a", wire.PackageInitialized)
		s.Ran(b, "b", wire.JobCompleted)
		c := s.Subscribed(momclient.Options{})
		events := c.Take()
		if len(events) != 1 || !events[0].Snapshot || events[0].Name() != "a" || events[0].Data.Status.State != wire.PackageInitialized {
			t.Fatalf("the snapshot: %+v", events)
		}
		if c.Cursor().Seq != 4 {
			t.Errorf("cursor %v", c.Cursor())
		}
		a.Complete()
		a.Close()
		s.Ran(a, "a", wire.ExportingError) // with its package open it is not complete
		synctest.Wait()
		if sum := c.Told(); sum.Fresh != 1 {
			t.Errorf("%+v", sum)
		}
	})
}

// TestFromOldest replays the cache.
func TestFromOldest(t *testing.T) {
	harness.Serve(t, momserver.Config{CacheEvents: 10}, func(s *harness.Server) {
		s.PublishN(25)
		c := s.Subscribed(momclient.Options{From: wire.FromOldest})
		events := c.Take()
		if len(events) != 11 || !events[0].Snapshot || events[0].Seq != 15 || events[0].Missed != 0 {
			t.Fatalf("%d events, the first %+v", len(events), events[0])
		}
		if sum := c.Told(); sum.Fresh != 10 || sum.Last != 25 {
			t.Errorf("%+v", sum)
		}
	})
}

// TestFilter moves the cursor past what is filtered out, announces no loss,
// and costs no call for it.
func TestFilter(t *testing.T) {
	harness.Serve(t, momserver.Config{CacheEvents: 50, Heartbeat: time.Minute}, func(s *harness.Server) {
		c := s.Subscribed(momclient.Options{Filter: wire.Filter{States: []wire.State{wire.JobCompleted}}})
		for range 30 {
			s.PublishN(10)
			synctest.Wait()
		}
		s.Must(wire.Event{JobID: s.JobID, RunID: s.RunID, Data: wire.TransferData{Status: wire.Status{State: wire.JobCompleted}}})
		synctest.Wait()
		events := c.Take()
		if len(events) != 1 || events[0].Missed != 0 || events[0].Seq != 301 {
			t.Errorf("got %+v", events)
		}
		for range 10 {
			s.PublishN(10)
			synctest.Wait()
		}
		if lag, calls := s.Subscribers()[0].Lag, s.Stats().Calls; lag > 100 || calls != 2 {
			t.Errorf("lags %d events after %d calls; want 2: the first and the one event", lag, calls)
		}
		time.Sleep(time.Minute) // the heartbeat tells where it is
		synctest.Wait()
		if got := c.Cursor().Seq; got != 401 {
			t.Errorf("cursor at %d after the heartbeat", got)
		}
	})
}

// TestFilterByJob takes a job by its ID or by its name.
func TestFilterByJob(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		byID := s.Subscribed(momclient.Options{Filter: wire.Filter{Jobs: []uuid.UUID{s.JobID}}})
		byName := s.Subscribed(momclient.Options{Filter: wire.Filter{Names: []string{"b"}}})
		a, _ := s.StartJob(s.JobID, wire.InitializeData{Name: "a"})
		b, _ := s.StartJob(uuid.New(), wire.InitializeData{Name: "b"})
		a.Complete()
		b.Complete()
		s.Ran(a, "a", wire.JobInitialized)
		s.Ran(b, "b", wire.JobInitialized)
		s.Ran(a, "a", wire.JobCompleted)
		s.Ran(b, "b", wire.JobCompleted)
		synctest.Wait()
		for name, c := range map[string]*harness.Client{"a": byID, "b": byName} {
			events := c.Take()
			if len(events) != 2 || events[0].Name() != name || events[1].Name() != name {
				t.Errorf("for job %s: %+v", name, events)
			}
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

// TestBounds refuses over each bound with its name, and takes the client in
// when there is room.
func TestBounds(t *testing.T) {
	for _, test := range []struct {
		bound string
		cfg   momserver.Config
	}{
		{"MaxSubscribers", momserver.Config{MaxSubscribers: 2}},
		{"MaxConns", momserver.Config{MaxConns: 2}},
	} {
		harness.Serve(t, test.cfg, func(s *harness.Server) {
			first := s.Subscribed(momclient.Options{})
			s.Subscribed(momclient.Options{})
			third := s.Client(momclient.Options{})
			err := third.Subscribe(context.Background())
			if !errors.Is(err, wire.Full) || !strings.Contains(err.Error(), test.bound) {
				t.Errorf("the third: %v", err)
			}
			first.Unsubscribe()
			synctest.Wait()
			if err := third.Subscribe(context.Background()); err != nil {
				t.Errorf("the third, with room: %v", err)
			}
		})
	}
}

// TestToken refuses a wrong token for good, before gob.
func TestToken(t *testing.T) {
	harness.Serve(t, momserver.Config{Token: "open sesame"}, func(s *harness.Server) {
		for _, token := range []string{"", "open sesam", "open sesame!", strings.Repeat("x", wire.MaxTokenBytes)} {
			c := s.Client(momclient.Options{Token: token, AutoReconnect: true})
			if err := c.Subscribe(context.Background()); !errors.Is(err, wire.Unauthorized) {
				t.Errorf("token %.20q: %v", token, err)
			}
		}
		s.Subscribed(momclient.Options{Token: "open sesame"})
	})
}

// TestIdle closes a connection that asks for nothing, at IdleTimeout.
func TestIdle(t *testing.T) {
	log := new(logged)
	harness.Serve(t, momserver.Config{IdleTimeout: 10 * time.Second, Logger: log.logger()}, func(s *harness.Server) {
		nc := s.Greeted()
		conn := duplex.NewConn(nc, harness.LongTimes)
		go conn.Serve("", nil)
		time.Sleep(4 * time.Second)
		if err := conn.Call(context.Background(), protocol.MethodPing, &protocol.Nothing{}, &protocol.Nothing{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10*time.Second - time.Nanosecond)
		synctest.Wait()
		if conn.Err() != nil {
			t.Errorf("too early: %v", conn.Err())
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if conn.Err() == nil {
			t.Error("still open")
		}
		conn.Wait()
		if !strings.Contains(log.String(), "(Config.IdleTimeout)") {
			t.Errorf("the log does not say why: %s", log)
		}
	})
}

// TestShutdown delivers what is cached, says goodbye, and leaves nothing.
func TestShutdown(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		c := s.Subscribed(momclient.Options{})
		slow := s.Client(momclient.Options{Queue: 5})
		slow.OnEvent(func(wire.Event) { time.Sleep(time.Second) })
		slow.Subscribe(context.Background())
		s.PublishN(30)
		start := time.Now()
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if d := time.Since(start); d < 20*time.Second || d > 40*time.Second {
			t.Errorf("it waited %v for the slow one", d)
		}
		if sum := c.Told(); sum.Fresh != 30 {
			t.Errorf("%+v", sum)
		}
		time.Sleep(time.Minute)
		for _, c := range []*harness.Client{c, slow} {
			if got := fmt.Sprint(c.Kinds()); got != "[connecting connected draining lost]" {
				t.Errorf("statuses %s: %s", got, c.Statuses())
			}
		}
		if err := s.Publish(wire.Event{JobID: s.JobID, RunID: s.RunID, Data: wire.TransferData{Status: wire.Status{State: wire.Transferring}}}); !errors.Is(err, wire.Closed) {
			t.Error(err)
		}
	})
}

// TestShutdownGivesUp names whom it waited for when its context ends.
func TestShutdownGivesUp(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		stuck := s.Client(momclient.Options{Queue: 5, Name: "stuck one"})
		stuck.OnEvent(func(wire.Event) { time.Sleep(time.Hour) })
		stuck.Subscribe(context.Background())
		s.PublishN(30)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		start := time.Now()
		err := s.Shutdown(ctx)
		if time.Since(start) != 3*time.Second || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), `"stuck one"`) || !strings.Contains(err.Error(), " has not got 2") {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		stuck.Close()
		time.Sleep(2 * time.Hour)
	})
}
