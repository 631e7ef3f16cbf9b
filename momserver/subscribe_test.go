package momserver_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mom.internal/wire/duplex"
	"mom.internal/wire/protocol"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
)

// TestSnapshotAtStart tells a subscriber from now where the unfinished runs
// stand, and nothing of the finished ones.
func TestSnapshotAtStart(t *testing.T) {
	inBubble(t, momserver.Config{}, func(w *world) {
		a, _ := w.srv.StartJob(w.job, wire.InitializeData{Name: "a"})
		b, _ := w.srv.StartJob(w.job, wire.InitializeData{Name: "b"})
		a.StartPackage(wire.PackageHeader{FileSize: 1}, wire.PackageBody{})
		b.Complete()
		w.ran(a, "a", wire.JobInitialized)
		w.ran(b, "b", wire.JobInitialized)
		w.ran(a, "a", wire.PackageInitialized)
		w.ran(b, "b", wire.JobCompleted)
		c := w.subscribed(momclient.Options{})
		events := c.take()
		if len(events) != 1 || !events[0].Snapshot || events[0].Name() != "a" || events[0].Data.Status.State != wire.PackageInitialized {
			t.Fatalf("the snapshot: %+v", events)
		}
		if c.Cursor().Seq != 4 {
			t.Errorf("cursor %v", c.Cursor())
		}
		a.Complete()
		a.Close()
		w.ran(a, "a", wire.ExportingError) // with its package open it is not complete
		synctest.Wait()
		if sum := c.told(); sum.Fresh != 1 {
			t.Errorf("%+v", sum)
		}
	})
}

// TestFromOldest replays the cache.
func TestFromOldest(t *testing.T) {
	inBubble(t, momserver.Config{CacheEvents: 10}, func(w *world) {
		w.publish(25)
		c := w.subscribed(momclient.Options{From: wire.FromOldest})
		events := c.take()
		if len(events) != 11 || !events[0].Snapshot || events[0].Seq != 15 || events[0].Missed != 0 {
			t.Fatalf("%d events, the first %+v", len(events), events[0])
		}
		if sum := c.told(); sum.Fresh != 10 || sum.Last != 25 {
			t.Errorf("%+v", sum)
		}
	})
}

// TestFilter moves the cursor past what is filtered out, announces no loss,
// and costs no call for it.
func TestFilter(t *testing.T) {
	inBubble(t, momserver.Config{CacheEvents: 50, Heartbeat: time.Minute}, func(w *world) {
		c := w.subscribed(momclient.Options{Filter: wire.Filter{States: []wire.State{wire.JobCompleted}}})
		for range 30 {
			w.publish(10)
			synctest.Wait()
		}
		if err := w.send(wire.Event{JobID: w.job, RunID: w.run, Data: wire.TransferData{Status: wire.Status{State: wire.JobCompleted}}}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		events := c.take()
		if len(events) != 1 || events[0].Missed != 0 || events[0].Seq != 301 {
			t.Errorf("got %+v", events)
		}
		for range 10 {
			w.publish(10)
			synctest.Wait()
		}
		if lag, calls := w.srv.Subscribers()[0].Lag, w.srv.Stats().Calls; lag > 100 || calls != 2 {
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
	inBubble(t, momserver.Config{}, func(w *world) {
		byID := w.subscribed(momclient.Options{Filter: wire.Filter{Jobs: []uuid.UUID{w.job}}})
		byName := w.subscribed(momclient.Options{Filter: wire.Filter{Names: []string{"b"}}})
		a, _ := w.srv.StartJob(w.job, wire.InitializeData{Name: "a"})
		b, _ := w.srv.StartJob(uuid.New(), wire.InitializeData{Name: "b"})
		a.Complete()
		b.Complete()
		w.ran(a, "a", wire.JobInitialized)
		w.ran(b, "b", wire.JobInitialized)
		w.ran(a, "a", wire.JobCompleted)
		w.ran(b, "b", wire.JobCompleted)
		synctest.Wait()
		for name, c := range map[string]*watcher{"a": byID, "b": byName} {
			events := c.take()
			if len(events) != 2 || events[0].Name() != name || events[1].Name() != name {
				t.Errorf("for job %s: %+v", name, events)
			}
		}
	})
}

// TestLaggard lags in the cache while its handler is stuck, and is told of the
// gap exactly when it goes on; the one beside it notices nothing.
func TestLaggard(t *testing.T) {
	inBubble(t, momserver.Config{CacheEvents: 100}, func(w *world) {
		c, healthy := w.client(momclient.Options{Queue: 10}), w.subscribed(momclient.Options{})
		goOn := make(chan struct{})
		c.OnEvent(func(wire.Event) { <-goOn })
		if err := c.Subscribe(context.Background()); err != nil {
			t.Fatal(err)
		}
		for range 100 {
			w.publish(10)
			synctest.Wait()
		}
		if sum := healthy.told(); sum.Fresh != 1000 || sum.Missed != 0 {
			t.Errorf("the healthy one: %+v", sum)
		}
		close(goOn)
		time.Sleep(time.Minute)
		synctest.Wait()
		w.publish(1)
		synctest.Wait()
		sum := c.told()
		if sum.Fresh+int(sum.Missed) != 1001 || sum.Gaps != 1 || sum.Snapshots != 1 {
			t.Errorf("the laggard: %+v", sum)
		}
		if st := w.srv.Stats(); st.Missed != sum.Missed || st.Gaps != 1 {
			t.Errorf("the server counted %d gaps of %d", st.Gaps, st.Missed)
		}
	})
}

// TestManyRuns gives a snapshot of more events than the client has room for,
// in parts.
func TestManyRuns(t *testing.T) {
	inBubble(t, momserver.Config{BatchBytes: 1000}, func(w *world) {
		for range 100 {
			w.run = uuid.New()
			w.publish(1)
		}
		c := w.subscribed(momclient.Options{Queue: 7})
		time.Sleep(time.Minute)
		w.publish(1)
		synctest.Wait()
		if sum := c.told(); sum.Snapshots != 100 || sum.Fresh != 1 {
			t.Errorf("%+v", sum)
		}
	})
}

// TestCutInSnapshot loses the connection within a snapshot: what was skipped
// is announced, and the snapshot comes again whole.
func TestCutInSnapshot(t *testing.T) {
	inBubble(t, momserver.Config{}, func(w *world) {
		for range 20 {
			w.run = uuid.New()
			w.publish(1)
		}
		goOn := make(chan struct{})
		c := w.client(momclient.Options{Queue: 8, AutoReconnect: true})
		var got []wire.Event
		c.OnEvent(func(e wire.Event) {
			if got = append(got, e); len(got) == 5 {
				<-goOn
			}
		})
		if err := c.Subscribe(context.Background()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if !c.Cursor().IsZero() {
			t.Errorf("a cursor within the first snapshot: %v", c.Cursor())
		}
		w.net.Cut()
		w.publish(4)
		time.Sleep(5 * time.Second)
		close(goOn)
		time.Sleep(time.Minute)
		w.publish(1)
		synctest.Wait()
		sum := c.told()
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
		inBubble(t, test.cfg, func(w *world) {
			first := w.subscribed(momclient.Options{})
			w.subscribed(momclient.Options{})
			third := w.client(momclient.Options{})
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
	inBubble(t, momserver.Config{Token: "open sesame"}, func(w *world) {
		for _, token := range []string{"", "open sesam", "open sesame!", strings.Repeat("x", wire.MaxTokenBytes)} {
			c := w.client(momclient.Options{Token: token, AutoReconnect: true})
			if err := c.Subscribe(context.Background()); !errors.Is(err, wire.Unauthorized) {
				t.Errorf("token %.20q: %v", token, err)
			}
		}
		w.subscribed(momclient.Options{Token: "open sesame"})
	})
}

// TestIdle closes a connection that asks for nothing, at IdleTimeout.
func TestIdle(t *testing.T) {
	log := new(logged)
	inBubble(t, momserver.Config{IdleTimeout: 10 * time.Second, Logger: log.logger()}, func(w *world) {
		nc := w.rawConn()
		conn := duplex.NewConn(nc, duplex.ConnConfig{MaxMessage: 1 << 20, MaxWaiting: 1 << 20, WriteTimeout: time.Hour, MessageTimeout: time.Hour})
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
	inBubble(t, momserver.Config{}, func(w *world) {
		c := w.subscribed(momclient.Options{})
		slow := w.client(momclient.Options{Queue: 5})
		slow.OnEvent(func(wire.Event) { time.Sleep(time.Second) })
		slow.Subscribe(context.Background())
		w.publish(30)
		start := time.Now()
		if err := w.srv.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if d := time.Since(start); d < 20*time.Second || d > 40*time.Second {
			t.Errorf("it waited %v for the slow one", d)
		}
		if sum := c.told(); sum.Fresh != 30 {
			t.Errorf("%+v", sum)
		}
		time.Sleep(time.Minute)
		for _, c := range []*watcher{c, slow} {
			if got := fmt.Sprint(c.kinds()); got != "[connecting connected draining lost]" {
				t.Errorf("statuses %s: %s", got, dump(c))
			}
		}
		if err := w.send(wire.Event{JobID: w.job, RunID: w.run, Data: wire.TransferData{Status: wire.Status{State: wire.Transferring}}}); !errors.Is(err, wire.Closed) {
			t.Error(err)
		}
	})
}

// TestShutdownGivesUp names whom it waited for when its context ends.
func TestShutdownGivesUp(t *testing.T) {
	inBubble(t, momserver.Config{}, func(w *world) {
		stuck := w.client(momclient.Options{Queue: 5, Name: "stuck one"})
		stuck.OnEvent(func(wire.Event) { time.Sleep(time.Hour) })
		stuck.Subscribe(context.Background())
		w.publish(30)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		start := time.Now()
		err := w.srv.Shutdown(ctx)
		if time.Since(start) != 3*time.Second || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), `"stuck one"`) || !strings.Contains(err.Error(), " has not got 2") {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		stuck.Close()
		time.Sleep(2 * time.Hour)
	})
}
