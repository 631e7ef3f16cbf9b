package momserver_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"reflect"
	"slices"
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
	"mom.internal/wire/wiretest/harness"
	"mom.internal/wire/wiretest/invariant"
)

// promises_test.go holds a test for each promise of README. The tests show each
// promise as a user meets it; the tests beside each file and the simulation find
// the rare failures.

// bad makes subscribers of every bad kind, which behave badly until the test
// ends.
func bad(s *harness.Server) {
	s.T.Helper()
	subscribe(s, new(rawClient), protocol.SubscribeArgs{Name: "no credit", From: wire.FromOldest})
	subscribe(s, &rawClient{delay: time.Hour, room: 1 << 20}, protocol.SubscribeArgs{Name: "no answer", Credit: protocol.Credit{Events: 1 << 20, Bytes: 1 << 40}})
	subscribe(s, &rawClient{delay: time.Second, room: 1}, protocol.SubscribeArgs{Name: "slow", Credit: protocol.Credit{Events: 1, Bytes: 1 << 40}})
	conn := s.Peer()
	conn.Client().Go(protocol.MethodSubscribe, &protocol.SubscribeArgs{Name: "no reading", Credit: protocol.Credit{Events: 1 << 20, Bytes: 1 << 40}}, &protocol.Subscribed{}, nil)
	s.Dial() // says nothing
	blocked := s.Client(momclient.Options{Name: "blocked handler", Queue: 10})
	blocked.OnEvent(func(wire.Event) { time.Sleep(24 * time.Hour) })
	blocked.MustSubscribe()
	s.T.Cleanup(func() { conn.Close(wire.Errorf(wire.Closed, "the test is over")) })
	synctest.Wait()
}

// over ends a world that has bad subscribers.
func over(s *harness.Server) {
	s.Close()
	for _, c := range s.Clients {
		c.Close()
	}
	s.Net.Cut()
	time.Sleep(25 * time.Hour) // what is being handled ends
}

func TestPromise1PublishNeverWaits(t *testing.T) {
	harness.Serve(t, momserver.Config{CacheEvents: 100}, func(s *harness.Server) {
		bad(s)
		start := time.Now()
		s.PublishN(20_000)
		if took := time.Since(start); took > 0 {
			t.Errorf("20,000 events took %v", took)
		}
		over(s)
	})
}

func TestPromise2OneOrder(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		c := s.Subscribed(momclient.Options{AutoReconnect: true, Queue: 7})
		for range 20 {
			s.PublishN(50)
			s.Net.Cut() // wherever the events are
			s.PublishN(50)
			time.Sleep(time.Second)
		}
		time.Sleep(time.Minute) // the waits between attempts have grown
		synctest.Wait()
		var last uint64
		for _, e := range c.Take() { // the checkers look for repeats as well
			if e.Seq != last+1 {
				t.Fatalf("event %d after event %d", e.Seq, last)
			}
			last = e.Seq
		}
		if last != 2000 {
			t.Errorf("the last event is %d", last)
		}
	})
}

func TestPromise3NeverSilentLoss(t *testing.T) {
	harness.Serve(t, momserver.Config{CacheEvents: 10}, func(s *harness.Server) {
		c := s.Client(momclient.Options{AutoReconnect: true, Queue: 1})
		hold := make(chan struct{})
		c.OnEvent(func(wire.Event) { <-hold })
		c.MustSubscribe()
		for _, n := range []int{100, 3, 200, 11, 50, 1000} { // gap upon gap, some of them within a snapshot
			s.PublishN(n)
			synctest.Wait()
			hold <- struct{}{}
			synctest.Wait()
			s.Net.Cut()
			time.Sleep(time.Second)
		}
		close(hold)
		time.Sleep(time.Minute)
		synctest.Wait()
		told := c.Told()
		if uint64(told.Fresh)+told.Missed != 1364 || told.Missed == 0 || told.Last != 1364 || told.Snapshots == 0 {
			t.Errorf("of 1,364 events: %+v", told)
		}
	})
}

func TestPromise4ABadSubscriberHarmsNobody(t *testing.T) {
	harness.Serve(t, momserver.Config{CallTimeout: 5 * time.Second}, func(s *harness.Server) {
		healthy := s.Client(momclient.Options{Name: "healthy"})
		var published, late atomic.Int64
		healthy.OnEvent(func(wire.Event) {
			if time.Now().UnixNano() > published.Load() {
				late.Add(1)
			}
		})
		healthy.MustSubscribe()
		bad(s)
		for range 100 {
			published.Store(time.Now().UnixNano())
			s.PublishN(10)
			time.Sleep(100 * time.Millisecond)
		}
		if told := healthy.Told(); told.Fresh != 1000 || told.Missed > 0 || late.Load() > 0 {
			t.Errorf("the healthy subscriber: %+v, %d of them late", told, late.Load())
		}
		dropped := make(map[string]momserver.Reason)
		for _, d := range s.Stats().Dropped {
			dropped[d.Name] = d.Reason
		}
		if len(dropped) != 2 || dropped["no answer"] == 0 || dropped["no reading"] == 0 {
			t.Errorf("dropped: %v", dropped)
		}
		over(s)
	})
}

func TestPromise5ASlowSubscriberIsNotADeadOne(t *testing.T) {
	harness.Serve(t, momserver.Config{CacheEvents: 100}, func(s *harness.Server) {
		c := s.Client(momclient.Options{Queue: 10})
		c.OnEvent(func(e wire.Event) {
			if e.Seq == 1 {
				time.Sleep(time.Hour)
			}
		})
		c.MustSubscribe()
		for _, n := range []int{1, 10, 989} { // for the handler, for the client, and beyond
			s.PublishN(n)
			synctest.Wait()
		}
		time.Sleep(time.Hour - time.Second)
		synctest.Wait()
		if subs := s.Subscribers(); len(subs) != 1 || subs[0].Lag != 989 || subs[0].Credit > 0 {
			t.Errorf("after an hour: %+v", subs)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got, want := c.Told(), (invariant.Told{Fresh: 111, Snapshots: 1, Gaps: 1, Missed: 889, Last: 1000}); got != want {
			t.Errorf("%+v; want %+v", got, want)
		}
	})
}

// TestPromise6BoundedEverything asks for more of everything than is allowed,
// and each refusal names its bound. TestBounds holds each bound at its limit
// and one past it.
func TestPromise6BoundedEverything(t *testing.T) {
	cfg := momserver.Config{CacheEvents: 20, CacheBytes: 4 << 10, MaxEventBytes: 2 << 10, MaxRuns: 10, MaxJobs: 10, MaxOpenPackages: 10, MaxConns: 10, MaxSubscribers: 3}
	harness.Serve(t, cfg, func(s *harness.Server) {
		refused := make(map[string]bool)
		note := func(err error) {
			for _, name := range []string{"MaxEventBytes", "MaxRuns", "MaxOpenPackages", "MaxConns", "MaxSubscribers"} {
				if err != nil && strings.Contains(err.Error(), "Config."+name) {
					refused[name] = true
				}
			}
		}
		for range 50 {
			note(s.Publish(harness.Event(uuid.New(), uuid.New(), "", wire.Transferring)))
		}
		note(s.Publish(wire.Event{JobID: s.JobID, RunID: s.RunID, Data: wire.TransferData{Body: &wire.PackageBody{Item: strings.Repeat("x", 3<<10)}, Status: wire.Status{State: wire.JobCompleted}}}))
		for range 20 {
			note(s.Client(momclient.Options{From: wire.FromOldest}).Subscribe(context.Background()))
		}
		s.Check()
		for _, c := range s.Clients {
			c.Close()
		}
		s.Close()
		s.Start()
		job := s.MustStartJob(s.JobID, wire.InitializeData{Name: "job"})
		for range 20 {
			_, err := job.StartPackage(wire.PackageHeader{}, wire.PackageBody{})
			note(err)
		}
		s.Net.Cut()
		var conns []net.Conn
		for range 20 {
			nc := s.Dial()
			_, err := protocol.Greet(nc, "", time.Second)
			note(err)
			conns = append(conns, nc)
		}
		synctest.Wait()
		s.Check()
		c := momclient.New(harness.MemAddr, momclient.Options{DialContext: s.Net.DialContext})
		note(c.Subscribe(context.Background()))
		c.Close()
		for _, nc := range conns {
			nc.Close()
		}
		if want := []string{"MaxConns", "MaxEventBytes", "MaxOpenPackages", "MaxRuns", "MaxSubscribers"}; !slices.Equal(slices.Sorted(maps.Keys(refused)), want) {
			t.Errorf("refused by the names of %v", slices.Sorted(maps.Keys(refused)))
		}
	})
}

// TestPromise7EverythingStops ends a server with bad subscribers: the bubble
// fails if a goroutine is left.
func TestPromise7EverythingStops(t *testing.T) {
	harness.Serve(t, momserver.Config{CallTimeout: 5 * time.Second}, func(s *harness.Server) {
		healthy := s.Subscribed(momclient.Options{})
		bad(s)
		job := s.MustStartJob(s.JobID, wire.InitializeData{Name: "job"})
		s.Ran(job, "job", wire.JobInitialized, wire.ExportingError)
		start := time.Now()
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took > 2*5*time.Second {
			t.Errorf("Shutdown took %v", took)
		}
		if told := healthy.Told(); told.Fresh != 2 {
			t.Errorf("the healthy subscriber: %+v", told)
		}
		if err := s.Publish(harness.Event(s.JobID, s.RunID, "", wire.Transferring)); !errors.Is(err, wire.Closed) {
			t.Errorf("Publish after Shutdown: %v", err)
		}
		over(s)
	})
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		bad(s)
		s.PublishN(1000)
		start := time.Now()
		s.Close()
		if took := time.Since(start); took > 0 {
			t.Errorf("Close took %v", took)
		}
		over(s)
	})
}

// TestPromise8MonitoringNeverStopsTheMirroring runs a mirroring with every kind
// of monitor that refuses, and with none: it always runs, its result is the same,
// and what reports progress has no error to return.
func TestPromise8MonitoringNeverStopsTheMirroring(t *testing.T) {
	for name, srv := range switchedOff(t) {
		moved := 0
		err := srv.Run(context.Background(), momserver.JobID(name), wire.InitializeData{Name: strings.Repeat("n", 20)}, func(ctx context.Context, j *momserver.Job) error {
			j.Expect(1, 2, 3)
			return j.Package(wire.PackageHeader{}, wire.PackageBody{}, func(p *momserver.Package) error {
				n, err := p.Copy(ctx, io.Discard, strings.NewReader("content"))
				moved = int(n)
				return err
			})
		})
		if err != nil || moved != len("content") {
			t.Errorf("%s: %d bytes moved, %v", name, moved, err)
		}
	}
	for _, typ := range []reflect.Type{reflect.TypeFor[*momserver.Job](), reflect.TypeFor[*momserver.Package]()} {
		for _, name := range []string{"Moved", "Sent", "Received", "Expect", "Item", "Retry", "Warn", "Note", "Error", "Checked", "Skipped", "Deleted"} {
			if m, ok := typ.MethodByName(name); ok && m.Type.NumOut() > 0 {
				t.Errorf("%v.%s returns something", typ, name)
			}
		}
	}
}

// TestSwitchedOff calls every method of a nil Server, Job and Package: it does
// nothing, returns zero values, and calls the function that it is given.
func TestSwitchedOff(t *testing.T) {
	for _, off := range []any{(*momserver.Server)(nil), (*momserver.Job)(nil), (*momserver.Package)(nil)} {
		v := reflect.ValueOf(off)
		for i := range v.NumMethod() {
			m, called, takesFunc := v.Method(i), 0, false
			name := fmt.Sprintf("%T.%s", off, v.Type().Method(i).Name)
			var args []reflect.Value
			for k := range m.Type().NumIn() {
				switch in := m.Type().In(k); {
				case in.Kind() == reflect.Func:
					takesFunc = v.Type().Method(i).Name != "Disconnect" // which has no client to ask about
					args = append(args, reflect.MakeFunc(in, func([]reflect.Value) []reflect.Value {
						called++
						return []reflect.Value{reflect.Zero(in.Out(0))}
					}))
				case in == reflect.TypeFor[context.Context]():
					args = append(args, reflect.ValueOf(context.Background()))
				case in == reflect.TypeFor[io.Reader]() && name != "*momserver.Package.Reader":
					args = append(args, reflect.ValueOf(strings.NewReader("")))
				case in == reflect.TypeFor[net.Listener]():
					args = append(args, reflect.ValueOf(&closedListener{}))
				default:
					args = append(args, reflect.Zero(in))
				}
			}
			for _, out := range m.Call(args) {
				if !out.IsZero() {
					t.Errorf("%s returns %v", name, out)
				}
			}
			if takesFunc != (called == 1) {
				t.Errorf("%s calls its function %d times", name, called)
			}
		}
	}
}

// closedListener can be closed, and no more.
type closedListener struct{ net.Listener }

func (*closedListener) Close() error { return nil }
