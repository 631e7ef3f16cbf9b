package momserver_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/protocol"
	"mom.internal/wire/wiretest"
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
		s.Must(harness.Event(s.JobID, s.RunID, "", wire.JobCompleted))
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

// TestCallTooLarge tells the application, for good, that the server does not
// take what it asks.
func TestCallTooLarge(t *testing.T) {
	harness.Serve(t, momserver.Config{MaxMessage: 2000}, func(s *harness.Server) {
		names := func(n int) (f wire.Filter) {
			for i := range n {
				f.Names = append(f.Names, fmt.Sprintf("job %05d", i))
			}
			return f
		}
		s.Subscribed(momclient.Options{Filter: names(50)})
		c := s.Client(momclient.Options{Filter: names(500), AutoReconnect: true})
		err := c.Subscribe(context.Background())
		if !errors.Is(err, wire.BadRequest) || !strings.Contains(err.Error(), "2000 at most") {
			t.Errorf("over what the server takes: %v", err)
		}
	})
}

// TestUnsubscribe answers before anything else happens to the connection,
// which is idle from there on and cannot subscribe again.
func TestUnsubscribe(t *testing.T) {
	harness.Serve(t, momserver.Config{IdleTimeout: 10 * time.Second}, func(s *harness.Server) {
		conn := s.Peer()
		go conn.Serve(protocol.CallbackService, &rawClient{room: 1 << 20})
		call := func(method string, args, reply any) error {
			return conn.Call(context.Background(), method, args, reply)
		}
		if err := call(protocol.MethodSubscribe, &protocol.SubscribeArgs{Credit: protocol.Credit{Events: 1 << 20, Bytes: 1 << 40}}, &protocol.Subscribed{}); err != nil {
			t.Fatal(err)
		}
		s.PublishN(3)
		time.Sleep(time.Minute) // with a subscription it is not idle
		if err := call(protocol.MethodUnsubscribe, &protocol.Nothing{}, &protocol.Nothing{}); err != nil {
			t.Fatalf("unanswered: %v", err)
		}
		synctest.Wait()
		if n := s.Stats().Subscribers; n != 0 {
			t.Errorf("%d subscribers", n)
		}
		if err := call(protocol.MethodSubscribe, &protocol.SubscribeArgs{}, &protocol.Subscribed{}); !errors.Is(err, wire.AlreadySubscribed) {
			t.Errorf("subscribed again: %v", err)
		}
		time.Sleep(10*time.Second - time.Nanosecond)
		synctest.Wait()
		if conn.Err() != nil {
			t.Errorf("closed too early: %v", conn.Err())
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if conn.Err() == nil {
			t.Error("still open")
		}
		conn.Wait()
	})
}

// countingConn counts the bytes that are read.
type countingConn struct {
	net.Conn
	read *atomic.Int64
}

func (c countingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read.Add(int64(n))
	return n, err
}

// TestManyOpenPackages: if thousands of packages take turns, a subscriber is sent the
// definition of each once.
func TestManyOpenPackages(t *testing.T) {
	const packages, rounds = 5000, 3
	var read atomic.Int64
	var network wiretest.Network
	l, err := network.Listen("server:1")
	if err != nil {
		t.Fatal(err)
	}
	srv := momserver.New(momserver.Config{CacheEvents: rounds * packages})
	go srv.Serve(l)
	defer srv.Close()
	client := momclient.New("server:1", momclient.Options{From: wire.FromOldest, DialContext: func(ctx context.Context, kind, addr string) (net.Conn, error) {
		nc, err := network.DialContext(ctx, kind, addr)
		return countingConn{nc, &read}, err
	}})
	defer client.Close()
	event := wire.Event{JobID: uuid.New(), RunID: uuid.New()}
	event.Data.Initialize = &wire.InitializeData{Name: "job"}
	var took [rounds]int64 // bytes
	next, stop := iter.Pull2(client.Events(t.Context()))
	defer stop()
	for round := range rounds {
		before := read.Load()
		for n := range packages {
			event.Data.Header = &wire.PackageHeader{Number: n + 1, FileSize: 10, TargetFilePath: "/a/path/of/some/length", SizeOfSentData: int64(round)}
			event.Data.Status = wire.Status{State: wire.Transferring}
			if err := srv.Publish(event); err != nil {
				t.Fatal(err)
			}
		}
		for n := range packages {
			e, err, _ := next()
			if err != nil || e.Data.Header.Number != n+1 || e.Data.Header.SizeOfSentData != int64(round) {
				t.Fatalf("package %d of round %d: %v, %+v", n+1, round, err, e)
			}
		}
		took[round] = read.Load() - before
	}
	if took[1] > took[0]*2/3 || took[2] > took[0]*2/3 {
		t.Errorf("the rounds took %d bytes", took)
	}
}
